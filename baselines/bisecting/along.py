"""A search along a path of states, measured: what cannot be had is skipped, every launch pair is logged, time is kept."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from baselines.bisecting.measuring import State
from baselines.bisecting.posterior import Observation
from baselines.bisecting.search import CONFIRMING, Answer, Comparison, Search
from baselines.files.requirements import not_reached
from baselines.files.run_folder import RunFileError
from baselines.judging.durations import clock
from baselines.judging.wording import percent
from baselines.requesting.log import Log
from baselines.requesting.session import Measurer, Unavailable, Wrong

PAIR_S: Final = 15.0
"""What a launch pair is taken to cost before the first."""
BUILD_S: Final = 15.0
"""What getting a state is taken to cost before the first: a package of some MB, and its layer."""
MOST_FAILURES: Final = 2
"""A state whose worker fails so often is left out: a wrong answer comes again, a hiccup does not."""

Tell = Callable[[str], None]


class NoEnd(RunFileError):
    """The first or the last state of a path cannot be measured: there is nothing to search between."""


class BudgetOver(Exception):
    """The time that was given is over; what was measured is in the log."""


@dataclass(frozen=True, kw_only=True)
class Path:
    """States in their order; neighbours differ by one step."""

    what: str
    """What is searched, for messages: `packages`, `releases of transformers`."""
    states: Sequence[State]
    names: Sequence[str]
    """Of the states."""
    weights: Sequence[float]
    """Of the steps."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a search along a path came to."""

    path: Path
    answer: Answer
    skipped: Mapping[int, str]
    """Why, by place of the state."""
    likely: tuple[int, int]
    """The states between which a change lies, if anywhere."""
    moved: Mapping[int, Mapping[str, str | None]]
    """By place of the state, the packages that it has in place of today's, as they were resolved."""
    interpreters: Mapping[int, str]
    """By place, of the states that a change lies between, where they run this checkout's code and load today's files."""


@dataclass(kw_only=True)
class Bisecting:
    """What the searches of one benchmark share."""

    measurer: Measurer
    log: Log
    budget_s: float
    tell: Tell
    clock: Callable[[], float] = time.monotonic
    walls_s: list[float] = field(default_factory=list)
    """Of launch pairs, measured by now or earlier."""
    builds_s: list[float] = field(default_factory=list)
    _prepared: dict[str, Mapping[str, str | None]] = field(default_factory=dict)
    """By state that can be launched, the packages that it has in place of today's."""
    _pythons: dict[str, str] = field(default_factory=dict)
    _known: dict[str, Mapping[str, str | None]] = field(default_factory=dict)
    """The same of states of an earlier search, which are not asked for again where all is measured."""
    _began_s: float = field(init=False)

    def __post_init__(self) -> None:
        self._began_s = self.clock()

    @property
    def elapsed_s(self) -> float:
        """Since this was made."""
        return self.clock() - self._began_s

    def along(self, path: Path) -> Found:
        """Searches a path until there is an answer or none is to be had.

        Raises:
            BudgetOver: the time is over.
            NoEnd: an end of the path cannot be measured.
            RunFileError: nothing can go on.
        """
        search, skipped = Search(path.weights), dict[int, str]()
        places = {state.key: place for place, state in enumerate(path.states)}
        self._read(search, places, skipped)
        failures: dict[int, int] = {}
        began = search.bits_left()
        for place in (0, search.last):
            self._ready(path, place, search, skipped)
        while (asked := search.next_comparison(lambda older, newer: self._cost(path, older, newer))) is not None:
            if not all(self._ready(path, place, search, skipped) for place in (asked.older, asked.newer)):
                continue
            if self.elapsed_s + self._cost(path, asked.older, asked.newer) > self.budget_s:
                raise BudgetOver(self._so_far(path, search))
            try:
                log_ratio = self._measured(path, asked, search)
            except Wrong as error:
                place = asked.newer if error.side == "measured" else asked.older
                failures[place] = failures.get(place, 0) + 1
                if failures[place] >= MOST_FAILURES:
                    self._skip(path, place, str(error), search, skipped)
                continue
            for place in (asked.older, asked.newer):  # it can be measured: a failure before was a hiccup
                failures.pop(place, None)
            search.update(Observation(**vars(asked), log_ratio=log_ratio))
            self.tell(self._progress(path, asked, search, log_ratio, began))
        answer = search.answer()
        ends = {place for one in answer.changes or () for place in (one.older, one.newer)}
        return Found(
            path=path,
            answer=answer,
            skipped=skipped,
            likely=search.likely_range(),
            moved={place: self._moved(state) for place, state in enumerate(path.states)},
            interpreters={place: self._interpreter(path.states[place]) for place in ends if not path.states[place].commit},
        )

    def _interpreter(self, state: State) -> str:
        """Of a state that was measured, earlier perhaps; empty where it cannot be had any more."""
        if state.key not in self._pythons:
            try:
                self._pythons[state.key] = str(self.measurer.ask("prepare", state=state.as_json())["python"])
            except (Unavailable, RunFileError):  # the answer is there, whatever became of the session
                return ""
        return self._pythons[state.key]

    def _moved(self, state: State) -> Mapping[str, str | None]:
        return self._prepared.get(state.key) or self._known.get(state.key) or state.packages

    def _read(self, search: Search, places: Mapping[str, int], skipped: dict[int, str]) -> None:
        """Takes what the log has of a path."""
        for entry in self.log.entries:
            if (pair := entry.get("pair")) and pair["older"] in places and pair["newer"] in places:
                older, newer = places[pair["older"]], places[pair["newer"]]
                if older < newer:
                    search.update(
                        Observation(
                            older=older, newer=newer, newer_first=pair["newer_first"], log_ratio=float(pair["log_ratio"])
                        )
                    )
                    self.walls_s.append(float(pair["wall_s"]))
            elif made := entry.get("prepared"):
                self._known[made["state"]] = made["packages"]
            elif (left := entry.get("skipped")) and 0 < places.get(left["state"], 0) < search.last:
                if not_reached(str(left["reason"])):  # of the index, that day
                    continue
                search.skip(places[left["state"]])
                skipped[places[left["state"]]] = str(left["reason"])

    def _ready(self, path: Path, place: int, search: Search, skipped: dict[int, str]) -> bool:
        """Whether a state can be launched; one that cannot be had is skipped."""
        state = path.states[place]
        if state.key not in self._prepared:
            began = self.clock()
            try:
                answer = self.measurer.ask("prepare", state=state.as_json())
            except Unavailable as error:
                self._skip(path, place, f"cannot be installed: {error}", search, skipped)
                return False
            self._prepared[state.key] = packages = answer["packages"]
            self._pythons[state.key] = str(answer["python"])
            if packages != dict(state.packages) and self._known.get(state.key) != packages:
                self.log.add({"prepared": {"state": state.key, "packages": packages}})
            self.builds_s.append(self.clock() - began)
        return True

    def _skip(self, path: Path, place: int, why: str, search: Search, skipped: dict[int, str]) -> None:
        if place in (0, search.last):
            raise NoEnd(f"{path.what}: {path.names[place]} cannot be measured, and the search begins there: {why}")
        self.log.add({"skipped": {"state": path.states[place].key, "name": path.names[place], "reason": why}})
        skipped[place] = why
        search.skip(place)
        self.tell(f"{path.what}: {path.names[place]} is left out: {why}")

    def _measured(self, path: Path, asked: Comparison, search: Search) -> float:
        newer, older = path.states[asked.newer], path.states[asked.older]
        before = sum((one.older, one.newer) == (asked.older, asked.newer) for one in search.observations)
        # The first launch pair of a duet, number 0, measures one side by itself as well.
        number = 2 * (before + 1) + (0 if asked.newer_first else 1)
        answer: Mapping[str, Any] = self.measurer.ask(
            "pair", measured=newer.as_json(), reference=older.as_json(), number=number
        )
        log_ratio = float(answer["log_ratio"])
        if not math.isfinite(log_ratio):
            raise RunFileError(f"a launch pair gave the log ratio {log_ratio}")
        entry = {
            **{key: answer.get(key) for key in ("wall_s", "others_share", "measured_s", "reference_s", "standard_error")},
            "older": older.key,
            "newer": newer.key,
            "newer_first": asked.newer_first,
            "log_ratio": log_ratio,
            "names": [path.names[asked.older], path.names[asked.newer]],
        }
        self.log.add({"pair": entry})
        self.walls_s.append(float(answer["wall_s"]))
        return log_ratio

    def _cost(self, path: Path, older: int, newer: int) -> float:
        missing = sum(path.states[place].key not in self._prepared for place in (older, newer))
        build_s = statistics.median(self.builds_s) if self.builds_s else BUILD_S
        return self._pair_s + missing * max(build_s, 1.0)

    @property
    def _pair_s(self) -> float:
        return statistics.median(self.walls_s) if self.walls_s else PAIR_S

    def _left_s(self, search: Search, began: float) -> float:
        """What this search still takes, if launch pairs go on telling as much as they did."""
        count, left = len(search.observations), search.bits_left()
        rate = max((began - left) / max(1, count), 0.05)
        return (left / rate + CONFIRMING / 2) * self._pair_s

    def _progress(self, path: Path, asked: Comparison, search: Search, log_ratio: float, began: float) -> str:
        pair = f"{path.names[asked.older]} -> {path.names[asked.newer]}: {percent(math.exp(log_ratio))}"
        left = f"{clock(self.elapsed_s)} elapsed, about {clock(self._left_s(search, began))} left of these {path.what}"
        return f"{len(search.observations):3}  {pair}; {self._so_far(path, search)}; {left}"

    def _so_far(self, path: Path, search: Search) -> str:
        """What is likeliest by now."""
        posterior = search.posterior
        best = posterior.best
        gaps = [posterior.gaps[place] for place in posterior.changes[best]]
        named = " and ".join(f"{path.names[gap.older]} -> {path.names[gap.newer]}" for gap in gaps) or "nothing to find"
        return f"{posterior.probabilities[best]:.0%} {named}"
