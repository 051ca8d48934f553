"""How far apart runs lie: the variance of a new run's value, and what stands under it when there is little to go by."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest

from baselines.judging.difference import Difference
from baselines.judging.history import History
from baselines.judging.moderation import squeeze
from baselines.judging.policy import Policy
from baselines.judging.spread import (
    MEDIAN_VARIANCE,
    Spread,
    against_anchor,
    against_baseline,
    launch_share,
    run_value,
    spreads_of,
)

POLICY = Policy()


def histories(values: np.ndarray) -> dict[str, History]:
    """Of benchmarks 0, 1, ..; the axes of `values` are benchmark, run, launch."""
    return {str(number): History(runs=tuple(tuple(run) for run in runs)) for number, runs in enumerate(values.tolist())}


def a_spread(
    *,
    run_sd: float = 0.03,
    df: float = math.inf,
    launch_sd: float | None = None,
    launch_df: float = 0.0,
    share: float = 1.0,
) -> Spread:
    """A spread of which a test names what matters to it."""
    return Spread(
        run_variance=run_sd**2,
        run_degrees_of_freedom=df,
        launch_variance=None if launch_sd is None else launch_sd**2,
        launch_degrees_of_freedom=launch_df,
        launch_share=share,
        from_prior=False,
    )


class TestRunValue:
    """One number for the launches of a run."""

    def test_one_bad_launch_in_three(self) -> None:
        """A launch ten times as slow as its two neighbours does not move the run."""
        assert run_value((1.0, 1.01, 1.0 + math.log(10))) == 1.01

    def test_variance_of_the_median(self) -> None:
        """The table is what drawing gives, and beyond it the share keeps falling and is never too small."""
        generator = np.random.default_rng(3)
        for launches, expected in enumerate(MEDIAN_VARIANCE, start=1):
            drawn = np.median(generator.standard_normal((40_000, launches)), axis=1).var()
            assert drawn == pytest.approx(expected, rel=0.04)
            assert launch_share(launches) == expected
        drawn = np.median(generator.standard_normal((40_000, 11)), axis=1).var()
        assert drawn <= launch_share(11) <= 1.1 * drawn
        assert launch_share(1000) == pytest.approx(math.pi / 2000)


class TestSpreads:
    """From accepted runs to variances."""

    def test_many_runs(self) -> None:
        """With enough runs the spread is limma's moderation of their variances, with d0 + m - 1 degrees of freedom."""
        generator = np.random.default_rng(2)
        scale = np.exp(generator.normal(-3.5, 0.6, 30))
        values = generator.normal(0.0, scale[:, None, None], (30, 10, 1))
        spreads = spreads_of(histories(values), POLICY)

        moderated = squeeze(values[:, :, 0].var(axis=1, ddof=1).tolist(), [9] * 30)
        assert math.isfinite(moderated.prior_degrees_of_freedom)
        for position, spread in enumerate(spreads.values()):
            assert spread.run_variance == pytest.approx(moderated.variances[position], rel=1e-9)
            assert spread.run_degrees_of_freedom == pytest.approx(9 + moderated.prior_degrees_of_freedom)
            assert spread.launch_variance is None
            assert not spread.from_prior

    def test_one_run(self) -> None:
        """One accepted run says nothing of its spread: the prior spread is taken as known."""
        spread = spreads_of({"a": History(runs=((1.0,),))}, POLICY)["a"]

        assert spread.run_variance == POLICY.prior_run_sd**2
        assert spread.run_degrees_of_freedom == math.inf
        assert spread.from_prior

    def test_two_runs_that_agree(self) -> None:
        """Two runs that agree, even in a hundred benchmarks, are not believed: the prior spread stands under theirs."""
        values = np.random.default_rng(1).normal(0.0, 1e-4, (100, 2, 1))
        for spread in spreads_of(histories(values), POLICY).values():
            assert spread.run_variance == POLICY.prior_run_sd**2
            assert spread.from_prior

    def test_two_runs_that_disagree(self) -> None:
        """Two runs further apart than the prior are believed, with few degrees of freedom."""
        spread = spreads_of({"a": History(runs=((1.0,), (1.6,)))}, POLICY)["a"]

        assert spread.run_variance == pytest.approx(0.18)
        assert 1 <= spread.run_degrees_of_freedom < 1.1
        assert not spread.from_prior

    def test_no_jump_where_the_prior_ends(self) -> None:
        """Just beyond the prior spread the degrees of freedom are still all but infinite: no cliff between the two rules."""
        apart = POLICY.prior_run_sd * math.sqrt(2) * (1 + 1e-6)
        spread = spreads_of({"a": History(runs=((0.0,), (apart,)))}, POLICY)["a"]

        assert not spread.from_prior
        assert spread.run_degrees_of_freedom > 1e9

    def test_enough_runs(self) -> None:
        """From `enough_runs` on a small spread is believed; one run fewer and it is not."""
        values = np.random.default_rng(4).normal(0.0, 0.005, (50, POLICY.enough_runs, 1))
        enough = spreads_of(histories(values), POLICY)["0"]
        too_few = spreads_of(histories(values[:, 1:]), POLICY)["0"]

        assert math.sqrt(enough.run_variance) == pytest.approx(0.005, rel=0.3)
        assert math.sqrt(too_few.run_variance) == POLICY.prior_run_sd

    def test_a_young_benchmark_among_old_ones(self) -> None:
        """A benchmark with one accepted run, among others with many, takes what is common to those."""
        values = np.random.default_rng(4).normal(0.0, 0.01, (50, 8, 1))
        known = histories(values)
        spread = spreads_of({**known, "young": History(runs=((0.0,),))}, POLICY)["young"]

        assert math.sqrt(spread.run_variance) == pytest.approx(0.01, rel=0.15)
        assert not spread.from_prior

    def test_constant_runs(self) -> None:
        """Runs that agree exactly do not make the spread zero."""
        for spread in spreads_of(histories(np.zeros((20, 8, 2))), POLICY).values():
            assert spread.run_variance >= POLICY.smallest_run_sd**2
            assert spread.launch_variance == pytest.approx(POLICY.smallest_run_sd**2)

    def test_launches_within_runs(self) -> None:
        """The variance between launches comes from within the runs alone, and the spread is never below what it forces."""
        generator = np.random.default_rng(8)
        values = generator.normal(0.0, 0.05, (40, 8, 1)) + generator.normal(0.0, 0.02, (40, 8, 3))
        spread = spreads_of(histories(values), POLICY)["0"]
        assert spread.launch_variance is not None
        assert math.sqrt(spread.launch_variance) == pytest.approx(0.02, rel=0.2)
        assert spread.launch_share == launch_share(3)

        opposed = [[-0.2, 0.0, 0.2]] * 8  # launches scatter, runs agree
        spread = spreads_of(histories(np.array([opposed] * 3)), POLICY)["0"]
        assert spread.run_variance == pytest.approx(launch_share(3) * 0.04)

    def test_no_history(self) -> None:
        """What was never accepted has no spread."""
        assert spreads_of({}, POLICY) == {}
        assert spreads_of({"a": History(runs=(), anchor=(1.0,))}, POLICY) == {}


class TestDifference:
    """The error of predicting a new run."""

    def test_against_baseline(self) -> None:
        """One new launch against m single-launch runs: variance (1 + 1/m) of that between runs, about their mean."""
        history = History(runs=((1.0,), (1.2,), (1.4,), (1.0,)))
        difference = against_baseline((1.5,), history, a_spread(run_sd=0.03, df=7.5))

        assert difference.estimate == pytest.approx(0.35)
        assert difference.standard_error == pytest.approx(0.03 * math.sqrt(1.25))
        assert difference.degrees_of_freedom == 7.5

    def test_more_launches_do_not_average_the_session_away(self) -> None:
        """With launches that agree and sessions that do not, a thousand launches are worth no more than one."""
        history = History(runs=((0.0, 0.0, 0.0),) * 4)
        spread = a_spread(run_sd=0.03, df=9, launch_sd=1e-6, launch_df=8, share=launch_share(3))
        one = against_baseline((0.1,), history, spread)
        many = against_baseline((0.1,) * 1000, history, spread)

        assert many.standard_error == pytest.approx(one.standard_error, rel=1e-6)

    def test_launches_average_their_own_part(self) -> None:
        """The variance is session + launch_share(k) launches + runs / m; the session is what launches leave of the runs."""
        history = History(runs=((0.0, 0.0, 0.0),) * 4)
        run_variance, launch_variance = 0.03**2, 0.04**2
        spread = a_spread(run_sd=0.03, df=9, launch_sd=0.04, launch_df=8, share=launch_share(3))
        session = run_variance - launch_share(3) * launch_variance
        for launches in (1, 3, 5):
            difference = against_baseline((0.1,) * launches, history, spread)
            expected = session + launch_share(launches) * launch_variance + run_variance / 4
            assert difference.standard_error**2 == pytest.approx(expected)
            assert difference.degrees_of_freedom <= 9

    def test_against_anchor(self) -> None:
        """The anchor is one run: two runs' variance."""
        difference = against_anchor((1.5,), (1.2, 1.2, 9.0), a_spread(run_sd=0.03))
        assert difference.estimate == pytest.approx(0.3)
        assert difference.standard_error == pytest.approx(0.03 * math.sqrt(2))

    def test_against_anchor_of_other_launches(self) -> None:
        """Each of the two runs keeps its own share of the variance between launches."""
        spread = a_spread(run_sd=0.03, df=9, launch_sd=0.02, launch_df=8, share=launch_share(3))
        session = 0.03**2 - launch_share(3) * 0.02**2
        difference = against_anchor((1.5,) * 5, (1.2,), spread)
        assert difference.standard_error**2 == pytest.approx(2 * session + (launch_share(5) + 1) * 0.02**2)

    @pytest.mark.parametrize(("df", "quantile", "tail"), [(math.inf, 1.6448536, 0.0668072), (4.0, 2.1318468, 0.1040)])
    def test_tails(self, df: float, quantile: float, tail: float) -> None:
        """Student's tails (tables: 5 % at 2.1318 with 4 degrees of freedom), and the normal's where the spread is known."""
        difference = Difference(estimate=0.2, standard_error=0.1, degrees_of_freedom=df)

        assert difference.reach(0.05) == pytest.approx(0.1 * quantile, rel=1e-6)
        assert difference.reach(0.95) == pytest.approx(-0.1 * quantile, rel=1e-6)
        assert difference.upper_bound(0.05) == pytest.approx(0.2 + 0.1 * quantile, rel=1e-6)
        assert difference.p_above(0.05) == pytest.approx(tail, rel=1e-3)
        assert difference.p_below(0.05) == pytest.approx(1 - tail, rel=1e-3)

    def test_predicts_new_runs(self) -> None:
        """Of new runs of three launches, 90 % lie within the 90 % interval; a session shared by launches is in it."""
        generator = np.random.default_rng(21)
        inside = []
        for _ in range(60):
            values = generator.normal(0, 0.03, (30, 7, 1)) + generator.normal(0, 0.03, (30, 7, 3))
            known = histories(values[:, :6])
            spreads = spreads_of(known, POLICY)
            for name, launches in zip(known, values[:, 6], strict=True):
                difference = against_baseline(launches.tolist(), known[name], spreads[name])
                inside.append(abs(difference.estimate) < difference.reach(0.05))
        assert statistics.fmean(inside) == pytest.approx(0.90, abs=0.03)
