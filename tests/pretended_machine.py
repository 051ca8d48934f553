"""A plugin that lets a session take this machine for another one: `-p tests.pretended_machine`.

PRETENDED_ROOT names a tree with /sys in it, whose CPUs must be usable here; memory, masks and times stay this machine's.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fixtures.machine.memory import NodeMemory
from fixtures.machine.topology import Topology


@pytest.hookimpl(tryfirst=True)
def pytest_configure() -> None:
    """Replaces what is read from /sys, before options are validated."""
    root = Path(os.environ["PRETENDED_ROOT"])
    topology, memory = Topology.from_sysfs(root / "sys"), NodeMemory.from_root(root)
    Topology.of_this_process = classmethod(lambda cls: topology)  # type: ignore[method-assign, assignment]
    NodeMemory.from_root = classmethod(lambda cls: memory)  # type: ignore[method-assign, assignment]
