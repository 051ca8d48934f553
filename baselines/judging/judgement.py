"""What a judge says: the verdict on one benchmark with its numbers, and that on the suite as a whole.

Values only, and only the standard library: whoever prints or stores a judgement need not import scipy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
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
    """The launches of the run: they make a suspect, never a red test. A suspect is re-measured."""
    CONFIRMED = "confirmed"
    """Fresh launches, made because the run's own were suspect; the run's own are left out."""
    RUN = "run"
    """The launches of a run of which no more can be had: they decide."""
    DUET = "duet"
    """Launch pairs of two environments that took turns: they decide."""


class Against(StrEnum):
    """What a benchmark was compared with."""

    BASELINE = "baseline"
    """The accepted runs."""
    ANCHOR = "anchor"
    """The one run kept from long ago, which slow creep cannot follow."""
    REFERENCE = "reference"
    """Another environment, in the same turns on the same CPUs."""


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
    """Worth re-measuring in fresh launches."""
    withheld: bool = False
    """It would have been regressed, but its accepted runs are of one sitting, or the machine is what changed."""
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
        content = {**asdict(self), "verdict": self.verdict.value, "evidence": self.evidence.value}
        content |= {"against": self.against.value, "interval": None if self.interval is None else list(self.interval)}
        return {name: "inf" if value == math.inf else value for name, value in content.items()}


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
