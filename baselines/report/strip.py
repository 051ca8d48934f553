"""The strip beside a benchmark: a dot for each accepted run in time order, and this run with its interval.

Geometry and words only; formats/sections/verdicts.html.jinja draws it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from baselines.report.rows import Row

WIDTH: Final = 180
HEIGHT: Final = 40
_MARGIN: Final = 6
_MOST_OF_ALL: Final = 3.0  # how much wider than the dots alone an interval may make the scale


@dataclass(frozen=True, kw_only=True)
class Strip:
    """One strip, in pixels from its upper left corner; larger values are higher."""

    dots: tuple[tuple[float, float, str | None], ...]
    """Of the accepted runs, with `regressed` or `improved` where one was accepted as that."""
    here: tuple[float, float]
    """Of this run."""
    interval: tuple[float, float]
    """Upper and lower end of the line through `here`, cut off at the edge where it goes beyond."""
    level: float
    """The height of what this run was compared with."""
    text: str
    """The same for those who do not see it."""


def strip_of(row: Row) -> Strip | None:
    """The strip of a benchmark; None where there is nothing to compare."""
    interval, accepted = row.measured_interval, row.accepted
    if interval is None or row.measured is None or row.baseline is None or not accepted:
        return None
    values = (*accepted, row.measured, row.baseline)
    lowest, highest = min(values), max(values)
    spare = _MOST_OF_ALL * (highest - lowest)
    bottom, top = max(min(lowest, interval[0]), lowest - spare), min(max(highest, interval[1]), highest + spare)
    scale = (HEIGHT - 2 * _MARGIN) / ((top - bottom) or 1.0)

    def height(value: float) -> float:
        middle = HEIGHT / 2 if top == bottom else HEIGHT - _MARGIN - (min(max(value, bottom), top) - bottom) * scale
        return round(middle, 1)

    step = (WIDTH - 2 * _MARGIN) / len(accepted)
    said = ", ".join(row.result.text_of(value) for value in accepted)
    low, high = (row.result.text_of(value) for value in interval)
    return Strip(
        dots=tuple(
            (round(_MARGIN + step * place, 1), height(value), mark)
            for place, (value, mark) in enumerate(zip(accepted, row.accepted_as, strict=True))
        ),
        here=(WIDTH - _MARGIN, height(row.measured)),
        interval=(height(interval[1]), height(interval[0])),
        level=height(row.baseline),
        text=f"{row.result.quantity} of the accepted runs, oldest first: {said}; this run: "
        f"{row.result.text_of(row.measured)}, {low} to {high}",
    )
