"""Every constant of the two rules: `Policy` for accepted runs (stored.py), `DuetPolicy` for two environments (duet.py)."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Of the rule for accepted runs; docs/verdicts.md says where each comes from."""

    level: float = 0.01
    """Chance that a run in which nothing became slower is red, for a benchmark, a backend, or the suite as a whole."""
    min_effect: float = 0.03
    """A slowdown up to this is none; `@pytest.mark.regression(min_effect=...)` sets it per benchmark."""
    screen_level: float = 0.10
    """Chance that an unchanged benchmark is re-measured: that costs time and turns nothing red."""
    pass_level: float = 0.01
    """Chance that a benchmark slower by its whole allowance passes; the printed interval has this much on each side."""
    largest_allowance: float = 0.05
    """No spread stretches the allowance beyond this: what excludes only larger slowdowns is no pass."""
    creep_limit: float = 0.05
    """Slowdown against the anchor that many small accepted steps may add up to."""
    prior_run_sd: float = 0.065
    """Standard deviation of a run's log value before accepted runs can say (measured between launches: docs/verdicts.md)."""
    enough_runs: int = 5
    """Below this many accepted runs their spread is not believed where it is smaller than `prior_run_sd`."""
    least_days: int = 3
    """Different days on which accepted runs must have been measured before anything is called slower or faster by them."""
    smallest_run_sd: float = 0.001
    """No spread is believed below this: runs that agree exactly do not make a measurement exact."""
    machine_sd: float = 0.0
    """Between machines that measured parts of one run, as their bridges show it: no spread between runs is below this."""
    power: float = 0.90
    """Chance with which the smallest visible slowdown would have been seen."""
    suite_level: float = 0.0025
    """Of `level`, the chance that the suite as a whole is called slower when it is not."""
    backend_level: float = 0.0025
    """Of `level`, the chance that any backend as a whole is called slower than the others when none is."""
    suite_min_effect: float = 0.01
    """A slowdown of the typical benchmark up to this is none."""
    suite_runs: int = 3
    """Accepted runs from which the suite's own spread between runs can be told."""

    def __post_init__(self) -> None:
        for name in ("level", "screen_level", "pass_level", "suite_level", "backend_level"):
            if not 0 < getattr(self, name) < 0.5:
                raise ValueError(f"{name} is {getattr(self, name)}: not between 0 and 0.5")
        if self.suite_level + self.backend_level >= self.level:
            raise ValueError(f"level is {self.level}: nothing of it is left for benchmarks")
        if not 0.5 <= self.power < 1:
            raise ValueError(f"power is {self.power}: not from 0.5 to below 1")
        for name in ("min_effect", "largest_allowance", "creep_limit", "suite_min_effect"):
            check_effect(name, getattr(self, name))
        for name in ("prior_run_sd", "smallest_run_sd"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name)}: not a positive number")
        if not 0 <= self.machine_sd < math.inf:
            raise ValueError(f"machine_sd is {self.machine_sd}: not a number of 0 or more")
        if self.enough_runs < 1 or self.least_days < 1 or self.suite_runs < 2:
            raise ValueError("enough_runs and least_days must be at least 1, suite_runs at least 2")

    @property
    def benchmark_level(self) -> float:
        """Of `level`, what the benchmarks share: the rest."""
        return self.level - self.suite_level - self.backend_level


def check_effect(name: str, effect: float) -> None:
    """Refuses an effect that is not a share of 0 or more; ValueError where it is negative, NaN or infinite."""
    if not 0 <= effect < math.inf:
        raise ValueError(f"{name} is {effect}: not a share of 0 or more (0.03 is 3 %)")


@dataclass(frozen=True, kw_only=True)
class DuetPolicy:
    """Of the rule for a duet; docs/duet.md says where each comes from."""

    level: float = 0.01
    """Chance that a run of two equal environments has any benchmark regressed."""
    harmless: float = 0.005
    """The hypothesis that must be rejected: slower by no more than this."""
    min_effect: float = 0.015
    """No slowdown that was measured smaller is red; `@pytest.mark.regression(min_effect=...)` sets it per benchmark."""
    pass_level: float = 0.05
    """Chance that a benchmark slower by `min_effect` passes; the printed interval has a look's share of it on each side."""
    smallest_sd: float = 0.001
    """No spread between launch pairs is believed below this: pairs that agree exactly do not make a measurement exact."""
    least_launches: int = 4
    """Launch pairs below which nothing is judged: two degrees of freedom are left beside the ratio and the order."""
    power: float = 0.90
    """Chance with which the smallest visible slowdown would have been seen."""

    def __post_init__(self) -> None:
        for name in ("level", "pass_level"):
            if not 0 < getattr(self, name) < 0.5:
                raise ValueError(f"{name} is {getattr(self, name)}: not between 0 and 0.5")
        for name in ("harmless", "min_effect"):
            check_effect(name, getattr(self, name))
        if not 0.5 <= self.power < 1 or self.smallest_sd <= 0 or self.least_launches < 4:
            raise ValueError("power is from 0.5 to below 1, smallest_sd above 0, least_launches at least 4")
