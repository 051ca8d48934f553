"""What does work on one core after each forward pass cost, on quiet cores and beside a busy neighbour?

Usage: `python -m studies.cost_of_work onnxruntime 128`, which prints a row of Markdown for each comparison. A check of
studies/duet.py with less machinery: this one process runs the framework and takes turns with the work and without it. There
is no twin, nothing is stopped and let go on, and nothing is loaded first or second.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import sys
import time
from collections.abc import Sequence
from typing import Final

from baselines.judging.interquartile import interquartile_mean, standard_error
from fixtures.backends.interface import Forward
from fixtures.machine.affinity import busy_threads, thread_cpu_times_s
from fixtures.measurement.turns import LEAST_ROUNDS, LEAST_TURNS, TURN_S
from fixtures.model.prepared import PreparationError, prepare_in_subprocess
from fixtures.worker.hold import held
from fixtures.worker.parity import read_case
from fixtures.worker.rounds import Limits, timed_rounds
from studies.duet import load_on_one_core
from studies.extra_work import SLOWED, step_s, with_work
from studies.loop import row, table

WARM_UP_S: Final = 3.0
HEADS: Final = "backend | tokens | where | forward pass | work | cost, of medians | cost, of means | pairs of turns"


def warmed(forward: Forward) -> tuple[float, list[int]]:
    """Runs for a while: the median latency in seconds, and which threads were at work."""
    before = thread_cpu_times_s(os.getpid())
    timed = timed_rounds(forward, Limits(min_rounds=1, max_time_s=WARM_UP_S))
    return statistics.median(timed.durations_s), busy_threads(before, thread_cpu_times_s(os.getpid()), wall_s=timed.wall_s)


def turn(forward: Forward, threads: Sequence[int], cpus: Sequence[int]) -> tuple[float, float]:
    """Median and mean latency of one turn in seconds, after a round that is not counted; threads are held as in a duet."""
    with held(threads, cpus):
        forward()
        durations_s = timed_rounds(forward, Limits(min_rounds=LEAST_ROUNDS, max_time_s=TURN_S)).durations_s
    return statistics.median(durations_s), statistics.fmean(durations_s)


def compared(
    plain: Forward, slowed: Forward, threads: Sequence[int], seconds: float
) -> tuple[list[float], list[float], list[float]]:
    """Turns of both, the order swapped from pair to pair: plain medians in seconds, log ratios of medians and of means."""
    cpus, ends = sorted(os.sched_getaffinity(0)), time.perf_counter() + seconds
    pairs: list[list[tuple[float, float]]] = []
    while time.perf_counter() < ends or len(pairs) < LEAST_TURNS:
        swapped = len(pairs) % 2 == 1
        turns = [turn(one, threads, cpus) for one in ((slowed, plain) if swapped else (plain, slowed))]
        pairs.append(turns[::-1] if swapped else turns)
    of_medians, of_means = ([math.log(other[of] / one[of]) for one, other in pairs] for of in (0, 1))
    return [median_s for (median_s, _), _ in pairs], of_medians, of_means


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
    print(*table(HEADS, []), sep="\n")

    def compare(where: str, threads: Sequence[int], of_s: float) -> None:
        steps = round(options.share * of_s / one_step_s)
        base, of_medians, of_means = compared(forward, with_work(forward, steps), threads, options.seconds)
        took_s, work_s = statistics.median(base), steps * one_step_s
        medians = percentage(interquartile_mean(of_medians), standard_error(of_medians))
        means = percentage(statistics.fmean(of_means), statistics.stdev(of_means) / math.sqrt(len(of_means)))
        work = f"{work_s / took_s:.1%} of it"
        cells = (options.backend, options.tokens, where, f"{took_s * 1e3:.2f} ms", work, medians, means, len(base))
        print(row(cells), flush=True)

    quiet_s, threads = warmed(forward)
    compare("quiet", threads, quiet_s)
    with load_on_one_core():
        beside_s, at_work = warmed(forward)
        compare("beside a neighbour", at_work, quiet_s)
        compare("beside a neighbour", at_work, beside_s)
        compare("beside a neighbour, nothing changed", at_work, 0.0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
