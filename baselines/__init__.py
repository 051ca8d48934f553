"""What a run is judged against, and the commands on the files of runs: `python -m baselines`.

Needs no pytest, no framework and nothing of fixtures/. `run_file` is the one place that knows how a run's file is put
together and written; fixtures/run/journal.py uses it while measuring.
"""
