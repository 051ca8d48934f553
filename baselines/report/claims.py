"""How a claim about measurements is decided: cases with intervals, and never an answer from noise.

A case is one comparison, such as 512 tokens against 128 of one backend. Its value is the logarithm of a ratio of medians
over launches, or an exponent, which is such a logarithm divided by that of the growth. compared.py makes its interval,
widened for the number of cases of the claim (Bonferroni), so that in about 95 % of runs noise decides no case of a claim
wrongly. A case whose interval lies on both sides of its threshold says nothing, nor does one that other processes
disturbed. A fact that the kernel told is a case without an interval. study.py and study_part_two.py have the claims.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from baselines.judging.wording import counted, three_digits

MARGIN: Final = math.log(1.05)
"""Of the logarithm of a ratio: what lies within it either way is no effect."""


class Answer(StrEnum):
    """What a run says about a claim."""

    HOLDS = "holds"
    """At least one case is decided, all decided ones for it."""
    FAILS = "does not hold"
    """At least one case is decided, all decided ones against it."""
    IN_PART = "holds in part"
    """Some cases are decided for it and some against it."""
    OPEN = "the data cannot tell"
    """Cases were measured, and noise explains each of them."""
    UNTESTED = "cannot be tested here"
    """No case was measured."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One comparison."""

    what: str
    estimate: float
    """A logarithm, or an exponent."""
    half_width: float
    """Of its interval."""
    says: bool | None
    """For the claim, against it, or neither."""
    among: str = ""
    """Of several with the same word only the best counts; empty: it counts by itself."""
    exponent: bool = False
    disturbed: bool = False
    """Whether other processes had the CPUs of one side: then it says nothing."""
    seen: str = ""
    """A fact, in words, where nothing was estimated."""

    @property
    def value_text(self) -> str:
        """`1.85`, or an exponent, or a fact."""
        if self.seen:
            return self.seen
        return f"{self.estimate:.2f}" if self.exponent else three_digits(math.exp(self.estimate))

    @property
    def interval_text(self) -> str:
        """`1.62 to 2.10`; nothing of a fact."""
        if self.seen:
            return ""
        ends = self.estimate - self.half_width, self.estimate + self.half_width
        if self.exponent:
            return f"{ends[0]:.2f} to {ends[1]:.2f}"
        return " to ".join(three_digits(math.exp(end)) for end in ends)

    @property
    def says_text(self) -> str:
        """In a word."""
        if self.disturbed:
            return "disturbed: cannot tell"
        return {True: "for it", False: "against it", None: "cannot tell"}[self.says]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A claim of the study, and what this run says about it."""

    name: str
    statement: str
    study: str
    """What the study saw."""
    rule: str
    """When a case counts for it, and when against it."""
    question: str = ""
    """Of the suite, whose benchmarks are compared; empty where none can tell."""
    part: int = 1
    """Of the study."""
    answer: Answer = Answer.UNTESTED
    why: str = ""
    """The numbers, or what was not measured."""
    cases: tuple[Case, ...] = ()


def above(case: Case, threshold: float = 0.0) -> bool | None:
    """Whether a value lies above a threshold, below it, or on both sides."""
    if case.disturbed:
        return None
    if case.estimate - case.half_width > threshold:
        return True
    return False if case.estimate + case.half_width < threshold else None


def within(case: Case, low: float, high: float) -> bool | None:
    """Whether a value lies between two thresholds, outside them, or neither."""
    if case.disturbed:
        return None
    bottom, top = case.estimate - case.half_width, case.estimate + case.half_width
    if low <= bottom and top <= high:
        return True
    return False if top < low or bottom > high else None


def no_effect(case: Case) -> bool | None:
    """Whether a ratio lies within MARGIN of 1, outside it, or neither: a test of equivalence."""
    return within(case, -MARGIN, MARGIN)


def gains(case: Case) -> bool | None:
    """Whether the second takes longer; no where it takes less than MARGIN longer, however surely it takes longer."""
    return False if above(case, MARGIN) is False else True if above(case) else None


def answer_of(cases: Iterable[Case]) -> Answer:
    """What the cases say together."""
    said = [case.says for case in cases]
    if not said:
        return Answer.UNTESTED
    if True in said:
        return Answer.IN_PART if False in said else Answer.HOLDS
    return Answer.FAILS if False in said else Answer.OPEN


def numbers(cases: Sequence[Case], sentence: str) -> str:
    """From where to where the values of some cases go, put in the `{}` of a sentence, and how many cases say what.

    Of facts it is each of them, by what it is of.
    """
    ordered = sorted(cases, key=lambda case: case.estimate)
    ends = [ordered[0].value_text, ordered[-1].value_text] if len(cases) > 1 else [ordered[0].value_text]
    if any(case.seen for case in cases):
        ends = ["; ".join(f"{case.what}: {case.seen}" for case in cases)]
    said = [case.says for case in cases]
    counts = [(said.count(True), "for it"), (said.count(False), "against it"), (said.count(None), "cannot tell")]
    told = ", ".join(f"{count} {words}" for count, words in counts if count)
    disturbed = sum(case.disturbed for case in cases)
    told += f" ({disturbed} disturbed by other processes)" * bool(disturbed)
    return f"{sentence.format(' to '.join(ends))}: {counted(len(cases), 'comparison')}, {told}"
