"""Every run leaves its report and says where; one that cannot be written costs nothing but itself."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from fixtures.run.report import PAGE, report
from tests.builders import ONE, benchmark, run_folder
from tests.suite import REPOSITORY, SCALING, SHORT, Suite, python_m


@pytest.fixture
def suite(suite: Suite) -> Suite:
    """The suite as a user would run it, the report at the end included."""
    suite.report = True
    return suite


def test_a_run_ends_with_the_path_of_its_report(suite: Suite, tmp_path: Path) -> None:
    """Also unjudged and also where --report names another folder; what was skipped has its reason in it."""
    elsewhere, summary = tmp_path / "new" / "report", tmp_path / "summary.md"
    ended = suite(
        *(SCALING, "benchmarks/test_memory_binding.py", *SHORT, "--backends=onnxruntime", "--threads=1"),
        *("--report", str(elsewhere)),
        GITHUB_STEP_SUMMARY=str(summary),
    )
    assert ended.code == 0, ended.text
    (folder,) = suite.runs.iterdir()
    assert ended.text.rstrip().splitlines()[-1] == f"report: {folder / 'report' / PAGE}, and in {elsewhere}"
    assert [line for line in ended.text.splitlines() if line.startswith("What to run here: ")]
    for where in (folder / "report", elsewhere):
        assert sorted(path.name for path in where.iterdir()) == [PAGE, "report.md", "verdicts.json"]
    assert not summary.exists(), "a step of the job asks for its summary"
    skipped = ended.run["run"]["skipped"]
    text = (elsewhere / PAGE).read_text()
    assert "Core count scaling" in text
    for group in skipped:
        assert all("test_memory_binding" in nodeid for nodeid in group["benchmarks"])
        assert f"No figure: skipped, {len(group['benchmarks'])} benchmark" in text


def test_a_run_that_measures_nothing_has_no_report(suite: Suite) -> None:
    """--benchmark-disable leaves no run."""
    ended = suite(SCALING, "--preset=quick", "--backends=onnxruntime", "--threads=1", "--benchmark-disable")
    assert ended.code == 0, ended.text
    assert "report" not in ended.text.splitlines()[-1]


def test_a_folder_that_is_none_is_refused_before_anything_starts(suite: Suite, tmp_path: Path) -> None:
    """Exit code 4, and the name that stands in the way."""
    (tmp_path / "taken").write_text("a file")
    ended = suite(SCALING, *SHORT, "--report", str(tmp_path / "taken" / "deep"))
    assert ended.code == 4
    assert f"--report {tmp_path / 'taken' / 'deep'}: {tmp_path / 'taken'} is no folder that can be written" in ended.text
    assert not suite.runs.exists()


def test_a_report_that_fails_says_so_and_how_to_try_again(tmp_path: Path) -> None:
    """Where its folder cannot be made, and where the run's own file is gone."""
    run = run_folder(tmp_path, benchmark(ONE))
    (run / "report").write_text("a file")
    before = (run / "run.json").read_bytes()
    written = report(run, tmp_path / "store", None, REPOSITORY)
    line, red = written.line, written.red
    assert red
    assert line.startswith("ERROR: the report could not be written (error: ")
    assert line.endswith(f"the run is kept. Try: python -m baselines report {run}")
    assert (run / "run.json").read_bytes() == before


def test_the_second_folder_may_fail_alone(tmp_path: Path) -> None:
    """The first report is still there, and named."""
    run = run_folder(tmp_path, benchmark(ONE))
    (tmp_path / "taken").write_text("a file")
    written = report(run, tmp_path / "store", tmp_path / "taken", REPOSITORY)
    line, red = written.line, written.red
    assert red
    assert line.startswith(f"ERROR: --report {tmp_path / 'taken'}: ")
    assert line.endswith(f"the report is {run / 'report' / PAGE}")
    assert (run / "report" / PAGE).exists()


def test_a_report_that_takes_too_long_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run never hangs for the sake of its report."""

    def late(command: Any, **_: Any) -> Any:
        raise subprocess.TimeoutExpired(command, 120)

    monkeypatch.setattr(subprocess, "run", late)
    written = report(tmp_path, tmp_path, None, tmp_path)
    line, red = written.line, written.red
    assert red
    assert "took more than 120 s and was given up; the run is kept" in line


def test_skips_are_read_back(tmp_path: Path) -> None:
    """Reason by benchmark; files of earlier versions have none, and what is no list is none."""
    from baselines.files.reading_runs import read_run

    groups: Any
    for groups, expected in (
        (
            [{"reason": "no numactl", "benchmarks": ["a", "b"]}, {"benchmarks": ["c"]}],
            {"a": "no numactl", "b": "no numactl", "c": "no reason given"},
        ),
        (None, {}),
        ("text", {}),
        ([1, None, {"benchmarks": 3}], {}),
    ):
        run = run_folder(tmp_path / json.dumps(groups)[:9].replace("/", ""), benchmark(ONE), run={"skipped": groups})
        assert dict(read_run(run / "run.json").skipped) == expected


def test_a_shell_that_keeps_python_safe(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """PYTHONSAFEPATH keeps `python -m` from this checkout: the report is written all the same."""
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    folder = run_folder(tmp_path, benchmark(ONE))
    written = report(folder, tmp_path / "store", None, REPOSITORY)
    line, red = written.line, written.red
    assert not red, line


def test_a_terminal_that_shows_ascii_alone(tmp_path: Path) -> None:
    """A name that it cannot show is written with escapes."""
    folder = run_folder(tmp_path, benchmark(f"{ONE}-\N{GREEK SMALL LETTER MU}"))
    ended = python_m(
        *("baselines", "compare", str(folder), str(folder)),
        environment={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert "Traceback" not in ended.stderr, ended.stderr
    assert f"{ONE}-\\u03bc" in ended.stdout
