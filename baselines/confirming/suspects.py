"""Which benchmarks of a red run a duet can confirm or clear, and why else the run is red."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from baselines.comparing.comparison import Comparison
from baselines.files.result import Result
from baselines.files.run import Run
from baselines.judging.judgement import Judgement, Verdict


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


def reasons_beside(comparison: Comparison, suspects: set[str]) -> Sequence[str]:
    """Why a run is red beside its suspects: no duet can take that away."""
    run = comparison.run
    judged = ((result.fullname, judgement) for result, judgement in comparison.judgements.values())
    missing = [(name, judgement) for name, judgement in judged if judgement.verdict is Verdict.MISSING]
    reasons = [f"{name}: {judgement.verdict.value}: {judgement.reason}" for name, judgement in missing]
    spoken_for = {*suspects, *(name for name, _ in missing)}
    reasons += [
        f"{name}: {how.get('reason')}"
        for name, how in run.not_measured.items()
        if how.get("outcome") == "failed" and name not in spoken_for
    ]
    if run.partial:
        reasons.append("the run was cut off before its end")
    return reasons
