"""A comparison for a terminal: aligned columns, the reason under each row that needs one, the suite as a whole last."""

from __future__ import annotations

from baselines.report.rows import HEADS
from baselines.report.view import View

_LEFT = 2  # the first columns hold words; the others, which hold numbers, are flush right


def terminal(view: View) -> str:
    """The lines, without the last line's end."""
    facts = list(view.facts)
    width = max((len(word) for word, _ in facts), default=0)
    lines = [f"{word:{width}}  {text}" for word, text in facts]
    lines += [f"changed: {change.text}" for change in view.changes]
    lines += [f"note: {notice}" for notice in view.notices]
    lines += ["", view.headline, "", *([*table(view), ""] if view.rows else [])]
    lines += [*view.duet.lines, ""] if view.duet else []
    lines += [f"{what}: {command}" for what, command in view.next_steps]
    return "\n".join([*lines, f"suite: {view.suite}"])


def table(view: View) -> list[str]:
    """Heads and rows; columns as wide as what is in them, those with nothing in them left out."""
    cells = [(row.cells[0].upper(), *row.cells[1:]) for row in view.rows]
    used = [column for column in range(len(HEADS)) if column < _LEFT or any(row[column] for row in cells)]
    widths = {column: max(len(row[column]) for row in (HEADS, *cells)) for column in used}

    def line(row: tuple[str, ...]) -> str:
        return "  ".join(row[at].ljust(widths[at]) if at < _LEFT else row[at].rjust(widths[at]) for at in used).rstrip()

    lines = [line(HEADS)]
    for row, texts in zip(view.rows, cells, strict=True):
        lines.append(line(texts))
        if row.needs_reason:
            lines.append(f"    {row.reason}")
    return lines
