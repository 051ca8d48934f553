"""`python -m baselines compare`: files in, verdicts and an exit code out."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.builders import ONE, THREE, TWO, Checkout, benchmark, run_content, stats_of


@pytest.fixture(autouse=True)
def no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """Comparisons of tests do not belong in the summary of the job that runs the tests."""
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


@pytest.fixture
def checkout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Checkout:
    """A checkout with six accepted runs of two benchmarks that agree within a per cent."""
    checkout = Checkout(tmp_path / "checkout", capsys)
    for day in range(6):
        wobble = 1 + 0.004 * (day % 3 - 1)
        checkout.accepted(1, benchmark(ONE, 0.010 * wobble), benchmark(TWO, 0.050 * wobble), first_day=day)
    return checkout


def test_an_unchanged_run_is_no_news(checkout: Checkout) -> None:
    """Exit code 0, and every benchmark with its change and what it rests on."""
    ended = checkout.baselines("compare", checkout.run(benchmark(ONE, 0.01), benchmark(TWO, 0.05), started_day=30))
    assert ended.code == 0, ended.out
    assert "2 passed" in ended.out
    assert re.search(rf"^PASSED +{ONE} +10\.0 ms +10\.0 ms +[+-]0\.\d % ", ended.out, re.MULTILINE)
    assert "6 accepted runs, measured 2026-03-01 to 2026-03-06, the newest 25 days before this run" in ended.out
    assert ended.out.splitlines()[-1].startswith("suite: ")


def test_a_slow_benchmark_comes_first_and_fails(checkout: Checkout) -> None:
    """Exit code 1, the worst first, and the other one stays what it is."""
    ended = checkout.baselines("compare", checkout.run(benchmark(ONE, 0.01), benchmark(TWO, 0.07), started_day=30))
    assert ended.code == 1
    assert "1 regressed, 1 passed" in ended.out
    lines = ended.out.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("verdict "))
    assert lines[start + 1].split()[:2] == ["REGRESSED", TWO]
    assert re.match(r" +\+40\.\d % \(.*\) against 6 accepted runs: noise and", lines[start + 2])
    assert lines[start + 3].split()[:2] == ["PASSED", ONE]


def test_what_was_not_measured_is_missing(checkout: Checkout) -> None:
    """What the run failed itself is missing from it; what it was never asked for is not."""
    name = benchmark(TWO)["fullname"]
    failed = checkout.run(
        benchmark(ONE, 0.01), started_day=30, run={"not_passed": {name: {"outcome": "failed", "reason": "wrong answer"}}}
    )
    ended = checkout.baselines("compare", failed)
    assert ended.code == 1
    assert re.search(rf"^MISSING +{TWO} .*\n +failed: wrong answer$", ended.out, re.MULTILINE)
    assert checkout.baselines("compare", checkout.run(benchmark(ONE, 0.01), started_day=31)).code == 0


def test_named_baselines_are_expected_whole(checkout: Checkout) -> None:
    """Against named files nothing is left out silently, and nothing of the store is looked at."""
    both = checkout.run(benchmark(ONE, 0.01), benchmark(TWO, 0.05), started_day=40)
    one = checkout.run(benchmark(ONE, 0.01), started_day=41)
    ended = checkout.baselines("compare", one, both)
    assert ended.code == 1
    assert re.search(rf"^MISSING +{TWO} .*\n +not in this run$", ended.out, re.MULTILINE)


def test_nothing_to_compare_is_no_pass(checkout: Checkout) -> None:
    """Exit code 2 when no benchmark of the run is in the baseline, another configuration included."""
    new = checkout.baselines("compare", checkout.run(benchmark(THREE, 0.01), started_day=30))
    assert (new.code, "nothing could be compared" in new.out) == (2, True)
    elsewhere = benchmark(ONE, 0.01, configuration={"cpus": [2, 3]})
    other = checkout.baselines("compare", checkout.run(elsewhere, started_day=31))
    assert other.code == 2
    assert "INCOMPARABLE" in other.out
    assert "configuration.cpus" in other.out


def test_what_was_let_through_from_the_shell_is_another_benchmark(checkout: Checkout) -> None:
    """With --pass-env it is no longer the accepted one, and the report says so; red, it is measured again with the same."""
    passed = {"configuration": {"passed_env": {"MKL_CBWR": "COMPATIBLE"}}}
    other = checkout.baselines("compare", checkout.run(benchmark(ONE, 0.01, **passed), started_day=31))
    assert other.code == 2
    assert 'configuration.passed_env {"MKL_CBWR": "COMPATIBLE"} added' in other.out
    before = [checkout.run(benchmark(ONE, 0.01, **passed), started_day=day) for day in range(41, 46)]
    slow = checkout.run(benchmark(ONE, 0.03, **passed), started_day=50)
    red = checkout.baselines("compare", slow, *before)
    assert red.code == 1
    assert "measured with MKL_CBWR=COMPATIBLE, let through from the shell (--pass-env)" in red.out
    assert "--benchmark-only --model bert-tiny --pass-env=MKL_CBWR" in red.out


def test_strict_does_not_take_cannot_tell_for_an_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Against a single accepted run, 8 % slower is inconclusive: 0, and 2 under --strict."""
    checkout = Checkout(tmp_path / "checkout", capsys)
    checkout.accepted(1, benchmark(ONE, 0.010))
    run = checkout.run(benchmark(ONE, 0.0108), started_day=30)
    assert checkout.baselines("compare", run).code == 0
    assert checkout.baselines("compare", run, "--strict").code == 2


def test_what_changed_around_the_benchmarks_is_on_top(checkout: Checkout) -> None:
    """Another version of a library is told, and does not make benchmarks incomparable."""
    environment = {"python": "3.11.7", "packages": {"torch": {"version": "2.14.1", "local": "cpu"}}}
    ended = checkout.baselines(
        "compare", checkout.run(benchmark(ONE, 0.01), benchmark(TWO, 0.05), started_day=30, environment=environment)
    )
    assert ended.code == 0
    assert "changed: torch 2.13.0+cpu -> 2.14.1+cpu" in ended.out


def test_no_baseline_and_unreadable_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and one line that says what to do, or where the file is wrong."""
    checkout = Checkout(tmp_path / "checkout", capsys)
    none = checkout.baselines("compare", checkout.run())
    assert none.code == 2
    assert "no accepted run of bert-tiny" in none.err
    torn = tmp_path / "torn.json"
    torn.write_text(json.dumps(run_content())[:500])
    wrong = checkout.baselines("compare", torn, torn)
    assert wrong.code == 2
    assert "torn.json:" in wrong.err


def test_files_of_other_projects(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Plain files of pytest-benchmark are judged by their names, against files that are named."""
    checkout = Checkout(tmp_path / "checkout", capsys)

    def plain(name: str, *medians_s: float) -> Path:
        content = {
            "machine_info": {"node": "somewhere"},
            "commit_info": {"id": "abc"},
            "benchmarks": [
                {"name": f"test_{letter}", "fullname": f"tests/test_a.py::test_{letter}", "params": None, "param": None,
                 "extra_info": {}, "options": {}, "group": None,
                 "stats": stats_of([median_s * factor for factor in (0.99, 1.0, 1.01)] if median_s else [0.0, 0.0, 1e-7])}
                for letter, median_s in zip("abc", medians_s, strict=False)
            ],
            "datetime": "2026-03-01T12:00:00+00:00",
            "version": "4.0.0",
        }  # fmt: skip
        path = tmp_path / name
        path.write_text(json.dumps(content))
        return path

    same = checkout.baselines("compare", plain("a.json", 0.01), plain("b.json", 0.01))
    assert same.code == 0, same.out + same.err
    slow = checkout.baselines("compare", plain("c.json", 0.03), plain("b.json", 0.01))
    assert slow.code == 1
    assert re.search(r"^REGRESSED +test_a +10\.0 ms +30\.0 ms +\+200\.0 % ", slow.out, re.MULTILINE)

    for zero in (0, 1, 2):  # one that is below the clock's resolution spoils neither what is judged nor the baseline
        medians = [0.01, 0.02, 0.03]
        medians[zero] = 0.0
        name = f"test_{'abc'[zero]}"
        whole, part = plain("whole.json", 0.01, 0.02, 0.03), plain("part.json", *medians)
        judged = checkout.baselines("compare", part, whole, "--format=json")
        assert judged.code in (0, 1), judged.out + judged.err  # 1: it is missing from the run
        assert f"the first is tests/test_a.py::{name}: stats.median is 0.0, not a positive number" in judged.out
        against = checkout.baselines("compare", whole, part)
        assert against.code == 0, against.out + against.err
        assert f"the first is tests/test_a.py::{name}: stats.median is 0.0" in against.out
        assert "Traceback" not in judged.err + against.err
