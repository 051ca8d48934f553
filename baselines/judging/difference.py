"""The difference of two logarithms, how well it is known, and the ratio that it is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

LARGEST_LOG: Final = math.log(1e9)
"""Ratios and limits beyond a factor of 10^9 are given as this: they stay finite, and say no more than "far"."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What was measured against what it is compared with, as logarithms."""

    estimate: float
    """Above 0 is slower."""
    standard_error: float
    """Of predicting it."""
    degrees_of_freedom: float
    """Of the Student distribution that (estimate - truth) / standard_error has; inf: normal."""

    def p_above(self, margin: float) -> float:
        """The p value of "the true difference is at most `margin`"."""
        return self._tail((self.estimate - margin) / self.standard_error)

    def p_below(self, margin: float) -> float:
        """The p value of "the true difference is at least `margin`"."""
        return self._tail((margin - self.estimate) / self.standard_error)

    def reach(self, level: float) -> float:
        """How far beyond the truth the estimate lies with probability `level`; negative for a level above one half."""
        from scipy.special import ndtri, stdtrit

        df = self.degrees_of_freedom
        return -float(ndtri(level) if math.isinf(df) else stdtrit(df, level)) * self.standard_error

    def upper_bound(self, level: float) -> float:
        """What the true difference exceeds with probability `level` at most."""
        return self.estimate + self.reach(level)

    @property
    def ratio(self) -> float:
        """Of the estimate: above 1 is slower."""
        return ratio_of(self.estimate)

    def interval(self, level: float) -> tuple[float, float]:
        """Of the ratio, with `level` on each side."""
        reach = self.reach(level)
        return ratio_of(self.estimate - reach), ratio_of(self.estimate + reach)

    def _tail(self, t: float) -> float:
        """The probability that the Student distribution exceeds `t`."""
        from scipy.special import ndtr, stdtr

        df = self.degrees_of_freedom
        return float(ndtr(-t) if math.isinf(df) else stdtr(df, -t))


def ratio_of(logarithm: float) -> float:
    """The ratio that a logarithm is of, finite."""
    return math.exp(max(-LARGEST_LOG, min(LARGEST_LOG, logarithm)))


def share_of(logarithm: float) -> float:
    """The same less 1: 0.03 is 3 %."""
    return math.expm1(max(-LARGEST_LOG, min(LARGEST_LOG, logarithm)))
