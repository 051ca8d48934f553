"""Launch pairs of a duet, and what they come to: the ratio, the effect of the order, the spread."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from baselines.judging.difference import Difference
from baselines.judging.policy import DuetPolicy


@dataclass(frozen=True, kw_only=True)
class LaunchPair:
    """What one launch of both sides says of one benchmark."""

    log_ratio: float
    """Logarithm of *measured / reference* as times: above 0 the measured side is slower."""
    measured_first: bool
    """Whether the measured side was loaded first."""


@dataclass(frozen=True, kw_only=True)
class Duet:
    """The launch pairs of one benchmark; ValueError where a log ratio is NaN or infinite."""

    backend: str
    """Spreads are moderated within a backend: between backends they differ by a factor."""
    configuration: str
    """Benchmarks of one configuration share their launch pairs, and so are not independent of each other."""
    launches: tuple[LaunchPair, ...]

    def __post_init__(self) -> None:
        for number, launch in enumerate(self.launches, start=1):
            if not math.isfinite(launch.log_ratio):
                raise ValueError(f"launch pair {number} of {len(self.launches)} has the log ratio {launch.log_ratio}")


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Least squares of y = mu + order delta + noise."""

    estimate: float
    """mu: of two equal weights, one for each order, however many launch pairs each has."""
    order_effect: float
    """delta: how much slower, as a log ratio, a process comes out that is loaded first."""
    variance: float
    """Of the noise of a single launch pair."""
    degrees_of_freedom: int
    share: float
    """Of `variance`, what the estimate's variance is."""


def fit(launches: Sequence[LaunchPair]) -> Fit | None:
    """The fit of a benchmark's launch pairs; None where both orders are not there, or nothing is left for the noise."""
    return fit_of([(one.log_ratio, one.measured_first) for one in launches])


def fit_of(pairs: Sequence[tuple[float, bool]]) -> Fit | None:
    """The same of any number that a launch pair gives, each with whether the measured side was loaded first."""
    firsts = [value for value, measured_first in pairs if measured_first]
    seconds = [value for value, measured_first in pairs if not measured_first]
    df = len(pairs) - 2
    if not firsts or not seconds or df < 1:
        return None
    squares = math.fsum((value - fmean(group)) ** 2 for group in (firsts, seconds) for value in group)
    return Fit(
        estimate=(fmean(firsts) + fmean(seconds)) / 2,
        order_effect=(fmean(firsts) - fmean(seconds)) / 2,
        variance=squares / df,
        degrees_of_freedom=df,
        share=(1 / len(firsts) + 1 / len(seconds)) / 4,
    )


@dataclass(frozen=True, kw_only=True)
class Overall:
    """Several benchmarks together."""

    ratio: float
    """Geometric mean of *measured / reference* over the benchmarks."""
    interval: tuple[float, float]
    """Of it, with `pass_level` on each side."""
    benchmarks: int


def overall(duets: Sequence[Duet], policy: DuetPolicy) -> Overall | None:
    """The mean log ratio of benchmarks, with an interval for these very benchmarks; None of none that can be fitted.

    Problem sizes of a configuration share their launch pairs, so that a launch pair counts once, with the mean over the
    problem sizes; those that only some of them had are left out. Degrees of freedom are Satterthwaite's.
    """
    configurations: dict[str, list[Duet]] = {}
    for duet in duets:
        configurations.setdefault(duet.configuration, []).append(duet)
    fits: list[tuple[int, Fit]] = []
    for members in configurations.values():
        least = min(len(one.launches) for one in members)
        together = [
            LaunchPair(log_ratio=fmean(one.log_ratio for one in pairs), measured_first=pairs[0].measured_first)
            for pairs in zip(*(one.launches[:least] for one in members), strict=True)
        ]
        if (found := fit(together)) is not None:
            fits.append((len(members), found))
    if not fits:
        return None
    total = sum(weight for weight, _ in fits)
    estimate = math.fsum(weight * one.estimate for weight, one in fits) / total
    parts = [(weight / total) ** 2 * max(one.variance, policy.smallest_sd**2) * one.share for weight, one in fits]
    variance = math.fsum(parts)
    df = variance**2 / math.fsum(part**2 / one.degrees_of_freedom for part, (_, one) in zip(parts, fits, strict=True))
    mean = Difference(estimate=estimate, standard_error=math.sqrt(variance), degrees_of_freedom=df)
    return Overall(ratio=mean.ratio, interval=mean.interval(policy.pass_level), benchmarks=total)
