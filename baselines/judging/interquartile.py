"""The middle of measurements in turns: the interquartile mean, and how well it is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev


def trimmed(values: Sequence[float]) -> int:
    """How many are left out at either end: a quarter."""
    return len(values) // 4


def interquartile_mean(values: Sequence[float]) -> float:
    """The mean of the middle half.

    Deaf to a wild quarter on either side, and steadier than the median where there is none: of normal values its variance is
    1.2 times the mean's, that of the median of many pi / 2 times (tests/test_middle.py draws them).
    """
    ordered, out = sorted(values), trimmed(values)
    return fmean(ordered[out : len(ordered) - out])


def standard_error(values: Sequence[float]) -> float:
    """Of the interquartile mean, from the values winsorised at the same places (Tukey and McLaughlin 1963).

    Infinite for fewer than four values: they say nothing of their spread once the ends are cut.
    """
    count, out = len(values), trimmed(values)
    if not out:
        return math.inf
    ordered = sorted(values)
    lowest, highest = ordered[out], ordered[count - out - 1]
    winsorised = [min(max(value, lowest), highest) for value in values]
    return stdev(winsorised) / ((1 - 2 * out / count) * math.sqrt(count))
