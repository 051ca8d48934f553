"""The tables of docs/findings.md: what is computed for them."""

from __future__ import annotations

from typing import Any

import pytest

from studies.tables import stopped_lines


def limited(durations_s: list[float], *, iterations: int = 1) -> dict[str, Any]:
    """A benchmark under a quota."""
    data = [duration / iterations for duration in durations_s]
    return {"extra_info": {"cpu_limit": {"quota": 0.5}}, "stats": {"data": data, "iterations": iterations}}


@pytest.mark.parametrize("iterations", [1, 4])
def test_stops_are_whole_periods_apart(iterations: int) -> None:
    """The third stop comes 130 ms after the second."""
    rounds = [0.001] * 24 + [0.076] + [0.001] * 24 + [0.076] + [0.001] * 54 + [0.076]
    first, second = stopped_lines([limited(rounds, iterations=iterations), {**limited(rounds), "extra_info": {}}])
    assert first == "* 3 rounds were stopped for 10 ms or more. Of the 2 times"
    assert second == "  from one stop to the next 1 are a multiple of the quota's period of 100 ms, to a tenth of it."


def test_long_rounds_tell_nothing_of_periods() -> None:
    """One of 60 ms is stopped more than once."""
    assert not list(stopped_lines([limited([0.06, 0.16, 0.06, 0.16])]))
    assert not list(stopped_lines([limited([0.001] * 9)]))
