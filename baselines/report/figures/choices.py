"""Figures that compare choices by name: a row per choice, a dot per backend, and a panel per problem size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from baselines.judging.wording import three_digits
from baselines.report.figures.shared import (
    axes_text,
    dot,
    latency_cells,
    left_out,
    spread_over,
    tail_cell,
    throughput_cells,
    unit_of,
    wide,
)
from baselines.report.figures.values import MOST_ROWS, Dot, Figure, Panel, Series, Table, short
from baselines.report.points import Point, grouped, number

Looks = Mapping[str, tuple[str, int]]

POLICIES: Final = {"one": "one instance on all cores", "equal": "equal instances", "pools": "pools by length"}

HOW_TO_READ: Final = (
    "Every policy is offered the same requests at the same moments; a latency counts from a request's arrival. "
    "The sustained rate is the highest at which the tail stayed under a bound; it has no interval: the search goes "
    "in steps."
)


def choices(
    points: Sequence[Point],
    *,
    name: str,
    title: str,
    lead: str,
    backends: Looks,
    row: Callable[[Point], str] | None = None,
    heads: tuple[str, ...] = ("choice",),
) -> Figure:
    """Latency by a choice that has a name.

    Args:
        points: of one question.
        name: of the figure.
        title: its heading.
        lead: what the study said.
        backends: colour and marker of each.
        row: how the choice of a point is called; None: by its axes.
        heads: over the column of the choice.
    """
    named = row or (lambda one: axes_text(one.axes))
    sizes = grouped(sorted(points, key=lambda one: one.size), lambda one: one.size)
    drawn = spread_over(list(sizes))
    rows = tuple(
        (one.backend, named(one), one.size_text, *latency_cells(one), *throughput_cells(one), error_cell(one))
        for one in sorted(points, key=lambda one: (one.size, one.backend))
    )
    table_heads = (
        "backend",
        *heads,
        "batch x sequence",
        "median",
        "new runs lie within",
        "samples/s",
        "within",
        "max. error",
    )
    return Figure(
        name=name,
        title=title,
        lead=lead,
        panels=tuple(rows_panel(sizes[size], named, backends) for size in drawn),
        table=Table(heads=table_heads, rows=rows, words=3),
        notes=left_out(len(drawn), len(sizes), "problem sizes"),
    )


def rows_panel(points: Sequence[Point], named: Callable[[Point], str], backends: Looks) -> Panel:
    """A row per choice; of more than fit, the first."""
    rows = list(dict.fromkeys(named(one) for one in points))[:MOST_ROWS]
    unit, scale = unit_of(one.latency.value for one in points)
    series = []
    for name, mine in grouped(points, lambda one: one.backend).items():
        colour, marker = backends[name]
        dots = tuple(dot(rows.index(named(one)), one.latency, scale) for one in mine if named(one) in rows)
        series.append(Series(label=name, colour=colour, marker=marker, line=False, dots=dots))
    return Panel(
        title=f"batch {points[0].batch_size}, {points[0].sequence_length} tokens",
        kind="rows",
        x_label=f"median latency, {unit}",
        ticks=row_ticks(rows),
        log_values=wide(one.latency.value for one in points),
        series=tuple(series),
    )


def row_ticks(rows: Sequence[str]) -> tuple[tuple[float, str], ...]:
    """A tick per row."""
    return tuple((float(place), short(text)) for place, text in enumerate(rows))


def by_backend_alone(points: Sequence[Point], *, name: str, title: str, lead: str, table: Table) -> Figure:
    """Where one sequence length was measured there is no line to draw: a row per backend, a panel per problem size."""
    sizes = grouped(sorted(points, key=lambda one: (one.size, one.latency.value)), lambda one: one.size)
    drawn = spread_over(list(sizes))
    panels = tuple(
        rows_panel(sizes[size], lambda one: one.backend, {one.backend: ("s0", 0) for one in points}) for size in drawn
    )
    merged = tuple(
        Panel(
            title=panel.title,
            kind="rows",
            x_label=panel.x_label,
            ticks=panel.ticks,
            log_values=panel.log_values,
            series=(Series(label="", colour="s0", line=False, dots=tuple(one for s in panel.series for one in s.dots)),),
        )
        for panel in panels
    )
    notes = left_out(len(drawn), len(sizes), "problem sizes")
    return Figure(name=name, title=title, lead=lead, panels=merged, table=table, notes=notes)


def dispatching(points: Sequence[Point], lead: str, title: str) -> Figure:
    """Median and tail latency by policy, and the rate that each sustained; two panels per backend."""
    by_name = grouped(points, lambda one: one.backend)
    drawn = spread_over(list(by_name), 3)
    panels = []
    for name in drawn:
        mine = sorted(by_name[name], key=policy_order)[:MOST_ROWS]
        panels += [latency_panel(name, mine), *rate_panel(name, mine)]
    heads = (
        "backend",
        "policy",
        "median",
        "new runs lie within",
        "tail",
        "offered per s",
        "sustained per s",
        "broken at",
        "padding",
    )
    return Figure(
        name="smart_dispatching",
        title=title,
        lead=lead,
        panels=tuple(panels),
        table=Table(heads=heads, rows=tuple(map(dispatching_row, sorted(points, key=policy_order))), words=2),
        notes=(
            HOW_TO_READ,
            *left_out(len(drawn), len(by_name), "backends"),
        ),
    )


def latency_panel(name: str, points: Sequence[Point]) -> Panel:
    """Median and tail of each policy."""
    tails = [one.tail[1] for one in points if one.tail]
    unit, scale = unit_of(one.latency.value for one in points)
    medians = tuple(dot(place, one.latency, scale) for place, one in enumerate(points))
    tail = tuple(
        Dot(x=place, value=one.tail[1] * scale, low=one.tail[1] * scale, high=one.tail[1] * scale)
        for place, one in enumerate(points)
        if one.tail
    )
    series = [Series(label="median", colour="s0", line=False, dots=medians)]
    if tail:
        words = " or ".join(sorted({one.tail[0] for one in points if one.tail}))
        series.append(Series(label=f"tail ({words})", colour="s1", marker=1, line=False, dots=tail))
    return Panel(
        title=f"{name}: latency of a request",
        kind="rows",
        x_label=unit,
        ticks=row_ticks([policy_text(one) for one in points]),
        log_values=wide([*tails, *(one.latency.value for one in points)]),
        series=tuple(series),
    )


def rate_panel(name: str, points: Sequence[Point]) -> list[Panel]:
    """Sustained rate of each policy; nothing where none was searched for."""
    rates = [(place, rate) for place, one in enumerate(points) if (rate := sustained(one)) is not None]
    if not rates:
        return []
    dots = tuple(Dot(x=place, value=rate, low=rate, high=rate) for place, rate in rates)
    return [
        Panel(
            title=f"{name}: sustained rate",
            kind="rows",
            x_label="requests per second",
            ticks=row_ticks([policy_text(one) for one in points]),
            log_values=wide(rate for _, rate in rates),
            series=(Series(label="sustained rate", colour="s2", marker=2, line=False, dots=dots),),
        )
    ]


def dispatching_row(point: Point) -> tuple[str, ...]:
    """One row of the table of `dispatching`."""
    words = point.dispatching
    found = words.get("sustained")
    broken = number(found.get("broken_at_per_s")) if isinstance(found, dict) else None
    padding = number(words.get("padding_share"))
    return (
        point.backend,
        policy_text(point),
        *latency_cells(point),
        tail_cell(point),
        rate_text(number(words.get("offered_per_s"))),
        rate_text(sustained(point)),
        rate_text(broken),
        "" if padding is None else f"{100 * padding:.0f} %",
    )


def sustained(point: Point) -> float | None:
    """The highest rate that a policy held, in requests per second; None where it was not searched for, or none held."""
    found = point.dispatching.get("sustained")
    return (number(found.get("rate_per_s")) or None) if isinstance(found, dict) else None


def rate_text(rate: float | None) -> str:
    """`229`; empty for none."""
    return three_digits(rate) if rate else ""


def policy_text(point: Point) -> str:
    """A policy in words."""
    return POLICIES.get(point.word("policy"), point.word("policy"))


def policy_order(point: Point) -> tuple[str, int, str]:
    """By backend, then from the simplest policy on."""
    policy = point.word("policy")
    return point.backend, list(POLICIES).index(policy) if policy in POLICIES else len(POLICIES), policy


def error_cell(point: Point) -> str:
    """Largest difference from fp32."""
    return "" if point.error is None else f"{point.error:.1e}"
