"""`python -m baselines explain`: where in the model the time goes, or where two sides differ."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from baselines.commands import pytest_options, take_pytest, take_run, take_store
from baselines.comparing.comparison import compare
from baselines.explaining import chosen, profile_run, wording
from baselines.explaining.explanation import Explanation, explained
from baselines.explaining.explanation_file import keep
from baselines.explaining.profiles import Profile
from baselines.files.result import Result
from baselines.files.run import Run
from baselines.files.run_folder import RUN_NAME, RunFileError
from baselines.judging.parts import PartsPolicy
from baselines.judging.wording import counted, shown, typed

HELP = "where in the model the time goes, and with --reference where it became slower: profiles extra launches"
CHECKOUT: Final = Path(__file__).resolve().parents[2]
"""Where pytest is started."""


def declare(command: argparse.ArgumentParser) -> None:
    """What it takes."""
    take_run(command)
    command.add_argument(
        "--benchmark",
        metavar="ID",
        help="which one, by its node id, what is in its brackets, or a part of it (default: what regressed where there is a "
        "--reference, else one of each backend)",
    )
    command.add_argument(
        "--reference", metavar="WHAT", help="compare with this side, as pytest takes it: accepted, a commit, an interpreter"
    )
    command.add_argument(
        "--launches",
        metavar="N",
        type=_launches,
        help=f"launches to profile ({profile_run.LAUNCHES}), or launch pairs ({profile_run.PAIRS}): an even number from "
        f"{PartsPolicy().least_launches} up",
    )
    take_pytest(command, "the pytest that profiles")
    take_store(command)


def _launches(word: str) -> int:
    if not word.isdecimal() or not int(word):
        raise argparse.ArgumentTypeError(f"{word!r} is no number of launches: 1 or more")
    return int(word)


def run(arguments: argparse.Namespace) -> tuple[str, int]:
    """Explains; 1 where something that was asked for could not be."""
    extra = pytest_options(arguments)
    return explain(
        arguments.run,
        arguments.store,
        benchmark=arguments.benchmark,
        reference=arguments.reference,
        launches=arguments.launches,
        extra=extra,
    )


def explain(
    run: Path | None,
    machines: Path,
    *,
    benchmark: str | None = None,
    reference: str | None = None,
    launches: int | None = None,
    extra: Sequence[str] = (),
    checkout: Path = CHECKOUT,
) -> tuple[str, int]:
    """Explains benchmarks of a run, the newest for None.

    Returns:
        What was found, and the exit code: 1 where a benchmark that was asked for could not be profiled, 2 where what was
        found cannot be kept; why is said.

    Raises:
        RunFileError: there is no such run or benchmark, several fit, none that was asked for can be profiled, or pytest
            refused or was interrupted.
    """
    least = PartsPolicy().least_launches
    if reference is not None and launches is not None and (launches < least or launches % 2):
        raise RunFileError(f"--launches {launches} with --reference: launch pairs come in twos, and it takes {least}")
    comparison = compare(run, [], machines, demand_baseline=False)
    its_run = comparison.run
    if its_run.path.name != RUN_NAME:
        raise RunFileError(
            f"{its_run.path}: it is in no folder of a run, and profiles are kept beside one: name a run's folder"
        )
    if benchmark is not None:
        asked = [chosen.named(its_run, benchmark)]
    elif reference is not None:
        asked = chosen.meant(comparison)
    else:
        asked = chosen.one_of_each_backend(its_run)
    left_out = [why for one in asked if (why := _not_profiled(one))]
    asked = [one for one in asked if not _not_profiled(one)]
    if not asked:
        raise RunFileError("; ".join(left_out))
    profiles, code = profile_run.profiles_of(
        asked, its_run, reference=reference, launches=launches, extra=extra, checkout=checkout
    )
    found, missing = _explained(profiles, asked)
    text = [line for one in found for line in (*wording.lines(one), *_traces(its_run, one), "")]
    missing += left_out
    text += missing
    try:
        path = keep(its_run, found)
    except RunFileError as error:
        return "\n".join([*text, f"it is not kept: {error}"]), 2
    text.append(f"kept in {shown(path)}; the report shows it: python -m baselines report {typed(its_run.path.parent)}")
    return "\n".join(text), int(bool(missing) or code not in (0, 1) or any(one.not_told for one in found))


def _not_profiled(result: Result) -> str:
    """Why a benchmark cannot be profiled; empty where it can."""
    streams = "policy" in result.configuration
    if result.served_in_turn:
        return f"{result.id}: several batches in turn cannot be profiled; explain the same backend and size with one batch"
    if not streams and result.instances == 1:
        return ""
    what = "a stream of requests" if streams else f"{result.instances} instances beside each other"
    return f"{result.id}: {what} cannot be profiled; explain the same backend and size with one instance"


def _traces(run: Run, said: Explanation) -> list[str]:
    if said.not_told is not None:
        return []
    return [f"  traces, for Perfetto or speedscope: {typed(run.path.parent / said.folder)}/*.trace.json"]


def _explained(profiles: Sequence[Profile], asked: Sequence[Result]) -> tuple[list[Explanation], list[str]]:
    """The explanations, and a line for each benchmark that has none."""
    found, missing = [], []
    for one in profiles:
        try:
            found.append(explained(one, f"{profile_run.FOLDER_NAME}/{one.folder.name}"))
        except ValueError as error:
            missing.append(f"{one.fullname.rpartition('::')[2]}: {error}; what pytest printed is above")
            continue
        if one.not_told is None and len(one.launches) < one.asked:
            done = f"{len(one.launches)} of {one.asked} launches"
            missing.append(
                f"{one.fullname.rpartition('::')[2]}: {done} were profiled to their end; what pytest printed is above"
            )
    known = {one.fullname for one in profiles}
    gone = [one.name for one in asked if one.fullname not in known]
    missing += [f"{name}: it could not be profiled; what pytest printed is above" for name in gone]
    if missing and not found:
        raise RunFileError(f"{counted(len(missing), 'benchmark')} could not be explained: {'; '.join(missing)}")
    return found, missing
