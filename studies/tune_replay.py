"""What `studies.tune` replays: searches on launches that are on record, by `tune`, by chance, and by optuna.

Runs in the process of the study; nothing is measured here.
"""

from __future__ import annotations

import math
import random
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from baselines.tuning.asked import default_of
from baselines.tuning.beside import finish
from baselines.tuning.objective import OBJECTIVES, Limits
from baselines.tuning.search import Search
from baselines.tuning.space import Candidate, Space
from studies import loop

SHARE: Final = 0.4
"""Of the cost of measuring all configurations, what a search may spend."""
OBJECTIVE: Final = OBJECTIVES["latency"]


@dataclass(kw_only=True)
class Recorded:
    """As `search.Measurer`, of what is on record: each launch is one that was recorded, at the time that it took."""

    launches: Mapping[Candidate, Sequence[Mapping[str, Any]]]
    pairs: Mapping[Candidate, Sequence[Mapping[str, Any]]]
    """With the default."""
    default: Candidate
    chance: random.Random
    elapsed_s: float = 0.0
    taken: int = 0

    def launch(self, candidates: Sequence[Candidate]) -> list[Mapping[str, Any]]:
        """A recorded launch of each."""
        said = [self.chance.choice(self.launches[one]) for one in candidates]
        self.elapsed_s += sum(float(one["wall_s"]) for one in said)
        self.taken += len(said)
        return said

    def pair(self, measured: Candidate, reference: Candidate, number: int, quantity: str) -> dict[str, Any]:
        """A recorded launch pair with the default; of two others the difference of two, which is as noisy as both."""
        del number, quantity
        drawn = [self.chance.choice(self.pairs[one]) for one in (measured, reference) if one != self.default]
        drawn = drawn or [self.chance.choice(self.pairs[self.default])]
        ratios = [float(one["log_ratio"]) for one in drawn]
        log_ratio = -ratios[0] if measured == self.default else ratios[0] - sum(ratios[1:])
        wall_s = statistics.fmean(float(one["wall_s"]) for one in drawn)
        self.elapsed_s += wall_s
        return {"log_ratio": log_ratio, "wall_s": wall_s, "alone": None}


@dataclass(frozen=True, kw_only=True)
class Data:
    """What is on record: the first half of the passes, and how good each configuration is by the second."""

    launches: Mapping[Candidate, Sequence[Mapping[str, Any]]]
    pairs: Mapping[Candidate, Sequence[Mapping[str, Any]]]
    truth: Mapping[Candidate, float]
    """Log ratio to the default by the second half: less is better."""
    space: Space
    cost_s: float
    """Of the first half: measuring all of them."""
    spread: float
    """Standard deviation of a launch pair of the same two configurations."""
    noise: Mapping[Candidate, Sequence[Mapping[str, Any]]] = field(repr=False)
    """Launch pairs as they would be if all configurations were the default."""

    @classmethod
    def of(cls, records: Sequence[loop.Record]) -> Data:
        """Of the records of one `record`.

        Raises:
            StudyError: they are too few, or of no space.
        """
        kinds: dict[str, dict[Candidate, list[tuple[int, Mapping[str, Any]]]]] = {"launch": {}, "pair": {}}
        for one in records:
            if one["kind"] in kinds and "failed" not in one["said"]:
                candidate = Candidate.from_json(one["candidate"])
                kinds[one["kind"]].setdefault(candidate, []).append((one["pass"], one["said"]))
        passes = 1 + max((one["pass"] for one in records if one["kind"] in kinds), default=-1)
        if passes < 4:
            raise loop.StudyError(
                f"{passes} passes are on record; a half needs two: python -m studies.tune record --passes 4"
            )
        half = passes // 2

        def part(kind: str, *, first: bool) -> dict[Candidate, list[Mapping[str, Any]]]:
            return {
                candidate: [said for number, said in said_in if (number < half) is first]
                for candidate, said_in in kinds[kind].items()
            }

        launches, pairs, later = part("launch", first=True), part("pair", first=True), part("pair", first=False)
        whole = [one for one in launches if launches[one] and pairs.get(one) and later.get(one)]
        plain = [one for one in whole if not one.knobs]
        if not plain:
            raise loop.StudyError("no configuration without knobs is on record in both halves")
        ratios = {one: [float(said["log_ratio"]) for said in (*pairs[one], *later[one])] for one in whole}
        left = [value - statistics.fmean(of_one) for of_one in ratios.values() for value in of_one]
        sd = math.sqrt(sum(value**2 for value in left) / (len(left) - len(whole)))
        wider = math.sqrt(len(left) / (len(left) - len(whole)))
        wall_s = statistics.fmean(float(said["wall_s"]) for one in whole for said in pairs[one])
        nothing = [{"log_ratio": wider * value, "wall_s": wall_s} for value in left]
        settings = dict.fromkeys(setting for one in whole for setting in one.knobs)
        return cls(
            launches={one: launches[one] for one in whole},
            pairs={one: pairs[one] for one in whole},
            truth={one: statistics.median(float(said["log_ratio"]) for said in later[one]) for one in whole},
            space=Space(plain=plain, knobs={plain[0].backend: list(settings)}, default=default_of(plain)),
            cost_s=sum(float(said["wall_s"]) for one in whole for said in (*launches[one], *pairs[one])),
            spread=sd,
            noise=dict.fromkeys(whole, nothing),
        )

    def regret(self, chosen: Candidate) -> float:
        """What a choice loses to the second half's best, as a log ratio."""
        return self.truth[chosen] - min(self.truth.values())


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
    values: dict[Candidate, list[float]] = {}
    while recorded.elapsed_s < budget_s:
        one = recorded.chance.choice(list(data.launches))
        values.setdefault(one, []).append(OBJECTIVE.value(recorded.launch([one])[0]))
    return min(values, key=lambda one: min(values[one]))


def by_optuna(recorded: Recorded, data: Data, budget_s: float) -> Candidate:
    """The best trial of optuna's TPE, a launch each, as a study with it is usually made."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    knobs = sorted({knob for one in data.launches for knob, _ in one.knobs})
    axes: dict[str, list[str]] = {
        "plain": [str(one) for one in data.space.plain],
        **{
            knob: ["default", *sorted({dict(one.knobs)[knob] for one in data.launches if knob in dict(one.knobs)})]
            for knob in knobs
        },
    }
    plain = {str(one): one for one in data.space.plain}
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=recorded.chance.randrange(2**31)))

    def chosen(words: Mapping[str, str]) -> Candidate:
        return plain[words["plain"]].turned(*((knob, words[knob]) for knob in knobs if words[knob] != "default"))

    while recorded.elapsed_s < budget_s:
        trial = study.ask()
        one = chosen({axis: str(trial.suggest_categorical(axis, values)) for axis, values in axes.items()})
        study.tell(trial, OBJECTIVE.value(recorded.launch([one])[0]))
    return chosen({axis: str(value) for axis, value in study.best_params.items()})


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


def replayed(data: Data, searches: int) -> Iterator[dict[str, Any]]:
    """Searches of each kind at SHARE of the cost: what each lost."""
    budget_s = SHARE * data.cost_s
    for how, choose in choosers().items():
        for number in range(searches):
            chance = random.Random(f"{how} {number}")  # noqa: S311 - which launches a search sees, no secret
            recorded = Recorded(launches=data.launches, pairs=data.pairs, default=data.space.default, chance=chance)
            chosen = choose(recorded, data, budget_s)
            share = recorded.elapsed_s / data.cost_s
            yield {"how": how, "chosen": chosen.as_json(), "regret": data.regret(chosen), "share": share}


def replayed_on_nothing(data: Data, searches: int) -> Iterator[dict[str, Any]]:
    """Searches among the knobs of the default where none does anything: whether they end with the default."""
    default = data.space.default
    space = Space(plain=[default], knobs=data.space.knobs, default=default)
    every = dict.fromkeys((one for one in data.launches if one.plain == default), data.launches[default])
    still = Data(
        **{**vars(data), "space": space, "launches": every, "pairs": data.noise, "truth": dict.fromkeys(every, 0.0)}
    )
    for number in range(searches):
        chance = random.Random(f"nothing {number}")  # noqa: S311 - as above
        recorded = Recorded(launches=every, pairs=data.noise, default=default, chance=chance)
        chosen = by_tune(recorded, still, SHARE * data.cost_s)
        yield {"how": "tune, knobs that do nothing", "chosen": chosen.as_json(), "default": chosen == default}
