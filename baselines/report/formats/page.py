"""A comparison as one HTML file: nothing is fetched and no script runs. sections/ has its templates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from baselines.report.chosen import by_question, chosen, counted_rows, question_of
from baselines.report.claims import Answer
from baselines.report.duet_section import HEADS as DUET_HEADS
from baselines.report.explained_section import explained_sections
from baselines.report.figures.draw import MARKERS, draw, drawing
from baselines.report.figures.questions import HISTORY, figures_about, figures_of
from baselines.report.figures.shared import TABLE_HAS_ALL, thinned
from baselines.report.figures.values import Figure, Panel
from baselines.report.machine import all_packages, leading_packages, machine_facts
from baselines.report.rows import HEADS, Row
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
    """A figure with its drawings, and as much of its table as a page bears."""

    figure: Figure
    drawings: tuple[Any, ...]
    """SVG, safe as it is."""
    legend: tuple[tuple[str, str, str], ...]
    """Sign, colour and word of every series, and what the dashed line is."""
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Part:
    """Verdicts that are folded away together."""

    name: str
    counts: str
    rows: Sequence[tuple[Row, Strip | None]]
    left_out: str
    """How many of which verdict are not on the page; empty where all are."""


@dataclass(frozen=True, kw_only=True)
class Room:
    """How many rows a page has room for."""

    opened: int = 100
    """Of what needs a look, without being asked for."""
    looked_at: int = 900
    """Of it folded away, by question."""
    rest: int = 500
    """Of what needs no look."""
    table: int = 500
    """Of a table of numbers."""


EVERYTHING: Final = Room(opened=100, looked_at=10**9, rest=10**9, table=10**9)
"""For the page of one question."""


def page(view: View, question: str | None = None, room: Room | None = None) -> str:
    """The text of report.html, or of the page of one question; RunFileError where a library that it needs is not installed.

    A page about everything has room for so many rows, and counts the others; that of one question has all of them, and
    draws all.
    """
    import jinja2  # here, so that the other commands start without it

    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "sections"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters["cut"] = cut
    room = room or (EVERYTHING if question else Room())
    with drawing():
        explained = [] if question else [(one, drawn(one.figure, room)) for one in explained_sections(view.explained)]
        figures = [drawn(figure, room) for figure in (figures_about(view, question) if question else figures_of(view))]
    run = view.comparison.run
    rows = [row for row in view.rows if question in (None, question_of(row))]
    looked_at = chosen([row for row in rows if row.needs_reason], room.opened)
    rest, strips = [row for row in rows if not row.needs_reason], Strips()
    return templates.get_template("page.html.jinja").render(
        view=view,
        question=question,
        claims=[claim for claim in view.claims if question in (None, claim.question)],
        heads=HEADS,
        section=None if question else view.duet,
        duet_heads=DUET_HEADS,
        explained=explained,
        looked_at=strips.beside(looked_at.shown),
        more=parts_of(looked_at.left_out, room.looked_at, strips),
        rest=[everything(rest, strips)] if 0 < len(rest) <= room.rest else parts_of(rest, room.rest, strips),
        few=FEW,
        width=WIDTH,
        height=HEIGHT,
        figures=figures,
        answer_classes=ANSWER_CLASSES,
        machine=machine_facts(run),
        packages=leading_packages(run),
        all_packages=all_packages(run),
    )


def drawn(figure: Figure, room: Room) -> Drawn:
    """A figure with its drawings; within `drawing`."""
    from markupsafe import Markup

    rows = figure.table.rows if figure.table else ()
    if len(rows) > room.table:
        elsewhere = f"--question {figure.question} has all"
        figure = replace(figure, notes=tuple(note.replace(TABLE_HAS_ALL, elsewhere) for note in figure.notes))
    return Drawn(
        figure=figure,
        drawings=tuple(
            Markup(draw(panel, f"{figure.name}-{number}"))  # noqa: S704 - svg.py serialised it, every text escaped
            for number, panel in enumerate(figure.panels, start=1)
        ),
        legend=tuple(legend_of(figure.panels)),
        rows=tuple(rows[: room.table] if figure.question == HISTORY else thinned(rows, room.table)),
    )


class Strips:
    """Strips beside rows, no more than a page can bear: those that are asked for first have one."""

    def __init__(self) -> None:
        self.drawn = 0

    def beside(self, rows: Iterable[Row]) -> list[tuple[Row, Strip | None]]:
        """Each row with its strip, where it has something to show."""
        found = []
        for row in rows:
            strip = strip_of(row) if self.drawn < MOST_STRIPS else None
            self.drawn += strip is not None
            found.append((row, strip))
        return found


def everything(rows: Sequence[Row], strips: Strips) -> Part:
    """All rows in one part."""
    return Part(name="", counts=str(len(rows)), rows=strips.beside(rows), left_out="")


def parts_of(rows: Sequence[Row], most: int, strips: Strips) -> list[Part]:
    """Rows by question; of all that there are so many, shared by the questions."""
    questions = by_question(rows)
    found = []
    for place, (name, mine) in enumerate(sorted(questions.items(), key=lambda item: len(item[1]))):
        shown = mine[: most // (len(questions) - place)]
        most -= len(shown)
        left_out = counted_rows(mine[len(shown) :])
        found.append(Part(name=name, counts=counted_rows(mine), rows=strips.beside(shown), left_out=left_out))
    return found


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
