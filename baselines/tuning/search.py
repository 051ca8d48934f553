"""The search: from number formats to threads, instances and batches, and from there to the knobs.

Each stage is a race (`race`): a launch of everything that is in it, then another of what could still be the best. Stages
leave different margins, because what comes later may turn what came before: another number of threads is worth more than a
tenth, a knob rarely is. Knobs are worth less than launches lie apart: they are measured side by side, in launch pairs with
the same configuration without them. The time of the comparisons that end a search is kept for them.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final, Protocol

from baselines.judging.difference import Difference
from baselines.judging.durations import clock
from baselines.judging.policy import Policy
from baselines.judging.wording import counted
from baselines.requesting.session import Wrong
from baselines.tuning.objective import Limits, Objective, Said
from baselines.tuning.race import Race
from baselines.tuning.space import Candidate, Setting, Space

PRIOR_SD: Final = Policy().prior_run_sd
"""How far launches lie apart before a search has seen it, as for runs."""
PRIOR_PAIR_SD: Final = 0.012
"""The same of launch pairs (docs/duet.md)."""
LAUNCH_S: Final = 12.0
"""What a launch is taken to cost before the first of its backend; a launch pair costs PAIR_FACTOR times its two."""
PAIR_FACTOR: Final = 1.3
FEW: Final = 12
"""So many plain candidates race at once, without a stage of number formats before."""
FORMATS: Final = (0.30, 2, 0.40)
"""Margin as a log ratio, passes at the most, and until which share of the search's time: of the number formats, ..."""
LAYOUTS: Final = (0.10, 3, 0.70)
"""... of threads, instances and batches, ..."""
LEADERS: Final = (0.0, 8, 0.75)
"""... of what is left of them, ..."""
KNOBS: Final = (0.0, 6, 0.90)
"""... of each knob alone, ..."""
TOGETHER: Final = (0.0, 6, 1.00)
"""... and of the knobs that helped, together."""
MOST_LEADERS: Final = 2
HELPS: Final = 0.10
"""A knob that would look so good by chance no more often than this goes on to the last stage."""
LEAST_SHARE: Final = 0.25
MOST_SHARE: Final = 0.50
"""Of the time, what is kept for the comparisons that end a search: what they are expected to take, within these."""
COMPARISONS: Final = 3
LEAST_PAIRS: Final = 4
"""Launch pairs of a comparison at the least: two degrees of freedom are left beside the ratio and the order."""


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
    _walls: dict[str, list[float]] = field(default_factory=dict)
    _pair_walls: dict[frozenset[str], list[float]] = field(default_factory=dict)
    _passes: int = 0

    @property
    def end_s(self) -> float:
        """When the budget is over."""
        return self.began_s + self.budget_s

    def until_s(self, share: float) -> float:
        """When that share of the search's time is over: what the comparisons are expected to take is kept for them."""
        best = next(iter(self.ranked()), self.space.default)
        wanted_s = COMPARISONS * LEAST_PAIRS * self.pair_cost(best, self.space.default)
        kept_s = min(MOST_SHARE * self.budget_s, max(LEAST_SHARE * self.budget_s, wanted_s))
        return self.began_s + share * (self.budget_s - kept_s)

    @property
    def unmeasured(self) -> list[Candidate]:
        """Plain candidates whose turn did not come, of backends and formats that were measured in no way either."""
        seen = {(one.backend, one.precision) for one in (*self.launches, *self.out)}
        return [one for one in self.space.plain if (one.backend, one.precision) not in seen]

    def ranked(self) -> list[Candidate]:
        """Plain candidates that were measured and may be chosen, the best first."""
        return self.race.ordered([one for one in self.race.values if one not in self.out])

    def run(self) -> list[Candidate]:
        """Goes through all stages; the candidates that may be the best, the best first. Empty where nothing was measured."""
        plain = list(self.space.plain)
        if len(plain) > FEW:
            formats = dict.fromkeys((self.space.default, *self.space.formats()))
            left = self.stage("number formats", list(formats), FORMATS)
            plain = list(dict.fromkeys((*left, *self.space.layouts(left))))
        left = self.stage("threads, instances, batches", plain, LAYOUTS)
        left = self.stage("the best of them", left, LEADERS)[:MOST_LEADERS]
        best = [(self.race.mean(one), one) for one in left]
        for base in left:
            best += self.with_knobs(base)
        return [one for _, one in sorted(best, key=lambda pair: pair[0])]

    def stage(self, name: str, arms: Sequence[Candidate], rule: tuple[float, int, float]) -> list[Candidate]:
        """Races some candidates; those that are left, the best first."""
        margin, most, share = rule
        left, until_s = list(arms), self.until_s(share)
        for _ in range(most):
            if len(left) < 2 and all(one in self.race.values for one in left):
                break
            complete = self._pass(left, until_s)
            left = [one for one in left if one in self.race.values and one not in self.out]
            if left:
                left = self.race.left(left, margin)
            self._tell(name, left)
            if not complete or not left:
                break
            left = self._affordable(left, until_s)
        return self.race.ordered(left)

    def with_knobs(self, base: Candidate) -> list[tuple[float, Candidate]]:
        """Turns each knob of a candidate alone, then those that helped together; (value, candidate) of what is better."""
        alone = [Worth(base=base, settings=(one,), difference=None, pairs=0) for one in self.space.settings(base)]
        race: Race[Candidate] = Race(PRIOR_PAIR_SD, moods=False)
        found = self._raced(race, alone, KNOBS)
        helped: dict[str, Worth] = {}
        for one in found:
            if one.candidate not in self.out and one.difference is not None and one.difference.p_below(0) <= HELPS:
                ((knob, _),) = one.settings
                if knob not in helped or one.difference.estimate < (helped[knob].difference or one.difference).estimate:
                    helped[knob] = one
        together: list[Worth] = []
        if len(helped) > 1:
            settings = tuple(setting for one in helped.values() for setting in one.settings)
            together = self._raced(race, [Worth(base=base, settings=settings, difference=None, pairs=0)], TOGETHER)
        self.worths += [*found, *together]
        level = self.race.mean(base)
        return [
            (level + one.difference.estimate, one.candidate)
            for one in (*helped.values(), *together)
            if one.candidate not in self.out and one.difference is not None and one.difference.estimate < 0
        ]

    def pair(self, measured: Candidate, reference: Candidate) -> float:
        """The next launch pair of two candidates: its log ratio, above 0 where `measured` is worse.

        Raises:
            Wrong: a side failed.
        """
        known = self.pairs.setdefault((measured, reference), [])
        said = self.measurer.pair(measured, reference, len(known), self.objective.quantity)
        known.append(float(said["log_ratio"]))
        self._pair_walls.setdefault(_kind(measured, reference), []).append(float(said["wall_s"]))
        if said.get("alone") is not None:
            self._keep(measured, said["alone"])
        return known[-1]

    def pair_cost(self, measured: Candidate, reference: Candidate) -> float:
        """What a launch pair of two candidates is expected to take, in seconds."""
        if walls := self._pair_walls.get(_kind(measured, reference)):
            return statistics.median(walls)
        return PAIR_FACTOR * (self._cost([measured]) + self._cost([reference]))

    def _pass(self, arms: Sequence[Candidate], until_s: float) -> bool:
        """One launch of each, every other pass backwards; whether there was time for all."""
        groups = [list(members) for _, members in groupby(sorted(arms, key=_places(arms)), key=lambda one: one.deployment)]
        self._passes += 1
        for group in groups if self._passes % 2 else reversed(groups):
            if self.measurer.elapsed_s + self._cost(group) > until_s and self.race.values:
                return False
            said = self.measurer.launch(group)
            self._walls.setdefault(group[0].backend, []).append(sum(float(one["wall_s"]) for one in said))
            for one, numbers in zip(group, said, strict=True):
                self._take(one, numbers)
        return True

    def _take(self, one: Candidate, numbers: Said) -> None:
        """What a launch said of a candidate."""
        if "failed" in numbers:
            self.out[one] = first_line(str(numbers["failed"]))
        else:
            value = self.objective.value(numbers)
            self.race.add(one, self._passes, value)
            self._keep(one, numbers)
            self.tell(f"{clock(self.measurer.elapsed_s)}  {one}: {self.objective.text(value)}")
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

    def _raced(self, race: Race[Candidate], worths: Sequence[Worth], rule: tuple[float, int, float]) -> list[Worth]:
        """Launch pairs of knobs with their base, two by two, one with each side loaded first."""
        margin, most, share = rule
        left, until_s, why = list(worths), self.until_s(share), dict[Candidate, str]()
        for _ in range(0, most, 2):
            for _ in range(2):
                for one in list(left):
                    if self.measurer.elapsed_s + self.pair_cost(one.candidate, one.base) > until_s:
                        why.setdefault(one.candidate, "there was no time for it")
                        continue
                    try:
                        value = self.pair(one.candidate, one.base)
                    except Wrong as error:
                        why[one.candidate] = self.out[one.candidate] = first_line(str(error))
                    else:
                        race.add(one.candidate, len(self.pairs[one.candidate, one.base]), value)
                left = [one for one in left if one.candidate in race.values and one.candidate not in self.out]
            # Worse than without it, surely: no more of it.
            left = [one for one in left if race.against(one.candidate, 0.0).p_above(margin) > HELPS / 2]
            if not left or self.measurer.elapsed_s > until_s:
                break
            named = ", ".join(" ".join(one.settings[0]) for one in left)
            self.tell(f"{clock(self.measurer.elapsed_s)}  knobs of {worths[0].base}: {named} left")
        return [
            Worth(
                base=one.base,
                settings=one.settings,
                difference=race.against(one.candidate, 0.0) if one.candidate in race.values else None,
                pairs=len(race.values.get(one.candidate, ())),
                why=why.get(one.candidate, ""),
            )
            for one in worths
        ]

    def _cost(self, candidates: Sequence[Candidate]) -> float:
        """Of a launch of each deployment among them."""
        backends = {one.deployment: one.backend for one in candidates}.values()
        every = [wall for walls in self._walls.values() for wall in walls]
        usual = statistics.median(every) if every else LAUNCH_S
        return sum(statistics.median(self._walls.get(backend, [usual])) for backend in backends)

    def _tell(self, name: str, left: Sequence[Candidate]) -> None:
        if not left:
            return
        best = self.race.best(left)
        said = f"{counted(len(left), 'configuration')} left, the best {best}: {self.objective.text(self.race.mean(best))}"
        self.tell(f"{clock(self.measurer.elapsed_s)}  {name}: {said}")


def first_line(text: str) -> str:
    """What a failure says first."""
    return text.strip().splitlines()[0] if text.strip() else "it failed and said nothing"


def _kind(measured: Candidate, reference: Candidate) -> frozenset[str]:
    return frozenset((measured.backend, reference.backend))


def _places(arms: Sequence[Candidate]) -> Callable[[Candidate], int]:
    """The order of arms, those of one deployment together."""
    first: dict[Candidate, int] = {}
    for number, arm in enumerate(arms):
        first.setdefault(arm.deployment, number)
    return lambda one: first[one.deployment]


def numbers_of(launches: Sequence[Said]) -> Mapping[str, Any]:
    """The launches of a candidate as one: the medians of what they say."""
    keys = ("median_s", "p99_s", "throughput_per_s", "cpu_s_per_sample", "peak_rss_bytes", "cosine")
    return {**launches[-1], **{key: statistics.median(float(one[key]) for one in launches) for key in keys}}
