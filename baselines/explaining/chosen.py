"""Which benchmarks of a run are explained: the one that was named, what regressed, or one of each backend."""

from __future__ import annotations

from collections import Counter

from baselines.comparing.comparison import Comparison
from baselines.files.result import Result
from baselines.files.run import Run
from baselines.files.run_folder import RunFileError
from baselines.judging.judgement import Verdict
from baselines.judging.wording import listed, typed

MOST_LISTED = 6


def named(run: Run, word: str) -> Result:
    """The benchmark that a word names: its node id, its name, what is in its brackets, or a part of one of these.

    Raises:
        RunFileError: there is none, or there are several.
    """
    fitting = [one for one in run.results if word in (one.fullname, one.name, one.id)]
    fitting = fitting or [one for one in run.results if word in one.fullname]
    if not fitting:
        known = listed((one.id for one in run.results), MOST_LISTED)
        raise RunFileError(f"--benchmark {word}: no benchmark of {run.name} is called so; it has {known or 'none at all'}")
    if len(fitting) > 1:
        names = listed((one.name for one in fitting), MOST_LISTED)
        raise RunFileError(
            f"--benchmark {word}: {len(fitting)} benchmarks of {run.name} fit: {names}. Give more of the name"
        )
    return fitting[0]


def meant(comparison: Comparison) -> list[Result]:
    """Those that became slower: against accepted runs, or in the duet that the run itself was; else the only one of a run.

    Raises:
        RunFileError: there is none, and several benchmarks could be meant.
    """
    judged = {
        result.fullname: result
        for result, judgement in comparison.judgements.values()
        if judgement.verdict is Verdict.REGRESSED
    }
    duets = {one.fullname: one for one in comparison.run.results if one.duet.get("verdict") == Verdict.REGRESSED}
    results = comparison.run.results
    found = [one for one in results if one.fullname in {**judged, **duets}] or list(results if len(results) == 1 else ())
    if not found:
        raise RunFileError(
            f"{comparison.run.name}: nothing regressed in it, so that nothing says which benchmark is meant: name one: "
            f"python -m baselines explain {typed(comparison.run.path.parent)} --benchmark ID --reference WHAT"
        )
    return found


def one_of_each_backend(run: Run) -> list[Result]:
    """Of each backend one benchmark, as much alike as a run has them: of the question and size that most backends have.

    Raises:
        RunFileError: the run has none that can be profiled.
    """
    fitting = [
        one for one in run.results if one.instances == 1 and "policy" not in one.configuration and not one.served_in_turn
    ]
    if not fitting:
        raise RunFileError(f"{run.name}: no benchmark of a single instance and batch is in it, and others are not profiled")
    spread = Counter(kind for kind, _ in {(_kind(one), _backend(one)) for one in fitting})
    found: dict[str, Result] = {}
    for one in sorted(fitting, key=lambda one: -spread[_kind(one)]):
        found.setdefault(_backend(one), one)
    return list(found.values())


def _backend(result: Result) -> str:
    return str(result.configuration.get("backend"))


def _kind(result: Result) -> tuple[str, str]:
    """What a benchmark is but for its backend."""
    words = {name: value for name, value in result.configuration.items() if name != "backend"}
    return result.fullname.partition("[")[0], f"{sorted(words.items(), key=str)} {sorted(result.problem_size.items())}"
