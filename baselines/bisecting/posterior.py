"""Which step made it slower: a probability for each, for none of them, and for two of them, from launch pairs.

The steps lead from state 0 to state n. A launch pair compares two states; the logarithm of newer / older is

    y = sum of the changes between them + order delta + noise,    order = +1 where the newer was loaded first, else -1

A hypothesis says which steps change anything: none, one, or two. How much is unknown: d^2 times a normal about 0, so that a
change of nothing is none (a moment prior: Johnson & Rossell 2010, On the use of non-local prior densities). The noise is
Student's, so that a wild launch pair says little (Lange, Little & Taylor 1989, Robust statistical modeling using the t
distribution). The evidence of a hypothesis is Laplace's approximation about its mode, which reweighting finds.

Comparing by expected information and moving a probability, in place of trusting single answers, is probabilistic bisection:
Horstein 1963, Sequential transmission using noiseless feedback; Waeber, Frazier & Henderson 2013, Bisection search with
noisy responses; Jedynak, Frazier & Sznitman 2012, Twenty questions with noise.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]

TAIL: Final = 5.0
"""Degrees of freedom of the noise of a launch pair."""
CHANGE: Final = 0.03
"""Scale of a change, as a log ratio, where no two states lie further apart: a prior that knows nothing of doubled times
would call them wild launch pairs."""
_ENOUGH: Final = 3
"""Launch pairs of two states, from which on their median says how far apart they lie."""
ORDER_SD: Final = 0.01
"""Of the order effect."""
NOISE: Final = 0.015
"""The scale of a launch pair's noise as long as nothing was compared twice: they spread by 0.5 to 3 % (docs/duet.md)."""
NOISE_WEIGHT: Final = 4.0
"""So many launch pairs is that worth."""
PRIORS: Final = (0.2, 0.5, 0.3)
"""Of no change, of one, of two."""
_REWEIGHTED: Final = 6
"""Times; the weights stand still long before."""


@dataclass(frozen=True, kw_only=True)
class Observation:
    """One launch pair of two states."""

    older: int
    newer: int
    newer_first: bool
    """Whether the newer state's process was loaded first."""
    log_ratio: float
    """Logarithm of newer / older as times: above 0 the newer one is slower."""

    @property
    def order(self) -> float:
        """+1 where the newer was loaded first, else -1."""
        return 1.0 if self.newer_first else -1.0


@dataclass(frozen=True, kw_only=True)
class Gap:
    """Two states with nothing measurable between them."""

    older: int
    newer: int
    weight: float
    """How likely a change is in it, beside others."""


@dataclass(frozen=True, kw_only=True)
class Posterior:
    """What launch pairs say; arrays have a row per hypothesis."""

    gaps: tuple[Gap, ...]
    changes: tuple[tuple[int, ...], ...]
    """Of each hypothesis, the places of the gaps that change something."""
    probabilities: Array
    means: Array
    """(hypotheses, 3): the first change, the second, the order effect, as log ratios."""
    covariances: Array
    """(hypotheses, 3, 3), of the same."""
    noise: float
    """Scale of a launch pair's noise."""

    @property
    def best(self) -> int:
        """The place of the most probable hypothesis."""
        return int(np.argmax(self.probabilities))

    @property
    def by_count(self) -> tuple[float, float, float]:
        """Probability of no change, of one, of two."""
        counts = np.array([len(one) for one in self.changes])
        return tuple(float(self.probabilities[counts == count].sum()) for count in range(3))  # type: ignore[return-value]

    @property
    def by_gap(self) -> list[float]:
        """Probability of each gap that something changes in it."""
        found = [0.0] * len(self.gaps)
        for changes, probability in zip(self.changes, self.probabilities, strict=True):
            for place in changes:
                found[place] += float(probability)
        return found


@functools.lru_cache(maxsize=16)
def hypotheses(gaps: tuple[Gap, ...]) -> tuple[list[tuple[int, ...]], Array]:
    """All hypotheses about some gaps, and the logarithms of their prior probabilities."""
    weights = [gap.weight for gap in gaps]
    places = range(len(gaps))
    changes: list[tuple[int, ...]] = [(), *((one,) for one in places)]
    changes += [(one, other) for one in places for other in range(one + 1, len(gaps))]
    shares = np.array([math.prod(weights[place] for place in one) for one in changes])
    counts = np.array([len(one) for one in changes])
    prior = np.zeros(len(changes))
    for count, whole in enumerate(PRIORS):
        if (members := counts == count).any():
            prior[members] = whole * shares[members] / shares[members].sum()
    return changes, np.log(prior / prior.sum())


def covered(gaps: Sequence[Gap], older: int, newer: int) -> list[float]:
    """1 for each gap that lies between two states, else 0."""
    return [float(older <= gap.older and gap.newer <= newer) for gap in gaps]


def noise_of(observations: Sequence[Observation]) -> float:
    """The scale of a launch pair's noise: how far those of the same two states lie apart, and NOISE beside them."""
    kinds: dict[tuple[int, int], int] = {}
    for one in observations:
        kinds.setdefault((one.older, one.newer), len(kinds))
    free = len(observations) - len(kinds) - 1
    if free < 1:
        return NOISE
    design = np.zeros((len(observations), len(kinds) + 1))
    for row, one in enumerate(observations):
        design[row, kinds[one.older, one.newer]] = 1.0
        design[row, -1] = one.order
    y = np.array([one.log_ratio for one in observations])
    weights, squared = np.ones(len(y)), NOISE**2
    for _ in range(_REWEIGHTED):
        root = np.sqrt(weights)
        found = np.linalg.lstsq(design * root[:, None], y * root, rcond=None)[0]
        residuals = y - design @ found
        squared = (NOISE_WEIGHT * NOISE**2 + float(weights @ residuals**2)) / (NOISE_WEIGHT + free)
        weights = (TAIL + 1) / (TAIL + residuals**2 / squared)
    return math.sqrt(squared)


def change_of(observations: Sequence[Observation]) -> float:
    """The scale of a change: how far the two states that lie furthest apart do, and no less than CHANGE."""
    kinds: dict[tuple[int, int], list[float]] = {}
    for one in observations:
        kinds.setdefault((one.older, one.newer), []).append(one.log_ratio)
    return max([CHANGE, *(abs(float(np.median(values))) for values in kinds.values() if len(values) >= _ENOUGH)])


def posterior_of(gaps: Sequence[Gap], observations: Sequence[Observation]) -> Posterior:
    """What launch pairs say of each hypothesis about some gaps; each has to be of states at the ends of gaps."""
    changes, prior = hypotheses(tuple(gaps))
    noise, change = noise_of(observations), change_of(observations)
    precision = np.diag([change**-2, change**-2, ORDER_SD**-2])
    design = np.zeros((len(changes), len(observations), 3))
    columns = np.array([covered(gaps, one.older, one.newer) for one in observations]).reshape(len(observations), len(gaps))
    padded = np.column_stack([columns, np.zeros(len(observations))])  # the last: no second change, or no first one
    places = np.array([(*members, -1, -1)[:2] for members in changes])
    design[:, :, 0], design[:, :, 1] = padded[:, places[:, 0]].T, padded[:, places[:, 1]].T
    design[:, :, 2] = [one.order for one in observations]
    y = np.array([one.log_ratio for one in observations])
    weights = np.ones(design.shape[:2])
    for _ in range(_REWEIGHTED):
        weighted = design * weights[:, :, None]
        curvature = np.matmul(weighted.transpose(0, 2, 1), design) / noise**2 + precision
        means = np.linalg.solve(curvature, np.matmul(weighted.transpose(0, 2, 1), y[:, None]) / noise**2)
        residuals = y - np.matmul(design, means)[:, :, 0]
        weights = (TAIL + 1) / (TAIL + (residuals / noise) ** 2)
    likelihood = -(TAIL + 1) / 2 * np.log1p((residuals / noise) ** 2 / TAIL).sum(axis=1)
    means = means[:, :, 0]
    likelihood -= 0.5 * np.einsum("hi,ij,hj->h", means, precision, means)
    likelihood += 0.5 * (np.linalg.slogdet(precision)[1] - np.linalg.slogdet(curvature)[1])
    covariances = np.linalg.inv(curvature)
    evidence = (
        prior + likelihood + _moments(means / [change, change, 1.0], covariances / change**2, [len(one) for one in changes])
    )
    probabilities = np.exp(evidence - evidence.max())
    return Posterior(
        gaps=tuple(gaps),
        changes=tuple(changes),
        probabilities=probabilities / probabilities.sum(),
        means=means,
        covariances=covariances,
        noise=noise,
    )


def _moments(means: Array, covariances: Array, counts: Sequence[int]) -> Array:
    """Logarithm of what the moment prior adds, in the scale of a change: the mean of d^2, of two that of the product."""
    first, second = (means[:, place] ** 2 + covariances[:, place, place] for place in (0, 1))
    both = covariances[:, 0, 1]
    product = first * second + 2 * both**2 + 4 * means[:, 0] * means[:, 1] * both
    number = np.array(counts)
    moment = np.where(number == 2, product, np.where(number == 1, first, 1.0))
    return np.asarray(np.log(np.maximum(moment, 1e-300)))


def expected_information(posterior: Posterior, comparisons: Sequence[tuple[int, int, float]]) -> list[float]:
    """How much a launch pair of each comparison is expected to say of which hypothesis is true, in nats.

    The mutual information of hypothesis and log ratio (MacKay 1992, Information-based objective functions for active data
    selection): entropy of what may be seen less what it is under each hypothesis; by quadrature.

    Args:
        posterior: what is known.
        comparisons: older state, newer state, and the order as of `Observation.order`.
    """
    ranked = np.argsort(-posterior.probabilities)
    kept = ranked[: int(np.searchsorted(np.cumsum(posterior.probabilities[ranked]), 0.999)) + 1][:_MOST_HYPOTHESES]
    shares = posterior.probabilities[kept] / posterior.probabilities[kept].sum()
    places = np.array([(*posterior.changes[one], -1, -1)[:2] for one in kept])
    found = []
    for older, newer, order in comparisons:
        between = np.array([*covered(posterior.gaps, older, newer), 0.0])  # the last: no second change, or no first one
        design = np.column_stack([between[places], np.full(len(kept), order)])
        means = (design * posterior.means[kept]).sum(axis=1)
        variances = np.einsum("hi,hij,hj->h", design, posterior.covariances[kept], design)
        variances += posterior.noise**2 * TAIL / (TAIL - 2)
        deviations = np.sqrt(variances)
        grid = np.linspace((means - 5 * deviations).min(), (means + 5 * deviations).max(), _POINTS)
        scaled = (grid - means[:, None]) / deviations[:, None]
        density = shares @ (np.exp(-0.5 * scaled**2) / (deviations[:, None] * math.sqrt(2 * math.pi)))
        whole = -float(np.trapezoid(density * np.log(np.maximum(density, 1e-300)), grid))
        within = float(shares @ (0.5 * np.log(2 * math.pi * math.e * variances)))
        found.append(max(0.0, whole - within))
    return found


_MOST_HYPOTHESES: Final = 300
_POINTS: Final = 121
