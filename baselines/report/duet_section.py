"""The section of a report about a duet: what changed from one environment to the other, overall and per benchmark.

It says what the run said of itself; nothing is judged again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from baselines.comparing.duet_message import DuetRow, changes_of
from baselines.files.result import Result
from baselines.files.run import Run
from baselines.judging.judgement import Judgement, Verdict
from baselines.judging.launch_pairs import Duet, LaunchPair
from baselines.judging.wording import one_line

HEADS: Final = ("verdict", "benchmark", "from reference to measured", "launch pairs", "reason")


@dataclass(frozen=True, kw_only=True)
class DuetSection:
    """What every format shows; each text is one printable line."""

    reference: str
    """The other environment."""
    changes: tuple[str, ...]
    """A line per change of versions."""
    rows: tuple[tuple[str, ...], ...]
    """Under HEADS, in the order of the run."""

    @property
    def title(self) -> str:
        """What it is, in a line."""
        return f"duet against {self.reference}"

    def cut(self, most: int) -> tuple[list[tuple[str, ...]], str]:
        """The rows where they are no more than that; else those that did not pass, and how many of each verdict are left."""
        if len(self.rows) <= most:
            return list(self.rows), ""
        shown = [row for row in self.rows if row[0] != Verdict.PASSED.value][:most]
        left = Counter(row[0] for row in self.rows) - Counter(row[0] for row in shown)
        return shown, ", ".join(f"{count} {verdict}" for verdict, count in left.items())

    def lines(self, most: int) -> list[str]:
        """For a terminal, with so many rows."""
        shown, left_out = self.cut(most)
        rows = [f"  {verdict.upper()} {label}: {numbers} ({reason})" for verdict, label, numbers, _, reason in shown]
        over = [f"  not shown: {left_out}; all of them: report.html of python -m baselines report"] if left_out else []
        return [self.title, *(f"  {change}" for change in self.changes), *rows, *over]


def section_of(run: Run) -> DuetSection | None:
    """The section of a run; None where it was no duet, or its words are not those of this checkout."""
    try:
        rows = [_row(result) for result in run.results if result.duet]
        references = dict.fromkeys(_reference(result.duet) for result in run.results if result.duet)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    if not rows:
        return None
    return DuetSection(
        reference=one_line(", ".join(references)),
        changes=tuple(change.line for change in changes_of(rows)),
        rows=tuple(_cells(row) for row in rows),
    )


def _cells(row: DuetRow) -> tuple[str, ...]:
    judgement = row.judgement
    numbers = row.numbers or "none"
    cells = (judgement.verdict.value, row.label, numbers, str(len(row.duet.launches)), judgement.reason)
    return tuple(one_line(cell) for cell in cells)


def _reference(words: Mapping[str, Any]) -> str:
    reference = words["reference"]
    return f"{reference.get('what', reference['interpreter'])}, Python {reference['python']}"


def _row(result: Result) -> DuetRow:
    words = result.duet
    pairs = tuple(
        LaunchPair(log_ratio=float(one["log_ratio"]), measured_first=one["order"] == "measured first")
        for one in words["launches"]
    )
    backend = str(result.configuration.get("backend"))
    configuration = f"{result.fullname.partition('::')[0]} {result.instances} {dict(result.configuration)}"
    return DuetRow(
        label=result.id,
        fullname=result.fullname,
        duet=Duet(backend=backend, configuration=configuration, launches=pairs),
        judgement=Judgement.from_dict({**words, "launches": len(pairs)}),
        reference_versions=words["reference"]["versions"],
        versions=result.versions,
        **graphs_of(words),
    )


def graphs_of(words: Mapping[str, Any]) -> dict[str, Any]:
    """The graphs of both sides; nothing of a file that does not say."""
    reference, measured = words["reference"].get("graph"), words.get("graph")
    return {"reference_graph": reference, "graph": measured} if reference is not None and measured is not None else {}
