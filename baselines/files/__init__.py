"""The files of runs: how they are written, kept and read, and nothing of what they mean.

`run_file` makes run.json from a journal, `reading` reads files of pytest-benchmark into the values of `results`, `store`
keeps accepted runs (`stored_text` knows their text), `checkout` asks git about them.
"""
