"""Do the launches of a run tell more when they lie apart? Three as passes over the plan against three back to back.

Usage: `python -m studies.passes measure --clean 10 --slowed 10`, and `show`. Sessions of both kinds take turns (`slowed` are
here those back to back: nothing is slower in them); docs/verdicts.md prints what `show` prints.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from scipy import stats

from studies import loop

LAUNCHES: Final = 3
QUESTION: Final = "benchmarks/test_core_count_scaling.py"
SELECTION: Final = (
    *("--model=bert-mini", "--backends=onnxruntime,pytorch", "--threads=1,2", "--batch-sizes=1"),
    *("--benchmark-max-time=0.3", "--confirm=0", "--no-limit", "-p", "no:fixtures.run.report"),
)
LENGTHS: Final = "--sequence-lengths=16,32,64,96,128"
HEADS: Final = "machine | benchmarks of | runs | benchmarks | passes | back to back | ratio of variances, 95 % interval"


def begin(options: argparse.Namespace, folder: Path) -> loop.One:
    """Sessions in a folder; a first one prepares the model and is not counted."""
    del options
    loop.session(folder, QUESTION, *SELECTION, LENGTHS)

    def one(close: bool, newest: loop.Record) -> tuple[loop.Session, loop.Record]:
        del newest
        plugin = ("-p", "studies.back_to_back") if close else ()
        ended = loop.session(folder, QUESTION, *SELECTION, LENGTHS, f"--launches={LAUNCHES}", *plugin)
        values = {made["param"]: made["extra_info"]["launches"] for made in ended.content["benchmarks"]}
        medians = {name: [launch["median_s"] for launch in launches] for name, launches in values.items()}
        return ended, {**ended.origin, "how": "back to back" if close else "passes", "medians_s": medians}

    return one


def spread(runs: Sequence[dict[str, Any]], kind: str) -> tuple[float, int, int]:
    """Pooled sd between runs of the log of a run's value (the median of its launches), degrees of freedom, benchmarks."""
    squares, degrees, names = 0.0, 0, [name for name in runs[0]["medians_s"] if kind_of(name) == kind]
    for name in names:
        values = [math.log(statistics.median(run["medians_s"][name])) for run in runs]
        squares += sum((value - statistics.fmean(values)) ** 2 for value in values)
        degrees += len(values) - 1
    return math.sqrt(squares / degrees), degrees, len(names)


def kind_of(name: str) -> str:
    """Backend and threads: two threads beside a neighbour's process wait for each other, one does not."""
    return name.partition("-batch")[0].replace("-fp32", "")


def show(records: list[Any]) -> Iterator[str]:
    """A row per machine, backend and number of threads.

    The interval takes the benchmarks of a run for one observation, because they share its mood: F with runs - 1 degrees of
    freedom on both sides.
    """
    rows = []
    for machine, mine in loop.grouped(records, lambda one: one["machine"]).items():
        how = loop.grouped(mine, lambda one: one["how"])
        passes, back = how.get("passes", []), how.get("back to back", [])
        if min(len(passes), len(back)) < 2:
            continue
        for kind in sorted({kind_of(name) for name in passes[0]["medians_s"]}):
            (apart, _, count), (close, _, _) = spread(passes, kind), spread(back, kind)
            ratio = (apart / close) ** 2
            low, high = (stats.f.ppf(level, len(back) - 1, len(passes) - 1) for level in (0.025, 0.975))
            interval = f"{ratio:.2f} [{ratio * low:.2f}, {ratio * high:.2f}]"
            counts = f"{len(passes)} and {len(back)}"
            rows.append((machine, kind, counts, count, f"{apart:.2%}", f"{close:.2%}", interval))
    yield from loop.table(HEADS, rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; 2 when the study cannot go on."""
    made = loop.parser("passes", __doc__, "sessions", clean=10, slowed=10)
    return loop.run(made.parse_args(arguments), begin, show)


if __name__ == "__main__":
    raise SystemExit(main())
