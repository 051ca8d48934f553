"""What measuring the same again would give: a value, and the interval that a new run falls into.

A recommendation is a promise about other runs, so rounds of one launch say too little of it: launches and sessions differ by
more. How far runs lie apart is what the judge knows of it (spread.py), from the accepted runs of this machine and model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from baselines.comparing.machines import policy_of
from baselines.files.past import Past
from baselines.files.result import Result, judged_values
from baselines.judging.history import History
from baselines.judging.spread import against_anchor, spreads_of

LEVEL: Final = 0.95
"""Of the interval: a new run lies inside so often."""


@dataclass(frozen=True, kw_only=True)
class Promise:
    """A measured value and the interval around it."""

    value: float
    low: float
    high: float

    def overlaps(self, other: Promise) -> bool:
        """Whether the two cannot be told apart by their intervals."""
        return self.low <= other.high and other.low <= self.high


@dataclass(frozen=True, kw_only=True)
class Reach:
    """How far a new run may lie from this one, either way."""

    factor: float
    """At least 1: the interval is from value / factor to value x factor."""
    accepted_runs: int
    """How many accepted runs say so; 0 where the spread is assumed."""

    def around(self, value: float) -> Promise:
        """The interval of a value; the same for a latency and for the throughput that goes with it."""
        return Promise(value=value, low=value / self.factor, high=value * self.factor)


def reaches(results: Mapping[str, Result], past: Mapping[str, Past]) -> dict[str, Reach]:
    """By key, how far a new run of as many launches may lie from each result, at LEVEL.

    The difference of two single runs has twice the variance between runs (`spread.against_anchor`), Student's t. A benchmark
    without accepted runs of its own borrows the spread of those that have some; where there are none at all, it is
    `Policy.prior_run_sd`.

    Args:
        results: of one run, by key.
        past: what the accepted runs of this machine and model say, by key; perhaps nothing.
    """
    launches = {key: judged_values(result) for key, result in results.items()}
    histories = {key: one.history() for key, one in past.items()}
    for key, values in launches.items():
        histories.setdefault(key, History(runs=(values,)))
    known = {run.path: run for one in past.values() for run in one.runs}
    spreads = spreads_of(histories, policy_of(known.values()))
    most = max((len(one.recent) for one in past.values()), default=0)
    found = {}
    for key, values in launches.items():
        reach = against_anchor(values, values, spreads[key]).reach((1 - LEVEL) / 2)
        seen = len(past[key].recent) if key in past else most
        found[key] = Reach(factor=math.exp(reach), accepted_runs=0 if spreads[key].from_prior else seen)
    return found
