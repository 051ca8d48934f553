"""A figure as values: what is drawn and what is in its table. No drawing, and no file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

MOST_PANELS: Final = 6
MOST_SERIES: Final = 8
MOST_ROWS: Final = 14
"""Of panels in a figure, of series and of rows in a panel; the table has all."""

NAME_LENGTH: Final = 28
"""Characters of a name inside a drawing; the table has all of it."""

COLOURS: Final = tuple(f"s{number}" for number in range(MOST_SERIES))
"""Of series: names that formats/sections/style.css gives a colour, another one in the dark."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Dot:
    """One measured value with its interval."""

    x: float
    """Where it is; in a panel of rows, the row."""
    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """Values that share a colour and a marker."""

    label: str
    dots: tuple[Dot, ...]
    colour: str
    """One of COLOURS, or a word of the page: `bad`, `quiet`."""
    marker: int = 0
    line: bool = True
    """Whether a line joins them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Band:
    """CPUs side by side that did the same in one row of a map."""

    row: int
    first: int
    count: int
    busy: float
    """Share of the time, 0 to 1."""
    colour: str | None
    """Of the instance that they were granted to; None: granted to nobody."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """One drawing."""

    title: str
    kind: Literal["lines", "rows", "bars", "cpus"] = "lines"
    x_label: str
    y_label: str = ""
    ticks: tuple[tuple[float, str], ...] = ()
    """Of the x axis; of the rows where the panel has rows."""
    log_x: bool = False
    log_values: bool = False
    ideal: str | None = None
    """What the dashed line y = x means; None: there is none."""
    from_zero: bool = True
    """Whether a scale that is not logarithmic begins at 0."""
    level: float | None = None
    """Where a dashed line goes across."""
    series: tuple[Series, ...] = ()
    bands: tuple[Band, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """All the numbers behind a figure."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1
    """How many of the first columns are words; the others are numbers, flush right."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One question, or why there is no answer."""

    name: str = ""
    """For a link; this, title and lead are those of its question (questions.py)."""
    question: str = ""
    """How a page about it alone is asked for."""
    title: str = ""
    lead: str = ""
    """What the study asked and showed, in a sentence or two."""
    panels: tuple[Panel, ...] = ()
    table: Table | None = None
    notes: tuple[str, ...] = ()
    """How to read it, and what was left out."""
    reason: str | None = None
    """Why there are no panels."""


def short(text: str, length: int = NAME_LENGTH) -> str:
    """A name cut so that it fits into a drawing."""
    return text if len(text) <= length else f"{text[: length - 1]}…"
