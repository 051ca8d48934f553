"""The topology of recorded machines, and what this process may use of its own."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.machine.cgroup import cpu_quota
from fixtures.machine.cpu_list import format_cpu_list, parse_cpu_list
from fixtures.machine.cpu_tree import TopologyError, claimed_twice
from fixtures.machine.topology import Topology
from tests import kernel_trees
from tests.kernel_trees import write, write_cgroup_v1, write_cgroup_v2, write_sysfs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Read = Callable[[kernel_trees.Machine], Topology]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """The topology read from the tree of a machine."""
    return lambda machine: Topology.from_sysfs(write_sysfs(tmp_path / "sys", machine))


class TestCpuList:
    """The kernel's notation for sets of CPUs."""

    @given(st.sets(st.integers(min_value=0, max_value=300)))
    def test_round_trip(self, cpus: set[int]) -> None:
        """A formatted list parses to the same CPUs, ascending."""
        assert parse_cpu_list(format_cpu_list(cpus)) == tuple(sorted(cpus))

    @given(st.sets(st.integers(min_value=0, max_value=300)))
    def test_format_is_the_kernels(self, cpus: set[int]) -> None:
        """The format is the one in which the kernel writes its lists."""
        assert format_cpu_list(cpus) == kernel_trees.kernel_list(cpus)

    @pytest.mark.parametrize(
        ("text", "cpus"),
        [("0-3,8\n", (0, 1, 2, 3, 8)), ("\n", ()), ("", ()), ("8,0-1", (0, 1, 8)), ("0-1,1-2", (0, 1, 2))],
    )
    def test_parse(self, text: str, cpus: tuple[int, ...]) -> None:
        """Ranges, single CPUs, nothing, and lists out of order are understood."""
        assert parse_cpu_list(text) == cpus

    @pytest.mark.parametrize("text", ["0-", "3-1", "a", "0,,1", "-1", "0-3:1/2", "00000000,ffffffff-"])
    def test_no_cpu_list(self, text: str) -> None:
        """What is no list is refused, and the message quotes it and shows the form."""
        with pytest.raises(ValueError, match=r"is no CPU list: .*expected: 0-3,8") as refusal:
            parse_cpu_list(text)
        assert repr(text) in str(refusal.value)


class TestReading:
    """What a recorded tree is read as."""

    def test_c5_metal(self, read: Read) -> None:
        """Two sockets of 24 cores: siblings are 48 apart, each socket is a node, core ids mislead nobody."""
        topology = read(kernel_trees.C5_METAL)

        assert topology.sockets == 2
        assert topology.cores == tuple((cpu, cpu + 48) for cpu in range(48))
        assert topology.numa_nodes == {0: (*range(24), *range(48, 72)), 1: (*range(24, 48), *range(72, 96))}
        assert topology.usable_cpus == tuple(range(96))
        assert topology.cpu_quota is None
        assert topology.smt
        assert topology.usable_physical_cores == 48

    def test_adjacent_siblings(self, read: Read) -> None:
        """Where CPUs 0 and 1 share a core, the second core is CPUs 2 and 3, whatever its core id."""
        assert read(kernel_trees.VIRTUAL_MACHINE).cores == ((0, 1), (2, 3), (4, 5), (6, 7))

    def test_sub_numa_clusters(self, read: Read) -> None:
        """A socket that is two nodes counts as one socket and two nodes."""
        topology = read(kernel_trees.SUB_NUMA_CLUSTERS)

        assert topology.sockets == 2
        assert sorted(topology.numa_nodes) == [0, 1, 2, 3]
        assert topology.packages == ((*range(12), *range(24, 36)), (*range(12, 24), *range(36, 48)))
        assert [topology.node_of(cpu) for cpu in (0, 5, 6, 11, 12, 24, 30, 47)] == [0, 0, 1, 1, 2, 0, 1, 3]

    def test_no_numa_directory(self, read: Read) -> None:
        """Without NUMA support all online CPUs are node 0."""
        assert read(kernel_trees.NO_NUMA).numa_nodes == {0: (0, 1, 2, 3)}

    def test_offline_cpus(self, read: Read) -> None:
        """CPUs that are switched off are in no core and no node, and a core without CPUs is no core."""
        topology = read(kernel_trees.OFFLINE_SIBLING)

        assert topology.cores == ((0,), (1,), (2, 6))
        assert topology.numa_nodes == {0: (0, 1, 2, 6)}
        assert topology.usable_cpus == (0, 1, 2, 6)
        assert topology.smt

    def test_offline_cpus_in_lists(self, tmp_path: Path) -> None:
        """Only `online` decides what is online, even where another list still names a CPU that was switched off."""
        root = write_sysfs(tmp_path, kernel_trees.VIRTUAL_MACHINE)
        write(root / "devices/system/cpu/online", "0,2-7")
        topology = Topology.from_sysfs(root)
        assert topology.cores == ((0,), (2, 3), (4, 5), (6, 7))
        assert topology.numa_nodes == {0: (0, 2, 3, 4, 5, 6, 7)}

    def test_one_core(self, read: Read) -> None:
        """A machine of one core has one socket, one node, and no simultaneous multithreading."""
        topology = read(kernel_trees.ONE_CORE)

        assert (topology.sockets, topology.cores, topology.numa_nodes) == (1, ((0,),), {0: (0,)})
        assert not topology.smt

    def test_memory_only_node(self, read: Read) -> None:
        """A node that has only memory is a node without CPUs."""
        assert read(kernel_trees.MEMORY_ONLY_NODE).numa_nodes == {0: (0, 1, 2, 3), 1: ()}

    def test_holes(self, read: Read) -> None:
        """Ids with holes are taken as they are, and a core id that two sockets use makes two cores."""
        topology = read(kernel_trees.HOLES)

        assert topology.sockets == 2
        assert topology.packages == ((2, 4, 10, 12), (7, 15))
        assert topology.cores == ((2, 10), (4, 12), (7, 15))
        assert topology.numa_nodes == {1: (2, 4, 10, 12), 8: (7, 15)}
        assert topology.node_of(15) == 8

    def test_old_kernel(self, read: Read) -> None:
        """Before Linux 5.3 siblings are in thread_siblings_list only."""
        assert read(kernel_trees.OLD_KERNEL).cores == ((0, 2), (1, 3))

    def test_masks_only(self, tmp_path: Path) -> None:
        """Kernels without lists have masks: of siblings, and of the CPUs of a node."""
        root = write_sysfs(tmp_path, kernel_trees.C5_METAL)
        whole = Topology.from_sysfs(root)
        for name in ("core_cpus_list", "thread_siblings_list", "cpulist"):
            for path in root.rglob(name):
                path.unlink()
        for path in root.rglob("core_cpus"):  # the newer name
            path.unlink()
        assert Topology.from_sysfs(root) == whole

    def test_damaged_mask(self, tmp_path: Path) -> None:
        """A mask that cannot be read is an error that names the file."""
        root = write_sysfs(tmp_path, kernel_trees.ONE_CORE)
        (root / "devices/system/node/node0/cpulist").unlink()
        write(root / "devices/system/node/node0/cpumap", "0x1;")
        with pytest.raises(TopologyError, match=r"node0/cpumap: '0x1;' is no mask of CPUs"):
            Topology.from_sysfs(root)

    def test_a_list_that_ends_in_a_nul_byte(self, tmp_path: Path) -> None:
        """Some kernels end what they print so; every file is read alike."""
        root = write_sysfs(tmp_path, kernel_trees.C5_METAL)
        whole = Topology.from_sysfs(root)
        for path in root.rglob("*"):
            if path.is_file():
                path.write_bytes(path.read_bytes() + b"\0")
        assert Topology.from_sysfs(root) == whole

    def test_nodes_that_overlap(self, tmp_path: Path) -> None:
        """Where every node claims every CPU each CPU is used once, and who is claimed twice is told."""
        root = write_sysfs(tmp_path, replace(kernel_trees.VIRTUAL_MACHINE, nodes={0: (), 1: ()}))
        topology = Topology.from_sysfs(root)
        assert topology.numa_nodes == {0: tuple(range(8)), 1: ()}
        assert topology.pick_cpus(4) == (0, 2, 4, 6)
        assert topology.thread_counts() == (1, 2, 4)
        assert topology.share_cpus(4) == ((0,), (2,), (4,), (6,))
        assert claimed_twice(root) == tuple(range(8))
        assert claimed_twice(write_sysfs(tmp_path / "other", kernel_trees.C5_METAL)) == ()

    def test_a_virtual_list_of_online_cpus(self, tmp_path: Path) -> None:
        """CPUs that run this process are online, whatever a container's /sys says."""
        root = write_sysfs(tmp_path, kernel_trees.VIRTUAL_MACHINE)
        write(root / "devices/system/cpu/online", "0-1")
        assert Topology.from_sysfs(root, (4, 7)).cores == ((0, 1), (4,), (7,))

    def test_two_digit_node(self, read: Read) -> None:
        """Node 10 follows node 2, not node 1."""
        nodes = {1: (0, 1), 2: (2, 3), 10: (4, 5, 6, 7)}
        topology = read(replace(kernel_trees.VIRTUAL_MACHINE, nodes=nodes))
        assert list(topology.numa_nodes.items()) == list(nodes.items())

    def test_no_list_of_online_cpus(self, tmp_path: Path) -> None:
        """Without cpu/online each CPU says itself whether it is, and one that says nothing is."""
        root = write_sysfs(tmp_path, kernel_trees.OFFLINE_SIBLING)
        (root / "devices/system/cpu/online").unlink()
        assert Topology.from_sysfs(root).usable_cpus == (0, 1, 2, 6)

    def test_no_topology_directory(self, tmp_path: Path) -> None:
        """CPUs of which nothing is told are a core each, in one socket."""
        write(tmp_path / "devices/system/cpu/online", "0-1")
        topology = Topology.from_sysfs(tmp_path)
        assert (topology.sockets, topology.cores, topology.numa_nodes) == (1, ((0,), (1,)), {0: (0, 1)})

    def test_unknown_package_is_no_socket(self, tmp_path: Path) -> None:
        """A CPU without a package id adds no socket to the known one."""
        root = write_sysfs(tmp_path, kernel_trees.VIRTUAL_MACHINE)
        write(root / "devices/system/cpu/cpu3/topology/physical_package_id", "-1")
        assert Topology.from_sysfs(root).sockets == 1

    def test_no_tree(self, tmp_path: Path) -> None:
        """A directory that is no /sys is an error that names it."""
        with pytest.raises(TopologyError, match=r"/absent is no tree like /sys"):
            Topology.from_sysfs(tmp_path / "absent")

    def test_no_cpu(self, tmp_path: Path) -> None:
        """A tree without any CPU is an error that says where CPUs were looked for."""
        (tmp_path / "devices/system/cpu/cpufreq").mkdir(parents=True)
        with pytest.raises(TopologyError, match=r"no CPU is online in .*devices/system/cpu: "):
            Topology.from_sysfs(tmp_path)

    def test_damaged_list(self, tmp_path: Path) -> None:
        """A list that cannot be read is an error that names the file."""
        root = write_sysfs(tmp_path, kernel_trees.ONE_CORE)
        write(root / "devices/system/node/node0/cpulist", "0-x")
        with pytest.raises(TopologyError, match=r"node0/cpulist: '0-x' is no CPU list"):
            Topology.from_sysfs(root)

    def test_as_json(self, read: Read) -> None:
        """The JSON has string keys, lists, and exactly these fields."""
        assert read(kernel_trees.MEMORY_ONLY_NODE).as_json() == {
            "sockets": 1,
            "numa_nodes": {"0": [0, 1, 2, 3], "1": []},
            "cores": [[0, 2], [1, 3]],
            "usable_cpus": [0, 1, 2, 3],
            "cpu_quota": None,
        }


class TestUsable:
    """What a mask and a quota leave of a machine."""

    def test_mask_cuts_cores(self, read: Read) -> None:
        """A core with one usable CPU is usable through it; one with none is left out; the machine stays what it is."""
        topology = replace(read(kernel_trees.VIRTUAL_MACHINE), usable_cpus=(1, 4, 5))

        assert topology.usable_cores == ((1,), (4, 5))
        assert topology.usable_physical_cores == 2
        assert len(topology.cores) == 4

    @pytest.mark.parametrize(("quota", "cores"), [(None, 48), (3.0, 3), (3.9, 3), (0.5, 1), (200.0, 48)])
    def test_quota_cuts_cores(self, read: Read, quota: float | None, cores: int) -> None:
        """A quota leaves its whole CPUs, at least one and no more than there are."""
        assert replace(read(kernel_trees.C5_METAL), cpu_quota=quota).usable_physical_cores == cores

    def test_this_process(self) -> None:
        """Of this machine exactly the CPUs in the calling thread's mask are usable."""
        before = os.sched_getaffinity(0)
        one = min(before)
        os.sched_setaffinity(0, {one})
        try:
            topology = Topology.of_this_process()
        finally:
            os.sched_setaffinity(0, before)

        assert topology.usable_cpus == (one,)
        assert Topology.of_this_process().usable_cpus == tuple(sorted(before))
        assert Topology.of_this_process().cores == topology.cores

    def test_node_of_unknown_cpu(self, read: Read) -> None:
        """Asking for a CPU that is not online tells which are, by node."""
        with pytest.raises(ValueError, match=r"CPU 3 is in no NUMA node; online CPUs by node: node 1: 2,4,10,12; node 8"):
            read(kernel_trees.HOLES).node_of(3)


class TestShareCpus:
    """Which CPUs instances beside each other get."""

    def test_a_node_each(self, read: Read) -> None:
        """On the study's machine two instances have a socket each, and 48 a core each; no CPU twice, no siblings."""
        topology = read(kernel_trees.C5_METAL)
        assert topology.share_cpus(1) == (tuple(range(48)),)
        assert topology.share_cpus(2) == (tuple(range(24)), tuple(range(24, 48)))
        assert topology.share_cpus(48) == tuple((cpu,) for cpu in range(48))
        for instances in range(1, 49):
            cpus = [cpu for share in topology.share_cpus(instances) for cpu in share]
            assert len(cpus) == len(set(cpus)) == instances * (48 // instances)
            assert set(cpus) <= set(range(48))

    def test_an_instance_stays_on_one_node_while_there_is_room(self, read: Read) -> None:
        """Three instances of 16 cores on two nodes of 24: two have a node's, the third what the two nodes have left."""
        first, second, third = read(kernel_trees.C5_METAL).share_cpus(3)
        assert (first, second) == (tuple(range(16)), tuple(range(24, 40)))
        assert third == (*range(16, 24), *range(40, 48))

    def test_a_quota_and_too_many(self, read: Read) -> None:
        """A quota of three CPUs makes two instances of one core; a fourth instance is refused."""
        topology = replace(read(kernel_trees.C5_METAL), cpu_quota=3.5)
        assert topology.share_cpus(2) == ((0,), (1,))
        with pytest.raises(ValueError, match="cannot give 4 instances a physical core each: 1 to 3 are possible here"):
            topology.share_cpus(4)

    def test_counts(self, read: Read) -> None:
        """1, 2, 4, ... and one for each core."""
        assert read(kernel_trees.C5_METAL).instance_counts() == (1, 2, 4, 8, 16, 32, 48)
        assert read(kernel_trees.ONE_CORE).instance_counts() == (1,)


class TestPickCpus:
    """Which CPUs a number of cores gets."""

    @pytest.mark.parametrize("count", range(1, 5))
    def test_one_cpu_per_core(self, read: Read, count: int) -> None:
        """With adjacent siblings every second CPU is picked, never both of one core."""
        assert read(kernel_trees.VIRTUAL_MACHINE).pick_cpus(count) == (0, 2, 4, 6)[:count]

    def test_one_node_first(self, read: Read) -> None:
        """A node's cores suffice as long as they can; beyond, nodes are filled in order."""
        topology = read(kernel_trees.C5_METAL)

        assert topology.pick_cpus(24) == tuple(range(24))
        assert topology.pick_cpus(25) == tuple(range(25))
        assert topology.pick_cpus(48) == tuple(range(48))

    def test_node_that_has_enough(self, read: Read) -> None:
        """Where the mask leaves the first node too small, all CPUs come from the first that has enough."""
        topology = replace(read(kernel_trees.SUB_NUMA_CLUSTERS), usable_cpus=(0, 1, 24, *range(6, 10), *range(12, 18)))

        assert topology.pick_cpus(2) == (0, 1)
        assert topology.pick_cpus(4) == (6, 7, 8, 9)
        assert topology.pick_cpus(5) == (12, 13, 14, 15, 16)
        assert topology.pick_cpus(7) == (0, 1, 6, 7, 8, 9, 12)

    def test_interleaved_nodes(self, read: Read) -> None:
        """Where CPU numbers alternate between nodes, a node is still filled before the next begins."""
        nodes = {0: (0, 1, 4, 5), 1: (2, 3, 6, 7)}
        topology = read(replace(kernel_trees.VIRTUAL_MACHINE, nodes=nodes))

        assert topology.pick_cpus(2) == (0, 4)
        assert topology.pick_cpus(3) == (0, 4, 2)

    def test_first_usable_sibling(self, read: Read) -> None:
        """A core whose first CPU is outside the mask is used through its second."""
        topology = replace(read(kernel_trees.VIRTUAL_MACHINE), usable_cpus=(1, 2, 3, 7))
        assert topology.pick_cpus(3) == (1, 2, 7)

    def test_node_without_directory(self, tmp_path: Path) -> None:
        """Cores in no node are picked last, and are not lost."""
        root = write_sysfs(tmp_path, kernel_trees.HOLES)
        for name in ("cpulist", "cpumap"):
            (root / "devices/system/node/node1" / name).unlink()
        assert Topology.from_sysfs(root).pick_cpus(3) == (7, 2, 4)

    @pytest.mark.parametrize("count", [-1, 0, 49])
    def test_impossible(self, read: Read, count: int) -> None:
        """A count that cannot be had is refused with the numbers, the rule and the command that shows them."""
        with pytest.raises(
            ValueError,
            match=rf"on {count} physical cores: 1 to 48 are possible here \(48 usable cores on CPUs 0-95; "
            r"the rule is one CPU per physical core\)\. `python -m fixtures\.machine`",
        ):
            read(kernel_trees.C5_METAL).pick_cpus(count)

    def test_beyond_the_quota(self, read: Read) -> None:
        """More cores than the quota keeps busy are refused, and the quota is named."""
        topology = replace(read(kernel_trees.C5_METAL), cpu_quota=2.5)

        assert topology.pick_cpus(2) == (0, 1)
        with pytest.raises(ValueError, match=r"1 to 2 are possible here .*CPU quota 2\.5"):
            topology.pick_cpus(3)


class TestPickSiblings:
    """Which CPUs threads get of which two share a core."""

    def test_one_cpu_per_core_then_their_siblings(self, read: Read) -> None:
        """On the study's machine 24 threads are 24 cores of a socket, or 12 of them with their siblings."""
        topology = read(kernel_trees.C5_METAL)

        assert topology.pick_siblings(24, 24) == tuple(range(24))
        assert topology.pick_siblings(12, 24) == (*range(12), *range(48, 60))
        assert topology.pick_siblings(24, 48) == (*range(24), *range(48, 72))
        assert topology.pick_siblings(48, 96) == (*range(48), *range(48, 96))
        assert topology.pick_siblings(2, 3) == (0, 1, 48)

    def test_adjacent_siblings(self, read: Read) -> None:
        """Where siblings are neighbours, two threads on a core are CPUs 0 and 1."""
        topology = read(kernel_trees.VIRTUAL_MACHINE)

        assert topology.pick_siblings(1, 2) == (0, 1)
        assert topology.pick_siblings(2, 4) == (0, 2, 1, 3)
        assert topology.pick_siblings(4, 4) == (0, 2, 4, 6)

    def test_the_same_cores_whatever_the_threads(self, read: Read) -> None:
        """Cores without a usable sibling are left out of both sides of a comparison."""
        topology = replace(read(kernel_trees.VIRTUAL_MACHINE), usable_cpus=(0, 2, 3, 6, 7))

        assert topology.sibling_cores == ((2, 3), (6, 7))
        assert topology.pick_siblings(2, 2) == (2, 6)
        assert topology.pick_siblings(2, 4) == (2, 6, 3, 7)

    def test_one_node_first(self, read: Read) -> None:
        """All cores come from the first node that has enough of them."""
        assert read(kernel_trees.HOLES).pick_siblings(1, 2) == (2, 10)
        narrowed = replace(read(kernel_trees.HOLES), usable_cpus=(2, 4, 7, 12, 15))
        assert narrowed.pick_siblings(2, 4) == (4, 7, 12, 15)

    @pytest.mark.parametrize(("cores", "threads"), [(0, 0), (5, 5), (2, 1), (2, 5)])
    def test_impossible(self, read: Read, cores: int, threads: int) -> None:
        """What cannot be had is refused with the numbers and the command that shows them."""
        with pytest.raises(
            ValueError,
            match=rf"cannot pick {threads} CPUs on {cores} physical cores with a sibling each: 4 such cores are usable "
            r"here on CPUs 0-7\. `python -m fixtures\.machine`",
        ):
            read(kernel_trees.VIRTUAL_MACHINE).pick_siblings(cores, threads)

    def test_beyond_the_quota(self, read: Read) -> None:
        """Two threads on a core need two CPUs' worth of time."""
        topology = replace(read(kernel_trees.C5_METAL), cpu_quota=3.5)

        assert topology.usable_threads == 3
        assert topology.pick_siblings(1, 2) == (0, 48)
        with pytest.raises(ValueError, match=r"cannot pick 4 CPUs on 2 physical cores .*CPU quota 3\.5"):
            topology.pick_siblings(2, 4)


class TestOneOfEachCoreFirst:
    """CPUs in the order in which threads that are held take them."""

    def test_a_core_is_shared_last(self, read: Read) -> None:
        """Siblings that are neighbours, some of them not granted; on a machine without any it is the order of CPUs."""
        adjacent = read(kernel_trees.VIRTUAL_MACHINE)
        assert adjacent.one_of_each_core_first((0, 1, 2, 3)) == (0, 2, 1, 3)
        assert adjacent.one_of_each_core_first((1, 2, 3)) == (1, 2, 3)
        assert adjacent.one_of_each_core_first({3, 2}) == (2, 3)


class TestThreadCounts:
    """The steps of a scaling study."""

    @pytest.mark.parametrize(
        ("machine", "counts"),
        [
            (kernel_trees.C5_METAL, (1, 2, 4, 8, 16, 24, 32, 48)),
            (kernel_trees.SUB_NUMA_CLUSTERS, (1, 2, 4, 6, 8, 16, 24)),
            (kernel_trees.VIRTUAL_MACHINE, (1, 2, 4)),
            (kernel_trees.HOLES, (1, 2, 3)),
            (kernel_trees.ONE_CORE, (1,)),
        ],
    )
    def test_counts(self, read: Read, machine: kernel_trees.Machine, counts: tuple[int, ...]) -> None:
        """Powers of two, one node's cores and all cores; never a logical CPU."""
        assert read(machine).thread_counts() == counts

    def test_quota(self, read: Read) -> None:
        """A quota ends the list with what it allows."""
        assert replace(read(kernel_trees.C5_METAL), cpu_quota=27.5).thread_counts() == (1, 2, 4, 8, 16, 24, 27)
        assert replace(read(kernel_trees.C5_METAL), cpu_quota=3.0).thread_counts() == (1, 2, 3)

    def test_largest_node(self, read: Read) -> None:
        """Where the mask leaves nodes of different size, the larger one counts."""
        topology = replace(read(kernel_trees.C5_METAL), usable_cpus=(0, 1, 2, *range(24, 29)))
        assert topology.thread_counts() == (1, 2, 4, 5, 8)


class TestKinds:
    """Cores of several kinds in one machine."""

    def test_intel(self, read: Read) -> None:
        """The kernel names them: the P cores are used first, and only what needs more than they are mixes them."""
        topology = read(kernel_trees.P_AND_E_CORES)
        assert topology.kinds == (tuple(range(8)), tuple(range(8, 16)))
        assert topology.pick_cpus(4) == (0, 2, 4, 6)
        assert topology.pick_cpus(6) == tuple(range(8, 14))
        assert topology.pick_cpus(12) == (0, 2, 4, 6, *range(8, 16))
        assert topology.mixed(topology.pick_cpus(6)) is None
        assert topology.mixed((0, 1)) is None
        assert topology.mixed(topology.pick_cpus(12)) == "4 fast cores (CPUs 0,2,4,6), 8 slow cores (CPUs 8-15)"
        assert topology.thread_counts() == (1, 2, 4, 8, 12)
        assert topology.as_json()["kinds"] == [list(range(8)), list(range(8, 16))]

    def test_big_little(self, read: Read) -> None:
        """By the kernel's capacity: the fastest that has enough."""
        topology = read(kernel_trees.BIG_LITTLE)
        assert topology.kinds == ((7,), (4, 5, 6), (0, 1, 2, 3))
        assert [topology.pick_cpus(count) for count in (1, 2, 3, 4)] == [(7,), (4, 5), (4, 5, 6), (0, 1, 2, 3)]
        assert topology.mixed(range(8)) == "1 fast cores (CPUs 7), 3 middle cores (CPUs 4-6), 4 slow cores (CPUs 0-3)"

    @pytest.mark.parametrize("name", ["cpu_capacity", "cpufreq/cpuinfo_max_freq", "acpi_cppc/highest_perf"])
    def test_speeds(self, read: Read, name: str) -> None:
        """Whatever tells them; favoured cores, a few per cent apart, are one kind, and so are untold ones."""
        machine = kernel_trees.VIRTUAL_MACHINE
        favoured = dict(enumerate((166, 166, 171, 171, 176, 176, 181, 181)))
        assert read(replace(machine, speeds={name: favoured})).kinds == (tuple(range(8)),)
        assert read(replace(machine, speeds={name: {**favoured, 6: 110, 7: 110}})).kinds == (tuple(range(6)), (6, 7))
        assert read(replace(machine, cores=machine.cores[:3], speeds={})).kinds == (tuple(range(6)),)

    def test_instances_are_equal(self, read: Read) -> None:
        """Beside each other they have cores of one kind, of the fastest that has several; what does not fit is refused."""
        topology = read(kernel_trees.P_AND_E_CORES)
        assert topology.instance_counts() == (1, 2, 4)
        assert topology.share_cpus(1) == ((0, 2, 4, 6),)
        assert topology.share_cpus(2) == ((0, 2), (4, 6))
        with pytest.raises(ValueError, match="cannot give 8 instances a physical core each: 1 to 4 are possible here"):
            topology.share_cpus(8)
        assert read(kernel_trees.BIG_LITTLE).share_cpus(3) == ((4,), (5,), (6,))

    def test_a_mask_of_one_kind(self, read: Read) -> None:
        """What the mask leaves counts: E cores alone are alike."""
        topology = replace(read(kernel_trees.P_AND_E_CORES), usable_cpus=tuple(range(8, 16)))
        assert topology.mixed(topology.usable_cpus) is None
        assert topology.share_cpus(8) == tuple((cpu,) for cpu in range(8, 16))

    def test_siblings(self, read: Read) -> None:
        """Only P cores have some."""
        assert read(kernel_trees.P_AND_E_CORES).pick_siblings(2, 4) == (0, 2, 1, 3)


class TestCpuQuota:
    """The quota of recorded cgroups."""

    def test_version_2(self, tmp_path: Path) -> None:
        """A quota of cgroup v2 is its microseconds per period."""
        assert cpu_quota(write_cgroup_v2(tmp_path, own="/job", limits={"job": "150000 100000"})) == 1.5

    def test_strictest_ancestor(self, tmp_path: Path) -> None:
        """Of the quotas from the process's cgroup up to the root the smallest holds; other branches do not matter."""
        limits = {".": "max 100000", "a": "200000 100000", "a/b": "max 100000", "a/b/c": "800000 100000", "x": "1 10"}
        assert cpu_quota(write_cgroup_v2(tmp_path, own="/a/b/c", limits=limits)) == 2.0

    def test_no_limit(self, tmp_path: Path) -> None:
        """The word `max` at every level is no quota."""
        assert cpu_quota(write_cgroup_v2(tmp_path, own="/job", limits={"job": "max 100000"})) is None

    def test_cgroup_namespace(self, tmp_path: Path) -> None:
        """In a container with its own namespace the cgroup is `/` and the quota stands at the mount point."""
        assert cpu_quota(write_cgroup_v2(tmp_path, own="/", limits={".": "400000 100000"})) == 4.0

    def test_outside_the_namespace(self, tmp_path: Path) -> None:
        """A cgroup spelled with `..` leads nowhere but to the mount point."""
        limits = {".": "400000 100000", "../sibling": "100000 100000"}
        assert cpu_quota(write_cgroup_v2(tmp_path, own="/../sibling", limits=limits)) == 4.0

    def test_bind_mount(self, tmp_path: Path) -> None:
        """A container that mounts only its own cgroup finds the quota below the mount's root."""
        limits = {".": "300000 100000", "child": "max 100000"}
        root = write_cgroup_v2(tmp_path, own="/docker/1/child", mount_root="/docker/1", limits=limits)
        assert cpu_quota(root) == 3.0

    def test_version_1(self, tmp_path: Path) -> None:
        """A quota of cgroup v1 is found in the hierarchy of the cpu controller, not that of cpuset."""
        assert cpu_quota(write_cgroup_v1(tmp_path, own="/job", quotas_us={"job": 250_000, ".": -1})) == 2.5

    def test_version_1_without_limit(self, tmp_path: Path) -> None:
        """A quota of -1 is none."""
        assert cpu_quota(write_cgroup_v1(tmp_path, own="/job", quotas_us={"job": -1, ".": -1})) is None

    def test_version_1_in_docker(self, tmp_path: Path) -> None:
        """Docker shows the host's path in /proc/self/cgroup and mounts only that cgroup."""
        root = write_cgroup_v1(tmp_path, own="/docker/1", mount_root="/docker/1", quotas_us={".": 50_000})
        assert cpu_quota(root) == 0.5

    def test_mount_point_with_a_space(self, tmp_path: Path) -> None:
        """The octal escapes of mountinfo are undone."""
        root = write_cgroup_v2(tmp_path, own="/", limits={})
        write(root / "proc/self/mountinfo", r"35 30 0:30 / /my\040cgroups rw - cgroup2 none rw")
        write(root / "my cgroups/cpu.max", "100000 50000")
        assert cpu_quota(root) == 2.0

    def test_nothing_there(self, tmp_path: Path) -> None:
        """Without /proc or without cgroups there is no quota."""
        assert cpu_quota(tmp_path) is None
        write(tmp_path / "proc/self/cgroup", "0::/job")
        assert cpu_quota(tmp_path) is None
