"""What `studies.tune` replays: searches on launches that are on record, by `tune`, by chance, and by optuna.

Runs in the process of the study; nothing is measured here.
"""

from __future__ import annotations

import random
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from baselines.requesting.session import Wrong
from baselines.tuning.beside import finish
from baselines.tuning.objective import Limits
from baselines.tuning.search import Search
from baselines.tuning.space import Candidate, Space
from studies.tune_data import NOT_THERE, OBJECTIVE, Data, Said

NOTHING: Final = ", knobs that do nothing"
"""After how a search was made."""


@dataclass(kw_only=True)
class Recorded:
    """As `search.Measurer`, of what is on record: each launch is one that was recorded, at the time that it took."""

    data: Data
    chance: random.Random
    elapsed_s: float = 0.0

    def launch(self, candidates: Sequence[Candidate]) -> list[Said]:
        """A recorded launch of each; what failed in the record fails again."""
        said = [
            self.chance.choice(self.data.launches[one]) if one in self.data.launches else self._failed(one)
            for one in candidates
        ]
        self.elapsed_s += sum(float(one["wall_s"]) for one in said)
        return said

    def pair(self, measured: Candidate, reference: Candidate, number: int, quantity: str) -> dict[str, Any]:
        """A recorded launch pair, its sides loaded in the order that `number` asks for.

        Of two that were never measured beside each other it is the sum of those that lead from one to the other, and as
        noisy as all of them.

        Raises:
            Wrong: a side failed in the record.
        """
        del quantity
        for side, one in {"measured": measured, "reference": reference}.items():
            if one not in self.data.pairs:
                said = self._failed(one)
                self.elapsed_s += float(said["wall_s"])
                raise Wrong(str(said["failed"]), side)
        up, down = self.data.steps(measured), self.data.steps(reference)
        there = [self._drawn(one, number) for one in up if one not in down]
        # Where `measured` is the second side on record, it was loaded first where the number is odd.
        back = [self._drawn(one, number if there else number + 1) for one in down if one not in up]
        log_ratio = _total(there) - _total(back)
        return self._told(log_ratio, statistics.fmean(float(one["wall_s"]) for one in (*there, *back)))

    def _drawn(self, one: Candidate, number: int) -> Said:
        return self.chance.choice([said for said in self.data.pairs[one] if (said["number"] - number) % 2 == 0])

    def _failed(self, one: Candidate) -> Said:
        return self.data.failed.get(one, NOT_THERE)

    def _told(self, log_ratio: float, wall_s: float) -> dict[str, Any]:
        self.elapsed_s += wall_s
        return {"log_ratio": log_ratio, "wall_s": wall_s, "alone": None}


@dataclass(kw_only=True)
class Alike(Recorded):
    """The same where knobs do nothing: whatever is launched is the default, and a launch pair is of it and itself.

    The launch pairs are those on record, one after the other as they were measured: what a machine does from one to the next
    is in them.
    """

    place: int
    """Of the next launch pair."""

    def launch(self, candidates: Sequence[Candidate]) -> list[Said]:
        """A recorded launch of the default for each."""
        return super().launch([self.data.space.default] * len(candidates))

    def pair(self, measured: Candidate, reference: Candidate, number: int, quantity: str) -> dict[str, Any]:
        """The next launch pair of the default with itself that was loaded in the order that `number` asks for."""
        del measured, reference, quantity
        equal = self.data.equal
        while (equal[self.place % len(equal)]["number"] - number) % 2:
            self.place += 1
        said = equal[self.place % len(equal)]
        self.place += 1
        return self._told(float(said["log_ratio"]), float(said["wall_s"]))


def _total(pairs: Sequence[Said]) -> float:
    return sum(float(one["log_ratio"]) for one in pairs)


Chooser = Callable[[Recorded, Data, float], Candidate]
"""Chooses a configuration with what is recorded, at a cost."""


def by_tune(recorded: Recorded, data: Data, budget_s: float) -> Candidate:
    """As `python -m baselines tune`."""
    search = Search(
        space=data.space,
        objective=OBJECTIVE,
        limits=Limits(),
        measurer=recorded,
        began_s=0.0,
        budget_s=budget_s,
        tell=lambda _: None,
    )
    return finish(search, search.run()).best


def by_chance(recorded: Recorded, data: Data, budget_s: float) -> Candidate:
    """The best single launch of configurations at random."""
    every = [*data.launches, *data.failed]
    values: dict[Candidate, float] = {}
    while recorded.elapsed_s < budget_s or not values:
        one = recorded.chance.choice(every)
        (said,) = recorded.launch([one])
        if "failed" not in said:
            values[one] = min(OBJECTIVE.value(said), values.get(one, float("inf")))
    return min(values, key=lambda one: values[one])


def by_optuna(recorded: Recorded, data: Data, budget_s: float) -> Candidate:
    """The best trial of optuna's TPE, a launch each, as a study with it is usually made."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    plain = {str(one): one for one in data.space.plain}
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=recorded.chance.randrange(2**31)))
    best: tuple[float, Candidate] | None = None
    while recorded.elapsed_s < budget_s or best is None:
        trial = study.ask()
        one = plain[trial.suggest_categorical("plain", list(plain))]
        for knob, settings in knobs_for(data.space, one).items():
            setting = trial.suggest_categorical(knob, ["default", *settings])
            one = one if setting == "default" else one.turned((knob, setting))
        (said,) = recorded.launch([one])
        if "failed" in said:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            continue
        value = OBJECTIVE.value(said)
        study.tell(trial, value)
        best = min(best or (value, one), (value, one), key=lambda pair: pair[0])
    return best[1]


def knobs_for(space: Space, one: Candidate) -> dict[str, list[str]]:
    """Knob to settings, of those that mean something for a candidate."""
    found: dict[str, list[str]] = {}
    for knob, setting in space.settings(one):
        found.setdefault(knob, []).append(setting)
    return found


def choosers() -> dict[str, Chooser]:
    """By name; optuna's where it is installed."""
    found: dict[str, Chooser] = {"tune": by_tune, "random launches": by_chance}
    try:
        import optuna  # noqa: F401 - whether it is there
    except ImportError:
        print("optuna is not installed, so that it is not compared: pip install optuna", file=sys.stderr)
    else:
        found["optuna, TPE"] = by_optuna
    return found


def replayed(data: Data, searches: int, done: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    """Searches of each kind at SHARE of the cost: what each lost; `done` tells of how many of a kind it is known."""
    for how, choose in choosers().items():
        for number in range(done.get(how, 0), searches):
            chance = random.Random(f"{how} {number}")  # noqa: S311 - which launches a search sees, no secret
            recorded = Recorded(data=data, chance=chance)
            chosen = choose(recorded, data, data.budget_s)
            share = data.share(recorded.elapsed_s)
            yield {"how": how, "chosen": chosen.as_json(), "regret": data.regret(chosen), "share": share}


def replayed_on_nothing(data: Data, searches: int, done: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    """Searches of each kind among the knobs of the default where none does anything: whether they end with the default."""
    default = data.space.default
    launches = {one: said for one, said in data.launches.items() if one.plain == default}
    failed = {one: said for one, said in data.failed.items() if one.plain == default}
    alike = replace(data, space=replace(data.space, plain=[default]), launches=launches, failed=failed)
    for how, choose in choosers().items():
        for number in range(done.get(how + NOTHING, 0), searches):
            chance = random.Random(f"nothing {number}")  # noqa: S311 - as above
            recorded = Alike(data=data, chance=chance, place=chance.randrange(len(data.equal)))
            chosen = choose(recorded, alike, data.budget_s)
            share = data.share(recorded.elapsed_s)
            yield {"how": how + NOTHING, "chosen": chosen.as_json(), "default": chosen == default, "share": share}
