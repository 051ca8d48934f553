"""What studies/starts.py has on record, as Markdown.

A launch pair's log ratio is taken as `mu + order delta + parents[block] + noise`, `order` +1 where the measured side was
loaded first, else -1. The two launch pairs of a kind in a block have one order each: their mean is free of the order, and
half their difference is `delta` and noise. For fresh processes `parents` is nothing: each has drawn its own.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from scipy import stats

from studies.loop import grouped, table

LEVEL: Final = 0.95
RATIOS: Final = "forked / fresh, 95 % interval"
HEADS: Final = (
    f"machine | backend, threads | blocks | start of a pair, fresh | forked | {RATIOS} | spread of fresh pairs | of forked "
    "ones of the same parents | ratio of variances, 95 % interval | parents add"
)
SESSIONS: Final = "machine | studied | workers | launch pairs | wall | forward passes | share"


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How far the launch pairs of one kind lie apart."""

    within: float
    """Standard deviation between the launch pairs of a block, of the log ratio."""
    between: float
    """The same of what the blocks' means, times the root of two: equal but for chance where a block shares nothing."""
    degrees: int
    """Of freedom, of either."""

    @classmethod
    def of(cls, blocks: Sequence[Mapping[str, Any]], kind: str) -> Spread:
        """Of at least two blocks."""
        differences, means = [], []
        for one in blocks:
            first, second = sorted(
                (pair for pair in one["pairs"] if pair["kind"] == kind), key=lambda pair: not pair["measured_first"]
            )
            differences.append(first["log_ratio"] - second["log_ratio"])
            means.append((first["log_ratio"] + second["log_ratio"]) / 2)
        return cls(
            within=statistics.stdev(differences) / math.sqrt(2),
            between=statistics.stdev(means) * math.sqrt(2),
            degrees=len(blocks) - 1,
        )


def mean_interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean, and half the width of its interval by Student's t."""
    half = stats.t.ppf((1 + LEVEL) / 2, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
    return statistics.fmean(values), float(half)


def ratio_of_variances(above: float, below: float, degrees: tuple[int, int]) -> str:
    """Of two standard deviations, with the interval of F."""
    ratio = (above / below) ** 2
    low, high = (stats.f.ppf(share, degrees[1], degrees[0]) for share in ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return f"{ratio:.2f} [{ratio * low:.2f}, {ratio * high:.2f}]"


def shown_ratio(logs: Sequence[float]) -> str:
    """A ratio with its interval, of logarithms; the number alone where there is only one."""
    if len(logs) < 2:
        return f"{math.exp(logs[0]) - 1:+.1%}"
    mean, half = mean_interval(logs)
    return f"{math.exp(mean) - 1:+.1%} [{math.exp(mean - half) - 1:+.1%}, {math.exp(mean + half) - 1:+.1%}]"


def show(records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A table of launch pairs and one of sessions, a row per machine and configuration or kind."""
    pairs = [one for one in records if "pairs" in one]
    yield from table(HEADS, launch_pairs(pairs))
    yield ""
    yield from table(SESSIONS, sessions([one for one in records if "session" in one]))
    if refused := sorted({f"{name}: {why}" for one in pairs for name, why in one["refused"].items()}):
        yield from ("", "Started fresh, because no worker could be forked:", "", *(f"* {line}" for line in refused))


def launch_pairs(records: Sequence[Mapping[str, Any]]) -> Iterator[tuple[object, ...]]:
    """Rows of the first table: configurations with at least two blocks, all of whose workers could be forked."""
    whole = [one for one in records if not one["refused"]]
    for (machine, busy, backend, threads), blocks in grouped(whole, configuration_of).items():
        if len(blocks) < 2:
            continue
        fresh, forked = Spread.of(blocks, "fresh"), Spread.of(blocks, "forked")
        mixed = [pair["log_ratio"] for one in blocks for pair in one["pairs"] if pair["kind"] == "mixed"]
        variances = ratio_of_variances(forked.within, fresh.within, (forked.degrees, fresh.degrees))
        parents = ratio_of_variances(forked.between, forked.within, (forked.degrees, forked.degrees))
        starts = (f"{start_of(blocks, kind):.1f} s" for kind in ("fresh", "forked"))
        spreads = (f"{one.within:.2%}" for one in (fresh, forked))
        name = f"{machine}, busy" if busy else machine
        yield name, f"{backend}, {threads}", len(blocks), *starts, shown_ratio(mixed), *spreads, variances, parents


def configuration_of(record: Mapping[str, Any]) -> tuple[str, bool, str, int]:
    """What has to be equal for blocks to be in one row."""
    return record["machine"], record["busy"], record["backend"], record["threads"]


def start_of(blocks: Sequence[Mapping[str, Any]], kind: str) -> float:
    """Median seconds that starting both sides of a launch pair took, without the start of a parent."""
    return float(statistics.median(pair["starting_s"] for one in blocks for pair in one["pairs"] if pair["kind"] == kind))


def sessions(records: Sequence[Mapping[str, Any]]) -> Iterator[tuple[object, ...]]:
    """Rows of the second table, in the order in which they were measured."""
    for one in records:
        share = one["forwards_s"] / one["measuring_s"]
        name = f"{one['machine']}, busy" if one["busy"] else one["machine"]
        seconds = (f"{one[key]:.0f} s" for key in ("measuring_s", "forwards_s"))
        yield name, one["study"], one["session"], one["launches"], *seconds, f"{share:.0%}"
