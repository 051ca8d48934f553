"""The rule for a duet: which benchmarks became slower from one environment to another. In prose: docs/duet.md.

In a duet two environments take turns on the same CPUs, so that what the machine does hits both alike. Each launch pair gives
one number, the logarithm of *measured / reference*. The process that is loaded first comes out slower, whichever it is
(docs/fidelity.md), so launch pairs swap the order and it is estimated beside the ratio:

    y[k] = mu + order[k] delta + noise[k],    order[k] = +1 where the measured side was loaded first, -1 otherwise

Functions of numbers, as those of stored.py; accepted runs have no part in it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from baselines.judging.difference import Difference, ratio_of, share_of
from baselines.judging.holm import holm
from baselines.judging.judgement import Against, Evidence, Judgement, Verdict
from baselines.judging.launch_pairs import Duet, fit
from baselines.judging.looks import ONLY_LOOK, Look
from baselines.judging.policy import DuetPolicy, check_effect
from baselines.judging.wording import counted, percent


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
    visible = share_of(limit + found.reach(1 - policy.power))
    said = f"{launches} launch pairs; {counted(comparisons, 'comparison')}"
    said += f"; {look}" if look.of > 1 else ""
    reasons = {
        Verdict.REGRESSED: f"beyond {percent(ratio_of(limit))}, which noise reaches; {said}",
        Verdict.IMPROVED: f"faster by more than noise explains; {said}",
        Verdict.PASSED: f"a slowdown of {percent(1 + min_effect)} is excluded; {said}",
        Verdict.INCONCLUSIVE: f"a slowdown of {percent(1 + visible)} would have been seen; {said}",
    }
    return Judgement(
        verdict=verdict,
        reason=reasons[verdict],
        evidence=Evidence.DUET,
        against=Against.REFERENCE,
        ratio=found.ratio,
        interval=found.interval(pass_level),
        allowance=min_effect,
        limit=share_of(limit),
        smallest_visible=visible,
        p_value=min(1.0, slower / look.share) if found.estimate >= floor else 1.0,
        degrees_of_freedom=found.degrees_of_freedom,
        comparisons=comparisons,
        launches=launches,
    )


def red_together(judgements: Mapping[str, Judgement], policy: DuetPolicy, *, comparisons: int) -> list[str]:
    """Benchmarks that Holm's rule finds slower at the end of a run and Bonferroni's did not while it went on.

    The p values are those of the judgements, divided by the share of the look that each comes from, so that the chance of
    any false one stays `level`.
    """
    known = {name: one.p_value for name, one in judgements.items() if one.p_value is not None}
    adjusted = holm(known, comparisons=comparisons)
    return [name for name, p in adjusted.items() if p <= policy.level and judgements[name].verdict is not Verdict.REGRESSED]


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
