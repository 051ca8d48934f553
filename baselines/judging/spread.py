"""How far apart runs of unchanged code lie, and so how well a new run can be compared with accepted ones.

The model, per benchmark, of the logarithm y of what launch l of run r measured:

    y[r, l] = mu + S[r] + L[r, l]

S has variance sigma_S^2, between runs; L has variance sigma_L^2, between launches of a run.
Launches of one run share S, so no number of launches today averages S away. stored.py turns this into verdicts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from baselines.judging.difference import Difference
from baselines.judging.history import History
from baselines.judging.policy import Policy
from baselines.judging.sittings import one_sitting

MEDIAN_VARIANCE = (1.0, 0.5, 0.44867, 0.29820, 0.28683, 0.21475, 0.21045, 0.16819, 0.16610, 0.13834)
"""Variance of the median of 1..10 independent standard normals."""


def launch_share(launches: int) -> float:
    """The share of the variance between launches that a run's value keeps; beyond ten launches pi/2n, which is no less."""
    return MEDIAN_VARIANCE[launches - 1] if launches <= len(MEDIAN_VARIANCE) else math.pi / (2 * launches)


def run_value(launches: Sequence[float]) -> float:
    """One number for a run: the median over its launches, so that one launch in three that met a neighbour moves little."""
    return median(launches)


@dataclass(frozen=True, kw_only=True)
class Spread:
    """The variances behind one benchmark, moderated over the benchmarks of the baseline; of logarithms."""

    run_variance: float
    """Between values of runs with as many launches as the accepted ones: sigma_S^2 + launch_share sigma_L^2."""
    run_degrees_of_freedom: float
    """Behind it; inf where the prior spread is taken as known."""
    launch_variance: float | None
    """sigma_L^2; None when no accepted run of any benchmark has two launches."""
    launch_degrees_of_freedom: float
    """Behind it; 0 when it is None."""
    launch_share: float
    """Mean launch_share over the accepted runs."""
    from_prior: bool
    """The variance is the prior's: too few runs were accepted to believe a smaller one."""
    one_sitting: str | None = None
    """Why it can convict nobody: the accepted runs it comes from were measured too near in time; None: they were not."""


def spreads_of(histories: Mapping[str, History], policy: Policy) -> dict[str, Spread]:
    """The spread of every benchmark that has an accepted run.

    limma's squeezeVar moderates the variances between runs and, where accepted runs have several launches, those between
    launches. Three rules come on top: no variance below `smallest_run_sd`^2; none below what the launches alone force;
    and with fewer than `enough_runs` accepted runs none below `prior_run_sd`^2, because the benchmarks of a run share what
    sets it apart: a hundred benchmarks in two runs still saw the machine in two states only. For the same reason the
    benchmark with the most days says on how many the machine was seen: one with a new level may have a single run.
    """
    known = {name: history for name, history in histories.items() if history.runs}
    if not known:
        return {}
    smallest = policy.smallest_run_sd**2
    run_moderated = _moderated([[[run_value(run) for run in history.runs]] for history in known.values()], smallest=smallest)
    launch_moderated = _moderated([history.runs for history in known.values()], smallest=smallest)
    seen_runs = max(len(history.runs) for history in known.values())
    prior = policy.prior_run_sd**2
    apart = [one_sitting(history.moments, policy) for history in known.values()]
    near = None if None in apart else apart[-1]

    spreads = {}
    for position, (name, history) in enumerate(known.items()):
        variance, df = run_moderated[position] if run_moderated else (prior, 0.0)
        launch_variance, launch_df = launch_moderated[position] if launch_moderated else (0.0, 0.0)
        share = fmean(launch_share(len(run)) for run in history.runs)
        from_prior = False
        if df == 0:
            variance, df, from_prior = prior, math.inf, True
        elif seen_runs < policy.enough_runs:
            if variance <= prior:
                variance, df, from_prior = prior, math.inf, True
            else:
                # The prior's part is known; only what goes beyond it rests on the few runs (Satterthwaite).
                df *= (variance / (variance - prior)) ** 2
        if launch_df > 0:
            variance = max(variance, share * launch_variance)
        spreads[name] = Spread(
            run_variance=max(variance, smallest, policy.machine_sd**2),
            run_degrees_of_freedom=df,
            launch_variance=launch_variance if launch_df > 0 else None,
            launch_degrees_of_freedom=launch_df,
            launch_share=share,
            from_prior=from_prior,
            one_sitting=near,
        )
    return spreads


def against_baseline(launches: Sequence[float], history: History, spread: Spread) -> Difference:
    """New launches of one session against the mean of the accepted runs.

    The variance is that of a new run, plus the mean's: (sigma_S^2 + launch_share(k) sigma_L^2) + run_variance / m.
    """
    centre = fmean(run_value(run) for run in history.runs)
    return _difference(
        run_value(launches) - centre,
        spread,
        runs=1 + 1 / len(history.runs),
        launches=launch_share(len(launches)) - spread.launch_share,
    )


def against_anchor(launches: Sequence[float], anchor: Sequence[float], spread: Spread) -> Difference:
    """New launches of one session against the anchor: the difference of two single runs."""
    return _difference(
        run_value(launches) - run_value(anchor),
        spread,
        runs=2,
        launches=launch_share(len(launches)) + launch_share(len(anchor)) - 2 * spread.launch_share,
    )


def _difference(estimate: float, spread: Spread, *, runs: float, launches: float) -> Difference:
    """The variance `runs` run_variance + `launches` launch_variance, with Satterthwaite's degrees of freedom.

    They are never more than those of the variance between runs: the highest level of variation decides (Kalibera and Jones,
    ISMM 2013).
    """
    variance, df = runs * spread.run_variance, spread.run_degrees_of_freedom
    if spread.launch_variance is not None and launches != 0:
        between, within = variance, launches * spread.launch_variance
        variance = between + within
        df = min(df, variance**2 / (between**2 / df + within**2 / spread.launch_degrees_of_freedom))
    return Difference(estimate=estimate, standard_error=math.sqrt(variance), degrees_of_freedom=df)


def sum_of_squares(values: Sequence[float]) -> float:
    """About their mean; summed exactly, so that the order of the values does not matter."""
    centre = fmean(values)
    return math.fsum((value - centre) ** 2 for value in values)


def _moderated(benchmarks: Sequence[Sequence[Sequence[float]]], *, smallest: float) -> list[tuple[float, float]]:
    """By benchmark, moderated variance within its samples and degrees of freedom; empty where no sample has two values."""
    own = [sum(len(sample) - 1 for sample in samples) for samples in benchmarks]
    if not any(own):
        return []
    from baselines.judging.moderation import squeeze

    squares = [math.fsum(map(sum_of_squares, samples)) for samples in benchmarks]
    variances = [max(square / df, smallest) if df else 0.0 for square, df in zip(squares, own, strict=True)]
    moderated = squeeze(variances, [float(df) for df in own])
    return list(zip(moderated.variances, moderated.degrees_of_freedom, strict=True))
