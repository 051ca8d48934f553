"""What local, remote, one socket and both mean on recorded machines."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.machine import placement as placements
from fixtures.machine.memory import NodeMemory
from fixtures.machine.placement import (
    DEFAULT,
    PLACEMENTS,
    MemoryPolicy,
    PlacementImpossible,
    memory_sources,
    nodes_of,
    own_memory,
    placement,
)
from fixtures.machine.topology import Topology
from tests import kernel_trees
from tests.kernel_trees import Machine, write_sysfs


def read(root: Path, machine: Machine, **changes: object) -> tuple[Topology, NodeMemory]:
    """A recorded machine; `usable_cpus` and `cpu_quota` narrow it, `allowed` is its cpuset.mems."""
    topology = Topology.from_sysfs(write_sysfs(root / "sys", machine))
    memory = NodeMemory.from_root(root)
    if "allowed" in changes:
        memory = replace(memory, allowed=changes.pop("allowed"))  # type: ignore[arg-type]
    return replace(topology, **changes), memory  # type: ignore[arg-type]


def placed(word: str, machine: tuple[Topology, NodeMemory]) -> tuple[tuple[int, ...], str, tuple[int, ...] | None]:
    """CPUs, policy and nodes of a placement."""
    found = placement(word, *machine)
    return found.cpus, found.memory.name, found.memory.nodes


def test_the_machine_of_the_study(tmp_path: Path) -> None:
    """Three placements differ in memory alone; no sibling is used."""
    machine = read(tmp_path, kernel_trees.C5_METAL)
    one, all_cores = tuple(range(24)), tuple(range(48))
    assert {word: placed(word, machine) for word in PLACEMENTS} == {
        "local": (one, "bind", (0,)),
        "interleave": (one, "interleave", (0, 1)),
        "remote": (one, "bind", (1,)),
        "one_socket": (one, "bind", (0,)),
        "both_sockets": (all_cores, "interleave", (0, 1)),
    }


def test_sockets_of_two_nodes(tmp_path: Path) -> None:
    """One socket is two nodes, local is half a socket, and remote is the farthest node, not the nearest other one."""
    machine = read(tmp_path, kernel_trees.SUB_NUMA_CLUSTERS)
    assert placed("local", machine) == (tuple(range(6)), "bind", (0,))
    assert placed("remote", machine) == (tuple(range(6)), "bind", (3,))
    assert placed("one_socket", machine) == (tuple(range(12)), "bind", (0, 1))
    assert placed("both_sockets", machine) == (tuple(range(24)), "interleave", (0, 1, 2, 3))


def test_ids_with_holes(tmp_path: Path) -> None:
    """The home node is the one with most cores; nothing is computed from a number."""
    machine = read(tmp_path, kernel_trees.HOLES)
    assert placed("local", machine) == ((2, 4), "bind", (1,))
    assert placed("remote", machine) == ((2, 4), "bind", (8,))
    assert placed("both_sockets", machine) == ((2, 4, 7), "interleave", (1, 8))


def test_a_mask_on_one_socket(tmp_path: Path) -> None:
    """Remote memory needs no CPU there; both sockets do."""
    machine = read(tmp_path, kernel_trees.C5_METAL, usable_cpus=tuple(range(24, 32)))
    assert placed("local", machine) == (tuple(range(24, 32)), "bind", (1,))
    assert placed("remote", machine) == (tuple(range(24, 32)), "bind", (0,))
    with pytest.raises(PlacementImpossible, match=r"1 of 2 sockets have no CPU in this process's mask \(CPUs 24-31\)"):
        placement("both_sockets", *machine)


def test_a_quota(tmp_path: Path) -> None:
    """A quota leaves fewer cores of a node, and no comparison of all cores."""
    machine = read(tmp_path, kernel_trees.C5_METAL, cpu_quota=8.5)
    assert placed("local", machine) == (tuple(range(8)), "bind", (0,))
    with pytest.raises(PlacementImpossible, match=r"a quota of 8\.5 CPUs cannot keep the 48 cores of 2 sockets busy"):
        placement("both_sockets", *machine)


@pytest.mark.parametrize("word", PLACEMENTS)
@pytest.mark.parametrize(
    ("machine", "reason"),
    [
        (kernel_trees.VIRTUAL_MACHINE, "this machine has one NUMA node"),
        (kernel_trees.ONE_CORE, "this machine has one NUMA node"),
        (kernel_trees.NO_NUMA, "this machine has one NUMA node"),
        (kernel_trees.MEMORY_ONLY_NODE, "comparing takes two: node 1 has no CPUs, its memory is no other socket's"),
        (replace(kernel_trees.C5_METAL, nodes_without_memory=(1,)), "comparing takes two: node 1 has no memory"),
    ],
)
def test_nothing_to_compare(tmp_path: Path, machine: Machine, reason: str, word: str) -> None:
    """With one source of memory nothing can be placed, and the reason says why each other node is none."""
    with pytest.raises(PlacementImpossible, match=reason):
        placement(word, *read(tmp_path, machine))


def test_a_cpuset_with_one_node(tmp_path: Path) -> None:
    """cpuset.mems counts as much as hardware does."""
    machine = read(tmp_path, kernel_trees.C5_METAL, allowed=(0,))
    with pytest.raises(PlacementImpossible, match=r"node 1 is not in this process's cpuset \(Mems_allowed_list: 0\)"):
        memory_sources(*machine)


def test_cpus_whose_memory_is_not_allowed(tmp_path: Path) -> None:
    """CPUs on one node and memory on others is no local memory."""
    topology, memory = read(tmp_path, kernel_trees.SUB_NUMA_CLUSTERS, usable_cpus=(0, 1), allowed=(1, 2))
    with pytest.raises(PlacementImpossible, match=r"its CPUs are 0-1, its memory is on nodes 1-2"):
        placement("local", topology, memory)
    with pytest.raises(
        PlacementImpossible, match=r"CPUs of node 0 would be used, and node 0 is not in this process's cpuset"
    ):
        nodes_of((0, 6), topology, memory)


def test_one_socket_of_several_nodes(tmp_path: Path) -> None:
    """A socket of four nodes has near and far memory, and no second socket."""
    single = replace(
        kernel_trees.SUB_NUMA_CLUSTERS, cores=tuple(replace(c, package=0) for c in kernel_trees.SUB_NUMA_CLUSTERS.cores)
    )
    machine = read(tmp_path, single)
    assert placed("remote", machine) == (tuple(range(6)), "bind", (3,))
    assert placed("one_socket", machine) == (tuple(range(24)), "bind", (0, 1, 2, 3))
    with pytest.raises(PlacementImpossible, match="this machine has one socket"):
        placement("both_sockets", *machine)


def test_an_unknown_word(tmp_path: Path) -> None:
    """Refused with the words that are known."""
    with pytest.raises(
        ValueError, match="'near' is no placement; possible: local, interleave, remote, one_socket, both_sockets"
    ):
        placement("near", *read(tmp_path, kernel_trees.C5_METAL))


def test_instances_have_memory_of_their_own_nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is bound to the nodes of its CPUs, one that spans two nodes to both."""
    monkeypatch.setattr(placements, "why_not_numactl", lambda nodes: None)
    topology, memory = read(tmp_path, kernel_trees.C5_METAL)
    policies, reason = own_memory(topology.share_cpus(3), topology, memory)
    assert policies == tuple(MemoryPolicy(name="bind", nodes=nodes) for nodes in ((0,), (1,), (0, 1)))
    assert reason is None


def test_instances_that_cannot_be_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None is bound, and the reason is kept: never some and not others, never in silence."""
    topology, memory = read(tmp_path, kernel_trees.C5_METAL)
    monkeypatch.setattr(placements, "why_not_numactl", lambda nodes: f"no numactl for {nodes}")
    assert own_memory(topology.share_cpus(2), topology, memory) == ((DEFAULT, DEFAULT), "no numactl for (0, 1)")
    narrowed = replace(memory, allowed=(0,))
    policies, reason = own_memory(topology.share_cpus(2), topology, narrowed)
    assert policies == (DEFAULT, DEFAULT)
    assert reason is not None
    assert "node 1 is not in this process's cpuset" in reason
