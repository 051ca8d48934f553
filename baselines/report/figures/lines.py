"""Figures in which a number grows along the x axis: sequence length, threads, instances."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from baselines.deploying.promise import Promise
from baselines.judging.wording import counted, three_digits
from baselines.report.figures.shared import (
    Looks,
    dot,
    latency_cells,
    looks,
    some_of,
    tail_cell,
    throughput_cells,
    unit_of,
    wide,
)
from baselines.report.figures.values import MOST_SERIES, Dot, Figure, Panel, Series, Table
from baselines.report.points import Point, grouped


def out_of_the_box(points: Sequence[Point], backends: Looks) -> Figure:
    """Latency by sequence length, a panel per batch size, a line per backend."""
    batches = grouped(sorted(points, key=lambda one: one.size), lambda one: one.batch_size)
    drawn, notes = some_of(list(batches), "batch sizes")
    panels = []
    for batch in drawn:
        values = [one.latency.value for one in batches[batch]]
        unit, scale = unit_of(values)
        panel = length_panel(batches[batch], backends, f"median latency, {unit}", lambda one: one.latency, scale)
        panels.append(replace(panel, log_values=wide(values)))
    return Figure(panels=tuple(panels), table=plain_table(points), notes=notes)


def share_of_limit(points: Sequence[Point], backends: Looks) -> Figure:
    """The best share of what the machine can do, by sequence length, a panel per batch size, a line per backend."""
    told = [one for one in points if one.share_of_limit]
    best = [
        max(same, key=lambda one: one.share_of_limit or 0.0)
        for same in grouped(told, lambda one: (one.size, one.backend)).values()
    ]
    batches = grouped(sorted(best, key=lambda one: (one.size, one.backend)), lambda one: one.batch_size)
    drawn, notes = some_of(list(batches), "batch sizes")
    panels = tuple(length_panel(batches[batch], backends, "% of the machine's limit", share) for batch in drawn)
    rows = tuple(
        (one.backend, one.result.id, one.size_text, f"{100 * (one.share_of_limit or 0):.1f} %")
        for one in sorted(told, key=lambda one: (one.backend, one.size))
    )
    heads = ("backend", "benchmark", "batch x sequence", "share of the limit")
    notes = ("Of each backend and problem size its best configuration.", *notes)
    return Figure(panels=panels, table=Table(heads=heads, rows=rows, words=3), notes=notes)


def share(point: Point) -> Promise:
    """Of the limit in per cent; a slower run has a smaller one."""
    return point.reach.around(100 * (point.share_of_limit or 0.0))


def length_panel(
    points: Sequence[Point], backends: Looks, y_label: str, quantity: Callable[[Point], Promise], scale: float = 1.0
) -> Panel:
    """A quantity by sequence length, a line per backend; all points are of one batch size."""
    lines = []
    for name, mine in by_backend(points).items():
        colour, marker = backends[name]
        ordered = sorted(mine, key=lambda one: one.sequence_length)
        dots = tuple(dot(one.sequence_length, quantity(one), scale) for one in ordered)
        lines.append(Series(label=name, colour=colour, marker=marker, dots=dots))
    return Panel(
        title=f"batch {points[0].batch_size}",
        x_label="sequence length, tokens",
        y_label=y_label,
        ticks=number_ticks(one.sequence_length for one in points),
        log_x=True,
        series=tuple(lines),
    )


def speed_up(points: Sequence[Point], _: Looks) -> Figure:
    """How many times faster than on the fewest threads, a panel per backend, a line per problem size."""
    sizes, size_notes = some_of(sorted({one.size for one in points}), "problem sizes", MOST_SERIES)
    look = looks(map(size_label, sizes))
    by_name = by_backend(points)
    drawn, notes = some_of(list(by_name), "backends")
    panels, rows = [], []
    for name, mine in by_name.items():
        series, fewest = [], min(one.count("threads") for one in mine)
        for size, same in by_size(mine, "threads").items():
            first = same[0]
            gains = [(one, gain(first.latency, one.latency)) for one in same]
            rows += [speed_up_row(one, gained, one is first) for one, gained in gains]
            if size in sizes and len(same) > 1 and first.count("threads") == fewest:
                colour, marker = look[size_label(size)]
                dots = tuple(
                    Dot(x=fewest, value=1, low=1, high=1) if one is first else dot(one.count("threads"), gained)
                    for one, gained in gains
                )
                series.append(Series(label=size_label(size), dots=dots, colour=colour, marker=marker))
        if series and name in drawn:
            panels.append(
                Panel(
                    title=name,
                    x_label="threads, each on a core of its own",
                    y_label=f"times as fast as {counted(fewest, 'thread')}",
                    ticks=number_ticks(one.count("threads") for one in mine),
                    log_x=True,
                    log_values=True,  # on both axes, so that the ideal is a straight line
                    ideal=f"ideal: {'n threads, n times as fast' if fewest == 1 else 'twice the threads, twice as fast'}",
                    series=tuple(series),
                )
            )
    heads = ("backend", "batch x sequence", "threads", "median", "new runs lie within", "times as fast", "within")
    return Figure(
        panels=tuple(panels),
        table=Table(heads=heads, rows=tuple(rows), words=2),
        notes=notes + size_notes,
        reason=None if panels else "one number of threads was measured: there is nothing to compare it with",
    )


def speed_up_row(point: Point, gained: Promise, first: bool) -> tuple[str, ...]:
    """One row of the table of `speed_up`."""
    within = "" if first else f"{three_digits(gained.low)} to {three_digits(gained.high)}"
    times = "1" if first else three_digits(gained.value)
    return (point.backend, point.size_text, str(point.count("threads")), *latency_cells(point), times, within)


def instances(points: Sequence[Point], _: Looks) -> Figure:
    """Latency of the worst instance and summed throughput by instances, two panels per backend, a line per problem size."""
    sizes, size_notes = some_of(sorted({one.size for one in points}), "problem sizes", MOST_SERIES)
    look = looks(map(size_label, sizes))
    by_name = by_backend(points)
    drawn, notes = some_of(list(by_name), "backends", 3)
    panels: list[Panel] = []
    for name in drawn:
        mine = [one for one in by_name[name] if one.size in sizes]
        unit, scale = unit_of(one.latency.value for one in mine)
        latency, worst = f"{name}: latency", f"worst instance's median, {unit}"
        panels.append(instance_panel(latency, worst, mine, look, lambda one: one.latency, scale))
        throughput, summed = f"{name}: throughput", "samples per second"
        panels.append(instance_panel(throughput, summed, mine, look, lambda one: one.throughput, 1.0))
    rows = tuple(
        (one.backend, one.size_text, str(one.count("instances")), *latency_cells(one), *throughput_cells(one))
        for one in sorted(points, key=lambda one: (one.backend, one.size, one.count("instances")))
    )
    heads = ("backend", "batch x sequence", "instances", "worst median", "new runs lie within", "samples/s", "within")
    return Figure(panels=tuple(panels), table=Table(heads=heads, rows=rows, words=2), notes=notes + size_notes)


def instance_panel(
    title: str,
    y_label: str,
    points: Sequence[Point],
    look: Looks,
    quantity: Callable[[Point], Promise | None],
    scale: float,
) -> Panel:
    """One quantity by the number of instances."""
    series, values = [], []
    for size, same in by_size(points, "instances").items():
        colour, marker = look[size_label(size)]
        dots = [dot(one.count("instances"), found, scale) for one in same if (found := quantity(one)) is not None]
        values += [one.value for one in dots]
        series.append(Series(label=size_label(size), dots=tuple(dots), colour=colour, marker=marker))
    return Panel(
        title=title,
        x_label="instances beside each other",
        y_label=y_label,
        ticks=number_ticks(one.count("instances") for one in points),
        log_x=True,
        log_values=wide(values),
        series=tuple(series),
    )


def plain_table(points: Sequence[Point]) -> Table:
    """Latency and throughput of every point, by backend and problem size."""
    rows = tuple(
        (one.backend, one.size_text, *latency_cells(one), tail_cell(one), *throughput_cells(one))
        for one in sorted(points, key=lambda one: (one.backend, one.size))
    )
    heads = ("backend", "batch x sequence", "median", "new runs lie within", "tail", "samples/s", "within")
    return Table(heads=heads, rows=rows, words=2)


def gain(before: Promise, after: Promise) -> Promise:
    """How many times as fast, and where the ratio of two new runs lies: their factors are independent."""
    factor = math.exp(math.hypot(math.log(before.high / before.value), math.log(after.high / after.value)))
    times = before.value / after.value
    return Promise(value=times, low=times / factor, high=times * factor)


def by_backend(points: Sequence[Point]) -> dict[str, list[Point]]:
    """Points by backend, in the order of their names."""
    return grouped(sorted(points, key=lambda one: one.backend), lambda one: one.backend)


def by_size(points: Sequence[Point], axis: str) -> dict[tuple[int, int], list[Point]]:
    """Points by problem size, each in the order of an axis."""
    return grouped(sorted(points, key=lambda one: (one.size, one.count(axis))), lambda one: one.size)


def number_ticks(values: Iterable[int]) -> tuple[tuple[float, str], ...]:
    """A tick for each number that was measured."""
    return tuple((float(value), str(value)) for value in sorted(set(values)))


def size_label(size: tuple[int, int]) -> str:
    """A problem size in words."""
    return f"batch {size[0]}, {size[1]} tokens"
