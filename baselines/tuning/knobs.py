"""What knobs are worth: each alone, then those that helped together, side by side with the same configuration without them.

Knobs are worth less than launches lie apart, which launch pairs tell apart all the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from baselines.judging.difference import Difference
from baselines.judging.durations import clock
from baselines.requesting.session import Wrong
from baselines.tuning.objective import first_line
from baselines.tuning.race import Race
from baselines.tuning.space import Candidate, Setting

if TYPE_CHECKING:
    from baselines.tuning.search import Search

PRIOR_PAIR_SD: Final = 0.012
"""How far launch pairs lie apart before a search has seen it (docs/duet.md)."""
MOST_PAIRS: Final = 6
"""Of a setting, and of those that helped, together."""
ENOUGH: Final = 4
"""After so many a setting that does not look better gets no more."""
ALONE: Final = 0.6
"""Of the time for a candidate's knobs, what is for each alone."""
HELPS: Final = 0.10
"""A knob that would look so good by chance no more often than this goes on to the last stage."""


NO_TIME: Final = "there was no time for it"
GLIBCS: Final = frozenset({("huge_pages", "madvise"), ("malloc_thresholds", "raised")})
"""What glibc's malloc is told to do: another allocator takes its place, and is told nothing."""


@dataclass(frozen=True, kw_only=True)
class Worth:
    """What a knob is worth, side by side with the same configuration without it."""

    base: Candidate
    settings: tuple[Setting, ...]
    difference: Difference | None
    """Above 0 it costs; None where it was not measured, and then `why` says why."""
    pairs: int
    why: str = ""

    @property
    def candidate(self) -> Candidate:
        """The configuration with it."""
        return self.base.turned(*self.settings)


def with_knobs(search: Search, base: Candidate, begin: float, end: float) -> list[tuple[float, Candidate]]:
    """Turns each knob of a candidate alone, then those that helped together; (log ratio, candidate) of what is better.

    `begin` and `end` are shares of the search's time, between which there is time for it.
    """
    alone = [Worth(base=base, settings=(one,), difference=None, pairs=0) for one in search.space.settings(base)]
    race: Race[Candidate] = Race(PRIOR_PAIR_SD, moods=False)
    found = raced(search, race, alone, begin + ALONE * (end - begin))
    helped: dict[str, Worth] = {}
    for one in found:
        if one.candidate not in search.out and one.difference is not None and one.difference.p_below(0) <= HELPS:
            ((knob, _),) = one.settings
            if knob not in helped or one.difference.estimate < (helped[knob].difference or one.difference).estimate:
                helped[knob] = one
    together: list[Worth] = []
    chosen = compatible(list(helped.values()))
    while len(chosen) > 1:
        settings = tuple(setting for one in chosen for setting in one.settings)
        together += raced(search, race, [Worth(base=base, settings=settings, difference=None, pairs=0)], end)
        if together[-1].candidate not in search.out:
            break
        chosen.pop()  # together they fail: without the one that is worth least
    search.worths += [*found, *together]
    return [
        (one.difference.estimate, one.candidate)
        for one in (*helped.values(), *together)
        if one.candidate not in search.out and one.difference is not None and one.difference.estimate < 0
    ]


def compatible(helped: Sequence[Worth]) -> list[Worth]:
    """Knobs that can be turned together, the best first: another allocator, or what glibc's is told, by which gains more."""
    order = sorted(helped, key=_estimate)
    others = [one for one in order if one.settings[0][0] == "allocator"]
    glibcs = [one for one in order if one.settings[0] in GLIBCS]
    if not others or not glibcs:
        return order
    weaker = glibcs if math.fsum(map(_estimate, others)) <= math.fsum(map(_estimate, glibcs)) else others
    return [one for one in order if one not in weaker]


def _estimate(one: Worth) -> float:
    return one.difference.estimate if one.difference else 0.0


def raced(search: Search, race: Race[Candidate], worths: Sequence[Worth], share: float) -> list[Worth]:
    """Launch pairs of knobs with their base, two by two, one with each side loaded first, until that share of time."""
    left, until_s, why = list(worths), search.until_s(share), dict[Candidate, str]()
    for _ in range(0, MOST_PAIRS, 2):
        for _ in range(2):
            for one in list(left):
                if search.measurer.elapsed_s + search.pair_cost(one.candidate, one.base) > until_s:
                    why.setdefault(one.candidate, NO_TIME)
                    continue
                try:
                    value = search.pair(one.candidate, one.base)
                except Wrong as error:
                    why[one.candidate] = first_line(str(error))
                    if error.side == "measured":  # else it is the base's fault, or there is no memory for two
                        search.out[one.candidate] = why[one.candidate]
                else:
                    race.add(one.candidate, len(search.pairs[one.candidate, one.base]), value)
            left = [one for one in left if one.candidate in race and one.candidate not in search.out]
        # Worse than without it, surely, or not better in the first ones: no more of it.
        left = [
            one
            for one in left
            if race.against(one.candidate, 0.0).p_above(0) > HELPS / 2
            and (race.count(one.candidate) < ENOUGH or race.mean(one.candidate) < 0)
        ]
        if not left or search.measurer.elapsed_s > until_s:
            break
        named = ", ".join(" ".join(one.settings[0]) for one in left)
        search.tell(f"{clock(search.measurer.elapsed_s)}  knobs of {worths[0].base}: {named} left")
    return [
        Worth(
            base=one.base,
            settings=one.settings,
            difference=race.against(one.candidate, 0.0) if one.candidate in race else None,
            pairs=race.count(one.candidate),
            why=why.get(one.candidate, ""),
        )
        for one in worths
    ]
