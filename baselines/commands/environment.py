"""`python -m baselines environment`: what pip needs to build the environment that an accepted run was measured in again."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

from baselines.commands import take_store
from baselines.files.reading_runs import read_run
from baselines.files.requirements import requirements_of, why_not_installed
from baselines.files.run import Run
from baselines.files.run_folder import RunFileError, run_path
from baselines.files.store import folders, runs_in
from baselines.judging.wording import shown

HELP = "what the workers of the newest accepted run need, as requirements for pip: tox run -e reference"


def declare(command: argparse.ArgumentParser) -> None:
    """What it takes."""
    command.add_argument("run", nargs="?", type=Path, help="file or folder of a run (default: the newest accepted one)")
    command.add_argument("--machine", metavar="ID", help="whose accepted runs (default: of the only machine that has some)")
    command.add_argument("--model", help="of which model (default: of any)")
    command.add_argument("--backends", metavar="A,B", help="only what these need (default: all that were measured)")
    command.add_argument("--install", action="store_true", help="have pip install it where this runs")
    take_store(command)


def run(arguments: argparse.Namespace) -> str:
    """The text of a requirements file, of the run that is named or else of the newest accepted one.

    Raises:
        RunFileError: there is none, or it cannot be read.
    """
    named: Path | None = arguments.run
    newest = None if named else newest_accepted(arguments.machine, arguments.model, arguments.store)
    found = newest or read_run(run_path(named))
    backends = None if arguments.backends is None else [word for word in arguments.backends.split(",") if word]
    return install(found, backends) if arguments.install else "\n".join(requirements(found, backends))


def requirements(run: Run, backends: Collection[str] | None = None) -> list[str]:
    """Lines of a requirements file: what workers need at its exact version, and what pip cannot be told as comments.

    The public version alone is asked for, because a local label (`2.13.0+cpu`) names a build that only its own index has.

    Raises:
        RunFileError: the run does not say what was installed, or did not measure such a backend.
    """
    python = run.machine_soft.get("python")
    head = f"# as measured in {shown(run.path)}" + (f", Python {python}" if python else "")
    return [head, *map(str, requirements_of(run, backends))]


def install(run: Run, backends: Collection[str] | None) -> str:
    """Has pip install them where this runs, and returns what was installed.

    Raises:
        RunFileError: as `requirements`, and where pip cannot: one sentence with the package's name.
    """
    asked = requirements_of(run, backends)
    command = [sys.executable, "-m", "pip", "install", "--no-deps", *(one.pinned for one in asked)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        raise RunFileError(why_not_installed(done.stderr + done.stdout, asked))
    return f"{len(asked)} packages as measured in {shown(run.path)}"


def newest_accepted(machine: str | None, model: str | None, machines: Path) -> Run:
    """The newest accepted run of a machine and a model.

    Raises:
        RunFileError: there is none, or more than one machine has some and none was named.
    """
    kept: dict[str, list[Run]] = {}
    for folder in folders(machines):
        runs = [run for run in runs_in(folder) if model is None or run.model == model]
        if runs and machine in (None, folder.parent.name):
            kept.setdefault(folder.parent.name, []).extend(runs)
    of = " of ".join(["", *(word for word in (model, machine) if word)])
    if not kept:
        raise RunFileError(
            f"{shown(machines)}: no accepted run{of}; accept one: python -m baselines accept RUN --reason TEXT"
        )
    if len(kept) > 1:
        raise RunFileError(
            f"{shown(machines)} has accepted runs of {len(kept)} machines, {', '.join(sorted(kept))}; name one: "
            "--machine ID (of this machine: python -m fixtures.machine --id)"
        )
    (runs,) = kept.values()
    return max(runs, key=lambda run: str(run.datetime))
