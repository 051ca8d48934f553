"""`python -m fixtures.machine --check`: what is wrong with a machine, on recorded kernels, and the page about it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.machine.__main__ import main
from fixtures.machine.cgroup import cpu_quota
from fixtures.machine.check import CLOCK, KEYS, Finding, Kernel, State, findings
from fixtures.machine.topology import Topology
from tests import kernel_trees
from tests.kernel_trees import C5_METAL, Machine, hyperthreaded, write, write_cgroup_v2, write_sysfs
from tests.suite import REPOSITORY

C_STATES = (("POLL", 0, 0), ("C1", 2, 0), ("C1E", 10, 0), ("C6", 133, 1))
"""Name, exit latency in us, disabled: what intel_idle offers on a Xeon of c5.metal's generation, C6 switched off."""

TWO_SOCKETS = Machine(cores=hyperthreaded(packages=2, cores=2), nodes={0: (0, 1, 4, 5), 1: (2, 3, 6, 7)})
"""Built as c5.metal is, with fewer files to write."""


def tuned(root: Path, machine: Machine = TWO_SOCKETS) -> Path:
    """The kernel of a prepared machine."""
    sysfs = write_sysfs(root / "sys", machine)
    for cpu in machine.online:
        write(sysfs / f"devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor", "performance")
        for number, (name, latency_us, disabled) in enumerate(C_STATES):
            state = sysfs / f"devices/system/cpu/cpu{cpu}/cpuidle/state{number}"
            for file, value in (("name", name), ("latency", latency_us), ("disable", disabled)):
                write(state / file, str(value))
    write(sysfs / "devices/system/cpu/intel_pstate/no_turbo", "1")
    write(sysfs / "devices/system/cpu/isolated", "")
    write(sysfs / "kernel/mm/transparent_hugepage/enabled", "always [madvise] never")
    write(sysfs / "devices/system/clocksource/clocksource0/current_clocksource", "tsc")
    write(root / "proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu avx2 avx512f")
    write(root / "proc/meminfo", "MemTotal:  196608000 kB\nSwapTotal:        0 kB")
    write(root / "proc/loadavg", "0.08 0.30 0.50 1/900 4242")
    write(root / "proc/sys/kernel/numa_balancing", "0")
    write(root / "proc/sys/kernel/randomize_va_space", "2")
    return root


def checked(root: Path) -> dict[str, Finding]:
    """The findings of a recorded machine."""
    topology = replace(Topology.from_sysfs(root / "sys"), cpu_quota=cpu_quota(root))
    return {one.key: one for one in findings(Kernel(sysfs=root / "sys", root=root, topology=topology))}


def cpu_file(name: str, text: str, cpu: int = 0) -> Callable[[Path], object]:
    """One of the files of a CPU, changed."""
    return lambda root: write(root / f"sys/devices/system/cpu/cpu{cpu}" / name, text)


def file(name: str, text: str) -> Callable[[Path], object]:
    """A file of the kernel, changed."""
    return lambda root: write(root / name, text)


def quota(root: Path) -> None:
    """A container with one and a half CPUs."""
    write_cgroup_v2(root, own="/box", limits={"box": "150000 100000"})


def test_a_prepared_machine(tmp_path: Path) -> None:
    """Nothing counts; SMT is a note, because one question needs it and the others do not mind it."""
    found = checked(tuned(tmp_path, C5_METAL))
    assert {key: one.state for key, one in found.items() if one.state is not State.OK} == {"smt": State.NOTE}
    assert found["smt"].value == "on"
    assert tuple(found) == KEYS


@pytest.mark.parametrize(
    ("change", "key", "value", "command"),
    [
        (
            cpu_file("cpufreq/scaling_governor", "powersave", 6),
            "governor",
            "performance on CPUs 0-5,7, powersave on CPUs 6",
            "sudo cpupower frequency-set --governor performance",
        ),
        (file("sys/devices/system/cpu/intel_pstate/no_turbo", "0"), "turbo", "on", "intel_pstate/no_turbo"),
        (cpu_file("cpuidle/state3/disable", "0", 7), "c_states", "C6 (133 us) on CPUs 7", "--disable-by-latency 11"),
        (
            file("sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never"),
            "transparent_hugepage",
            "always",
            "echo madvise",
        ),
        (file("sys/devices/system/cpu/isolated", "4-6,100"), "isolation", "CPUs 4-6", "isolcpus"),
        (file(f"sys/{CLOCK}", "xen"), "clocksource", "xen", "echo tsc"),
        (file(f"sys/{CLOCK}", "hpet"), "clocksource", "hpet", "echo tsc"),
        (file("proc/cpuinfo", "flags\t: fpu hypervisor"), "virtualised", "yes", "lscpu"),
        (file("proc/sys/kernel/numa_balancing", "1"), "numa_balancing", "on", "kernel.numa_balancing=0"),
        (file("proc/meminfo", "SwapTotal:  2097152 kB"), "swap", "2048 MiB", "swapoff"),
        (file("proc/loadavg", "0.51 0 0 1/9 1"), "other_load", "0.51", "top"),
        (file("proc/sys/kernel/randomize_va_space", "0"), "aslr", "randomize_va_space is 0", "randomize_va_space=2"),
        (quota, "cpu_quota", "1.5 CPUs", "cgroup"),
    ],
    ids=lambda value: value if value in KEYS else "",
)
def test_each_finding(tmp_path: Path, change: Callable[[Path], object], key: str, value: str, command: str) -> None:
    """Exactly what was changed is wrong, with its value, and the command that brings it back."""
    change(tuned(tmp_path))
    found = checked(tmp_path)
    assert [one.key for one in found.values() if one.counts] == [key]
    assert found[key].state is State.WRONG
    assert value in found[key].value
    assert command in found[key].command


def test_cores_of_two_kinds_are_a_note(tmp_path: Path) -> None:
    """Which they are; it counts nowhere, because what is measured on them is told."""
    tuned(tmp_path)
    for cpu in range(8):
        write(tmp_path / f"sys/devices/system/cpu/cpu{cpu}/cpu_capacity", "1024" if cpu % 4 < 2 else "446")
    found = checked(tmp_path)
    assert found["core_kinds"].state is State.NOTE
    assert found["core_kinds"].value == "2 fast cores (CPUs 0-1,4-5), 2 slow cores (CPUs 2-3,6-7)"
    assert not any(one.counts for one in found.values())


def test_turbo_of_the_other_driver(tmp_path: Path) -> None:
    """Where acpi-cpufreq governs, its own file is read, and named in the command."""
    (tuned(tmp_path) / "sys/devices/system/cpu/intel_pstate/no_turbo").unlink()
    write(tmp_path / "sys/devices/system/cpu/cpufreq/boost", "1")
    found = checked(tmp_path)["turbo"]
    assert (found.state, found.command) == (State.WRONG, "echo 0 | sudo tee /sys/devices/system/cpu/cpufreq/boost")


def test_what_the_kernel_does_not_tell_counts(tmp_path: Path) -> None:
    """A guest without cpufreq and cpuidle is not called prepared."""
    tuned(tmp_path, kernel_trees.VIRTUAL_MACHINE)
    for path in (tmp_path / "sys/devices/system/cpu").glob("cpu*/cpu*"):
        shutil.rmtree(path)
    shutil.rmtree(tmp_path / "sys/devices/system/cpu/intel_pstate")
    untold = {one.key for one in checked(tmp_path).values() if one.state is State.UNTOLD}
    assert untold == {"governor", "turbo", "c_states"}
    assert all(one.counts for one in checked(tmp_path).values() if one.key in untold)


def test_empty_proc(tmp_path: Path) -> None:
    """Nothing in /proc is no pass either; only a machine of one node needs no NUMA balancing to be switched off."""
    shutil.rmtree(tuned(tmp_path, kernel_trees.NO_NUMA) / "proc")
    found = checked(tmp_path)
    assert {one.key for one in found.values() if one.counts} == {"virtualised", "swap", "other_load", "aslr"}
    assert found["numa_balancing"].state is State.OK


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0 where nothing counts, 1 with the lines to type where something does; what was not looked at is said."""
    sysfs = str(tuned(tmp_path) / "sys")
    assert main(["--sysfs", sysfs, "--check"]) == 0
    printed = capsys.readouterr().out
    assert printed.endswith("prepared for measuring\n")
    assert "not looked at, because only /proc tells: virtualised, numa_balancing, swap" in printed

    cpu_file("cpufreq/scaling_governor", "powersave")(tmp_path)
    assert main(["--sysfs", sysfs, "--check"]) == 1
    printed = capsys.readouterr().out
    assert "governor: wrong: performance on CPUs 1-7, powersave on CPUs 0\n" in printed
    assert "    to change  sudo cpupower frequency-set --governor performance\n" in printed
    assert "    see        docs/runner.md#governor\n" in printed
    assert printed.endswith("not prepared for measuring: governor\n")

    assert main(["--sysfs", sysfs, "--check", "--tolerate", "governor,turbo"]) == 0
    printed = capsys.readouterr().out
    assert "governor: wrong (tolerated): " in printed
    assert printed.endswith("prepared for measuring, but for what is tolerated: governor\n")


def test_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown key is refused with the known ones; a directory that is no /sys has one line and 4."""
    with pytest.raises(SystemExit) as ended:
        main(["--check", "--tolerate", "governer"])
    assert ended.value.code == 2
    assert "governer is no finding; possible: all, governor, turbo" in capsys.readouterr().err
    assert main(["--check", "--sysfs", str(tmp_path / "absent")]) == 4
    assert "is no tree like /sys" in capsys.readouterr().err


def test_every_key_has_its_section() -> None:
    """docs/runner.md has a heading per key, in the order in which they are printed, with the command of the message."""
    page = (REPOSITORY / "docs" / "runner.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", page, re.MULTILINE | re.DOTALL))
    assert tuple(sections) == KEYS


def test_every_command_is_in_its_section(tmp_path: Path) -> None:
    """What the message says to type is what the page says to type."""
    page = (REPOSITORY / "docs" / "runner.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", page, re.MULTILINE | re.DOTALL))
    for key, finding in checked(tuned(tmp_path)).items():
        assert finding.command in sections[key], key
