"""Stories of duets: equal environments, a slower one, one that lacks something, and twins that are never left behind."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fixtures.machine.topology import Topology
from fixtures.model.prepared import PreparedModel
from fixtures.process.environment import NO_TELEMETRY, passes
from tests.hostile_backends import TWIN
from tests.suite import (
    OUT_OF_THE_BOX,
    REPOSITORY,
    SCALING,
    Ended,
    Suite,
    environments,
    instances_of,
    interrupt,
    orphans,
    wait_until,
)

SHORT = ("--benchmark-only", "--preset=quick", "--threads=1", "--benchmark-max-time=0.05", "--launches=4")
DUET = (*SHORT, "--most-launches=4")
TWO = "onnxruntime-fp32-threads1-batch1-seq64"


def bare_environment(folder: Path) -> str:
    """The interpreter of a virtual environment that has numpy and nothing else."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    ours = Path(np.__file__).parents[1]
    for path in (*ours.glob("numpy"), *ours.glob("numpy.libs"), *ours.glob("numpy-*.dist-info")):
        (packages / path.name).symlink_to(path)
    return str(folder / "bin" / "python")


def twin(folder: Path) -> str:
    """An interpreter with our own packages that tells its workers that they are the reference."""
    path = folder / "twin-python"
    path.write_text(f'#!/bin/sh\n{TWIN}=1 exec {shlex.quote(sys.executable)} "$@"\n')
    path.chmod(0o755)
    return str(path)


def duet_of(ended: Ended, name: str) -> dict[str, Any]:
    """The words of a benchmark's duet."""
    words: dict[str, Any] = ended.benchmarks[name]["extra_info"]["duet"]
    return words


@pytest.fixture(scope="module")
def against_itself(tmp_path_factory: pytest.TempPathFactory, cache_home: Path, bert_tiny: PreparedModel) -> Ended:
    """This environment beside itself, out of the box: on all CPUs."""
    suite = Suite(tmp_path_factory.mktemp("against_itself"), cache_home)
    ended = suite(OUT_OF_THE_BOX, *DUET, "--backends=onnxruntime", "--sequence-lengths=32,128", "--reference=self")
    assert orphans(suite.runs) == []
    return ended


@pytest.mark.every_cpu
def test_an_environment_against_itself(against_itself: Ended) -> None:
    """Nothing is red; both problem sizes came from the same launch pairs; the file stays that of an ordinary run."""
    ended = against_itself
    names = {"onnxruntime-fp32-batch1-seq32", "onnxruntime-fp32-batch1-seq128"}
    assert ended.code == 0, ended.text
    assert "launch pair 4 of 4, for 1x32, 1x128" in ended.text
    assert ended.text.count("launch pair 1 of 4") == 1
    assert set(ended.benchmarks) == names
    for name in names:
        duet, extra = duet_of(ended, name), ended.benchmarks[name]["extra_info"]
        assert duet["verdict"] in ("passed", "inconclusive", "improved")
        assert duet["reference"]["versions"] == extra["versions"]
        assert duet["reference"]["self"] is True
        assert [one["order"] for one in duet["launches"]] == ["measured first", "reference first"] * 2
        assert all(one["rounds"] >= 2 * 4 * 2 for one in duet["launches"])
        assert duet["comparisons"] == 2
        assert extra["latency_s"]["median"] == ended.benchmarks[name]["stats"]["median"]
        assert len(extra["launches"]) == len(extra["per_instance"]) == 1
    words = ended.run["run"]["duet"]
    assert words["reference"]["environment"]["packages"]["onnxruntime"]
    assert words["overall"][0].startswith("onnxruntime ")
    assert " on both sides: " in words["overall"][0]
    assert "verdicts" not in ended.run["run"], "no accepted run was asked"
    assert "this machine tells " in ended.text
    for name in names:
        assert f" {name}: " in ended.text


def test_a_slower_environment_is_a_red_test(suite: Suite) -> None:
    """A real slowdown fails its test with numbers, interval, launch pairs, versions and the next command.

    Both sides get the variable that is let through, and nothing else of the shell's.
    """
    python = twin(suite.folder)
    arguments = ("--backends=slower_than_its_twin", f"--reference={python}", "--pass-env=MKL_CBWR")
    session = suite.start(
        SCALING,
        *SHORT,
        "--most-launches=8",
        *arguments,
        hostile=True,
        MKL_CBWR="AVX2",
        MKL_DYNAMIC="TRUE",
        KMP_BLOCKTIME="0",
    )
    seen = environments(session)
    ended = suite.end(session)
    assert ended.code == 1, ended.text
    for side in ("slower_than_its_twin-fp32-threads1", "reference_slower_than_its_twin-fp32-threads1"):
        for given in seen[f"fixtures.worker {side}"]:
            assert given["MKL_CBWR"] == "AVX2"
            told = {"MKL_CBWR", TWIN, "PWD", *NO_TELEMETRY}
            assert {name for name in given if not passes(name)} <= told, "what a shell sets itself"
            assert {name: given[name] for name in NO_TELEMETRY} == NO_TELEMETRY
    name = "slower_than_its_twin-fp32-threads1-batch1-seq32"
    duet = duet_of(ended, name)
    assert duet["verdict"] == "regressed"
    assert 1.3 < duet["ratio"] < 3
    assert len(duet["launches"]) == 4
    assert duet["interval"][0] < duet["ratio"] < duet["interval"][1]
    (message,) = {line for line in ended.text.splitlines() if line.startswith(f"REGRESSED {name}: median ")}
    assert ", reference " in message
    assert "(red above +" in message
    assert "4 launch pairs, in turns on the same CPUs" in ended.text
    card = f"--backend-file={REPOSITORY}/tests/hostile_backends.py"
    (rerun,) = {line for line in ended.text.splitlines() if line.startswith("  rerun ")}
    asked = ["--preset=quick", "--threads=1", "--launches=4", card, "--pass-env=MKL_CBWR"]
    assert {"--benchmark-only", *asked} <= set(shlex.split(rerun))
    assert rerun.endswith(f"--reference {python}")
    assert "slower on 1 of 1" in ended.text
    assert ": 1 failed in " in ended.text or "= 1 failed in " in ended.text


@pytest.mark.every_cpu
@pytest.mark.skipif(Topology.of_this_process().usable_physical_cores < 2, reason="on one CPU no thread can be held")
def test_threads_are_held_in_turns(against_itself: Ended) -> None:
    """Out of the box, on several CPUs: what is at work on both sides has a CPU of its own, in every turn."""
    for benchmark in against_itself.benchmarks.values():
        launches = benchmark["extra_info"]["duet"]["launches"]
        assert all(min(one["threads_held"]) >= 1 for one in launches), [one["threads_held"] for one in launches]
        (alone,) = benchmark["extra_info"]["per_instance"]
        assert all(set(cpus) <= set(alone["cpus"]) for cpus, _ in alone["thread_masks"])


def test_what_is_undecided_goes_on(suite: Suite) -> None:
    """More launch pairs for the size that the first ones cannot decide, and none for another; in the end it is inconclusive.

    A size that fails in its second look is red and has no result, and the undecided one goes on to its end.
    """
    name = "another_speed_each_launch-fp32-threads1-batch1-seq"
    ended = suite(
        *(SCALING, *SHORT, "--most-launches=6", "--backends=another_speed_each_launch", "--sequence-lengths=32,64,96"),
        f"--reference={twin(suite.folder)}",
        hostile=True,
    )
    assert ended.code == 1, ended.text
    launches = {name: len(one["extra_info"]["duet"]["launches"]) for name, one in ended.benchmarks.items()}
    assert launches == {f"{name}64": 6, f"{name}96": 4}
    assert duet_of(ended, f"{name}96")["verdict"] == "regressed"
    undecided = duet_of(ended, f"{name}64")
    assert undecided["verdict"] == "inconclusive"
    assert undecided["reason"].endswith("; look 2 of 2")
    assert [one["order"] for one in undecided["launches"]] == ["measured first", "reference first"] * 3
    assert "launch pair 6 of 6, for 1x32, 1x64, undecided so far" in ended.text
    assert "4 or 6 launch pairs" in ended.text
    assert ended.run["run"]["duet"]["looks"] == [4, 6]
    red = {f"{SCALING}::test_core_count_scaling[{name}{tokens}]" for tokens in (32, 96)}
    assert set(ended.run["run"]["not_passed"]) == red
    assert "this launch was one too many" in ended.text


@pytest.mark.every_cpu
@pytest.mark.slow
@pytest.mark.skipif(Topology.of_this_process().usable_physical_cores < 2, reason="two instances need two cores")
def test_several_instances_have_several_twins(suite: Suite) -> None:
    """Throughput is compared, all instances of a side at once."""
    ended = suite(
        *("benchmarks/test_instance_scaling.py", *DUET, "--backends=onnxruntime", "--instances=2", "--batch-sizes=2"),
        *("--sequence-lengths=32", "--reference=self"),
    )
    assert ended.code == 0, ended.text
    (benchmark,) = ended.benchmarks.values()
    assert benchmark["extra_info"]["instances"] == len(benchmark["extra_info"]["per_instance"]) == 2
    assert len(benchmark["extra_info"]["duet"]["launches"]) == 4


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter that has numpy and nothing else."""
    return bare_environment(tmp_path_factory.mktemp("bare"))


def test_an_environment_that_lacks_the_backend(suite: Suite, bare: str) -> None:
    """Named on the command line it is exit 4 with the command that installs it; from a preset a skip with its reason."""
    python = bare
    named = suite(SCALING, *DUET, "--backends=onnxruntime", f"--reference={python}")
    assert named.code == 4
    assert f"in the reference environment ({python}) onnxruntime is not installed" in named.text
    assert f"Install it there: {python} -m pip install numpy onnxruntime" in named.text
    preset = suite(SCALING, *DUET, f"--reference={python}")
    assert preset.code == 1, "nothing was compared"
    assert "nothing was compared: every benchmark that was asked for is skipped" in preset.text
    assert f"in the reference environment ({python}) torch is not installed" in preset.text
    assert not suite.runs.exists()


def test_an_environment_whose_backend_is_broken(suite: Suite) -> None:
    """It is imported before anything is measured, and what that raised is said."""
    python = bare_environment(suite.folder / "bare")
    (packages,) = (suite.folder / "bare").glob("lib/python*/site-packages")
    (packages / "onnxruntime-1.0.dist-info").mkdir()
    (packages / "onnxruntime-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: onnxruntime\nVersion: 1.0\n"
    )
    (packages / "onnxruntime.py").write_text("raise ImportError('libbroken.so.1: no such file')\n")
    ended = suite(SCALING, *DUET, "--backends=onnxruntime", f"--reference={python}")
    assert ended.code == 4
    assert "ImportError: libbroken.so.1: no such file" in ended.text
    assert "Traceback" not in ended.text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--reference=/no/such/python"], "/no/such/python is not there. Make one: python3 -m venv DIR"),
        (["--reference=/etc/hostname"], "/etc/hostname cannot be "),
        (["--reference=/bin/false"], "/bin/false gave no answer (exit code 1)"),
        (["--reference=self", "--launches=5"], "--launches 5 with --reference: launch pairs come in twos"),
        (["--reference=self", "--launches=2"], "it takes 4 to know how far they spread"),
        (["--reference=self", "--launches=8", "--most-launches=6"], "--most-launches 6 with --launches 8: "),
        (["--most-launches=6"], "--most-launches is a duet's: give --reference as well"),
        (["--reference=self", "--require-baseline"], "--require-baseline cannot apply with --reference"),
        (["--reference=self", "--confirm=2"], "--confirm cannot apply with --reference"),
    ],
)
def test_what_cannot_be_a_duet_is_refused(suite: Suite, arguments: list[str], words: str) -> None:
    """Exit 4 before anything starts, with what is wrong and what would do."""
    ended = suite(OUT_OF_THE_BOX, "--benchmark-only", "--preset=quick", *arguments)
    assert ended.code == 4
    assert words in ended.text
    assert "Traceback" not in ended.text
    assert not suite.runs.exists()


def test_a_wrong_answer_of_the_reference(suite: Suite) -> None:
    """A reference that computes something else has no latency either, and the message says that it is the reference."""
    python = twin(suite.folder)
    ended = suite(SCALING, *DUET, "--backends=wrong_as_twin", f"--reference={python}", hostile=True)
    assert ended.code == 1
    assert f"reference ({python}): wrong answer: 4096 of 4096 values are NaN or infinite" in ended.text
    assert ended.benchmarks == {}


def stopped(pid: int) -> list[int]:
    """The workers of a process that are under SIGSTOP."""
    found = []
    for worker in instances_of(pid):
        try:
            state = Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state == "T":
            found.append(worker)
    return found


def taking_turns(pid: int) -> Callable[[], bool]:
    """A condition: both workers were found stopped alone, three times each; only turns have them change places so often."""
    last: list[int] = []
    changes: Counter[tuple[int, ...]] = Counter()

    def seen() -> bool:
        nonlocal last
        both = tuple(sorted(instances_of(pid)))
        if len(found := stopped(pid)) == 1 and len(both) == 2:
            changes[both] += found != last
            last = found
        return len(found) == 1 and changes[both] >= 6

    return seen


LONG = ("--benchmark-only", "--preset=quick", "--threads=1", "--launches=40", "--benchmark-max-time=1")


@pytest.mark.parametrize("how", ["kill", "ctrl-c"])
def test_no_stopped_twin_is_left(suite: Suite, how: str) -> None:
    """Kill -9 of pytest and Ctrl-C both end the running twin and the stopped one."""
    process = suite.start(SCALING, *LONG, "--backends=onnxruntime", "--reference=self")
    wait_until(taking_turns(process.pid), "a twin to be stopped while they take turns")
    if how == "kill":
        process.kill()
        process.communicate()
    else:
        interrupt(process)
        assert suite.end(process).code == 2
    wait_until(lambda: not orphans(suite.runs), "both twins to be gone", 10)


def test_a_twin_that_dies_fails_its_benchmark(suite: Suite) -> None:
    """Killed while it is stopped: that benchmark is red with the signal, and a fresh pair measures the other one."""
    process = suite.start(SCALING, *DUET, "--backends=onnxruntime", "--sequence-lengths=32,64", "--reference=self")
    victims = wait_until(lambda: len(instances_of(process.pid)) == 2 and stopped(process.pid), "a twin to be stopped")
    os.kill(victims[0], signal.SIGKILL)
    ended = suite.end(process)
    assert ended.code == 1
    assert "died" in ended.text
    assert "killed by SIGKILL" in ended.text
    assert set(ended.benchmarks) == {TWO}
    assert duet_of(ended, TWO)["verdict"] in ("passed", "inconclusive", "improved")


def test_no_memory_for_two(suite: Suite) -> None:
    """Before anything starts, with what two models take and what there is."""
    ended = suite(
        *(SCALING, *DUET, "--backends=onnxruntime", "--reference=self", "-p", "tests.little_memory"),
    )
    assert ended.code == 4
    assert "--reference: 2 copies of the weights of bert-tiny take 33 MiB, and 1 MiB is available" in ended.text
    assert "nothing was compared" not in ended.text, "a refusal is no run in which all was skipped"
    assert "Traceback" not in ended.text


def test_both_sides_are_checked_without_measuring(suite: Suite) -> None:
    """--benchmark-disable runs a forward pass of both sides and judges nothing."""
    ended = suite(
        *(SCALING, "--preset=quick", "--threads=1", "--backends=wrong_as_twin", "--benchmark-disable"),
        f"--reference={twin(suite.folder)}",
        hostile=True,
    )
    assert ended.code == 1
    assert "wrong answer" in ended.text


def test_a_worker_stands_on_numpy_alone(bare: str) -> None:
    """In an environment with numpy and nothing else all that a worker imports before its framework can be imported."""
    script = (
        "import fixtures.worker.__main__, fixtures.worker.installed, fixtures.worker.parity,"
        "fixtures.worker.peak_memory, fixtures.worker.rounds, fixtures.worker.warm_up,"
        "fixtures.measurement.watch, fixtures.machine.affinity, fixtures.worker.hold\n"
        "from fixtures.backends.registry import BACKENDS, backend_class\n"
        "print([backend_class(name).name for name in BACKENDS])"
    )
    done = subprocess.run([bare, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "onnxruntime" in done.stdout
