"""The files of runs: how they are written, kept and read, and nothing of what they mean.

`run_folder` makes run.json from a journal and finds runs, `reading_runs` and `reading_benchmarks` read files of
pytest-benchmark into `run` and `result`, `store` keeps accepted runs (a file of one: `accepted_file`), `past` says which of
them count, `checkout` asks git about them.
"""
