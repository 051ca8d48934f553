"""What the questions about siblings and memory compare, on recorded machines."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.asked import layouts
from fixtures.asked.layouts import layouts_of, memory_layouts, multithreading_layouts
from fixtures.asked.matrix import Layout
from fixtures.machine.memory import NodeMemory, why_not_numactl
from fixtures.machine.placement import PLACEMENTS
from fixtures.machine.topology import Topology
from tests import kernel_trees
from tests.kernel_trees import Machine, write_sysfs
from tests.test_matrix import axes


def read(root: Path, machine: Machine) -> tuple[Topology, NodeMemory]:
    """A recorded machine."""
    return Topology.from_sysfs(write_sysfs(root / "sys", machine)), NodeMemory.from_root(root)


def pairs(found: list[Layout]) -> list[tuple[object, object]]:
    """(cores, threads) of what can run."""
    return [(one.values["cores"], one.values["threads"]) for one in found if one.skip is None]


class TestMultithreading:
    """One thread or two on each physical core."""

    def test_the_machine_of_the_study(self, tmp_path: Path) -> None:
        """The study's own comparison is among them: 24 cores, 12 with their siblings, 24 with theirs; none twice."""
        topology, _ = read(tmp_path, kernel_trees.C5_METAL)
        found = multithreading_layouts(topology.thread_counts(), topology)
        assert pairs(found) == [
            *[(1, 1), (1, 2), (2, 2), (2, 4), (4, 4), (4, 8), (8, 8), (8, 16), (16, 16), (16, 32)],
            *[(24, 24), (12, 24), (24, 48), (32, 32), (32, 64), (48, 48), (48, 96)],
        ]
        assert len(found) == 17

    def test_every_pair_has_cpus(self, tmp_path: Path) -> None:
        """What is no skip can be picked, on as many CPUs as it has threads and as many cores as it says."""
        for number, machine in enumerate((kernel_trees.C5_METAL, kernel_trees.VIRTUAL_MACHINE, kernel_trees.HOLES)):
            topology, _ = read(tmp_path / str(number), machine)
            for layout in multithreading_layouts((1, 2, 3), topology):
                cores, threads = int(layout.values["cores"]), int(layout.values["threads"])
                cpus = topology.pick_siblings(cores, threads)
                assert len(set(cpus)) == threads
                assert sum(any(cpu in core for cpu in cpus) for core in topology.cores) == cores

    def test_an_odd_number_has_no_half(self, tmp_path: Path) -> None:
        """Three cores are compared with three and their siblings."""
        topology, _ = read(tmp_path, kernel_trees.VIRTUAL_MACHINE)
        assert pairs(multithreading_layouts((3,), topology)) == [(3, 3), (3, 6)]
        assert pairs(multithreading_layouts((2, 4), topology)) == [(2, 2), (1, 2), (2, 4), (4, 4), (4, 8)]

    @pytest.mark.parametrize("machine", [kernel_trees.ONE_CORE, replace(kernel_trees.VIRTUAL_MACHINE, offline=(1, 3, 5, 7))])
    def test_without_siblings(self, tmp_path: Path, machine: Machine) -> None:
        """One skip that says how to see it, and never an empty set."""
        topology, _ = read(tmp_path, machine)
        (only,) = multithreading_layouts((1, 2, 4), topology)
        assert dict(only.values) == {"cores": 1, "threads": 2}
        assert "siblings are switched off or absent (`python -m fixtures.machine`" in str(only.skip)
        assert "/sys/devices/system/cpu/smt/control" in str(only.skip)

    def test_a_mask_without_siblings(self, tmp_path: Path) -> None:
        """The mask is named, not the hardware."""
        topology = replace(read(tmp_path, kernel_trees.VIRTUAL_MACHINE)[0], usable_cpus=(0, 3, 4))
        (only,) = multithreading_layouts((1, 2), topology)
        assert str(only.skip).startswith("this process's mask (CPUs 0,3-4) leaves one CPU of each core")

    def test_a_mask_that_cuts_some_siblings(self, tmp_path: Path) -> None:
        """What needs more cores with a sibling than are left is a skip with the numbers."""
        topology = replace(read(tmp_path, kernel_trees.VIRTUAL_MACHINE)[0], usable_cpus=(0, 1, 2, 4))
        found = multithreading_layouts(topology.thread_counts(), topology)
        assert pairs(found) == [(1, 1), (1, 2)]
        rule = "cores with a usable sibling are needed, this process may use 1 (its mask has 4 CPUs)"
        assert {one.skip for one in found if one.skip} == {f"2 {rule}", f"3 {rule}"}

    def test_a_quota(self, tmp_path: Path) -> None:
        """Siblings count against it; below two CPUs' worth of time there is one skip."""
        topology = replace(read(tmp_path, kernel_trees.C5_METAL)[0], cpu_quota=4.0)
        found = multithreading_layouts(topology.thread_counts(), topology)
        assert pairs(found) == [(1, 1), (1, 2), (2, 2), (2, 4), (4, 4)]
        assert found[-1].skip == "8 threads need 8 CPUs, this process may use 4 (its mask has 96 CPUs, a quota of 4 CPUs)"
        (only,) = multithreading_layouts((1,), replace(topology, cpu_quota=1.5))
        assert str(only.skip).startswith("two threads on one core need 2 CPUs' worth of time, this process may use 1 (its")


class TestMemory:
    """Where threads and memory are."""

    @pytest.fixture(autouse=True)
    def numactl_works(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(layouts, "why_not_numactl", lambda nodes: None)

    def test_the_machine_of_the_study(self, tmp_path: Path) -> None:
        """All five."""
        found = memory_layouts(*read(tmp_path, kernel_trees.C5_METAL))
        assert [(one.values["memory"], one.skip) for one in found] == [(word, None) for word in PLACEMENTS]

    def test_one_that_is_impossible_keeps_its_place(self, tmp_path: Path) -> None:
        """A mask on one socket takes one placement away, and its skip says why."""
        topology, memory = read(tmp_path, kernel_trees.C5_METAL)
        found = memory_layouts(replace(topology, usable_cpus=(0, 1)), memory)
        assert [str(one.values["memory"]) for one in found if one.skip is None] == list(PLACEMENTS[:4])
        assert found[-1].skip == "both_sockets: 1 of 2 sockets have no CPU in this process's mask (CPUs 0-1)"

    @pytest.mark.parametrize(
        "machine", [kernel_trees.ONE_CORE, kernel_trees.VIRTUAL_MACHINE, kernel_trees.NO_NUMA, kernel_trees.MEMORY_ONLY_NODE]
    )
    def test_one_source_of_memory(self, tmp_path: Path, machine: Machine) -> None:
        """One skip for the whole question."""
        (only,) = memory_layouts(*read(tmp_path, machine))
        assert only.values["memory"] == "local"
        assert "`python -m fixtures.machine` lists the nodes" in str(only.skip)

    def test_without_numactl(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """One skip that says what to install."""
        why_not_numactl.cache_clear()
        monkeypatch.setattr(layouts, "why_not_numactl", why_not_numactl)
        monkeypatch.setenv("PATH", str(tmp_path))
        (only,) = memory_layouts(*read(tmp_path, kernel_trees.C5_METAL))
        why_not_numactl.cache_clear()
        assert str(only.skip).endswith("sudo apt-get install numactl")


def test_questions_have_their_layouts(tmp_path: Path) -> None:
    """By the name of the question; named thread counts are the numbers of cores."""
    topology, memory = read(tmp_path, kernel_trees.VIRTUAL_MACHINE)
    found = layouts_of("simultaneous_multithreading", axes(threads=(4,)), topology, memory)
    assert pairs(list(found)) == [(4, 4), (2, 4), (4, 8)]
    assert [dict(one.values) for one in layouts_of("memory_binding", axes(), topology, memory)] == [{"memory": "local"}]


def test_instances_of_unequal_cores_are_a_skip(tmp_path: Path) -> None:
    """With the cores of each kind; threads of one instance may be on both."""
    topology, memory = read(tmp_path, kernel_trees.P_AND_E_CORES)
    found = layouts_of("instance_scaling", axes(instances=(4, 8, 16)), topology, memory)
    kinds = "4 fast cores (CPUs 0-7), 8 slow cores (CPUs 8-15)"
    assert [one.skip for one in found] == [
        None,
        f"8 instances would have unequal cores: {kinds}; at most 4 have a core of one kind each",
        "16 instances need 16 physical cores, this process may use 12 (its mask has 16 CPUs)",
    ]
    assert [one.skip for one in layouts_of("core_count_scaling", axes(threads=(12,)), topology, memory)] == [None]
