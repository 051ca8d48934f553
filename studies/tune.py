"""Does a search find the best of 48 configurations at two fifths of what it costs to measure them all?

Usage: `python -m studies.tune record [--passes N]` measures 48 configurations of one backend on bert-mini, exhaustively: in
each pass a launch of each and a launch pair of each with the default. The first half of the passes is what searches are
replayed on, the second half says which was the best. `replay [--searches N]` replays them, on spaces whose knobs do nothing
too, and beside them random search and optuna's, where it is installed. `whole [--searches N]` runs some as a user runs them.
All append lines to studies/data/tune.jsonl; `show` prints Markdown of all there is.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import json
import math
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from baselines.files.run_folder import RunFileError
from baselines.requesting.session import Wrong
from baselines.tuning.asked import default_of, knobs_of
from baselines.tuning.measuring import arguments, started
from baselines.tuning.space import Candidate, Setting, Space
from fixtures.process.environment import REPOSITORY
from studies import loop
from studies.tune_replay import OBJECTIVE, SHARE, Data, replayed, replayed_on_nothing

MODEL: Final = "bert-mini"
BATCH: Final = 8
LENGTH: Final = 32
AXES: Final = {"backends": "onnxruntime", "precisions": "fp32,int8"}
CONFIGURATIONS: Final = 48
NEAR: Final = 0.01
"""As a log ratio: a choice that loses no more is as good as the best."""
RESAMPLES: Final = 2000


def space_of(possible: Mapping[str, Any]) -> tuple[Space, list[Candidate]]:
    """The space of a search, and all its configurations: knobs are taken while there are no more than CONFIGURATIONS."""
    plain = [Candidate.from_json(words) for words in possible["deployments"]]
    settings: dict[str, list[Setting]] = {}
    for knob, setting in next(iter(knobs_of(possible).values())):
        more = {**settings, knob: [*settings.get(knob, []), (knob, setting)]}
        if len(plain) * math.prod(1 + len(one) for one in more.values()) <= CONFIGURATIONS:
            settings = more
    choices = [[(), *((one,) for one in of_knob)] for of_knob in settings.values()]
    every = [one.turned(*itertools.chain(*turned)) for one in plain for turned in itertools.product(*choices)]
    knobs = {plain[0].backend: [one for of_knob in settings.values() for one in of_knob]}
    return Space(plain=plain, knobs=knobs, default=default_of(plain)), every


def record(options: argparse.Namespace, folder: Path, origin: Mapping[str, Any]) -> None:
    """Passes over all configurations in random order, each launch and launch pair on disk as soon as it is measured."""
    words = arguments(
        model=MODEL, batch_sizes=[BATCH], sequence_lengths=[LENGTH], axes=AXES, extra=[f"--runs={folder / 'runs'}"]
    )
    session, chance = started(words, folder / "session.txt", REPOSITORY, until_s=None), random.Random()  # noqa: S311 - orders
    try:
        space, every = space_of(session.ask("possible"))
        print(f"{len(every)} configurations, {options.passes} passes", file=sys.stderr, flush=True)
        for number in range(options.passes):
            chance.shuffle(every)
            for one in every:
                (said,) = session.ask("launch", deployments=[one.as_json()])
                what = {"pass": number, "candidate": one.as_json()}
                loop.append(options.data, {**origin, "kind": "launch", **what, "said": slim(said)})
                words_of = {"measured": one.as_json(), "reference": space.default.as_json(), "number": number}
                try:
                    pair = session.ask("pair", **words_of, quantity=OBJECTIVE.quantity)
                except Wrong as error:
                    loop.append(options.data, {**origin, "kind": "failed", **what, "why": str(error)})
                    continue
                loop.append(options.data, {**origin, "kind": "pair", **what, "said": slim(pair)})
            print(f"pass {number + 1} of {options.passes}", file=sys.stderr, flush=True)
    finally:
        session.close()


def slim(said: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers of a launch or a launch pair that a replay needs."""
    return {key: value for key, value in said.items() if key == "failed" or isinstance(value, float | int)}


def replay(options: argparse.Namespace, origin: Mapping[str, Any]) -> None:
    """Searches on what is recorded, and on a space whose knobs do nothing."""
    records = [one for one in loop.records_in(options.data) if one["kind"] in ("launch", "pair")]
    for study, members in loop.grouped(records, lambda one: one["study"]).items():
        data = Data.of(members)
        for record in (*replayed(data, options.searches), *replayed_on_nothing(data, options.searches)):
            loop.append(options.data, {**origin, "kind": "replay", "of": study, **record})


def whole(options: argparse.Namespace, folder: Path, origin: Mapping[str, Any]) -> None:
    """Searches as a user runs them, on the same space, at SHARE of what measuring all of it cost."""
    records = [one for one in loop.records_in(options.data) if one["kind"] in ("launch", "pair")]
    if not records:
        raise loop.StudyError("measure the space first: python -m studies.tune record")
    study, members = list(loop.grouped(records, lambda one: one["study"]).items())[-1]
    data = Data.of(members)
    words = ["--model", MODEL, "--batch-sizes", str(BATCH), "--sequence-lengths", str(LENGTH)]
    words += [word for axis, value in AXES.items() for word in (f"--{axis}", value)]
    words += ["--budget", f"{SHARE * data.cost_s:.0f}s", "--runs", str(folder / "runs"), "--anew"]
    for number in range(options.searches):
        began = time.monotonic()
        command = [sys.executable, "-m", "baselines", "tune", *words]
        done = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=False)
        paths = sorted(folder.glob("runs/*Z_*/tuning.json"))
        if done.returncode not in (0, 1) or not paths:
            raise loop.StudyError(f"a search ended with {done.returncode}:\n{done.stdout}")
        (answer,) = json.loads(paths[-1].read_text(encoding="utf-8"))["answers"]
        chosen = Candidate.from_json(answer["best"])
        regret = data.regret(chosen) if chosen in data.truth else None
        ending = {"chosen": answer["best"], "regret": regret, "settled": answer["settled"]}
        share = (time.monotonic() - began) / data.cost_s
        loop.append(options.data, {**origin, "kind": "whole", "of": study, "share": share, **ending})
        print(f"{number + 1} of {options.searches}:\n{done.stdout}", file=sys.stderr, flush=True)


def show(records: Sequence[loop.Record]) -> Iterator[str]:
    """What was recorded, the searches that were replayed on it, and those that ran whole."""
    measured = [one for one in records if one["kind"] in ("launch", "pair")]
    for study, members in loop.grouped(measured, lambda one: one["study"]).items():
        data = Data.of(members)
        best = min(data.truth, key=lambda one: data.truth[one])
        worst = max(data.truth.values()) - min(data.truth.values())
        gain = math.exp(-data.truth[best])
        yield (
            f"Recorded {study} on {members[0]['machine']}: {len(data.launches)} configurations, "
            f"{1 + max(one['pass'] for one in members)} passes, {data.cost_s / 60:.0f} min a half. By the second half "
            f"`{best}` is the best, {gain:.2f} times as fast as the default, and the worst loses {math.expm1(worst):.0%}; a "
            f"launch pair spreads by {data.spread:.1%}."
        )
        yield ""
        yield from tables([one for one in records if one.get("of") == study])


def tables(records: Sequence[loop.Record]) -> Iterator[str]:
    """What searches on one record came to."""
    replays = [one for one in records if one["kind"] == "replay"]
    rows = loop.grouped([one for one in replays if "regret" in one], lambda one: one["how"])
    if rows:
        yield from loop.table(
            "search | searches | loses to the best, mean | 95 % interval | most | within 1 % | of the cost",
            (
                [
                    how,
                    len(members),
                    f"{math.expm1(statistics.fmean(regrets := [one['regret'] for one in members])):.2%}",
                    resampled(regrets),
                    f"{math.expm1(max(regrets)):.2%}",
                    sum(regret <= NEAR for regret in regrets),
                    f"{statistics.fmean(one['share'] for one in members):.0%}",
                ]
                for how, members in rows.items()
            ),
        )
        yield ""
        order = sorted(rows, key=lambda how: statistics.fmean(one["regret"] for one in rows[how]))
        yield f"The least lost, on average: {', then '.join(order)}."
        yield ""
    if nothing := [one for one in replays if "default" in one]:
        kept = sum(bool(one["default"]) for one in nothing)
        yield f"Where the knobs do nothing, {kept} of {len(nothing)} searches ended with the default"
        yield f"({loop.interval(kept, len(nothing))})."
        yield ""
    if ended := [one for one in records if one["kind"] == "whole"]:
        yield from loop.table(
            "run whole | chosen | loses to the best | of the cost",
            (
                [
                    one["study"],
                    str(Candidate.from_json(one["chosen"])),
                    "not in the space" if one["regret"] is None else f"{math.expm1(one['regret']):.2%}",
                    f"{one['share']:.0%}",
                ]
                for one in ended
            ),
        )


def resampled(values: Iterable[float]) -> str:
    """The 95 % interval of a mean log ratio, by the bootstrap's percentiles, as shares."""
    values, chance = list(values), random.Random(20261127)  # noqa: S311 - resampling, no secret
    means = sorted(statistics.fmean(chance.choices(values, k=len(values))) for _ in range(RESAMPLES))
    low, high = means[int(0.025 * RESAMPLES)], means[int(0.975 * RESAMPLES)]
    return f"{math.expm1(low):.2%} to {math.expm1(high):.2%}"


def main() -> int:
    """Runs one command; 2 when the study cannot go on."""
    made = argparse.ArgumentParser(
        prog="python -m studies.tune", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("command", choices=("record", "replay", "whole", "show"))
    made.add_argument("--passes", type=int, default=6, help="over all configurations, half of them the truth (%(default)s)")
    made.add_argument("--searches", type=int, default=20, help="to replay of each kind, or to run whole (%(default)s)")
    made.add_argument("--data", type=Path, default=loop.FOLDER / "data/tune.jsonl", help="studies/data/tune.jsonl")
    options = made.parse_args()
    now = datetime.datetime.now(datetime.UTC)
    try:
        if options.command == "show":
            if not (records := loop.records_in(options.data)):
                raise loop.StudyError(f"{options.data} has no line; measure some: python -m studies.tune record")
            print("\n".join(show(records)).rstrip())
            return 0
        from fixtures.machine.fingerprint import Fingerprint

        origin = {"study": f"{now:%Y-%m-%d %H:%M}", "machine": Fingerprint.of_this_machine().machine_id}
        if options.command == "replay":
            replay(options, origin)
            return 0
        folder = loop.FOLDER / f"runs/tune-{now:%Y%m%dT%H%M%SZ}"
        folder.mkdir(parents=True)
        (record if options.command == "record" else whole)(options, folder, origin)
    except (loop.StudyError, RunFileError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
