"""A comparison as every format shows it: words on top, rows with the worst first, and what to do next.

Whatever comes from a file is one printable line here; a format escapes it for its own syntax and changes nothing else.
"""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from baselines.comparing.comparison import JUDGED, WORST_FIRST, Comparison, order
from baselines.comparing.differences import Change, differences
from baselines.comparing.disturbance import disturbed_because
from baselines.comparing.message import value_text
from baselines.comparing.reference_kernel import kernel_in, movements
from baselines.files.results import Result, Run, judged_values
from baselines.files.store import Past
from baselines.judging.judgement import Against, Evidence, Judgement, Policy, Verdict
from baselines.judging.spread import run_value
from baselines.judging.wording import one_line, percent, shown
from baselines.report.claims import Claim
from baselines.report.duet_section import DuetSection, section_of
from baselines.report.points import Point, points_of
from baselines.report.study import claims_of

PLAIN: Final = frozenset({Verdict.PASSED, Verdict.NEW})
"""Verdicts that need no reason."""

HEADS: Final = (
    "verdict",
    "benchmark",
    "baseline",
    "measured",
    "change",
    f"{100 * (1 - 2 * Policy().pass_level):.0f} % interval",
    "allowance",
    "share of limit",
)

_NAMED: Final = 5  # benchmarks that a command spells out


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One benchmark with its verdict."""

    label: str
    """Its id, or as much of the node id as it takes to tell it from the others."""
    result: Result
    """The run's own; of what is missing the baseline's newest."""
    judgement: Judgement
    past: Past | None
    """What the baseline says of it."""
    measured: float | None
    """The judged quantity in `unit`; None when it is missing."""
    baseline: float | None
    """What it was compared with: the geometric mean of the accepted runs, or the anchor; None without any."""

    @property
    def unit(self) -> str:
        """Of `measured` and `baseline`: `s` per forward pass, or `samples/s`."""
        return "samples/s" if self.result.by_throughput else "s"

    @property
    def needs_reason(self) -> bool:
        """Whether it is anything else than passed or new."""
        return self.judgement.verdict not in PLAIN

    @property
    def reason(self) -> str:
        """Why, in a sentence."""
        return one_line(self.judgement.reason)

    @property
    def cells(self) -> tuple[str, ...]:
        """What stands under HEADS; empty where there is nothing to say."""
        judgement = self.judgement
        baseline, measured = (
            "" if value is None else value_text(self.result, value) for value in (self.baseline, self.measured)
        )
        change = "" if judgement.ratio is None else percent(judgement.ratio)
        interval = "" if judgement.interval is None else " to ".join(map(percent, judgement.interval))
        allowance = "" if judgement.allowance is None else percent(1 + judgement.allowance)
        share = self.result.share_of_limit
        limit = "" if share is None or self.measured is None else f"{share:.0%}"
        return (judgement.verdict.value, self.label, baseline, measured, change, interval, allowance, limit)

    @property
    def measured_interval(self) -> tuple[float, float] | None:
        """Around `measured`, in its unit; None where nothing was compared."""
        ratios = self.judgement.interval
        if ratios is None or self.baseline is None:
            return None
        low, high = sorted(self.baseline / ratio if self.result.by_throughput else self.baseline * ratio for ratio in ratios)
        return low, high

    @property
    def accepted(self) -> tuple[float, ...]:
        """The accepted runs' values in `unit`, in time order."""
        return () if self.past is None else tuple(own_value(result) for result in self.past.recent)

    @property
    def accepted_as(self) -> tuple[str | None, ...]:
        """Of each of them `regressed` or `improved`, where it was accepted as that."""
        marks = () if self.past is None else tuple(result.accepted_as for result in self.past.recent)
        return tuple(mark if mark in ("regressed", "improved") else None for mark in marks)


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
    points: tuple[Point, ...]
    """What was measured, for figures."""
    claims: tuple[Claim, ...]
    """Of the study, and what this run says about them; empty where it was measured by another suite."""
    duet: DuetSection | None
    """What the run said of itself beside a reference environment."""

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
    rows = tuple(_row(label, pair, comparison.past) for label, pair in zip(labels, pairs, strict=True))
    points = points_of(comparison)
    changes = differences(comparison.baseline[-1], run) if comparison.baseline else []
    return View(
        comparison=comparison,
        exit_code=comparison.exit_code(strict=strict),
        subject=one_line(" on ".join(word for word in (run.model, run.machine_id) if word) or run.name),
        facts=tuple((word, one_line(text)) for word, text in _facts(comparison) if text),
        changes=tuple(_printable(change) for change in changes),
        notices=tuple(one_line(notice) for notice in _notices(comparison, counts)),
        counts=tuple((verdict, counts[verdict]) for verdict in WORST_FIRST if counts[verdict]),
        rows=rows,
        suite=one_line(comparison.shift.reason),
        next_steps=tuple((what, one_line(command)) for what, command in _next_steps(comparison, rows)),
        points=points,
        claims=claims_of(points, run) if run.ours else (),
        duet=section_of(run),
    )


def own_value(result: Result) -> float:
    """The judged quantity of a run in its own unit: the median over its launches."""
    value = run_value(judged_values(result))
    return math.exp(-value if result.by_throughput else value)


def labels_of(results: Sequence[Result]) -> list[str]:
    """How to call each: by its id where that is this suite's and the only one, else by its name, else by its node id."""
    ids, names = Counter(result.id for result in results), Counter(result.name for result in results)
    labels = []
    for result in results:
        if result.configuration and ids[result.id] == 1:
            label = result.id
        else:
            label = result.name if names[result.name] == 1 else result.fullname
        labels.append(one_line(label))
    return labels


def _row(label: str, pair: tuple[Result, Judgement], pasts: Mapping[str, Past]) -> Row:
    result, judgement = pair
    past = pasts.get(result.key)
    measured = None if judgement.verdict is Verdict.MISSING else own_value(result)
    baseline = None
    if judgement.evidence is Evidence.CONFIRMED and past is not None and judgement.ratio is not None:
        # Fresh launches were judged and the run's own were not: what they measured is the ratio.
        ends = past.recent if judgement.against is Against.BASELINE or past.anchor is None else (past.anchor,)
        baseline = math.exp(math.fsum(map(math.log, map(own_value, ends))) / len(ends))
        measured = baseline / judgement.ratio if result.by_throughput else baseline * judgement.ratio
    elif measured is not None and judgement.ratio is not None:
        baseline = measured * judgement.ratio if result.by_throughput else measured / judgement.ratio
    elif measured is None and past is not None:
        baseline = math.exp(math.fsum(map(math.log, map(own_value, past.recent))) / len(past.recent))
    return Row(label=label, result=result, judgement=judgement, past=past, measured=measured, baseline=baseline)


def _facts(comparison: Comparison) -> Iterable[tuple[str, str]]:
    run, baseline = comparison.run, comparison.baseline
    yield "run", shown(run.path)
    yield "measured", _when_and_what(run)
    cpu = run.machine_soft.get("cpu_model_name")
    yield "machine", ", ".join(word for word in (run.machine_id, cpu if isinstance(cpu, str) else None) if word)
    yield "model", _joined(("", run.model), ("preset ", run.preset), ("inputs ", run.inputs))
    if moved := movements(run.results):
        proofs = kernel_in(comparison.past).proofs
        said = "; ".join(map(str, proofs)) or "too few accepted runs carry it to say whether it helps"
        yield "reference kernel", f"{'; '.join(map(str, moved))}. {said}"
    if baseline:
        newest = baseline[-1]
        yield "baseline", _age(comparison)
        yield "newest", f"{shown(newest.path)}, {_when_and_what(newest)}"
        if newest.accepted is not None:
            yield "accepted", f"{newest.accepted.accepted[:10]} at {newest.accepted.commit[:12]}: {newest.accepted.reason}"


def _when_and_what(run: Run) -> str:
    when = run.datetime.strftime("%Y-%m-%d %H:%M UTC") if run.datetime else None
    commit = f"commit {run.commit[:12]}{' with uncommitted changes' * run.dirty}" if run.commit else None
    return ", ".join(word for word in (when, commit) if word)


def _joined(*words: tuple[str, str | None]) -> str:
    return ", ".join(f"{before}{word}" for before, word in words if word)


def _age(comparison: Comparison) -> str:
    """How many runs the baseline has, from when they are, and how much older than the run the newest is."""
    compared = {run.path for past in comparison.past.values() for run in past.runs}
    runs = [run for run in comparison.baseline if run.path in compared]
    older = len(comparison.baseline) - len(runs)
    accepted = "accepted " if all(run.accepted for run in runs) else ""
    words = f"{len(runs)} {accepted}run{'s' * (len(runs) != 1)}"
    dates = sorted(run.datetime for run in runs if run.datetime)
    if dates:
        first, last = (date.date().isoformat() for date in (dates[0], dates[-1]))
        words += f", measured {first}" if first == last else f", measured {first} to {last}"
    if dates and comparison.run.datetime:
        days = (comparison.run.datetime - dates[-1]).days
        words += f", {'the newest ' * (len(runs) > 1)}{_days(days)}"
    return words + f"; and {older} older, which only anchors are taken from" * bool(older)


def _days(days: int) -> str:
    if days == 0:
        return "less than a day before this run"
    return f"{abs(days)} day{'s' * (abs(days) != 1)} {'before' if days > 0 else 'after'} this run"


def _notices(comparison: Comparison, counts: Counter[Verdict]) -> Iterable[str]:
    run, shift = comparison.run, comparison.shift
    if not run.results:
        yield "this run holds no benchmark"
    if not comparison.past:
        yield "nothing was judged: there is no accepted run of this machine and model, or none was named"
    elif not counts.keys() & JUDGED:
        yield "nothing could be compared: no benchmark of the run is in the baseline as the same one"
    same = [
        one
        for one in comparison.baseline
        if one.accepted and one.datetime == run.datetime and one.by_key.keys() & run.by_key
    ]
    if same:
        yield f"this run is part of the baseline, as {same[0].path.name}: it is compared with itself among others"
    if run.partial:
        count = len(run.not_reached)
        yield "this run was cut off before its end" + f"; {count} benchmarks were not reached" * bool(count)
    for movement in movements(run.results):
        if movement.too_far:
            yield f"the machine was not steady in this run, by the reference kernel: {movement}"
    if run.dirty:
        yield "this run was measured with uncommitted changes"
    disturbed = sum(disturbed_because(result) is not None for result in run.results)
    if disturbed:
        yield f"{disturbed} of {len(run.results)} benchmarks were disturbed by other processes: read their numbers with care"
    outcomes = Counter(str(how.get("outcome")) for how in run.not_measured.values())
    if outcomes:
        yield "not measured: " + ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
    if shift.verdict is Verdict.REGRESSED and shift.ratio is not None:
        yield f"the suite as a whole is slower: {percent(shift.ratio)}"


def _next_steps(comparison: Comparison, rows: Sequence[Row]) -> Iterable[tuple[str, str]]:
    run = comparison.run
    command = ["python", "-m", "baselines"]
    path = shown(run.path.parent if run.ours and run.accepted is None else run.path)
    if not comparison.past and run.results:
        if run.ours:
            yield "make it the baseline", shlex.join([*command, "accept", path, "--reason", "..."])
        else:
            yield "name a baseline", f"{shlex.join([*command, 'report', path])} --against BASELINE"
    slow = [row.result.fullname for row in rows if row.judgement.verdict is Verdict.REGRESSED]
    if slow and run.ours:
        model = ["--model", run.model] if run.model else []
        named = slow if len(slow) <= _NAMED else ["benchmarks/"]
        yield "measure again", shlex.join(["pytest", *named, "--benchmark-only", *model])
        yield "accept as it is", shlex.join([*command, "accept", path, "--accept-regression", "--reason", "..."])


def _printable(change: Change) -> Change:
    before, after = (None if side is None else one_line(side) for side in (change.before, change.after))
    return Change(what=one_line(change.what), before=before, after=after)
