"""What did the newest releases of each framework gain or lose? Neighbours among them, side by side, one package at a time.

Usage: `python -m studies.history measure [--packages onnxruntime,openvino] [--models bert-mini,bert-base-cased] [--steps
2]`, and `show`, which prints Markdown. The releases are the newest of each minor version up to the one that is installed,
and as many older ones as there are steps; all else is as it is installed, or moves along where a release requires it. A
package that is installed as a local build (`torch 2.13.0+cpu`) is left out: its other releases would be other builds. Each
launch pair is on disk as soon as it is measured; a study with `--pairs 1` and another `--data` beforehand fills the caches.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import math
import statistics
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from packaging.version import Version
from scipy import stats

from baselines.bisecting.measuring import Session, State
from baselines.files.reading_runs import read_run
from baselines.files.run_folder import RunFileError
from baselines.requesting.session import Unavailable, Wrong
from fixtures.machine.fingerprint import Fingerprint
from fixtures.process.environment import REPOSITORY
from studies import loop

BACKENDS: Final = {"onnxruntime": "onnxruntime", "openvino": "openvino", "torch": "pytorch", "transformers": "pytorch"}
"""By package, the backend that tells what its releases are worth."""
QUESTION: Final = "benchmarks/test_core_count_scaling.py"
SELECTION: Final = (
    *("--precisions=fp32", "--threads=1", "--batch-sizes=1", "--sequence-lengths=128", "--no-limit"),
    *("--benchmark-max-time=0.3", "-p", "no:fixtures.run.report"),
)
LEVEL: Final = 0.95
FAILURES: Final = 2
"""So many failed launches of two neighbours leave them out, as in a search."""
TODAYS: Final = "today's"
HEADS: Final = "package | older | newer | model | takes longer, 95 % interval | launch pairs | moved along"


def minor_releases(versions: Sequence[str], count: int) -> list[str]:
    """The newest of each minor version, oldest first; the newest so many of them."""
    newest: dict[tuple[int, ...], Version] = {}
    for one in sorted(map(Version, versions)):
        newest[one.release[:2]] = one
    return [str(one) for one in newest.values()][-count:]


def measure(options: argparse.Namespace) -> None:
    """Launch pairs of neighbours in turn, so that each pair of neighbours sees all moods of the machine."""
    now = datetime.datetime.now(datetime.UTC)
    origin = {"study": f"{now:%Y-%m-%d %H:%M}", "machine": Fingerprint.of_this_machine().machine_id}
    folder = loop.FOLDER / f"runs/history-{now:%Y%m%dT%H%M%SZ}"
    folder.mkdir(parents=True)
    pairs = 0
    for model in options.models:
        for backend in dict.fromkeys(BACKENDS[name] for name in options.packages):
            names = [name for name in options.packages if BACKENDS[name] == backend]
            first = read_run(loop.session(folder, QUESTION, *SELECTION, f"--model={model}", f"--backends={backend}").path)
            effort = ("--benchmark-max-time=0.3",)
            session = Session(first, first.results[0].fullname, folder / f"{model}-{backend}", effort, REPOSITORY)
            try:
                pairs += of_a_backend(session, names, options, {**origin, "model": model})
            finally:
                session.close()
    if not pairs:
        raise loop.StudyError("nothing was compared; the lines above say why")


def of_a_backend(session: Session, names: Sequence[str], options: argparse.Namespace, origin: loop.Record) -> int:
    """All neighbours of some packages by one session, in rounds of a launch pair each; how many pairs were measured."""
    steps, pairs = [], 0
    for name in names:
        installed = Version(metadata.version(name))
        if installed.local:
            loop.tell(f"{name} {installed}: left out: its other releases in an index are other builds")
            continue
        known = [one for one in session.ask("releases", name=name, before="0", after=installed.public) if one != "0"]
        found = minor_releases(known, options.steps + 1)
        steps += [(name, older, newer) for older, newer in itertools.pairwise(found)]
    moved: dict[tuple[str, str], dict[str, str | None]] = {}
    gone: dict[tuple[str, str, str], str] = {}
    failures: Counter[tuple[str, str, str]] = Counter()
    for number in range(options.pairs):
        for step in steps:
            name, *versions = step
            words = [State(packages={name: one}, complete=True, older={}).as_json() for one in versions]
            try:
                for one, state in zip(versions, words, strict=True):
                    if (name, one) not in moved and step not in gone:
                        moved[name, one] = session.ask("prepare", state=state)["packages"]
                if step in gone:
                    continue
                answer = session.ask("pair", measured=words[1], reference=words[0], number=number)
            except Unavailable as error:
                failures[step] += 1
                if not isinstance(error, Wrong) or failures[step] == FAILURES:
                    gone[step] = str(error)
                loop.tell(f"{name} {' -> '.join(versions)}: {'left out' if step in gone else 'once more'}: {error}")
                continue
            what = {"package": name, "older": versions[0], "newer": versions[1], "moved": apart(name, versions, moved)}
            kept = {key: answer[key] for key in ("log_ratio", "measured_s", "reference_s", "others_share", "wall_s")}
            loop.append(options.data, {**origin, **what, **kept})
            pairs += 1
        loop.tell(f"{origin['model']}, {', '.join(names)}: {number + 1} of {options.pairs}")
    return pairs


def apart(
    name: str, versions: Sequence[str], moved: Mapping[tuple[str, str], Mapping[str, str | None]]
) -> dict[str, list[str | None]]:
    """In which other packages the two sides differ, and the older and the newer side's version; `today's` is not moved."""
    older, newer = (moved[name, one] for one in versions)
    pairs = {other: [side.get(other, TODAYS) for side in (older, newer)] for other in {*older, *newer} - {name}}
    return {other: two for other, two in sorted(pairs.items()) if two[0] != two[1]}


def show(records: list[Any]) -> Iterator[str]:
    """A table per machine and day: a row per package, two neighbours and model."""
    for (machine, day), mine in loop.grouped(records, lambda one: (one["machine"], one["study"][:10])).items():
        yield f"Machine `{machine}`, {day}, one thread, batch 1, 128 tokens:\n"
        key = lambda one: (one["package"], Version(one["older"]), Version(one["newer"]), one["model"])  # noqa: E731
        rows = [
            [package, older, newer, model, interval([one["log_ratio"] for one in pairs]), len(pairs), along(pairs[-1])]
            for (package, older, newer, model), pairs in loop.grouped(sorted(mine, key=key), key).items()
        ]
        yield from (*loop.table(HEADS, rows), "")


def interval(logs: Sequence[float]) -> str:
    """The mean of launch pairs as a change in per cent, with Student's interval."""
    mean = statistics.fmean(logs)
    if len(logs) < 2:
        return f"{math.expm1(mean):+.1%}"
    half = float(stats.t.ppf((1 + LEVEL) / 2, len(logs) - 1)) * statistics.stdev(logs) / math.sqrt(len(logs))
    low, high = math.expm1(mean - half), math.expm1(mean + half)
    sure = "" if low <= 0 <= high else ", slower" if low > 0 else ", faster"
    return f"{math.expm1(mean):+.1%} [{low:+.1%}, {high:+.1%}]{sure}"


def along(record: loop.Record) -> str:
    """The other packages in which the two sides differ."""
    words = [f"{name} {older or 'none'} -> {newer or 'none'}" for name, (older, newer) in record["moved"].items()]
    return ", ".join(words) or "nothing"


def words_of(text: str) -> list[str]:
    """`a,b`."""
    return [word for word in text.split(",") if word]


def packages_of(text: str) -> list[str]:
    """Names of packages.

    Raises:
        argparse.ArgumentTypeError: one is none of those that this study knows.
    """
    names = words_of(text)
    if not names or (unknown := [name for name in names if name not in BACKENDS]):
        raise argparse.ArgumentTypeError(f"{unknown if names else text!r}: known are {', '.join(BACKENDS)}")
    return names


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; 2 when the study cannot go on."""
    parser = argparse.ArgumentParser(
        prog="python -m studies.history", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("measure", "show"))
    parser.add_argument("--packages", type=packages_of, default=list(BACKENDS), help="onnxruntime,torch")
    parser.add_argument("--models", type=words_of, default=["bert-mini", "bert-base-cased"], help="bert-mini")
    parser.add_argument("--steps", type=int, default=2, help="between neighbours, of each package (%(default)s)")
    parser.add_argument("--pairs", type=int, default=10, help="launch pairs of each two neighbours (%(default)s)")
    parser.add_argument("--data", type=Path, default=loop.FOLDER / "data/history.jsonl", help="studies/data/history.jsonl")
    options = parser.parse_args(arguments)
    try:
        if options.command == "measure":
            measure(options)
        elif records := loop.records_in(options.data):
            print("\n".join(show(records)).rstrip())
        else:
            raise loop.StudyError(f"{options.data} has no line; measure some: python -m studies.history measure")
    except (loop.StudyError, RunFileError, Unavailable) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
