"""What stored numbers are worth: how far unchanged runs lie apart by the time between them.

Usage: `python -m studies.stored_numbers`, which measures nothing and prints Markdown from the runs of the study of the
reference kernel, studies/data/reference_kernel.jsonl. docs/verdicts.md has its tables; a test compares them.
"""

from __future__ import annotations

import datetime as dt
import itertools
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, Final

from studies.loop import grouped, records_in, table
from studies.reference_kernel import of_one_kind

DATA: Final = Path(__file__).parent / "data" / "reference_kernel.jsonl"
GAPS: Final = (15, 30, 60, 240)
"""Minutes, the upper ends of the columns of the table."""

Record = Mapping[str, Any]


def groups(records: Iterable[Record]) -> dict[tuple[str, int, str], list[Record]]:
    """The runs of one machine, version of the kernel and model, in the order of measuring."""
    return grouped(sorted(records, key=lambda one: str(one["datetime"])), of_one_kind)


def named(machine: str, model: str, runs: Sequence[Record]) -> str:
    """A group of runs as a table names it."""
    first, last = (str(runs[place]["datetime"]) for place in (0, -1))
    return f"{machine.split('-')[0]}, {model}, {len(runs)} runs, {first[:10]} {first[11:16]} to {last[11:16]}"


def values_of(run: Record) -> dict[str, float]:
    """Log medians of the benchmarks of a run in which nothing was changed."""
    changed = run["extra_work"]
    return {one["fullname"]: math.log(one["stats"]["median"]) for one in run["benchmarks"] if one["fullname"] not in changed}


def apart(runs: Sequence[Record]) -> Iterator[tuple[float, float]]:
    """Of every two runs, the minutes between them and the mean square of what unchanged benchmarks differ by, halved."""
    for before, after in itertools.combinations(runs, 2):
        old, new = values_of(before), values_of(after)
        both = old.keys() & new.keys()
        if both:
            began, then = (dt.datetime.fromisoformat(one["datetime"]) for one in (before, after))
            yield (then - began).total_seconds() / 60, fmean((new[name] - old[name]) ** 2 for name in both) / 2


def by_time(records: Iterable[Record]) -> Iterator[str]:
    """The table of how far runs lie apart, by the time between them."""
    rows = []
    for (machine, _, model), runs in groups(records).items():
        pairs = list(apart(runs))
        cells = []
        for least, most in itertools.pairwise((0, *GAPS)):
            squares = [square for minutes, square in pairs if least < minutes <= most]
            cells.append(f"{math.sqrt(fmean(squares)):.1%} ({len(squares)})" if squares else "")
        rows.append((named(machine, model, runs), *cells))
    columns = [f"{least} to {most} min" for least, most in itertools.pairwise((0, *GAPS))]
    yield from table(" | ".join(["unchanged benchmarks of", *columns]), rows)


def main() -> int:
    """Prints the tables."""
    print("\n".join(by_time(records_in(DATA))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
