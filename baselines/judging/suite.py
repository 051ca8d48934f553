"""The rule for the suite as a whole: whether it became slower, a little everywhere."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
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
    groups = Counter(_which_runs(histories[name]) for name in measured if name in histories and histories[name].runs)
    if not groups:
        return SuiteShift(verdict=None, reason="no benchmark has an accepted run")
    common = max(groups, key=lambda ids: (groups[ids], len(ids)))
    names = [name for name in measured if name in histories and _which_runs(histories[name]) == common]
    count = len(common)
    if count < policy.suite_runs or len(names) < 2:
        return SuiteShift(
            verdict=None,
            reason=f"not testable: {counted(count, 'accepted run')} with {counted(len(names), 'common benchmark')}; "
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
        standard_error=max(stdev(accepted), policy.smallest_run_sd, policy.machine_sd) * math.sqrt(1 + 1 / count),
        degrees_of_freedom=count - 1,
    )
    margin = math.log1p(policy.suite_min_effect)
    slower = difference.p_above(margin)
    limit = margin + difference.reach(policy.suite_level)
    change = f"{percent(difference.ratio)} ({interval_text(difference.interval(policy.pass_level))})"
    said = f"the typical of {len(names)} benchmarks {change} against {count} accepted runs"
    verdict = Verdict.INCONCLUSIVE
    close = one_sitting(histories[names[0]].moments, policy)
    if close is not None and min(slower, difference.p_below(-margin)) <= policy.suite_level:
        reason = f"{said}: more than these runs differ by, but {close}"
    elif slower <= policy.suite_level:
        verdict = Verdict.REGRESSED
        reason = f"{said}: beyond {percent(ratio_of(limit))}, more than the suite's own spread between runs explains"
    elif difference.p_below(-margin) <= policy.suite_level:
        verdict = Verdict.IMPROVED
        reason = f"{said}: more than the suite's own spread between runs explains"
    else:
        reason = f"{said}: no shift of the whole suite shown"
    return SuiteShift(
        verdict=verdict,
        reason=reason,
        ratio=difference.ratio,
        interval=difference.interval(policy.pass_level),
        smallest_visible=share_of(limit + difference.reach(1 - policy.power)),
        p_value=slower,
        degrees_of_freedom=difference.degrees_of_freedom,
        runs=count,
        benchmarks=len(names),
    )


def _which_runs(history: History) -> tuple[str, ...]:
    """The runs of a benchmark, by their ids or else by their distance from the newest."""
    return history.run_ids or tuple(f"-{number}" for number in range(len(history.runs), 0, -1))
