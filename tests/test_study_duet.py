"""The study of duets: what its tables say of sessions on record, and of what it cannot read."""

from __future__ import annotations

import argparse
import json
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest

from studies import duet, extra_work, loop
from studies.duet import main, twin_without_work
from studies.duet_tables import show as lines_of
from studies.extra_work import CHANGE, PLAN, WORK, drawn, forward_s, work_for
from studies.loop import StudyError

WORDS = {"questions": "out_of_the_box", "model": "bert-tiny", "backends": "pytorch", "batch_sizes": "1", "threads": ""}
OPTIONS = argparse.Namespace(**WORDS, sequence_lengths="32", max_time=0.1, launches=4, load=False)
"""Of one session."""


def benchmark(share: float | None, verdict: str, ratio: float) -> dict[str, Any]:
    """One benchmark of a session, its launch pairs 1 % to both sides of its ratio."""
    log_ratios = [ratio - 1 + (0.01 if number // 2 % 2 else -0.01) for number in range(8)]
    return {
        "backend": "onnxruntime",
        "share": share,
        "verdict": verdict,
        "ratio": ratio,
        "interval": [ratio - 0.01, ratio + 0.01],
        "log_ratios": log_ratios,
        "measured_first": [number % 2 == 0 for number in range(8)],
    }


def session(*benchmarks: dict[str, Any], exit_code: int | None = 0) -> dict[str, Any]:
    """One session."""
    named = {f"test_a[{number}]": one for number, one in enumerate(benchmarks)}
    words = {"study": "2026-01-01 00:00", "rule": 1, "load": False, "machine": "a-machine", "model": "bert-tiny"}
    return {**words, "exit_code": exit_code, "wall_s": 30.0, "benchmarks": named}


def show(*sessions: dict[str, Any]) -> str:
    """What is printed of sessions on record."""
    return "\n".join(lines_of(sessions)).rstrip()


def test_the_tables() -> None:
    """False alarms and power are counted by backend, with exact intervals; +1 % that passed is passed rightly."""
    clean = session(benchmark(0.0, "passed", 1.0), benchmark(0.0, "inconclusive", 1.01))
    slowed = session(
        benchmark(0.0, "regressed", 1.03),
        benchmark(0.05, "regressed", 1.051),
        benchmark(0.05, "inconclusive", 1.049),
        benchmark(0.01, "passed", 1.011),
        exit_code=1,
    )
    text = show(clean, slowed)
    assert "2 sessions, 10 s per benchmark." in text
    assert "(0 of 1 clean sessions were red)" in text
    assert "| onnxruntime, pinned to one core | 3 | 1 | 0.8% to 90.6% | 0 | 1 | 1.15% | +0.00% |" in text
    found = "| 5% | +5.0 % | 2 | 1 | 1.3% to 98.7% | 1 | 0 | 8 on average, 8 at most |"
    assert f"| onnxruntime, pinned to one core {found}" in text
    assert f"| all {found}" in text
    assert "| onnxruntime, pinned to one core | 1% | +1.1 % | 1 | 0 | 0.0% to 97.5% | 0 | (1, rightly) |" in text


def test_work_on_every_thread_has_tables_of_its_own() -> None:
    """It is another slowdown than work on one core; sessions of before there was a choice have that."""
    slowed = session(benchmark(0.05, "regressed", 1.05), exit_code=1)
    wider = [{**slowed, "wider": {"onnxruntime": 80}}, {**slowed, "wider": {"onnxruntime": 80, "pytorch": 96}}]
    first, second = show(slowed, {**slowed, "wider": {}}, *wider).split("Machine ")[1:]
    assert "2 sessions" in first
    assert "every thread" not in first
    assert "extra work on every thread (onnxruntime 80, pytorch 96 units), studies begun" in second
    assert "2 sessions" in second


def test_what_the_same_work_cost_here_and_there() -> None:
    """Side by side for benchmarks that had it on quiet cores and beside a neighbour, the newest of each."""
    words = {"wider": {"onnxruntime": 80}}
    quiet = [{**session(benchmark(0.05, "regressed", ratio)), **words} for ratio in (1.09, 1.05)]
    there = {**session(benchmark(0.05, "inconclusive", 1.02), benchmark(0.05, "regressed", 1.04)), **words, "load": True}
    row = "test_a[0] | 80 | +5.0 % [+4.0 %, +6.0 %] regressed | +2.0 % [+1.0 %, +3.0 %] inconclusive |"
    assert show(*quiet, there).endswith(f"| `a-machine` | bert-tiny | {row}")
    assert "What the same" not in show(there)
    assert "Benchmarks without extra work" not in show(there)


def test_a_change_of_unknown_size() -> None:
    """What was passed may have been passed rightly; no power is expected, and it is no unchanged benchmark."""
    found = {**benchmark(None, "regressed", 1.2), "peers": ["mean:5%"]}
    changed = {**session(found, benchmark(None, "passed", 1.0), exit_code=1), "change": "eager-attention"}
    text = show(changed)
    assert "no load of ours beside it, eager-attention, studies begun" in text
    assert "Benchmarks without extra work" not in text
    row = "unknown | +10.0 % | 2 | 1 | 1.3% to 98.7% | 0 | (1, unknown) | 8 on average, 8 at most | - |"
    assert f"| onnxruntime, pinned to one core | {row}" in text
    assert "| rule | changed |" in text
    assert "| `mean:5%` | 1 of 1 |" in text


def test_a_session_that_was_cut_off() -> None:
    """What it measured counts, and it is said; whether it would have been red is not known."""
    text = show(session(benchmark(0.0, "passed", 1.0)), session(benchmark(0.0, "passed", 1.0), exit_code=None))
    assert "2 sessions (1 cut off before the end), 30 s per benchmark." in text
    assert "(0 of 1 clean sessions were red)" in text
    assert "| all | 2 | 0 |" in text


def test_extra_work_is_a_share_of_what_the_reference_took(monkeypatch: pytest.MonkeyPatch) -> None:
    """In steps, at least one, for the benchmarks that draw some."""
    words = {
        "configuration": {"backend": "pytorch", "threads": 1},
        "problem_size": {"batch_size": 1, "sequence_length": 32},
        "duet": {"launches": [{"reference_s": 0.010}, {"reference_s": 0.012}, {"reference_s": 0.011}]},
    }
    other = {**words, "problem_size": {"batch_size": 8, "sequence_length": 64}, "duet": {"launches": [{"reference_s": 0.1}]}}
    benchmarks = [{"fullname": "test_a[1]", "extra_info": words}, {"fullname": "test_a[2]", "extra_info": other}]
    monkeypatch.setattr(extra_work, "step_s", lambda: 1e-6)
    draws = iter([0.9, 0.0])
    monkeypatch.setattr(random.SystemRandom, "random", lambda _: next(draws))
    assert (shares := drawn(benchmarks, [0.1])) == {"test_a[2]": 0.1}
    assert json.loads(work_for(benchmarks, shares)[PLAN]) == {"pytorch 1 8x64": 10_000}
    both = json.loads(work_for(benchmarks, {"test_a[1]": 0.1, "test_a[2]": 0.1})[PLAN])
    assert both == {"pytorch 1 1x32": 1100, "pytorch 1 8x64": 10_000}
    assert json.loads(work_for(benchmarks, {"test_a[1]": 1e-9})[PLAN]) == {"pytorch 1 1x32": 1}
    assert work_for(benchmarks, {}) == {}


def test_only_what_the_record_says_slows_a_session(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the shell has left over of an earlier one reaches neither side."""
    for name in WORK:
        monkeypatch.setenv(name, "left over")
    seen: list[dict[str, str]] = []

    def run(command: list[str], **words: Any) -> subprocess.CompletedProcess[str]:
        seen.append(words["env"])
        return subprocess.CompletedProcess(command, 3, "", "")

    monkeypatch.setattr(loop.subprocess, "run", run)
    for work in ({}, {CHANGE: "one-thread-fewer"}):
        with pytest.raises(StudyError, match="a session ended with 3"):
            duet.session(tmp_path, OPTIONS, work)
        assert {name: value for name, value in seen.pop().items() if name in WORK} == work


def test_a_session_that_measured_nothing_is_no_session(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """All its benchmarks failed: it is an error with what pytest printed, not a line on record."""

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        (tmp_path / "runs" / "one").mkdir(parents=True)
        (tmp_path / "runs" / "one" / "run.json").write_text('{"benchmarks": []}')
        return subprocess.CompletedProcess(command, 1, "2 failed", "")

    monkeypatch.setattr(loop.subprocess, "run", run)
    with pytest.raises(StudyError, match="a session measured nothing:\n2 failed"):
        duet.session(tmp_path, OPTIONS, {})


def test_without_a_duet_it_is_a_share_of_what_the_run_took() -> None:
    """The median of its rounds."""
    assert forward_s({"extra_info": {"duet": {"launches": [{"reference_s": 0.01}]}}, "stats": {"median": 0.03}}) == 0.01
    assert forward_s({"extra_info": {}, "stats": {"median": 0.03}}) == 0.03


def test_nothing_on_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says what to type; the twin's interpreter can be executed."""
    assert main(["show", "--data", str(tmp_path / "none")]) == 2
    assert "none has no line; measure some: python -m studies.duet measure" in capsys.readouterr().err
    assert main(["measure", "--clean", "0", "--slowed", "0", "--data", str(tmp_path / "none")]) == 2
    assert "nothing would be measured" in capsys.readouterr().err
    for arguments, reason in (
        (["--wider", "pytorch=8", "--backends", "onnxruntime", "--shares", "0.05"], "nothing would be slower"),
        (
            ["--wider", "openvino=8", "--backends", "openvino", "--shares", "0.05"],
            "can be made slower",
        ),
        (["--wider", "pytorch=8"], "--wider needs --shares to be one number"),
        (["--shares", "five"], "are no shares: numbers above 0"),
        (["--shares", "0.05,0"], "are no shares: numbers above 0"),
        (["--wider", "pytorch"], "is not BACKEND=UNITS"),
        (["--change", "one-thread-fewer"], "give --questions out_of_the_box with it"),
        (["--change", "eager-attention", "--questions", "out_of_the_box"], "give --backends pytorch with it"),
    ):
        with pytest.raises(SystemExit, match="2"):
            main(["measure", *arguments])
        assert reason in capsys.readouterr().err
    assert twin_without_work(tmp_path).stat().st_mode & 0o111
