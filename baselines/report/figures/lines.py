"""Figures in which a number grows along the x axis: sequence length, threads, instances."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from baselines.deploying.promise import Promise
from baselines.judging.wording import three_digits
from baselines.report.figures.shared import (
    dot,
    latency_cells,
    left_out,
    looks,
    only_line,
    spread_over,
    tail_cell,
    throughput_cells,
    unit_of,
    wide,
)
from baselines.report.figures.values import MOST_SERIES, Dot, Figure, Panel, Series, Table
from baselines.report.points import Point, grouped

Looks = Mapping[str, tuple[str, int]]


def out_of_the_box(points: Sequence[Point], lead: str, title: str, backends: Looks) -> Figure:
    """Latency by sequence length, a panel per batch size, a line per backend."""
    batches = grouped(sorted(points, key=lambda one: one.size), lambda one: one.batch_size)
    drawn = spread_over(list(batches))
    panels = []
    for batch in drawn:
        ours = batches[batch]
        unit, scale = unit_of(one.latency.value for one in ours)
        values = [one.latency.value for one in ours]
        panels.append(
            Panel(
                title=f"batch {batch}",
                x_label="sequence length, tokens",
                y_label=f"median latency, {unit}",
                ticks=number_ticks(one.sequence_length for one in ours),
                log_x=True,
                log_values=wide(values),
                series=tuple(
                    only_line(mine, name, *backends[name], lambda one: one.sequence_length, scale)
                    for name, mine in by_backend(ours).items()
                ),
            )
        )
    return Figure(
        name="out_of_the_box",
        title=title,
        lead=lead,
        panels=tuple(panels),
        table=plain_table(points),
        notes=left_out(len(drawn), len(batches), "batch sizes"),
    )


def speed_up(points: Sequence[Point], lead: str, title: str) -> Figure:
    """How many times faster than on the fewest threads, a panel per backend, a line per problem size."""
    sizes = sorted({one.size for one in points})
    shown_sizes = spread_over(sizes, MOST_SERIES)
    look = looks(size_label(size) for size in shown_sizes)
    by_name = by_backend(points)
    drawn = spread_over(list(by_name))
    panels, rows = [], []
    for name, mine in by_name.items():
        series, fewest = [], min(one.count("threads") for one in mine)
        for size, same in grouped(
            sorted(mine, key=lambda one: (one.size, one.count("threads"))), lambda one: one.size
        ).items():
            first = same[0]
            gains = [(one, gain(first.latency, one.latency)) for one in same]
            rows += [speed_up_row(one, gained, one is first) for one, gained in gains]
            if size in shown_sizes and len(same) > 1 and first.count("threads") == fewest:
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
                    y_label=f"times as fast as {fewest} thread{'s' * (fewest != 1)}",
                    ticks=number_ticks(one.count("threads") for one in mine),
                    log_x=True,
                    log_values=True,  # on both axes, so that the ideal is a straight line
                    ideal=f"ideal: {'n threads, n times as fast' if fewest == 1 else 'twice the threads, twice as fast'}",
                    series=tuple(series),
                )
            )
    notes = (*left_out(len(drawn), len(by_name), "backends"), *left_out(len(shown_sizes), len(sizes), "problem sizes"))
    heads = ("backend", "batch x sequence", "threads", "median", "new runs lie within", "times as fast", "within")
    return Figure(
        name="core_count_scaling",
        title=title,
        lead=lead,
        panels=tuple(panels),
        table=Table(heads=heads, rows=tuple(rows), words=2),
        notes=notes,
        reason=None if panels else "one number of threads was measured: there is nothing to compare it with",
    )


def speed_up_row(point: Point, gained: Promise, first: bool) -> tuple[str, ...]:
    """One row of the table of `speed_up`."""
    within = "" if first else f"{three_digits(gained.low)} to {three_digits(gained.high)}"
    return (
        point.backend,
        point.size_text,
        str(point.count("threads")),
        *latency_cells(point),
        "1" if first else three_digits(gained.value),
        within,
    )


def instances(points: Sequence[Point], lead: str, title: str) -> Figure:
    """Latency of the worst instance and summed throughput by instances, two panels per backend, a line per problem size."""
    sizes = sorted({one.size for one in points})
    shown_sizes = spread_over(sizes, MOST_SERIES)
    look = looks(size_label(size) for size in shown_sizes)
    by_name = by_backend(points)
    drawn = spread_over(list(by_name), 3)
    panels: list[Panel] = []
    for name in drawn:
        mine = [one for one in by_name[name] if one.size in shown_sizes]
        unit, scale = unit_of(one.latency.value for one in mine)
        panels.append(
            instance_panel(
                f"{name}: latency", f"worst instance's median, {unit}", mine, look, lambda one: one.latency, scale
            )
        )
        panels.append(
            instance_panel(f"{name}: throughput", "samples per second", mine, look, lambda one: one.throughput, 1.0)
        )
    rows = tuple(
        (one.backend, one.size_text, str(one.count("instances")), *latency_cells(one), *throughput_cells(one))
        for one in sorted(points, key=lambda one: (one.backend, one.size, one.count("instances")))
    )
    heads = ("backend", "batch x sequence", "instances", "worst median", "new runs lie within", "samples/s", "within")
    return Figure(
        name="instance_scaling",
        title=title,
        lead=lead,
        panels=tuple(panels),
        table=Table(heads=heads, rows=rows, words=2),
        notes=(*left_out(len(drawn), len(by_name), "backends"), *left_out(len(shown_sizes), len(sizes), "problem sizes")),
    )


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
    for size, same in grouped(
        sorted(points, key=lambda one: (one.size, one.count("instances"))), lambda one: one.size
    ).items():
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


def share_of_limit(points: Sequence[Point], lead: str, title: str, backends: Looks) -> Figure:
    """The best share of what the machine can do, by sequence length, a panel per batch size, a line per backend."""
    told = [one for one in points if one.share_of_limit]
    best = {
        key: max(same, key=lambda one: one.share_of_limit or 0.0)
        for key, same in grouped(told, lambda one: (one.size, one.backend)).items()
    }
    batches = grouped(sorted(best.values(), key=lambda one: (one.size, one.backend)), lambda one: one.batch_size)
    drawn = spread_over(list(batches))
    panels = tuple(
        Panel(
            title=f"batch {batch}",
            x_label="sequence length, tokens",
            y_label="% of the machine's limit",
            ticks=number_ticks(one.sequence_length for one in batches[batch]),
            log_x=True,
            series=tuple(
                Series(
                    label=name,
                    colour=backends[name][0],
                    marker=backends[name][1],
                    dots=tuple(share_dot(one) for one in mine),
                )
                for name, mine in by_backend(batches[batch]).items()
            ),
        )
        for batch in drawn
    )
    rows = tuple(
        (one.backend, one.result.id, one.size_text, f"{100 * (one.share_of_limit or 0):.1f} %")
        for one in sorted(told, key=lambda one: (one.backend, one.size))
    )
    heads = ("backend", "benchmark", "batch x sequence", "share of the limit")
    return Figure(
        name="share_of_limit",
        title=title,
        lead=lead,
        panels=panels,
        table=Table(heads=heads, rows=rows, words=3),
        notes=(
            "Of each backend and problem size its best configuration.",
            *left_out(len(drawn), len(batches), "batch sizes"),
        ),
    )


def share_dot(point: Point) -> Dot:
    """A share in per cent; a slower run has a smaller one."""
    promise = point.reach.around(100 * (point.share_of_limit or 0.0))
    return dot(point.sequence_length, promise)


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


def number_ticks(values: Iterable[int]) -> tuple[tuple[float, str], ...]:
    """A tick for each number that was measured."""
    return tuple((float(value), str(value)) for value in sorted(set(values)))


def size_label(size: tuple[int, int]) -> str:
    """A problem size in words."""
    return f"batch {size[0]}, {size[1]} tokens"
