"""A verdict in words: what happened, by how much, how sure, against what, and what to type next. Values in, lines out."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from baselines.files.past import Past
from baselines.files.result import Result
from baselines.judging.judgement import Against, Evidence, Judgement
from baselines.judging.wording import change_text, percent


def verdict_line(result: Result, judgement: Judgement) -> str:
    """One line: verdict, benchmark, both numbers, change, interval, and what it rests on."""
    change = change_text(judgement.ratio, judgement.interval)
    why = f"{change} ({judgement.reason})" if change else judgement.reason
    return f"{judgement.verdict.value.upper()} {result.id}: {why}"


def regression_lines(
    result: Result,
    past: Past | None,
    judgement: Judgement,
    *,
    run: str,
    options: Sequence[str],
    store: Sequence[str],
    changed: str | None = None,
) -> list[str]:
    """The message of a red test.

    Args:
        result: what the run measured first.
        past: the accepted runs of this benchmark.
        judgement: `regressed`, with its numbers.
        run: the folder of the run, as one would type it.
        options: what the command to rerun it needs: the model, what else was asked for, the file of a card from outside.
        store: what the command to accept it needs, where the accepted runs are elsewhere.
        changed: what changed since the newest accepted run; None where nobody asked.
    """
    ratio, interval = judgement.ratio or 1.0, judgement.interval or (1.0, 1.0)
    # Several launches are behind the verdict: what can be shown is its ratio, and the baseline's own number.
    before = baseline_value(past) if past is not None else None
    numbers = ""
    if before is not None:
        numbers = f" {result.quantity} {result.text_of(result.times(before, ratio))}, baseline {result.text_of(before)},"
    limit = "" if judgement.limit is None else f" (red above {percent(1 + judgement.limit)})"
    sure = "" if judgement.p_value is None else f"p = {judgement.p_value:.1e}, one of {judgement.comparisons} comparisons; "
    evidence = f"{judgement.launches} launches of this run against {judgement.runs} accepted runs"
    if judgement.evidence is Evidence.CONFIRMED:
        evidence = f"{judgement.launches} fresh launches against {judgement.runs} accepted runs"
    if judgement.evidence is Evidence.DUET:
        evidence = f"{judgement.launches} launch pairs side by side with the accepted state, in turns on the same CPUs"
        numbers, options = "", [*options, *store, "--reference=accepted"]
    pytest = ["pytest", result.fullname, "--benchmark-only", *options]
    accept = ["python", "-m", "baselines", "accept", run, *store, "--only", result.id, "--accept-regression", "--anchor"]
    accept += ["--reason", "..."]
    return [
        f"REGRESSED {result.id}:{numbers} {change_text(ratio, interval)}{limit}",
        f"  sure      {sure}{evidence}",
        *([f"  stored    {judgement.reason.rpartition('stored runs: ')[2]}"] if judgement.evidence is Evidence.DUET else []),
        *([f"  changed   {changed}"] if changed else []),
        *([f"  baseline  {baseline_text(past, judgement)}"] if past is not None else []),
        f"  rerun     {shlex.join(pytest)}",
        f"  accept    {shlex.join(accept)}",
    ]


def baseline_value(past: Past) -> float:
    """The judged quantity of the accepted runs in its own unit: their median."""
    values = sorted(result.value for result in past.recent)
    middle = len(values) // 2
    return values[middle] if len(values) % 2 else (values[middle - 1] * values[middle]) ** 0.5


def baseline_text(past: Past, judgement: Judgement) -> str:
    """Which accepted run is the newest of those compared with, when it was accepted, and why."""
    newest = past.runs[-1]
    words = str(newest.path)
    if newest.accepted is not None:
        words += f', accepted {newest.accepted.accepted[:10]} at {newest.accepted.commit[:12]}: "{newest.accepted.reason}"'
    return words + (" (against the anchor)" if judgement.against is Against.ANCHOR else "")
