"""The rule for many benchmarks at once: whether the suite became slower as a whole, or a backend beside the others."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean, median, stdev

from baselines.judging.difference import Difference, ratio_of, share_of
from baselines.judging.history import History, checked_launches
from baselines.judging.judgement import SuiteShift, Verdict
from baselines.judging.policy import Policy
from baselines.judging.sittings import one_sitting
from baselines.judging.spread import run_value
from baselines.judging.wording import counted, interval_text, percent


def suite_shift(measured: Mapping[str, tuple[float, ...]], histories: Mapping[str, History], policy: Policy) -> SuiteShift:
    """Whether the typical benchmark became slower than in the accepted runs.

    Per run, the median over benchmarks of the difference from each benchmark's own mean over the accepted runs. What all
    benchmarks of a run share does not average out over them, so the runs are the observations and their own medians give the
    spread: Student, one degree of freedom less than runs. Compared are the benchmarks that have the same accepted runs, and
    where these differ the largest such group.

    Raises:
        ValueError: a value is NaN or infinite, or a benchmark has no launch.
    """
    names = _common(measured, histories)
    if not names:
        return SuiteShift(verdict=None, reason="no benchmark has an accepted run")
    count = len(histories[names[0]].runs)
    if count < policy.suite_runs or len(names) < 2:
        return SuiteShift(
            verdict=None,
            reason=f"not testable: {counted(count, 'accepted run')} with {counted(len(names), 'common benchmark')}; "
            f"it takes {policy.suite_runs} runs and 2 benchmarks",
            runs=count,
            benchmarks=len(names),
        )
    away = _away(names, measured, histories)
    return _judged(
        [median(run) for run in away],
        policy,
        what=f"the typical of {len(names)} benchmarks",
        whom="the whole suite",
        level=policy.suite_level,
        near=one_sitting(histories[names[0]].moments, policy),
        benchmarks=len(names),
    )


def backend_shifts(
    measured: Mapping[str, tuple[float, ...]], histories: Mapping[str, History], policy: Policy, backends: Mapping[str, str]
) -> dict[str, SuiteShift]:
    """Whether the typical benchmark of a backend became slower than that of all others, by backend.

    Per run, the median over the backend's benchmarks of the difference from their own means, less the same of the others':
    what a session does to all backends is in neither. Student, as for the suite; the backends share `backend_level`. A
    backend is left out where it or the others have fewer than two benchmarks with the same `suite_runs` accepted runs.

    Args:
        measured: log values per benchmark, one per launch.
        histories: of the same benchmarks, and of others.
        policy: the constants.
        backends: whose benchmark each is.
    """
    names = _common(measured, histories)
    groups = {backend: [name for name in names if backends[name] == backend] for backend in sorted(set(backends.values()))}
    tested = {backend: own for backend, own in groups.items() if len(own) >= 2 and len(names) - len(own) >= 2}
    if not tested or len(histories[names[0]].runs) < policy.suite_runs:
        return {}
    found = {}
    for backend, own in tested.items():
        others = [name for name in names if name not in own]
        away, beside = (_away(some, measured, histories) for some in (own, others))
        found[backend] = _judged(
            [median(one) - median(other) for one, other in zip(away, beside, strict=True)],
            policy,
            what=f"{backend} beside the other backends, the typical of its {len(own)} benchmarks",
            whom="this backend",
            level=policy.backend_level / len(tested),
            near=one_sitting(histories[names[0]].moments, policy),
            benchmarks=len(own),
        )
    return found


def _common(measured: Mapping[str, object], histories: Mapping[str, History]) -> list[str]:
    """The measured benchmarks that have the same accepted runs, and where these differ the largest such group."""
    groups = Counter(_which_runs(histories[name]) for name in measured if name in histories and histories[name].runs)
    if not groups:
        return []
    common = max(groups, key=lambda ids: (groups[ids], len(ids)))
    return [name for name in measured if name in histories and _which_runs(histories[name]) == common]


def _away(
    names: Sequence[str], measured: Mapping[str, tuple[float, ...]], histories: Mapping[str, History]
) -> list[list[float]]:
    """Per run, the measured one last, how far each benchmark is from its own mean over the accepted runs."""
    values = [
        [*map(run_value, histories[name].runs), run_value(checked_launches(measured[name], what=name))] for name in names
    ]
    centres = [fmean(runs[:-1]) for runs in values]
    return [[runs[place] - centre for runs, centre in zip(values, centres, strict=True)] for place in range(len(values[0]))]


def _judged(
    typical: Sequence[float], policy: Policy, *, what: str, whom: str, level: float, near: str | None, benchmarks: int
) -> SuiteShift:
    """The verdict on a number per run, the measured one last, of which more is slower."""
    *accepted, now = typical
    count = len(accepted)
    difference = Difference(
        estimate=now - fmean(accepted),
        standard_error=max(stdev(accepted), policy.smallest_run_sd, policy.machine_sd) * math.sqrt(1 + 1 / count),
        degrees_of_freedom=count - 1,
    )
    margin = math.log1p(policy.suite_min_effect)
    slower, faster = difference.p_above(margin), difference.p_below(-margin)
    limit = margin + difference.reach(level)
    change = f"{percent(difference.ratio)} ({interval_text(difference.interval(policy.pass_level))})"
    said = f"{what} {change} against {count} accepted runs"
    verdict = Verdict.INCONCLUSIVE
    if near is not None and min(slower, faster) <= level:
        reason = f"{said}: more than these runs differ by, but {near}"
    elif slower <= level:
        verdict = Verdict.REGRESSED
        reason = f"{said}: beyond {percent(ratio_of(limit))}, more than its own spread between runs explains"
    elif faster <= level:
        verdict = Verdict.IMPROVED
        reason = f"{said}: more than its own spread between runs explains"
    else:
        reason = f"{said}: no shift of {whom} shown"
    return SuiteShift(
        verdict=verdict,
        reason=reason,
        ratio=difference.ratio,
        interval=difference.interval(policy.pass_level),
        smallest_visible=share_of(limit + difference.reach(1 - policy.power)),
        p_value=slower,
        degrees_of_freedom=difference.degrees_of_freedom,
        runs=count,
        benchmarks=benchmarks,
    )


def _which_runs(history: History) -> tuple[str, ...]:
    """The runs of a benchmark, by their ids or else by their distance from the newest."""
    return history.run_ids or tuple(f"-{number}" for number in range(len(history.runs), 0, -1))
