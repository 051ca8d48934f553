"""The figure of padding: latency by mask and by way of serving, real tokens per second, and whether the ranking changes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Final

from baselines.judging.wording import duration_text, three_digits
from baselines.report.figures.choices import choices, error_cell
from baselines.report.figures.shared import Looks
from baselines.report.figures.values import Figure, Table
from baselines.report.points import Point, grouped, number

MASKS: Final = ("none", "one", "half")
SERVED: Final = ("one_by_one", "longest", "sorted", "token_budget")
HEADS: Final = (
    *("backend", "padding", "batch x sequence", "median", "new runs lie within", "samples/s", "real tokens/s"),
    *("padded positions", "max. error"),
)


def padding(points: Sequence[Point], backends: Looks) -> Figure:
    """A row per mask or way of serving, a dot per backend; the table has what of the work was padding."""
    order = {word: place for place, word in enumerate((*MASKS, *SERVED))}
    ordered = sorted(points, key=lambda one: order.get(one.word("padding"), len(order)))
    figure = choices(ordered, backends, named, "padding")
    rows = tuple(row(one) for one in sorted(ordered, key=lambda one: (one.size, one.backend)))
    notes = (*figure.notes, *rankings(ordered), *subnormals(ordered))
    return replace(figure, table=Table(heads=HEADS, rows=rows, words=3), notes=notes)


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
    """Whether backends come in another order with a mask than without: pairs whose intervals lie apart in both."""
    for size, mine in grouped(points, lambda one: one.size_text).items():
        by_mask = {word: {one.backend: one for one in mine if one.word("padding") == word} for word in MASKS}
        plain = by_mask["none"]
        for word in MASKS[1:]:
            masked = by_mask[word]
            both = sorted(plain.keys() & masked.keys())
            if len(both) < 2:
                continue
            swapped = [
                f"{ahead} and {behind}"
                for pair in combinations(both, 2)
                for ahead, behind in [sorted(pair, key=lambda name: plain[name].latency.value)]
                if plain[ahead].latency.high < plain[behind].latency.low
                and masked[behind].latency.high < masked[ahead].latency.low
            ]
            told = f"{', '.join(swapped)} change places" if swapped else "no two backends change places"
            yield f"{size}, mask {word} against none: {told} (beyond their intervals)"


def subnormals(points: Sequence[Point]) -> Iterable[str]:
    """How many attention weights are subnormal numbers, where that was counted."""
    counts = {named(one): count for one in points if (count := number(one.tokens.get("attention_subnormals"))) is not None}
    if counts and not any(counts.values()):
        yield "no attention weight is a subnormal number (fp32, eager attention)"
    elif counts:
        told = ", ".join(f"{count:.0f} at {name}" for name, count in counts.items() if count)
        yield f"attention weights that are subnormal numbers (fp32, eager attention): {told}"
