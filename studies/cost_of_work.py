"""What does work on one core after each forward pass cost, on quiet cores and beside a busy neighbour?

A check of studies/duet.py with less machinery: one process takes turns with the work and without it. There is no twin,
nothing is stopped and let go on, and nothing is loaded first or second.

Usage: `python -m studies.cost_of_work onnxruntime 128`, which prints a row of Markdown for each comparison.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from baselines.judging.middle import interquartile_mean, standard_error
from fixtures.machine.affinity import busy_threads, thread_cpu_times_s
from fixtures.measurement.turns import TURN_S
from fixtures.model.prepared import PreparationError, prepare_in_subprocess
from fixtures.worker.hold import held
from fixtures.worker.parity import read_case
from studies.duet import load_on_one_core
from studies.extra_work import SLOWED, step, step_s

WARM_UP_S: Final = 3.0
HEAD: Final = ("backend", "tokens", "where", "forward pass", "work", "cost, of medians", "cost, of means", "pairs of turns")


def warmed(forward: Callable[[], Any]) -> tuple[float, list[int]]:
    """Runs for a while: the median latency in seconds, and which threads were at work."""
    before, began = thread_cpu_times_s(os.getpid()), time.perf_counter()
    durations_s = []
    while time.perf_counter() < began + WARM_UP_S:
        started = time.perf_counter()
        forward()
        durations_s.append(time.perf_counter() - started)
    wall_s = time.perf_counter() - began
    return statistics.median(durations_s), busy_threads(before, thread_cpu_times_s(os.getpid()), wall_s=wall_s)


def turn(rounds: Callable[[], Any], threads: Sequence[int], cpus: Sequence[int]) -> tuple[float, float]:
    """Median and mean latency of one turn in seconds, after a round that is not counted; threads are held as in a duet."""
    durations_s: list[float] = []
    with held(threads, cpus):
        rounds()
        ends = time.perf_counter() + TURN_S
        while time.perf_counter() < ends or len(durations_s) < 2:
            started = time.perf_counter()
            rounds()
            durations_s.append(time.perf_counter() - started)
    return statistics.median(durations_s), statistics.fmean(durations_s)


def compared(
    plain: Callable[[], Any], slowed: Callable[[], Any], threads: Sequence[int], seconds: float
) -> tuple[list[float], list[float], list[float]]:
    """Turns of both, the order swapped from pair to pair: plain medians in seconds, log ratios of medians and of means."""
    cpus, ends = sorted(os.sched_getaffinity(0)), time.perf_counter() + seconds
    base: list[float] = []
    of_medians: list[float] = []
    of_means: list[float] = []
    while time.perf_counter() < ends or len(base) < 4:
        if len(base) % 2:
            other, one = turn(slowed, threads, cpus), turn(plain, threads, cpus)
        else:
            one, other = turn(plain, threads, cpus), turn(slowed, threads, cpus)
        base.append(one[0])
        of_medians.append(math.log(other[0] / one[0]))
        of_means.append(math.log(other[1] / one[1]))
    return base, of_medians, of_means


def with_work(forward: Callable[[], Any], steps: int) -> Callable[[], None]:
    """A forward pass and so many steps of work."""
    work = step()

    def slowed() -> None:
        forward()
        for _ in range(steps):
            work()

    return slowed


def percentage(log_ratio: float, error: float) -> str:
    """A log ratio and its standard error, in percent."""
    return f"{math.expm1(log_ratio):+.1%} ± {error:.1%}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and prints; 2 when the model cannot be prepared."""
    parser = argparse.ArgumentParser(
        prog="python -m studies.cost_of_work", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    backends = {one.name: one for one in SLOWED}
    parser.add_argument("backend", choices=backends)
    parser.add_argument("tokens", type=int, help="the sequence length; the batch size is 1")
    parser.add_argument("--share", type=float, default=0.05, help="work, as a share of a forward pass (%(default)s)")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each comparison (%(default)s)")
    parser.add_argument("--model", default="bert-mini", help="%(default)s")
    options = parser.parse_args(arguments)
    try:
        prepared = prepare_in_subprocess(options.model, [(1, options.tokens)])
    except PreparationError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    backend = backends[options.backend]()
    os.environ.update(backend.environment(None))
    backend.import_framework(None)
    backend.load(prepared.checkpoint, prepared.onnx)
    (case,) = prepared.cases.values()
    forward = backend.compile(read_case(case)[0])
    one_step_s = step_s()
    print(f"| {' | '.join(HEAD)} |\n{'|---' * len(HEAD)}|")

    def row(where: str, threads: Sequence[int], of_s: float) -> None:
        steps = round(options.share * of_s / one_step_s)
        base, of_medians, of_means = compared(forward, with_work(forward, steps), threads, options.seconds)
        took_s, work_s = statistics.median(base), steps * one_step_s
        cells = [options.backend, str(options.tokens), where, f"{took_s * 1e3:.2f} ms", f"{work_s / took_s:.1%} of it"]
        cells.append(percentage(interquartile_mean(of_medians), standard_error(of_medians)))
        cells.append(percentage(statistics.fmean(of_means), statistics.stdev(of_means) / math.sqrt(len(of_means))))
        cells.append(str(len(base)))
        print(f"| {' | '.join(cells)} |", flush=True)

    quiet_s, threads = warmed(forward)
    row("quiet", threads, quiet_s)
    with load_on_one_core(True):
        beside_s, at_work = warmed(forward)
        row("beside a neighbour", at_work, quiet_s)
        row("beside a neighbour", at_work, beside_s)
        row("beside a neighbour, nothing changed", at_work, 0.0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
