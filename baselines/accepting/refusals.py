"""Why a run cannot become part of a baseline: each reason a line that says what is wrong and what to type next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from baselines.comparing.disturbance import disturbed_because
from baselines.files.past import Past
from baselines.files.result import Result
from baselines.files.run import Run
from baselines.files.run_folder import RunFileError
from baselines.files.store import folder_name, machine_folder
from baselines.judging.wording import listed, typed

STEADY: Final = "steady"
"""As a word of `--only`: all benchmarks that are not unstable."""

MEASURE: Final = "pytest benchmarks/ --benchmark-only"

_NAMED: Final = 8  # benchmarks that a line names before it only counts


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One run that may be accepted."""

    run: Run
    content: Mapping[str, Any]
    """The JSON of its file."""
    chosen: tuple[Result, ...]
    """Its benchmarks that were asked for."""

    @property
    def place(self) -> tuple[str, str]:
        """Machine and model: the baseline that it belongs to."""
        return self.run.machine_id or "", self.run.model or ""


def is_called(result: Result, word: str) -> bool:
    """Whether a word of `--only` means this benchmark: its node id, name or id, or STEADY."""
    return word in (result.fullname, result.name, result.id) or (word == STEADY and unstable_because(result) is None)


def unknown_words(candidates: Sequence[Candidate], only: Sequence[str]) -> list[str]:
    """What `--only` names and no run holds, with what is nearest to it."""
    results = [result for candidate in candidates for result in candidate.run.results]
    names = sorted({name for result in results for name in (result.id, result.fullname)})
    reasons = []
    for word in only:
        if word != STEADY and not any(is_called(result, word) for result in results):
            near = difflib.get_close_matches(word, names, n=3, cutoff=0.5)
            hint = f"did you mean {', '.join(near)}?" if near else f"possible: {ids(results)}"
            runs = ", ".join(candidate.run.name for candidate in candidates)
            reasons.append(f"--only {word}: no such benchmark in {runs}; {hint}")
    return reasons


def unfit(candidate: Candidate, *, narrowed: bool) -> list[str]:
    """Why a run can be in no baseline, whatever that holds."""
    run, name = candidate.run, candidate.run.name
    if run.accepted is not None:
        return [f"{run.path} is an accepted run already; give the one to accept: runs/<UTC>_<commit>"]
    if not run.results:
        return [f"{name}: nothing was measured in it; measure: {MEASURE}"]
    reasons = []
    if why := homeless(run):
        reasons.append(f"{name}: {why}; only runs of this suite can be accepted: {MEASURE}")
    if run.datetime is None:
        reasons.append(f"{name}: it does not say when it was measured; measure again: {MEASURE}")
    if not run.speed_guards:
        reasons.append(f"{name}: measured with --no-speed-guards, so that its times mean nothing; measure: {MEASURE}")
    again = f"pytest {run.arguments}" if run.arguments else MEASURE
    if run.commit is None:
        why = run.commit_error or "its file does not say"
        reasons.append(f"{name}: it is not known which commit was measured ({why}); mend that, then: {again}")
    if run.dirty:
        reasons.append(
            f"{name}: measured with uncommitted changes, so that no commit can measure it again; commit, then: {again}"
        )
    if run.partial and not narrowed:
        left = f", {len(run.not_reached)} benchmarks before its end" if run.not_reached else ""
        reasons.append(f"{name}: it was cut off{left}; accept what it has: --only {STEADY}")
    if run.is_one_of_several and not narrowed:
        part = f"it is part {run.shard.get('index')} of {run.shard.get('of')}, and the whole is accepted"
        reasons.append(f"{name}: {part}; make it: python -m baselines merge RUN RUN ...")
    if narrowed and not candidate.chosen:
        reasons.append(f"{name}: it holds none of the benchmarks of --only; leave this run out")
    return reasons + unstable(candidate)


def homeless(run: Run) -> str | None:
    """Why no folder of the store is a run's; None when one is."""
    if run.machine_id is None:
        return "it has no machine id"
    if run.model is None:
        return "it names no model"
    try:
        machine_folder(run.machine_id)
        folder_name(run.model)
    except RunFileError as error:
        return str(error)
    return None


def unstable(candidate: Candidate) -> list[str]:
    """The chosen benchmarks whose numbers cannot be trusted, and how to leave them out."""
    name = candidate.run.name
    shaky = [(result, why) for result in candidate.chosen if (why := unstable_because(result))]
    if not shaky:
        return []
    reasons = [f"{name}: {result.id} is unstable, {why}" for result, why in shaky]
    way_out = f", or accept the others: --only {STEADY}" if len(shaky) < len(candidate.chosen) else ""
    return [*reasons, f"{name}: measure it again when the machine is quiet{way_out}"]


def unstable_because(result: Result) -> str | None:
    """Why a result is not steady enough to be judged against; None when it is."""
    if result.warmed_up is False:
        return "its rounds still became faster when warm-up ended (warm_up.steady is false)"
    return disturbed_because(result)


def given_twice(candidates: Sequence[Candidate]) -> list[str]:
    """Runs that were named more than once; runs are told apart by the moment they began."""
    seen: set[object] = set()
    reasons = []
    for candidate in candidates:
        moment = (candidate.run.machine_id, candidate.run.datetime)
        if moment in seen:
            reasons.append(f"{candidate.run.name}: given twice, and one run is one piece of evidence; name it once")
        seen.add(moment)
    return reasons


def accepted_before(candidate: Candidate, known: Sequence[Run]) -> list[str]:
    """A run of which a chosen benchmark is in the baseline already."""
    chosen, moment = {result.key for result in candidate.chosen}, candidate.run.datetime
    twice = "and one run is one piece of evidence; measure again"
    return [
        f"{candidate.run.name}: accepted already, as {run.path.name}, {twice}: {MEASURE}"
        for run in known
        if run.datetime == moment and chosen & run.by_key.keys()
    ]


def lost_anchors(known: Sequence[Run], past: Mapping[str, Past]) -> list[str]:
    """Benchmarks whose anchor was taken away by hand: what creep is measured from is moved by decision only."""
    lost = [one.recent[-1] for one in past.values() if one.anchor is None]
    if not lost:
        return []
    folder = known[0].path.parent
    way_out = f"restore its file: git checkout -- {typed(folder)}, or measure creep from this run on: --anchor"
    return [f"{folder}: no anchor is left for {ids(lost)}; {way_out}"]


def regressed(candidate: Candidate, verdicts: Mapping[str, str]) -> list[str]:
    """The chosen benchmarks that became slower."""
    slower = [result for result in candidate.chosen if verdicts.get(result.key) == "regressed"]
    if not slower:
        return []
    compare = f"python -m baselines compare {typed(candidate.run.path)}"
    way_out = f"see by how much: {compare}, or take it as it is: --accept-regression"
    return [f"{candidate.run.name}: {ids(slower)} regressed; {way_out}"]


def ids(results: Iterable[Result]) -> str:
    """What one would type for them, cut after a few."""
    return listed((result.id for result in results), _NAMED)
