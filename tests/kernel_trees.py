"""Builder of directories that read like a kernel's /sys, /proc and cgroups, and machines that the tests know by name.

The files, their trailing newline, the lists (`0-3,8`) and the older hexadecimal masks are as Linux writes them.
It shares no code with what it tests.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Core:
    """A physical core as the kernel describes it."""

    cpus: tuple[int, ...]
    core_id: int
    package: int = 0


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What /sys/devices/system says about the CPUs of a machine."""

    cores: tuple[Core, ...]

    nodes: Mapping[int, tuple[int, ...]] | None = field(default_factory=lambda: {0: ()})
    """CPUs by node, online or not; {0: ()} stands for one node with all, None for a kernel without NUMA."""

    memory_only_nodes: tuple[int, ...] = ()
    offline: tuple[int, ...] = ()
    sibling_names: tuple[str, ...] = ("core_cpus", "thread_siblings")
    """Names of the files with a core's CPUs; `_list` is appended for the list. Linux before 5.3 had only the second."""

    node_memory_kib: int = 0
    nodes_without_memory: tuple[int, ...] = ()
    speeds: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    """File below a CPU's folder (`cpu_capacity`, `cpufreq/cpuinfo_max_freq`) to what it says by CPU."""
    intel_kinds: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """`cpu_core` and `cpu_atom` to the CPUs that their performance counters count."""
    distances: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    """Node to what its file `distance` lists: one number per node, in the order of their ids."""

    @property
    def cpus(self) -> tuple[int, ...]:
        """All CPUs that are present, ascending."""
        return tuple(sorted(cpu for core in self.cores for cpu in core.cpus))

    @property
    def online(self) -> tuple[int, ...]:
        """The CPUs that are online, ascending."""
        return tuple(cpu for cpu in self.cpus if cpu not in self.offline)


def hyperthreaded(*, packages: int, cores: int) -> tuple[Core, ...]:
    """Return cores as bare metal numbers them: first siblings first, then the second siblings; core ids with holes."""
    total = packages * cores
    return tuple(
        # Intel counts core ids per package and leaves holes where cores are fused off.
        Core(cpus=(cpu, cpu + total), core_id=cpu % cores + (cpu % cores) // 6, package=cpu // cores)
        for cpu in range(total)
    )


C5_METAL = Machine(
    cores=hyperthreaded(packages=2, cores=24),
    nodes={0: (*range(24), *range(48, 72)), 1: (*range(24, 48), *range(72, 96))},
    node_memory_kib=98_304_000,
    distances={0: (10, 21), 1: (21, 10)},
)
"""AWS c5.metal: 2 sockets of 24 cores, siblings 0 and 48, one node per socket."""

VIRTUAL_MACHINE = Machine(cores=tuple(Core(cpus=(2 * core, 2 * core + 1), core_id=core) for core in range(4)))
"""A cloud guest of 8 vCPUs: siblings are neighbours, so that core ids 0 to 3 are the CPUs of two cores."""

SUB_NUMA_CLUSTERS = Machine(
    cores=hyperthreaded(packages=2, cores=12),
    nodes={node: (*range(6 * node, 6 * node + 6), *range(24 + 6 * node, 30 + 6 * node)) for node in range(4)},
    distances={0: (10, 11, 20, 21), 1: (11, 10, 21, 20), 2: (20, 21, 10, 11), 3: (21, 20, 11, 10)},
)
"""2 sockets of 12 cores, each socket two nodes."""

NO_NUMA = Machine(cores=hyperthreaded(packages=1, cores=2), nodes=None)
"""A kernel without NUMA support."""

OFFLINE_SIBLING = Machine(cores=hyperthreaded(packages=1, cores=4), offline=(3, 4, 5, 7))
"""4 cores with siblings 4 apart; three second siblings and one whole core are switched off, one pair is left."""

ONE_CORE = Machine(cores=(Core(cpus=(0,), core_id=0),))

MEMORY_ONLY_NODE = Machine(cores=hyperthreaded(packages=1, cores=2), memory_only_nodes=(1,))
"""A node without CPUs, such as CXL memory."""

HOLES = Machine(
    cores=(
        Core(cpus=(2, 10), core_id=5, package=1),
        Core(cpus=(4, 12), core_id=9, package=1),
        Core(cpus=(7, 15), core_id=5, package=3),
    ),
    nodes={1: (2, 4, 10, 12), 8: (7, 15)},
)
"""CPU, core, socket and node ids with holes; core id 5 occurs twice."""

_P_AND_E = (
    *(Core(cpus=(2 * core, 2 * core + 1), core_id=4 * core) for core in range(4)),
    *(Core(cpus=(8 + core,), core_id=16 + core) for core in range(8)),
)
P_AND_E_CORES = Machine(cores=_P_AND_E, intel_kinds={"cpu_core": tuple(range(8)), "cpu_atom": tuple(range(8, 16))})
"""An Intel of 4 P cores with siblings and 8 E cores without."""

BIG_LITTLE = Machine(
    cores=tuple(Core(cpus=(cpu,), core_id=cpu) for cpu in range(8)),
    speeds={"cpu_capacity": dict(enumerate((446, 446, 446, 446, 871, 871, 871, 1024)))},
)
"""An Arm of one fast, three middle and four little cores."""

OLD_KERNEL = Machine(cores=hyperthreaded(packages=1, cores=2), sibling_names=("thread_siblings",))
"""Linux before 5.3."""


def write_sysfs(root: Path, machine: Machine) -> Path:
    """Write the tree that stands for /sys and return it."""
    cpus = root / "devices/system/cpu"
    write(cpus / "online", kernel_list(machine.online))
    write(cpus / "offline", kernel_list(machine.offline))
    write(cpus / "possible", kernel_list(range(machine.cpus[-1] + 1)))
    write(cpus / "present", kernel_list(machine.cpus))
    write(cpus / "kernel_max", "8191")
    (cpus / "cpufreq").mkdir(exist_ok=True)
    (cpus / "cpuidle").mkdir(exist_ok=True)
    for core in machine.cores:
        for cpu in core.cpus:
            _write_cpu(cpus / f"cpu{cpu}", cpu, core, machine)
    for name, speeds in machine.speeds.items():
        for cpu, speed in speeds.items():
            write(cpus / f"cpu{cpu}" / name, str(speed))
    for name, listed in machine.intel_kinds.items():
        write(root / f"devices/{name}/cpus", kernel_list(listed))
    if machine.nodes is not None:
        _write_nodes(root / "devices/system/node", machine)
    return root


def _write_cpu(directory: Path, cpu: int, core: Core, machine: Machine) -> None:
    if cpu != machine.cpus[0]:  # the boot CPU cannot be switched off and has no such file
        write(directory / "online", "0" if cpu in machine.offline else "1")
    directory.mkdir(exist_ok=True)
    if cpu in machine.offline:  # the kernel takes the directory away with the CPU
        return
    topology = directory / "topology"
    write(topology / "core_id", str(core.core_id))
    write(topology / "physical_package_id", str(core.package))
    package = {sibling for other in machine.cores if other.package == core.package for sibling in other.cpus}
    members = {name: set(core.cpus) for name in machine.sibling_names} | {"core_siblings": package}
    for name, siblings in members.items():
        online = sorted(siblings.intersection(machine.online))
        write(topology / name, kernel_mask(online, machine.cpus[-1] + 1))
        write(topology / f"{name}_list", kernel_list(online))


def _write_nodes(directory: Path, machine: Machine) -> None:
    nodes = {node: cpus or machine.cpus for node, cpus in (machine.nodes or {}).items()}
    nodes |= dict.fromkeys(machine.memory_only_nodes, ())
    write(directory / "online", kernel_list(nodes))
    write(directory / "has_cpu", kernel_list(node for node, cpus in nodes.items() if cpus))
    write(directory / "has_memory", kernel_list(node for node in nodes if node not in machine.nodes_without_memory))
    for node, cpus in nodes.items():
        if node in machine.distances:
            write(directory / f"node{node}/distance", " ".join(map(str, machine.distances[node])))
        online = sorted(set(cpus).intersection(machine.online))
        write(directory / f"node{node}/cpulist", kernel_list(online))
        write(directory / f"node{node}/cpumap", kernel_mask(online, machine.cpus[-1] + 1))
        if machine.node_memory_kib:
            lines = (f"Node {node} MemTotal:       {machine.node_memory_kib} kB", f"Node {node} MemFree:  1024 kB")
            write(directory / f"node{node}/meminfo", "\n".join(lines))


def kernel_list(cpus: Iterable[int]) -> str:
    """Return the `%*pbl` of the kernel: ranges joined by commas."""
    members = set(cpus)
    starts = sorted(cpu for cpu in members if cpu - 1 not in members)
    ends = sorted(cpu for cpu in members if cpu + 1 not in members)
    return ",".join(f"{start}" if start == end else f"{start}-{end}" for start, end in zip(starts, ends, strict=True))


def kernel_mask(cpus: Iterable[int], possible: int) -> str:
    """Return the `%*pb` of the kernel: hexadecimal words of 32 CPUs, the highest first."""
    bits = sum(1 << cpu for cpu in set(cpus))
    words = [f"{bits >> 32 * word & 0xFFFFFFFF:08x}" for word in reversed(range((possible + 31) // 32))]
    words[0] = words[0][-((possible - 1) % 32 // 4 + 1) :]
    return ",".join(words)


def write(path: Path, text: str) -> Path:
    """Write one of the kernel's files, with the newline that ends it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def write_cgroup_v2(root: Path, *, own: str, limits: Mapping[str, str], mount_root: str = "/") -> Path:
    """Write /proc/self and a cgroup v2 hierarchy under `root`; `limits` maps directories of the mount to cpu.max."""
    write(root / "proc/self/cgroup", f"0::{own}")
    write(
        root / "proc/self/mountinfo",
        "25 30 0:23 / /proc rw,nosuid shared:5 - proc proc rw\n"
        f"35 30 0:30 {mount_root} /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate",
    )
    for directory, limit in limits.items():
        write(root / "sys/fs/cgroup" / directory / "cpu.max", limit)
    return root


def write_cgroup_v1(root: Path, *, own: str, quotas_us: Mapping[str, int], mount_root: str = "/") -> Path:
    """Write /proc/self and cgroup v1's `cpu,cpuacct` hierarchy, beside an empty v2 one as systemd's hybrid has."""
    write(root / "proc/self/cgroup", f"5:memory:/elsewhere\n4:cpu,cpuacct:{own}\n3:cpuset:/elsewhere\n0::/init.scope")
    write(
        root / "proc/self/mountinfo",
        "34 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
        f"35 31 0:30 {mount_root} /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
        "36 31 0:32 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
    )
    for directory, quota_us in quotas_us.items():
        write(root / "sys/fs/cgroup/cpu,cpuacct" / directory / "cpu.cfs_quota_us", str(quota_us))
        write(root / "sys/fs/cgroup/cpu,cpuacct" / directory / "cpu.cfs_period_us", "100000")
    return root
