"""What the studies share: sessions of the suite that take turns, a line on record for each, and tables in Markdown.

Runs in the process of a study, which starts pytest as a user does and reads the run.json that it leaves.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from fixtures.model.prepared import PreparationError
from fixtures.process.environment import REPOSITORY
from studies.extra_work import WORK

Record = Mapping[str, Any]
One = Callable[[bool, Record], tuple["Session", Record]]
"""Measures a session, with extra work or without, told the newest run.json without; what is put on record of it."""
_Value = TypeVar("_Value")

FOLDER: Final = Path(__file__).resolve().parent
"""Records are in `data`. Git ignores `runs`: all that a study measures, and its accepted runs, which have to be in here."""

BAR: Final = r"\|"
"""In a cell."""


class StudyError(Exception):
    """The study cannot go on; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Session:
    """A session of the suite that has ended, and has measured something."""

    path: Path
    """Of its run.json."""
    content: dict[str, Any]
    code: int
    """Exit code of pytest."""
    wall_s: float

    @property
    def origin(self) -> dict[str, Any]:
        """Words for a record: where and when it was measured, what with, and how it ended."""
        packages = self.content["environment"]["packages"]
        versions = {name: packages[name]["version"] for name in ("torch", "tensorflow", "onnxruntime") if name in packages}
        ending = {"versions": versions, "exit_code": self.code, "wall_s": self.wall_s}
        return {"machine": self.content["machine_info"]["machine_id"], "run": self.content["datetime"], **ending}


def session(folder: Path, *arguments: str, work: Mapping[str, str] | None = None, codes: Sequence[int] = (0, 1)) -> Session:
    """Runs pytest on benchmarks in the quick preset.

    Args:
        folder: of this study: it has `runs`, and the accepted ones in `store`.
        arguments: files of benchmarks and options.
        work: variables that make workers slower (studies/extra_work.py). What the shell has of them is taken away.
        codes: exit codes with which the run is worth anything.

    Raises:
        StudyError: it ended with another one, left no run, or measured nothing; with what pytest printed.
    """
    before = set(folder.glob("runs/*/run.json"))
    command = [sys.executable, "-m", "pytest", *arguments, "--benchmark-only", "--preset=quick", "--budget=none"]
    command += [
        "-p",
        "no:cacheprovider",
        "-p",
        "studies.extra_work",
        "--runs",
        str(folder / "runs"),
        "--store",
        str(folder / "store"),
    ]
    environment = {name: value for name, value in os.environ.items() if name not in WORK} | dict(work or {})
    began = time.monotonic()
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    wall_s = time.monotonic() - began
    found = list(set(folder.glob("runs/*/run.json")) - before)
    if len(found) != 1 or done.returncode not in codes:
        raise StudyError(f"a session ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    content: dict[str, Any] = json.loads(found[0].read_text(encoding="utf-8"))
    if not content["benchmarks"]:
        raise StudyError(f"a session measured nothing:\n{done.stdout}{done.stderr}")
    return Session(path=found[0], content=content, code=done.returncode, wall_s=wall_s)


def parser(study: str, text: str | None, sessions: str, *, clean: int, slowed: int) -> argparse.ArgumentParser:
    """The options that all studies with records have; `clean` and `slowed` are how many sessions there are by default."""
    made = argparse.ArgumentParser(
        prog=f"python -m studies.{study}", description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("command", choices=("measure", "show"))
    made.add_argument("--clean", type=int, default=clean, help=f"{sessions} with nothing changed (%(default)s)")
    made.add_argument("--slowed", type=int, default=slowed, help=f"{sessions} with extra work (%(default)s)")
    made.add_argument("--data", type=Path, default=FOLDER / f"data/{study}.jsonl", help=f"studies/data/{study}.jsonl")
    made.set_defaults(study=study)
    return made


def parse_shares(text: str) -> list[float]:
    """Shares of extra work, of "0.03,0.05".

    Raises:
        argparse.ArgumentTypeError: they are no positive numbers.
    """
    try:
        shares = [float(word) for word in text.split(",")]
    except ValueError:
        shares = []
    if not shares or min(shares) <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} are no shares: numbers above 0, as in 0.03,0.05")
    return shares


def run(
    options: argparse.Namespace, begin: Callable[[argparse.Namespace, Path], One], show: Callable[[list[Any]], Iterable[str]]
) -> int:
    """Runs one command; 2 when the study cannot go on.

    Args:
        options: of `parser`.
        begin: gets a study ready in a folder of its own, and returns what measures one session.
        show: the lines of Markdown for all that is on record.
    """
    try:
        if options.command == "measure":
            measure(options, begin)
        elif not (records := records_in(options.data)):
            raise StudyError(f"{options.data} has no line; measure some: python -m studies.{options.study} measure")
        else:
            print("\n".join(show(records)).rstrip())
    except (StudyError, PreparationError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def measure(options: argparse.Namespace, begin: Callable[[argparse.Namespace, Path], One]) -> None:
    """Sessions with nothing changed and sessions with extra work take turns; each is on disk as soon as it has ended."""
    counts = {"clean": options.clean, "slowed": options.slowed}
    kinds = [kind for turn in range(max(counts.values())) for kind, count in counts.items() if turn < count]
    if not kinds:
        raise StudyError("--clean 0 --slowed 0: nothing would be measured; give at least one of either")
    now = datetime.datetime.now(datetime.UTC)
    folder = FOLDER / f"runs/{options.study}-{now:%Y%m%dT%H%M%SZ}"
    folder.mkdir(parents=True)
    one = begin(options, folder)
    newest: Record = {}
    for number, kind in enumerate(kinds, start=1):
        ended, record = one(kind == "slowed", newest)
        newest = ended.content if kind == "clean" else newest
        append(options.data, {"study": f"{now:%Y-%m-%d %H:%M}", **record})
        tell(f"{number} of {len(kinds)}, {kind}: exit code {ended.code} after {ended.wall_s:.0f} s")


def tell(line: str) -> None:
    """Progress is for people: on stderr."""
    print(line, file=sys.stderr, flush=True)


def append(data: Path, record: Record) -> None:
    """Adds a line, its numbers with five digits."""
    data.parent.mkdir(parents=True, exist_ok=True)
    with data.open("a", encoding="utf-8") as file:
        file.write(json.dumps(rounded(record), allow_nan=False, separators=(",", ":")) + "\n")


def records_in(data: Path) -> list[dict[str, Any]]:
    """All that is on record; nothing where there is no file."""
    return [json.loads(line) for line in data.read_text(encoding="utf-8").splitlines()] if data.exists() else []


def rounded(value: Any) -> Any:
    """Numbers with five digits, in whatever holds them: the file stays small."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, Mapping):
        return {key: rounded(one) for key, one in value.items()}
    return [rounded(one) for one in value] if isinstance(value, list | tuple) else value


def grouped(values: Iterable[_Value], key: Callable[[_Value], Any]) -> dict[Any, list[_Value]]:
    """Values by a key, in its order."""
    groups: dict[Any, list[_Value]] = {}
    for value in values:
        groups.setdefault(key(value), []).append(value)
    return {key: groups[key] for key in sorted(groups)}


def table(heads: str, rows: Iterable[Iterable[object]]) -> list[str]:
    """Lines of Markdown; a `|` is between the heads of columns."""
    return [f"| {heads} |", "|---" * (heads.count("|") + 1) + "|", *map(row, rows)]


def row(cells: Iterable[object]) -> str:
    """A row of a table."""
    return f"| {' | '.join(str(cell).replace('|', BAR) for cell in cells)} |"


def counted(verdicts: Iterable[str]) -> tuple[int, int, str, int, int]:
    """Cells of a row: how many there are, regressed ones with their exact interval, inconclusive ones, and all others."""
    counts = Counter(verdicts)
    total, found = counts.total(), counts["regressed"]
    return total, found, interval(found, total), counts["inconclusive"], counts["passed"] + counts["improved"]


def interval(count: int, of: int) -> str:
    """The exact 95 % interval of a share (Clopper and Pearson)."""
    from scipy.stats import binomtest

    low, high = binomtest(count, of).proportion_ci(method="exact") if of else (0.0, 1.0)
    return f"{low:.1%} to {high:.1%}"
