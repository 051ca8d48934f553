"""What `python -m baselines confirm` does: picks the suspects of a red run, has a duet played, and says what stays red."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from baselines.comparing import confirmation
from baselines.comparing.comparison import Comparison, compare
from baselines.comparing.confirmation import Suspect
from baselines.files.results import Run
from baselines.judging.judgement import Judgement, Verdict


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the command line asked for."""

    run: Path | None = None
    """File or folder of the run; None for the newest."""
    reference_python: str
    """The interpreter of the environment that is to be compared with."""
    extra: tuple[str, ...] = ()
    """Further options for the duet's pytest."""
    machines: Path
    """The store."""
    checkout: Path
    """Where pytest is started."""


def confirm(request: Request) -> tuple[str, int]:
    """Confirms a red run.

    Returns:
        What was found, and the exit code: 0 when every reason to be red was a benchmark that the duet acquits, else 1.

    Raises:
        RunFileError: a file cannot be read, or the duet left no result.
    """
    comparison = compare(request.run, [], request.machines, confirmed=False)
    run = comparison.run
    suspects, shifted = suspects_of(comparison), comparison.shift.verdict is Verdict.REGRESSED
    beside = reasons_beside(comparison, set(suspects))
    asked = {**suspects, **(witnesses_of(comparison, suspects) if shifted else {})}
    ended = exit_status_of(run)
    if ended not in (0, 1) or (ended == 1 and not asked and not beside):
        beside = [*beside, f"pytest ended with exit code {ended}, and no benchmark says why"]
    if not asked and not beside:
        return f"{run.name}: nothing regressed, so that there is nothing to confirm", 0
    confirmed: list[confirmation.Confirmed] = []
    if asked:
        folder = run.path.parent / confirmation.FOLDER_NAME
        duet = confirmation.played(
            list(asked),
            run,
            python=request.reference_python,
            extra=request.extra,
            folder=folder,
            checkout=request.checkout,
        )
        confirmed = confirmation.confirmed_of(asked, duet, run, request.checkout)
        if shifted:
            confirmed.append(confirmation.of_the_suite(confirmed))
        confirmation.store(run.path.parent, run, confirmed)
    lines = [f"{'acquitted' if one.acquitted else 'stays red'}  {one.fullname}: {one.reason}" for one in confirmed]
    lines += [f"stays red  {reason}" for reason in beside]
    red = bool(beside) or any(not one.acquitted for one in confirmed)
    return "\n".join(lines), int(red)


def exit_status_of(run: Run) -> int:
    """What pytest ended with, as the run's file has it; 0 where it does not say."""
    words = json.loads(run.path.read_text(encoding="utf-8")).get("run")
    status = words.get("exit_status", 0) if isinstance(words, dict) else 0
    return status if isinstance(status, int) else 0


def suspects_of(comparison: Comparison) -> dict[str, Suspect]:
    """By node id the benchmarks that regressed, with the newest accepted run of each."""
    return {
        result.fullname: suspect_of(comparison, key, judgement)
        for key, (result, judgement) in comparison.judgements.items()
        if judgement.verdict is Verdict.REGRESSED
    }


def suspect_of(comparison: Comparison, key: str, judgement: Judgement) -> Suspect:
    """A benchmark with the newest accepted run that holds it."""
    past = comparison.past[key]
    return Suspect(judgement=judgement, run=past.runs[-1], result=past.recent[-1])


def witnesses_of(comparison: Comparison, suspects: Mapping[str, object]) -> dict[str, Suspect]:
    """For a suite that is slower as a whole: of each backend without a suspect the quickest benchmark, for its packages."""
    known = {
        key: result
        for key, (result, judgement) in comparison.judgements.items()
        if judgement.ratio is not None and key in comparison.run.by_key
    }
    spoken_for = {str(one.configuration.get("backend")) for one in known.values() if one.fullname in suspects}
    quickest: dict[str, str] = {}
    for key, result in sorted(known.items(), key=lambda pair: pair[1].median_s):
        backend = str(result.configuration.get("backend"))
        if backend not in spoken_for:
            quickest.setdefault(backend, key)
    return {known[key].fullname: suspect_of(comparison, key, comparison.judgements[key][1]) for key in quickest.values()}


def reasons_beside(comparison: Comparison, suspects: set[str]) -> Sequence[str]:
    """Why a run is red beside its suspects: no duet can take that away."""
    run = comparison.run
    reasons = [
        f"{result.fullname}: {judgement.verdict.value}: {judgement.reason}"
        for result, judgement in comparison.judgements.values()
        if judgement.verdict is Verdict.MISSING
    ]
    named = {result.fullname for result, judgement in comparison.judgements.values() if judgement.verdict is Verdict.MISSING}
    reasons += [
        f"{name}: {how.get('reason')}"
        for name, how in run.not_measured.items()
        if how.get("outcome") == "failed" and name not in suspects and name not in named
    ]
    if run.partial:
        reasons.append("the run was cut off before its end")
    return reasons
