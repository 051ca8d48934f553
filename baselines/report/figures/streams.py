"""Smart dispatching: latency under one stream of requests by policy, and the rate that each policy sustained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from baselines.judging.wording import three_digits
from baselines.report.figures.shared import Looks, dot, latency_cells, row_ticks, some_of, tail_cell, unit_of, wide
from baselines.report.figures.values import MOST_ROWS, Dot, Figure, Panel, Series, Table
from baselines.report.points import Point, grouped, number

POLICIES: Final = {"one": "one instance on all cores", "equal": "equal instances", "pools": "pools by length"}

HOW_TO_READ: Final = (
    "Every policy is offered the same requests at the same moments; a latency counts from a request's arrival. "
    "The sustained rate is the highest at which the tail stayed under a bound; it has no interval: the search goes "
    "in steps."
)


def dispatching(points: Sequence[Point], _: Looks) -> Figure:
    """Median and tail latency by policy, and the rate that each sustained; two panels per backend."""
    by_name = grouped(points, lambda one: one.backend)
    drawn, notes = some_of(list(by_name), "backends", 3)
    panels = []
    for name in drawn:
        mine = sorted(by_name[name], key=policy_order)[:MOST_ROWS]
        panels += [latency_panel(name, mine), *rate_panel(name, mine)]
    heads: tuple[str, ...] = ("backend", "policy", "median", "new runs lie within", "tail")
    heads += ("offered per s", "sustained per s", "broken at", "padding")
    rows = tuple(map(dispatching_row, sorted(points, key=policy_order)))
    return Figure(panels=tuple(panels), table=Table(heads=heads, rows=rows, words=2), notes=(HOW_TO_READ, *notes))


def latency_panel(name: str, points: Sequence[Point]) -> Panel:
    """Median and tail of each policy."""
    unit, scale = unit_of(one.latency.value for one in points)
    medians = tuple(dot(place, one.latency, scale) for place, one in enumerate(points))
    series = [Series(label="median", colour="s0", line=False, dots=medians)]
    tails = {place: one.tail for place, one in enumerate(points) if one.tail}
    if tails:
        words = " or ".join(sorted({word for word, _ in tails.values()}))
        dots = tuple(exactly(place, seconds * scale) for place, (_, seconds) in tails.items())
        series.append(Series(label=f"tail ({words})", colour="s1", marker=1, line=False, dots=dots))
    return Panel(
        title=f"{name}: latency of a request",
        kind="rows",
        x_label=unit,
        ticks=row_ticks([policy_text(one) for one in points]),
        log_values=wide([*(seconds for _, seconds in tails.values()), *(one.latency.value for one in points)]),
        series=tuple(series),
    )


def rate_panel(name: str, points: Sequence[Point]) -> list[Panel]:
    """Sustained rate of each policy; nothing where none was searched for."""
    rates = {place: rate for place, one in enumerate(points) if (rate := sustained(one)) is not None}
    if not rates:
        return []
    dots = tuple(exactly(place, rate) for place, rate in rates.items())
    return [
        Panel(
            title=f"{name}: sustained rate",
            kind="rows",
            x_label="requests per second",
            ticks=row_ticks([policy_text(one) for one in points]),
            log_values=wide(rates.values()),
            series=(Series(label="sustained rate", colour="s2", marker=2, line=False, dots=dots),),
        )
    ]


def exactly(place: int, value: float) -> Dot:
    """A value without an interval."""
    return Dot(x=place, value=value, low=value, high=value)


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
