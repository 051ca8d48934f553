"""What several figures need: colours of backends, units, rows of tables, and how much fits into a figure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeVar

from baselines.deploying.promise import Promise
from baselines.judging.wording import duration_text, three_digits
from baselines.report.figures.values import COLOURS, MOST_PANELS, Dot, short
from baselines.report.points import Point

UNITS: Final = (("s", 1.0), ("ms", 1e3), ("µs", 1e6), ("ns", 1e9))
WIDE: Final = 4.0
"""From this ratio of the largest to the smallest value on a scale is logarithmic."""

TABLE_HAS_ALL: Final = "the table has all"
"""What a note says of what is not drawn."""

Looks = Mapping[str, tuple[str, int]]
"""By name, the colour and the marker of a series."""

_Value = TypeVar("_Value")


def unit_of(values_s: Iterable[float]) -> tuple[str, float]:
    """The unit in which the geometric middle of some durations is at least 1, and how many of it a second has."""
    listed = list(values_s)
    middle = math.sqrt(min(listed) * max(listed)) if listed else 1.0
    return next(((name, scale) for name, scale in UNITS if middle * scale >= 0.9995), UNITS[-1])


def wide(values: Iterable[float]) -> bool:
    """Whether a logarithmic scale shows values better than one from zero."""
    listed = [value for value in values if value > 0]
    return bool(listed) and max(listed) > WIDE * min(listed)


def dot(x: float, promise: Promise, scale: float = 1.0) -> Dot:
    """A value with its interval, in a unit of which there are `scale` to one."""
    return Dot(x=x, value=promise.value * scale, low=promise.low * scale, high=promise.high * scale)


def looks(names: Iterable[str]) -> Looks:
    """A colour and a marker for each name, in the order in which they come; the ninth has the first's colour again."""
    listed = list(dict.fromkeys(names))
    return {name: (COLOURS[place % len(COLOURS)], place) for place, name in enumerate(listed)}


def thinned(values: Sequence[_Value], kept: int) -> list[_Value]:
    """At most `kept` of some values, evenly spaced, the first and the last among them."""
    if len(values) <= kept:
        return list(values)
    return [values[round(place * (len(values) - 1) / (kept - 1))] for place in range(kept)]


def some_of(values: Sequence[_Value], what: str, most: int = MOST_PANELS) -> tuple[list[_Value], tuple[str, ...]]:
    """Those that are drawn, as `thinned` picks them, and a note where they are not all."""
    drawn = thinned(values, most)
    return drawn, left_out(len(drawn), len(values), what)


def left_out(drawn: int, of: int, what: str) -> tuple[str, ...]:
    """A note where not all is drawn."""
    return () if drawn >= of else (f"{drawn} of {of} {what} are drawn; {TABLE_HAS_ALL}.",)


def row_ticks(rows: Sequence[str]) -> tuple[tuple[float, str], ...]:
    """A tick per row."""
    return tuple((float(place), short(text)) for place, text in enumerate(rows))


def latency_cells(point: Point) -> tuple[str, str]:
    """Median latency, and where new runs lie."""
    latency = point.latency
    return duration_text(latency.value), f"{duration_text(latency.low)} to {duration_text(latency.high)}"


def throughput_cells(point: Point) -> tuple[str, str]:
    """Samples per second, and where new runs lie; empty where the file does not say."""
    throughput = point.throughput
    if throughput is None:
        return "", ""
    return three_digits(throughput.value), f"{three_digits(throughput.low)} to {three_digits(throughput.high)}"


def tail_cell(point: Point) -> str:
    """`p99 12.0 ms`."""
    return "" if point.tail is None or not point.tail[1] else f"{point.tail[0]} {duration_text(point.tail[1])}"


def axes_text(axes: Mapping[str, str | int]) -> str:
    """`threads 2`; a word without its name, and `default` not at all."""
    words = [f"{name} {value}" if isinstance(value, int) else value for name, value in axes.items()]
    return " ".join(dict.fromkeys(word for word in words if word)) or "as it comes"
