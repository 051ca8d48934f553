"""What does the one command find, of work hidden in a package, and what would stored numbers alone have said?

Usage: `python -m studies.nights measure [--equal 10] [--nights 0=10,0.03=8,0.05=8,0.10=4]`, and `show`; from an environment
that has all its packages in one folder (`.tox/bench/bin/python`). A checkout of its own accepts runs of a clean
environment. Then each night is the command that a user types, in an environment of the same versions: an equal one, or one
with a share of work hidden in files of ONNX Runtime, OpenVINO and transformers (studies/hidden_work.py). With a share of 0
these files have a comment more: nobody knows beforehand that they do the same. The accepted state is built from the index.
Nights of all kinds take turns. docs/verdicts.md prints what `show` prints.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from fixtures.process.environment import REPOSITORY
from studies import loop
from studies.hidden_work import copied_environment, hide

SELECTION: Final = (
    *("benchmarks/test_core_count_scaling.py", "--benchmark-only", "--preset=quick", "--model=bert-mini"),
    *("--backends=onnxruntime,openvino,pytorch", "--threads=1", "--batch-sizes=1,2", "--sequence-lengths=32,128"),
    *("--benchmark-max-time=0.3", "--budget=none", "--no-limit"),
    *("-p", "no:cacheprovider", "-p", "no:fixtures.run.report"),
)
BENCHMARKS: Final = 12
"""As many does the selection have."""
ACCEPTED: Final = 5
_NIGHTS: Final = "0=10,0.03=8,0.05=8,0.10=4"
HEADS: Final = (
    "machine | days | hidden work | nights | red | of them by the comparison | exact 95 % interval of red | compared | "
    "measured by it | stored numbers alone: red | minutes per night"
)


class Nights:
    """A checkout with accepted runs of a clean environment, and an environment in which work can be hidden."""

    def __init__(self, folder: Path) -> None:
        """Clones the checkout as it is committed, copies the environment, measures and accepts."""
        self.root, self.environment = folder / "checkout", folder / "environment"
        subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(self.root)], check=True)  # noqa: S607
        self.store = f"--store={self.root / 'baselines' / 'of-the-study'}"
        self.python = copied_environment(self.environment)
        hide(self.environment, None)
        self.session("--confirm-by=launches")  # prepares the model
        runs = [self.session("--confirm-by=launches")[0] for _ in range(ACCEPTED)]
        command = ["-m", "baselines", "accept", *(str(run.parent) for run in runs), "--reason", "a study", self.store]
        done = self.run(*command)
        if done.returncode:
            raise loop.StudyError(f"accept ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        self.accepted = runs

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command of the environment's interpreter in the checkout."""
        command = [str(self.python), *words]
        return subprocess.run(command, cwd=self.root, env=os.environ, capture_output=True, text=True, check=False)

    def session(self, *options: str) -> tuple[Path, dict[str, Any], int, float]:
        """A session: its run.json, what is in it, the exit code, and the seconds it took."""
        before, began = set(self.root.glob("runs/*/run.json")), time.monotonic()
        done = self.run("-m", "pytest", *SELECTION, self.store, *options)
        found = set(self.root.glob("runs/*/run.json")) - before
        if len(found) != 1 or done.returncode not in (0, 1):
            raise loop.StudyError(f"a session ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        (path,) = found
        content = json.loads(path.read_text(encoding="utf-8"))
        if len(content["benchmarks"]) != BENCHMARKS:
            raise loop.StudyError(f"a session has {len(content['benchmarks'])} of {BENCHMARKS} benchmarks:\n{done.stdout}")
        return path, content, done.returncode, time.monotonic() - began

    def night(self, share: float | None) -> dict[str, Any]:
        """What is put on record of a night with so much hidden work; None is an equal environment."""
        hide(self.environment, share)
        path, content, code, wall_s = self.session()
        words = content["run"]
        red = {name.partition("[")[2]: one["reason"] for name, one in words["not_passed"].items() if one.get("reason")}
        if failed := {name: why for name, why in red.items() if not why.startswith("REGRESSED")}:
            raise loop.StudyError(f"a night has benchmarks that failed and were not judged: {failed}")
        judged = words["verdicts"]["judgements"]
        alone = self.run(
            *("-m", "baselines", "compare", str(path.parent), *(str(run.parent) for run in self.accepted)),
            *("--format", "json"),
        )
        try:
            json.loads(alone.stdout)
        except ValueError:
            raise loop.StudyError(f"compare ended with {alone.returncode}:\n{alone.stdout}{alone.stderr}") from None
        return {
            "machine": content["machine_info"]["machine_id"],
            "run": content["datetime"],
            "commit": content["commit_info"]["id"],
            "share": share,
            "exit_code": code,
            "wall_s": wall_s,
            "compared": {
                name.partition("[")[2].rstrip("]"): [one["verdict"], one["ratio"], one["launches"]]
                for name, one in judged.items()
                if one["evidence"] == "duet"
            },
            "verdicts": Counter(one["verdict"] for one in judged.values()),
            "why_not": (words.get("side_by_side") or {}).get("why_not"),
            "stored_exit_code": alone.returncode,
        }


def measure(options: argparse.Namespace) -> None:
    """Nights of all kinds in an order by chance; each is on disk as soon as it has ended."""
    kinds = [None] * options.equal + [share for share, count in options.nights for _ in range(count)]
    random.SystemRandom().shuffle(kinds)
    now = datetime.datetime.now(datetime.UTC)
    folder = loop.FOLDER / f"runs/nights-{now:%Y%m%dT%H%M%SZ}"
    folder.mkdir(parents=True)
    nights = Nights(folder)
    for number, share in enumerate(kinds, start=1):
        record = nights.night(share)
        loop.append(options.data, {"study": f"{now:%Y-%m-%d %H:%M}", **record})
        words = f"{number} of {len(kinds)}, {kind(share)}: exit code {record['exit_code']} after {record['wall_s']:.0f} s"
        loop.tell(words)


def show(records: list[Any]) -> Iterator[str]:
    """A row per machine and share of hidden work."""
    rows = []
    of_a_kind = loop.grouped(records, lambda one: (one["machine"], -1 if one["share"] is None else one["share"]))
    for (machine, _), mine in sorted(of_a_kind.items()):
        red = [one for one in mine if one["exit_code"] == 1]
        by_it = sum(any(said[0] == "regressed" for said in one["compared"].values()) for one in red)
        compared = sorted(len(one["compared"]) for one in mine)
        days = len({one["run"][:10] for one in mine})
        ratios = sorted(ratio - 1 for one in mine for _, ratio, _ in one["compared"].values())
        stored = sum(one["stored_exit_code"] == 1 for one in mine)
        minutes = sorted(one["wall_s"] / 60 for one in mine)
        interval = loop.interval(len(red), len(mine))
        cells = (machine, days, kind(mine[0]["share"]), len(mine), len(red), by_it, interval, span(compared, "d"))
        rows.append((*cells, span(ratios, "+.1%") if ratios else "", stored, span(minutes, ".1f")))
    yield from loop.table(HEADS, rows)


def kind(share: float | None) -> str:
    """Of a night, as people say it."""
    return "none: equal" if share is None else f"{share:.0%}" if share else "none: a comment"


def span(values: Sequence[float], how: str) -> str:
    """`3 to 5`, of sorted values."""
    return f"{values[0]:{how}} to {values[-1]:{how}}" if values[0] != values[-1] else f"{values[0]:{how}}"


def nights_of(text: str) -> list[tuple[float, int]]:
    """`0.03=8,0.05=8` as shares and counts.

    Raises:
        argparse.ArgumentTypeError: it is something else.
    """
    try:
        pairs = [(float(share), int(count)) for share, count in (word.split("=") for word in text.split(","))]
    except ValueError:
        pairs = []
    if not pairs or any(share < 0 or count < 0 for share, count in pairs):
        raise argparse.ArgumentTypeError(f"{text!r} are no nights: shares and how many, as in 0.03=8,0.05=8")
    return pairs


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; 2 when the study cannot go on."""
    parser = argparse.ArgumentParser(
        prog="python -m studies.nights", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("measure", "show"))
    parser.add_argument("--equal", type=int, default=10, help="nights with nothing hidden (%(default)s)")
    parser.add_argument("--nights", type=nights_of, default=nights_of(_NIGHTS), help=_NIGHTS)
    parser.add_argument("--data", type=Path, default=loop.FOLDER / "data/nights.jsonl", help="studies/data/nights.jsonl")
    options = parser.parse_args(arguments)
    try:
        if options.command == "measure":
            measure(options)
        elif records := loop.records_in(options.data):
            print("\n".join(show(records)).rstrip())
        else:
            raise loop.StudyError(f"{options.data} has no line; measure some: python -m studies.nights measure")
    except loop.StudyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
