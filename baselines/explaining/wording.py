"""An explanation in words: a line, and the lines of a table for a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

from baselines.explaining.explanation import FRAMEWORK, Explanation, Row
from baselines.judging.parts import PartDifference
from baselines.judging.wording import counted, one_line

HEADS = ("class", "reference", "measured", "difference", "of the whole", "most of it")
ALONE_HEADS = ("class", "time", "launches", "of the whole", "most of it")


class Unit:
    """Seconds in the unit that suits a whole, all with as many digits."""

    def __init__(self, whole_s: float) -> None:
        self.name, self.scale = next((one for one in (("s", 1.0), ("ms", 1e3)) if whole_s * one[1] >= 1), ("us", 1e6))
        digits = 3 - math.floor(math.log10(max(whole_s * self.scale, 1e-9)))
        self.decimals = min(3, max(0, digits))

    def plain(self, seconds: float) -> str:
        """`1.204 ms`."""
        return f"{seconds * self.scale:.{self.decimals}f} {self.name}"

    def change(self, seconds: float) -> str:
        """`+0.420`, without its unit."""
        return f"{seconds * self.scale:+.{self.decimals}f}"

    def interval(self, one: PartDifference) -> str:
        """`+0.42 ms [+0.35, +0.49]`."""
        return f"{self.change(one.seconds)} {self.name} [{self.change(one.low)}, {self.change(one.high)}]"


def unit_of(said: Explanation) -> Unit:
    """The unit of all its numbers."""
    return Unit(0.0 if said.whole is None else said.whole.reference_s or said.whole.measured_s)


def label_of(said: Explanation) -> str:
    """What is in the brackets of its node id."""
    return one_line(said.fullname.partition("[")[2].removesuffix("]") or said.fullname)


def headline(said: Explanation) -> str:
    """What is named first, with its interval, and what is left: a line for an issue."""
    if said.not_told is not None or said.whole is None:
        return one_line(f"not told: {said.not_told}")
    unit = unit_of(said)
    if said.whole.difference is None:
        parts = sorted(said.classes, key=lambda one: -one.measured_s)
        total = sum(one.measured_s for one in said.classes)
        return one_line(", ".join(f"{one.name} {one.measured_s / total:.0%}" for one in parts if one.measured_s > 0))
    whole = said.whole.difference
    if not said.named:
        names = f"nothing is named: no class differs by more than launches do (the whole: {unit.interval(whole)})"
        return names if said.adds_up else f"{names}; {not_explained_text(said, unit)}"
    first, *rest = said.named
    words = [_named(first, whole, unit, interval=True)]
    words += [_named(row, whole, unit) for row in rest]
    if FRAMEWORK not in {row.name for row in said.named}:
        words += [f"{row.name} {_change(row, unit)}" for row in said.classes if row.name == FRAMEWORK]
    if said.named_layers:
        words.append("most in " + " and ".join(row.name for row in said.named_layers[:3]))
    words.append(not_explained_text(said, unit))
    return one_line("; ".join(words))


def not_explained_text(said: Explanation, unit: Unit) -> str:
    """`not explained 4 %`, and whether the parts add up."""
    if said.not_explained is None or said.whole is None or said.whole.difference is None:
        return ""
    whole = said.whole.difference
    share = f" ({abs(said.not_explained.seconds / whole.seconds):.0%})" if whole.excludes_zero else ""
    text = f"not explained {unit.change(said.not_explained.seconds)} {unit.name}{share}"
    return text if said.adds_up else f"{text}: THE PARTS DO NOT ADD UP to the whole within its interval"


def lines(said: Explanation) -> list[str]:
    """Of a terminal."""
    name = label_of(said)
    if said.not_told is not None or said.whole is None:
        return [f"{name}: not told: {one_line(said.not_told or '')}"]
    unit = unit_of(said)
    rows, heads = table_of(said, said.classes, unit), heads_of(said)
    found = [title_of(said), f"  {headline(said)}", *_aligned([heads, *rows])]
    if said.layers:
        found += ["  by layer, kernels alone:", *_aligned(row[:-1] for row in table_of(said, said.layers, unit))]
    else:
        found.append("  by layer: not told, names do not say it")
    return [*found, f"  {cost_text(said)}"]


def title_of(said: Explanation) -> str:
    """`pytorch-fp32-batch1-seq32: +0.51 ms [+0.44, +0.58] of 2.31 ms, 8 profiled launch pairs against main`."""
    assert said.whole is not None, "not told"  # noqa: S101 - whoever asks has looked
    unit, whole = unit_of(said), said.whole
    if whole.difference is None or whole.reference_s is None:
        return f"{label_of(said)}: {unit.plain(whole.measured_s)}, {said.launches} profiled launches"
    change = f"{unit.interval(whole.difference)} of {unit.plain(whole.reference_s)}"
    pairs = counted(said.launches, "profiled launch pair")
    return f"{label_of(said)}: {change}, {pairs} against {one_line(said.reference or '')}"


def cost_text(said: Explanation) -> str:
    """What profiling itself costs."""
    there = "" if said.reference_cost is None else f", {said.reference_cost:+.1%} on the reference"
    return f"profiling costs {said.cost:+.1%} of a forward pass{there}"


def heads_of(said: Explanation) -> tuple[str, ...]:
    """Over the columns of `table_of`."""
    return ALONE_HEADS if said.reference is None else HEADS


def table_of(said: Explanation, rows: Sequence[Row], unit: Unit) -> list[tuple[str, ...]]:
    """The cells of each row under `heads_of`; a named one has a star."""
    total_s = sum(one.measured_s for one in said.classes)
    whole = None if said.whole is None else said.whole.difference
    found = []
    for row in rows:
        if row.difference is None or row.reference_s is None or whole is None:
            spread = f"{unit.plain(row.low_s)} to {unit.plain(row.high_s)}"
            cells = (row.name, unit.plain(row.measured_s), spread, f"{row.measured_s / total_s:.0%}")
        else:
            share = f"{row.difference.seconds / whole.seconds:.0%}" if whole.excludes_zero else "-"
            name = f"{row.name} *" if row.named else row.name
            times = (unit.plain(row.reference_s), unit.plain(row.measured_s))
            cells = (name, *times, unit.interval(row.difference), share)  # type: ignore[assignment]
        found.append(tuple(one_line(cell) for cell in (*cells, row.operator)))
    return found


def _named(row: Row, whole: PartDifference, unit: Unit, *, interval: bool = False) -> str:
    if row.difference is None:
        return row.name
    change = unit.interval(row.difference) if interval else _change(row, unit)
    of = f" of {unit.change(whole.seconds)}" if interval else ""
    share = f", {row.difference.seconds / whole.seconds:.0%}" if whole.excludes_zero else ""
    operator = f" ({row.operator})" if row.operator else ""
    return f"{row.name} {change}{of}{share}{operator}"


def _change(row: Row, unit: Unit) -> str:
    return "" if row.difference is None else unit.change(row.difference.seconds)


def _aligned(rows: object) -> list[str]:
    cells = [tuple(row) for row in rows]  # type: ignore[attr-defined]
    if not cells:
        return []
    widths = [max(len(row[place]) for row in cells) for place in range(len(cells[0]))]
    return ["    " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
