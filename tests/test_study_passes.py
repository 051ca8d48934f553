"""The study of passes: what it says of records, and that its plugin puts launches back to back."""

from __future__ import annotations

import subprocess
import sys

import pytest

from studies.passes import show, spread
from tests.suite import REPOSITORY

PLUGIN = """
from types import SimpleNamespace as item
from fixtures.asked.cost import Cost
from fixtures.asked.plan import Candidate
from fixtures.run.schedule import Schedule
import studies.back_to_back
cost = Cost(measuring_s=1.0, starting_s=0.0, known=False)
words = {"question": "q", "backend": "b", "cost": cost, "work": 1.0}
made = {one: Candidate(name=one, deployment=one[0], **words) for one in ("a1", "a2", "b1")}
schedule = Schedule(items=[item(nodeid=one) for one in made], candidates=made, launches=2)
print(*((visit.item.nodeid, visit.number, visit.last) for visit in schedule.visits()))
"""


def record(how: str, one: float, two: float) -> dict[str, object]:
    """A session of two benchmarks, three launches of each."""
    medians = {"onnxruntime-fp32-threads1-batch1-a": [one, one, 9.0], "onnxruntime-fp32-threads1-batch1-b": [two, two, 9.0]}
    return {"machine": "m", "how": how, "medians_s": medians}


def test_the_spread_of_a_runs_value() -> None:
    """The median of three launches, of which one met a neighbour; pooled over the benchmarks."""
    runs = [record("passes", 1.0, 2.0), record("passes", 1.0, 2.0 * 2.718281828)]
    deviation, degrees, count = spread(runs, "onnxruntime-threads1")
    assert (degrees, count) == (2, 2)
    assert deviation == pytest.approx((0.5 / 2) ** 0.5)


def test_both_ways_are_a_row() -> None:
    """With the ratio of variances; one way alone says nothing."""
    passes = [record("passes", 1.0, 2.0), record("passes", 1.01, 2.0)]
    back = [record("back to back", 1.0, 2.0), record("back to back", 1.02, 2.0)]
    assert len(list(show([*passes, *back]))) == 3
    assert "m | onnxruntime-threads1 | 2 and 2 | 2 |" in list(show([*passes, *back]))[-1]
    assert len(list(show(passes))) == 2


def test_launches_back_to_back() -> None:
    """All of a deployment, then all of the next; every one but the last of a benchmark is only kept."""
    done = subprocess.run([sys.executable, "-c", PLUGIN], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.split(") (") == [
        "('a1', 0, False",
        "'a2', 0, False",
        "'a1', 1, True",
        "'a2', 1, True",
        "'b1', 2, False",
        "'b1', 3, True)\n",
    ]
