"""Policies of memory, and the pages of a process by node, from recorded kernels and this one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from fixtures.instance.handle import Instance
from fixtures.machine.memory import (
    MemoryPlacementError,
    NodeMemory,
    anonymous_pages,
    check_pages,
    memory_pages,
    numactl_command,
    why_not_numactl,
)
from tests import kernel_trees
from tests.kernel_trees import Machine, write, write_sysfs

NUMA_MAPS = """\
55d0c8a3e000 bind:1 file=/usr/bin/python3.11 mapped=2 mapmax=3 N0=2 kernelpagesize_kB=4
55d0c8f30000 bind:1 file=/usr/bin/python3.11 anon=98 dirty=98 mapped=120 mapmax=2 active=30 N0=22 N1=98 kernelpagesize_kB=4
55d0cb1f7000 bind:1 heap anon=1480 dirty=1480 active=0 N1=1480 kernelpagesize_kB=4
7f1f40000000 bind:1 anon=33 dirty=33 active=0 N0=1 N1=32 kernelpagesize_kB=4
7f1f44021000 bind:1
7f1f5c000000 bind:1 anon=98304 dirty=98304 active=0 N1=98304 kernelpagesize_kB=4
7f1f90000000 bind:1 file=/home/me/.cache/bert/model.safetensors mapped=105000 active=0 N0=105000 kernelpagesize_kB=4
7f1fb2a00000 bind:1 file=/anon_hugepage\\040(deleted) huge anon=3 dirty=3 N1=3 kernelpagesize_kB=2048
7f1fb3000000 bind:1 file=/dev/shm/a\\040file\\040N0=7 dirty=5 N0=5 kernelpagesize_kB=4
7f1fb4a01000 bind:1 file=/usr/lib/libc.so.6 anon=4 dirty=4 mapped=226 mapmax=55 N0=222 N1=4 kernelpagesize_kB=4
7ffd5a1c8000 bind:1 stack anon=9 dirty=9 active=2 N0=2 N1=7 kernelpagesize_kB=4
7ffd5a1f1000 bind:1
"""
"""A worker bound to node 1: weights, a heap, huge pages, a stack; its checkpoint and libraries are page cache of node 0."""

INTERLEAVED = """\
5581f3a1b000 interleave:0-1 heap anon=1481 dirty=1481 N0=741 N1=740 kernelpagesize_kB=4
7f9d10000000 interleave:0-1 anon=98304 dirty=98304 active=0 N0=48640 N1=49664 kernelpagesize_kB=4
7ffc1d2b4000 interleave:0-1 stack anon=9 dirty=9 N0=5 N1=4 kernelpagesize_kB=4
"""


class TestPages:
    """What is counted of a process's memory."""

    def test_anonymous_memory_by_node(self) -> None:
        """Heap, stacks and anonymous mappings count, a huge page as what it covers; files do not, nor names like N0=7."""
        huge = 3 * 512
        assert anonymous_pages(NUMA_MAPS) == {0: 1 + 2, 1: 1480 + 32 + 98304 + huge + 7}
        assert anonymous_pages(INTERLEAVED) == {0: 741 + 48640 + 5, 1: 740 + 49664 + 4}

    def test_a_kernel_that_names_no_page_size(self) -> None:
        """Before Linux 3.19 pages have the base size, or the line is of another kind."""
        assert anonymous_pages("00400000 default heap anon=5 dirty=5 N3=2 N12=3\n\n") == {3: 2, 12: 3}

    def test_this_process(self) -> None:
        """The kernel's own file is understood: more than a megabyte, on nodes that this process may use."""
        pages = memory_pages(os.getpid())
        if pages is None:
            pytest.skip("this kernel has no /proc/PID/numa_maps")
        assert sum(pages.values()) > 256
        assert set(pages) <= set(NodeMemory.from_root().allowed)

    def test_no_such_file(self, tmp_path: Path) -> None:
        """A kernel without NUMA support tells nothing."""
        assert memory_pages(os.getpid(), root=tmp_path) is None


class TestCheck:
    """Whether memory lies where its policy says."""

    def test_bound(self) -> None:
        """29 of 52,290 pages elsewhere, as seen on two nodes, are allowed."""
        check_pages({0: 29, 1: 52_261}, "bind", (1,))
        check_pages({0: 1, 1: 99}, "bind", (1,))
        check_pages({0: 30, 1: 70}, "bind", (0, 1))
        check_pages(anonymous_pages(NUMA_MAPS), "bind", (1,))

    def test_bound_and_elsewhere(self) -> None:
        """A wrong node is an error with every node's share, the rule and what may be the cause."""
        with pytest.raises(MemoryPlacementError) as wrong:
            check_pages({0: 60, 1: 940}, "bind", (1,))
        assert str(wrong.value).startswith(
            "memory was to be bound to node 1: of 1000 pages 6.0% are on node 0, 94.0% are on node 1; the rule is at least "
            "99% there"
        )
        assert "`numactl --hardware`" in str(wrong.value)
        with pytest.raises(MemoryPlacementError, match=r"100\.0% are on node 0, 0\.0% are on node 1"):
            check_pages({0: 1000}, "bind", (1,))

    def test_interleaved(self) -> None:
        """A quarter of an equal share is enough on each node, as two nodes of an emulated machine had them."""
        check_pages(anonymous_pages(INTERLEAVED), "interleave", (0, 1))
        check_pages({0: 25_866, 1: 26_425}, "interleave", (0, 1))
        check_pages({0: 8_254, 1: 4_148}, "interleave", (0, 1))
        check_pages(dict(zip(range(8), [22, 12, 11, 11, 11, 11, 11, 11], strict=True)), "interleave", tuple(range(8)))

    @pytest.mark.parametrize("pages", [{0: 120, 1: 880}, {0: 1000}, {1: 990, 0: 10}])
    def test_interleaved_unevenly(self, pages: dict[int, int]) -> None:
        """A policy that did not hold for all of the memory is found out."""
        with pytest.raises(
            MemoryPlacementError, match=r"interleaved over nodes 0-1: of 1000 .*the rule is at least 12\.5% on each"
        ):
            check_pages(pages, "interleave", (0, 1))

    def test_interleaved_and_elsewhere(self) -> None:
        """Equal shares do not help when a part is on a third node."""
        with pytest.raises(MemoryPlacementError, match="at least 99% there"):
            check_pages({0: 480, 1: 480, 2: 40}, "interleave", (0, 1))

    @pytest.mark.parametrize("pages", [None, {}, {0: 0}])
    def test_nothing_to_count(self, pages: dict[int, int] | None) -> None:
        """What cannot be proven is an error where a policy was asked for, and nothing otherwise."""
        with pytest.raises(MemoryPlacementError, match="bound to node 0, and /proc/PID/numa_maps shows no anonymous page"):
            check_pages(pages, "bind", (0,))
        check_pages(pages, "default", None)


class TestNodeMemory:
    """Nodes as sources of memory."""

    def read(self, root: Path, machine: Machine, mems_allowed: str | None = None) -> NodeMemory:
        write_sysfs(root / "sys", machine)
        if mems_allowed is not None:
            write(
                root / "proc/self/status",
                f"Name:\tpython\nMems_allowed:\t00000000,00000001\nMems_allowed_list:\t{mems_allowed}",
            )
        return NodeMemory.from_root(root)

    def test_two_nodes(self, tmp_path: Path) -> None:
        """The study's machine: each node has memory, the other one is the farthest."""
        memory = self.read(tmp_path, kernel_trees.C5_METAL, "0-1")
        assert (memory.with_memory, memory.allowed, memory.balancing) == ((0, 1), (0, 1), None)
        assert memory.distances == {0: {0: 10, 1: 21}, 1: {0: 21, 1: 10}}
        assert memory.why_not(1) is None

    def test_a_cpuset(self, tmp_path: Path) -> None:
        """A node outside cpuset.mems cannot be had, and the reason quotes the kernel's file."""
        memory = self.read(tmp_path, kernel_trees.C5_METAL, "0")
        assert memory.why_not(1) == "node 1 is not in this process's cpuset (Mems_allowed_list: 0)"
        assert memory.why_not(0) is None

    def test_a_node_without_memory(self, tmp_path: Path) -> None:
        """Empty DIMM slots make a node of CPUs alone."""
        write(tmp_path / "proc/sys/kernel/numa_balancing", "1")
        machine = Machine(cores=kernel_trees.C5_METAL.cores, nodes=kernel_trees.C5_METAL.nodes, nodes_without_memory=(1,))
        memory = self.read(tmp_path, machine)
        assert memory.why_not(1) == "node 1 has no memory"
        assert memory.balancing == 1

    def test_the_farthest_node(self, tmp_path: Path) -> None:
        """By the firmware's table, not by number; the lowest where none is told."""
        memory = self.read(tmp_path, kernel_trees.SUB_NUMA_CLUSTERS)
        assert memory.farthest(0, (1, 2, 3)) == 3
        assert memory.farthest(1, (0, 2, 3)) == 2
        assert self.read(tmp_path / "holes", kernel_trees.HOLES).farthest(1, (8,)) == 8

    def test_no_numa(self, tmp_path: Path) -> None:
        """A kernel without NUMA support has node 0."""
        memory = self.read(tmp_path, kernel_trees.NO_NUMA)
        assert (memory.with_memory, memory.allowed, memory.distances) == ((0,), (0,), {})


class TestNumactl:
    """The program that sets policies."""

    @pytest.fixture(autouse=True)
    def asked_anew(self) -> None:
        why_not_numactl.cache_clear()

    def test_command(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It comes before the interpreter; without a policy nothing does; what makes no sense is refused."""
        monkeypatch.setenv("PATH", "")
        assert numactl_command("default", None) == ()
        assert numactl_command("bind", (1,)) == ("numactl", "--membind=1")
        assert numactl_command("interleave", (0, 1, 3)) == ("numactl", "--interleave=0-1,3")
        for policy, nodes in (("default", (0,)), ("bind", None), ("bind", ()), ("preferred", (0,))):
            with pytest.raises(ValueError, match="no memory policy"):
                numactl_command(policy, nodes)

    def test_not_installed(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """The reason says what to type."""
        monkeypatch.setenv("PATH", str(tmp_path))
        assert (why_not_numactl((0, 1)) or "").endswith("sudo apt-get install numactl")

    def test_not_permitted(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """What numactl says in a container without the capability is quoted, with what allows it."""
        program = tmp_path / "numactl"
        program.write_text("#!/bin/sh\necho 'set_mempolicy: Operation not permitted' >&2\nexit 1\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        reason = why_not_numactl((0, 1)) or ""
        assert reason.startswith("numactl cannot bind memory to nodes 0-1 (set_mempolicy: Operation not permitted).")
        assert "--cap-add SYS_NICE" in reason

    @pytest.mark.parametrize("policy", ["bind", "interleave"])
    def test_a_worker_has_the_policy(self, policy: str, tmp_path: Path) -> None:
        """The kernel shows the policy on every mapping of a real worker with numpy loaded, and its memory on the node."""
        here = NodeMemory.from_root()
        node = next(node for node in here.with_memory if here.why_not(node) is None)
        if reason := why_not_numactl((node,)):
            pytest.skip(reason)
        instance = Instance(stderr_path=tmp_path / "stderr.txt", launcher=numactl_command(policy, (node,)))
        try:
            instance.ask("import", backend="fixtures.backends.onnxruntime:OnnxRuntime", threads=1, time_out_s=60)
            lines = Path(f"/proc/{instance.pid}/numa_maps").read_text().splitlines()
            pages = memory_pages(instance.pid)
            assert "fixtures.worker" in Path(f"/proc/{instance.pid}/cmdline").read_text()
        finally:
            instance.close()
        assert {line.split()[1] for line in lines if " anon=" in line} == {f"{policy}:{node}"}
        assert pages is not None
        assert pages[node] >= 0.99 * sum(pages.values()) > 1000
        check_pages(pages, policy, (node,))

    def test_a_launcher_that_is_not_there(self, tmp_path: Path) -> None:
        """A worker never starts without its policy: the message names the program that is missing."""
        from fixtures.instance.handle import InstanceFailure

        with pytest.raises(InstanceFailure, match="could not be started with numactl-is-not-here --membind=0 /"):
            Instance(stderr_path=tmp_path / "stderr.txt", launcher=("numactl-is-not-here", "--membind=0"))
        assert shutil.which("numactl-is-not-here") is None
