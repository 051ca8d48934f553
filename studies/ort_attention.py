"""What is a fused operator of attention worth in ONNX Runtime? Each way to one beside the graph that the suite serves.

Usage: `python -m studies.ort_attention measure`, which appends a line per launch pair to studies/data/ort_attention.jsonl,
and `python -m studies.ort_attention show`, which prints Markdown of all there is. studies/ort_graphs.py has the ways.

In a launch pair both sides are the card `onnxruntime` in this environment, on the same CPUs, in turns, as in a duet; each
loads its own graph. A launch pair serves all problem sizes; models, formats and ways take turns, so that what the machine
does hits all of them. The CPUs are locked as those of a run are, but for `--busy`. A launch pair that fails is told, and the
others go on.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from baselines.judging.wording import counted
from fixtures.asked.configuration import Configuration, Deployment
from fixtures.asked.problem_size import ProblemSize
from fixtures.asked.reference import SELF, reference_of
from fixtures.backends.registry import backend_class
from fixtures.instance.keeper import BenchmarkFailure, Keeper, ModelFiles
from fixtures.machine.fingerprint import Fingerprint
from fixtures.machine.lock import CpusBusy, locked_cpus
from fixtures.machine.topology import Topology
from fixtures.measurement.benchmarking import Bench
from fixtures.measurement.effort import Effort
from fixtures.measurement.launch_pair import launched
from fixtures.model.prepared import PreparationError, PreparedModel, parse_problem_sizes, prepare_in_subprocess
from fixtures.process.environment import REPOSITORY
from studies import loop
from studies.loop import StudyError
from studies.ort_attention_tables import show
from studies.ort_graphs import TOLERANCES, WAYS

BACKEND: Final = "onnxruntime"
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


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the launch pairs of a model are measured."""

    model: PreparedModel
    graphs: Mapping[str, Path]
    """By way, the folder that studies/ort_graphs.py fills."""
    keeper: Keeper
    topology: Topology

    def pair(self, way: str, precision: str, threads: int, number: int, sizes: Sequence[ProblemSize]) -> dict[str, Any]:
        """One launch pair as a record has it; `number` says who is loaded first and who leads the turns."""
        word = str(backend_class(BACKEND).artefact(precision))
        if word in self.model.failed:
            raise StudyError(f"{self.model.name} has no {word}: {self.model.failed[word]}")
        fused, plain = (
            ModelFiles(checkpoint=self.model.checkpoint, prepared={word: file})
            for file in (self.graphs[way] / precision / "model.onnx", self.model.artefacts[word])
        )
        bench = Bench(keeper=self.keeper, files=fused, cases=self.model.cases)
        cpus = self.topology.pick_cpus(threads)
        configuration = Configuration(backend=BACKEND, precision=precision, threads=threads, cpus=cpus)
        deployment, itself = Deployment(configurations=(configuration,)), reference_of(SELF, ())
        # From 2 on: the first launch pair of a duet measures one side by itself as well.
        with launched(bench, itself, self.topology, deployment, number + 2, reference_files=plain) as both:
            loaded = both.measured.serving[0]
            found = {str(size): both.measure(size, EFFORT).launches[0] for size in sizes}
        gave = {
            size: {
                "log_ratio": launch.log_ratio,
                "first": launch.measured_first,
                "fused_s": launch.measured_s,
                "plain_s": launch.reference_s,
                "turns": len(launch.turns_s),
                "others_share": launch.others_share,
            }
            for size, launch in found.items()
        }
        return {"versions": loaded.versions, "graph": loaded.graph, "sizes": gave}


@contextlib.contextmanager
def places(options: argparse.Namespace) -> Iterator[list[Place]]:
    """All models, prepared, with the graphs of all ways."""
    words = sorted({str(backend_class(BACKEND).artefact(precision)) for precision in options.precisions})
    shapes = [(size.batch_size, size.sequence_length) for size in options.sizes]
    with tempfile.TemporaryDirectory() as folder:
        keeper, topology = Keeper(folder=Path(folder), time_out_s=600.0), Topology.of_this_process()
        made: list[Place] = []
        for name in options.models:
            model = prepare_in_subprocess(name, shapes, artefacts=words, progress=loop.tell)
            graphs = {way: graphs_of(model, way) for way in options.ways}
            made.append(Place(model=model, graphs=graphs, keeper=keeper, topology=topology))
        yield made


def graphs_of(model: PreparedModel, way: str) -> Path:
    """The folder with a way's graphs, made by a process of its own: what measures imports no framework."""
    loop.tell(f"{model.name}: {way} ...")
    command = [sys.executable, "-m", "studies.ort_graphs", str(model.checkpoint), way]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StudyError(f"{model.name}: {done.stderr.strip().rpartition('error: ')[2] or f'exit code {done.returncode}'}")
    return Path(done.stdout.strip())


def measure(options: argparse.Namespace) -> int:
    """Launch pairs of all in turns; each is on disk as soon as it has ended. How many failed."""
    if options.pairs < 1:
        raise StudyError(f"--pairs {options.pairs}: nothing would be measured; an interval takes three")
    topology = Topology.of_this_process()
    try:
        topology.pick_cpus(options.threads)
    except ValueError as error:
        raise StudyError(f"--threads {options.threads}: {error}") from None
    now = datetime.datetime.now(datetime.UTC)
    words = {
        "study": f"{now:%Y-%m-%d %H:%M}",
        "machine": Fingerprint.of_this_machine().machine_id,
        "busy": options.busy,
        "threads": options.threads,
    }
    cpus, failures = () if options.busy else topology.usable_cpus, 0
    with locked_cpus(cpus, wait=options.wait, tell=loop.tell), places(options) as all_of_them:
        cells = [(place, *one) for place in all_of_them for one in options.cells]
        for number in range(options.pairs):
            for place, precision, way in cells:
                which = f"{number + 1} of {options.pairs}, {place.model.name} {precision} {way}"
                try:
                    gave = place.pair(way, precision, options.threads, number, options.sizes)
                except (StudyError, BenchmarkFailure) as error:
                    failures += 1
                    loop.tell(f"{which}: failed: {error}")
                    continue
                ended = {"ended": f"{datetime.datetime.now(datetime.UTC):%H:%M:%S}", "load": os.getloadavg()[0]}
                what = {"model": place.model.name, "precision": precision, "way": way, "number": number}
                loop.append(options.data, {**words, **ended, **what, **gave})
                ratios = ", ".join(f"{size} {math.expm1(one['log_ratio']):+.1%}" for size, one in gave["sizes"].items())
                loop.tell(f"{which}: {ratios}")
    return failures


def problem_sizes(text: str) -> list[ProblemSize]:
    """Of "1x32,8x128".

    Raises:
        argparse.ArgumentTypeError: it is something else.
    """
    try:
        shapes = parse_problem_sizes(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return [ProblemSize(batch_size=batch, sequence_length=length) for batch, length in shapes]


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options."""
    made = argparse.ArgumentParser(
        prog="python -m studies.ort_attention", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("command", choices=("measure", "show"))
    made.add_argument("--pairs", type=int, default=10, help="launch pairs of each (%(default)s)")
    made.add_argument("--models", nargs="+", default=["bert-base-cased", "bert-mini"], help="%(default)s")
    made.add_argument("--precisions", nargs="+", choices=tuple(TOLERANCES), default=list(TOLERANCES), help="%(default)s")
    made.add_argument("--ways", nargs="+", choices=tuple(WAYS), default=list(WAYS), help="%(default)s")
    made.add_argument("--sizes", type=problem_sizes, default="1x32,1x128,8x128,1x512", help="batch x sequence (%(default)s)")
    made.add_argument("--threads", type=int, default=2, help="each on a core of its own (%(default)s)")
    made.add_argument("--busy", action="store_true", help="something else is running: say so on record, and lock no CPU")
    made.add_argument("--wait", action="store_true", help="until nobody else measures on these CPUs, in place of refusing")
    made.add_argument("--data", type=Path, default=loop.FOLDER / "data/ort_attention.jsonl", help="%(default)s")
    options = made.parse_args(arguments)
    options.cells = [(precision, way) for precision in options.precisions for way in options.ways]
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; 1 where launch pairs failed, 2 when the study cannot go on."""
    options = parsed(arguments)
    try:
        if options.command == "measure":
            if failures := measure(options):
                loop.tell(f"error: {counted(failures, 'launch pair')} failed, and are not on record")
                return 1
        elif not (records := loop.records_in(options.data)):
            raise StudyError(f"{options.data} has no line; measure some: python -m studies.ort_attention measure")
        else:
            print("\n".join(show(records)).rstrip())
    except (StudyError, PreparationError, BenchmarkFailure, CpusBusy) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
