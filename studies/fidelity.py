"""Does an instance of the suite measure what a bare loop of the same framework call measures?

Both run side by side on the same CPUs and take turns, the idle one under SIGSTOP, so that the machine's drift hits both
alike. A launch is a fresh pair of processes. Turns go in ABBA order, the first round of each turn is dropped, and a launch
gives the median over its turns of the log ratio of the two sides' medians. The process that starts first comes out slower,
by up to 2 %: launches come in twos with the start order swapped, and the mean of the two is one observation. The interval
is Student's over these observations.

Usage: `python -m studies.fidelity [--launches N] [--backends a,b]`; it prints Markdown.
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
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from scipy import stats

from fixtures.backends import BACKENDS, backend_class
from fixtures.instance.handle import Instance
from fixtures.machine.affinity import granted
from fixtures.machine.fingerprint import Fingerprint
from fixtures.machine.topology import Topology
from fixtures.model.prepared import PreparedModel, prepare_in_subprocess
from fixtures.process.environment import REPOSITORY, shell_environment

SIZE: Final = "1x32"
LIMITS: Final = {"onnxruntime": 0.01, "tensorflow_xla": 0.01, "pytorch": 0.02}
"""Aimed half-width of the 95 % interval of the ratio, per backend."""
BIAS: Final = 0.01
"""1.0 has to lie in the interval, or the estimate within this of it."""
ROUNDS: Final = 3
TURNS: Final = 30
WARM_UP: Final = 20


class BareLoop:
    """A process of `studies.bare_loop`, with the same words as an `Instance`."""

    def __init__(self, backend: str, threads: int, model: PreparedModel) -> None:
        case = model.cases[SIZE]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "studies.bare_loop", backend, str(threads), model.checkpoint, str(model.onnx), case],
            cwd=REPOSITORY,
            env={**shell_environment(), **backend_class(backend).environment(threads)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            process_group=0,
        )

    def rounds(self, count: int) -> list[float]:
        """Durations of so many forward passes, in seconds."""
        assert self.process.stdin is not None  # noqa: S101 - for mypy
        assert self.process.stdout is not None  # noqa: S101 - for mypy
        print(count, file=self.process.stdin, flush=True)
        durations: list[float] = json.loads(self.process.stdout.readline())
        return durations

    def pause(self) -> None:
        """Stops it."""
        os.killpg(self.process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Lets it go on."""
        os.killpg(self.process.pid, signal.SIGCONT)

    def close(self) -> None:
        """Ends it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class SuiteInstance:
    """An instance exactly as the suite starts and times it."""

    def __init__(self, backend: str, threads: int, model: PreparedModel, folder: Path) -> None:
        self.instance = Instance(
            stderr_path=folder / "stderr.txt", environment=backend_class(backend).environment(threads), name=backend
        )
        onnx = str(model.onnx) if backend_class(backend).needs_onnx else None
        self.ask("import", backend=BACKENDS[backend], threads=threads)
        self.ask("load", checkpoint=str(model.checkpoint), onnx=onnx)
        self.ask("check", case=str(model.cases[SIZE]))

    def ask(self, do: str, **fields: Any) -> dict[str, Any]:
        """One request."""
        return self.instance.ask(do, time_out_s=600, **fields)

    def rounds(self, count: int) -> list[float]:
        """Durations of so many forward passes, in seconds."""
        durations: list[float] = self.ask("time", min_rounds=count, max_time_s=0.0)["durations_s"]
        return durations

    def pause(self) -> None:
        """Stops it."""
        self.instance.pause()

    def resume(self) -> None:
        """Lets it go on."""
        self.instance.resume()

    def close(self) -> None:
        """Ends it."""
        self.instance.close()


@dataclass(frozen=True, kw_only=True)
class Fidelity:
    """What came out for one backend."""

    backend: str
    launches: list[float]
    """Per launch: log of the suite's latency over the bare loop's; the suite starts first in the even ones."""
    bare_median_s: float

    @property
    def twos(self) -> list[tuple[float, float]]:
        """Launches by twos: suite first, bare loop first."""
        return list(zip(self.launches[::2], self.launches[1::2], strict=True))

    @property
    def log_ratios(self) -> list[float]:
        """The observations: means of two launches with the start order swapped."""
        return [statistics.fmean(two) for two in self.twos]

    @property
    def order_effect(self) -> float:
        """How much slower, as a log ratio, the process that starts first is."""
        return statistics.fmean((suite_first - bare_first) / 2 for suite_first, bare_first in self.twos)

    @property
    def half_width(self) -> float:
        """Half of Student's 95 % interval of the mean log ratio."""
        count = len(self.log_ratios)
        return float(stats.t.ppf(0.975, count - 1)) * statistics.stdev(self.log_ratios) / math.sqrt(count)

    @property
    def estimate(self) -> float:
        """Mean log ratio."""
        return statistics.fmean(self.log_ratios)

    @property
    def holds(self) -> bool:
        """Narrow enough, and 1.0 inside the interval or the estimate within 1 % of it."""
        unbiased = abs(self.estimate) <= max(self.half_width, math.log1p(BIAS))
        return self.half_width <= math.log1p(LIMITS[self.backend]) and unbiased

    def row(self) -> str:
        """A row of the table."""
        low, high = math.exp(self.estimate - self.half_width), math.exp(self.estimate + self.half_width)
        return (
            f"| {self.backend} | {len(self.launches)} | {self.bare_median_s * 1e3:.1f} ms | {math.exp(self.estimate):.4f} "
            f"| [{low:.4f}, {high:.4f}] | {math.expm1(self.half_width):.2%} (aim {LIMITS[self.backend]:.0%}) "
            f"| {math.expm1(self.order_effect):+.2%} | {'holds' if self.holds else 'DOES NOT HOLD'} |"
        )


@contextlib.contextmanager
def pair(backend: str, threads: int, model: PreparedModel, suite_first: bool) -> Iterator[tuple[SuiteInstance, BareLoop]]:
    """A fresh pair of processes, warm, the suite's running and the bare loop stopped."""
    with contextlib.ExitStack() as ending, tempfile.TemporaryDirectory() as folder:

        def suite() -> SuiteInstance:
            started = SuiteInstance(backend, threads, model, Path(folder))
            ending.callback(started.close)
            started.rounds(WARM_UP)
            started.pause()
            return started

        def bare() -> BareLoop:
            started = BareLoop(backend, threads, model)
            ending.callback(started.close)
            started.rounds(WARM_UP)
            started.pause()
            return started

        if suite_first:
            one, other = suite(), bare()
        else:
            other, one = bare(), suite()
        yield one, other


def launch(backend: str, threads: int, model: PreparedModel, number: int) -> tuple[float, float]:
    """Median over turns of the log ratio of one launch, and the bare loop's median in seconds."""
    with pair(backend, threads, model, suite_first=number % 2 == 0) as (suite, bare):
        medians: tuple[list[float], list[float]] = ([], [])
        for turn in range(TURNS):
            order = (0, 1) if (turn + number) % 4 in (0, 3) else (1, 0)  # ABBA
            for which in order:
                side = (suite, bare)[which]
                side.resume()
                medians[which].append(statistics.median(side.rounds(ROUNDS + 1)[1:]))
                side.pause()
    ratios = [math.log(suite_s / bare_s) for suite_s, bare_s in zip(*medians, strict=True)]
    return statistics.median(ratios), statistics.median(medians[1])


def main() -> int:
    """Runs the study; exit code 1 when fidelity does not hold for a backend."""
    parser = argparse.ArgumentParser(prog="python -m studies.fidelity", description=__doc__)
    parser.add_argument(
        "--launches", type=int, default=8, help="launches per backend, an even number from 4 up (default: %(default)s)"
    )
    parser.add_argument("--backends", default=",".join(LIMITS), help="default: %(default)s")
    parser.add_argument("--model", default="bert-base-cased", help="default: %(default)s")
    arguments = parser.parse_args()
    if arguments.launches < 4 or arguments.launches % 2:
        parser.error(f"--launches {arguments.launches}: launches come in twos, and an interval takes two such observations")
    topology = Topology.of_this_process()
    threads = topology.usable_physical_cores
    sizes = [tuple(int(number) for number in SIZE.split("x"))]
    model = prepare_in_subprocess(arguments.model, [(size[0], size[1]) for size in sizes])
    machine = Fingerprint.of_this_machine()
    print(f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC, {machine.machine_id}, {threads} threads")
    packages = ("torch", "tensorflow", "onnxruntime", "transformers", "keras-hub")
    print(", ".join(f"{name} {version(name)}" for name in packages))
    print(
        f"{arguments.model}, batch x sequence {SIZE}, {TURNS} turns of {ROUNDS} rounds a launch, ABBA, idle side stopped\n"
    )
    print("| backend | launches | bare loop | suite / bare loop | 95 % interval | half-width | first process slower by | |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    results = []
    with granted(topology.pick_cpus(threads)):
        for backend in arguments.backends.split(","):
            started = time.monotonic()
            launches = [launch(backend, threads, model, number) for number in range(arguments.launches)]
            result = Fidelity(
                backend=backend,
                launches=[log_ratio for log_ratio, _ in launches],
                bare_median_s=statistics.median(median_s for _, median_s in launches),
            )
            results.append(result)
            print(result.row(), flush=True)
            print(f"{backend}: {time.monotonic() - started:.0f} s", file=sys.stderr)
    return 0 if all(result.holds for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
