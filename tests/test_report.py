"""`python -m baselines report`, and what all formats have in common: the same cells from the same verdicts."""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from baselines.__main__ import main
from baselines.report.formats.markdown import escaped, markdown
from baselines.report.formats.page import page
from baselines.report.formats.terminal import terminal
from baselines.report.formats.verdicts_json import document, verdicts_json
from baselines.report.rows import HEADS
from baselines.report.view import View
from tests.builders import MACHINE, ONE, THREE, TWO, Checkout, benchmark, run_folder, stats_of, view_of_runs

STEADY = [1 + 0.004 * (day % 3 - 1) for day in range(6)]
FILES = ["report.html", "report.md", "verdicts.json"]


@pytest.fixture(autouse=True)
def no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports of tests do not belong in the summary of the job that runs the tests."""
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


@pytest.fixture
def view(tmp_path: Path) -> View:
    """One benchmark of each kind that files can give: regressed, missing, inconclusive, new, improved, passed."""
    names = (ONE, TWO, "slow", "missing", "doubtful", "several")
    accepted = [[benchmark(name, 0.01 * wobble) for name in names] for wobble in STEADY]
    for wobble, run in zip(STEADY, accepted, strict=True):
        run[-1] = several(60 / wobble)
    measured = [benchmark(ONE, 0.01), benchmark(TWO, 0.005), benchmark("slow", 0.025), benchmark(THREE, 0.03)]
    return view_of_runs(tmp_path, [*measured, benchmark("doubtful", 0.0104), several(30)], accepted)


def several(throughput_per_s: float) -> dict[str, Any]:
    """A benchmark of two instances, judged by throughput."""
    return benchmark("several", 0.05, extra_info={"instances": 2, "throughput_per_s": throughput_per_s})


def plain(path: Path, median_s: float, *, version: str, data: bool = True) -> Path:
    """A file of another project, as pytest-benchmark writes it."""
    rounds = [median_s * factor for factor in (0.99, 1.0, 1.01)]
    one = {"name": "test_a", "fullname": "t/test_a.py::test_a", "params": None, "param": None, "extra_info": {}}
    content: Mapping[str, Any] = {
        "machine_info": {"node": "somewhere", "python_version": "3.12.1", "cpu": {"brand_raw": "A CPU"}},
        "commit_info": {"id": "abc", "dirty": True},
        "benchmarks": [{**one, "options": {}, "group": None, "stats": stats_of(rounds, data=data)}],
        "datetime": "2026-03-01T12:00:00.123456" + ("+00:00" if version.startswith("5") else ""),
        "version": version,
    }
    path.write_text(json.dumps(content))
    return path


def test_every_format_shows_the_same_cells(view: View) -> None:
    """Verdict, name, both values, change, interval and allowance of each benchmark are in all, as numbers in JSON."""
    verdicts = ["regressed", "regressed", "missing", "inconclusive", "new", "improved", "passed"]
    assert [row.cells[0] for row in view.rows] == verdicts
    text, marked, html_text = terminal(view), markdown(view), page(view)
    for row, judgement in zip(view.rows, document(view)["judgements"], strict=True):
        _, *cells = row.cells
        assert re.search(" +".join(re.escape(cell) for cell in (row.cells[0].upper(), *cells) if cell), text)
        assert f"| **{row.cells[0]}** | {' | '.join(map(escaped, cells))} |" in marked
        assert all(html.escape(cell) in html_text for cell in row.cells)
        assert (judgement["measured"], judgement["baseline"], judgement["unit"]) == (row.measured, row.baseline, row.unit)
        assert (judgement["verdict"], judgement["ratio"]) == (row.judgement.verdict, row.judgement.ratio)
        assert judgement["fullname"].endswith(f"[{judgement['id']}]")


def test_the_worst_comes_first_everywhere(view: View) -> None:
    """Verdicts by how bad they are, within one the largest change; a reason for all that did not simply pass."""
    slow = [row.label for row in view.rows]
    assert slow == ["slow", "several", "missing", "doubtful", THREE, TWO, ONE]
    for text in (terminal(view), markdown(view), page(view).split("<h2>Verdicts")[1]):
        places = [re.search(rf"[ >]{re.escape(label)}[ <]", text).start() for label in slow[:4]]  # type: ignore[union-attr]
        assert places == sorted(places)
        for row in view.rows:
            assert (row.reason[10:40] in text) is row.needs_reason


def test_both_values_and_the_change_agree(view: View) -> None:
    """Measured / baseline is the ratio, of throughput its inverse; the interval surrounds what was measured."""
    for row in view.rows:
        if row.judgement.ratio is not None and row.measured is not None and row.baseline is not None:
            ratio = row.measured / row.baseline
            assert math.isclose(row.judgement.ratio, 1 / ratio if row.unit == "samples/s" else ratio)
            assert row.measured_interval is not None
            assert row.measured_interval[0] < row.measured < row.measured_interval[1]
    by_label = {row.label: row for row in view.rows}
    assert by_label["several"].cells[2:5] == ("60.0 samples/s", "30.0 samples/s", "+100.0 %")
    assert by_label["missing"].cells[2:4] == ("10.0 ms", "")


def test_two_questions_with_one_id(tmp_path: Path) -> None:
    """Benchmarks whose ids agree are called by their names, the others stay short."""
    asked = [benchmark(ONE, 0.01, question="core_count_scaling"), benchmark(ONE, 0.01), benchmark(TWO, 0.01)]
    view = view_of_runs(tmp_path, asked)
    assert [row.label for row in view.rows] == [f"test_core_count_scaling[{ONE}]", f"test_out_of_the_box[{ONE}]", TWO]


def test_verdicts_for_other_programs(tmp_path: Path) -> None:
    """JSON without NaN and infinity, where degrees of freedom may be infinite; words that do not come and go."""
    view = view_of_runs(tmp_path, [benchmark(ONE, 0.01)], [[benchmark(ONE, 0.01)]])
    content = json.loads(verdicts_json(view), parse_constant=pytest.fail)
    assert list(content) == [
        *("schema", "run", "baseline", "differences", "notices", "counts", "suite_shift", "backend_shifts", "exit_code"),
        *("claims", "judgements"),
    ]
    assert (content["schema"], content["exit_code"], content["suite_shift"]["verdict"]) == (1, 0, None)
    assert content["judgements"][0]["degrees_of_freedom"] == "inf"
    assert sum(content["counts"].values()) == 1
    assert content["run"]["machine_id"] == MACHINE
    assert (content["baseline"][0]["reason"], content["baseline"][0]["commit"]) == (None, "1a2b3c4d5e6f7a8b9c0d")


def test_an_accepted_baseline_says_how_old_it_is_and_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The report lies beside run.json; a regression changes no exit code but the one it tells."""
    checkout = Checkout(tmp_path / "checkout", capsys)
    checkout.accepted(3, benchmark(ONE, 0.01))
    run = checkout.run(benchmark(ONE, 0.04), started_day=9)
    ended = checkout.baselines("report", run)
    assert (ended.code, ended.err) == (0, "")
    assert "1 regressed" in ended.out
    assert sorted(path.name for path in (run / "report").iterdir()) == FILES
    assert all(str(run / "report" / name) in ended.out for name in FILES)
    marked = (run / "report" / "report.md").read_text()
    assert "- baseline: 3 accepted runs, measured 2026-03-01 to 2026-03-03, the newest 7 days before this run" in marked
    assert ": measured in a test" in marked
    content = json.loads((run / "report" / "verdicts.json").read_text())
    assert (content["exit_code"], content["baseline"][1]["reason"]) == (1, "measured in a test")
    assert checkout.baselines("report", run).code == 0, "written again"
    assert sorted(path.name for path in (run / "report").iterdir()) == FILES


def test_a_run_that_was_accepted_meets_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """That it agrees with the baseline then says little, and the report says so."""
    checkout = Checkout(tmp_path / "checkout", capsys)
    run = checkout.run(benchmark(ONE, 0.01))
    checkout.accept(run)
    assert "this run is part of the baseline, as 0001_1a2b3c4d5e6f_2026-03-01.json" in checkout.baselines("compare", run).out


def test_a_run_without_a_baseline_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What to run comes first, then that everything is new, nothing judged, and how to accept it; `compare` refuses."""
    checkout = Checkout(tmp_path / "checkout", capsys)
    run = checkout.run(benchmark(ONE), benchmark(TWO))
    ended = checkout.baselines("report", run, "--output", tmp_path / "deep" / "report")
    assert (ended.code, ended.out.partition(":")[0]) == (0, "What to run here")
    assert "2 new" in ended.out.splitlines()
    assert json.loads((tmp_path / "deep" / "report" / "verdicts.json").read_text())["exit_code"] == 2
    for name in ("report.md", "report.html"):
        text = (tmp_path / "deep" / "report" / name).read_text()
        assert "nothing was judged" in text
        assert f"python -m baselines accept {run} --reason ..." in text
    assert checkout.baselines("compare", run).code == 2


@pytest.mark.parametrize("version", ["4.0.0", "5.3.1"])
@pytest.mark.parametrize("data", [True, False], ids=["with rounds", "statistics only"])
def test_files_of_other_projects(tmp_path: Path, capsys: pytest.CaptureFixture[str], version: str, data: bool) -> None:
    """They are reported with what they have, alone and against each other, where the caller says."""
    new, old = (plain(tmp_path / name, 0.01, version=version, data=data) for name in ("new.json", "old.json"))
    assert main(["report", str(new)]) == 2
    assert "say where the report goes: --output DIR" in capsys.readouterr().err
    assert main(["report", str(new), "--output", str(tmp_path / "alone")]) == 0
    assert main(["report", str(new), "--against", str(old), "--output", str(tmp_path / "both")]) == 0
    assert capsys.readouterr().err == ""
    assert f"report {new} --against BASELINE" in (tmp_path / "alone" / "report.md").read_text()
    text = (tmp_path / "both" / "report.md").read_text()
    assert "| test_a | 10.0 ms | 10.0 ms | +0.0 % |" in text
    assert "- machine: A CPU" in text
    assert "- **note**: this run was measured with uncommitted changes" in text


def test_another_machine_is_on_top(tmp_path: Path) -> None:
    """Named files of two machines are compared, and it says first what differs in the machines themselves."""
    before = {"machine_id": "amd-1", "hard": {"physical_cores": 2, "smt": False}, "soft": {"kernel": "6.1"}}
    after = {"machine_id": "amd-2", "hard": {"physical_cores": 4, "smt": False}, "soft": {"kernel": "6.2"}}
    old = run_folder(tmp_path / "a", benchmark(ONE), machine_info=before)
    new = run_folder(tmp_path / "b", benchmark(ONE), machine_info=after)
    assert main(["report", str(new), "--against", str(old)]) == 0
    content = json.loads((new / "report" / "verdicts.json").read_text())
    assert content["differences"] == [
        {"what": "machine", "before": "amd-1", "after": "amd-2"},
        {"what": "physical_cores", "before": "2", "after": "4"},
        {"what": "kernel", "before": "6.1", "after": "6.2"},
    ]
    marked = (new / "report" / "report.md").read_text()
    assert marked.index("- **changed**: physical_cores 2 -> 4") < marked.index("| verdict |")


def test_what_was_not_measured_is_told(tmp_path: Path) -> None:
    """A run that was cut off, and benchmarks that failed, are seen by whoever reads the report."""
    how = {"outcome": "failed", "reason": "wrong answer"}
    words = {"partial": True, "not_reached": ["x", "y"], "not_passed": {"z": how}}
    notices = view_of_runs(tmp_path, [benchmark(ONE)], [[benchmark(ONE)]], run=words).notices
    assert notices == ("this run was cut off before its end; 2 benchmarks were not reached", "not measured: 1 failed")


def test_a_terminal_prints_no_control_characters(tmp_path: Path) -> None:
    """A name with escapes and line breaks in it moves no cursor and starts no line."""
    hostile = "a\x1b[2J\nREGRESSED b\r\u202e\ud800"
    view = view_of_runs(tmp_path, [benchmark(hostile, 0.01), benchmark(ONE, 0.01)])
    text = terminal(view)
    assert text.replace("\n", "").isprintable()
    assert r"a\x1b[2J\nREGRESSED b\r\u202e\ud800" in text
    assert not re.search("^REGRESSED", text, re.MULTILINE)


@pytest.mark.parametrize("format_", ["terminal", "markdown", "json"])
def test_compare_prints_each_format(tmp_path: Path, capsys: pytest.CaptureFixture[str], format_: str) -> None:
    """The exit code is the verdict's in all of them, --strict included, and JSON tells the same."""
    old = run_folder(tmp_path / "a", benchmark(ONE, 0.0100))
    new = run_folder(tmp_path / "b", benchmark(ONE, 0.0108))
    assert main(["compare", str(new), str(old), "--format", format_]) == 0
    first = capsys.readouterr().out
    assert "inconclusive" in first
    assert main(["compare", str(new), str(old), "--format", format_, "--strict"]) == 2
    if format_ == "json":
        assert (json.loads(first)["exit_code"], json.loads(capsys.readouterr().out)["exit_code"]) == (0, 2)


def test_a_report_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and a line that says where; the same for a run that cannot be read."""
    run = run_folder(tmp_path, benchmark(ONE))
    (tmp_path / "taken").write_text("a file")
    assert main(["report", str(run), "--store", str(tmp_path), "--output", str(tmp_path / "taken")]) == 2
    assert re.fullmatch(r"error: .*taken: .*; the report is not written\n", capsys.readouterr().err)
    assert main(["report", str(tmp_path / "absent.json"), "--output", str(tmp_path / "out")]) == 2
    assert "absent.json: No such file" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def duet_words(*, launches: int = 4) -> dict[str, Any]:
    """`duet` of a result that came out slower."""
    return {
        "reference": {
            "interpreter": "/ref|erence/python",
            "self": False,
            "python": "3.12.1",
            "versions": {"torch": "2.12.0"},
        },
        "launches": [
            {"log_ratio": 0.03 + 0.001 * number, "order": ("measured first", "reference first")[number % 2]}
            for number in range(launches)
        ],
        "verdict": "regressed",
        "evidence": "duet",
        "against": "reference",
        "ratio": 1.031,
        "interval": [1.024, 1.038],
        "reason": "beyond +1.6 %",
        "p_value": 1e-6,
    }


def test_a_duet_has_a_section_of_its_own(tmp_path: Path) -> None:
    """Versions, overall change and every benchmark, in the terminal, in Markdown and on the page; other runs have none."""
    view = view_of_runs(tmp_path / "a", [benchmark(ONE, extra_info={"duet": duet_words()})])
    line = "torch 2.12.0 -> 2.13.0: +3.2 % [+3.0 %, +3.4 %] over 1 benchmark, slower on 1 of 1"
    assert line in terminal(view)
    assert f"REGRESSED {ONE}: +3.1 % [+2.4 %, +3.8 %] (beyond +1.6 %)" in terminal(view)
    assert "duet against /ref&#124;erence/python, Python 3.12.1" in markdown(view)
    assert rf"| **regressed** | {ONE} | +3.1 % \[+2.4 %, +3.8 %\] | 4 |" in markdown(view)
    assert line.replace(">", "&gt;") in page(view)
    plain = view_of_runs(tmp_path / "b", [benchmark(ONE)])
    assert plain.duet is None
    assert "duet against" not in terminal(plain) + markdown(plain)


@pytest.mark.parametrize("damage", [{"launches": 3}, {"verdict": "slow"}, {"reference": None}, {"launches": [{}]}])
def test_a_duet_that_cannot_be_read_is_left_out(tmp_path: Path, damage: dict[str, Any]) -> None:
    """Words of another version or of a hand do not keep the rest from being reported."""
    view = view_of_runs(tmp_path, [benchmark(ONE, extra_info={"duet": {**duet_words(), **damage}})])
    assert view.duet is None
    assert ONE in terminal(view)


def test_the_share_of_the_limit_is_a_column(tmp_path: Path) -> None:
    """Above 100 % too; empty where the file says null, or nothing, as those of other projects and older ones."""
    shared = benchmark(ONE, 0.01, extra_info={"work": {"share_of_limit": 1.254}})
    view = view_of_runs(
        tmp_path, [shared, benchmark(TWO, 0.01, extra_info={"work": {"share_of_limit": None}}), benchmark(THREE)]
    )
    assert HEADS[-1] == "share of limit"
    assert {row.label: row.cells[-1] for row in view.rows} == {ONE: "125%", TWO: "", THREE: ""}
