"""What ends a search: the best side by side with itself without knobs, with the runner-up, and with the default.

What a search finds best is likely to have been lucky. These launch pairs are new and know nothing of that luck; what cannot
be told from something plainer is not chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from baselines.comparing.disturbance import THROTTLED_SHARE_LIMIT
from baselines.judging.difference import Difference
from baselines.judging.durations import clock
from baselines.judging.launch_pairs import LaunchPair, fit
from baselines.judging.policy import DuetPolicy
from baselines.judging.wording import counted
from baselines.requesting.session import OutOfTime, Wrong
from baselines.tuning.objective import first_line
from baselines.tuning.search import LEAST_PAIRS, Search
from baselines.tuning.space import Candidate

MOST_PAIRS: Final = 12
SAFETY: Final = 1.25
GUESSED: Final = 2.0
"""So many times what the fewest launch pairs of later comparisons are expected to take is kept for them; the latter where no
launch pair of their backends was measured yet."""
LEVEL: Final = 0.025
"""On each side of an interval: where two are equal, they are told apart once in twenty comparisons."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Two candidates side by side."""

    measured: Candidate
    reference: Candidate
    difference: Difference | None
    """Above 0 `measured` is worse; None where there are too few launch pairs, and then `why` says why."""
    pairs: int
    why: str = ""
    throttled: str = ""
    """What a CPU quota did to the two, where it stopped them."""

    @property
    def interval(self) -> tuple[float, float] | None:
        """How many times better `measured` is, from and to."""
        if self.difference is None:
            return None
        low, high = self.difference.interval(LEVEL)
        return 1 / high, 1 / low

    @property
    def better(self) -> bool:
        """Whether `measured` is surely better."""
        return self.difference is not None and self.difference.upper_bound(LEVEL) < 0

    @property
    def worse(self) -> bool:
        """Whether it is surely worse."""
        return self.difference is not None and self.difference.estimate > self.difference.reach(LEVEL)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a search came to."""

    best: Candidate
    """What to run: the default where nothing is told from it."""
    compared: tuple[Compared, ...]
    nothing_to_gain: bool
    """Whether the default is what to run, and everything had its turn."""
    settled: bool
    """Whether the best was compared with the default; or is it, and nothing was left undone."""


def finish(search: Search, found: Sequence[Candidate]) -> Outcome:
    """Compares the best of a search, as long as there is time; `found` are the best ones, the best first.

    Where the best breaks a limit meanwhile, the next one of those that are left is compared.
    """
    compared: list[Compared] = []
    outcome = _finish(search, found, compared)
    while outcome.best in search.out and (left := [one for one in (*found, *search.ranked()) if one not in search.out]):
        outcome = _finish(search, list(dict.fromkeys(left)), compared)
    return outcome


def _finish(search: Search, found: Sequence[Candidate], told: list[Compared]) -> Outcome:
    """The same once; what is compared is added to `told`.

    No comparison takes the time that the fewest launch pairs of those after it are expected to take. The knobs, which are
    worth the least, get all the rest that they can use; the runner-up half of it.
    """
    best, default = found[0], search.space.default
    compared: dict[tuple[Candidate, Candidate], Compared] = {}
    complete = not search.unmeasured and not search.cut_off and not search.unturned

    def beside(measured: Candidate, reference: Candidate, *later: Candidate | None, share: float = 1.0) -> Compared:
        waiting = {one for one in later if one not in (None, measured, reference)} - {
            two for one, two in compared if one == measured
        }
        kept_s = sum(
            (SAFETY if search.pairs_seen(measured, one) else GUESSED) * LEAST_PAIRS * search.pair_cost(measured, one)
            for one in waiting
            if one is not None
        )
        now_s = search.measurer.elapsed_s
        until_s = now_s + share * (search.end_s - now_s)
        one = side_by_side(search, measured, reference, until_s=until_s, end_s=search.end_s - kept_s)
        compared[measured, reference] = one
        told.append(one)
        return one

    others = [one for one in (*found, *search.ranked()) if not one.knobs and one not in (best, best.plain, default)]
    second = next(iter(others), None)
    # Where the form without knobs breaks a limit, the knobs are what makes it possible.
    if best.knobs and best.plain not in search.out and not beside(best, best.plain, second, default).better:
        best = best.plain
    if second is not None and beside(best, second, default, share=0.5).worse:
        best = second
    if best == default:
        settled = complete and all(one.difference is not None for one in compared.values())
        return Outcome(best=best, compared=tuple(told), nothing_to_gain=settled, settled=settled)
    last = compared.get((best, default)) or beside(best, default)
    settled = last.difference is not None
    if last.better or not settled or default in search.out:
        return Outcome(best=best, compared=tuple(told), nothing_to_gain=False, settled=settled)
    return Outcome(best=default, compared=tuple(told), nothing_to_gain=complete, settled=complete)


def side_by_side(search: Search, measured: Candidate, reference: Candidate, *, until_s: float, end_s: float) -> Compared:
    """New launch pairs of two candidates, two by two: the fewest until `end_s`, more until `until_s`."""
    before = len(search.pairs.get((measured, reference), ()))
    why = "there was no time for it" if search.cut_off else ""
    try:
        while not search.cut_off and (count := len(search.pairs.get((measured, reference), ())) - before) < MOST_PAIRS:
            cost_s = search.pair_cost(measured, reference) * (LEAST_PAIRS if not count else 2)
            if search.measurer.elapsed_s + cost_s > (min(until_s, end_s) if count >= LEAST_PAIRS else end_s):
                why = f"{counted(count, 'launch pair')}, there was no time for more"
                break
            for _ in range(2):
                search.pair(measured, reference)
    except Wrong as error:
        why = first_line(str(error))
    except OutOfTime:
        search.cut_off, why = True, "a launch pair took longer than there was time for"
    ratios = search.pairs.get((measured, reference), [])[before:]
    pairs = [LaunchPair(log_ratio=ratio, measured_first=(before + place) % 2 == 0) for place, ratio in enumerate(ratios)]
    found, policy = fit(pairs), DuetPolicy()
    difference = None
    if found is not None and len(pairs) >= LEAST_PAIRS:
        error_of = (max(found.variance, policy.smallest_sd**2) * found.share) ** 0.5
        difference = Difference(
            estimate=found.estimate, standard_error=error_of, degrees_of_freedom=found.degrees_of_freedom
        )
    one = Compared(
        measured=measured,
        reference=reference,
        difference=difference,
        pairs=len(pairs),
        why=why,
        throttled=throttled_text(search.throttled.get((measured, reference), 0.0)),
    )
    if one.throttled and not one.better and not one.worse:  # one side uses up what the other one needs
        one = replace(one, difference=None, why=f"{one.throttled}: lift the quota, or name fewer threads with --threads")
    search.tell(f"{clock(search.measurer.elapsed_s)}  {measured} beside {reference}: {said(one)}")
    return one


def throttled_text(share: float) -> str:
    """What a CPU quota did to two sides that share it; empty where it hardly stopped them."""
    return f"a CPU quota stopped both sides in {share:.0%} of its periods" if share > THROTTLED_SHARE_LIMIT else ""


def said(one: Compared) -> str:
    """`2.61 times [2.50, 2.72], 8 launch pairs side by side`, or why nobody knows."""
    if one.difference is None:
        return f"not compared: {one.why or 'too few launch pairs'}"
    return f"{ratio_text(one.difference)}, {one.pairs} launch pairs side by side"


def ratio_text(difference: Difference) -> str:
    """How many times better, with the interval: `1.043 times [1.012, 1.075]`."""
    low, high = difference.interval(LEVEL)
    digits = 3 if 0.5 < difference.ratio < 2 else 2
    return f"{1 / difference.ratio:.{digits}f} times [{1 / high:.{digits}f}, {1 / low:.{digits}f}]"
