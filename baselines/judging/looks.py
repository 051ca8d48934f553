"""The looks of a duet: how often a benchmark is judged, and what each look may err."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Look:
    """One of the times that a benchmark is judged: again with more launch pairs, for as long as it is inconclusive.

    Whoever looks several times errs more often than whoever looks once. So the looks share what a duet may err: the level of
    a look is the level times its share, and whichever look it ends with, together they err no more often than the level says
    (Boole), however the looks depend on each other, if each errs no more often than its own. That spreads are moderated over
    benchmarks of which the quieter ones stop sooner is beyond that argument; a simulation has it (tests/test_duet.py).

    Raises:
        ValueError: it is none of as many.
    """

    number: int = 1
    """From 1."""
    of: int = 1
    """How many there are at most."""

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of:
            raise ValueError(f"look {self.number} of {self.of}")

    @classmethod
    def all(cls, count: int) -> tuple[Look, ...]:
        """So many, in their order."""
        return tuple(cls(number=number, of=count) for number in range(1, count + 1))

    @property
    def share(self) -> float:
        """Half of what is left; the last takes the rest: 1/2, 1/4 and 1/4 of three."""
        return 0.5 ** min(self.number, self.of - 1)

    def __str__(self) -> str:
        return f"look {self.number} of {self.of}"


ONLY_LOOK: Final = Look()


def looks_of(first: int, most: int) -> tuple[int, ...]:
    """After how many launch pairs a benchmark is judged: `first`, twice as many while that is below `most`, and `most`."""
    looks = [first]
    while 2 * looks[-1] < most:
        looks.append(2 * looks[-1])
    return tuple(dict.fromkeys((*looks, most)))
