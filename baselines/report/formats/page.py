"""A comparison as one HTML file: nothing is fetched and no script runs. sections/ has its templates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from baselines.report.claims import Answer
from baselines.report.duet_section import HEADS as DUET_HEADS
from baselines.report.figures.draw import MARKERS, draw, drawing
from baselines.report.figures.questions import figures_of
from baselines.report.figures.values import Figure, Panel
from baselines.report.machine import all_packages, leading_packages, machine_facts
from baselines.report.rows import HEADS
from baselines.report.strip import HEIGHT, WIDTH, Strip, strip_of
from baselines.report.view import View

MOST_STRIPS: Final = 200
"""Strips on a page; the worst benchmarks have one."""
FEW: Final = 20
"""Up to so many rows that need no look are not folded away."""
SIGNS: Final = dict(zip(MARKERS, "●■▲◆▼✚✖⬟", strict=True))
"""A drawing's markers, for a legend in words."""
LONGEST: Final = 300
"""Characters of a cell that is shown; whoever needs more of a name has the JSON."""

ANSWER_CLASSES: Final = {
    Answer.HOLDS: "passed",
    Answer.FAILS: "regressed",
    Answer.IN_PART: "inconclusive",
    Answer.OPEN: "inconclusive",
    Answer.UNTESTED: "untested",
}


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A figure with its drawings."""

    figure: Figure
    drawings: tuple[Any, ...]
    """SVG, safe as it is."""
    legend: tuple[tuple[str, str, str], ...]
    """Sign, colour and word of every series, and what the dashed line is."""


def page(view: View) -> str:
    """The text of report.html; RunFileError where a library that it needs is not installed."""
    import jinja2  # here, so that the other commands start without it
    from markupsafe import Markup

    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "sections"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters["cut"] = cut
    with drawing():
        drawn = [
            Drawn(
                figure=figure,
                drawings=tuple(
                    Markup(draw(panel, f"{figure.name}-{number}"))  # noqa: S704 - svg.py serialised it, every text escaped
                    for number, panel in enumerate(figure.panels, start=1)
                ),
                legend=tuple(legend_of(figure.panels)),
            )
            for figure in figures_of(view)
        ]
    run, rows = view.comparison.run, list(zip(view.rows, strips_of(view), strict=True))
    return templates.get_template("page.html.jinja").render(
        view=view,
        heads=HEADS,
        section=view.duet,
        duet_heads=DUET_HEADS,
        looked_at=[pair for pair in rows if pair[0].needs_reason],
        rest=[pair for pair in rows if not pair[0].needs_reason],
        few=FEW,
        width=WIDTH,
        height=HEIGHT,
        figures=drawn,
        answer_classes=ANSWER_CLASSES,
        machine=machine_facts(run),
        packages=leading_packages(run),
        all_packages=all_packages(run),
    )


def legend_of(panels: Sequence[Panel]) -> list[tuple[str, str, str]]:
    """Each series once, over all panels of a figure; those without a name need none."""
    found: dict[tuple[str, str, str], None] = {}
    for panel in panels:
        for one in panel.series:
            sign = "■" if panel.kind == "cpus" else SIGNS[MARKERS[one.marker % len(MARKERS)]]
            if one.label:
                found[sign, one.colour, one.label] = None
        if panel.ideal:
            found["╌", "quiet", panel.ideal] = None
        if panel.level is not None:
            found["┄", "quiet", "what it was compared with"] = None
    return list(found)


def cut(text: str) -> str:
    """A text as a cell shows it."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text)} characters)"


def strips_of(view: View) -> list[Strip | None]:
    """A strip for each of the worst rows that has something to show."""
    strips: list[Strip | None] = []
    drawn = 0
    for row in view.rows:
        strip = strip_of(row) if drawn < MOST_STRIPS else None
        drawn += strip is not None
        strips.append(strip)
    return strips
