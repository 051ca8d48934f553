"""How much of a long report is shown: rows up to a number (baselines/comparing/worst.py says which); the rest is counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from baselines.comparing.worst import counted_verdicts, shown
from baselines.report.rows import Row


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Rows that are shown, and the others; both in the order of the report."""

    shown: tuple[Row, ...]
    left_out: tuple[Row, ...]

    @property
    def left_out_text(self) -> str:
        """`12 regressed, 4600 passed`; empty where all are shown."""
        return counted_rows(self.left_out)


def chosen(rows: Sequence[Row], most: int, cost: Callable[[Row], int] = lambda _: 1) -> Chosen:
    """The rows, the worst first, of which there is room for `most`; each takes `cost` of it."""
    places = shown([row.judgement.verdict for row in rows], most, [cost(row) for row in rows])
    return Chosen(
        shown=tuple(row for place, row in enumerate(rows) if place in places),
        left_out=tuple(row for place, row in enumerate(rows) if place not in places),
    )


def counted_rows(rows: Sequence[Row]) -> str:
    """How many rows there are of each verdict, in the order in which they come."""
    return counted_verdicts(row.judgement.verdict for row in rows)


def question_of(row: Row) -> str:
    """The question that a benchmark answers, by the name of its file; of another suite the file itself."""
    return PurePosixPath(row.result.fullname.partition("::")[0]).stem.removeprefix("test_")


def by_question(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Rows by question, both in the order of the report."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(question_of(row), []).append(row)
    return groups
