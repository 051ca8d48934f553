"""History: the accepted runs of a benchmark in time order, and this run with its verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from baselines.judging.judgement import Verdict
from baselines.report.figures.shared import TABLE_HAS_ALL, unit_of, wide
from baselines.report.figures.values import MOST_PANELS, Dot, Figure, Panel, Series, Table, short
from baselines.report.rows import Row, own_value

COLOUR: Final = {
    Verdict.REGRESSED: "bad",
    Verdict.MISSING: "bad",
    Verdict.INCONCLUSIVE: "doubt",
    Verdict.INCOMPARABLE: "doubt",
    Verdict.IMPROVED: "good",
    Verdict.PASSED: "good",
    Verdict.NEW: "calm",
}

HOW_TO_READ: Final = (
    "Oldest first, this run last. The line is what this run was compared with. ▲ accepted as a regression, "
    "▼ as an improvement: a new level from there on."
)


def history(rows: Sequence[Row]) -> Figure:
    """A panel for each of the worst benchmarks; the table has all that were accepted before."""
    told = [row for row in rows if row.past is not None]
    drawn = [row for row in told if row.measured is not None][:MOST_PANELS]
    of_all = f"The {len(drawn)} worst of {len(told)} are drawn; {TABLE_HAS_ALL}. " if len(told) > len(drawn) else ""
    most = max((len(row.accepted) for row in told), default=0)
    heads = ("benchmark", "verdict", *(f"-{place}" for place in range(most, 0, -1)), "this run")
    return Figure(
        panels=tuple(map(panel_of, drawn)),
        table=Table(heads=heads, rows=tuple(row_of(row, most) for row in told), words=2) if told else None,
        notes=(f"{of_all}{HOW_TO_READ}",) if told else (),
        reason=None
        if drawn
        else "no accepted run holds any of these benchmarks; python -m baselines accept makes this run one",
    )


def panel_of(row: Row) -> Panel:
    """The history of one benchmark."""
    accepted = row.past.recent if row.past is not None else ()
    values = [own_value(result) for result in accepted]
    measured = row.measured or 0.0
    unit, scale = ("samples/s", 1.0) if row.result.by_throughput else unit_of([*values, measured])
    low, high = row.measured_interval or (measured, measured)
    verdict = row.judgement.verdict

    def marked(how: str | None) -> tuple[Dot, ...]:
        return tuple(
            Dot(x=place, value=value * scale, low=value * scale, high=value * scale)
            for place, (value, result) in enumerate(zip(values, accepted, strict=True))
            if result.accepted_as == how
        )

    series = [
        Series(label="accepted", colour="quiet", line=False, dots=marked(None)),
        Series(label="accepted as regressed", colour="bad", marker=2, line=False, dots=marked("regressed")),
        Series(label="accepted as improved", colour="good", marker=4, line=False, dots=marked("improved")),
        Series(
            label=f"this run: {verdict.value}",
            colour=COLOUR[verdict],
            marker=3,
            line=False,
            dots=(Dot(x=len(values), value=measured * scale, low=low * scale, high=high * scale),),
        ),
    ]
    dates = [f"-{len(values) - place}" for place in range(len(values))]
    return Panel(
        title=short(row.label, 60),
        x_label="accepted runs before this one",
        y_label=f"{row.result.quantity}, {unit}",
        ticks=tuple(enumerate([*dates, "now"])),
        log_values=wide([*values, measured]),
        from_zero=False,
        level=None if row.baseline is None else row.baseline * scale,
        series=tuple(one for one in series if one.dots),
    )


def row_of(row: Row, most: int) -> tuple[str, ...]:
    """Accepted values, right-aligned in time, and the run's own."""
    before = [row.result.text_of(value) for value in row.accepted]
    here = "" if row.measured is None else row.result.text_of(row.measured)
    return (row.label, row.judgement.verdict.value, *[""] * (most - len(before)), *before, here)
