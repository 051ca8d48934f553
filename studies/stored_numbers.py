"""What stored numbers are worth: how far unchanged runs lie apart, and what sharper rules make of them.

Usage: `python -m studies.stored_numbers`, which measures nothing and prints Markdown from the runs of
studies/stored_runs.py. docs/verdicts.md has its tables; a test compares them.
"""

from __future__ import annotations

import datetime as dt
import itertools
import math
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any, Final

from baselines.judging.history import History
from baselines.judging.judgement import Verdict
from baselines.judging.policy import Policy
from baselines.judging.spread import sum_of_squares
from baselines.judging.stored import judge_run
from baselines.judging.suite import backend_shifts, suite_shift
from studies.loop import grouped, records_in, table
from studies.stored_runs import baselines_of, of_one_kind

DATA: Final = Path(__file__).parent / "data" / "stored_runs.jsonl"
GAPS: Final = (15, 30, 60, 240)
"""Minutes, the upper ends of the columns of the table."""

RULES: Final = ("as it was", "night's factor where proven", "night's factor always", "the machine's reds")
MACHINE: Final = RULES[3]
PROVEN: Final = 0.7
"""The sum of squares between runs that is left, as a share, where the factor counts as proven: so far below 1 that choosing
by the data makes no spread look too small."""
SLOWER: Final = (0.08, 0.15, 0.25)
"""What is added to all benchmarks of a backend."""

Record = Mapping[str, Any]
Data = tuple[dict[str, tuple[float, ...]], dict[str, History]]
"""What was measured and what accepted runs say, as the judge takes them."""


def groups(records: Iterable[Record]) -> dict[tuple[str, str], list[Record]]:
    """The runs of one machine and model, in the order of measuring."""
    return grouped(sorted(records, key=lambda one: str(one["datetime"])), of_one_kind)


def named(machine: str, model: str, runs: Sequence[Record]) -> str:
    """A group of runs as a table names it."""
    first, last = (str(runs[place]["datetime"]) for place in (0, -1))
    return f"{machine.split('-')[0]}, {model}, {len(runs)} runs, {first[:10]} {first[11:16]} to {last[11:16]}"


def values_of(run: Record) -> dict[str, float]:
    """Log medians of the benchmarks of a run in which nothing was changed."""
    changed = run["extra_work"]
    return {name: value for name, value in logs_of(run).items() if name not in changed}


def logs_of(run: Record) -> dict[str, float]:
    """Log medians of all benchmarks of a run."""
    return {one["fullname"]: math.log(one["stats"]["median"]) for one in run["benchmarks"]}


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
    for (machine, model), runs in groups(records).items():
        pairs = list(apart(runs))
        cells = []
        for least, most in itertools.pairwise((0, *GAPS)):
            squares = [square for minutes, square in pairs if least < minutes <= most]
            cells.append(f"{math.sqrt(fmean(squares)):.1%} ({len(squares)})" if squares else "")
        rows.append((named(machine, model, runs), *cells))
    columns = [f"{least} to {most} min" for least, most in itertools.pairwise((0, *GAPS))]
    yield from table(" | ".join(["unchanged benchmarks of", *columns]), rows)


def backend_of(fullname: str) -> str:
    """Of a benchmark."""
    return fullname.partition("[")[2].partition("-")[0]


def factors(names: Sequence[str], values: Sequence[Mapping[str, float]], accepted: int) -> list[float] | None:
    """Of each run the median of how far these benchmarks are from their means over the accepted runs, which come first.

    None where a run has none of them.
    """
    centres = {name: fmean(run[name] for run in values[:accepted]) for name in names}
    if any(not names or not run.keys() & centres.keys() for run in values):
        return None
    return [median(run[name] - centres[name] for name in names if name in run) for run in values]


def is_proven(alone: Sequence[Sequence[float]], beside: Sequence[Sequence[float]]) -> bool:
    """Whether values less the factor are steadier than alone, whichever of the runs is left out; per benchmark, by run."""
    most = max(map(len, alone))
    sums = [
        [math.fsum(sum_of_squares([*one[:place], *one[place + 1 :]]) for one in values) for values in (alone, beside)]
        for place in range(most)
    ]
    return all(less <= PROVEN * whole for whole, less in sums) and any(whole for whole, _ in sums)


def without_factor(
    accepted: Sequence[Mapping[str, float]], now: Mapping[str, float], changed: Collection[str], rule: str
) -> Data:
    """Log values as one of RULES has them: as they are, or with the median of the other backends' benchmarks taken off.

    In the run that is judged, benchmarks that were slowed on purpose do not count as others: a release slows one backend.
    """
    names = [name for name in now if all(name in run for run in accepted)]
    values = [*accepted, {name: now[name] for name in names if name not in changed}]
    measured, runs = dict(now), {name: [run[name] for run in accepted] for name in names}
    for backend in sorted({backend_of(name) for name in names}) if rule in RULES[1:3] else ():
        own = [name for name in names if backend_of(name) == backend]
        found = factors([name for name in names if name not in own], values, len(accepted))
        if found is None:
            continue
        alone = [runs[name] for name in own]
        beside = [[value - off for value, off in zip(one, found, strict=False)] for one in alone]
        if rule == RULES[2] or is_proven(alone, beside):
            runs |= dict(zip(own, beside, strict=True))
            measured |= {name: now[name] - found[-1] for name in own}
    histories = {name: History(runs=tuple((value,) for value in one)) for name, one in runs.items()}
    return {name: (measured[name],) for name in names}, histories


def replayed(runs: Sequence[Record]) -> Iterator[tuple[float, str, Verdict]]:
    """Extra work, rule and verdict of every benchmark of the runs that have enough clean ones before them."""
    for number, before in baselines_of(runs):
        accepted = [logs_of(runs[place]) for place in before]
        changed = runs[number]["extra_work"]
        for rule in RULES:
            measured, histories = without_factor(accepted, logs_of(runs[number]), changed, rule)
            for name, said in judge_run(measured, histories, Policy(), expected={}).items():
                verdict = said.verdict
                if rule == MACHINE and verdict is Verdict.REGRESSED:
                    others = {one: value for one, value in measured.items() if backend_of(one) != backend_of(name)}
                    whole, beside = (suite_shift(some, histories, Policy()) for some in (measured, others))
                    if whole.verdict is beside.verdict is Verdict.REGRESSED:
                        verdict = Verdict.INCONCLUSIVE
                yield changed.get(name, 0.0), rule, verdict


def sharper(records: Iterable[Record]) -> Iterator[str]:
    """The table of what each rule makes of the runs on record, as if they were of different days."""
    rows = []
    for (machine, model), runs in groups(records).items():
        said = list(replayed(runs))
        for rule in RULES:
            cells = []
            for slowed in (False, True):
                group = [verdict for share, by, verdict in said if by == rule and bool(share) == slowed]
                counts = Counter(group)
                cells += [f"{counts[Verdict.REGRESSED]} of {len(group)}", counts[Verdict.PASSED]]
            rows.append((f"{machine.split('-')[0]}, {model}", rule, *cells))
    yield from table("benchmarks of | rule | unchanged, called slower | passed | slower by 5 or 10 %, found | passed", rows)


def of_a_backend(runs: Sequence[Record]) -> Iterator[tuple[float, bool, bool]]:
    """What all benchmarks of a backend were made slower by, whether any of them is red, and whether the backend is.

    Each backend of each run in turn, in what was not slowed on purpose already.
    """
    for number, before in baselines_of(runs):
        accepted, now = [logs_of(runs[place]) for place in before], values_of(runs[number])
        names = [name for name in now if all(name in run for run in accepted)]
        histories = {name: History(runs=tuple((run[name],) for run in accepted)) for name in names}
        backends = {name: backend_of(name) for name in names}
        as_it_was = {name: (now[name],) for name in names}
        for backend in backend_shifts(as_it_was, histories, Policy(), backends):
            for share in (0.0, *SLOWER):
                slowed = {name: (now[name] + (backends[name] == backend) * math.log1p(share),) for name in names}
                said = judge_run(slowed, histories, Policy(), expected={})
                single = any(said[name].verdict is Verdict.REGRESSED for name in names if backends[name] == backend)
                whole = backend_shifts(slowed, histories, Policy(), backends)[backend]
                yield share, single, whole.verdict is Verdict.REGRESSED


def as_a_whole(records: Iterable[Record]) -> Iterator[str]:
    """The table of backends that became slower in all their benchmarks."""
    rows = []
    for (machine, model), runs in groups(records).items():
        for share, group in grouped(of_a_backend(runs), lambda one: one[0]).items():
            extra = f"{share:.0%}" if share else "none"
            found = (sum(one[place] for one in group) for place in (1, 2))
            rows.append((f"{machine.split('-')[0]}, {model}", extra, len(group), *found))
    yield from table("backends of | all slower by | backends | any of its benchmarks red | the backend red", rows)


def main() -> int:
    """Prints the tables."""
    records = records_in(DATA)
    print("\n".join([*by_time(records), "", *sharper(records), "", *as_a_whole(records)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
