"""Does an instance of the suite measure what a bare loop of the same framework call measures?

Usage: `python -m studies.fidelity [--launches N] [--backends a,b]`, which prints Markdown. Both run side by side on the same
CPUs and take turns, the idle one stopped, so that the machine's drift hits both alike (docs/fidelity.md).
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import math
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final

from scipy import stats

from fixtures.backends.registry import BACKENDS, backend_class
from fixtures.instance.handle import Instance
from fixtures.machine.affinity import granted
from fixtures.machine.fingerprint import Fingerprint
from fixtures.machine.topology import Topology
from fixtures.model.prepared import PreparedModel, parse_problem_sizes, prepare_in_subprocess
from fixtures.process.environment import REPOSITORY, environment_of
from studies.loop import row, table

SIZE: Final = "1x32"
LIMITS: Final = {"onnxruntime": 0.01, "tensorflow_xla": 0.01, "pytorch": 0.02}
"""Aimed half-width of the 95 % interval of the ratio, per backend."""
BIAS: Final = 0.01
"""1.0 has to lie in the interval, or the estimate within this of it."""
ROUNDS: Final = 3
"""Of a turn; one more goes before them and is dropped."""
TURNS: Final = 30
WARM_UP: Final = 20
HEADS: Final = "backend | launches | bare loop | suite / bare loop | 95 % interval | half-width | first process slower by |"


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two processes, each in a process group of its own; it is stopped between its turns."""

    pid: int
    rounds: Callable[[int], list[float]]
    """Durations of so many forward passes, in seconds."""

    def turn(self, count: int) -> list[float]:
        """Lets it go on for so many rounds."""
        os.killpg(self.pid, signal.SIGCONT)
        durations_s = self.rounds(count)
        os.killpg(self.pid, signal.SIGSTOP)
        return durations_s


@contextlib.contextmanager
def suite(backend: str, threads: int, model: PreparedModel) -> Iterator[Side]:
    """An instance exactly as the suite starts and times it."""
    card = backend_class(backend)
    with tempfile.TemporaryDirectory() as folder:
        instance = Instance(stderr_path=Path(folder) / "stderr.txt", environment=card.environment(threads), name=backend)
        with contextlib.closing(instance):
            ask = partial(instance.ask, time_out_s=600)
            ask("import", backend=BACKENDS[backend], threads=threads)
            ask("load", checkpoint=str(model.checkpoint), artefact=str(model.onnx) if card.needs_onnx else None)
            ask("check", case=str(model.cases[SIZE]))
            yield Side(
                pid=instance.pid, rounds=lambda many: list(ask("time", min_rounds=many, max_time_s=0.0)["durations_s"])
            )


@contextlib.contextmanager
def bare_loop(backend: str, threads: int, model: PreparedModel) -> Iterator[Side]:
    """A process of `studies.bare_loop`."""
    card = backend_class(backend)
    words = [backend, str(threads), model.onnx if card.needs_onnx else model.checkpoint, model.cases[SIZE]]
    process = subprocess.Popen(
        [sys.executable, "-m", "studies.bare_loop", *map(str, words)],
        cwd=REPOSITORY,
        env={**environment_of(), **card.environment(threads)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        process_group=0,
    )
    asked, answers = process.stdin, process.stdout
    assert asked is not None and answers is not None  # noqa: S101, PT018 - for mypy

    def rounds(count: int) -> list[float]:
        print(count, file=asked, flush=True)
        durations_s: list[float] = json.loads(answers.readline())
        return durations_s

    try:
        yield Side(pid=process.pid, rounds=rounds)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def launch(backend: str, threads: int, model: PreparedModel, number: int) -> tuple[float, float]:
    """One launch, a fresh pair of processes whose turns go in ABBA order; the suite starts first in the even ones.

    Returns:
        The median over turns of the log ratio of the medians, suite over bare loop, and the bare loop's median in seconds.
    """
    medians: dict[str, list[float]] = {"suite": [], "bare": []}
    sides: dict[str, Side] = {}
    with contextlib.ExitStack() as ending:
        for name in ("suite", "bare") if number % 2 == 0 else ("bare", "suite"):
            make = suite if name == "suite" else bare_loop
            sides[name] = ending.enter_context(make(backend, threads, model))
            sides[name].turn(WARM_UP)
        for turn in range(TURNS):
            for name in ("suite", "bare") if (turn + number) % 4 in (0, 3) else ("bare", "suite"):
                medians[name].append(statistics.median(sides[name].turn(ROUNDS + 1)[1:]))
    ratios = [math.log(suite_s / bare_s) for suite_s, bare_s in zip(medians["suite"], medians["bare"], strict=True)]
    return statistics.median(ratios), statistics.median(medians["bare"])


def judged(backend: str, launches: Sequence[float], bare_s: float) -> tuple[list[str], bool]:
    """A row of the table, and whether fidelity holds: narrow enough, and 1.0 in the interval or within BIAS of the estimate.

    The process that starts first comes out slower, by up to 2 %. So launches come in twos with the start order swapped, and
    the mean of the two is one observation. The interval is Student's over these.

    Args:
        backend: whose.
        launches: log of the suite's latency over the bare loop's; the suite starts first in the even ones.
        bare_s: median latency of the bare loop.
    """
    twos = list(zip(launches[::2], launches[1::2], strict=True))
    observed = [statistics.fmean(two) for two in twos]
    first_slower = statistics.fmean((suite_first - bare_first) / 2 for suite_first, bare_first in twos)
    estimate = statistics.fmean(observed)
    half_width = float(stats.t.ppf(0.975, len(twos) - 1)) * statistics.stdev(observed) / math.sqrt(len(twos))
    holds = half_width <= math.log1p(LIMITS[backend]) and abs(estimate) <= max(half_width, math.log1p(BIAS))
    low, high = math.exp(estimate - half_width), math.exp(estimate + half_width)
    cells = [backend, str(len(launches)), f"{bare_s * 1e3:.1f} ms", f"{math.exp(estimate):.4f}", f"[{low:.4f}, {high:.4f}]"]
    cells += [f"{math.expm1(half_width):.2%} (aim {LIMITS[backend]:.0%})", f"{math.expm1(first_slower):+.2%}"]
    return [*cells, "holds" if holds else "DOES NOT HOLD"], holds


def main() -> int:
    """Runs the study; exit code 1 when fidelity does not hold for a backend."""
    parser = argparse.ArgumentParser(prog="python -m studies.fidelity", description=__doc__)
    parser.add_argument(
        "--launches", type=int, default=8, help="launches per backend, an even number from 4 up (default: %(default)s)"
    )
    parser.add_argument("--backends", default=",".join(LIMITS), help="default: %(default)s")
    parser.add_argument("--model", default="bert-base-cased", help="default: %(default)s")
    options = parser.parse_args()
    if options.launches < 4 or options.launches % 2:
        parser.error(f"--launches {options.launches}: launches come in twos, and an interval takes two such observations")
    topology = Topology.of_this_process()
    threads = topology.usable_physical_cores
    model = prepare_in_subprocess(options.model, parse_problem_sizes(SIZE))
    machine = Fingerprint.of_this_machine()
    print(f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC, {machine.machine_id}, {threads} threads")
    packages = ("torch", "tensorflow", "onnxruntime", "transformers", "keras-hub")
    print(", ".join(f"{name} {version(name)}" for name in packages))
    print(f"{options.model}, batch x sequence {SIZE}, {TURNS} turns of {ROUNDS} rounds a launch, ABBA, idle side stopped\n")
    print(*table(HEADS, []), sep="\n", flush=True)
    everything_holds = True
    with granted(topology.pick_cpus(threads)):
        for backend in options.backends.split(","):
            started = time.monotonic()
            launches = [launch(backend, threads, model, number) for number in range(options.launches)]
            ratios, bare_s = zip(*launches, strict=True)
            cells, holds = judged(backend, ratios, statistics.median(bare_s))
            everything_holds &= holds
            print(row(cells), flush=True)
            print(f"{backend}: {time.monotonic() - started:.0f} s", file=sys.stderr)
    return 0 if everything_holds else 1


if __name__ == "__main__":
    sys.exit(main())
