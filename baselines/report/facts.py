"""What was compared, in words: the run, the machine, the model, and how old the baseline is."""

from __future__ import annotations

from collections.abc import Iterable

from baselines.comparing.comparison import Comparison
from baselines.files.run import Run
from baselines.judging.wording import counted, shown


def facts_of(comparison: Comparison) -> Iterable[tuple[str, str]]:
    """A word and what is to be said about it; nothing where the file does not say."""
    run, baseline = comparison.run, comparison.baseline
    yield "run", shown(run.path)
    yield "measured", _when_and_what(run)
    cpu = run.machine_soft.get("cpu_model_name")
    yield "machine", ", ".join(word for word in (run.machine_id, cpu if isinstance(cpu, str) else None) if word)
    yield "model", _joined(("", run.model), ("preset ", run.preset), ("inputs ", run.inputs))
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
    words = counted(len(runs), f"{accepted}run")
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
    return f"{counted(abs(days), 'day')} {'before' if days > 0 else 'after'} this run"
