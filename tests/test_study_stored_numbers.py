"""The study of what stored numbers are worth: its tables are those of the docs, and it finds what was put into runs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from fixtures.process.environment import REPOSITORY
from studies.stored_numbers import RULES, apart, main, without_factor
from studies.stored_runs import record_of
from tests.test_study_stored_runs import content


def record(minute: int, one: float, two: float = 1.0, **extra_work: float) -> dict[str, Any]:
    """A run of two benchmarks that began so many minutes after noon."""
    made = record_of(content((one, two), 0), extra_work)
    return {**made, "datetime": f"2026-03-01T12:{minute:02}:00+00:00"}


def test_the_tables_of_the_docs_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """Line by line."""
    assert main() == 0
    text = Path(REPOSITORY, "docs", "verdicts.md").read_text()
    missing = [line for line in capsys.readouterr().out.splitlines() if line not in text]
    assert not missing


def test_how_far_runs_lie_apart() -> None:
    """Every two runs once, with the minutes between them; what was slowed on purpose is left out."""
    first, second, third = record(0, 1.0), record(10, math.e**0.1, 1.0), record(50, 5.0, math.e**0.2)
    name = next(one["fullname"] for one in third["benchmarks"] if "onnxruntime" in one["fullname"])
    third["extra_work"] = {name: 4.0}
    found = dict(apart([first, second, third]))
    assert set(found) == {10, 40, 50}
    assert found[10] == pytest.approx(0.1**2 / 2 / 2, rel=1e-3)
    assert found[50] == pytest.approx(0.2**2 / 2, rel=1e-3)


def test_the_factor_of_a_night() -> None:
    """Runs of a machine of changing mood: the mood is taken off where it is proven, or always; one slow backend is found."""
    moods = [0.0, 0.1, -0.1, 0.15, -0.05, 0.12]
    accepted = [{f"x[{backend}-{size}]": mood + 0.001 * size for backend in "ab" for size in range(3)} for mood in moods]
    accepted[0]["x[a-0]"] += 0.002
    now = {name: value + 0.3 for name, value in accepted[0].items()}
    for rule in RULES[:3]:
        measured, histories = without_factor(accepted, now, (), rule)
        spread = max(max(run[0] for run in one.runs) - min(run[0] for run in one.runs) for one in histories.values())
        assert (spread < 0.01) == (rule != RULES[0])
        centre = sum(run[0] for run in histories["x[b-1]"].runs) / len(moods)
        assert measured["x[b-1]"][0] - centre == pytest.approx(0.263 if rule == RULES[0] else 0.0, abs=0.01)
    slowed = {name: value + 0.2 * ("[a" in name) for name, value in accepted[0].items()}
    measured, histories = without_factor(accepted, slowed, ["x[a-0]", "x[a-1]", "x[a-2]"], RULES[2])
    assert measured["x[b-1]"] == (slowed["x[b-1]"],), "there is no other benchmark to tell the mood by"
    unmoved = [{**run, "x[b-0]": 0.0, "x[b-1]": 0.0, "x[b-2]": 0.0} for run in accepted]
    measured, histories = without_factor(unmoved, now, (), RULES[1])
    assert histories["x[a-1]"].runs[1] == (unmoved[1]["x[a-1]"],), "no proof, no factor"
