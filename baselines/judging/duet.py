"""The rule of a duet: which benchmarks became slower from one environment to another. docs/duet.md says it in prose.

In a duet two environments take turns on the same CPUs, so that what the machine does hits both alike. Each launch pair gives
one number, the logarithm of *measured / reference*. The process that is loaded first comes out slower, whichever it is
(docs/fidelity.md), so launch pairs swap the order and it is estimated beside the ratio:

    y[k] = mu + order[k] delta + noise[k],    order[k] = +1 where the measured side was loaded first, -1 otherwise

Functions of numbers, as stored.py's; accepted runs play no part here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from baselines.judging.judgement import Against, Evidence, Judgement, Verdict, check_effect
from baselines.judging.spread import Difference
from baselines.judging.stored import holm
from baselines.judging.wording import percent


@dataclass(frozen=True, kw_only=True)
class DuetPolicy:
    """Every constant of the rule. docs/duet.md says where each comes from."""

    level: float = 0.01
    """Chance that a run of two equal environments has any benchmark regressed."""
    harmless: float = 0.005
    """The hypothesis that must be rejected: slower by no more than this."""
    min_effect: float = 0.015
    """No slowdown that was measured smaller is red; `@pytest.mark.regression(min_effect=...)` sets it per benchmark."""
    pass_level: float = 0.05
    """Chance that a benchmark slower by `min_effect` passes; the printed interval has a look's share of it on each side."""
    smallest_sd: float = 0.001
    """No spread between launch pairs is believed below this: pairs that agree exactly do not make a measurement exact."""
    least_launches: int = 4
    """Launch pairs below which nothing is judged: two degrees of freedom are left beside the ratio and the order."""
    power: float = 0.90
    """Chance with which the smallest visible slowdown would have been seen."""

    def __post_init__(self) -> None:
        for name in ("level", "pass_level"):
            if not 0 < getattr(self, name) < 0.5:
                raise ValueError(f"{name} is {getattr(self, name)}: not between 0 and 0.5")
        for name in ("harmless", "min_effect"):
            check_effect(name, getattr(self, name))
        if not 0.5 <= self.power < 1 or self.smallest_sd <= 0 or self.least_launches < 4:
            raise ValueError("power is from 0.5 to below 1, smallest_sd above 0, least_launches at least 4")


@dataclass(frozen=True, kw_only=True)
class Look:
    """One of the times that a benchmark is judged: again with more launch pairs, for as long as it is inconclusive.

    Whoever looks several times errs more often than whoever looks once. So the looks share what a duet may err: the level of
    a look is the level times its share, and whichever look it ends with, together they err no more often than the level says
    (Boole), however the looks depend on each other, if each errs no more often than its own. That spreads are moderated over
    benchmarks of which the quieter ones stop sooner is beyond that argument; a simulation has it (tests/test_duet.py).

    Raises:
        ValueError: it is none of as many.
    """

    number: int = 1
    """From 1."""
    of: int = 1
    """How many there are at most."""

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of:
            raise ValueError(f"look {self.number} of {self.of}")

    @classmethod
    def all(cls, count: int) -> tuple[Look, ...]:
        """So many, in their order."""
        return tuple(cls(number=number, of=count) for number in range(1, count + 1))

    @property
    def share(self) -> float:
        """Half of what is left; the last takes the rest: 1/2, 1/4 and 1/4 of three."""
        return 0.5 ** min(self.number, self.of - 1)

    def __str__(self) -> str:
        return f"look {self.number} of {self.of}"


ONLY_LOOK: Final = Look()


def looks_of(first: int, most: int) -> tuple[int, ...]:
    """After how many launch pairs a benchmark is judged: `first`, twice as many while that is below `most`, and `most`."""
    looks = [first]
    while 2 * looks[-1] < most:
        looks.append(2 * looks[-1])
    return tuple(dict.fromkeys((*looks, most)))


@dataclass(frozen=True, kw_only=True)
class LaunchPair:
    """What one launch of both sides says of one benchmark."""

    log_ratio: float
    """Logarithm of *measured / reference* as times: above 0 the measured side is slower."""
    measured_first: bool
    """Whether the measured side was loaded first."""


@dataclass(frozen=True, kw_only=True)
class Duet:
    """The launch pairs of one benchmark.

    Raises:
        ValueError: a log ratio is NaN or infinite.
    """

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
    firsts = [one.log_ratio for one in launches if one.measured_first]
    seconds = [one.log_ratio for one in launches if not one.measured_first]
    df = len(launches) - 2
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


def difference(name: str, duets: Mapping[str, Duet], policy: DuetPolicy) -> Difference | None:
    """The log ratio of one benchmark with its standard error, its spread moderated by those of its backend.

    What spreads have in common (limma's prior, as for accepted runs) is learned from as many launch pairs of each benchmark
    as the one with the fewest has: one that stops sooner does so because it seemed quiet, and would speak too well of the
    others. It weighs as the prior's degrees of freedom, but never more than those of the other configurations: problem
    sizes of one share their launch pairs, and however many there are, together they have the degrees of freedom of one.

    Returns:
        None where its launch pairs are too few, or all in one order.
    """
    own = fit(duets[name].launches)
    if own is None or len(duets[name].launches) < policy.least_launches:
        return None
    from baselines.judging.moderation import squeeze

    beside = {key: one for key, one in duets.items() if one.backend == duets[name].backend}
    fewest = min(len(one.launches) for one in beside.values())
    fits = {key: found for key, one in beside.items() if (found := fit(one.launches[:fewest])) is not None}
    elsewhere = {duets[key].configuration for key in fits} - {duets[name].configuration}
    floor, df, weight, common = policy.smallest_sd**2, float(own.degrees_of_freedom), 0.0, 0.0
    if elsewhere:
        variances = [max(one.variance, floor) for one in fits.values()]
        prior = squeeze(variances, [float(one.degrees_of_freedom) for one in fits.values()])
        weight = min(prior.prior_degrees_of_freedom, float(len(elsewhere) * (fewest - 2)))
        common = prior.prior_variance
    variance = (df * max(own.variance, floor) + weight * common) / (df + weight)
    return Difference(estimate=own.estimate, standard_error=math.sqrt(variance * own.share), degrees_of_freedom=df + weight)


def judge_duet(
    name: str,
    duets: Mapping[str, Duet],
    policy: DuetPolicy,
    *,
    comparisons: int,
    min_effect: float | None = None,
    look: Look = ONLY_LOOK,
) -> Judgement:
    """The verdict on one benchmark of a duet.

    Args:
        name: which of `duets`.
        duets: what has been measured so far, it among them; of the others only the spread is used.
        policy: the constants.
        comparisons: how many benchmarks the run compares; they share the level (Bonferroni).
        min_effect: in place of the policy's.
        look: which of the times that it may be judged.

    Raises:
        ValueError: fewer comparisons than 1, or a min_effect that is no share.
    """
    if comparisons < 1:
        raise ValueError(f"{comparisons} comparisons")
    min_effect = policy.min_effect if min_effect is None else min_effect
    check_effect("min_effect", min_effect)
    launches = len(duets[name].launches)
    found = difference(name, duets, policy)
    if found is None:
        needed = f"it takes {policy.least_launches}, in both orders"
        reason = f"{launches} launch pairs are too few to know how far they spread: {needed}"
        return Judgement(verdict=Verdict.INCONCLUSIVE, reason=reason, evidence=Evidence.DUET, launches=launches)
    harmless, floor = math.log1p(policy.harmless), math.log1p(min_effect)
    slower, faster = found.p_above(harmless), found.p_below(-harmless)
    level, pass_level = policy.level * look.share / comparisons, policy.pass_level * look.share
    limit = max(floor, harmless + found.reach(level))
    if slower <= level and found.estimate >= floor:
        verdict = Verdict.REGRESSED
    elif faster <= level and found.estimate <= -floor:
        verdict = Verdict.IMPROVED
    elif found.upper_bound(pass_level) < floor:
        verdict = Verdict.PASSED
    else:
        verdict = Verdict.INCONCLUSIVE
    reach = found.reach(pass_level)
    interval = (math.exp(found.estimate - reach), math.exp(found.estimate + reach))
    visible = math.expm1(limit + found.reach(1 - policy.power))
    said = f"{launches} launch pairs; {comparisons} comparison{'s' * (comparisons != 1)}"
    said += f"; {look}" if look.of > 1 else ""
    reasons = {
        Verdict.REGRESSED: f"beyond {percent(math.exp(limit))}, which noise reaches; {said}",
        Verdict.IMPROVED: f"faster by more than noise explains; {said}",
        Verdict.PASSED: f"a slowdown of {percent(1 + min_effect)} is excluded; {said}",
        Verdict.INCONCLUSIVE: f"a slowdown of {percent(1 + visible)} would have been seen; {said}",
    }
    return Judgement(
        verdict=verdict,
        reason=reasons[verdict],
        evidence=Evidence.DUET,
        against=Against.REFERENCE,
        ratio=math.exp(found.estimate),
        interval=interval,
        allowance=min_effect,
        limit=math.expm1(limit),
        smallest_visible=visible,
        p_value=min(1.0, slower / look.share) if found.estimate >= floor else 1.0,
        degrees_of_freedom=found.degrees_of_freedom,
        comparisons=comparisons,
        launches=launches,
    )


def convicted_together(judgements: Mapping[str, Judgement], policy: DuetPolicy, *, comparisons: int) -> list[str]:
    """Benchmarks that Holm's rule finds slower at the end of a run and Bonferroni's did not while it went on.

    The p values are those of the judgements, divided by the share of the look that each comes from, so that the chance of
    any false one stays `level`.
    """
    known = {name: one.p_value for name, one in judgements.items() if one.p_value is not None}
    adjusted = holm(known, comparisons=comparisons)
    return [name for name, p in adjusted.items() if p <= policy.level and judgements[name].verdict is not Verdict.REGRESSED]


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
    weights, fits = [], []
    for members in configurations.values():
        least = min(len(one.launches) for one in members)
        together = [
            LaunchPair(log_ratio=fmean(one.log_ratio for one in pairs), measured_first=pairs[0].measured_first)
            for pairs in zip(*(one.launches[:least] for one in members), strict=True)
        ]
        if (found := fit(together)) is not None:
            weights.append(len(members))
            fits.append(found)
    if not fits:
        return None
    total = sum(weights)
    estimate = math.fsum(weight * one.estimate for weight, one in zip(weights, fits, strict=True)) / total
    parts = [
        (weight / total) ** 2 * max(one.variance, policy.smallest_sd**2) * one.share
        for weight, one in zip(weights, fits, strict=True)
    ]
    variance = math.fsum(parts)
    df = variance**2 / math.fsum(part**2 / one.degrees_of_freedom for part, one in zip(parts, fits, strict=True))
    reach = Difference(estimate=estimate, standard_error=math.sqrt(variance), degrees_of_freedom=df).reach(policy.pass_level)
    return Overall(
        ratio=math.exp(estimate), interval=(math.exp(estimate - reach), math.exp(estimate + reach)), benchmarks=total
    )


def power(policy: DuetPolicy, *, effect: float, sd: float, launches: int, comparisons: int, look: Look = ONLY_LOOK) -> float:
    """Chance that a benchmark that is slower by `effect` is regressed at a look, judged by its own launch pairs alone.

    Args:
        policy: the constants.
        effect: true slowdown as a share, 0.03 for 3 %.
        sd: standard deviation of a launch pair's log ratio, beside the order effect.
        launches: pairs, half of them in each order.
        comparisons: how many benchmarks share the level.
        look: whose share of the level it has.

    Returns:
        From the noncentral t distribution; the floor on the estimate is left out, which matters for effects near it only.
    """
    from scipy.stats import nct, t

    df = launches - 2
    shift = (math.log1p(effect) - math.log1p(policy.harmless)) / (sd / math.sqrt(launches))
    return float(nct.sf(t.isf(policy.level * look.share / comparisons, df), df, shift))
