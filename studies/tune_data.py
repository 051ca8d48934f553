"""What `studies.tune` has on record of a space, as values: what searches are replayed on, and how good each choice is.

Passes come in fours. Two of them are what searches are replayed on, the other two say which configuration is the best; of
either two, one has the configuration loaded first and one what it is beside. Nothing is measured here.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from baselines.commands.tune import ENDING_S
from baselines.tuning.asked import default_of
from baselines.tuning.objective import OBJECTIVES
from baselines.tuning.space import Candidate, Space
from studies import loop

SHARE: Final = 0.4
"""Of the cost of measuring all configurations, what a search may spend."""
OBJECTIVE: Final = OBJECTIVES["latency"]
TURN: Final = 4
"""Passes that belong together."""
KINDS: Final = ("ready", "launch", "pair", "equal", "passed")
"""Of the lines that `record` writes: a session that is ready, a launch, a launch pair of a configuration with its
`reference`, one of the default with itself, and the end of a pass."""
Said = Mapping[str, Any]
"""The numbers of a launch or a launch pair; `failed` in place of them says why there are none."""
By = dict[Candidate, list[Said]]
NOT_THERE: Final[Said] = {"failed": "it is not in all passes on record", "wall_s": 0.0}


def for_searches(number: int) -> bool:
    """Whether searches are replayed on a pass; the others say which configuration is the best.

    Passes 0, 1, 6, 7 of eight: of four either have a launch pair with each side loaded first, and of eight with each side
    leading the turns as well.
    """
    return number // 2 % TURN in (0, TURN - 1)


def passed(records: Sequence[loop.Record]) -> int:
    """How many passes of a study came to their end."""
    return sum(one["kind"] == "passed" for one in records)


@dataclass(frozen=True, kw_only=True)
class Data:
    """The whole passes of one study."""

    passes: int
    launches: Mapping[Candidate, Sequence[Said]]
    """Of the passes for searches."""
    pairs: Mapping[Candidate, Sequence[Said]]
    """With its reference, of the passes for searches; in those of an even `number` the configuration was loaded first."""
    references: Mapping[Candidate, Candidate]
    """What a configuration was measured beside: itself without its knobs, which was measured beside the default."""
    truth: Mapping[Candidate, float]
    """Log ratio to the default by the other passes, over the references: less is better."""
    failed: Mapping[Candidate, Said]
    """What the record says of configurations that cannot be chosen, because something of theirs failed too often."""
    equal: Sequence[Said]
    """Launch pairs of the default with itself, in their order; an even `number` likewise."""
    space: Space
    cost_s: float
    """What it takes to tell the best of all configurations: the launch pairs of the passes for searches."""
    ready_s: float
    """What a session takes to be ready, its model prepared before."""
    spread: float
    """Standard deviation of a launch pair of the same two configurations, loaded in the same order."""

    @classmethod
    def of(cls, records: Sequence[loop.Record]) -> Data:
        """Of the lines of one `record`.

        Raises:
            StudyError: they are too few, or the default failed.
        """
        passes = passed(records) // TURN * TURN
        if not passes:
            way_on = f"python -m studies.tune record --go-on --passes {TURN}"
            raise loop.StudyError(f"{passed(records)} whole passes are on record; a half needs two: {way_on}")
        found: dict[str, By] = {"launch": {}, "pair": {}, "later": {}, "failed": {}}
        equal: list[Said] = []
        references: dict[Candidate, Candidate | None] = {}
        for one in records:
            if one["kind"] not in ("launch", "pair", "equal") or one["pass"] >= passes:
                continue
            if one["kind"] == "equal":
                equal += [] if "failed" in one["said"] else [{**one["said"], "number": one["number"]}]
                continue
            kind = "later" if one["kind"] == "pair" and not for_searches(one["pass"]) else one["kind"]
            kind = "failed" if "failed" in one["said"] else kind
            candidate = Candidate.from_json(one["candidate"])
            if one["kind"] == "pair":  # the first studies measured all beside the default, and did not say so
                references[candidate] = Candidate.from_json(one["reference"]) if "reference" in one else None
            found[kind].setdefault(candidate, []).append({**one["said"], "number": one["pass"]})
        ready = [one for one in records if one["kind"] == "ready"]
        return cls._of(passes, found, references, equal, ready)

    @classmethod
    def _of(
        cls,
        passes: int,
        found: Mapping[str, By],
        references: Mapping[Candidate, Candidate | None],
        equal: Sequence[Said],
        ready: Sequence[loop.Record],
    ) -> Data:
        every = list(dict.fromkeys(one for of_kind in found.values() for one in of_kind))
        launches, pairs, later = found["launch"], found["pair"], found["later"]
        alone = [one for one in every if launches.get(one) and _both(pairs.get(one, ())) and _both(later.get(one, ()))]
        whole = [one for one in alone if (references[one] or one) in alone]
        failed: dict[Candidate, Said] = {one: found["failed"].get(one, [NOT_THERE])[0] for one in every if one not in whole}
        plain = [one for one in every if not one.knobs]
        if not plain:
            raise loop.StudyError("no configuration without knobs is on record")
        if (default := default_of(plain)) in failed:
            raise loop.StudyError(f"the default, {default}: {failed[default]['failed']}")
        if not _both(equal):
            raise loop.StudyError(f"the default, {default}, is not on record beside itself, loaded in both orders")
        costs_s = {backend: cost_s for one in ready for backend, cost_s in one["costs_s"].items()}
        beside = {one: references[one] or default for one in whole}
        medians = {one: statistics.median(_ratios(later[one])) for one in whole}
        settings = list(dict.fromkeys(setting for one in every for setting in one.knobs))
        return cls(
            passes=passes,
            launches={one: launches[one] for one in whole},
            pairs={one: pairs[one] for one in whole},
            references=beside,
            truth={one: math.fsum(medians[step] for step in _steps(one, beside, default)) for one in whole},
            failed=failed,
            equal=equal,
            space=Space(plain=plain, knobs={plain[0].backend: settings}, default=default, costs_s=costs_s),
            cost_s=sum(float(said["wall_s"]) for one in whole for said in pairs[one]),
            ready_s=min((float(one["wall_s"]) for one in ready), default=0.0),
            spread=_spread([[*pairs[one], *later[one]] for one in whole]),
        )

    @property
    def budget_s(self) -> float:
        """Of a search that is replayed: of SHARE of the cost, what starting the session and making the report leave."""
        whole_s = SHARE * self.cost_s
        return whole_s - min(ENDING_S, 0.1 * whole_s) - self.ready_s

    @property
    def by_everything(self) -> Candidate:
        """What the means of all launch pairs of the passes for searches choose, at the full cost."""
        means = {one: statistics.fmean(_ratios(pairs)) for one, pairs in self.pairs.items()}
        return min(self.pairs, key=lambda one: math.fsum(means[step] for step in self.steps(one)))

    def steps(self, one: Candidate) -> list[Candidate]:
        """The configurations whose launch pairs, added up, lead from a configuration to the default."""
        return _steps(one, self.references, self.space.default)

    def regret(self, chosen: Candidate) -> float:
        """What a choice loses to what the other passes say is the best, as a log ratio."""
        return self.truth[chosen] - min(self.truth.values())

    def share(self, elapsed_s: float) -> float:
        """Of the cost, what a search took, its session's start included."""
        return (self.ready_s + elapsed_s) / self.cost_s


def each(records: Sequence[loop.Record]) -> dict[str, Data | loop.StudyError]:
    """Each study on record, or why nothing can be made of it yet."""
    found: dict[str, Data | loop.StudyError] = {}
    for study, members in loop.grouped([one for one in records if one["kind"] in KINDS], lambda one: one["study"]).items():
        try:
            found[study] = Data.of(members)
        except loop.StudyError as error:
            found[study] = error
    return found


def _steps(one: Candidate, references: Mapping[Candidate, Candidate], default: Candidate) -> list[Candidate]:
    """As `Data.steps`."""
    steps = []
    while one != default:
        steps.append(one)
        one = references[one]
    return steps


def _both(pairs: Sequence[Said]) -> bool:
    """Whether either side was loaded first."""
    return {int(one["number"]) % 2 for one in pairs} == {0, 1}


def _ratios(pairs: Sequence[Said]) -> list[float]:
    return [float(one["log_ratio"]) for one in pairs]


def _spread(pairs: Sequence[Sequence[Said]]) -> float:
    """The standard deviation within the launch pairs of a configuration that were loaded in the same order."""
    cells = [_ratios([one for one in some if one["number"] % 2 == order]) for some in pairs for order in (0, 1)]
    squares = math.fsum((value - statistics.fmean(cell)) ** 2 for cell in cells for value in cell)
    return math.sqrt(squares / max(1, sum(len(cell) - 1 for cell in cells)))
