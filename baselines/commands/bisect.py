"""`python -m baselines bisect`: which package, which release of it or which commit made a benchmark slower."""

from __future__ import annotations

import argparse
import contextlib
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from baselines.commands import pytest_options, take_pytest, take_run, take_store
from baselines.comparing.bisection_file import write_answer
from baselines.files.run import Run
from baselines.files.run_folder import RUN_NAME, RunFileError
from baselines.judging.durations import clock, duration, duration_words
from baselines.judging.wording import shown

HELP = "what made a benchmark slower since it was accepted: package, release or commit; 0 answered, 1 undecided"
CHECKOUT: Final = Path(__file__).resolve().parents[2]
FOLDER_NAME: Final = "bisection"
"""In the folder of the run: logs, and what the session that measures leaves."""


def declare(command: argparse.ArgumentParser) -> None:
    """What it takes."""
    take_run(command)
    command.add_argument("--benchmark", metavar="ID", help="which one (default: the one that regressed most)")
    command.add_argument(
        "--since",
        metavar="NAME==VERSION",
        action="append",
        default=[],
        help="search since today's environment with this version, in place of the accepted run's (repeatable)",
    )
    command.add_argument(
        "--also",
        metavar="NAME",
        action="append",
        default=[],
        help="a package that no worker needs and may matter all the same; `all` for every one (repeatable)",
    )
    command.add_argument(
        "--budget", type=duration, default="none", metavar="DURATION", help="stop after so long: 30m, 8h (default: none)"
    )
    command.add_argument("--anew", action="store_true", help="put an earlier search aside in place of going on with it")
    take_pytest(command, "the pytest that measures")
    take_store(command)


def run(arguments: argparse.Namespace) -> tuple[str, int]:
    """Searches; the exit code is 0 for an answer, 1 where there is none yet, 2 where it cannot be kept, 130 after Ctrl-C.

    Raises:
        RunFileError: a file cannot be read or written, or nothing can be measured.
    """
    from baselines.bisecting.along import Bisecting, BudgetOver  # numpy, which the other commands need not wait for
    from baselines.bisecting.asked import header_of, not_as_measured, subject_of
    from baselines.bisecting.culprit import find
    from baselines.bisecting.measuring import Session
    from baselines.requesting.commits import subject_of as commit_text
    from baselines.requesting.log import Log

    extra = pytest_options(arguments)
    found, name, before = subject_of(
        arguments.run, arguments.benchmark, arguments.store, since=arguments.since, checkout=CHECKOUT
    )
    if found.path.name != RUN_NAME:
        raise RunFileError(f"{found.path}: it is in no folder of a run, and a log is kept beside one: name a run's folder")
    folder = found.path.parent / FOLDER_NAME
    log = Log(
        folder / f"{_file_name(name)}.jsonl", header_of(found, name, before, arguments.also, CHECKOUT), anew=arguments.anew
    )
    again = _again(arguments, found, name)
    tell(f"{name}\nlog: {shown(log.path)}")
    session = Session(found, name, folder, extra, CHECKOUT)
    try:
        bisecting = Bisecting(measurer=session, log=log, budget_s=arguments.budget, tell=tell)
        outcome = find(bisecting, before, arguments.also, lambda commit: commit_text(CHECKOUT, commit))
    except (BudgetOver, KeyboardInterrupt) as error:
        pairs = sum("pair" in entry for entry in log.entries)
        why = f"the budget of {duration_words(arguments.budget)} is over" if isinstance(error, BudgetOver) else "interrupted"
        so_far = f" So far: {error}." if str(error) else ""
        kept = f"{why}; {pairs} launch pairs are kept in {shown(log.path)}.{so_far}"
        return f"{kept}\nGo on: {again}", 1 if isinstance(error, BudgetOver) else 130
    finally:
        with contextlib.suppress(KeyboardInterrupt):
            session.close()
    pairs = sum("pair" in entry for entry in log.entries)
    spent = f"{pairs} launch pairs, {clock(sum(entry['pair']['wall_s'] for entry in log.entries if 'pair' in entry))}"
    lines = [*outcome.lines, *not_as_measured(found), f"spent: {spent}"]
    text = [name, *(f"  {line}" for line in lines)]
    try:
        path = write_answer(found, name, {**as_json(outcome), "lines": lines})
    except RunFileError as error:  # hours of measuring: the answer is said all the same
        return "\n".join([*text, f"the answer is not kept: {error}", f"what was measured is: {shown(log.path)}"]), 2
    go_on = [] if outcome.is_over else [f"Go on: {again}"]
    explain = [_explaining(one.interpreters, arguments, found, name) for one in outcome.culprits if all(one.interpreters)]
    return "\n".join([*text, f"answer: {shown(path)}", *explain, *go_on]), int(bool(outcome.undecided))


def as_json(outcome: Any) -> dict[str, Any]:
    """An outcome for other programs."""
    return {
        "culprits": [
            {
                "name": one.name,
                "older": one.older,
                "newer": one.newer,
                "ratio": one.difference.ratio,
                "interval": list(one.difference.interval(0.05)),
                "launches": one.launches,
                "note": one.note,
            }
            for one in outcome.culprits
        ],
        "undecided": list(outcome.undecided),
    }


def tell(line: str) -> None:
    """Progress, which is not the answer."""
    print(line, file=sys.stderr, flush=True)


def _file_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name.rpartition("::")[2]).strip("_")[:150]


def _explaining(interpreters: tuple[str, str], arguments: argparse.Namespace, found: Run, name: str) -> str:
    """The command that says where in the model two neighbours differ."""
    older, newer = interpreters
    command = ["python" if newer == sys.executable else newer, "-m", "baselines", "explain", shown(found.path.parent)]
    command += ["--benchmark", name, "--reference", older, *_as_asked(arguments, found)]
    return f"where in the model: {shlex.join(command)}"


def _again(arguments: argparse.Namespace, found: Run, name: str) -> str:
    """The command that goes on with this search."""
    words: Sequence[str] = [
        *("python", "-m", "baselines", "bisect", shown(found.path.parent), "--benchmark", name),
        *(word for one in arguments.since for word in ("--since", one)),
        *(word for one in arguments.also for word in ("--also", one)),
        *_as_asked(arguments, found),
    ]
    return shlex.join(words)


def _as_asked(arguments: argparse.Namespace, found: Run) -> list[str]:
    """The store and pytest's options, as every command on this run needs them."""
    store = ["--store", shown(arguments.store)] if found.store_options or arguments.store.name != "machines" else []
    return [*store, *(["--pytest", *arguments.pytest] if arguments.pytest else [])]
