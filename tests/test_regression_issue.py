"""`python -m baselines issue`: one open issue tells of regressions, through a `gh` of our own at the boundary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from baselines.report.formats.github_issue import LABEL, LIMIT_BYTES, body_of
from tests.builders import ONE, TWO, Checkout, benchmark, view_of_runs
from tests.fake_gh import FakeGh


@pytest.fixture
def gh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeGh:
    """The only `gh` there is."""
    gh = FakeGh(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{gh.folder}:/usr/bin:/bin")
    for name, value in (("SERVER_URL", "https://github.example"), ("REPOSITORY", "o/r"), ("RUN_ID", "77")):
        monkeypatch.setenv(f"GITHUB_{name}", value)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    return gh


@pytest.fixture
def checkout(tmp_path: Path, capsys: Any) -> Checkout:
    """Five accepted runs of two benchmarks."""
    checkout = Checkout(tmp_path / "checkout", capsys)
    for day in range(5):
        wobble = 1 + 0.004 * (day % 3 - 1)
        checkout.accepted(1, benchmark(ONE, 0.01 * wobble), benchmark(TWO, 0.02 * wobble), first_day=day)
    return checkout


def test_green_says_nothing(gh: FakeGh, checkout: Checkout) -> None:
    """Nothing regressed: gh is not even asked. The same where nothing could be judged."""
    ended = checkout.baselines("issue", checkout.run(benchmark(ONE), benchmark(TWO, 0.02), started_day=9))
    assert (ended.code, ended.out) == (0, "2 passed: nothing regressed or is missing, no issue\n")
    ended = checkout.baselines("issue", checkout.run(benchmark("other"), started_day=10, machine_info={"machine_id": "x"}))
    assert ended.code == 0
    assert gh.read()["calls"] == []


def test_opened_once_then_updated(gh: FakeGh, checkout: Checkout) -> None:
    """The first red night opens the issue; the second gives it the newer report and a comment; closed, a new one comes."""
    slow = checkout.run(benchmark(ONE, 0.02), benchmark(TWO, 0.02), started_day=9)
    ended = checkout.baselines("issue", slow)
    assert (ended.code, ended.out) == (0, "opened  https://github.example/o/r/issues/40\n")
    (issue,) = gh.issues
    assert issue["title"] == "Regression: bert-tiny on amd-25-1-2c-0a1b2c3d"
    assert issue["label"] == LABEL
    assert ["label", "create"] in gh.read()["calls"]
    assert "## 1 regressed, 1 passed" in issue["body"]
    assert ONE in issue["body"]
    assert "https://github.example/o/r/actions/runs/77" in issue["body"]

    ended = checkout.baselines("issue", checkout.run(benchmark(ONE), benchmark(TWO, 0.05), started_day=10))
    assert (ended.code, ended.out) == (0, "updated  issue 40\n")
    (issue,) = gh.issues
    assert "2026-03-11" in issue["body"]
    assert issue["comments"] == ["1 regressed, 1 passed. Report and raw runs: https://github.example/o/r/actions/runs/77\n"]

    gh.write({**gh.read(), "issues": [{**issue, "open": False}]})
    assert checkout.baselines("issue", slow).code == 0
    assert [one["number"] for one in gh.issues] == [40, 41]


@pytest.mark.parametrize("refusal", ["HTTP 403: Resource not accessible by integration", ""])
def test_gh_refuses(gh: FakeGh, checkout: Checkout, refusal: str) -> None:
    """Exit 2 and gh's own last word."""
    gh.write({**gh.read(), "refuses": refusal or "\n"})
    ended = checkout.baselines("issue", checkout.run(benchmark(ONE, 0.05), benchmark(TWO, 0.02), started_day=9))
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == f"error: gh issue list: {refusal or 'warning: something else'}\n"


def test_no_gh(gh: FakeGh, checkout: Checkout) -> None:
    """Exit 2, and where it is to be had."""
    slow = checkout.run(benchmark(ONE, 0.05), benchmark(TWO, 0.02), started_day=9)
    (gh.folder / "gh").unlink()
    ended = checkout.baselines("issue", slow)
    assert ended.code == 2
    assert ended.err == "error: gh is not installed, and it is what speaks to GitHub: https://cli.github.com\n"


def test_hostile_and_long(tmp_path: Path) -> None:
    """Names are text in the body, and it always fits: what GitHub would refuse of a thousand regressions is left out."""
    hostile = "<script>alert(1)</script> @everyone ![x](y)"
    view = view_of_runs(tmp_path / "a", [benchmark(hostile, 0.05)], [[benchmark(hostile, 0.01)] for _ in range(5)])
    # An indented block is code: GitHub shows it as it is.
    body = "\n".join(line for line in body_of(view).splitlines() if not line.startswith("    "))
    assert "<script>" not in body
    assert "@everyone" not in body
    assert "![x]" not in body
    many = [f"benchmark-{number}-{'x' * 200}" for number in range(1000)]
    view = view_of_runs(
        tmp_path / "b", [benchmark(name, 0.05) for name in many], [[benchmark(name, 0.01) for name in many]] * 2
    )
    body = body_of(view)
    assert len(body.encode()) < LIMIT_BYTES + 1000
    assert body.startswith("## ")
