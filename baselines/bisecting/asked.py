"""What a bisection is asked: which benchmark of a run, and since when."""

from __future__ import annotations

import platform
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from baselines.bisecting.culprit import Before
from baselines.comparing.comparison import compare
from baselines.files.reading_runs import read_run
from baselines.files.requirements import canonical
from baselines.files.run import Run
from baselines.files.run_folder import RunFileError, run_path
from baselines.judging.judgement import Verdict
from baselines.judging.wording import listed, typed
from baselines.requesting.commits import code_now, commits_between
from baselines.requesting.today import installed, word_of

_NAMED = 5


def subject_of(
    run: Path | None, name: str | None, store: Path, *, since: Sequence[str], checkout: Path
) -> tuple[Run, str, Before]:
    """The run, the benchmark in it by node id, and the state before.

    Args:
        run: file or folder; None for the newest.
        name: a benchmark, by its node id or the end of it; None for the one that regressed most.
        store: of accepted runs.
        since: `NAME==VERSION`, in place of an accepted run: today's environment with these.
        checkout: whose code workers run.

    Raises:
        RunFileError: there is no such benchmark, or nothing says what was before.
    """
    if since:
        subject = read_run(run_path(run))
        named = _since(since)
        then = Before(packages={**installed(), **named}, requires={}, commit=None, since=named)
        return subject, _benchmark(subject, name), then
    comparison = compare(run, [], store)
    judged = [one for one in comparison.judgements.values() if one[1].verdict is Verdict.REGRESSED]
    if name is None:
        if not judged:
            raise RunFileError(
                f"{comparison.run.name}: nothing regressed; name the benchmark that is asked about: --benchmark ID"
            )
        name = max(judged, key=lambda one: one[1].ratio or 0.0)[0].fullname
    name = _benchmark(comparison.run, name)
    past = next((past for past in comparison.past.values() if past.recent[-1].fullname == name), None)
    if past is None:
        raise RunFileError(f"no accepted run has {name}: say what was before: --since NAME==VERSION")
    accepted = past.runs[-1]
    commit, commits, unseen = code_before(accepted, checkout)
    before = Before(packages=accepted.packages, requires=accepted.requires, commit=commit, commits=commits, unseen=unseen)
    return comparison.run, name, before


def code_before(accepted: Run, checkout: Path) -> tuple[str | None, list[str], str]:
    """The commit of an accepted run, those after it, and why its code cannot be looked at, if so."""
    if accepted.commit_error or not accepted.commit:
        return None, [], f"{accepted.name} does not say its commit: {accepted.commit_error or 'none is recorded'}"
    try:
        return accepted.commit, commits_between(checkout, accepted.commit), ""
    except RunFileError as error:
        return None, [], f"{error}; where the history was cut off: git fetch --unshallow"


def header_of(run: Run, name: str, before: Before, also: Sequence[str], checkout: Path) -> dict[str, Any]:
    """What a search is about: with other words it is another search."""
    return {
        "schema": 1,
        "run": run.name,
        "benchmark": name,
        "before": word_of({"packages": dict(before.packages), "commit": before.commit}),
        "packages": word_of(installed()),
        "code": code_now(checkout),
        "also": sorted(also),
    }


def not_as_measured(run: Run) -> list[str]:
    """A line where what is installed here is not what a run was measured with: the answer's `today` is this environment."""
    now = {canonical(name): version for name, version in installed().items()}
    then = {canonical(name): version for name, version in run.packages.items()}
    pairs = [(name, then[name], now.get(name, "none")) for name in sorted(then)]
    pairs.append(("python", run.machine_soft.get("python") or platform.python_version(), platform.python_version()))
    changed = [f"{name} {before} -> {after}" for name, before, after in pairs if before != after]
    return [f"today's environment is not the one of {run.name}: {listed(changed, _NAMED)}"] if changed else []


def _since(words: Sequence[str]) -> dict[str, str]:
    """Versions before, by the names that packages have today."""
    before: dict[str, str] = {}
    names = {canonical(name): name for name in installed()}
    for word in words:
        found = re.fullmatch(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s=]+)", word)
        if found is None:
            raise RunFileError(f"--since {word}: not a package and its version before, such as transformers==5.12.1")
        if canonical(found[1]) not in names:
            raise RunFileError(f"--since {word}: {found[1]} is not installed here")
        before[names[canonical(found[1])]] = found[2]
    return before


def _benchmark(run: Run, name: str | None) -> str:
    """A benchmark of a run by its node id, by the end of it after ::, or by what is in brackets."""
    names = [result.fullname for result in run.results]
    if name is None:
        if len(names) != 1:
            raise RunFileError(f"{run.name} has {len(names)} benchmarks: name one: --benchmark ID")
        return names[0]
    found = [one for one in names if name in (one, one.rpartition("::")[2], one.rpartition("[")[2].rstrip("]"))]
    if len(found) != 1:
        possible = listed(found or names, _NAMED)
        how = "is the end of several" if found else "is none of its benchmarks"
        raise RunFileError(
            f"{run.name}: {name!r} {how}: {possible}; all of them: python -m baselines list {typed(run.path)}"
        )
    return found[0]
