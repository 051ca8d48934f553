"""Stories of what goes wrong: each has a clear message and an exit code, leaves no orphan, and keeps what was finished."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from fixtures.model.prepared import PreparedModel
from tests.suite import (
    OUT_OF_THE_BOX,
    REPOSITORY,
    SCALING,
    SHORT,
    Ended,
    Suite,
    instances_of,
    interrupt,
    orphans,
    python_m,
    wait_until,
)

ONE = ("--backends=onnxruntime", "--threads=1")
SEVERAL_CPUS = len(os.sched_getaffinity(0)) > 1
HOSTILE = (
    *("answers_nan", "crashes", "answers_nonsense", "killed_while_timing", "sleeps_for_ever", "cannot_be_imported"),
    *(("leaves_its_mask", "leaves_its_mask_later") if SEVERAL_CPUS else ()),
    "onnxruntime",
)
"""In this order; whatever comes before, the next one gets a fresh worker, and the last is measured."""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory, cache_home: Path, bert_tiny: PreparedModel) -> Ended:
    """A session of one hostile backend after another, and an honest one."""
    suite = Suite(tmp_path_factory.mktemp("hostile"), cache_home)
    ended = suite(
        *(SCALING, *SHORT, "--threads=1", f"--backends={','.join(HOSTILE)}", "--sequence-lengths=32,64"),
        *("-k", "seq32 or cannot_be_imported or killed_while_timing or onnxruntime"),
        *("--benchmark-min-rounds=200", "--instance-time-out=5"),
        hostile=True,
    )
    assert orphans(suite.runs) == []
    return ended


def message_of(ended: Ended, backend: str, tokens: int = 32) -> str:
    """What pytest says of a benchmark that failed, under its name."""
    name = f"test_core_count_scaling[{backend}-fp32-threads1-batch1-seq{tokens}]"
    assert f"{SCALING}::{name}" in ended.run["run"]["not_passed"]
    _, _, below = ended.text.partition(f"_ {name} _")
    message, line, _ = re.split(r"^((?:_{3,} test_|={3,} ).*)$", below.partition("\n")[2], maxsplit=1, flags=re.MULTILINE)
    assert line
    return message


def test_what_fails_does_not_keep_others_from_being_measured(hostile: Ended) -> None:
    """Every hostile backend is red, and the one after all of them is measured."""
    assert hostile.code == 1
    names = (
        "killed_while_timing-fp32-threads1-batch1-seq64",
        *(f"onnxruntime-fp32-threads1-batch1-seq{n}" for n in (32, 64)),
    )
    assert set(hostile.benchmarks) == set(names)
    assert len(hostile.run["run"]["not_passed"]) == len(HOSTILE[:-1]) + 1
    assert "was not used" not in hostile.text


def test_a_wrong_answer_has_no_latency(hostile: Ended) -> None:
    """A backend that answers NaN fails with that reason, once where it failed and once in the summary."""
    message = "wrong answer: 4096 of 4096 values are NaN or infinite"
    assert message in message_of(hostile, "answers_nan")
    assert hostile.text.count(message) == 2


@pytest.mark.skipif(not SEVERAL_CPUS, reason="a mask of one CPU cannot be left")
@pytest.mark.parametrize("backend", ["leaves_its_mask", "leaves_its_mask_later"])
def test_a_framework_that_leaves_its_mask_is_an_error(hostile: Ended, backend: str) -> None:
    """A thread that may run outside the granted CPUs fails its benchmark, whether it left before timing or during it."""
    assert "outside the granted CPUs" in message_of(hostile, backend)


def test_a_worker_that_crashes(hostile: Ended) -> None:
    """Its benchmark names the signal, the last request and what was printed."""
    message = message_of(hostile, "crashes")
    assert "died: killed by SIGSEGV" in message
    assert '"do": "check"' in message
    assert "about to touch address zero" in message


def test_a_worker_that_answers_nonsense(hostile: Ended) -> None:
    """Whatever a framework writes into the replies is quoted, and never taken for a result."""
    assert "answered nonsense (not JSON: b'I am a framework" in message_of(hostile, "answers_nonsense")


def test_a_worker_that_sleeps_for_ever(hostile: Ended) -> None:
    """It is killed after the time-out, and the run goes on."""
    assert "gave no answer within 5 s and was killed" in message_of(hostile, "sleeps_for_ever")


def test_a_framework_that_cannot_be_imported(hostile: Ended) -> None:
    """Every benchmark of it fails, the later ones at once and with a word of the first."""
    assert "ImportError: libbroken.so.1: cannot open shared object file" in message_of(hostile, "cannot_be_imported")
    assert "could not be started before in this run" in message_of(hostile, "cannot_be_imported", 64)


def test_a_worker_that_is_killed(hostile: Ended) -> None:
    """Kill -9 of a worker in mid-benchmark fails that benchmark by name; the next one gets a fresh worker."""
    message = message_of(hostile, "killed_while_timing")
    assert "killed_while_timing-fp32-threads1 (pid" in message
    assert "died: killed by SIGKILL" in message
    assert '"do": "time"' in message
    assert "killed_while_timing-fp32-threads1-batch1-seq64" in hostile.benchmarks


def first_result(suite: Suite) -> bool:
    """Whether a journal has a finished benchmark."""
    return any('{"benchmark"' in path.read_text() for path in suite.runs.glob("*/journal.jsonl"))


MANY = ("--sequence-lengths=32,64,96,128", "--benchmark-max-time=0.5")


def test_pytest_is_killed(suite: Suite) -> None:
    """After kill -9 of pytest no worker is left, and `recover` gives what was finished, marked partial."""
    process = suite.start(SCALING, "--benchmark-only", "--preset=quick", *ONE, *MANY)
    wait_until(lambda: first_result(suite), "the first result")
    process.kill()
    process.communicate()
    wait_until(lambda: not orphans(suite.runs), "the worker to die with its parent", 10)
    (folder,) = suite.runs.iterdir()
    assert not (folder / "run.json").exists()
    recovered = python_m("baselines", "recover", str(folder))
    assert recovered.returncode == 0
    content = json.loads((folder / "run.json").read_text())
    assert 1 <= len(content["benchmarks"]) < 4
    assert f"{len(content['benchmarks'])} finished benchmark" in recovered.stdout
    assert content["run"]["partial"] is True


def test_ctrl_c(suite: Suite) -> None:
    """Ctrl-C ends the worker, keeps what was finished, and says so with pytest's exit code for an interruption."""
    process = suite.start(SCALING, "--benchmark-only", "--preset=quick", *ONE, *MANY)
    wait_until(lambda: first_result(suite), "the first result")
    interrupt(process)
    ended = suite.end(process)
    assert ended.code == 2
    assert 1 <= len(ended.benchmarks) < 4
    assert ended.run["run"]["partial"] is True
    assert ended.run["run"]["not_reached"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--backends=tenserflow"], ["--backends: 'tenserflow' is not known. Did you mean 'tensorflow'?", "onnxruntime"]),
        (["--threads=99"], ["--threads 99: 99 threads need 99 physical cores, this process may use", "Possible here: 1 to"]),
        (["--threads=0"], ["--threads: '0' is not a list of positive integers such as 1,8"]),
        (["--batch-sizes=1,two"], ["--batch-sizes: '1,two' is not a list of positive integers"]),
        (["--sequence-lengths=1024"], ["bert-tiny has 512 positions, a sequence of 1024 does not fit"]),
        (["--precisions=fp23"], ["--precisions: 'fp23' is not known. Did you mean 'fp32'?"]),
        (["--preset=qick"], ["--preset: 'qick' is not known. Did you mean 'quick'?"]),
        (["--pass-env=OMP_NUM_THREADS"], ["--pass-env OMP_NUM_THREADS: the thread count (--threads) sets it. Leave it out"]),
        (["--inputs=words"], ["--inputs: 'words' is not known. Possible: seeded, text"]),
        (["--model=bert-bse-cased"], ["bert-bse-cased", "bert-base-cased"]),
        (["--model=nobody/no-such-model"], ["nobody/no-such-model"]),
        (["--benchmark-timer=time.time"], ["--benchmark-timer cannot apply"]),
        (["--benchmark-disable-gc"], ["--benchmark-disable-gc cannot apply"]),
        (["--benchmark-cprofile=tottime"], ["--benchmark-cprofile cannot apply"]),
        (["--benchmark-calibration-precision=3"], ["--benchmark-calibration-precision cannot apply"]),
    ],
    ids=lambda value: value[0].removeprefix("--") if len(value) == 1 and value[0].startswith("--") else "",
)
def test_what_is_impossible_is_refused(suite: Suite, arguments: list[str], words: list[str]) -> None:
    """Bad input ends with exit code 4 before anything starts, with what is wrong and what is possible; no traceback."""
    preset = () if arguments[0].startswith("--preset") else ("--preset=quick",)
    ended = suite("benchmarks", "--benchmark-only", *preset, *arguments, HF_HUB_OFFLINE="1")
    assert ended.code == 4
    for word in words:
        assert word in ended.text
    assert "Traceback" not in ended.text
    assert not list(suite.runs.glob("*"))


def test_one_cpu(suite: Suite) -> None:
    """On a mask of one CPU the suite runs with one thread on that CPU, and refuses two by name."""
    cpu = max(os.sched_getaffinity(0))
    taskset = ["taskset", "-c", str(cpu)]
    done = subprocess.run(
        [*taskset, *suite.command(SCALING, *SHORT, "--backends=onnxruntime")],
        cwd=REPOSITORY,
        env=suite.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    (path,) = suite.runs.glob("*/run.json")
    (benchmark,) = json.loads(path.read_text())["benchmarks"]
    assert benchmark["extra_info"]["configuration"]["cpus"] == [cpu]
    (instance,) = benchmark["extra_info"]["per_instance"]
    assert [mask for mask, _ in instance["thread_masks"]] == [[cpu]]
    refused = subprocess.run(
        [*taskset, *suite.command(SCALING, *SHORT, "--threads=2")],
        cwd=REPOSITORY,
        env=suite.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 4
    assert "its mask has 1 CPUs" in refused.stdout + refused.stderr


@pytest.mark.every_cpu
@pytest.mark.parametrize("cpu", sorted(os.sched_getaffinity(0))[:2])
def test_out_of_the_box_on_one_cpu_of_several(suite: Suite, cpu: int) -> None:
    """What the framework does under that mask is measured, on whichever CPU; threads that stray are counted and reported."""
    suite.report = True
    command = suite.command(OUT_OF_THE_BOX, *SHORT, "--backends=onnxruntime")
    ended = suite.end(suite.start_as(["taskset", "-c", str(cpu), *command]))
    assert ended.code == 0, ended.text
    (benchmark,) = ended.benchmarks.values()
    (instance,) = benchmark["extra_info"]["per_instance"]
    strayed = sum(count for cpus, count in instance["thread_masks"] if not set(cpus) <= {cpu})
    assert instance["strayed_threads"] == strayed
    (report,) = suite.runs.glob("*/report/report.md")
    assert ("threads that may run outside the CPUs of this run" in report.read_text()) is (strayed > 0)


def test_two_runs_at_once(suite: Suite) -> None:
    """A second run on the same CPUs is refused with the first one's pid; with --wait it queues behind it."""
    first = suite.start(SCALING, "--benchmark-only", "--preset=quick", *ONE, "--benchmark-max-time=90")
    wait_until(lambda: instances_of(first.pid), "the first run's worker")
    refused = suite(SCALING, *SHORT, *ONE)
    assert refused.code == 4
    assert f"is being measured on by process {first.pid}" in refused.text
    assert "--wait" in refused.text
    waiting = suite.start(SCALING, *SHORT, *ONE, "--wait")
    time.sleep(2)
    assert not instances_of(waiting.pid)
    first.kill()
    first.communicate()
    queued = suite.end(waiting)
    assert queued.code == 0
    assert f"waiting for process {first.pid}" in queued.text


def test_a_full_disk(suite: Suite, tmp_path: Path) -> None:
    """When a result can no longer be kept, the run stops and says so; what was kept before can be recovered."""
    disk, rescued = tmp_path / "disk", tmp_path / "rescued"
    disk.mkdir()
    rescued.mkdir()
    namespace = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
    if not shutil.which("unshare") or subprocess.run([*namespace, "true"], check=False).returncode:
        pytest.skip("no mount namespace can be made here, so no small disk")
    suite.runs = disk
    arguments = suite.command(
        *(SCALING, "--benchmark-only", "--preset=quick", *ONE, "--sequence-lengths=16,24,32,40,48,56,64"),
        *("--benchmark-max-time=0.01", "--benchmark-min-rounds=400"),
    )
    script = f'mount -t tmpfs -o size=64k tmpfs {disk} && "$@"; code=$?; cp {disk}/*/journal.jsonl {rescued}; exit $code'
    done = subprocess.run(
        [*namespace, "sh", "-c", script, "sh", *arguments],
        cwd=REPOSITORY,
        env=suite.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout
    assert "cannot be written: No space left on device" in done.stdout
    assert "make room, then: python -m baselines recover" in done.stdout
    recovered = python_m("baselines", "recover", str(rescued))
    assert recovered.returncode == 0, recovered.stderr
    assert 1 <= len(json.loads((rescued / "run.json").read_text())["benchmarks"]) < 7


def test_folders_with_spaces(suite: Suite, tmp_path: Path, cache_home: Path) -> None:
    """Of the cache and of the runs: all that can be is measured, and the one that cannot says why."""
    cache = tmp_path / "a cache"
    cache.symlink_to(cache_home)
    suite.runs = tmp_path / "some runs"
    backends = "--backends=onnxruntime,openvino,torchscript,torch_compile"
    named = suite(OUT_OF_THE_BOX, *SHORT, backends, XDG_CACHE_HOME=str(cache))
    assert named.code == 4
    assert "--backends torch_compile: inductor's commands do not quote" in named.text
    ended = suite(OUT_OF_THE_BOX, *SHORT, backends.rpartition(",")[0], XDG_CACHE_HOME=str(cache))
    assert ended.code == 0, ended.text
    assert len(ended.benchmarks) == 3


def test_a_folder_for_runs_that_cannot_be_made(suite: Suite, tmp_path: Path) -> None:
    """Where no run can be kept, none is begun."""
    suite.runs = tmp_path / "file"
    suite.runs.write_text("in the way")
    ended = suite(OUT_OF_THE_BOX, *SHORT, "--backends=onnxruntime")
    assert ended.code == 4
    assert "no folder for this run can be made under" in ended.text
