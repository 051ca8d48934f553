"""What sessions of studies/duet.py say: tables in Markdown, one machine, model, rule and kind of load after another."""

from __future__ import annotations

import json
import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from baselines.judging.duet import DuetPolicy, LaunchPair, Look, fit, power
from baselines.judging.wording import percent
from studies.error_rates import StudyError, interval
from studies.peers import PEERS, label


def show(data: Path) -> str:
    """All sessions on record, one machine, rule and kind of load after the other, in Markdown."""
    lines = data.read_text(encoding="utf-8").splitlines() if data.exists() else []
    records = [json.loads(line) for line in lines]
    if not records:
        raise StudyError(f"{data} has no session; measure some: python -m studies.duet measure")
    kinds: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for one in records:
        kind = (one["machine"], one["model"], one["rule"], one["load"], looks_in(one), work_in(one))
        kinds.setdefault(kind, []).append(one)
    blocks = []
    for (machine, model, rule, load, looks, work), here in sorted(kinds.items()):
        studies = ", ".join(sorted({one["study"] for one in here}))
        where = "one core kept busy by something else" if load else "no load of ours beside it"
        count = sum(len(one["benchmarks"]) for one in here)
        wall_s = sum(one["wall_s"] for one in here)
        judged = f"judged after {', '.join(map(str, looks))} launch pairs"
        where += f", {work}{units_in(here)}" if work else ""
        head = f"Machine `{machine}`, {model}, rule {rule}, {judged}, {where}, studies begun {studies} UTC: "
        cut_off = sum(one["exit_code"] is None for one in here)
        sessions = f"{len(here)} session{'s' * (len(here) != 1)}" + (
            f" ({cut_off} cut off before the end)" if cut_off else ""
        )
        blocks += [f"{head}{sessions}, {wall_s / count:.0f} s per benchmark.", ""]
        for table in (false_alarms(here), power_table(here), peers_table(here)):
            blocks += [*table, ""] if table else []
    blocks += costs_of_wider_models(records)
    return "\n".join(blocks).rstrip()


def looks_in(record: Mapping[str, Any]) -> tuple[int, ...]:
    """After how many launch pairs the benchmarks of a session could be judged; rules 1 and 2 had one look."""
    launches = (len(one["log_ratios"]) for one in record["benchmarks"].values())
    return tuple(record.get("looks") or [max(launches)])


def work_in(record: Mapping[str, Any]) -> str:
    """What made the measured side slower, where it was not work on one core."""
    return "extra work on every thread" if record.get("wider") else str(record.get("change") or "")


def units_in(records: Iterable[Mapping[str, Any]]) -> str:
    """By how much the models of slowed backends were wider, in words; empty where none was."""
    units = {f"{backend} {count}" for one in records for backend, count in (one.get("wider") or {}).items()}
    return f" ({', '.join(sorted(units))} units)" if units else ""


def by_backend(records: Iterable[Mapping[str, Any]], *, changed: bool) -> dict[str, list[Mapping[str, Any]]]:
    """The benchmarks of sessions with or without extra work in them, by backend and whether it was pinned."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for record in records:
        for name, one in record["benchmarks"].items():
            if (one["share"] != 0) == changed:
                how = "out of the box" if "test_out_of_the_box" in name else "pinned to one core"
                found.setdefault(f"{one['backend']}, {how}", []).append(one)
    return dict(sorted(found.items()))


def spread_of(benchmarks: Iterable[Mapping[str, Any]], first: int) -> tuple[float, float]:
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


def false_alarms(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """The table of benchmarks in which nothing was slower."""
    groups = by_backend(records, changed=False)
    if not groups:
        return []
    whole = [one for one in records if one["exit_code"] is not None]
    clean_sessions = [one for one in whole if not any(b["share"] != 0 for b in one["benchmarks"].values())]
    red = sum(one["exit_code"] != 0 for one in clean_sessions)
    heads = [
        *("backend", "comparisons", "called slower", "exact 95 % interval", "called faster", "inconclusive"),
        *("sd of a launch pair", "first loaded slower by"),
    ]
    lines = [
        f"Benchmarks without extra work ({red} of {len(clean_sessions)} clean sessions were red):",
        "",
        f"| {' | '.join(heads)} |",
        "|---" * len(heads) + "|",
    ]
    groups["all"] = [one for members in groups.values() for one in members]
    for backend, members in groups.items():
        counts = Counter(one["verdict"] for one in members)
        sd, order = spread_of(members, looks_in(records[0])[0])
        lines.append(
            f"| {backend} | {len(members)} | {counts['regressed']} | {interval(counts['regressed'], len(members))} "
            f"| {counts['improved']} | {counts['inconclusive']} | {sd:.2%} | {order:+.2%} |"
        )
    return lines


def power_table(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """The table of benchmarks with extra work, and what was said of them."""
    slowed = by_backend(records, changed=True)
    if not slowed:
        return []
    heads = [
        *("backend", "extra work", "measured, median", "benchmarks", "found", "exact 95 % interval", "inconclusive"),
        *("wrongly passed", "launch pairs", "expected from the spread"),
    ]
    lines = [
        "Benchmarks with extra work:",
        "",
        f"| {' | '.join(heads)} |",
        "|---" * len(heads) + "|",
    ]
    clean = by_backend(records, changed=False)
    for backend, members in slowed.items():
        sd, _ = spread_of(clean.get(backend, members), looks_in(records[0])[0])
        for share, said in by_share(members).items():
            expected = "-" if share is None else f"{expected_power(share, sd, records):.0%}"
            lines.append(f"{power_row(backend, share, said)} {expected} |")
    for share, said in by_share([one for members in slowed.values() for one in members]).items():
        lines.append(f"{power_row('all', share, said)} - |")
    return lines


def costs_of_wider_models(records: Iterable[Mapping[str, Any]]) -> list[str]:
    """What the same units cost on quiet cores and beside a neighbour, for each benchmark that had both."""
    found: dict[tuple[str, ...], dict[bool, Mapping[str, Any]]] = {}
    for record in records:
        for name, one in record["benchmarks"].items():
            if units := (record.get("wider") or {}).get(one["backend"]):
                words = (record["machine"], record["model"], name.rpartition("::")[2], f"{units}")
                found.setdefault(words, {})[record["load"]] = one
    both = {words: costs for words, costs in found.items() if len(costs) == 2}
    if not both:
        return []
    return [
        "What the same extra work on every thread cost (newest sessions; ratio and its interval):",
        "",
        "| machine | model | benchmark | units | on quiet cores | one core kept busy by something else |",
        "|---" * 6 + "|",
        *(
            f"| `{machine}` | {model} | {name} | {units} | {cost(costs[False])} | {cost(costs[True])} |"
            for (machine, model, name, units), costs in sorted(both.items())
        ),
    ]


def cost(benchmark: Mapping[str, Any]) -> str:
    """What a benchmark took more, with the interval and the verdict."""
    if benchmark["ratio"] is None:
        return str(benchmark["verdict"])
    low, high = benchmark["interval"]
    return f"{percent(benchmark['ratio'])} [{percent(low)}, {percent(high)}] {benchmark['verdict']}"


def by_share(benchmarks: Iterable[Mapping[str, Any]]) -> dict[float | None, list[Mapping[str, Any]]]:
    """Benchmarks by how much extra work was in them, ascending; None, last, where nobody knows."""
    found: dict[float | None, list[Mapping[str, Any]]] = {}
    for one in benchmarks:
        found.setdefault(one["share"], []).append(one)
    return dict(sorted(found.items(), key=lambda pair: math.inf if pair[0] is None else pair[0]))


def power_row(backend: str, share: float | None, said: Sequence[Mapping[str, Any]]) -> str:
    """A row of the table of power but for its last cell."""
    counts = Counter(one["verdict"] for one in said)
    middle = percent(statistics.median(one["ratio"] for one in said if one["ratio"] is not None))
    found, passed = counts["regressed"], counts["passed"] + counts["improved"]
    if share is None:
        work, wrongly = "unknown", f"({passed}, unknown)"
    else:
        work, wrongly = f"{share:.0%}", str(passed) if share >= DuetPolicy().min_effect else f"({passed}, rightly)"
    launches = [len(one["log_ratios"]) for one in said]
    took = f"{statistics.fmean(launches):.0f} on average, {max(launches)} at most"
    return (
        f"| {backend} | {work} | {middle} | {len(said)} | {found} | {interval(found, len(said))} "
        f"| {counts['inconclusive']} | {wrongly} | {took} |"
    )


def expected_power(share: float, sd: float, records: Sequence[Mapping[str, Any]]) -> float:
    """Chance of finding a slowdown at the best of the looks, where launch pairs spread by `sd`."""
    comparisons = round(statistics.median(len(one["benchmarks"]) for one in records))
    looks = looks_in(records[0])
    return max(
        power(DuetPolicy(), effect=share, sd=sd, launches=launches, comparisons=comparisons, look=look)
        for launches, look in zip(looks, Look.all(len(looks)), strict=True)
    )


def column(share: float | None) -> str:
    """The head of a column for what had so much extra work."""
    if share is None:
        return "changed"
    return f"{share:.0%} slower" if share else "nothing changed"


def peers_table(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """What other rules say of the turns of the first launch pair, as if they were the rounds of two runs."""
    asked = by_share(one for record in records for one in record["benchmarks"].values() if "peers" in one)
    if not asked:
        return []
    lines = [
        "Other rules, of the turns of the first launch pair, as if they were the rounds of two runs; called slower:",
        "",
        f"| rule | {' | '.join(column(share) for share in asked)} |",
        "|---" * (len(asked) + 1) + "|",
    ]
    for rule in PEERS:
        cells = [f"{sum(rule in one['peers'] for one in said)} of {len(said)}" for said in asked.values()]
        lines.append(f"| {label(rule)} | {' | '.join(cells)} |")
    return lines
