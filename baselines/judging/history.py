"""What accepted runs say of one benchmark, as numbers that the judge takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


def checked_launches(values: Sequence[float], *, what: str) -> tuple[float, ...]:
    """The values of the launches of one run, as floats; ValueError where there is none, or one is NaN or infinite."""
    launches = tuple(float(value) for value in values)
    if not launches:
        raise ValueError(f"{what}: no launch")
    for number, value in enumerate(launches, start=1):
        if not math.isfinite(value):
            raise ValueError(f"{what}: launch {number} of {len(launches)} is {value}; a logarithm of a duration is finite")
    return launches


@dataclass(frozen=True, kw_only=True)
class History:
    """What accepted runs say of one benchmark.

    A value is the logarithm of a quantity of which more is slower: of the median latency in seconds, or minus that of the
    throughput.

    Raises:
        ValueError: a run has no launch or a value that is not finite, or there are not as many ids or moments as runs.
    """

    runs: tuple[tuple[float, ...], ...]
    """The accepted runs, oldest first, each with a value per launch."""
    anchor: tuple[float, ...] | None = None
    """The launches of the anchor run; None: there is none. Being one of `runs` does not hurt."""
    run_ids: tuple[str, ...] = ()
    """Which runs these are, so that the suite as a whole can be compared; empty: they are numbered from the newest back."""
    moments: tuple[float, ...] = ()
    """When each run began, in seconds of Unix time; empty where that is not known."""

    def __post_init__(self) -> None:
        for number, run in enumerate(self.runs, start=1):
            checked_launches(run, what=f"accepted run {number} of {len(self.runs)}")
        if self.anchor is not None:
            checked_launches(self.anchor, what="the anchor")
        if self.run_ids and len(self.run_ids) != len(self.runs):
            raise ValueError(f"{len(self.runs)} runs with {len(self.run_ids)} run ids")
        if self.moments and len(self.moments) != len(self.runs):
            raise ValueError(f"{len(self.runs)} runs with {len(self.moments)} moments")
