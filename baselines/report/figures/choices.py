"""Figures that compare choices by name: a row per choice, a dot per backend, and a panel per problem size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from baselines.report.figures.lines import plain_table, size_label
from baselines.report.figures.shared import (
    Looks,
    axes_text,
    dot,
    latency_cells,
    left_out,
    row_ticks,
    some_of,
    thinned,
    throughput_cells,
    unit_of,
    wide,
)
from baselines.report.figures.values import MOST_ROWS, Figure, Panel, Series, Table
from baselines.report.points import Point, grouped

Named = Callable[[Point], str]
"""How the choice of a point is called."""


def choices(
    points: Sequence[Point], backends: Looks, named: Named = lambda one: axes_text(one.axes), head: str = "choice"
) -> Figure:
    """Latency by a choice that has a name; `head` is over the column of the choice."""
    sizes = grouped(sorted(points, key=lambda one: one.size), lambda one: one.size)
    drawn, notes = some_of(list(sizes), "problem sizes")
    rows = tuple(
        (one.backend, named(one), one.size_text, *latency_cells(one), *throughput_cells(one), error_cell(one))
        for one in sorted(points, key=lambda one: (one.size, one.backend))
    )
    heads = ("backend", head, "batch x sequence", "median", "new runs lie within", "samples/s", "within", "max. error")
    panels = tuple(rows_panel(sizes[size], named, backends) for size in drawn)
    most = max((len({named(one) for one in sizes[size]}) for size in drawn), default=0)
    notes = (*notes, *left_out(min(most, MOST_ROWS), most, "rows"))
    return Figure(panels=panels, table=Table(heads=heads, rows=rows, words=3), notes=notes)


def siblings(points: Sequence[Point], backends: Looks) -> Figure:
    """Latency by threads, and by how many cores they share."""
    ordered = sorted(points, key=lambda one: (one.count("threads"), one.count("cores")))
    named: Named = lambda one: f"{one.count('threads')} threads, {one.count('cores')} cores"  # noqa: E731
    return choices(ordered, backends, named, "threads and cores")


def precisions(points: Sequence[Point], backends: Looks) -> Figure:
    """Latency by number format, and by whatever else of the configuration is not the same everywhere."""
    names = dict.fromkeys(name for one in points for name in one.axes)
    varying = [name for name in names if len({one.word(name) for one in points}) > 1]
    named: Named = lambda one: " ".join([one.precision, *(f"{name} {one.axes.get(name, '')}" for name in varying)])  # noqa: E731
    return choices(points, backends, named, "precision")


def by_backend_alone(points: Sequence[Point], _: Looks) -> Figure:
    """Where one sequence length was measured there is no line to draw: a row per backend, a panel per problem size."""
    sizes = grouped(sorted(points, key=lambda one: (one.size, one.latency.value)), lambda one: one.size)
    drawn, notes = some_of(list(sizes), "problem sizes")
    panels = []
    for size in drawn:
        panel = rows_panel(sizes[size], lambda one: one.backend, {one.backend: ("s0", 0) for one in points})
        dots = tuple(one for series in panel.series for one in series.dots)
        panels.append(replace(panel, series=(Series(label="", colour="s0", line=False, dots=dots),)))
    return Figure(panels=tuple(panels), table=plain_table(points), notes=notes)


def rows_panel(points: Sequence[Point], named: Named, backends: Looks) -> Panel:
    """A row per choice; of more than fit, some, evenly spaced."""
    rows = thinned(list(dict.fromkeys(named(one) for one in points)), MOST_ROWS)
    points = [one for one in points if named(one) in rows]
    unit, scale = unit_of(one.latency.value for one in points)
    series = []
    for name, mine in grouped(points, lambda one: one.backend).items():
        colour, marker = backends[name]
        dots = tuple(dot(rows.index(named(one)), one.latency, scale) for one in mine)
        series.append(Series(label=name, colour=colour, marker=marker, line=False, dots=dots))
    return Panel(
        title=size_label(points[0].size),
        kind="rows",
        x_label=f"median latency, {unit}",
        ticks=row_ticks(rows),
        log_values=wide(one.latency.value for one in points),
        series=tuple(series),
    )


def error_cell(point: Point) -> str:
    """Largest difference from fp32."""
    return "" if point.error is None else f"{point.error:.1e}"
