"""A plugin that lets a session take this machine for another one: `-p tests.pretended_machine`.

PRETENDED_ROOT names a tree with /sys in it, whose CPUs must be usable here; PRETENDED_ISA has the instruction sets of its
CPU. What is not given stays this machine's, as memory, masks and times do.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.machine.fingerprint import Fingerprint
from fixtures.machine.memory import NodeMemory
from fixtures.machine.topology import Topology


@pytest.hookimpl(tryfirst=True)
def pytest_configure() -> None:
    """Replaces what is read from the kernel, before options are validated."""
    if "PRETENDED_ROOT" in os.environ:
        root = Path(os.environ["PRETENDED_ROOT"])
        topology, memory = Topology.from_sysfs(root / "sys"), NodeMemory.from_root(root)
        Topology.of_this_process = classmethod(lambda cls: topology)  # type: ignore[method-assign, assignment]
        NodeMemory.from_root = classmethod(lambda cls: memory)  # type: ignore[method-assign, assignment]
    if "PRETENDED_ISA" in os.environ:
        isa, real = sorted(os.environ["PRETENDED_ISA"].split()), Fingerprint.of_this_machine
        Fingerprint.of_this_machine = classmethod(lambda cls: with_isa(real, isa))  # type: ignore[method-assign, assignment]


def with_isa(real: Callable[[], Fingerprint], isa: list[str]) -> Fingerprint:
    """This machine with another CPU."""
    machine = real()
    return replace(machine, hard={**machine.hard, "isa": isa})
