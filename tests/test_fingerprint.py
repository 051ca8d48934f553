"""The fingerprint of recorded machines and of the one that runs the tests."""

from __future__ import annotations

import json
import os
import platform
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from fixtures.machine.cpu_tree import TopologyError
from fixtures.machine.fingerprint import Fingerprint
from fixtures.machine.topology import Topology
from tests import kernel_trees
from tests.kernel_trees import write, write_cgroup_v2, write_sysfs

if TYPE_CHECKING:
    from pathlib import Path

CASCADE_LAKE = """processor\t: 0
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 85
model name\t: Intel(R) Xeon(R) Platinum 8275CL CPU @ 3.00GHz
stepping\t: 7
microcode\t: 0x5003605
cpu MHz\t\t: 3605.996
core id\t\t: 0
flags\t\t: fpu vme sse2 fma f16c avx avx2 avx512f avx512dq avx512cd avx512bw avx512vl avx512_vnni ht
bugs\t\t: spectre_v1

processor\t: 1
vendor_id\t: GenuineIntel
model\t\t: 99
flags\t\t: fpu
"""

AVX = ("avx", "avx2")
AVX512 = ("avx512_vnni", "avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl")

NEOVERSE_V1 = """processor\t: 0
BogoMIPS\t: 2100.00
Features\t: fp asimd evtstrm aes asimdhp cpuid asimddp sve i8mm bf16 dgh
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x1
CPU part\t: 0xd40
CPU revision\t: 1
"""


def write_root(
    root: Path,
    *,
    machine: kernel_trees.Machine = kernel_trees.C5_METAL,
    cpuinfo: str = CASCADE_LAKE,
    memory_kib: int = 197_000_000,
) -> Path:
    """Write a tree that stands for the root directory of a machine and return it."""
    write_sysfs(root / "sys", machine)
    write(root / "proc/cpuinfo", cpuinfo)
    write(root / "proc/meminfo", f"MemTotal:       {memory_kib} kB\nMemFree: 5 kB\nSwapTotal:        2048 kB")
    return root


def machine_id(root: Path, **changes: Any) -> str | None:
    """The machine id of a recorded machine with something changed."""
    return Fingerprint.from_root(write_root(root, **changes)).machine_id


class TestHardPart:
    """What must be equal for two runs to be compared."""

    def test_intel(self, tmp_path: Path) -> None:
        """On x86 the first CPU of /proc/cpuinfo counts; flags that nobody dispatches by are left out."""
        assert Fingerprint.from_root(write_root(tmp_path)).hard == {
            "cpu_vendor": "GenuineIntel",
            "cpu_family": 6,
            "cpu_model": 85,
            "cpu_stepping": 7,
            "sockets": 2,
            "physical_cores": 48,
            "smt": True,
            "numa_nodes": 2,
            "isa": [*AVX, *AVX512, "f16c", "fma"],
            "virtualised": False,
        }

    def test_arm(self, tmp_path: Path) -> None:
        """On Arm implementer, architecture, part and revision take their places, and virtualisation is unknown."""
        root = write_root(tmp_path, machine=kernel_trees.ONE_CORE, cpuinfo=NEOVERSE_V1)
        hard = Fingerprint.from_root(root).hard

        assert (hard["cpu_vendor"], hard["cpu_family"], hard["cpu_model"], hard["cpu_stepping"]) == (
            "ARM",
            8,
            0xD40,
            "r1p1",
        )
        assert hard["isa"] == ["asimd", "asimddp", "asimdhp", "bf16", "i8mm", "sve"]
        assert hard["virtualised"] is None

    def test_unknown_arm_implementer(self, tmp_path: Path) -> None:
        """An implementer without a name here keeps its number."""
        cpuinfo = NEOVERSE_V1.replace("0x41", "0x99").replace("architecture: 8", "architecture: AArch64")
        fingerprint = Fingerprint.from_root(write_root(tmp_path, cpuinfo=cpuinfo))

        assert fingerprint.hard["cpu_vendor"] == "0x99"
        assert fingerprint.hard["cpu_family"] is None
        assert str(fingerprint.machine_id).startswith("0x99-3392-48c-")

    def test_virtual_machine(self, tmp_path: Path) -> None:
        """The flag `hypervisor` tells a guest."""
        root = write_root(tmp_path, cpuinfo=CASCADE_LAKE.replace("avx512_vnni ht", "avx512_vnni hypervisor"))
        assert Fingerprint.from_root(root).hard["virtualised"] is True

    @pytest.mark.parametrize(
        ("memory_kib", "gib"),
        [(197_000_000, 188), (196_500_000, 188), (24_684_092, 24), (900_000, 4), (16_300_000, 16)],
    )
    def test_memory_is_rounded(self, tmp_path: Path, memory_kib: int, gib: int) -> None:
        """Memory counts in steps of 4 GiB, so that what a kernel keeps for itself makes no new machine."""
        assert Fingerprint.from_root(write_root(tmp_path, memory_kib=memory_kib)).soft["memory_gib"] == gib

    def test_the_mask_does_not_matter(self, tmp_path: Path) -> None:
        """A mask and a quota change the soft part and neither the hard part nor the id."""
        root = write_root(tmp_path)
        whole = Topology.from_sysfs(root / "sys")
        cut = replace(whole, usable_cpus=(0, 1), cpu_quota=1.5)

        assert Fingerprint.from_root(root, cut).hard == Fingerprint.from_root(root, whole).hard
        assert Fingerprint.from_root(root, cut).machine_id == Fingerprint.from_root(root, whole).machine_id
        assert Fingerprint.from_root(root, cut).soft["usable_cpus"] == "0-1"
        assert Fingerprint.from_root(root, cut).soft["cpu_quota"] == 1.5


class TestMachineId:
    """The name made from the hard part."""

    def test_readable(self, tmp_path: Path) -> None:
        """It begins with vendor, family, model and cores, and consists of lower case, digits and hyphens."""
        assert re.fullmatch(r"intel-6-85-48c-[0-9a-f]{8}", str(machine_id(tmp_path)))

    def test_stable(self, tmp_path: Path) -> None:
        """The id of a machine is the same in every version of this suite, or its baselines are lost."""
        assert machine_id(tmp_path) == "intel-6-85-48c-15e1d9be"

    @pytest.mark.parametrize(
        "changes",
        [
            {"cpuinfo": CASCADE_LAKE.replace("stepping\t: 7", "stepping\t: 6")},
            {"cpuinfo": CASCADE_LAKE.replace("avx512_vnni", "")},
            {"machine": replace(kernel_trees.C5_METAL, offline=tuple(range(48, 96)))},
            {"machine": replace(kernel_trees.C5_METAL, nodes={0: ()})},
        ],
        ids=["stepping", "isa", "smt", "numa nodes"],
    )
    def test_hard_differences(self, tmp_path: Path, changes: dict[str, Any]) -> None:
        """Whatever is hard makes another id."""
        assert machine_id(tmp_path / "changed", **changes) != machine_id(tmp_path / "original")

    def test_soft_differences(self, tmp_path: Path) -> None:
        """Microcode, name, frequency, governor and the amount of memory (a balloon, lxcfs) make no other id."""
        cpuinfo = CASCADE_LAKE.replace("0x5003605", "0x5003707").replace("3605.996", "1200.0").replace("Platinum", "Gold")
        changed = write_root(tmp_path / "changed", cpuinfo=cpuinfo, memory_kib=98_000_000)
        write(changed / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave")
        assert Fingerprint.from_root(changed).machine_id == machine_id(tmp_path / "original")

    def test_unknown_processor(self, tmp_path: Path) -> None:
        """Without a vendor there is no id, rather than one that all unknown machines share."""
        assert machine_id(tmp_path, cpuinfo="processor\t: 0\ncpu\t\t: POWER9") is None


class TestSoftPart:
    """What is recorded and may change."""

    def test_recorded(self, tmp_path: Path) -> None:
        """Each field comes from its file."""
        root = write_cgroup_v2(write_root(tmp_path), own="/", limits={".": "400000 100000"})
        cpus = root / "sys/devices/system/cpu"
        for cpu, governor in {0: "performance", 1: "performance", 2: "schedutil"}.items():
            write(cpus / f"cpu{cpu}/cpufreq/scaling_governor", governor)
        write(cpus / "cpu0/cpufreq/scaling_driver", "intel_pstate")
        write(cpus / "intel_pstate/no_turbo", "1")
        write(root / "sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never")
        write(root / "sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc")
        write(root / "proc/sys/kernel/osrelease", "6.1.0-42-amd64")
        write(root / "proc/sys/kernel/numa_balancing", "1")
        write(root / "etc/os-release", 'NAME="Debian GNU/Linux"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"')

        assert Fingerprint.from_root(root).soft == {
            "cpu_model_name": "Intel(R) Xeon(R) Platinum 8275CL CPU @ 3.00GHz",
            "memory_gib": 188,
            "microcode": "0x5003605",
            "kernel": "6.1.0-42-amd64",
            "os": "Debian GNU/Linux 12 (bookworm)",
            "libc": None,
            "python": None,
            "governors": ["performance", "schedutil"],
            "frequency_driver": "intel_pstate",
            "boost": False,
            "transparent_hugepage": "madvise",
            "numa_balancing": 1,
            "usable_cpus": "0-95",
            "cpu_quota": 4.0,
            "swap_bytes": 2048 * 1024,
            "clocksource": "tsc",
        }

    @pytest.mark.parametrize(
        ("path", "text", "boost"),
        [
            ("intel_pstate/no_turbo", "0", True),
            ("intel_pstate/no_turbo", "1", False),
            ("cpufreq/boost", "1", True),
            ("cpufreq/boost", "0", False),
            ("kernel_max", "1", None),
        ],
    )
    def test_boost(self, tmp_path: Path, path: str, text: str, boost: bool | None) -> None:
        """Both drivers' switches are understood, though they say it the opposite way."""
        root = write_root(tmp_path)
        write(root / "sys/devices/system/cpu" / path, text)
        assert Fingerprint.from_root(root).soft["boost"] is boost


class TestFromSysfs:
    """A recorded /sys without the rest of its machine."""

    def test_nothing_is_made_up(self, tmp_path: Path) -> None:
        """What only /proc tells is null, there is no machine id, and memory comes from the nodes."""
        fingerprint = Fingerprint.from_sysfs(write_sysfs(tmp_path, kernel_trees.C5_METAL))

        assert fingerprint.machine_id is None
        assert {name for name, value in fingerprint.hard.items() if value is None} == {
            "cpu_vendor",
            "cpu_family",
            "cpu_model",
            "cpu_stepping",
            "isa",
            "virtualised",
        }
        assert fingerprint.soft["memory_gib"] == 188
        assert {name for name, value in fingerprint.soft.items() if value is not None} == {"memory_gib", "usable_cpus"}

    def test_no_memory_in_the_tree(self, tmp_path: Path) -> None:
        """Without NUMA nodes the memory is unknown."""
        assert Fingerprint.from_sysfs(write_sysfs(tmp_path, kernel_trees.NO_NUMA)).soft["memory_gib"] is None

    def test_no_tree(self, tmp_path: Path) -> None:
        """A directory that is no /sys is an error."""
        with pytest.raises(TopologyError, match="is no tree like /sys"):
            Fingerprint.from_sysfs(tmp_path)


class TestThisMachine:
    """The machine that runs the tests."""

    def test_same_twice(self) -> None:
        """Two readings agree on the hard part and thus on the id, with another mask too."""
        before = os.sched_getaffinity(0)
        first = Fingerprint.of_this_machine()
        os.sched_setaffinity(0, {min(before)})
        try:
            second = Fingerprint.of_this_machine()
        finally:
            os.sched_setaffinity(0, before)

        assert second.hard == first.hard
        assert second.machine_id == first.machine_id
        assert second.soft["usable_cpus"] == str(min(before))

    def test_soft(self) -> None:
        """Kernel and interpreter are those that run."""
        soft = Fingerprint.of_this_machine().soft

        assert soft["kernel"] == platform.release()
        assert soft["python"] == platform.python_version()

    def test_no_host_name(self, tmp_path: Path) -> None:
        """The host's name is recorded nowhere, not even where the kernel offers it."""
        root = write_root(tmp_path)
        write(root / "proc/sys/kernel/hostname", "alice-laptop")
        write(root / "etc/hostname", "alice-laptop")
        assert "alice" not in json.dumps(Fingerprint.from_root(root).as_json())
        assert platform.node() not in Fingerprint.of_this_machine().soft.values()
