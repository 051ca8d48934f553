"""The moderation of variances, against limma's own numbers and against what it is defined by."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import digamma, polygamma

from baselines.judging.moderation import inverse_trigamma, squeeze

# What limma's squeezeVar(s2, df=5)$var.post gave in R for twenty variances drawn as rchisq(20, df=5) / 5; recorded in the
# tests of baseCode, University of British Columbia (ubic.basecode.math.linearmodels.ModeratedTstatTest.testSqueezeVar).
LIMMA = [
    (1.7837804639416142, 1.1346316090723296),
    (0.32411186620655069, 1.0235740856472144),
    (0.18750362204593082, 1.0131803748422601),
    (0.7340608406949435, 1.0547646708992309),
    (0.84846200919003345, 1.0634687770708084),
    (0.49854708464318148, 1.0368458264983575),
    (0.870679120444804, 1.0651591452526299),
    (2.1014900506235241, 1.158804246560085),
    (0.49783053618210109, 1.0367913085772185),
    (1.9627067036621308, 1.1482450450878487),
    (1.09492895732680018, 1.0822209848724207),
    (0.45883145861230423, 1.033824100145464),
    (2.2923386473988114, 1.1733247839888615),
    (2.7849256010365417, 1.2108028027853293),
    (0.73148557590083596, 1.0545687342800276),
    (1.4929731181234274, 1.1125058034815865),
    (1.001362671921577352, 1.0751020813423211),
    (1.6273398718171948, 1.1227289725756238),
    (0.56578600627572539, 1.0419616371185716),
    (0.48078128591210090, 1.0354941322769402),
]


class TestAgainstLimma:
    """limma's numbers, and the special cases of its code."""

    def test_recorded_numbers(self) -> None:
        """Every moderated variance is limma's to ten digits."""
        moderated = squeeze([s2 for s2, _ in LIMMA], [5] * len(LIMMA))

        assert moderated.variances == pytest.approx([post for _, post in LIMMA], rel=1e-10)

    def test_prior_behind_the_recorded_numbers(self) -> None:
        """The prior is the one that two of limma's numbers give: a moderated variance is linear in the sample variance."""
        (x0, y0), (x1, y1) = LIMMA[2], LIMMA[13]
        slope = (y1 - y0) / (x1 - x0)
        prior_df = 5 / slope - 5
        prior_variance = (y0 - slope * x0) / (1 - slope)

        moderated = squeeze([s2 for s2, _ in LIMMA], [5] * len(LIMMA))

        assert moderated.prior_degrees_of_freedom == pytest.approx(prior_df, rel=1e-8)
        assert moderated.prior_variance == pytest.approx(prior_variance, rel=1e-8)
        assert moderated.degrees_of_freedom == pytest.approx([5 + prior_df] * 20, rel=1e-8)

    def test_no_more_spread_than_chance(self) -> None:
        """Variances that differ by less than chance would have it are pooled, with the degrees of freedom of all."""
        moderated = squeeze([1.0, 1.1, 0.9], [4, 4, 4])

        assert moderated.prior_degrees_of_freedom == math.inf
        assert moderated.variances == pytest.approx([1.0, 1.0, 1.0])
        assert moderated.degrees_of_freedom == (12, 12, 12)

    def test_one_alone(self) -> None:
        """A variance without company stays as it is; one without degrees of freedom becomes the prior's."""
        assert squeeze([2.5], [3]).variances == (2.5,)
        assert squeeze([2.5], [3]).degrees_of_freedom == (3,)

        moderated = squeeze([7.0, 2.5], [0, 3])
        assert moderated.variances == (2.5, 2.5)
        assert moderated.degrees_of_freedom == (0, 3)
        assert moderated.prior_degrees_of_freedom == 0

    def test_without_degrees_of_freedom_among_others(self) -> None:
        """A variance with no degrees of freedom does not move the prior, whatever it says, and becomes the prior's."""
        s2 = [s2 for s2, _ in LIMMA]
        alone, joined = squeeze(s2, [5] * 20), squeeze([*s2, 1e9], [*[5] * 20, 0])

        assert joined.variances[:20] == alone.variances
        assert joined.variances[20] == alone.prior_variance
        assert joined.degrees_of_freedom[20] == alone.prior_degrees_of_freedom

    def test_zeros(self) -> None:
        """A variance of zero is drawn up from zero; all zero give what limma gives, its offset."""
        assert min(squeeze([0.0, 1.0, 2.0, 3.0], [3] * 4).variances) > 0
        assert squeeze([0.0, 0.0, 0.0], [3] * 3).variances == pytest.approx([1e-5] * 3)


class TestUnequalDegreesOfFreedom:
    """Benchmarks that were accepted in different numbers of runs."""

    def test_moments(self) -> None:
        """The prior solves the two equations of moments, each variance with its own degrees of freedom."""
        generator = np.random.default_rng(11)
        df = generator.integers(1, 9, 60).astype(float)
        s2 = 0.3 * generator.f(df, 5.0)

        moderated = squeeze(s2.tolist(), df.tolist())

        e = np.log(s2) - digamma(df / 2) + np.log(df / 2)
        half = moderated.prior_degrees_of_freedom / 2
        assert math.isfinite(half)
        assert float(polygamma(1, half)) == pytest.approx(e.var(ddof=1) - polygamma(1, df / 2).mean(), rel=1e-9)
        assert math.log(moderated.prior_variance) == pytest.approx(e.mean() + digamma(half) - math.log(half), rel=1e-9)
        for post, own, d in zip(moderated.variances, s2, df, strict=True):
            expected = (d * own + 2 * half * moderated.prior_variance) / (d + 2 * half)
            assert post == pytest.approx(expected, rel=1e-12)

    def test_port(self) -> None:
        """Another port of limma's fitFDist (pylimma 0.2.0, `fit_f_dist`) gives the same prior."""
        moderated = squeeze([0.4, 0.05, 1.3, 2.2, 0.31, 0.9, 0.02, 5.5], [1, 2, 3, 4, 5, 6, 7, 8])

        assert moderated.prior_variance == pytest.approx(0.31834972457337696, rel=1e-10)
        assert moderated.prior_degrees_of_freedom == pytest.approx(1.5922847159823725, rel=1e-10)

    def test_recovers_what_was_drawn(self) -> None:
        """From many variances of a known prior, the prior is found again."""
        generator = np.random.default_rng(5)
        df = generator.integers(2, 10, 6000).astype(float)
        s2 = 0.01 * generator.f(df, 8.0)

        moderated = squeeze(s2.tolist(), df.tolist())

        assert moderated.prior_degrees_of_freedom == pytest.approx(8.0, rel=0.15)
        assert moderated.prior_variance == pytest.approx(0.01, rel=0.05)


class TestProperties:
    """What holds whatever the variances are."""

    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(st.tuples(st.floats(1e-8, 1e4), st.integers(1, 30)), min_size=2, max_size=30),
        st.floats(1e-3, 1e3),
    )
    def test_between_and_in_scale(self, pairs: list[tuple[float, int]], scale: float) -> None:
        """A moderated variance lies between its own and the prior's, and a change of unit changes nothing else."""
        s2, df = [s2 for s2, _ in pairs], [d for _, d in pairs]
        moderated = squeeze(s2, df)
        scaled = squeeze([scale * v for v in s2], df)

        offset = 1e-5 * float(np.median(s2))
        if math.isfinite(moderated.prior_degrees_of_freedom):
            for own, post in zip(s2, moderated.variances, strict=True):
                low, high = sorted((own, moderated.prior_variance))
                assert low * (1 - 1e-9) <= post <= max(high, offset) * (1 + 1e-9)
        if math.isfinite(moderated.prior_degrees_of_freedom) == math.isfinite(scaled.prior_degrees_of_freedom):
            assert scaled.variances == pytest.approx([scale * v for v in moderated.variances], rel=1e-4)

    @settings(max_examples=60, deadline=None)
    @given(st.floats(1e-7, 1e9))
    def test_inverse_trigamma(self, value: float) -> None:
        """The inverse inverts, from nearly equal variances to wildly different ones."""
        assert float(polygamma(1, inverse_trigamma(value))) == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize(
    ("variances", "degrees_of_freedom", "message"),
    [
        ([1.0], [1, 2], "1 variances with 2 degrees of freedom"),
        ([1.0, math.nan], [1, 2], "variances must be finite and not negative"),
        ([1.0, -1.0], [1, 2], "variances must be finite and not negative"),
        ([1.0, 1.0], [1, math.inf], "degrees of freedom must be finite"),
        ([1.0, 1.0], [0, 0], "no variance has degrees of freedom"),
        ([], [], "no variance has degrees of freedom"),
    ],
)
def test_refusals(variances: list[float], degrees_of_freedom: list[float], message: str) -> None:
    """What cannot be moderated is refused by name."""
    with pytest.raises(ValueError, match=message):
        squeeze(variances, degrees_of_freedom)
