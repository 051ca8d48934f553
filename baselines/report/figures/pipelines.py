"""The figure of pipelines: what the call takes that makes vectors of texts, and the table with its stages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from baselines.files.reading_values import mapping
from baselines.judging.wording import duration_text, one_line, three_digits
from baselines.report.figures.choices import rows_panel
from baselines.report.figures.shared import Looks, latency_cells, some_of
from baselines.report.figures.values import Figure, Table
from baselines.report.points import Point, grouped, number

STAGES: Final = ("tokenise", "pad", "forward", "pool", "normalise")
HEADS: Final = (
    *("pipeline", "texts x tokens", "median", "new runs lie within", "texts/s", *STAGES, "around them"),
    *("plain call in turns", "call with stages / plain", "least cosine"),
)
FAR_APART: Final = 0.02
"""Stages are those of the call as long as the call that marks them takes what the plain one does, but for this share."""


def pipelines(points: Sequence[Point], backends: Looks) -> Figure:
    """A row per pipeline, a panel per number of texts and their length."""
    sizes = grouped(sorted(points, key=lambda one: (one.size, one.latency.value)), lambda one: one.size)
    drawn, notes = some_of(list(sizes), "problem sizes")
    panels = tuple(rows_panel(sizes[size], named, backends) for size in drawn)
    rows = tuple(row(one) for one in sorted(points, key=lambda one: (one.size, one.backend)))
    return Figure(panels=panels, table=Table(heads=HEADS, rows=rows, words=2), notes=(*notes, *asides(points)))


def named(point: Point) -> str:
    """`fastembed`, or `fastembed, threads 2`."""
    return f"{point.backend}, threads {point.count('threads')}" if "threads" in point.axes else point.backend


def row(point: Point) -> tuple[str, ...]:
    """What the table says of a benchmark, under HEADS."""
    words, throughput = point.pipeline, point.throughput
    apart = signed(words, "apart")
    return (
        named(point),
        point.size_text,
        *latency_cells(point),
        "" if throughput is None else three_digits(throughput.value),
        *(seconds(mapping(words.get("stages_s")), stage) for stage in STAGES),
        seconds(words, "around_s"),
        seconds(words, "whole_s"),
        "" if apart is None else f"{1 + apart:.3f}",
        "" if point.cosine is None else f"{point.cosine:.6f}",
    )


def asides(points: Sequence[Point]) -> Iterable[str]:
    """Which stages nobody could tell apart, and where the call that marks them was another one than the plain call."""
    reasons = {
        (point.backend, one_line(str(stage))): one_line(str(reason))
        for point in points
        for stage, reason in mapping(point.pipeline.get("not_told")).items()
    }
    for (backend, stage), reason in reasons.items():
        yield f"{backend} does not tell {stage}: {reason}"
    for point in points:
        if failed := point.pipeline.get("failed"):
            yield f"{named(point)} at {point.size_text} has no stages: {one_line(str(failed))}"
    for point in points:
        apart = signed(point.pipeline, "apart")
        if apart is not None and abs(apart) > FAR_APART:
            yield (
                f"{named(point)} at {point.size_text}: the call that marks its stages took {1 + apart:.2f} times what the "
                "plain one did, so they are not its stages to within 2 %"
            )


def seconds(words: Mapping[str, Any], name: str) -> str:
    """A duration; empty where the file does not say."""
    value = number(words.get(name))
    return "" if value is None else duration_text(value)


def signed(words: Mapping[str, Any], name: str) -> float | None:
    """A number that may be negative; None where the file does not say."""
    value = words.get(name)
    shifted = number(1 + value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    return None if shifted is None else shifted - 1
