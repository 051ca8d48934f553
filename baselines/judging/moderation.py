"""Variances that borrow strength from each other: the empirical Bayes moderation of limma.

A baseline has few runs, so that a benchmark's own variance is a poor estimate; it has many benchmarks, so that together they
say how variances are spread. Knows nothing of benchmarks; spread.py uses it. Imports numpy and scipy, so import it late.

Source: G. K. Smyth, "Linear models and empirical Bayes methods for assessing differential expression in microarray
experiments", Statistical Applications in Genetics and Molecular Biology 3 (2004), article 3, section 6.2. The special cases
are those of limma's `fitFDist` and `squeezeVar` (with `legacy=TRUE`, `robust=FALSE`, no covariate).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import digamma, polygamma

ZERO_OFFSET = 1e-5
"""A variance of zero has no logarithm: variances are raised to this share of their median, as in limma."""


@dataclass(frozen=True, kw_only=True)
class Moderated:
    """Variances, each drawn towards what is common to all."""

    variances: tuple[float, ...]
    """The moderated variances, in the order they were given."""
    degrees_of_freedom: tuple[float, ...]
    """Of each: its own and the prior's, but never more than all variances have together (limma's `df.total`)."""
    prior_variance: float
    """What the variances are drawn towards (s0^2)."""
    prior_degrees_of_freedom: float
    """How strongly (d0): as many degrees of freedom of its own would weigh as much; inf where nothing tells them apart."""


def inverse_trigamma(value: float) -> float:
    """The y with trigamma(y) = value, for a positive value.

    The bracket is 1/y + 1/(2 y^2) < trigamma(y) < 1/y + 1/y^2, solved for y.
    """
    low = (1 + math.sqrt(1 + 2 * value)) / (2 * value)
    high = (1 + math.sqrt(1 + 4 * value)) / (2 * value)
    # Far out the bracket is narrower than the rounding of trigamma: either end is the answer.
    if polygamma(1, low) <= value:
        return low
    if polygamma(1, high) >= value:
        return high
    return float(brentq(lambda y: polygamma(1, y) - value, low, high, xtol=1e-300, rtol=1e-14))


def squeeze(variances: Sequence[float], degrees_of_freedom: Sequence[float]) -> Moderated:
    """Moderates sample variances by the moments of their logarithms.

    A variance with no degrees of freedom says nothing and becomes the prior variance. When only one says something there is
    nothing to moderate: it stays as it is, with no prior degrees of freedom. When the variances differ by no more than
    chance would have it, all become their mean.

    Args:
        variances: finite, not negative; ignored where there are no degrees of freedom.
        degrees_of_freedom: of each variance; they may differ.

    Raises:
        ValueError: lengths differ, a value is negative or not finite, or no variance has degrees of freedom.
    """
    own = np.asarray(degrees_of_freedom, dtype=float)
    given = np.asarray(variances, dtype=float)
    if own.shape != given.shape:
        raise ValueError(f"{given.size} variances with {own.size} degrees of freedom")
    if not (np.isfinite(own).all() and (own >= 0).all()):
        raise ValueError("degrees of freedom must be finite and not negative")
    informative = own > 0
    if not informative.any():
        raise ValueError("no variance has degrees of freedom: there is nothing to learn from")
    x, df = given[informative], own[informative]
    if not (np.isfinite(x).all() and (x >= 0).all()):
        raise ValueError("variances must be finite and not negative")

    if x.size == 1:
        prior_variance, prior_df = float(x[0]), 0.0
    else:
        middle = float(np.median(x)) or 1.0
        x = np.maximum(x, ZERO_OFFSET * middle)
        e = np.log(x) - digamma(df / 2) + np.log(df / 2)
        excess = float(e.var(ddof=1) - polygamma(1, df / 2).mean())
        if excess > 0:
            half = inverse_trigamma(excess)
            prior_df = 2 * half
            prior_variance = float(np.exp(e.mean() + digamma(half) - math.log(half)))
        else:
            prior_df, prior_variance = math.inf, float(x.mean())

    said = np.where(informative, given, prior_variance)
    if math.isinf(prior_df):
        posterior = np.full_like(said, prior_variance)
    elif prior_df == 0:
        posterior = said
    else:
        posterior = (own * said + prior_df * prior_variance) / (own + prior_df)
    total = np.minimum(own + prior_df, own.sum())
    return Moderated(
        variances=tuple(posterior.tolist()),
        degrees_of_freedom=tuple(total.tolist()),
        prior_variance=prior_variance,
        prior_degrees_of_freedom=prior_df,
    )
