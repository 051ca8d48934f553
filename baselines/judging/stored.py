"""The rule: which benchmarks became slower, and what the data cannot tell. docs/verdicts.md says it in prose.

Functions of numbers: nothing is read, printed or remembered, and scipy is imported when something is judged. judgement.py
holds what goes in and comes out, spread.py how far apart runs lie, moderation.py what variances say of each other.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median, stdev

from baselines.judging.judgement import (
    Against,
    Evidence,
    History,
    Judgement,
    Policy,
    SuiteShift,
    Verdict,
    check_effect,
    checked_launches,
)
from baselines.judging.spread import Difference, Spread, against_anchor, against_baseline, run_value, spreads_of

LARGEST_LOG = math.log(1e9)
"""Ratios and limits beyond a factor of 10^9 are given as this: they stay finite, and say no more than "far"."""


def screen(
    launches: Sequence[float],
    history: History,
    spread: Spread,
    policy: Policy,
    *,
    comparisons: int,
    min_effect: float | None = None,
) -> Judgement:
    """Judges the run's own launches: passed, improved, or inconclusive, and then perhaps suspect. Convicts nobody.

    Args:
        launches: log values, one per launch, of which more is slower.
        history: with at least one accepted run; `new` is the verdict without.
        spread: from `spreads_of`, over all benchmarks of the baseline.
        policy: the constants.
        comparisons: how many benchmarks of this run have accepted runs; they share the level (Bonferroni).
        min_effect: in place of the policy's.

    Raises:
        ValueError: a value is NaN or infinite, there is no launch, or a number makes no sense.
    """
    case = _case(launches, history, spread, policy, min_effect=min_effect)
    return _judged(case, policy, evidence=Evidence.SCREEN, comparisons=comparisons, factor=comparisons)


def confirm(
    launches: Sequence[float],
    history: History,
    spread: Spread,
    policy: Policy,
    *,
    comparisons: int,
    min_effect: float | None = None,
) -> Judgement:
    """Judges a suspect by fresh launches alone; arguments and errors as for `screen`.

    The fresh launches share the session of the suspicious ones. The level does not need them to be independent, because
    `comparisons` counts every benchmark that could have become a suspect, not only those that did.
    """
    case = _case(launches, history, spread, policy, min_effect=min_effect)
    return _judged(case, policy, evidence=Evidence.CONFIRMED, comparisons=comparisons, factor=comparisons)


def judge_run(
    measured: Mapping[str, tuple[float, ...]],
    histories: Mapping[str, History],
    policy: Policy,
    *,
    expected: Mapping[str, str] | None = None,
    min_effects: Mapping[str, float] | None = None,
    incomparable: Mapping[str, str] | None = None,
) -> dict[str, Judgement]:
    """Judges a whole run of which no more launches can be had; conviction by Holm at `level` over the benchmarks compared.

    Args:
        measured: log values per benchmark, one per launch.
        histories: every benchmark of the baseline, including those this run did not mean to measure: their spread counts.
        policy: the constants.
        expected: benchmarks of the baseline that should have been measured, and what became of each; those not measured are
            missing. None: every benchmark with an accepted run was expected.
        min_effects: in place of the policy's, per benchmark.
        incomparable: measured benchmarks that are not those of the baseline, and why.

    Raises:
        ValueError: as for `screen`, with the benchmark's name.
    """
    min_effects, incomparable = min_effects or {}, incomparable or {}
    spreads = spreads_of(histories, policy)
    cases = {}
    for name, launches in measured.items():
        if name in spreads and name not in incomparable:
            try:
                cases[name] = _case(launches, histories[name], spreads[name], policy, min_effect=min_effects.get(name))
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error
    adjusted = holm({name: case.p_value for name, case in cases.items()})
    convicted = {name for name, p_value in adjusted.items() if p_value <= policy.level}
    judgements = {}
    for name, launches in measured.items():
        if name in incomparable:
            judgements[name] = Judgement(verdict=Verdict.INCOMPARABLE, reason=incomparable[name])
        elif name in cases:
            # Holm in one factor for each: a p value is convicted exactly if it is so beside the others that are.
            factor = len(cases) - len(convicted - {name})
            judgements[name] = _judged(cases[name], policy, evidence=Evidence.RUN, comparisons=len(cases), factor=factor)
        else:
            checked_launches(launches, what=name)
            judgements[name] = Judgement(verdict=Verdict.NEW, reason="no accepted run has it", launches=len(launches))
    if expected is None:
        expected = dict.fromkeys(spreads, "not in this run")
    for name, became in expected.items():
        if name in spreads and name not in measured:
            judgements[name] = Judgement(verdict=Verdict.MISSING, reason=became, runs=len(histories[name].runs))
    return judgements


def holm(p_values: Mapping[str, float], *, comparisons: int | None = None) -> dict[str, float]:
    """Holm's adjusted p values: those at or below a level may be rejected together, with that chance of any error.

    Args:
        p_values: of the tests that were made.
        comparisons: how many could have been made, when those given were picked by their data; the others count as 1.

    Raises:
        ValueError: a p value is not between 0 and 1, or fewer comparisons than p values.
    """
    comparisons = len(p_values) if comparisons is None else comparisons
    if comparisons < len(p_values):
        raise ValueError(f"{len(p_values)} p values among {comparisons} comparisons")
    adjusted: dict[str, float] = {}
    largest = 0.0
    for position, (name, p_value) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        if not 0 <= p_value <= 1:
            raise ValueError(f"{name}: a p value of {p_value}")
        largest = max(largest, min(1.0, p_value * (comparisons - position)))
        adjusted[name] = largest
    return {name: adjusted[name] for name in p_values}


def suite_shift(measured: Mapping[str, tuple[float, ...]], histories: Mapping[str, History], policy: Policy) -> SuiteShift:
    """Whether the typical benchmark became slower than in the accepted runs.

    Per run, the median over benchmarks of the difference from each benchmark's own mean over the accepted runs. What all
    benchmarks of a run share does not average out over them, so the runs are the observations and their own medians give the
    spread: Student, one degree of freedom less than runs. Compared are the benchmarks that have the same accepted runs, and
    where these differ the largest such group.

    Raises:
        ValueError: a value is NaN or infinite, or a benchmark has no launch.
    """
    groups = Counter(_which_runs(histories[name]) for name in measured if name in histories and histories[name].runs)
    if not groups:
        return SuiteShift(verdict=None, reason="no benchmark has an accepted run")
    common = max(groups, key=lambda ids: (groups[ids], len(ids)))
    names = [name for name in measured if name in histories and _which_runs(histories[name]) == common]
    count = len(common)
    if count < policy.suite_runs or len(names) < 2:
        return SuiteShift(
            verdict=None,
            reason=f"not testable: {_counted(count, 'accepted run')} with {_counted(len(names), 'common benchmark')}; "
            f"it takes {policy.suite_runs} runs and 2 benchmarks",
            runs=count,
            benchmarks=len(names),
        )
    values = {name: [run_value(run) for run in histories[name].runs] for name in names}
    centres = {name: fmean(runs) for name, runs in values.items()}
    accepted = [median(values[name][number] - centres[name] for name in names) for number in range(count)]
    now = median(run_value(checked_launches(measured[name], what=name)) - centres[name] for name in names)
    difference = Difference(
        estimate=now - fmean(accepted),
        standard_error=max(stdev(accepted), policy.smallest_run_sd) * math.sqrt(1 + 1 / count),
        degrees_of_freedom=count - 1,
    )
    margin = math.log1p(policy.suite_min_effect)
    slower = difference.p_above(margin)
    limit = margin + difference.reach(policy.suite_level)
    ratio, interval = _ratio(difference.estimate), _interval(difference, policy.pass_level)
    said = f"the typical of {len(names)} benchmarks {_change(ratio)} ({_range(interval)}) against {count} accepted runs"
    verdict = Verdict.INCONCLUSIVE
    if slower <= policy.suite_level:
        verdict = Verdict.REGRESSED
        reason = f"{said}: beyond {_percent(_share(limit))}, more than the suite's own spread between runs explains"
    elif difference.p_below(-margin) <= policy.suite_level:
        verdict = Verdict.IMPROVED
        reason = f"{said}: more than the suite's own spread between runs explains"
    else:
        reason = f"{said}: no shift of the whole suite shown"
    return SuiteShift(
        verdict=verdict,
        reason=reason,
        ratio=ratio,
        interval=interval,
        smallest_visible=_share(limit + difference.reach(1 - policy.power)),
        p_value=slower,
        degrees_of_freedom=difference.degrees_of_freedom,
        runs=count,
        benchmarks=len(names),
    )


@dataclass(frozen=True, kw_only=True)
class _Case:
    """One benchmark's comparisons, before anything is said of it."""

    baseline: Difference
    anchor: Difference | None
    p_value: float
    allowance: float  # of the logarithm
    margin: float  # the minimum effect, of the logarithm
    creep: float  # the creep limit, of the logarithm
    runs: int
    launches: int
    from_prior: bool

    @property
    def tests(self) -> int:
        """How many tests share this benchmark's part of the level."""
        return 1 if self.anchor is None else 2


def _case(launches: Sequence[float], history: History, spread: Spread, policy: Policy, *, min_effect: float | None) -> _Case:
    launches = checked_launches(launches, what="the measured run")
    if not history.runs:
        raise ValueError("no accepted run to compare with")
    min_effect = policy.min_effect if min_effect is None else min_effect
    check_effect("min_effect", min_effect)
    margin, creep = math.log1p(min_effect), math.log1p(policy.creep_limit)
    baseline = against_baseline(launches, history, spread)
    p_value = baseline.p_above(margin)
    anchor = None
    if history.anchor is not None:
        anchor = against_anchor(launches, history.anchor, spread)
        p_value = min(1.0, 2 * min(p_value, anchor.p_above(creep)))
    stretched = margin + math.sqrt(spread.run_variance)
    return _Case(
        baseline=baseline,
        anchor=anchor,
        p_value=p_value,
        allowance=min(stretched, max(margin, math.log1p(policy.largest_allowance))),
        margin=margin,
        creep=creep,
        runs=len(history.runs),
        launches=len(launches),
        from_prior=spread.from_prior,
    )


def _judged(case: _Case, policy: Policy, *, evidence: Evidence, comparisons: int, factor: int) -> Judgement:
    """The verdict; `factor` is what multiplicity multiplies a p value by, `comparisons` at most."""
    if comparisons < 1:
        raise ValueError(f"{comparisons} comparisons")
    may_convict = evidence is not Evidence.SCREEN
    base, anchor = case.baseline, case.anchor
    convicted = may_convict and case.p_value * factor <= policy.level
    over_baseline = base.p_above(case.margin) * case.tests * factor <= policy.level
    # Enough to keep it from passing; conviction asks for more.
    crept = anchor is not None and anchor.estimate > case.creep and anchor.p_above(0.0) <= policy.screen_level
    passes = base.upper_bound(policy.pass_level) < case.allowance
    faster = base.p_below(-case.margin) * comparisons <= policy.level
    accused = base.p_above(0.0) <= policy.screen_level or base.estimate > case.allowance

    against = Against.BASELINE
    if convicted:
        verdict = Verdict.REGRESSED
        against = Against.BASELINE if over_baseline or anchor is None else Against.ANCHOR
    elif crept and (passes or not accused):
        verdict, against = Verdict.INCONCLUSIVE, Against.ANCHOR
    elif faster:
        verdict = Verdict.IMPROVED
    elif passes:
        verdict = Verdict.PASSED
    else:
        verdict = Verdict.INCONCLUSIVE

    shown = anchor if against is Against.ANCHOR and anchor is not None else base
    margin = case.creep if against is Against.ANCHOR else case.margin
    limit = margin + shown.reach(policy.level / (factor * case.tests))
    judgement = Judgement(
        verdict=verdict,
        reason="",
        evidence=evidence,
        against=against,
        suspect=evidence is not Evidence.CONFIRMED and verdict is Verdict.INCONCLUSIVE and (accused or crept),
        ratio=_ratio(shown.estimate),
        interval=_interval(shown, policy.pass_level),
        allowance=_share(case.creep if against is Against.ANCHOR else case.allowance),
        limit=_share(limit),
        smallest_visible=_share(limit + shown.reach(1 - policy.power)),
        p_value=case.p_value,
        degrees_of_freedom=shown.degrees_of_freedom,
        comparisons=comparisons,
        runs=case.runs,
        launches=case.launches,
    )
    return replace(judgement, reason=_reason(judgement, spread_unknown=case.from_prior))


def _reason(judgement: Judgement, *, spread_unknown: bool) -> str:
    """One sentence; its numbers are the judgement's."""
    assert judgement.ratio is not None and judgement.interval is not None  # noqa: S101, PT018 - what is compared has both
    what = "the anchor" if judgement.against is Against.ANCHOR else _counted(judgement.runs, "accepted run")
    said = f"{_change(judgement.ratio)} ({_range(judgement.interval)}) against {what}"
    if spread_unknown:
        said += ", too few to know their spread"
    among = f"among {_counted(judgement.comparisons or 0, 'comparison')}"
    allowance, limit, visible = (
        _percent(x or 0.0) for x in (judgement.allowance, judgement.limit, judgement.smallest_visible)
    )
    match judgement.verdict, judgement.against:
        case Verdict.REGRESSED, Against.ANCHOR:
            return f"{said}: crept beyond {allowance} in small steps; noise reaches {limit} {among}"
        case Verdict.REGRESSED, _:
            return f"{said}: noise and the minimum effect reach {limit} {among}"
        case Verdict.IMPROVED, _:
            return f"{said}: more than noise and the minimum effect explain {among}"
        case Verdict.PASSED, _:
            return f"{said}: less than the allowed {allowance}"
    seen = f"a slowdown of {visible} would have been seen"
    if judgement.suspect and judgement.evidence is Evidence.SCREEN:
        return f"{said}: suspect, to be measured again; {seen}"
    return f"{said}: neither within the allowed {allowance} nor beyond noise; {seen}"


def _which_runs(history: History) -> tuple[str, ...]:
    """The runs of a benchmark, by their ids or else by their distance from the newest."""
    return history.run_ids or tuple(f"-{number}" for number in range(len(history.runs), 0, -1))


def _interval(difference: Difference, level: float) -> tuple[float, float]:
    """Of the ratio, with `level` on each side."""
    reach = difference.reach(level)
    return _ratio(difference.estimate - reach), _ratio(difference.estimate + reach)


def _ratio(logarithm: float) -> float:
    return math.exp(max(-LARGEST_LOG, min(LARGEST_LOG, logarithm)))


def _share(logarithm: float) -> float:
    return math.expm1(max(-LARGEST_LOG, min(LARGEST_LOG, logarithm)))


def _percent(share: float) -> str:
    """`+14.2 %`; beyond a factor of ten the factor itself says more, and beyond a thousand hardly anything does."""
    if share < 9:
        return f"{100 * share:+.1f} %"
    return f"x {share + 1:.3g}" if share < 999 else "over x 1000"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


def _change(ratio: float) -> str:
    return _percent(ratio - 1)


def _range(interval: tuple[float, float]) -> str:
    return f"{_change(interval[0])} to {_change(interval[1])}"
