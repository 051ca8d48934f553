"""The best measured configuration of every problem size, and what it promises. Values; recommend.py prints them.

Only problem sizes are compared: a stream of requests (smart dispatching) has no single one and is left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Final

from baselines.results import Result

LEVEL: Final = 0.95
"""Of the interval that the rounds of one launch give."""
MOST_EXACT: Final = 1_000


@dataclass(frozen=True, kw_only=True)
class Promise:
    """A measured value and the interval around it."""

    value: float
    low: float
    high: float
    source: str
    """What the interval is of, for people."""

    def overlaps(self, other: Promise) -> bool:
        """Whether the two cannot be told apart by their intervals."""
        return self.low <= other.high and other.low <= self.high


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One measured configuration of a problem size."""

    result: Result
    instances: tuple[tuple[int, ...], ...]
    """The CPUs of each."""
    out_of_the_box: bool
    latency: Promise
    """Seconds until all samples of the problem are answered."""
    throughput: Promise | None
    """Samples per second; None where the file does not say."""

    @property
    def cores(self) -> int | None:
        """CPUs that it was confined to; None: the whole machine."""
        return None if self.result.configuration.get("threads") is None else sum(map(len, self.instances))


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """What to run for one problem size."""

    batch_size: int
    sequence_length: int
    fastest: Candidate
    """The one with the lowest median latency."""
    as_fast: tuple[Candidate, ...]
    """Others whose latency interval meets its own, the fastest first."""
    most: Candidate | None
    """The one with the highest throughput."""
    as_much: tuple[Candidate, ...]
    cheapest: Candidate | None
    """The one with the highest throughput per core that it used, where the run knows how many the machine has."""
    pytorch: Candidate | None
    """PyTorch out of the box."""


def recommendations(results: Sequence[tuple[Result, Mapping[str, Any]]], cores: int | None) -> list[Recommendation]:
    """One for each problem size that was measured, in the order of batch size and sequence length.

    Args:
        results: of one run, each with its record in the file.
        cores: physical cores of the machine; None if unknown.
    """
    by_size: dict[tuple[int, int], list[Candidate]] = {}
    for result, record in results:
        size = (result.problem_size.get("batch_size"), result.problem_size.get("sequence_length"))
        if "dispatch_policy" not in result.configuration and isinstance(size[0], int) and isinstance(size[1], int):
            by_size.setdefault((size[0], size[1]), []).append(_candidate(result, record))
    return [_recommendation(size, by_size[size], cores) for size in sorted(by_size)]


def _recommendation(size: tuple[int, int], candidates: Sequence[Candidate], cores: int | None) -> Recommendation:
    by_latency = sorted(candidates, key=lambda one: one.latency.value)
    by_throughput = sorted((one for one in candidates if one.throughput), key=lambda one: -_throughput(one))
    cheapest = max(by_throughput, key=lambda one: _throughput(one) / (one.cores or cores or 1), default=None)
    return Recommendation(
        batch_size=size[0],
        sequence_length=size[1],
        fastest=by_latency[0],
        as_fast=tuple(one for one in by_latency[1:] if one.latency.overlaps(by_latency[0].latency)),
        most=by_throughput[0] if by_throughput else None,
        as_much=tuple(one for one in by_throughput[1:] if _meets(one.throughput, by_throughput[0].throughput)),
        cheapest=cheapest if cores else None,
        pytorch=next(
            (one for one in by_throughput if one.out_of_the_box and one.result.configuration.get("backend") == "pytorch"),
            None,
        ),
    )


def _candidate(result: Result, record: Mapping[str, Any]) -> Candidate:
    extra = record.get("extra_info", {})
    latency = latency_promise(result)
    each = extra.get("per_instance") or [{"cpus": result.configuration.get("cpus") or []}]
    return Candidate(
        result=result,
        instances=tuple(tuple(one["cpus"]) for one in each),
        out_of_the_box=extra.get("question") == "out_of_the_box",
        latency=latency,
        throughput=throughput_promise(result, latency),
    )


def latency_promise(result: Result) -> Promise:
    """The median latency, with what was seen around it.

    Of several launches the lowest and the highest median: launches differ from each other by more than rounds of one do. Of
    one launch the interval of the median of its rounds at LEVEL, from order statistics (David and Nagaraja, Order
    Statistics, 3rd ed., section 7.1); with fewer than 6 rounds there is none, and it is their range.
    """
    medians = [launch.median_s for launch in result.launches]
    if len(medians) > 1:
        return Promise(
            value=result.median_s, low=min(medians), high=max(medians), source=f"range of {len(medians)} launches"
        )
    low, high, covered = median_interval(result.rounds_s)
    if covered is None:
        return Promise(value=result.median_s, low=result.median_s, high=result.median_s, source="no rounds in the file")
    words = f"{LEVEL:.0%} interval of the median" if covered else "range"
    return Promise(value=result.median_s, low=low, high=high, source=f"{words}, {len(result.rounds_s)} rounds of one launch")


def throughput_promise(result: Result, latency: Promise) -> Promise | None:
    """The throughput, with what was seen around it.

    Of several launches the lowest and the highest. Of one launch as far from it, in proportion, as the ends of the latency's
    interval are from the median: completed samples over wall time have no interval of their own.
    """
    value = result.throughput_per_s
    if value is None:
        return None
    seen = [launch.throughput_per_s for launch in result.launches if launch.throughput_per_s is not None]
    if len(seen) > 1:
        return Promise(value=value, low=min(seen), high=max(seen), source=latency.source)
    return Promise(
        value=value,
        low=value * latency.value / latency.high,
        high=value * latency.value / latency.low,
        source=latency.source,
    )


def median_interval(rounds_s: Sequence[float]) -> tuple[float, float, bool | None]:
    """(low, high, whether they cover the median with LEVEL); False: the range of too few rounds, None: no rounds."""
    if not rounds_s:
        return math.nan, math.nan, None
    ordered, place = sorted(rounds_s), order_statistic(len(rounds_s))
    if place == 0:
        return ordered[0], ordered[-1], False
    return ordered[place - 1], ordered[-place], True


def order_statistic(count: int) -> int:
    """The largest k for which the k-th smallest and the k-th largest of n rounds cover the median with LEVEL; 0: none.

    They do with 1 - 2 P(Binomial(n, 1/2) <= k - 1), exactly up to MOST_EXACT rounds, from there on by its normal
    approximation.
    """
    if count > MOST_EXACT:
        return math.floor((count - NormalDist().inv_cdf(0.5 + LEVEL / 2) * math.sqrt(count)) / 2)
    place, ways = 0, 1
    while ways <= (1 - LEVEL) / 2 * 2**count:
        place += 1
        ways += math.comb(count, place)
    return place


def _throughput(one: Candidate) -> float:
    return one.throughput.value if one.throughput else 0.0


def _meets(one: Promise | None, other: Promise | None) -> bool:
    return one is not None and other is not None and one.overlaps(other)
