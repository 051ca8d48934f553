"""Programs whose printed output docs/ cites: they measure the suite itself. Each is run as `python -m studies.NAME`."""
