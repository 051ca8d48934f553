"""A comparison as every format shows it: words on top, rows with the worst first, and what to do next.

Whatever comes from a file is one printable line here; a format escapes it for its own syntax and changes nothing else.
"""

from __future__ import annotations

import functools
from collections import Counter
from dataclasses import dataclass

from baselines.comparing import tuning_file
from baselines.comparing.comparison import WORST_FIRST, Comparison, order
from baselines.comparing.differences import Change, differences
from baselines.deploying.promise import reaches
from baselines.deploying.told import TITLE, Told, told_of, told_of_search
from baselines.explaining.explanation import Explanation
from baselines.explaining.explanation_file import read_explanations
from baselines.judging.judgement import Verdict
from baselines.judging.wording import counted, one_line
from baselines.report.claims import Claim
from baselines.report.culprits import culprit_notices
from baselines.report.duet_section import DuetSection, section_of
from baselines.report.facts import facts_of
from baselines.report.notices import next_steps, notices_of
from baselines.report.points import Point, points_of
from baselines.report.rows import Row, labels_of, row_of
from baselines.report.study import claims_of


@dataclass(frozen=True, kw_only=True)
class View:
    """All that a report says."""

    comparison: Comparison
    exit_code: int
    """Of `compare`."""
    subject: str
    """What was measured, for a title."""
    facts: tuple[tuple[str, str], ...]
    """A word and what is to be said about it: run, machine, model, baseline."""
    changes: tuple[Change, ...]
    """What is not the same around the baseline and the run."""
    notices: tuple[str, ...]
    """What a reader must not miss."""
    counts: tuple[tuple[Verdict, int], ...]
    """The worst first; those of which there are any."""
    rows: tuple[Row, ...]
    """The worst first."""
    suite: str
    """About the suite as a whole."""
    next_steps: tuple[tuple[str, str], ...]
    """What for, and the command."""
    duet: DuetSection | None
    """What the run said of itself beside a reference environment."""
    searched: tuple[tuple[str, ...], ...] = ()
    """The answers of a search for the best deployment, line by line."""
    explained: tuple[Explanation, ...] = ()
    """Benchmarks of which it was profiled where their time goes, or where two sides differ."""

    @functools.cached_property
    def points(self) -> tuple[Point, ...]:
        """What was measured, for figures; made when somebody asks, which the terminal does not."""
        return points_of(self.comparison)

    @functools.cached_property
    def claims(self) -> tuple[Claim, ...]:
        """Of the study, and what this run says about them; empty where it was measured by another suite."""
        run = self.comparison.run
        return claims_of(self.points, run) if run.ours else ()

    @functools.cached_property
    def told(self) -> Told | None:
        """What to run on this machine; None where the run says nothing of it, or is about two environments."""
        comparison, run = self.comparison, self.comparison.run
        alone = run.judged_against or not all(result.duet for result in run.results)  # judged, it is no duet of its own
        if not run.ours or not run.results or not alone:
            return None
        if self.searched:
            return told_of_search(run, self.searched)
        physical = run.machine_hard.get("physical_cores")
        cores = physical if isinstance(physical, int) and physical > 0 else None
        results = [(result, comparison.records[key]) for key, result in run.by_key.items()]
        return told_of(run, results, reaches(run.by_key, comparison.past), cores)

    @property
    def judged(self) -> bool:
        """Whether there is a verdict to tell: anything else than that all is new."""
        return self.duet is not None or any(verdict is not Verdict.NEW for verdict, _ in self.counts)

    @property
    def told_first(self) -> bool:
        """Whether what to run comes before everything else; after the verdicts where there are any."""
        return self.told is not None and not self.judged

    @property
    def title(self) -> str:
        """The first words of a report."""
        return f"{TITLE.lower()}, by {counted(len(self.rows), 'benchmark')}" if self.told_first else self.headline

    @property
    def headline(self) -> str:
        """`1 regressed, 4 passed`."""
        return ", ".join(f"{count} {verdict.value}" for verdict, count in self.counts) or "no benchmark"


def view_of(comparison: Comparison, *, strict: bool = False) -> View:
    """The view of a comparison; `strict` as for its exit code."""
    run = comparison.run
    counts = Counter(judgement.verdict for _, judgement in comparison.judgements.values())
    pairs = sorted(comparison.judgements.values(), key=order)
    labels = labels_of([result for result, _ in pairs])
    rows = tuple(row_of(label, pair, comparison.past) for label, pair in zip(labels, pairs, strict=True))
    changes = differences(comparison.baseline[-1], run) if comparison.baseline else []
    return View(
        comparison=comparison,
        exit_code=comparison.exit_code(strict=strict),
        subject=one_line(" on ".join(word for word in (run.model, run.machine_id) if word) or run.name),
        facts=tuple((word, one_line(text)) for word, text in facts_of(comparison) if text),
        changes=tuple(_printable(change) for change in changes),
        notices=tuple(one_line(notice) for notice in (*notices_of(comparison, counts), *culprit_notices(run))),
        counts=tuple((verdict, counts[verdict]) for verdict in WORST_FIRST if counts[verdict]),
        rows=rows,
        suite=one_line(comparison.shift.reason),
        next_steps=tuple((what, one_line(command)) for what, command in next_steps(comparison, rows)),
        duet=section_of(run),
        searched=tuple(map(tuple, tuning_file.read_answers(run))),
        explained=tuple(read_explanations(run)),
    )


def _printable(change: Change) -> Change:
    before, after = (None if side is None else one_line(side) for side in (change.before, change.after))
    return Change(what=one_line(change.what), before=before, after=after)
