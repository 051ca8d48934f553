"""Wiring only: which modules of fixtures/ are plugins. What each does is in the module; no framework is imported."""

pytest_plugins = [
    "fixtures.asked.options",
    "fixtures.run.shard",
    "fixtures.run.session",
    "fixtures.run.loop",
    "fixtures.run.terminal",
    "fixtures.run.report",
    "fixtures.gate.marker",
    "fixtures.gate.missing",
    "fixtures.gate.stored",
    "fixtures.gate.duet",
    "fixtures.gate.side_by_side",
    "fixtures.conditions.collection",
    "fixtures.conditions.axes",
    "fixtures.conditions.deployment",
    "fixtures.conditions.limited",
    "fixtures.conditions.profiled",
    "fixtures.conditions.measure",
    "fixtures.conditions.stream",
    "fixtures.conditions.tuned",
]
