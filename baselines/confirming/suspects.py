"""Which benchmarks of a red run a duet can confirm or clear, and why else the run is red."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from baselines.comparing.comparison import Comparison
from baselines.files.checkout import MEASURING, files_changed
from baselines.files.reading_values import texts_of
from baselines.files.requirements import canonical, needed
from baselines.files.result import Result
from baselines.files.run import Run
from baselines.files.run_folder import RunFileError
from baselines.judging.judgement import Evidence, Judgement, Verdict


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """A benchmark that a duet shall confirm or clear."""

    judgement: Judgement
    """Of the comparison with accepted runs."""
    run: Run
    """The newest accepted run of it."""
    result: Result
    """What that run holds of it."""


def suspects_of(comparison: Comparison) -> dict[str, Suspect]:
    """By node id the benchmarks that regressed, or would have but for accepted runs of one sitting, with the newest run."""
    return {
        result.fullname: suspect_of(comparison, key, judgement)
        for key, (result, judgement) in comparison.judgements.items()
        if judgement.verdict is Verdict.REGRESSED or judgement.withheld
    }


def suspect_of(comparison: Comparison, key: str, judgement: Judgement) -> Suspect:
    """A benchmark with the newest accepted run that holds it."""
    past = comparison.past[key]
    return Suspect(judgement=judgement, run=past.runs[-1], result=past.recent[-1])


def backend_of_suspect(suspect: Suspect) -> str:
    """Whose benchmark it is."""
    return str(suspect.result.configuration.get("backend"))


def witnesses_of(comparison: Comparison, suspects: Mapping[str, object]) -> dict[str, Suspect]:
    """For what is slower as a whole: of each backend without a suspect the quickest benchmark, for its packages.

    Of every backend where it is the suite, else of those that are slower beside the others.
    """
    known = {
        key: result
        for key, (result, judgement) in comparison.judgements.items()
        if judgement.ratio is not None and key in comparison.run.by_key
    }
    spoken_for = {str(one.configuration.get("backend")) for one in known.values() if one.fullname in suspects}
    quickest: dict[str, str] = {}
    for key, result in sorted(known.items(), key=lambda pair: pair[1].median_s):
        backend = str(result.configuration.get("backend"))
        asked = comparison.shift.verdict is Verdict.REGRESSED or backend in comparison.slower_backends
        if asked and backend not in spoken_for:
            quickest.setdefault(backend, key)
    return {known[key].fullname: suspect_of(comparison, key, comparison.judgements[key][1]) for key in quickest.values()}


def sentinels_of(comparison: Comparison, checkout: Path) -> dict[str, Suspect]:
    """Of each backend and number format that a change can touch the quickest benchmark, though nothing makes it suspect.

    A change is one of the packages that the backend needs, of their installed files, the interpreter, or the code that
    measures, since the newest accepted run. None where the run compared side by side itself.
    """
    if not comparison.baseline or any(one.evidence is Evidence.DUET for _, one in comparison.judgements.values()):
        return {}
    before, after = comparison.baseline[-1], comparison.run
    anything = after.dirty or code_differs(before, after, checkout) or installed_differs(before, after)
    quickest: dict[tuple[str, str], str] = {}
    judged = [(key, *pair) for key, pair in comparison.judgements.items() if pair[1].ratio is not None]
    for key, result, _ in sorted(judged, key=lambda one: one[1].median_s):
        backend, precision = (str(result.configuration.get(word)) for word in ("backend", "precision"))
        if key in after.by_key and (anything or packages_of(before, backend) != packages_of(after, backend)):
            quickest.setdefault((backend, precision), key)
    return {
        after.by_key[key].fullname: suspect_of(comparison, key, comparison.judgements[key][1]) for key in quickest.values()
    }


def installed_differs(before: Run, after: Run) -> bool:
    """Whether the interpreter, or files that pip did not install so, are other ones; False where a run does not say."""
    pythons = {run.machine_soft.get("python") for run in (before, after)} - {None}
    return len(pythons) > 1 or (None not in (before.altered, after.altered) and before.altered != after.altered)


def code_differs(before: Run, after: Run, checkout: Path) -> bool:
    """Whether the code that measures is another one; False where git cannot tell, which `why_code_unknown` says."""
    try:
        return bool(files_changed(checkout, f"{before.commit}..{after.commit}", MEASURING))
    except RunFileError:
        return False


def why_code_unknown(comparison: Comparison, checkout: Path) -> str | None:
    """Why nobody can tell whether the code is that of the newest accepted run; None where git can."""
    if not comparison.baseline:
        return None
    try:
        files_changed(checkout, f"{comparison.baseline[-1].commit}..{comparison.run.commit}", MEASURING)
    except RunFileError as error:
        return str(error)
    return None


def packages_of(run: Run, backend: str) -> dict[str, str]:
    """Name and version of what a backend's workers need, as a run has them; empty where it does not say."""
    needs = texts_of(run.backends.get(backend, {}).get("needs"))
    names = needed(needs, run.requires)
    return {canonical(name): version for name, version in run.packages.items() if canonical(name) in names}


def reasons_beside(comparison: Comparison, suspects: set[str]) -> Sequence[str]:
    """Why a run is red beside its suspects: no duet can take that away."""
    run = comparison.run
    judged = ((result.fullname, judgement) for result, judgement in comparison.judgements.values())
    missing = [(name, judgement) for name, judgement in judged if judgement.verdict is Verdict.MISSING]
    reasons = [f"{name}: {judgement.verdict.value}: {judgement.reason}" for name, judgement in missing]
    spoken_for = {*suspects, *(name for name, _ in missing)}
    reasons += [
        f"{name}: {how.get('reason')}"
        for name, how in run.not_passed.items()
        if how.get("outcome") == "failed" and name not in spoken_for
    ]
    if run.partial:
        reasons.append("the run was cut off before its end")
    return reasons
