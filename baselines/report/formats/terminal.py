"""A comparison for a terminal: aligned columns, the reason under each row that needs one, the suite as a whole last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from baselines.report.chosen import chosen
from baselines.report.rows import HEADS, Row
from baselines.report.view import View

MOST_LINES: Final = 190
"""All rows are shown where they fit into so many lines; of more, those that did not simply pass, as many as fit."""

_LEFT = 2  # the first columns hold words; the others, which hold numbers, are flush right
_MOST_OF_A_KIND = 20  # of lines about changed packages, and the like
_LEAST_ROOM = 20  # for rows, whatever else there is to say


def terminal(view: View, *, most: int = MOST_LINES) -> str:
    """The lines, without the last line's end; of rows so many that it has `most` lines, if that leaves room for any."""
    facts = list(view.facts)
    width = max((len(word) for word, _ in facts), default=0)
    lines = [f"{word:{width}}  {text}" for word, text in facts]
    lines += cut([f"changed: {change.text}" for change in view.changes])
    lines += cut([f"note: {notice}" for notice in view.notices])
    lines += ["", view.headline, ""]
    end = [*view.duet.lines(2 * _MOST_OF_A_KIND), ""] if view.duet else []
    end += [f"{what}: {command}" for what, command in view.next_steps]
    end += [f"suite: {view.suite}"]
    room = most - len(lines) - len(end) - 4  # heads, what is left out and two empty lines
    rows = chosen(view.rows, max(_LEAST_ROOM, room), cost=lambda row: 2 if row.needs_reason else 1)
    if rows.shown:
        lines += [*table(rows.shown), ""]
    if rows.left_out:
        lines += [f"not shown: {rows.left_out_text}; all of them: the same command with --format json", ""]
    return "\n".join([*lines, *end])


def cut(lines: Sequence[str], most: int = _MOST_OF_A_KIND) -> list[str]:
    """Some lines of a kind; where they are more, the last says how many there are not."""
    if len(lines) <= most:
        return list(lines)
    return [*lines[: most - 1], f"... and {len(lines) - most + 1} more such lines; --format json has all"]


def table(rows: Sequence[Row]) -> list[str]:
    """Heads and rows; columns as wide as what is in them, those with nothing in them left out."""
    cells = [(first.upper(), *others) for first, *others in (row.cells for row in rows)]
    used = [column for column in range(len(HEADS)) if column < _LEFT or any(row[column] for row in cells)]
    widths = {column: max(len(row[column]) for row in (HEADS, *cells)) for column in used}

    def line(row: tuple[str, ...]) -> str:
        return "  ".join(row[at].ljust(widths[at]) if at < _LEFT else row[at].rjust(widths[at]) for at in used).rstrip()

    lines = [line(HEADS)]
    for row, texts in zip(rows, cells, strict=True):
        lines.append(line(texts))
        if row.needs_reason:
            lines.append(f"    {row.reason}")
    return lines
