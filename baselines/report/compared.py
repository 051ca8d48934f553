"""Comparisons before they are decided: which two benchmarks, their ratio, and its interval.

The interval is made of what there is. Where each side has LEAST_LAUNCHES or more launches in the run, they are the evidence:
Welch's interval of the difference of their means (B. L. Welch, Biometrika 34, 1947). Passes over a plan go to and fro, so
that a drift of the machine is in both sides. Else it is that of two independent runs' spreads (deploying/promise.py: from
accepted runs, else assumed).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean
from typing import Final

from baselines.comparing.disturbance import disturbed_because
from baselines.deploying.promise import LEVEL
from baselines.judging.difference import Difference
from baselines.judging.policy import Policy
from baselines.judging.spread import sum_of_squares
from baselines.report.claims import Case
from baselines.report.points import Point

LEAST_LAUNCHES: Final = 3
"""Of each side, from which on the launches of a run say how far they lie apart."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """A comparison before it is decided: by how much more time `after` needs than `before`."""

    what: str
    before: Point
    after: Point
    beside: tuple[Point, Point] | None = None
    """Another two; their ratio is taken off, so that what is left is by how much the one is larger than the other."""
    among: str = ""
    """As of its case."""
    growth: float = 1.0
    """Of the problem between the two, where an exponent is asked for."""
    by_throughput: bool = False
    """Whether the ratio is that of throughputs."""

    @property
    def sides(self) -> tuple[tuple[Point, float], ...]:
        """The benchmarks, each with the sign of its logarithm in the estimate."""
        beside = () if self.beside is None else ((self.beside[0], 1.0), (self.beside[1], -1.0))
        return ((self.before, -1.0), (self.after, 1.0), *beside)


def measured(compared: Sequence[Compared]) -> list[Case]:
    """Estimates and intervals, not decided; these allow for as many comparisons as there are."""
    cases = []
    for one in compared:
        estimate, half_width = interval(one, len(compared))
        exponent = one.growth != 1.0
        scale = math.log(one.growth) if exponent else 1.0
        cases.append(
            Case(
                what=one.what,
                estimate=estimate / scale,
                half_width=half_width / scale,
                says=None,
                among=one.among,
                exponent=exponent,
                disturbed=any(disturbed_because(side.result) for side, _ in one.sides),
            )
        )
    return [case for case in cases if math.isfinite(case.estimate)]


def interval(one: Compared, cases: int) -> tuple[float, float]:
    """The logarithm of the ratio, and half of its interval as one of so many."""
    launches = [(launches_of(side, by_throughput=one.by_throughput), sign) for side, sign in one.sides]
    if all(len(values) >= LEAST_LAUNCHES for values, _ in launches):
        found = welch(launches)
        return found.estimate, found.reach((1 - LEVEL) / (2 * max(1, cases)))
    estimate = sum(sign * _logarithm(side, by_throughput=one.by_throughput) for side, sign in one.sides)
    return estimate, wider(cases) * uncertainty([side for side, _ in one.sides])


def welch(sides: Sequence[tuple[Sequence[float], float]]) -> Difference:
    """The signed sum of means of independent samples, with Satterthwaite's degrees of freedom.

    No side is taken to vary less than runs ever did (`Policy.smallest_run_sd`).
    """
    least = Policy().smallest_run_sd ** 2
    parts = [(max(sum_of_squares(one) / (len(one) - 1), least) / len(one), len(one) - 1) for one, _ in sides]
    variance = sum(part for part, _ in parts)
    return Difference(
        estimate=sum(sign * fmean(values) for values, sign in sides),
        standard_error=math.sqrt(variance),
        degrees_of_freedom=variance**2 / sum(part**2 / df for part, df in parts),
    )


def launches_of(point: Point, *, by_throughput: bool) -> list[float]:
    """Logarithm of the median latency, or of the throughput, of each launch of the run; [] where one is not told."""
    values = [launch.throughput_per_s if by_throughput else launch.median_s for launch in point.result.launches]
    return [math.log(value) for value in values if value] if all(values) else []


def uncertainty(points: Sequence[Point]) -> float:
    """Half the interval, at LEVEL, of a sum and difference of benchmarks' logarithms.

    A reach is that of the difference of two runs of one benchmark, so it counts its variance twice.
    """
    return math.hypot(*(math.log(one.reach.factor) for one in points)) / math.sqrt(2)


def wider(cases: int) -> float:
    """By how much an interval grows when it is one of several that shall all hold: normal quantiles (Bonferroni)."""
    quantile = NormalDist().inv_cdf
    return quantile(1 - (1 - LEVEL) / (2 * max(1, cases))) / quantile((1 + LEVEL) / 2)


def _logarithm(point: Point, *, by_throughput: bool) -> float:
    value = point.result.throughput_per_s if by_throughput else point.result.median_s
    return math.log(value) if value else math.nan
