"""Does a search name the release that made a benchmark slower? Launch pairs are recorded, and searches replayed on them.

Usage: `python -m studies.bisect record [--pairs N]` measures launch pairs of states with known work, on bert-mini, batch 1;
`whole [--searches N]` runs `python -m baselines bisect` on sixteen releases of a package, one of which adds 3 %. Both append
lines to studies/data/bisect.jsonl. `show` replays searches on what is recorded and prints the Markdown of docs/bisect.md.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import os
import random
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from baselines.bisecting.measuring import Session, State
from baselines.bisecting.posterior import Observation
from baselines.bisecting.search import Search
from baselines.comparing.bisection_file import FILE_NAME
from baselines.files.reading_runs import read_run
from baselines.files.run import Run
from baselines.files.run_folder import RunFileError
from baselines.requesting.session import Unavailable, Wrong
from fixtures.asked.layers import layered
from fixtures.process.environment import REPOSITORY
from studies import loop
from studies.bisect_package import NAME, write_releases
from studies.extra_work import step_s

RELEASES: Final = 16
ONE: Final = 0.03
TWO: Final = (0.019, 0.022)
BOTH: Final = 0.041
KINDS: Final = ((0.0, 0.0), (0.0, ONE), (0.0, TWO[0]), (TWO[0], BOTH), (0.0, BOTH))
"""What is recorded: the shares of work of the older state and the newer. States with the same work are the first kind."""
TRIALS: Final = 8
FAILURES: Final = 3
"""So many launch pairs that fail end a record."""
"""Launch pairs to calibrate the work by."""
MEDIAN_RULE: Final = 1.05
"""pytest-benchmark's --benchmark-compare-fail=median:5%."""
BENCHMARK: Final = "benchmarks/test_out_of_the_box.py"
SELECTION: Final = (
    *("--benchmark-only", "--preset=quick", "--model=bert-mini", "--backends=onnxruntime", "--precisions=fp32"),
    *("--batch-sizes=1", "--sequence-lengths=128", "--budget=none", "--no-limit", "-p", "no:cacheprovider"),
)
EFFORT: Final = ("--benchmark-max-time=0.3",)
Draw = Callable[[float, float, bool], loop.Record]
"""A recorded launch pair of two shares of work, in an order."""


def first_run(folder: Path) -> tuple[Run, str, float]:
    """A run of the benchmark with nothing added, its node id, and what a forward pass takes."""
    command = [sys.executable, "-m", "pytest", BENCHMARK, *SELECTION, "--runs", str(folder / "runs")]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    paths = sorted(folder.glob("runs/*/run.json"))
    if not paths:
        raise loop.StudyError(f"the first run ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    run = read_run(paths[-1])
    if done.returncode not in (0, 1) or len(run.results) != 1:
        raise loop.StudyError(f"the first run ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return run, run.results[0].fullname, run.results[0].median_s


def calibrated(session: Session, folder: Path, forward_s: float) -> float:
    """How many steps make a forward pass 1 % longer, by launch pairs with a trial of about a tenth.

    A step behind a forward pass takes another time than in a loop of its own, and the first run may have been disturbed.

    Raises:
        StudyError: the trial did not make it longer.
    """
    trial = max(1, round(0.1 * forward_s / step_s()))
    write_releases(folder / "trial", {"0.0": 0, f"0.{trial}": trial})
    states = [State(packages={NAME: version}).as_json() for version in (f"0.{trial}", "0.0")]
    words = {"measured": states[0], "reference": states[1]}
    ratios = [session.ask("pair", **words, number=number + 2)["log_ratio"] for number in range(TRIALS)]
    if (share := math.expm1(statistics.median(ratios))) <= 0:
        raise loop.StudyError(f"{trial} steps made nothing longer ({share:+.1%}): this machine is too busy to calibrate")
    return 0.01 * trial / share


def offline(wheels: Path) -> None:
    """Has pip find these wheels and nothing else, here and in what is started from here."""
    os.environ.update(PIP_NO_INDEX="1", PIP_FIND_LINKS=str(wheels))


def ready(run: Run, name: str, folder: Path) -> Session:
    """A session that waits for requests; pip finds the wheels that are put into `trial`."""
    (folder / "trial").mkdir(parents=True, exist_ok=True)
    offline(folder / "trial")
    return Session(run, name, folder / "session", EFFORT, REPOSITORY)


def record(options: argparse.Namespace, folder: Path, origin: Mapping[str, Any]) -> None:
    """Launch pairs of each kind in turn, each on disk as soon as it is measured."""
    run, name, forward_s = first_run(folder)
    shares = sorted({share for kind in KINDS for share in kind})
    versions = {share: f"{1000 * share:.0f}" for share in shares}
    session, failed = ready(run, name, folder), 0
    try:
        percent = calibrated(session, folder, forward_s)
        steps = {versions[share]: round(100 * share * percent) for share in shares}
        write_releases(folder / "trial", steps)
        for number in range(options.pairs):
            for older, newer in KINDS:
                newer_first = number % 2 == 0
                states = [State(packages={NAME: versions[share]}).as_json() for share in (newer, older)]
                order = 2 * number + 2 + (not newer_first)
                try:
                    answer = session.ask("pair", measured=states[0], reference=states[1], number=order)
                except Wrong as error:
                    failed += 1
                    if failed == FAILURES:
                        raise
                    loop.tell(f"a launch pair is left out: {error}")
                    continue
                words = {key: answer[key] for key in ("log_ratio", "measured_s", "reference_s", "others_share", "wall_s")}
                what = {"older": older, "newer": newer, "newer_first": newer_first, "steps": steps[versions[newer]]}
                loop.append(options.data, {**origin, "kind": "pair", **what, **words})
            loop.tell(f"{number + 1} of {options.pairs} of each kind")
    finally:
        session.close()


def whole(options: argparse.Namespace, folder: Path, origin: Mapping[str, Any]) -> None:
    """Searches as a user runs them: the last release is installed, and a culprit is drawn."""
    run, name, forward_s = first_run(folder)
    session = ready(run, name, folder)
    try:
        steps, chance = round(100 * ONE * calibrated(session, folder, forward_s)), random.SystemRandom()
    finally:
        session.close()
    for number in range(options.searches):
        culprit, versions = chance.randrange(1, RELEASES), [f"1.{release}" for release in range(RELEASES)]
        wheels = folder / f"wheels-{number}"
        write_releases(wheels, {version: steps * (place >= culprit) for place, version in enumerate(versions)})
        offline(wheels)
        python = layered({NAME: versions[-1]}, lambda line: print(line, file=sys.stderr))
        words = ["--benchmark", name, "--since", f"{NAME}=={versions[0]}", "--also", NAME, "--anew", "--pytest", *EFFORT]
        said = run.path.parent / FILE_NAME
        said.unlink(missing_ok=True)  # of the search before
        began = time.monotonic()
        command = [python, "-m", "baselines", "bisect", str(run.path.parent), *words]
        done = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode not in (0, 1) or not said.exists():
            raise loop.StudyError(f"a search ended with {done.returncode}:\n{done.stdout}")
        answer = json.loads(said.read_text(encoding="utf-8"))["benchmarks"][name]
        found = [(one["older"], one["newer"]) for one in answer["culprits"]]
        right = found == [(versions[culprit - 1], versions[culprit])]
        ending = {"found": found, "culprit": versions[culprit], "right": right, "wall_s": time.monotonic() - began}
        loop.append(options.data, {**origin, "kind": "whole", "lines": answer["lines"], **ending})
        loop.tell(f"{number + 1} of {options.searches}: {done.stdout}")


def drawing(records: Sequence[loop.Record], chance: random.Random) -> Draw:
    """Draws of recorded launch pairs."""
    kinds = loop.grouped(records, lambda one: (one["older"], one["newer"], one["newer_first"]))
    return lambda older, newer, newer_first: chance.choice(
        kinds[(older, newer, newer_first) if older != newer else (0.0, 0.0, newer_first)]
    )


def shares_of(changes: Sequence[int], sizes: Sequence[float]) -> list[float]:
    """The work of each release, by which of them add some."""
    steps = list(zip(changes, sizes, strict=True))
    return [round(sum((size for state, size in steps if state <= release), 0.0), 4) for release in range(RELEASES)]


def searched(shares: Sequence[float], draw: Draw) -> tuple[tuple[int, ...] | None, int]:
    """The releases that a search names, None where it is undecided, and launch pairs spent."""
    search = Search([1.0] * (RELEASES - 1))
    while (asked := search.next_comparison()) is not None:
        pair = draw(shares[asked.older], shares[asked.newer], asked.newer_first)
        search.update(Observation(**vars(asked), log_ratio=pair["log_ratio"]))
    changes = search.answer().changes
    return None if changes is None else tuple(one.newer for one in changes), len(search.observations)


def bisected(shares: Sequence[float], slower: Callable[[float], bool]) -> tuple[tuple[int, ...], int]:
    """The release that plain bisection names, which asks once per step whether a share of work is slower, and steps."""
    low, high, asked = 0, RELEASES - 1, 0
    while high - low > 1:
        middle, asked = (low + high) // 2, asked + 1
        low, high = (low, middle) if slower(shares[middle]) else (middle, high)
    return (high,), asked


def replayed(
    records: Sequence[loop.Record], sizes: Sequence[float], count: int, chance: random.Random
) -> Iterator[list[Any]]:
    """Rows of a table: how, right, undecided, wrong, launch pairs."""
    draw, answers = drawing(records, chance), dict[str, list[tuple[tuple[int, ...] | None, int, tuple[int, ...]]]]()

    def pair(share: float) -> bool:
        return bool(draw(0.0, share, chance.random() < 0.5)["log_ratio"] > math.log1p(sum(sizes)) / 2)

    def median(share: float) -> bool:
        accepted = draw(0.0, 0.0, chance.random() < 0.5)["reference_s"]
        return bool(draw(0.0, share, chance.random() < 0.5)["measured_s"] > MEDIAN_RULE * accepted)

    for _ in range(count):
        truth = tuple(sorted(chance.sample(range(1, RELEASES), len(sizes))))
        shares = shares_of(truth, sizes)
        answers.setdefault("search", []).append((*searched(shares, draw), truth))
        if len(sizes) == 1:
            answers.setdefault("bisection, a launch pair per step", []).append((*bisected(shares, pair), truth))
            answers.setdefault("bisection, median:5%", []).append((*bisected(shares, median), truth))
    for how, given in answers.items():
        counts = Counter(
            "undecided" if found is None else "right" if found == truth else "wrong" for found, _, truth in given
        )
        pairs = sorted(spent for _, spent, _ in given)
        cells = [counts["right"], loop.interval(counts["right"], count), counts["undecided"], counts["wrong"]]
        yield [how, count, *cells, f"{statistics.median(pairs):g}", pairs[-1]]


def show(records: list[Any], count: int) -> Iterator[str]:
    """What was recorded, searches replayed on it, and those that ran whole."""
    pairs = [one for one in records if one["kind"] == "pair"]
    machines = sorted({f"{one['machine']}, {one['study']}" for one in records})
    yield from (*(f"recorded: {machine}" for machine in machines), "")
    if pairs:
        kinds = loop.grouped(pairs, lambda one: (one["older"], one["newer"]))
        yield from loop.table(
            "work added | launch pairs | measured, median | spread of a launch pair | seconds each",
            (
                [
                    f"{older:.1%} -> {newer:.1%}",
                    len(members),
                    f"{math.expm1(statistics.median(one['log_ratio'] for one in members)):+.2%}",
                    f"{statistics.stdev(one['log_ratio'] for one in members):.2%}",
                    f"{statistics.median(one['wall_s'] for one in members):.1f}",
                ]
                for (older, newer), members in kinds.items()
            ),
        )
        heads = "truth | how | searches | right | 95 % interval | undecided | wrong | launch pairs, median | most"
        chance = random.Random(20261127)  # noqa: S311 - which recorded pairs a search sees, no secret
        rows: list[list[Any]] = []
        for truth, sizes in (("one release adds 3 %", [ONE]), ("two add 1.9 % and 2.2 %", TWO), ("none adds anything", [])):
            rows += [[truth, *cells] for cells in replayed(pairs, sizes, count, chance)]
        yield from ("", *loop.table(heads, rows))
    if ended := [one for one in records if one["kind"] == "whole"]:
        heads = "run whole | culprit | found | right | minutes | answer"
        yield from ("", *loop.table(heads, map(_whole_row, ended)))


def _whole_row(one: loop.Record) -> list[str]:
    found = ", ".join(f"{older} -> {newer}" for older, newer in one["found"]) or "nothing"
    return [
        one["study"],
        one["culprit"],
        found,
        "yes" if one["right"] else "no",
        f"{one['wall_s'] / 60:.1f}",
        one["lines"][0],
    ]


def main() -> int:
    """Runs one command; 2 when the study cannot go on."""
    made = argparse.ArgumentParser(
        prog="python -m studies.bisect", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("command", choices=("record", "whole", "show"))
    made.add_argument("--pairs", type=int, default=40, help="launch pairs of each kind to record (%(default)s)")
    made.add_argument("--searches", type=int, default=5, help="searches to run whole (%(default)s)")
    made.add_argument("--replays", type=int, default=200, help="searches to replay for each truth (%(default)s)")
    made.add_argument("--data", type=Path, default=loop.FOLDER / "data/bisect.jsonl", help="studies/data/bisect.jsonl")
    options = made.parse_args()
    now = datetime.datetime.now(datetime.UTC)
    try:
        if options.command == "show":
            records = loop.records_in(options.data)
            if not records:
                raise loop.StudyError(f"{options.data} has no line; measure some: python -m studies.bisect record")
            print("\n".join(show(records, options.replays)))
            return 0
        folder = loop.FOLDER / f"runs/bisect-{now:%Y%m%dT%H%M%SZ}"
        folder.mkdir(parents=True)
        from fixtures.machine.fingerprint import Fingerprint

        origin = {"study": f"{now:%Y-%m-%d %H:%M}", "machine": Fingerprint.of_this_machine().machine_id}
        (record if options.command == "record" else whole)(options, folder, origin)
    except (loop.StudyError, RunFileError, Unavailable) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
