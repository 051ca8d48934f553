"""The study of what stored numbers are worth: its tables are those of the docs, and it finds what was put into runs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from fixtures.process.environment import REPOSITORY
from studies.reference_kernel import record_of
from studies.stored_numbers import apart, main
from tests.test_study_reference_kernel import content


def record(minute: int, one: float, two: float = 1.0, **extra_work: float) -> dict[str, Any]:
    """A run of two benchmarks that began so many minutes after noon."""
    made = record_of(content((one, two, 1.0), 0), extra_work)
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
