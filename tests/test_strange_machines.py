"""Machines whose kernel, or whose container, tells odd things: measured with a notice, or refused in one line."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from fixtures.machine.check import CLOCK
from tests.kernel_trees import Core, Machine, write, write_sysfs
from tests.suite import OUT_OF_THE_BOX, Ended, Suite, python_m

CPUS = tuple(sorted(os.sched_getaffinity(0)))
QUICK = ("--benchmark-only", "--preset=quick", "--backends=onnxruntime")

needs_two = pytest.mark.skipif(len(CPUS) < 2, reason="takes two CPUs, of which one is another than the other")


def over(mounts: Mapping[Path, Path | None], command: Sequence[str]) -> list[str]:
    """A command line that sees files and folders in the places of others, None for an empty folder that is noexec."""
    can = shutil.which("unshare") and not subprocess.run(["unshare", "--mount", "true"], check=False).returncode
    if os.geteuid() or not can:
        pytest.skip("only root can mount something over the kernel's files, and not in every container")
    lines = [
        f"mount -t tmpfs -o noexec none {place}" if source is None else f"mount --bind {source} {place}"
        for place, source in mounts.items()
    ]
    return ["unshare", "--mount", "sh", "-c", f'{" && ".join(lines)} && exec "$@"', "sh", *command]


def session(suite: Suite, mounts: Mapping[Path, Path | None], *arguments: str) -> Ended:
    """A session that sees them."""
    return suite.end(suite.start_as(over(mounts, suite.command(*arguments))))


def header(ended: Ended) -> str:
    """What is said before anything is collected."""
    return ended.text.partition("collected")[0]


@needs_two
@pytest.mark.every_cpu
def test_a_virtual_proc_and_sys(suite: Suite, tmp_path: Path) -> None:
    """As lxcfs has it: the first CPU alone is online and has ticks. Both are measured on, the shares are not known."""
    stat = Path("/proc/stat").read_text().splitlines()
    known = [line for line in stat if not line.startswith("cpu") or line.split()[0] in ("cpu", f"cpu{CPUS[0]}")]
    mounts: dict[Path, Path | None] = {
        Path("/proc/stat"): write(tmp_path / "stat", "\n".join(known)),
        Path("/sys/devices/system/cpu/online"): write(tmp_path / "online", f"{CPUS[0]}\0"),
    }
    ended = session(suite, mounts, OUT_OF_THE_BOX, *QUICK)
    assert ended.code == 0, ended.text
    assert f"/proc/stat: has no line for CPUs {CPUS[1]}" in header(ended)
    assert f"/sys: does not know CPUs {CPUS[1]}" in header(ended)
    (benchmark,) = ended.benchmarks.values()
    assert benchmark["extra_info"]["configuration"]["cpus"] == list(CPUS)
    assert (benchmark["extra_info"]["steal_share"], benchmark["extra_info"]["others_share"]) == (None, None)


def test_no_sys(suite: Suite) -> None:
    """One line with the way out, exit code 4; the doctor and the check say the same."""
    ended = session(suite, {Path("/sys"): None}, OUT_OF_THE_BOX, *QUICK)
    assert ended.code == 4, ended.text
    (line,) = [line for line in ended.text.splitlines() if line]
    assert line.startswith("ERROR: /sys is no tree like /sys")
    assert "mount -t sysfs sysfs /sys" in line
    for command, code in ((["fixtures.doctor"], 1), (["fixtures.machine", "--check"], 4)):
        python = [suite.command()[0], "-m", *command]
        said = suite.end(suite.start_as(over({Path("/sys"): None}, python)))
        assert said.code == code, said.text
        assert "mount -t sysfs sysfs /sys" in said.text
        assert "Traceback" not in said.text


@needs_two
@pytest.mark.every_cpu
def test_two_kinds_of_cores_and_nodes_that_overlap(suite: Suite, tmp_path: Path) -> None:
    """The first CPU is fast, and two nodes claim all: said in the header, and in the result that has both kinds."""
    cores = tuple(Core(cpus=(cpu,), core_id=cpu) for cpu in CPUS)
    capacity = {cpu: 1024 if cpu == CPUS[0] else 446 for cpu in CPUS}
    machine = Machine(cores=cores, nodes={0: CPUS, 1: CPUS}, speeds={"cpu_capacity": capacity})
    tree = write_sysfs(tmp_path / "sys", machine)
    here = Path("/sys/devices/system")
    mounts: dict[Path, Path | None] = {here / name: tree / "devices/system" / name for name in ("cpu", "node")}
    mounts[Path("/sys") / CLOCK] = write(tmp_path / "clock", "xen")
    if not all(place.exists() for place in mounts):
        pytest.skip("this kernel has no NUMA nodes or no clock source to mount something over")
    both = "benchmarks/test_core_count_scaling.py"
    ended = session(suite, mounts, both, *QUICK, "--sequence-lengths=32", "--threads=1,2")
    assert ended.code == 0, ended.text
    assert f"cores: of several kinds: 1 fast cores (CPUs {CPUS[0]}), {len(CPUS) - 1} slow cores" in header(ended)
    assert "NUMA nodes: several claim CPUs" in header(ended)
    assert "clock source: xen" in header(ended)
    one, two = ended.benchmarks.values()
    assert "mixed_cores" not in one["extra_info"]
    assert two["extra_info"].get("mixed_cores", "").startswith("1 fast cores (CPUs") is (len(CPUS) == 2)


def test_a_cache_from_which_nothing_can_be_loaded(suite: Suite) -> None:
    """Inductor is not available, with the way out (a skip, and refused where it is named); others are not concerned."""
    place = Path(suite.environment["XDG_CACHE_HOME"]) / "bert-cpu-benchmarks" / "inductor"
    place.mkdir(exist_ok=True)
    for backend, code in (("torch_compile", 4), ("torch_compile_freezing", 4), ("pytorch", 0)):
        asked = ("--preset=quick", "--collect-only", "-q", f"--backends={backend}")
        ended = session(suite, {place: None}, OUT_OF_THE_BOX, *asked)
        assert ended.code == code, ended.text
        reason = f"inductor loads what it compiles from {place}, which is mounted noexec: export XDG_CACHE_HOME=DIR"
        assert (reason in ended.text) is (code == 4)
        assert "Traceback" not in ended.text


def test_the_check_prints_them(tmp_path: Path) -> None:
    """A recorded machine without lists and with a NUL byte at the end of its files has an answer for every key."""
    machine = Machine(cores=(Core(cpus=(0,), core_id=0),), speeds={"cpufreq/cpuinfo_max_freq": {0: 2_000_000}})
    root = write_sysfs(tmp_path, machine)
    write(root / CLOCK, "hpet")
    for path in root.rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes() + b"\0")
    (root / "devices/system/node/node0/cpulist").unlink()
    ended = python_m("fixtures.machine", "--check", "--sysfs", str(root))
    assert ended.returncode == 1
    assert "clocksource: wrong: hpet" in ended.stdout
    assert "Traceback" not in ended.stderr + ended.stdout
