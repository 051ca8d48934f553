"""The figure of padding: latency by mask and by way of serving, real tokens per second, and whether the ranking changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Final

from baselines.files.result import SERVED
from baselines.judging.wording import counted, duration_text, three_digits
from baselines.report.claims import above
from baselines.report.compared import Compared, measured
from baselines.report.figures.choices import choices, error_cell
from baselines.report.figures.shared import Looks
from baselines.report.figures.values import Figure, Table
from baselines.report.points import Point, grouped, number

MASKS: Final = ("none", "one", "half")
HEADS: Final = (
    *("backend", "padding", "batch x sequence", "median", "new runs lie within", "samples/s", "real tokens/s"),
    *("padded positions", "max. error"),
)


def padding(points: Sequence[Point], backends: Looks) -> Figure:
    """A row per mask or way of serving, a dot per backend; the table has what of the work was padding.

    A mask is of one batch, a way of serving of several: the dots are means for one passage.
    """
    order = {word: place for place, word in enumerate((*MASKS, *SERVED))}
    ordered = sorted(points, key=lambda one: order.get(one.word("padding"), len(order)))
    known = all(one.result.throughput_per_s for one in ordered)
    figure = choices([for_one(one) for one in ordered] if known else ordered, backends, named, "padding")
    panels = figure.panels
    if known:
        panels = tuple(replace(one, x_label=one.x_label.replace("median latency", "mean for one passage")) for one in panels)
    rows = tuple(row(one) for one in sorted(ordered, key=lambda one: (one.size, one.backend)))
    notes = (*figure.notes, *rankings(ordered), *subnormals(ordered))
    return replace(figure, panels=panels, table=Table(heads=HEADS, rows=rows, words=3), notes=notes)


def for_one(point: Point) -> Point:
    """The same with the seconds that a passage takes on average in place of the median of a round."""
    rate = point.result.throughput_per_s
    return replace(point, result=replace(point.result, median_s=1 / rate)) if rate else point


def named(point: Point) -> str:
    """`mask: half`, `served: token budget`."""
    word = point.word("padding")
    return f"{'mask' if word in MASKS else 'served'}: {word.replace('_', ' ')}"


def row(point: Point) -> tuple[str, ...]:
    """What the table says of a benchmark, under HEADS."""
    latency, rate = point.latency, number(point.tokens.get("real_per_s"))
    real, computed = number(point.tokens.get("real")), number(point.tokens.get("computed"))
    return (
        point.backend,
        named(point),
        point.size_text,
        duration_text(latency.value),
        f"{duration_text(latency.low)} to {duration_text(latency.high)}",
        "" if point.throughput is None else three_digits(point.throughput.value),
        "" if rate is None else three_digits(rate),
        "" if real is None or not computed else f"{1 - real / computed:.0%}",
        error_cell(point),
    )


def rankings(points: Sequence[Point]) -> Iterable[str]:
    """Whether backends come in another order with a mask than without, pair by pair, as far as their intervals tell."""
    for size, mine in grouped(points, lambda one: one.size_text).items():
        by_mask = {word: {one.backend: one for one in mine if one.word("padding") == word} for word in MASKS}
        for word in MASKS[1:]:
            both = sorted(by_mask["none"].keys() & by_mask[word].keys())
            if len(both) > 1:
                yield f"{size}, mask {word} against none: {ranking(by_mask['none'], by_mask[word], both)}"


def ranking(plain: Mapping[str, Point], masked: Mapping[str, Point], backends: Sequence[str]) -> str:
    """`a and b change places, 2 of 3 pairs of backends keep their order`, and how many cannot be told."""
    pairs = list(combinations(backends, 2))
    compared = [
        Compared(what=f"{one} and {other}", before=side[one], after=side[other])
        for one, other in pairs
        for side in (plain, masked)
    ]
    orders = [above(case) for case in measured(compared)]
    places = list(zip(orders[::2], orders[1::2], strict=True))
    swapped = [
        " and ".join(pair) for pair, (before, after) in zip(pairs, places, strict=True) if {before, after} == {True, False}
    ]
    kept = sum(before is after is not None for before, after in places)
    unknown = len(pairs) - kept - len(swapped)
    told = f"{', '.join(swapped)} change places" if swapped else "no two backends are seen to change places"
    told += f"; {kept} of {counted(len(pairs), 'pair')} keep their order"
    return f"{told}, {unknown} cannot be told" if unknown else told


def subnormals(points: Sequence[Point]) -> Iterable[str]:
    """How many attention weights are subnormal numbers, where that was counted."""
    told = {f"{named(one)}, {one.size_text}": number(one.tokens.get("attention_subnormals")) for one in points}
    counts = {name: count for name, count in told.items() if count is not None and count >= 0}
    if counts and not any(counts.values()):
        yield "no attention weight is a subnormal number (fp32, eager attention)"
    elif counts:
        some = ", ".join(f"{count:.0f} at {name}" for name, count in counts.items() if count)
        yield f"attention weights that are subnormal numbers (fp32, eager attention): {some}"
