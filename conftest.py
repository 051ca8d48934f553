"""Wiring only: which modules of fixtures/ are plugins. What each does stands in the module; no framework is imported."""

pytest_plugins = [
    "fixtures.options",
    "fixtures.run.session",
    "fixtures.run.terminal",
    "fixtures.run.report",
    "fixtures.verdict",
    "fixtures.duet_verdict",
    "fixtures.conditions",
    "fixtures.dispatching.conditions",
    "fixtures.tuning.conditions",
]
