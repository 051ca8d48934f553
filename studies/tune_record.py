"""How `studies.tune` records a space: passes over all configurations, in pieces of any length.

Each launch and launch pair is a line on disk as soon as it is measured; the session of pytest that measures is that of
`python -m baselines tune`.
"""

from __future__ import annotations

import argparse
import itertools
import random
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from baselines.requesting.session import Measurer, Unavailable
from baselines.tuning.asked import default_of, knobs_of
from baselines.tuning.measuring import arguments, started
from baselines.tuning.space import Candidate, Space
from fixtures.process.environment import REPOSITORY
from studies import loop
from studies.tune_data import KINDS, OBJECTIVE, TURN, for_searches, passed
from studies.tune_replay import knobs_for

MODEL: Final = "bert-mini"
BATCH: Final = 8
LENGTH: Final = 32
BACKEND: Final = "onnxruntime"
AXES: Final = {"backends": BACKEND, "precisions": "fp32,int8", "threads": "1", "instances": "2"}
"""As it comes, one thread, and two instances, in either format. With every knob they are CONFIGURATIONS on two cores where
no allocator but glibc's is installed."""
CONFIGURATIONS: Final = 48
DATA: Final = loop.FOLDER / "data/tune.jsonl"
EQUAL: Final = 6
"""Launch pairs of the default with itself in a pass: of eight passes as many as a search where knobs do nothing takes."""
FIRST: Final = 4
"""The number of the first launch pair: number 0 measures a side by itself as well, and who leads goes by four."""
KEPT: Final = ("failed", "disturbed", "order")
"""Of the words of a launch or a launch pair, beside its numbers."""


def record(options: argparse.Namespace, folder: Path, origin: Mapping[str, Any]) -> None:
    """Measures what is left of the passes, until there is no time for more.

    Raises:
        StudyError: nothing is left to measure, or the space is another one than it should be.
    """
    began_s, members = time.monotonic(), list[loop.Record]()
    if options.passes < TURN or options.passes % TURN:
        raise loop.StudyError(f"--passes {options.passes}: passes come in fours, as --passes {TURN} or --passes {2 * TURN}")
    if options.go_on and (members := last_study(loop.records_in(options.data), origin)):
        origin = {**origin, "study": members[0]["study"]}
        if (whole := passed(members)) >= options.passes:
            more = f"python -m studies.tune record --go-on --passes {(whole // TURN + 1) * TURN}"
            raise loop.StudyError(f"study {origin['study']} has {whole} passes; more of them: {more}")
    elif options.go_on:
        loop.tell("nothing was recorded on this machine with these versions: this begins a study")
    extra = [f"--runs={folder / 'runs'}"]
    words = arguments(model=MODEL, batch_sizes=[BATCH], sequence_lengths=[LENGTH], axes=AXES, extra=extra)
    session = started(words, folder / "session.txt", REPOSITORY, until_s=None)
    try:
        possible = session.ask("possible")
        space, every = space_of(possible)
        refuse(every, members, options.configurations)
        ready = {"wall_s": time.monotonic() - began_s, "costs_s": possible["costs_s"]}
        loop.append(options.data, {**origin, "kind": "ready", **ready})
        recording = Recording(session=session, data=options.data, origin=origin, default=space.default)
        for number in range(passed(members), options.passes):
            mine = [one for one in members if one.get("pass") == number]
            if not recording.whole(number, every, mine, until_s=began_s + 60 * options.minutes):
                loop.tell(
                    f"{options.minutes:g} minutes are over, in pass {number + 1} of {options.passes}; {go_on(options)}"
                )
                return
            loop.tell(f"pass {number + 1} of {options.passes}")
    finally:
        session.close()


@dataclass(frozen=True, kw_only=True)
class Recording:
    """Launches and launch pairs, put on disk."""

    session: Measurer
    data: Path
    origin: Mapping[str, Any]
    default: Candidate

    def whole(self, number: int, every: Sequence[Candidate], known: Sequence[loop.Record], *, until_s: float) -> bool:
        """Measures what is left of a pass, in random order; whether it came to its end.

        Args:
            number: of the pass.
            every: all configurations.
            known: the lines that an earlier session wrote of it.
            until_s: on CLOCK_MONOTONIC, after which nothing is begun.
        """
        done = {Candidate.from_json(one["candidate"]) for one in known if one["kind"] == "pair"}
        equal = sum(one["kind"] == "equal" for one in known)
        left = [*(one for one in every if one not in done), *[None] * (EQUAL - equal)]
        random.Random().shuffle(left)  # noqa: S311 - an order, no secret
        for one in left:
            if time.monotonic() > until_s:
                return False
            if one is None:
                place = EQUAL * number + equal
                self._line("equal", number, number=place, said=self._pair(self.default, self.default, place))
                equal += 1
            else:
                self._configuration(number, one)
        self._line("passed", number)
        return True

    def _configuration(self, number: int, one: Candidate) -> None:
        words = one.as_json()
        if for_searches(number):
            (said,) = self.session.ask("launch", deployments=[words])
            self._line("launch", number, candidate=words, said=slim(said))
        reference = one.plain if one.knobs else self.default
        said = self._pair(one, reference, number)
        self._line("pair", number, candidate=words, reference=reference.as_json(), said=said)

    def _pair(self, one: Candidate, reference: Candidate, number: int) -> dict[str, Any]:
        began_s, sides = time.monotonic(), {"measured": one.as_json(), "reference": reference.as_json()}
        try:
            return slim(self.session.ask("pair", **sides, number=FIRST + number, quantity=OBJECTIVE.quantity))
        except Unavailable as error:
            return {"failed": str(error), "wall_s": time.monotonic() - began_s}

    def _line(self, kind: str, pass_number: int, **words: Any) -> None:
        loop.append(self.data, {**self.origin, "kind": kind, "pass": pass_number, **words})


def space_of(possible: Mapping[str, Any]) -> tuple[Space, list[Candidate]]:
    """The space of a search, and all that it may choose: each knob in each of its settings, or not turned."""
    plain = [Candidate.from_json(words) for words in possible["deployments"]]
    if not plain:
        raise loop.StudyError("nothing of the space can run here")
    space = Space(plain=plain, knobs=knobs_of(possible), default=default_of(plain), costs_s=possible["costs_s"])
    every: list[Candidate] = []
    for one in plain:
        choices = [[(), *(((knob, setting),) for setting in of_knob)] for knob, of_knob in knobs_for(space, one).items()]
        every += [one.turned(*itertools.chain(*turned)) for turned in itertools.product(*choices)]
    return space, every


def refuse(every: Sequence[Candidate], members: Sequence[loop.Record], configurations: int) -> None:
    """Raises StudyError where the space is not of so many configurations, or lacks some that are on record."""
    if len(every) != configurations:
        raise loop.StudyError(
            f"{len(every)} configurations are possible here and not {configurations}: it has other knobs or CPUs. "
            f"To record all of them: --configurations {len(every)}"
        )
    recorded = [Candidate.from_json(one["candidate"]) for one in members if "candidate" in one]
    if lost := set(recorded) - set(every):
        raise loop.StudyError(f"{min(map(str, lost))} is on record and not possible now; begin a study without --go-on")


def last_study(records: Sequence[loop.Record], origin: Mapping[str, Any]) -> list[loop.Record]:
    """The lines of the last study that was recorded on this machine with these versions; none where there is none.

    The first studies measured all beside the default: nothing goes on with them.
    """
    mine = [one for one in records if one["kind"] in KINDS and is_of(one, origin)]
    last = list(loop.grouped(mine, lambda one: one["study"]).values())[-1] if mine else []
    return last if all("reference" in one for one in last if one["kind"] == "pair") else []


def is_of(one: loop.Record, origin: Mapping[str, Any]) -> bool:
    """Whether a line is of the machine and the versions of an origin."""
    return all(one.get(word) == origin[word] for word in ("machine", "versions"))


def slim(said: Mapping[str, Any]) -> dict[str, Any]:
    """What a replay needs of a launch or a launch pair, and what disturbed it."""
    return {key: value for key, value in said.items() if key in KEPT or isinstance(value, float | int)}


def go_on(options: argparse.Namespace) -> str:
    """The command that measures the rest."""
    others = [f"--configurations {options.configurations}"] if options.configurations != CONFIGURATIONS else []
    others += [f"--data {shlex.quote(str(options.data))}"] if options.data != DATA else []
    return " ".join(["go on: python -m studies.tune record --go-on", f"--passes {options.passes}", *others])
