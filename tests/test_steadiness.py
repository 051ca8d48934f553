"""Stolen time, frequency and throttling, from recorded files and from the kernel that runs the tests."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from fixtures.machine.cgroup import quota_periods, throttled_share
from fixtures.machine.steadiness import (
    Ticks,
    busy_by_cpu,
    frequency_mhz,
    others_share,
    steal_share,
    ticks_by_cpu,
    ticks_of,
)
from tests.kernel_trees import write, write_cgroup_v1, write_cgroup_v2

if TYPE_CHECKING:
    from pathlib import Path

STAT = """cpu  111 222 333 444 555 666 777 888 999 1111
cpu0 100 1 20 1000 5 0 4 50 60 1
cpu1 200 2 40 2000 6 0 2 10 0 0
cpu10 9 9 9 9 9 9 9 9 9 9
intr 172180 0 0
ctxt 12345"""


class TestSteal:
    """Time that a hypervisor gave to other guests."""

    def test_ticks(self, tmp_path: Path) -> None:
        """Ticks are summed over these CPUs alone; guest time, being in user time, is not counted twice; idle is not busy."""
        write(tmp_path / "proc/stat", STAT)

        by_cpu = ticks_by_cpu(root=tmp_path)
        assert ticks_of([0], by_cpu) == by_cpu[0] == Ticks(busy=125, steal=50, total=1180)
        assert ticks_of([0, 1, 0], by_cpu) == Ticks(busy=125 + 244, steal=60, total=1180 + 2260)

    def test_unknown_cpu(self, tmp_path: Path) -> None:
        """A CPU that is not online is an error that names it."""
        write(tmp_path / "proc/stat", STAT)
        with pytest.raises(ValueError, match=r"/proc/stat has no line for CPUs 2,4-5: they are not online"):
            ticks_of([0, 2, 4, 5], ticks_by_cpu(root=tmp_path))

    @pytest.mark.parametrize(
        ("before", "after", "share"),
        [
            ((10, 1000), (35, 1100), 0.25),
            ((10, 1000), (10, 1100), 0.0),
            ((10, 1000), (110, 1100), 1.0),
            ((10, 1000), (10, 1000), 0.0),
            ((10, 1000), (9, 1100), 0.0),
            ((10, 1000), (130, 1100), 1.0),
        ],
        ids=["some", "none", "all", "no time", "backwards", "more than all"],
    )
    def test_share(self, before: tuple[int, int], after: tuple[int, int], share: float) -> None:
        """The share is between 0 and 1 whatever the counters do."""
        then, now = (Ticks(steal=steal, total=total) for steal, total in (before, after))
        assert steal_share(now - then) == share

    def test_others(self) -> None:
        """What the CPUs worked beyond the process's own time is others'; too few ticks tell nothing."""
        tick_s = 1 / os.sysconf("SC_CLK_TCK")
        ticks = Ticks(busy=250, total=1200) - Ticks(busy=100, total=1000)
        assert others_share(ticks, own_s=100 * tick_s) == pytest.approx(0.25)
        assert others_share(ticks, own_s=151 * tick_s) == 0.0
        assert others_share(Ticks(busy=9, total=9), own_s=0.0) is None

    def test_busy(self) -> None:
        """Each CPU's own share, by its number as text; one that has too few ticks leaves all unknown."""
        by_cpu = {0: Ticks(busy=25, total=100), 3: Ticks(busy=100, total=100)}
        assert busy_by_cpu(by_cpu) == {"0": 0.25, "3": 1.0}
        assert busy_by_cpu({**by_cpu, 1: Ticks(busy=1, total=9)}) is None

    def test_this_machine(self) -> None:
        """Time passes on the CPUs of this process, and what is stolen is a share of it."""
        cpus = os.sched_getaffinity(0)
        before = ticks_of(cpus, ticks_by_cpu())
        deadline = time.monotonic() + 10
        while not (passed := ticks_of(cpus, ticks_by_cpu()) - before).total and time.monotonic() < deadline:
            time.sleep(0.02)

        assert passed.total > 0
        assert 0.0 <= steal_share(passed) <= 1.0


class TestFrequency:
    """The clock of the CPUs."""

    def test_cpufreq(self, tmp_path: Path) -> None:
        """The mean of what cpufreq tells, kHz turned to MHz, goes before /proc/cpuinfo."""
        for cpu, khz in {0: 2_000_000, 1: 3_000_000, 2: 1}.items():
            write(tmp_path / f"sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_cur_freq", str(khz))
        write(tmp_path / "proc/cpuinfo", "processor\t: 0\ncpu MHz\t\t: 7.0\n")
        assert frequency_mhz([0, 1], root=tmp_path) == 2500.0

    def test_cpuinfo(self, tmp_path: Path) -> None:
        """Without cpufreq, or where it does not know, /proc/cpuinfo's number of these CPUs is taken."""
        write(tmp_path / "sys/devices/system/cpu/cpu4/cpufreq/scaling_cur_freq", "<unknown>")
        write(tmp_path / "sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq", "0")
        blocks = (f"processor\t: {cpu}\ncpu MHz\t\t: {mhz}\n" for cpu, mhz in {0: 1000.5, 1: 2000.5, 4: 3000.5}.items())
        write(tmp_path / "proc/cpuinfo", "\n".join(blocks))

        assert frequency_mhz([4], root=tmp_path) == 3000.5
        assert frequency_mhz([0, 1], root=tmp_path) == 1500.5

    def test_unknown(self, tmp_path: Path) -> None:
        """Where nothing tells (an Arm guest), the frequency is unknown, not 0."""
        assert frequency_mhz([0], root=tmp_path) is None
        write(tmp_path / "proc/cpuinfo", "processor\t: 0\nCPU part\t: 0xd40\n")
        assert frequency_mhz([0], root=tmp_path) is None


class TestThrottled:
    """In how many of its periods a CPU quota stopped the process."""

    def test_own_and_above(self, tmp_path: Path) -> None:
        """A quota of a group above stops the process as well; the level that stopped it most often counts."""
        root = write_cgroup_v2(tmp_path, own="/a/b", limits={"a/b": "max 100000"})
        own, above = root / "sys/fs/cgroup/a/b/cpu.stat", root / "sys/fs/cgroup/a/cpu.stat"
        write(own, "usage_usec 9\nnr_periods 8\nnr_throttled 3\nthrottled_usec 77")
        write(above, "usage_usec 9\nnr_periods 20\nnr_throttled 4\nthrottled_usec 77")
        write(root / "sys/fs/cgroup/other/cpu.stat", "nr_periods 200\nnr_throttled 100")
        before = quota_periods(root)
        assert before == {own.parent: (8, 3), above.parent: (20, 4)}
        write(own, "usage_usec 9\nnr_periods 18\nnr_throttled 4\nthrottled_usec 77")
        write(above, "usage_usec 9\nnr_periods 30\nnr_throttled 9\nthrottled_usec 77")
        assert throttled_share(before, quota_periods(root)) == 0.5
        assert throttled_share(before, before) == 0.0

    def test_version_1(self, tmp_path: Path) -> None:
        """Version 1 of cgroups counts in the hierarchy of the cpu controller."""
        root = write_cgroup_v1(tmp_path, own="/job", quotas_us={"job": 50_000})
        write(root / "sys/fs/cgroup/cpu,cpuacct/job/cpu.stat", "nr_periods 8\nnr_throttled 5\nthrottled_time 77")
        assert list(quota_periods(root).values()) == [(8, 5)]

    def test_not_counted(self, tmp_path: Path) -> None:
        """Where the cpu controller is off, cpu.stat has no such line, and the share is unknown."""
        root = write_cgroup_v2(tmp_path, own="/", limits={})
        write(root / "sys/fs/cgroup/cpu.stat", "usage_usec 9\nuser_usec 8")
        assert throttled_share(quota_periods(root), quota_periods(root)) is None
