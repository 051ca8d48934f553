"""A claim, how a run is asked about it, and the asking."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from baselines.files.run import Run
from baselines.report.claims import Answer, Case, Claim, above, answer_of, numbers
from baselines.report.compared import Compared
from baselines.report.points import Point, asked
from baselines.report.study_cases import decided
from baselines.report.unmeasured import why_not


def nothing(*_: object) -> tuple[()]:
    """No case."""
    return ()


@dataclass(frozen=True, kw_only=True)
class Asked(Claim):
    """A claim, and how a run is asked about it."""

    compared: Callable[[Sequence[Point], Run], Iterable[Compared]] = nothing
    says: Callable[[Case], bool | None] = above
    """What a case says of it; of most, whether the second takes longer."""
    facts: Callable[[Sequence[Point]], Iterable[Case]] = nothing
    """Cases that need no interval, decided."""
    found: str = ""
    """A sentence with `{}` where the values go."""
    lacking: str
    """What a run measured that measured the question and has no case; without a question, why no run can tell."""
    asks: str = ""
    """What measures it, where the question's own preset does not."""
    least_cores: int = 0
    """With fewer, an answer against it says nothing."""


def answered(one: Asked, points: Sequence[Point], run: Run) -> Claim:
    """A claim with what a run says about it."""
    cases = (*decided(one.compared(points, run), one.says), *one.facts(points))
    answer = answer_of(cases)
    if cases:
        why = numbers(cases, one.found)
    elif not one.question:
        why = one.lacking
    else:
        why = f"this run measured {one.lacking}" if asked(points, one.question) else why_not(run, one.question)
        why += f"; {one.asks}" * bool(one.asks)
    cores = run.machine_hard.get("physical_cores")
    if answer is Answer.FAILS and isinstance(cores, int) and cores < one.least_cores:
        few = f"{cores} cores are fewer than the 8 to 16 that the study's small problems wanted, and all are best"
        answer, why = Answer.UNTESTED, f"{few}: {why}"
    return replace(one, answer=answer, why=why, cases=cases)
