"""Real sessions with a budget and with several launches: what is left out, what is kept, and in which order."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from baselines.files.accepted_file import Addition
from baselines.files.reading_runs import read_run
from baselines.files.run_folder import recover
from baselines.files.store import add
from tests.suite import SCALING, SHORT, Suite, interrupt, wait_until

QUICK = (SCALING, *SHORT, "--backends=onnxruntime", "--sequence-lengths=32,64", "--threads=1")


def accepted(suite: Suite, run: Path) -> None:
    """Accepts a run of this test, whose checkout may have changes."""
    content = json.loads(run.read_text())
    content["commit_info"]["dirty"] = False
    changed = suite.folder / "accepted" / "run.json"
    changed.parent.mkdir()
    changed.write_text(json.dumps(content))
    measured = read_run(changed)
    keys = frozenset(measured.by_key)
    addition = Addition(run=measured, content=content, keys=keys, anchors=keys, accepted_as={}, whole=True)
    add([addition], reason="a test", commit="c0ffee", machines=suite.store)


@pytest.mark.every_cpu
def test_what_does_not_fit_is_left_out_and_named(suite: Suite) -> None:
    """A budget of a second: the cheapest alone; the rest is in the file with its price, and not missing."""
    whole = suite(*QUICK)
    assert whole.code == 0, whole.text
    accepted(suite, next(suite.runs.glob("*/run.json")))
    shutil.rmtree(suite.runs)
    ended = suite(*QUICK, "--budget=1s", "--confirm=0")
    assert ended.code == 0, ended.text
    assert len(ended.benchmarks) == 1
    plan = ended.run["run"]["plan"]
    (left_out,) = plan["left_out"]
    assert re.search(r"left out, for the budget is 1s: 1 benchmark that would take .*--budget none", ended.text)
    assert "1 deselected" in ended.text
    assert "MISSING" not in ended.text
    assert left_out not in [one["fullname"] for one in ended.run["benchmarks"]]
    assert 0 < plan["left_out"][left_out] < 60
    compared = read_run(next(suite.runs.glob("*/run.json")))
    assert set(compared.left_out) == {left_out}


def test_collecting_tells_what_it_would_take(suite: Suite) -> None:
    """Nothing is prepared for it."""
    collected = suite(SCALING, "--collect-only", "--preset=nightly", "--budget=1h").text
    assert re.search(r"preset nightly; predicted: [\d:]+ \(core_count_scaling [\d:]+, and starts\), budget 1h", collected)
    assert suite(SCALING, "--collect-only", "--budget=soon").code == 4


@pytest.mark.usefixtures("own_cache")
def test_a_prediction_is_what_it_took_the_last_time(suite: Suite) -> None:
    """The second run of a machine and model knows every benchmark of the first."""
    assert suite(*QUICK).code == 0
    first = json.loads(next(suite.runs.glob("*/run.json")).read_text())["run"]["plan"]["benchmarks"]
    shutil.rmtree(suite.runs)
    second = suite(*QUICK).run["run"]["plan"]["benchmarks"]
    assert {name: one["predicted_s"] for name, one in second.items()} == {
        name: pytest.approx(one["spent_s"][0]) for name, one in first.items()
    }


@pytest.mark.every_cpu
def test_a_duet_teaches_no_price(suite: Suite, own_cache: Path) -> None:
    """What all its launch pairs took is no price of a launch: the next run would leave out nearly everything."""
    ended = suite(
        *QUICK[:-2], "--sequence-lengths=32", "--threads=1", "--reference=self", "--launches=4", "--most-launches=4"
    )
    assert ended.code == 0, ended.text
    assert not list(own_cache.glob("*/spent/*/*.json"))
    assert suite(*QUICK).code == 0
    assert list(own_cache.glob("*/spent/*/*.json"))


@pytest.mark.every_cpu
def test_launches_are_passes_over_the_plan(suite: Suite) -> None:
    """Every benchmark once, then every benchmark backwards; one result each, and one line in junit.xml."""
    report = suite.folder / "junit.xml"
    words = ("--threads=1,2", "--launches=2", f"--junit-xml={report}")
    ended = suite(SCALING, *SHORT, "--backends=onnxruntime", *words)
    assert ended.code == 0, ended.text
    entries = [json.loads(line) for line in next(suite.runs.glob("*/journal.jsonl")).read_text().splitlines()]
    order = [(kind, one["param"]) for entry in entries for kind, one in entry.items() if kind in ("launch", "benchmark")]
    ids = [name for kind, name in order if kind == "launch"]
    assert order == [*(("launch", name) for name in ids), *(("benchmark", name) for name in reversed(ids))]
    assert len(ids) == 2
    assert all(len(one["extra_info"]["launches"]) == 2 for one in ended.benchmarks.values())
    assert report.read_text().count("<testcase") == 2
    assert re.search(r"1/4 .*launch 1 of 2", ended.text)
    assert "2 measured" in ended.text
    assert "was not used" not in ended.text


@pytest.mark.every_cpu
@pytest.mark.parametrize("ends", [interrupt, lambda process: process.kill()])
def test_launches_survive_a_run_that_is_cut_off(suite: Suite, ends: Callable[[Any], None]) -> None:
    """Ctrl-C in the second pass, or kill -9: what the first pass measured is a result, and the run is partial."""
    process = suite.start(*QUICK, "--launches=50")
    journal = wait_until(lambda: next(iter(suite.runs.glob("*/journal.jsonl")), None), "the journal")
    wait_until(lambda: journal.read_bytes().count(b'{"launch"') >= 3, "the second pass")
    ends(process)
    suite.end(process)
    path = journal.with_name("run.json")
    if not path.exists():
        path, _ = recover(journal.parent)
    run = read_run(path)
    assert run.partial
    assert len(run.results) == 2
    assert not run.not_reached
    assert all(one.launches for one in run.results)


def test_a_launch_that_fails_is_a_failure(suite: Suite) -> None:
    """In the second pass: reported there, once, not tried again; what the first launch measured is no result."""
    ended = suite(SCALING, *SHORT, "--backends=starts_once", "--threads=1", "--launches=3", hostile=True)
    assert ended.code == 1, ended.text
    assert "1 failed" in ended.text
    assert "starts only once" in ended.text
    assert "launch 2 of 3" not in ended.text
    assert not ended.benchmarks
    path, count = recover(next(suite.runs.glob("*/journal.jsonl")).parent)
    assert (count, read_run(path).results) == (0, ())


def test_benchmarks_that_are_named_have_no_budget_of_a_preset(suite: Suite) -> None:
    """Whoever names a benchmark wants it."""
    node = f"{SCALING}::test_core_count_scaling[onnxruntime-fp32-threads1-batch1-seq32]"
    command = [word for word in suite.command(node, *SHORT) if word != "--budget=none"]
    ended = suite.end(suite.start_as(command))
    assert ended.run["run"]["plan"]["budget_s"] is None
