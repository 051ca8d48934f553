"""What a run is judged against, and the commands on the files of runs: `python -m baselines`.

Needs no pytest, no framework and nothing of fixtures/. A test process uses it too: files/run_folder.py puts its run.json
together, the judge decides about its tests.
"""
