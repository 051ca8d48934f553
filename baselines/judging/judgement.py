"""What a judge is given and what it says: policy, history, judgement. Values only; the rule stands in stored.py.

Imports nothing beyond the standard library, so that whoever prints or stores a judgement need not import scipy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """What is said of one benchmark."""

    PASSED = "passed"
    """Whatever slowdown there is, it is smaller than the allowance: a claim, not the absence of one."""
    REGRESSED = "regressed"
    """Slower by more than the minimum effect, beyond what noise explains."""
    IMPROVED = "improved"
    """Faster by more than the minimum effect, beyond what noise explains."""
    INCONCLUSIVE = "inconclusive"
    """The data cannot tell."""
    NEW = "new"
    """Measured, and no accepted run has it."""
    MISSING = "missing"
    """Accepted runs have it, it was expected, and it was not measured."""
    INCOMPARABLE = "incomparable"
    """The accepted benchmark of this name is another one."""


class Evidence(StrEnum):
    """The launches a judgement rests on."""

    NONE = "none"
    """Nothing was compared."""
    SCREEN = "screen"
    """The launches of the run, which may accuse but not convict: a suspect is measured again."""
    CONFIRMED = "confirmed"
    """Fresh launches, made because the run's own were suspect; the run's own are left out."""
    RUN = "run"
    """The launches of a run of which no more can be had: they may convict."""
    DUET = "duet"
    """Launch pairs of two environments that took turns: they may convict."""


class Against(StrEnum):
    """What a benchmark was compared with."""

    BASELINE = "baseline"
    """The accepted runs."""
    ANCHOR = "anchor"
    """The one run kept from long ago, which slow creep cannot follow."""
    REFERENCE = "reference"
    """Another environment, in the same turns on the same CPUs."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Every constant of the rule. docs/verdicts.md says where each comes from."""

    level: float = 0.01
    """Chance that a run in which nothing became slower has any benchmark regressed."""
    min_effect: float = 0.03
    """A slowdown up to this is none; `@pytest.mark.regression(min_effect=...)` sets it per benchmark."""
    screen_level: float = 0.10
    """Chance that an unchanged benchmark is measured again: costs time, convicts nobody."""
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
    smallest_run_sd: float = 0.001
    """No spread is believed below this: runs that agree exactly do not make a measurement exact."""
    power: float = 0.90
    """Chance with which the smallest visible slowdown would have been seen."""
    suite_level: float = 0.005
    """Chance that the suite as a whole is called slower when it is not; a test of its own beside `level`."""
    suite_min_effect: float = 0.01
    """A slowdown of the typical benchmark up to this is none."""
    suite_runs: int = 3
    """Accepted runs from which the suite's own spread between runs can be told."""

    def __post_init__(self) -> None:
        for name in ("level", "screen_level", "pass_level", "suite_level"):
            if not 0 < getattr(self, name) < 0.5:
                raise ValueError(f"{name} is {getattr(self, name)}: not between 0 and 0.5")
        if not 0.5 <= self.power < 1:
            raise ValueError(f"power is {self.power}: not from 0.5 to below 1")
        for name in ("min_effect", "largest_allowance", "creep_limit", "suite_min_effect"):
            check_effect(name, getattr(self, name))
        for name in ("prior_run_sd", "smallest_run_sd"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name)}: not a positive number")
        if self.enough_runs < 1 or self.suite_runs < 2:
            raise ValueError("enough_runs must be at least 1, suite_runs at least 2")


def check_effect(name: str, effect: float) -> None:
    """Refuses an effect that is not a share of 0 or more.

    Raises:
        ValueError: it is negative, NaN or infinite.
    """
    if not 0 <= effect < math.inf:
        raise ValueError(f"{name} is {effect}: not a share of 0 or more (0.03 is 3 %)")


def checked_launches(values: Sequence[float], *, what: str) -> tuple[float, ...]:
    """The values of the launches of one run, as floats.

    Raises:
        ValueError: there is none, or one is NaN or infinite.
    """
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
        ValueError: a run has no launch or a value that is not finite, or there are not as many ids as runs.
    """

    runs: tuple[tuple[float, ...], ...]
    """The accepted runs, oldest first, each with a value per launch."""
    anchor: tuple[float, ...] | None = None
    """The launches of the anchor run; None: there is none. Being one of `runs` does not hurt."""
    run_ids: tuple[str, ...] = ()
    """Which runs these are, so that the suite as a whole can be compared; empty: they are numbered from the newest back."""

    def __post_init__(self) -> None:
        for number, run in enumerate(self.runs, start=1):
            checked_launches(run, what=f"accepted run {number} of {len(self.runs)}")
        if self.anchor is not None:
            checked_launches(self.anchor, what="the anchor")
        if self.run_ids and len(self.run_ids) != len(self.runs):
            raise ValueError(f"{len(self.runs)} runs with {len(self.run_ids)} run ids")


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What is said of one benchmark, with the numbers it rests on; those are None where nothing was compared."""

    verdict: Verdict
    """One of seven."""
    reason: str
    """Why, in a sentence."""
    evidence: Evidence = Evidence.NONE
    """The launches it rests on."""
    against: Against = Against.BASELINE
    """What `ratio`, `interval`, `allowance`, `limit` and `smallest_visible` refer to."""
    suspect: bool = False
    """Worth measuring again in fresh launches."""
    ratio: float | None = None
    """Measured / baseline; above 1 is slower."""
    interval: tuple[float, float] | None = None
    """Of the ratio, for this comparison alone: `pass_level` lies on each side of it (0.01: a 98 % interval)."""
    allowance: float | None = None
    """Ratio - 1 that a pass must exclude: the minimum effect and one standard deviation between accepted runs, capped."""
    limit: float | None = None
    """Ratio - 1 above which it is regressed, for as many comparisons."""
    smallest_visible: float | None = None
    """Ratio - 1 of the smallest true slowdown that would have been regressed with the chance `Policy.power`."""
    p_value: float | None = None
    """Of "slower by no more than the minimum effect" (with an anchor, of that and of no creep), before any correction."""
    degrees_of_freedom: float | None = None
    """Behind the spread; inf where it is taken as known."""
    comparisons: int | None = None
    """How many benchmarks share the level."""
    runs: int = 0
    """Accepted runs of this benchmark."""
    launches: int = 0
    """Launches it rests on."""
    reference_kernel: str | None = None
    """The part of the reference kernel that both sides' times are divided by; None: they are compared as they are."""

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Judgement:
        """From what `as_dict` gave, here or in another version: fields that are not known are left out.

        Raises:
            TypeError, ValueError: a word is none of those known.
        """
        interval = content.get("interval")
        known = {field.name for field in fields(cls)}
        words = {
            "reason": "",
            **{key: value for key, value in content.items() if key in known},
            "verdict": Verdict(content.get("verdict", "")),
            "evidence": Evidence(content.get("evidence", "none")),
            "against": Against(content.get("against", "baseline")),
            "interval": None if interval is None else (float(interval[0]), float(interval[1])),
        }
        if words.get("degrees_of_freedom") == "inf":
            words["degrees_of_freedom"] = math.inf
        return cls(**words)

    def as_dict(self) -> dict[str, object]:
        """The fields as JSON can hold them: words for enumerations, "inf" for infinite degrees of freedom."""
        content: dict[str, object] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, StrEnum):
                value = value.value
            elif isinstance(value, tuple):
                value = list(value)
            elif isinstance(value, float) and math.isinf(value):
                value = "inf"
            content[field.name] = value
        return content


@dataclass(frozen=True, kw_only=True)
class SuiteShift:
    """Whether the suite as a whole became slower, a little everywhere."""

    verdict: Verdict | None
    """Regressed, improved, or inconclusive: no shift beyond `suite_min_effect` was shown; None: it could not be tested."""
    reason: str
    """Why, in a sentence."""
    ratio: float | None = None
    """Measured / baseline of the typical (median) benchmark."""
    interval: tuple[float, float] | None = None
    """Of the ratio; `pass_level` lies on each side."""
    smallest_visible: float | None = None
    """Ratio - 1 of the smallest true shift that would have been seen with the chance `Policy.power`."""
    p_value: float | None = None
    """Of "the typical benchmark is slower by no more than `suite_min_effect`"."""
    degrees_of_freedom: float | None = None
    """Accepted runs less one."""
    runs: int = 0
    """Accepted runs that were compared."""
    benchmarks: int = 0
    """Benchmarks that all of them have."""
