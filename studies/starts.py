"""Is a worker that was forked worth as much as a fresh process? Launch pairs of both kinds in turns, and sessions of both.

Usage: `python -m studies.starts measure`, which appends a line per block and per session to studies/data/starts.jsonl, and
`python -m studies.starts show`, which prints Markdown of all there is (studies/starts_tables.py). A block of a backend has
two launch pairs of fresh processes, two of workers that one parent per side has forked, and one of a forked worker beside a
fresh process; the next block begins with the other kind, and has parents of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fixtures.asked.configuration import Configuration, Deployment
from fixtures.asked.problem_size import ProblemSize
from fixtures.asked.reference import SELF, Reference, reference_of
from fixtures.backends.registry import backend_class
from fixtures.instance.keeper import BenchmarkFailure, Keeper, ModelFiles
from fixtures.machine.fingerprint import Fingerprint
from fixtures.machine.topology import Topology
from fixtures.measurement.benchmarking import Bench
from fixtures.measurement.effort import Effort
from fixtures.measurement.launch_pair import DuetLaunch, launched
from fixtures.model.prepared import PreparationError, prepare_in_subprocess
from studies import forked, loop, starts_tables
from studies.loop import StudyError

MODEL: Final = "bert-mini"
SIZE: Final = ProblemSize(batch_size=1, sequence_length=32)
EFFORT: Final = Effort(
    min_rounds=5,
    max_time_s=0.3,
    min_time_s=0.0,
    precision=None,
    confidence=0.99,
    warm_up_rounds=100_000,
    warm_up_time_s=3.0,
)
"""Of the quick preset."""
FRESH, FORKED, MIXED = "fresh", "forked", "mixed"
SIDES: Final = {FRESH: (False, False), FORKED: (True, True), MIXED: (True, False)}
"""Kind of a launch pair to whether the measured side and the reference are forked."""
ORDERS: Final = ((FRESH, FORKED, MIXED, FORKED, FRESH), (FORKED, FRESH, MIXED, FRESH, FORKED))
"""Of the launch pairs of a block, in turns."""
SESSION: Final = (
    *("benchmarks/test_core_count_scaling.py", f"--model={MODEL}", "--backends=onnxruntime,pytorch", "--threads=1,2"),
    *("--batch-sizes=1", "--sequence-lengths=32", "--reference=self", "--no-limit", "-p", "no:fixtures.run.report"),
)
"""A comparison of four quick benchmarks."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where launch pairs are measured."""

    bench: Bench
    reference: Reference
    topology: Topology

    def pair(self, deployment: Deployment, kind: str, number: int) -> dict[str, Any]:
        """One launch pair, as a record has it; `number` says who is loaded first, who warms up first and who leads."""
        measured, reference = SIDES[kind]
        forked.use(measured=measured, reference=reference)
        began, parents_s = time.monotonic(), sum(forked.BEGAN_S.values())
        try:
            with launched(self.bench, self.reference, self.topology, deployment, number) as both:
                starting_s = time.monotonic() - began - (sum(forked.BEGAN_S.values()) - parents_s)
                (launch,) = both.measure(SIZE, EFFORT).launches
        finally:
            forked.use(measured=False, reference=False)
        return {"kind": kind, "starting_s": starting_s, **words_of(launch)}


def words_of(launch: DuetLaunch) -> dict[str, Any]:
    """What a record keeps of a launch pair."""
    return {
        "log_ratio": launch.log_ratio,
        "measured_first": launch.measured_first,
        "measured_s": launch.measured_s,
        "reference_s": launch.reference_s,
        "turns": len(launch.turns_s),
        "others_share": launch.others_share,
    }


@contextlib.contextmanager
def place(backends: Sequence[str]) -> Iterator[Place]:
    """Everything prepared; afterwards no parent is left."""
    words = {backend_class(backend).artefact("fp32") for backend in backends} - {None}
    model = prepare_in_subprocess(MODEL, [(SIZE.batch_size, SIZE.sequence_length)], artefacts=[str(word) for word in words])
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as ending:
        ending.callback(forked.close_parents)
        files = ModelFiles(checkpoint=model.checkpoint, prepared=model.artefacts, failed=model.failed)
        bench = Bench(keeper=Keeper(folder=Path(folder), time_out_s=600.0), files=files, cases=model.cases)
        yield Place(bench=bench, reference=reference_of(SELF, ()), topology=Topology.of_this_process())


def block(place: Place, backend: str, threads: int, number: int) -> dict[str, Any]:
    """The launch pairs of a block, the parents of which end with it."""
    cpus = place.topology.pick_cpus(threads)
    deployment = Deployment(configurations=(Configuration(backend=backend, precision="fp32", threads=threads, cpus=cpus),))
    seen: dict[str, int] = {}
    pairs = []
    for kind in ORDERS[number % 2]:
        # From 2 on: the first launch pair of a duet measures one side by itself as well.
        counted = 2 + (number if kind == MIXED else 2 * number) + seen.get(kind, 0)
        seen[kind] = seen.get(kind, 0) + 1
        pairs.append(place.pair(deployment, kind, counted))
    began_s, refused = dict(forked.BEGAN_S), dict(forked.REFUSED)
    forked.close_parents()
    return {"backend": backend, "threads": threads, "pairs": pairs, "parents_s": list(began_s.values()), "refused": refused}


def blocks(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Blocks of all configurations, one after the other."""
    with place(options.backends.split(",")) as here:
        for number in range(options.blocks):
            for backend in options.backends.split(","):
                for threads in map(int, options.threads.split(",")):
                    yield block(here, backend, threads, number)


def sessions(options: argparse.Namespace, folder: Path) -> Iterator[dict[str, Any]]:
    """Sessions of fresh processes and of forked ones in turns: what a comparison spends its time on."""
    for number in range(2 * options.sessions):
        kind = (FRESH, FORKED, FORKED, FRESH)[number % 4]
        plugin = ("-p", "studies.forked") if kind == FORKED else ()
        looks = (f"--launches={options.launches}", f"--most-launches={options.launches}")
        ended = loop.session(folder, *SESSION, *looks, *plugin)
        duets = {one["param"]: one["extra_info"]["duet"] for one in ended.content["benchmarks"]}
        found = {name: {key: duet[key] for key in ("verdict", "ratio", "interval")} for name, duet in duets.items()}
        yield {"session": kind, "launches": options.launches, "wall_s": ended.wall_s, **spent(ended), "found": found}


def spent(ended: loop.Session) -> dict[str, float]:
    """Seconds of a session: all of it, and forward passes."""
    spending = ended.content["run"]["spending"]
    return {"forwards_s": spending["forwards_s"], "measuring_s": spending["forwards_s"] / spending["efficiency"]}


def measure(options: argparse.Namespace) -> None:
    """Blocks, then sessions; each is on disk as soon as it has ended."""
    now = datetime.datetime.now(datetime.UTC)
    folder = loop.FOLDER / f"runs/starts-{now:%Y%m%dT%H%M%SZ}"
    folder.mkdir(parents=True)
    words = {
        "study": f"{now:%Y-%m-%d %H:%M}",
        "machine": Fingerprint.of_this_machine().machine_id,
        "busy": options.busy,
    }
    for record in itertools.chain(blocks(options), sessions(options, folder)):
        ended = datetime.datetime.now(datetime.UTC)
        loop.append(options.data, {**words, "ended": f"{ended:%H:%M:%S}", "load": os.getloadavg()[0], **record})
        print(f"{ended:%H:%M:%S} {record.get('backend') or record['session']}", file=sys.stderr, flush=True)


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options."""
    made = argparse.ArgumentParser(
        prog="python -m studies.starts", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("command", choices=("measure", "show"))
    made.add_argument("--blocks", type=int, default=6, help="of each backend (%(default)s)")
    made.add_argument("--backends", default="pytorch,onnxruntime,openvino,tensorflow_xla", help="%(default)s")
    made.add_argument("--threads", default="2", help="each a configuration (%(default)s)")
    made.add_argument("--sessions", type=int, default=1, help="comparisons of each kind (%(default)s)")
    made.add_argument("--launches", type=int, default=4, help="launch pairs of a comparison (%(default)s)")
    made.add_argument("--busy", action="store_true", help="say on record that something else was running")
    made.add_argument("--data", type=Path, default=loop.FOLDER / "data/starts.jsonl", help="studies/data/starts.jsonl")
    return made.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; 2 when the study cannot go on."""
    options = parsed(arguments)
    try:
        if options.command == "measure":
            measure(options)
        elif not (records := loop.records_in(options.data)):
            raise StudyError(f"{options.data} has no line; measure some: python -m studies.starts measure")
        else:
            print("\n".join(starts_tables.show(records)))
    except (StudyError, PreparationError, BenchmarkFailure) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
