"""Does a search find the best of 48 configurations at two fifths of what it costs to tell the best of them all?

Usage: `python -m studies.tune record [--go-on] [--minutes M]` measures all that a search of one backend may choose on
bert-mini: in each pass a launch pair of each configuration with itself without its knobs, or of one without knobs with the
default, and some of the default with itself; in two of four passes a launch of each too. On these
two searches are replayed, the other two say which configuration is the best. It may be cut off anywhere: `--go-on` takes up
the last study of this machine. `replay [--searches N]` replays searches, where knobs do nothing too, and beside them random
search and optuna's, where it is installed. `whole [--searches N]` runs some as a user runs them. All append lines to
studies/data/tune.jsonl; `show` prints Markdown of all there is.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from baselines.files.run_folder import RunFileError
from baselines.tuning.space import Candidate
from fixtures.process.environment import REPOSITORY
from studies import loop
from studies.tune_data import SHARE, Data, each
from studies.tune_record import AXES, BACKEND, BATCH, CONFIGURATIONS, DATA, LENGTH, MODEL, go_on, is_of, record
from studies.tune_replay import replayed, replayed_on_nothing
from studies.tune_tables import show

SEARCHES: Final = {"replay": 20, "whole": 3}


def replay(options: argparse.Namespace, origin: Mapping[str, Any]) -> None:
    """Searches on what is recorded, and where knobs do nothing; those that are on record already are not replayed again."""
    records, replays = loop.records_in(options.data), 0
    for study, data in each(records).items():
        if not isinstance(data, Data):
            loop.tell(f"study {study}: {data}")
            continue
        replays += 1
        if data.budget_s <= 0:
            loop.tell(f"study {study}: {SHARE:.0%} of {data.cost_s:.0f} s is less than a session takes to begin and to end")
            continue
        mine = [one for one in records if one["kind"] == "replay" and one["of"] == study and one["passes"] == data.passes]
        done = Counter(one["how"] for one in mine)
        found = [*replayed(data, options.searches, done), *replayed_on_nothing(data, options.searches, done)]
        for one in found:
            loop.append(options.data, {**origin, "kind": "replay", "of": study, "passes": data.passes, **one})
        loop.tell(f"study {study}, {data.passes} passes: {len(found)} searches replayed, {len(mine)} were on record")
    if not replays:
        raise loop.StudyError("nothing on record can be replayed; measure the space first: python -m studies.tune record")


def whole(options: argparse.Namespace, folder: Path, origin: Mapping[str, Any]) -> None:
    """Searches as a user runs them, on the last space that was recorded here, at SHARE of what measuring all of it costs."""
    mine = [one for one in loop.records_in(options.data) if is_of(one, origin)]
    there = [(study, data) for study, data in each(mine).items() if isinstance(data, Data)]
    if not there:
        way_on = "measure the space first: python -m studies.tune record --go-on"
        raise loop.StudyError(f"no four passes are on record of this machine with {versions_text(origin)}; {way_on}")
    study, data = there[-1]
    words = ["--model", MODEL, "--batch-sizes", str(BATCH), "--sequence-lengths", str(LENGTH)]
    words += [word for axis, value in AXES.items() for word in (f"--{axis}", value)]
    words += ["--budget", f"{SHARE * data.cost_s:.0f}s", "--runs", str(folder / "runs"), "--anew"]
    for number in range(options.searches):
        began_s, before = time.monotonic(), answers_in(folder)
        command = [sys.executable, "-m", "baselines", "tune", *words]
        done = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=False)
        share = (time.monotonic() - began_s) / data.cost_s
        new = answers_in(folder) - before
        if done.returncode not in (0, 1) or len(new) != 1:
            raise loop.StudyError(f"a search ended with {done.returncode} and left {len(new)} answers:\n{done.stdout}")
        (answer,) = json.loads(new.pop().read_text(encoding="utf-8"))["answers"]
        chosen = Candidate.from_json(answer["best"])
        regret = data.regret(chosen) if chosen in data.truth else None
        ending = {"chosen": answer["best"], "regret": regret, "settled": answer["settled"]}
        of = {"of": study, "passes": data.passes}
        loop.append(options.data, {**origin, "kind": "whole", **of, "share": share, **ending})
        loop.tell(f"{number + 1} of {options.searches}:\n{done.stdout}")


def answers_in(folder: Path) -> set[Path]:
    """The answers of all searches that ran in a folder."""
    return set(folder.glob("runs/*Z_*/tuning.json"))


def versions_text(origin: Mapping[str, Any]) -> str:
    """`onnxruntime 1.32.0`."""
    return ", ".join(f"{name} {version}" for name, version in origin["versions"].items())


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    """The options."""
    made = argparse.ArgumentParser(
        prog="python -m studies.tune", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("command", choices=("record", "replay", "whole", "show"))
    made.add_argument("--passes", type=int, default=8, help="that a record has in the end, in fours (%(default)s)")
    made.add_argument("--minutes", type=float, default=math.inf, help="of recording, after which nothing is begun")
    made.add_argument("--go-on", action="store_true", help="record what is left of the last study of this machine")
    made.add_argument("--configurations", type=int, default=CONFIGURATIONS, help="that the space has (%(default)s)")
    made.add_argument("--searches", type=int, help="to replay of each kind (20), or to run whole (3)")
    made.add_argument("--data", type=Path, default=DATA, help="studies/data/tune.jsonl")
    options = made.parse_args(arguments)
    if options.searches is None:
        options.searches = SEARCHES.get(options.command)
    return options


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; 2 when the study cannot go on, 130 after Ctrl-C."""
    options = parsed(arguments)
    now = datetime.datetime.now(datetime.UTC)
    try:
        if options.command == "show":
            if not (records := loop.records_in(options.data)):
                raise loop.StudyError(f"{options.data} has no line; measure some: python -m studies.tune record")
            print("\n".join(show(records)).rstrip())
            return 0
        origin = origin_of(now)
        folder = loop.FOLDER / f"runs/tune-{now:%Y%m%dT%H%M%SZ}"
        if options.command == "replay":
            replay(options, origin)
        else:
            (record if options.command == "record" else whole)(options, folder, origin)
    except (loop.StudyError, RunFileError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        loop.tell(
            f"interrupted; what was measured is on record{f'; {go_on(options)}' if options.command == 'record' else ''}"
        )
        return 130
    return 0


def origin_of(now: datetime.datetime) -> dict[str, Any]:
    """Words for each line: when and where it was measured, and with which release."""
    from fixtures.machine.fingerprint import Fingerprint

    try:
        versions = {BACKEND: metadata.version(BACKEND)}
    except metadata.PackageNotFoundError:
        raise loop.StudyError(f"{BACKEND} is not installed: pip install '.[{BACKEND}]'") from None
    machine = Fingerprint.of_this_machine().machine_id
    return {"study": f"{now:%Y-%m-%d %H:%M}", "machine": machine, "versions": versions}


if __name__ == "__main__":
    raise SystemExit(main())
