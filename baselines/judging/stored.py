"""The rule for accepted runs: which benchmarks became slower, and what the data cannot tell. In prose: docs/verdicts.md.

Functions of numbers: nothing is read, printed or remembered, and scipy is imported when something is judged.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from baselines.judging.difference import Difference, share_of
from baselines.judging.history import History, checked_launches
from baselines.judging.holm import holm
from baselines.judging.judgement import Against, Evidence, Judgement, Verdict
from baselines.judging.policy import Policy, check_effect
from baselines.judging.spread import Spread, against_anchor, against_baseline, spreads_of
from baselines.judging.wording import counted, interval_text, percent


def judge_launches(
    launches: Sequence[float],
    history: History,
    spread: Spread,
    policy: Policy,
    *,
    evidence: Evidence,
    comparisons: int,
    min_effect: float | None = None,
) -> Judgement:
    """Judges a benchmark while its run goes on.

    By the run's own launches (`SCREEN`) it is never red: it is passed, improved, or inconclusive and then perhaps suspect.
    A suspect is judged by fresh launches alone (`CONFIRMED`). They share the session of the suspicious ones; the level does
    not need them to be independent, because `comparisons` counts every benchmark that could have become a suspect.

    Args:
        launches: log values, one per launch, of which more is slower.
        history: with at least one accepted run; `new` is the verdict without.
        spread: from `spreads_of`, over all benchmarks of the baseline.
        policy: the constants.
        evidence: which launches they are.
        comparisons: how many benchmarks of this run have accepted runs; they share the level (Bonferroni).
        min_effect: in place of the policy's.

    Raises:
        ValueError: a value is NaN or infinite, there is no launch, or a number makes no sense.
    """
    case = _case(launches, history, spread, policy, min_effect=min_effect)
    return _judged(case, policy, evidence=evidence, comparisons=comparisons, factor=comparisons)


def judge_run(
    measured: Mapping[str, tuple[float, ...]],
    histories: Mapping[str, History],
    policy: Policy,
    *,
    expected: Mapping[str, str] | None = None,
    min_effects: Mapping[str, float] | None = None,
    incomparable: Mapping[str, str] | None = None,
) -> dict[str, Judgement]:
    """Judges a whole run of which no more launches can be had: red by Holm at `benchmark_level` over those compared.

    Args:
        measured: log values per benchmark, one per launch.
        histories: every benchmark of the baseline, including those this run did not mean to measure: their spread counts.
        policy: the constants.
        expected: benchmarks of the baseline that should have been measured, and what became of each; those not measured are
            missing. None: every benchmark with an accepted run was expected.
        min_effects: in place of the policy's, per benchmark.
        incomparable: measured benchmarks that are not those of the baseline, and why.

    Raises:
        ValueError: as for `judge_launches`, with the benchmark's name.
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
    red = {name for name, p_value in adjusted.items() if p_value <= policy.benchmark_level}
    judgements = {}
    for name, launches in measured.items():
        if name in incomparable:
            judgements[name] = Judgement(verdict=Verdict.INCOMPARABLE, reason=incomparable[name])
        elif name in cases:
            # Holm in one factor for each: a p value is rejected exactly if it is so beside the others that are.
            factor = len(cases) - len(red - {name})
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
    one_sitting: str | None  # why the accepted runs can convict nobody

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
        one_sitting=spread.one_sitting,
    )


def _judged(case: _Case, policy: Policy, *, evidence: Evidence, comparisons: int, factor: int) -> Judgement:
    """The verdict; `factor` is what multiplicity multiplies a p value by, `comparisons` at most."""
    if comparisons < 1:
        raise ValueError(f"{comparisons} comparisons")
    base, anchor = case.baseline, case.anchor
    red = evidence is not Evidence.SCREEN and case.p_value * factor <= policy.benchmark_level
    over_baseline = base.p_above(case.margin) * case.tests * factor <= policy.benchmark_level
    # Enough to keep it from passing; red asks for more.
    crept = anchor is not None and anchor.estimate > case.creep and anchor.p_above(0.0) <= policy.screen_level
    passes = base.upper_bound(policy.pass_level) < case.allowance
    faster = base.p_below(-case.margin) * comparisons <= policy.benchmark_level
    seems_slower = base.p_above(0.0) <= policy.screen_level or base.estimate > case.allowance

    against, withheld = Against.BASELINE, red and case.one_sitting is not None
    if red:
        verdict = Verdict.INCONCLUSIVE if withheld else Verdict.REGRESSED
        against = Against.BASELINE if over_baseline or anchor is None else Against.ANCHOR
    elif crept and (passes or not seems_slower):
        verdict, against = Verdict.INCONCLUSIVE, Against.ANCHOR
    elif faster and case.one_sitting is None:
        verdict = Verdict.IMPROVED
    elif passes:
        verdict = Verdict.PASSED
    else:
        verdict = Verdict.INCONCLUSIVE

    shown = anchor if against is Against.ANCHOR and anchor is not None else base
    margin = case.creep if against is Against.ANCHOR else case.margin
    limit = margin + shown.reach(policy.benchmark_level / (factor * case.tests))
    judgement = Judgement(
        verdict=verdict,
        reason="",
        evidence=evidence,
        against=against,
        suspect=evidence is not Evidence.CONFIRMED and verdict is Verdict.INCONCLUSIVE and (seems_slower or crept),
        withheld=withheld,
        ratio=shown.ratio,
        interval=shown.interval(policy.pass_level),
        allowance=share_of(case.creep if against is Against.ANCHOR else case.allowance),
        limit=share_of(limit),
        smallest_visible=share_of(limit + shown.reach(1 - policy.power)),
        p_value=case.p_value,
        degrees_of_freedom=shown.degrees_of_freedom,
        comparisons=comparisons,
        runs=case.runs,
        launches=case.launches,
    )
    return replace(judgement, reason=_reason(judgement, case))


def _reason(judgement: Judgement, case: _Case) -> str:
    """One sentence; its numbers are the judgement's."""
    assert judgement.ratio is not None and judgement.interval is not None  # noqa: S101, PT018 - what is compared has both
    what = "the anchor" if judgement.against is Against.ANCHOR else counted(judgement.runs, "accepted run")
    said = f"{percent(judgement.ratio)} ({interval_text(judgement.interval)}) against {what}"
    if case.from_prior:
        said += ", too few to know their spread"
    among = f"among {counted(judgement.comparisons or 0, 'comparison')}"
    allowance, limit, visible = (
        percent(1 + (x or 0.0)) for x in (judgement.allowance, judgement.limit, judgement.smallest_visible)
    )
    if judgement.withheld:
        return f"{said}: more than these runs differ by, but {case.one_sitting}"
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
        return f"{said}: suspect, to be re-measured; {seen}"
    return f"{said}: neither within the allowed {allowance} nor beyond noise; {seen}"
