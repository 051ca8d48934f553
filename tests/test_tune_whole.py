"""`python -m baselines tune` as a user runs it: real sessions, launches and launch pairs of a tiny model."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from baselines.files.reading_runs import read_run
from tests.suite import Suite, interrupt, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.every_cpu]
WORDS = (
    "--model",
    "bert-tiny",
    "--sequence-lengths",
    "32",
    "--backends",
    "onnxruntime,openvino",
    "--precisions",
    "fp32,int8",
)


def command(suite: Suite, *words: str) -> list[str]:
    """Of a search whose runs are the test's own."""
    pytest_words = ["--pytest", "--benchmark-max-time=0.05", "-p", "no:hypothesispytest", f"--store={suite.store}"]
    return [sys.executable, "-m", "baselines", "tune", *WORDS, "--runs", str(suite.runs), *words, *pytest_words]


def answers_of(suite: Suite) -> tuple[Path, list[dict[str, Any]]]:
    """The run of the search that ended last, and its answers."""
    path = sorted(suite.runs.glob("*Z_*/tuning.json"))[-1]
    return path.parent, json.loads(path.read_text())["answers"]


def logged(suite: Suite) -> list[dict[str, Any]]:
    """What the log of the search has."""
    return [json.loads(line) for log in suite.runs.glob("tuning/*.jsonl") for line in log.read_text().splitlines()]


def test_a_search_goes_on_after_an_interruption(suite: Suite) -> None:
    """Ctrl-C leaves what was measured and the command that goes on; the answer is compared side by side, in time."""
    searching = suite.start_as(command(suite, "--budget", "150s"))
    wait_until(lambda: sum("launch" in one for one in logged(suite)) >= 3, "three launches")
    interrupt(searching)
    ended = suite.end(searching)
    assert ended.code == 130, ended.text
    assert "Go on: python -m baselines tune --model bert-tiny" in ended.text
    before = [one for one in logged(suite) if "launch" in one]
    began = time.monotonic()
    ended = suite.end(suite.start_as(command(suite, "--budget", "150s")), time_out_s=300)
    assert ended.code == 0, ended.text
    assert time.monotonic() - began < 155
    assert [one for one in logged(suite) if "launch" in one][: len(before)] == before
    folder, (answer,) = answers_of(suite)
    assert answer["settled"]
    assert answer["compared"][-1]["pairs"] >= 4
    assert answer["default"]["backend"] == "onnxruntime"
    assert answer["default"]["threads"] is None
    assert f"run: {folder}" in ended.text
    run = read_run(folder / "run.json")
    assert all(result.fullname.startswith("benchmarks/test_best_deployment.py::") for result in run.results)
    assert sum(len(result.launches) for result in run.results) >= len(run.results) > 3
    assert (folder / "report" / "report.html").exists()


def test_instances_of_several_batches_are_compared_by_throughput(suite: Suite) -> None:
    """The batch is part of the choice, and a side with two instances is compared with a side of one."""
    words = ("--for", "throughput", "--batch-sizes", "1,8", "--budget", "100s", "--backends", "onnxruntime")
    ended = suite.end(suite.start_as(command(suite, *words)), time_out_s=300)
    assert ended.code in (0, 1), ended.text
    folder, (answer,) = answers_of(suite)
    assert answer["best"]["batch_size"] == 8
    assert "samples/s" in ended.text
    instances = {result.instances for result in read_run(folder / "run.json").results}
    assert {1, 2} <= instances


def test_a_budget_that_is_too_short_is_said(suite: Suite) -> None:
    """One line with what to type, and nothing is left running."""
    ended = suite.end(suite.start_as(command(suite, "--budget", "0.1s")))
    assert ended.code == 2, ended.text
    assert "error: --budget 0.1s: it was over while the model was prepared. Go on: python -m baselines tune" in ended.text
    assert "Traceback" not in ended.text


def test_what_a_session_refuses_is_said(suite: Suite) -> None:
    """A backend that does not exist, with those that do."""
    ended = suite.end(suite.start_as(command(suite, "--budget", "60s", "--backends", "onyx")))
    assert ended.code == 2, ended.text
    assert "--backends: 'onyx' is not known" in ended.text
    assert "Traceback" not in ended.text
