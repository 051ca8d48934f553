"""Which arms of a race could still be the best, from what was measured of them in passes.

A pass measures every arm that is left once, in turns, so that the mood of the machine in a pass is common to them: arms are
compared over the passes that both have. How far a measurement lies from what arm and pass say is pooled over all of them and
moderated by a prior, because at first there is nothing to tell it by (a variance with d degrees of freedom beside one with
d0, as limma's; Smyth 2004). An arm is out when it is worse than the best by more than a margin, at a level; where time is
short the better half stays (successive halving; Jamieson and Talwalkar 2016).

A launch from which other processes took CPU time decides nothing: it stands for its arm only where the arm has no other, and
one alone puts no arm out.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Hashable, Mapping, Sequence
from typing import Final, Generic, TypeVar

from baselines.judging.difference import Difference

Arm = TypeVar("Arm", bound=Hashable)
PRIOR_DF: Final = 4.0
"""Degrees of freedom that the prior spread counts as."""
OUT: Final = 0.05
"""An arm is out when it would look so much worse by chance no more often than this."""


class Race(Generic[Arm]):
    """What was measured of some arms; less is better."""

    def __init__(self, prior_sd: float, *, moods: bool) -> None:
        """Args: `prior_sd`, the spread before there are enough measurements to tell; `moods`, whether passes have one."""
        self.prior_sd = prior_sd
        self.moods = moods
        self._quiet: dict[Arm, dict[int, float]] = {}
        self._disturbed: dict[Arm, dict[int, float]] = {}

    def __contains__(self, arm: Arm) -> bool:
        return arm in self._quiet or arm in self._disturbed

    @property
    def arms(self) -> list[Arm]:
        """Those that were measured."""
        return list(dict.fromkeys((*self._quiet, *self._disturbed)))

    @property
    def values(self) -> dict[Arm, dict[int, float]]:
        """What counts, by arm and by number of the pass: disturbed measurements only of arms that have no other."""
        return {**self._disturbed, **self._quiet}

    def count(self, arm: Arm) -> int:
        """How many measurements of an arm count."""
        return len(self._of(arm))

    def add(self, arm: Arm, number: int, value: float, *, disturbed: bool = False) -> None:
        """Takes a measurement.

        Raises:
            ValueError: it is not finite.
        """
        if not math.isfinite(value):
            raise ValueError(f"{arm}: measured {value}")
        (self._disturbed if disturbed else self._quiet).setdefault(arm, {})[number] = value

    def mean(self, arm: Arm) -> float:
        """Of all that was measured of an arm."""
        return statistics.fmean(self._of(arm).values())

    def best(self, arms: Sequence[Arm]) -> Arm:
        """The best of some arms that were measured, each compared with the others over the passes that they share."""
        best = arms[0]
        for arm in arms[1:]:
            if self._compared(arm, best)[0] < 0:
                best = arm
        return best

    def ordered(self, arms: Sequence[Arm]) -> list[Arm]:
        """Arms that were measured, the best first."""
        left, order = list(arms), []
        while left:
            order.append(self.best(left))
            left.remove(order[-1])
        return order

    def difference(self, arm: Arm, other: Arm) -> Difference:
        """An arm less another."""
        return self._known(*self._compared(arm, other))

    def against(self, arm: Arm, known: float) -> Difference:
        """An arm less a value that is known."""
        return self._known(self.mean(arm) - known, 1 / self.count(arm))

    def left(self, arms: Sequence[Arm], margin: float) -> list[Arm]:
        """Those that are not worse than the best of them by more than a margin, as far as one can tell."""
        best = self.best(arms)
        return [arm for arm in arms if arm == best or self._unsure(arm) or self.difference(arm, best).p_above(margin) > OUT]

    def spread(self) -> tuple[float, float]:
        """(standard deviation of a measurement, degrees of freedom), the prior in it."""
        squares, df = residuals(self.values, moods=self.moods)
        return math.sqrt((PRIOR_DF * self.prior_sd**2 + squares) / (PRIOR_DF + df)), PRIOR_DF + df

    def _of(self, arm: Arm) -> Mapping[int, float]:
        return self._quiet.get(arm) or self._disturbed.get(arm, {})

    def _unsure(self, arm: Arm) -> bool:
        """Whether all that is known of an arm is one disturbed measurement."""
        return arm not in self._quiet and len(self._disturbed[arm]) == 1

    def _compared(self, arm: Arm, other: Arm) -> tuple[float, float]:
        """(An arm less another, what its variance is of that of a measurement)."""
        mine, theirs = self._of(arm), self._of(other)
        if common := mine.keys() & theirs.keys():
            return statistics.fmean(mine[one] - theirs[one] for one in common), 2 / len(common)
        return self.mean(arm) - self.mean(other), 1 / len(mine) + 1 / len(theirs)

    def _known(self, estimate: float, share: float) -> Difference:
        sd, df = self.spread()
        return Difference(estimate=estimate, standard_error=sd * math.sqrt(share), degrees_of_freedom=df)


def residuals(values: Mapping[Arm, Mapping[int, float]], *, moods: bool) -> tuple[float, int]:
    """(sum of squares, degrees of freedom) of what is left of measurements less arm and pass.

    What a pass adds to all its arms is the median over them of what they lie beside their own means: one wild measurement
    moves no pass. Launch pairs have none.
    """
    several = {arm: of_arm for arm, of_arm in values.items() if len(of_arm) > 1}
    means = {arm: statistics.fmean(of_arm.values()) for arm, of_arm in several.items()}
    passes = {number for of_arm in several.values() for number in of_arm} if moods else set()
    common = {
        number: statistics.median(of_arm[number] - means[arm] for arm, of_arm in several.items() if number in of_arm)
        for number in passes
    }
    df = sum(map(len, several.values())) - len(several) - max(0, len(passes) - 1)
    if df < 1:
        return 0.0, 0
    left = (
        value - means[arm] - common.get(number, 0.0) for arm, of_arm in several.items() for number, value in of_arm.items()
    )
    return math.fsum(one**2 for one in left), df
