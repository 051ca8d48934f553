"""Programs whose printed output docs/ cites: they measure the suite itself. Each is run as `python -m studies.NAME`.

A study is a process of its own, which starts pytest, or workers; `extra_work` and `bare_loop` say where else they run.
"""
