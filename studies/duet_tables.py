"""What sessions of studies/duet.py say: tables in Markdown, one machine, model, rule and kind of load after another."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from baselines.judging.duet import power
from baselines.judging.launch_pairs import LaunchPair, fit
from baselines.judging.looks import Look
from baselines.judging.policy import DuetPolicy
from baselines.judging.wording import percent
from studies.loop import Record, counted, grouped, interval, table
from studies.peers import PEERS, label

ON_EVERY_THREAD = "extra work on every thread"


def show(records: Sequence[Record]) -> Iterator[str]:
    """All sessions on record, one machine, rule and kind of load after the other, in Markdown."""
    for (machine, model, rule, load, looks, work), here in grouped(records, kind_of).items():
        studies = ", ".join(sorted({one["study"] for one in here}))
        where = "one core kept busy by something else" if load else "no load of ours beside it"
        where += f", {work}{units_in(here)}" if work else ""
        cut_off = sum(one["exit_code"] is None for one in here)
        sessions = f"{len(here)} session{'s' * (len(here) != 1)}" + f" ({cut_off} cut off before the end)" * bool(cut_off)
        each_s = sum(one["wall_s"] for one in here) / sum(len(one["benchmarks"]) for one in here)
        yield (
            f"Machine `{machine}`, {model}, rule {rule}, judged after {', '.join(map(str, looks))} launch pairs, {where}, "
            f"studies begun {studies} UTC: {sessions}, {each_s:.0f} s per benchmark.\n"
        )
        yield from (*false_alarms(here), *power_table(here), *peers_table(here))
    yield from costs_of_wider_models(records)


def kind_of(record: Record) -> tuple[str, str, int, bool, tuple[int, ...], str]:
    """What sessions in one table have in common; work on one core has no word of its own."""
    work = ON_EVERY_THREAD if record.get("wider") else str(record.get("change") or "")
    return record["machine"], record["model"], record["rule"], record["load"], looks_in(record), work


def looks_in(record: Record) -> tuple[int, ...]:
    """After how many launch pairs the benchmarks of a session could be judged; rules 1 and 2 had one look."""
    launches = (len(one["log_ratios"]) for one in record["benchmarks"].values())
    return tuple(record.get("looks") or [max(launches)])


def units_in(records: Iterable[Record]) -> str:
    """By how much the models of slowed backends were wider, in words; empty where none was."""
    units = {f"{backend} {count}" for one in records for backend, count in (one.get("wider") or {}).items()}
    return f" ({', '.join(sorted(units))} units)" if units else ""


def by_backend(records: Iterable[Record], *, changed: bool) -> dict[str, list[Record]]:
    """The benchmarks of sessions with or without extra work in them, by backend and whether it was pinned."""
    found: dict[str, list[Record]] = {}
    for name, one in (named for record in records for named in record["benchmarks"].items()):
        if (one["share"] != 0) == changed:
            how = "out of the box" if "test_out_of_the_box" in name else "pinned to one core"
            found.setdefault(f"{one['backend']}, {how}", []).append(one)
    return dict(sorted(found.items()))


def by_share(benchmarks: Iterable[Record]) -> dict[float, list[Record]]:
    """Benchmarks by how much extra work was in them, ascending; infinity where nobody knows."""
    return grouped(benchmarks, lambda one: math.inf if one["share"] is None else one["share"])


def spread_of(benchmarks: Iterable[Record], first: int) -> tuple[float, float]:
    """Standard deviation of a launch pair's log ratio and mean order effect, pooled over benchmarks.

    Of the `first` launch pairs of each: those that scatter have more, and would weigh more.
    """
    squares = df = 0.0
    effects = []
    for one in benchmarks:
        pairs = [
            LaunchPair(log_ratio=value, measured_first=measured_first)
            for value, measured_first in zip(one["log_ratios"][:first], one["measured_first"][:first], strict=True)
        ]
        if (found := fit(pairs)) is not None:
            squares, df = squares + found.variance * found.degrees_of_freedom, df + found.degrees_of_freedom
            effects.append(found.order_effect)
    return (math.sqrt(squares / df), statistics.fmean(effects)) if df else (math.nan, math.nan)


def false_alarms(records: Sequence[Record]) -> Iterator[str]:
    """The table of benchmarks in which nothing was slower."""
    groups = by_backend(records, changed=False)
    if not groups:
        return
    clean = [one for one in records if all(benchmark["share"] == 0 for benchmark in one["benchmarks"].values())]
    whole = [one["exit_code"] for one in clean if one["exit_code"] is not None]
    rows = []
    for backend, members in (groups | {"all": [one for group in groups.values() for one in group]}).items():
        counts = Counter(one["verdict"] for one in members)
        sd, order = spread_of(members, looks_in(records[0])[0])
        slower = (counts["regressed"], interval(counts["regressed"], len(members)))
        rest = (counts["improved"], counts["inconclusive"], f"{sd:.2%}", f"{order:+.2%}")
        rows.append((backend, len(members), *slower, *rest))
    heads = "backend | comparisons | called slower | exact 95 % interval | called faster | inconclusive"
    yield f"Benchmarks without extra work ({sum(map(bool, whole))} of {len(whole)} clean sessions were red):\n"
    yield from (*table(f"{heads} | sd of a launch pair | first loaded slower by", rows), "")


def power_table(records: Sequence[Record]) -> Iterator[str]:
    """The table of benchmarks with extra work, and what was said of them."""
    slowed, clean = by_backend(records, changed=True), by_backend(records, changed=False)
    if not slowed:
        return
    rows = []
    for backend, members in slowed.items():
        sd, _ = spread_of(clean.get(backend, members), looks_in(records[0])[0])
        for share, said in by_share(members).items():
            expected = "-" if share == math.inf else f"{expected_power(share, sd, records):.0%}"
            rows.append((backend, *power_row(share, said), expected))
    for share, said in by_share(one for members in slowed.values() for one in members).items():
        rows.append(("all", *power_row(share, said), "-"))
    heads = "backend | extra work | measured, median | benchmarks | found | exact 95 % interval | inconclusive"
    yield "Benchmarks with extra work:\n"
    yield from (*table(f"{heads} | wrongly passed | launch pairs | expected from the spread", rows), "")


def power_row(share: float, said: Sequence[Record]) -> tuple[object, ...]:
    """Cells of a row of the table of power, but for the first and the last."""
    total, found, exact, inconclusive, passed = counted(one["verdict"] for one in said)
    middle = percent(statistics.median(one["ratio"] for one in said if one["ratio"] is not None))
    work, wrongly = f"{share:.0%}", f"{passed}" if share >= DuetPolicy().min_effect else f"({passed}, rightly)"
    if share == math.inf:
        work, wrongly = "unknown", f"({passed}, unknown)"
    launches = [len(one["log_ratios"]) for one in said]
    took = f"{statistics.fmean(launches):.0f} on average, {max(launches)} at most"
    return work, middle, total, found, exact, inconclusive, wrongly, took


def expected_power(share: float, sd: float, records: Sequence[Record]) -> float:
    """Chance of finding a slowdown at the best of the looks, where launch pairs spread by `sd`."""
    comparisons = round(statistics.median(len(one["benchmarks"]) for one in records))
    looks = looks_in(records[0])
    return max(
        power(DuetPolicy(), effect=share, sd=sd, launches=launches, comparisons=comparisons, look=look)
        for launches, look in zip(looks, Look.all(len(looks)), strict=True)
    )


def costs_of_wider_models(records: Iterable[Record]) -> Iterator[str]:
    """What the same units cost on quiet cores and beside a neighbour, for each benchmark that had both."""
    found: dict[tuple[str, ...], dict[bool, Record]] = {}
    for record in records:
        for name, one in record["benchmarks"].items():
            if units := (record.get("wider") or {}).get(one["backend"]):
                words = (f"`{record['machine']}`", record["model"], name.rpartition("::")[2], f"{units}")
                found.setdefault(words, {})[record["load"]] = one
    rows = [(*words, cost(costs[False]), cost(costs[True])) for words, costs in sorted(found.items()) if len(costs) == 2]
    if rows:
        yield "What the same extra work on every thread cost (newest sessions; ratio and its interval):\n"
        yield from table("machine | model | benchmark | units | on quiet cores | one core kept busy by something else", rows)


def cost(benchmark: Record) -> str:
    """What a benchmark took more, with the interval and the verdict."""
    if benchmark["ratio"] is None:
        return str(benchmark["verdict"])
    low, high = benchmark["interval"]
    return f"{percent(benchmark['ratio'])} [{percent(low)}, {percent(high)}] {benchmark['verdict']}"


def peers_table(records: Sequence[Record]) -> Iterator[str]:
    """What other rules say of the turns of the first launch pair, as if they were the rounds of two runs."""
    asked = by_share(one for record in records for one in record["benchmarks"].values() if "peers" in one)
    if asked:
        names = {0.0: "nothing changed", math.inf: "changed"}
        heads = ("rule", *(names.get(share, f"{share:.0%} slower") for share in asked))
        rows = [
            (label(rule), *(f"{sum(rule in one['peers'] for one in said)} of {len(said)}" for said in asked.values()))
            for rule in PEERS
        ]
        yield "Other rules, of the turns of the first launch pair, as if they were the rounds of two runs; called slower:\n"
        yield from (*table(" | ".join(heads), rows), "")
