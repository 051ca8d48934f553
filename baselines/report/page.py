"""A comparison as one HTML file: nothing is fetched and no script runs. page.html.jinja holds its sections."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from baselines.report.duet import HEADS as DUET_HEADS
from baselines.report.strip import HEIGHT, WIDTH, Strip, strip_of
from baselines.report.view import HEADS, View

MOST_STRIPS: Final = 200
"""Strips on a page; the worst benchmarks have one."""


def page(view: View) -> str:
    """The text of report.html."""
    import jinja2  # here, so that the other commands start without it

    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return templates.get_template("page.html.jinja").render(
        view=view,
        heads=HEADS,
        section=view.duet,
        duet_heads=DUET_HEADS,
        rows=list(zip(view.rows, strips_of(view), strict=True)),
        width=WIDTH,
        height=HEIGHT,
    )


def strips_of(view: View) -> list[Strip | None]:
    """A strip for each of the worst rows that has something to show."""
    strips: list[Strip | None] = []
    drawn = 0
    for row in view.rows:
        strip = strip_of(row) if drawn < MOST_STRIPS else None
        drawn += strip is not None
        strips.append(strip)
    return strips
