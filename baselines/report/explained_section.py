"""The section of a report about benchmarks that were explained: a table, a bar figure and a sentence for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from baselines.explaining import wording
from baselines.explaining.explanation import Explanation, Row
from baselines.report.figures.shared import row_ticks
from baselines.report.figures.values import MOST_ROWS, Dot, Figure, Panel, Series

NAMED: Final = "bad"
NOT_NAMED: Final = "calm"
"""Colours of bars."""


@dataclass(frozen=True, kw_only=True)
class ExplainedSection:
    """What the page shows of one benchmark; each text is one printable line."""

    title: str
    headline: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    layer_heads: tuple[str, ...]
    layers: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    figure: Figure


def explained_sections(found: Sequence[Explanation]) -> list[ExplainedSection]:
    """A section for each."""
    return [_section(one, number) for number, one in enumerate(found, start=1)]


def _section(said: Explanation, number: int) -> ExplainedSection:
    unit, heads = wording.unit_of(said), wording.heads_of(said)
    told = said.not_told is None and said.whole is not None
    layers = "" if said.layers or not told else "Layers are not told: names do not say them."
    traces = f"Traces, for Perfetto or speedscope: {said.folder}/*.trace.json beside the run."
    cost = f"{wording.cost_text(said).capitalize()}."
    return ExplainedSection(
        title=wording.title_of(said) if told else wording.label_of(said),
        headline=wording.headline(said),
        heads=heads,
        rows=tuple(wording.table_of(said, said.classes, unit)) if told else (),
        layer_heads=("layer", *heads[1:-1]),
        layers=tuple(row[:-1] for row in wording.table_of(said, said.layers, unit)) if told else (),
        notes=tuple(note for note in (cost, traces, layers) if note) if told else (),
        figure=Figure(name=f"explained-{number}", panels=_panels(said, unit) if told else ()),
    )


def _panels(said: Explanation, unit: wording.Unit) -> tuple[Panel, ...]:
    what = f"{'difference' if said.reference else 'time'} of a forward pass, {unit.name}"
    by_class = _panel(said.backend, said.classes, what, unit)
    if not said.layers:
        return (by_class,)
    return by_class, _panel(f"{said.backend}, kernels by layer", said.layers[:MOST_ROWS], what, unit)


def _panel(title: str, rows: Sequence[Row], x_label: str, unit: wording.Unit) -> Panel:
    series = []
    for colour, named in ((NAMED, True), (NOT_NAMED, False)):
        dots = tuple(_dot(place, row, unit.scale) for place, row in enumerate(rows) if row.named is named)
        if dots:
            series.append(Series(label="named" if named else "", colour=colour, line=False, dots=dots))
    names = [row.name for row in rows]
    return Panel(
        title=title,
        kind="bars",
        x_label=x_label,
        ticks=row_ticks(names),
        series=tuple(series),
        from_zero=all(row.difference is None for row in rows),
    )


def _dot(place: int, row: Row, scale: float) -> Dot:
    if row.difference is None:
        return Dot(x=place, value=row.measured_s * scale, low=row.low_s * scale, high=row.high_s * scale)
    one = row.difference
    return Dot(x=place, value=one.seconds * scale, low=one.low * scale, high=one.high * scale)
