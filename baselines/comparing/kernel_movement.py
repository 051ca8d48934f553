"""How steady the machine was in a run, by the reference kernel's own times."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Final

from baselines.files.result import KERNEL_PARTS, Result
from baselines.judging.wording import duration_text

MOVED_LIMIT: Final = 0.25
"""A run in which the kernel's slow turns (upper quartile) take longer than its quick ones (lower) by more is unstable."""

LEAST_TURNS: Final = 10
"""Turns below which nothing is said of the machine's steadiness: quartiles of fewer are nearly single turns."""


@dataclass(frozen=True, kw_only=True)
class Movement:
    """How steady the machine was in one run, by the kernel's own time on one number of CPUs."""

    identity: str
    part: str
    median_s: float
    moved: float
    """Upper over lower quartile of the turns, less 1."""

    @property
    def too_far(self) -> bool:
        """Whether the run is unstable by it."""
        return self.moved > MOVED_LIMIT

    def __str__(self) -> str:
        return f"{self.part} {duration_text(self.median_s)}, its slow turns {self.moved:.0%} above its quick ones"


def movements(results: Iterable[Result]) -> list[Movement]:
    """The kernel's own movement within a run, per kernel and part; empty where it ran too seldom, or not at all."""
    turns: dict[str, list[Mapping[str, float]]] = {}
    for result in results:
        for launch in result.launches:
            if launch.kernel is not None:
                turns.setdefault(launch.kernel.identity, []).extend(launch.kernel.turns_s)
    found = []
    for identity, taken in turns.items():
        for part in KERNEL_PARTS if len(taken) >= LEAST_TURNS else ():
            values = [turn[part] for turn in taken]
            lower, _, upper = quantiles(values, n=4)
            moved = upper / lower - 1
            found.append(Movement(identity=identity, part=part, median_s=median(values), moved=moved))
    return found
