"""The search: from number formats to threads, instances and batches, and from there to the knobs.

Each stage is a race (`race`): a launch of everything that is in it, then another of what could still be the best. Stages
leave different margins, because what comes later may turn what came before: another number of threads is worth more than a
tenth, a knob rarely is. Knobs are worth less than launches lie apart: they are measured side by side, in launch pairs with
the same configuration without them. The time of the comparisons that end a search is kept for them.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final, Protocol

from baselines.judging.durations import clock
from baselines.judging.policy import Policy
from baselines.judging.wording import counted
from baselines.requesting.session import OutOfTime
from baselines.tuning.knobs import NO_TIME, Worth, with_knobs
from baselines.tuning.objective import Limits, Objective, Said, first_line
from baselines.tuning.race import Race
from baselines.tuning.space import Candidate, Space

PRIOR_SD: Final = Policy().prior_run_sd
"""How far launches lie apart before a search has seen it, as for runs."""
LAUNCH_S: Final = 12.0
"""What a launch is taken to cost before the first of its backend."""
TURNS_S: Final = 3.0
"""What a launch pair is taken to cost beside its two launches, before there was one: turns go on until they are precise."""
FEW: Final = 12
"""So many plain candidates race at once, without a stage of number formats before."""
FORMATS: Final = (0.30, 2, 0.40)
"""Margin as a log ratio, passes at the most, and until which share of the search's time: of the number formats, ..."""
LAYOUTS: Final = (0.10, 3, 0.70)
"""... of threads, instances and batches, ..."""
LEADERS: Final = (0.0, 8, 0.75)
"""... and of what is left of them; the knobs follow (`knobs`)."""
FIRST: Final = 0.80
"""The first launch of each number format may take so much of the search's time: what is never launched is never found."""
MOST_LEADERS: Final = 2
LEAST_SHARE: Final = 0.25
MOST_SHARE: Final = 0.50
"""Of the time, what is kept for the comparisons that end a search: what they are expected to take, within these."""
LEAST_PAIRS: Final = 4
"""Launch pairs of a comparison at the least: two degrees of freedom are left beside the ratio and the order."""
LAST_PAIRS: Final = 16
"""Those that the comparisons in the end are expected to take: what knobs are worth is the least, and takes half of them."""


class Measurer(Protocol):
    """Whatever measures launches, or has them on record."""

    @property
    def elapsed_s(self) -> float:
        """What everything took so far."""

    def launch(self, candidates: Sequence[Candidate]) -> Sequence[Said]:
        """One fresh launch of candidates that differ in their batch alone; `failed` in place of numbers says why."""

    def pair(self, measured: Candidate, reference: Candidate, number: int, quantity: str) -> Said:
        """A launch pair; an even number loads `measured` first.

        Raises:
            Wrong: a side failed.
        """


@dataclass(kw_only=True)
class Search:
    """A search, as it goes on."""

    space: Space
    objective: Objective
    limits: Limits
    measurer: Measurer
    began_s: float
    """What had been spent before it."""
    budget_s: float
    """For everything, the comparisons that end it as well."""
    tell: Callable[[str], None]
    launches: dict[Candidate, list[Said]] = field(default_factory=dict)
    out: dict[Candidate, str] = field(default_factory=dict)
    """Why, of candidates that cannot be chosen."""
    worths: list[Worth] = field(default_factory=list)
    race: Race[Candidate] = field(default_factory=lambda: Race(PRIOR_SD, moods=True))
    pairs: dict[tuple[Candidate, Candidate], list[float]] = field(default_factory=dict)
    """Log ratios of launch pairs in their order, the first loaded measured first; above 0 the first is worse."""
    throttled: dict[tuple[Candidate, Candidate], float] = field(default_factory=dict)
    """The largest share of a CPU quota's periods in which it stopped both sides."""
    cut_off: bool = False
    """Whether a launch was still going on when the time was over."""
    _walls: dict[str, list[float]] = field(default_factory=dict)
    _pair_walls: dict[frozenset[str], list[float]] = field(default_factory=dict)
    _in_a_race: set[Candidate] = field(default_factory=set)
    _passes: int = 0

    @property
    def end_s(self) -> float:
        """When the budget is over."""
        return self.began_s + self.budget_s

    def until_s(self, share: float) -> float:
        """When that share of the search's time is over: what the comparisons are expected to take is kept for them."""
        best = next(iter(self.ranked()), self.space.default)
        pairs = LAST_PAIRS if any(self.space.knobs.values()) else LAST_PAIRS // 2
        wanted_s = pairs * self.pair_cost(best, self.space.default)
        kept_s = min(MOST_SHARE * self.budget_s, max(LEAST_SHARE * self.budget_s, wanted_s))
        return self.began_s + share * (self.budget_s - kept_s)

    @property
    def unmeasured(self) -> list[Candidate]:
        """Plain candidates whose turn did not come: left in a race, or of backends and formats measured in no way."""
        launched = {*self.launches, *self.out}
        seen = {(one.backend, one.precision) for one in launched}
        return [
            one
            for one in self.space.plain
            if one not in launched and (one in self._in_a_race or (one.backend, one.precision) not in seen)
        ]

    @property
    def unturned(self) -> list[Worth]:
        """Knobs whose turn did not come."""
        return [one for one in self.worths if one.why == NO_TIME and not one.pairs]

    def ranked(self) -> list[Candidate]:
        """Plain candidates that were measured and may be chosen, the best first."""
        return self.race.ordered([one for one in self.race.arms if one not in self.out])

    def run(self) -> list[Candidate]:
        """Goes through all stages; the candidates that may be the best, the best first. Empty where nothing was measured."""
        try:
            return self._run()
        except OutOfTime:  # a launch that took longer than any before
            self.cut_off = True
            return self.ranked()

    def _run(self) -> list[Candidate]:
        plain = list(self.space.plain)
        if len(plain) > FEW:
            formats = dict.fromkeys((self.space.default, *self.space.formats()))
            left = self.stage("number formats", list(formats), FORMATS)
            plain = list(dict.fromkeys((*left, *self.space.layouts(left))))
        left = self.stage("threads, instances, batches", plain, LAYOUTS)
        left = self.stage("the best of them", left, LEADERS)[:MOST_LEADERS]
        levels = {one: self.race.difference(one, left[0]).estimate for one in left}  # over the passes that they share
        best = [(level, one) for one, level in levels.items()]
        for number, base in enumerate(left):
            begin, end = (1 - (1 - LEADERS[2]) * (len(left) - place) / len(left) for place in (number, number + 1))
            best += [(levels[base] + gain, one) for gain, one in with_knobs(self, base, begin, end)]
        return [one for _, one in sorted(best, key=lambda pair: pair[0])]

    def stage(self, name: str, arms: Sequence[Candidate], rule: tuple[float, int, float]) -> list[Candidate]:
        """Races some candidates; those that are left, the best first."""
        margin, most, share = rule
        left, until_s = list(arms), self.until_s(share)
        self._in_a_race |= {*arms}
        for number in range(most):
            if len(left) < 2 and all(one in self.race for one in left):
                break
            complete = self._pass(left, until_s if number or self.race.arms else self.until_s(FIRST))
            left = [one for one in left if one in self.race and one not in self.out]
            if left:
                left = self.race.left(left, margin)
            self._tell(name, left)
            if not complete or not left:
                break
            left = self._affordable(left, until_s)
        return self.race.ordered(left)

    def pair(self, measured: Candidate, reference: Candidate) -> float:
        """The next launch pair of two candidates: its log ratio, above 0 where `measured` is worse.

        Raises:
            Wrong: a side failed.
        """
        known = self.pairs.setdefault((measured, reference), [])
        said = self.measurer.pair(measured, reference, len(known), self.objective.quantity)
        known.append(float(said["log_ratio"]))
        self._pair_walls.setdefault(_kind(measured, reference), []).append(float(said["wall_s"]))
        share = float(said.get("throttled_share") or 0.0)
        self.throttled[measured, reference] = max(share, self.throttled.get((measured, reference), 0.0))
        if said.get("alone") is not None:
            self._keep(measured, said["alone"])
        return known[-1]

    def pair_cost(self, measured: Candidate, reference: Candidate) -> float:
        """What a launch pair of two candidates is expected to take, in seconds."""
        if walls := self._pair_walls.get(_kind(measured, reference)):
            return statistics.median(walls)
        return self._cost([measured]) + self._cost([reference]) + TURNS_S

    def pairs_seen(self, measured: Candidate, reference: Candidate) -> bool:
        """Whether a launch pair of such backends was measured, so that its cost is no guess."""
        return bool(self._pair_walls.get(_kind(measured, reference)))

    def _pass(self, arms: Sequence[Candidate], until_s: float) -> bool:
        """One launch of each, every other pass backwards; whether there was time for all."""
        groups = [list(members) for _, members in groupby(sorted(arms, key=_places(arms)), key=lambda one: one.deployment)]
        self._passes += 1
        complete = True
        for group in groups if self._passes % 2 else reversed(groups):
            if self.measurer.elapsed_s + self._cost(group) > until_s and self.race.arms:
                complete = False  # another backend may be quicker
                continue
            said = self.measurer.launch(group)
            self._walls.setdefault(group[0].backend, []).append(sum(float(one["wall_s"]) for one in said))
            for one, numbers in zip(group, said, strict=True):
                self._take(one, numbers)
        return complete

    def _take(self, one: Candidate, numbers: Said) -> None:
        """What a launch said of a candidate."""
        if "failed" in numbers:
            self.out[one] = first_line(str(numbers["failed"]))
        else:
            value = self.objective.value(numbers)
            disturbed = numbers.get("disturbed")
            self.race.add(one, self._passes, value, disturbed=bool(disturbed))
            self._keep(one, numbers)
            beside = f", disturbed: {disturbed}" if disturbed else ""
            self.tell(f"{clock(self.measurer.elapsed_s)}  {one}: {self.objective.text(value)}{beside}")
        if why := self.out.get(one):
            self.tell(f"out: {one}: {why}")

    def _keep(self, one: Candidate, numbers: Said) -> None:
        self.launches.setdefault(one, []).append(numbers)
        if why := self.limits.broken(self.launches[one]):
            self.out[one] = why

    def _affordable(self, left: Sequence[Candidate], until_s: float) -> list[Candidate]:
        """The better half of them, and of those again, until another pass over them has time; two at the least."""
        order = self.race.ordered(left)
        while len(order) > 2 and self.measurer.elapsed_s + self._cost(order) > until_s:
            order = order[: max(2, len(order) // 2)]
        return order

    def _cost(self, candidates: Sequence[Candidate]) -> float:
        """Of a launch of each deployment among them."""
        backends = {one.deployment: one.backend for one in candidates}.values()
        every = [wall for walls in self._walls.values() for wall in walls]
        usual = statistics.median(every) if every else LAUNCH_S
        guesses = self.space.costs_s
        return sum(statistics.median(self._walls.get(backend, [guesses.get(backend, usual)])) for backend in backends)

    def _tell(self, name: str, left: Sequence[Candidate]) -> None:
        if not left:
            return
        best = self.race.best(left)
        said = f"{counted(len(left), 'configuration')} left, the best {best}: {self.objective.text(self.race.mean(best))}"
        self.tell(f"{clock(self.measurer.elapsed_s)}  {name}: {said}")


def _kind(measured: Candidate, reference: Candidate) -> frozenset[str]:
    return frozenset((measured.backend, reference.backend))


def _places(arms: Sequence[Candidate]) -> Callable[[Candidate], int]:
    """The order of arms, those of one deployment together."""
    first: dict[Candidate, int] = {}
    for number, arm in enumerate(arms):
        first.setdefault(arm.deployment, number)
    return lambda one: first[one.deployment]
