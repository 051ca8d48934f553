"""The middle of measurements in turns."""

from __future__ import annotations

import math
import random
from statistics import fmean, median, pvariance, stdev

import pytest

from baselines.judging.interquartile import interquartile_mean, standard_error


def draws(count: int, times: int = 1500) -> list[list[float]]:
    """Normal values, always the same."""
    chance = random.Random(7)  # noqa: S311 - chance, not secrecy
    return [[chance.gauss(0, 1) for _ in range(count)] for _ in range(times)]


@pytest.mark.parametrize(
    ("values", "middle"),
    [([5.0], 5.0), ([1.0, 3.0], 2.0), ([1.0, 2.0, 4.0, 99.0], 3.0), ([0.0, 1.0, 2.0, 3.0, 1e9, 1e9, 1.0, 2.0], 2.0)],
)
def test_a_wild_quarter_is_left_out(values: list[float], middle: float) -> None:
    """On either side, so that what a quarter of the turns met decides nothing."""
    assert interquartile_mean(values) == pytest.approx(middle)


@pytest.mark.parametrize("count", [20, 100])
def test_it_is_steadier_than_the_median(count: int) -> None:
    """Of normal values; the variances are those that the docstring names."""
    samples = draws(count)
    assert count * pvariance(map(interquartile_mean, samples)) == pytest.approx(1.2, rel=0.1)
    assert count * pvariance(map(median, samples)) == pytest.approx(math.pi / 2, rel=0.14)


@pytest.mark.parametrize("count", [20, 100])
def test_its_standard_error_is_the_spread_that_it_has(count: int) -> None:
    """Over many samples the one agrees with the other, also where some values are wild."""
    samples = draws(count)
    for one in samples:
        one[: count // 10] = [value * 50 for value in one[: count // 10]]
    said = math.sqrt(fmean(standard_error(one) ** 2 for one in samples))
    assert said == pytest.approx(stdev(map(interquartile_mean, samples)), rel=0.1)


def test_too_few_say_nothing_of_their_spread() -> None:
    """With three nothing can be cut."""
    assert standard_error([1.0, 1.0, 1.0]) == math.inf
