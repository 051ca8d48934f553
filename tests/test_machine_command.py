"""`python -m fixtures.machine` as a person types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.machine.__main__ import main
from tests import kernel_trees
from tests.kernel_trees import write_sysfs

if TYPE_CHECKING:
    from collections.abc import Mapping

CHECKOUT = Path(__file__).resolve().parents[1]


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command in the checkout."""
    return subprocess.run(
        [sys.executable, "-m", "fixtures.machine", *map(str, arguments)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_c5_metal(tmp_path: Path) -> None:
    """A recorded tree is printed as JSON: 48 cores of two siblings, two nodes, and null for what is not in the tree."""
    finished = run("--sysfs", write_sysfs(tmp_path, kernel_trees.C5_METAL))

    assert (finished.returncode, finished.stderr) == (0, "")
    printed = json.loads(finished.stdout)
    assert list(printed) == ["topology", "fingerprint"]
    assert printed["topology"] == {
        "sockets": 2,
        "numa_nodes": {"0": [*range(24), *range(48, 72)], "1": [*range(24, 48), *range(72, 96)]},
        "cores": [[cpu, cpu + 48] for cpu in range(48)],
        "usable_cpus": list(range(96)),
        "cpu_quota": None,
    }
    assert printed["fingerprint"]["machine_id"] is None
    assert printed["fingerprint"]["hard"]["physical_cores"] == 48
    assert finished.stdout.startswith('{\n  "topology": {\n')


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        (kernel_trees.VIRTUAL_MACHINE, {"sockets": 1, "cores": [[0, 1], [2, 3], [4, 5], [6, 7]]}),
        (kernel_trees.NO_NUMA, {"numa_nodes": {"0": [0, 1, 2, 3]}}),
        (kernel_trees.OFFLINE_SIBLING, {"cores": [[0], [1], [2, 6]], "usable_cpus": [0, 1, 2, 6]}),
        (kernel_trees.MEMORY_ONLY_NODE, {"numa_nodes": {"0": [0, 1, 2, 3], "1": []}}),
        (kernel_trees.HOLES, {"sockets": 2, "numa_nodes": {"1": [2, 4, 10, 12], "8": [7, 15]}}),
    ],
    ids=["virtual machine", "no NUMA", "offline", "memory only", "holes"],
)
def test_other_trees(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], machine: kernel_trees.Machine, expected: Mapping[str, Any]
) -> None:
    """What the topology knows of a tree is what the command prints."""
    assert main(["--sysfs", str(write_sysfs(tmp_path, machine))]) == 0
    printed = json.loads(capsys.readouterr().out)["topology"]
    assert {name: printed[name] for name in expected} == expected


def test_this_machine() -> None:
    """Without arguments it is this machine, cut to the mask of the process that asks."""
    finished = run()

    assert (finished.returncode, finished.stderr) == (0, "")
    printed = json.loads(finished.stdout)
    assert printed["topology"]["usable_cpus"] == sorted(os.sched_getaffinity(0))
    assert set(printed["fingerprint"]) == {"machine_id", "hard", "soft"}


def test_bad_directory(tmp_path: Path) -> None:
    """A directory that is no /sys ends with one line on stderr, nothing on stdout, and exit status 4."""
    finished = run("--sysfs", tmp_path / "absent")

    assert (finished.returncode, finished.stdout) == (4, "")
    assert finished.stderr == (
        f"python -m fixtures.machine: {tmp_path}/absent is no tree like /sys: it has no directory devices/system/cpu\n"
    )


def test_imports_no_framework() -> None:
    """The room can be imported by a worker before its framework: nothing beyond the standard library comes with it."""
    code = """
import sys
import fixtures.machine.affinity, fixtures.machine.fingerprint, fixtures.machine.steadiness, fixtures.machine.topology
print(sorted({name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names - {'__main__'}))
"""
    finished = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=True
    )
    assert finished.stdout == "['fixtures']\n"
