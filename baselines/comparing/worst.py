"""Which of many verdicts a person is shown: those that did not simply pass, of each kind some, then the worst first.

A night of a large machine has thousands of benchmarks; nobody reads as many lines. What is not shown is counted, and where
all of it is, is said: `python -m baselines compare RUN --format json`, verdicts.json of a report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from baselines.judging.judgement import Verdict

MOST_LINES: Final = 60
"""Verdicts that a session of pytest tells at its end, each in a line."""
LEAST_OF_EACH: Final = 5
"""So many of each verdict are shown before more of a worse one are."""


def shown(verdicts: Sequence[Verdict], most: int, costs: Sequence[int] | None = None) -> set[int]:
    """The places of those that are shown: of all where they fit; else of those that did not pass, as many as fit.

    Args:
        verdicts: the worst first.
        most: how much there is room for.
        costs: how much of it each takes; None: 1.
    """
    costs = [1] * len(verdicts) if costs is None else costs
    if sum(costs) <= most:
        return set(range(len(verdicts)))
    of_each: Counter[Verdict] = Counter()
    first: list[int] = []
    then: list[int] = []
    for place, verdict in enumerate(verdicts):
        if verdict is not Verdict.PASSED:
            (first if of_each[verdict] < LEAST_OF_EACH else then).append(place)
            of_each[verdict] += 1
    places = set()
    for place in (*first, *then):
        most -= costs[place]
        if most < 0:
            break
        places.add(place)
    return places


def counted_verdicts(verdicts: Iterable[Verdict]) -> str:
    """`12 regressed, 4600 passed`: how many there are of each, in the order in which they come."""
    return ", ".join(f"{count} {verdict.value}" for verdict, count in Counter(verdicts).items())
