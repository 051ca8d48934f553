"""`python -m baselines environment`: what pip needs to build the environment that an accepted run was measured in again."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from baselines.commands import take_store
from baselines.files.reading_runs import read_run
from baselines.files.run import Run
from baselines.files.run_folder import RunFileError, run_path
from baselines.files.store import folders, runs_in
from baselines.judging.wording import shown

HELP = "what was installed in the newest accepted run, as requirements for pip: tox run -e reference"
LEFT_OUT: Final = frozenset({"bert-cpu-benchmarks", "pip", "setuptools", "wheel"})
"""This project, which is run from a checkout, and what every environment brings along."""


def declare(command: argparse.ArgumentParser) -> None:
    """What it takes."""
    command.add_argument("run", nargs="?", type=Path, help="file or folder of a run (default: the newest accepted one)")
    command.add_argument("--machine", metavar="ID", help="whose accepted runs (default: of the only machine that has some)")
    command.add_argument("--model", help="of which model (default: of any)")
    take_store(command)


def run(arguments: argparse.Namespace) -> str:
    """The text of a requirements file, of the run that is named or else of the newest accepted one.

    Raises:
        RunFileError: there is none, or it cannot be read.
    """
    named: Path | None = arguments.run
    newest = None if named else newest_accepted(arguments.machine, arguments.model, arguments.store)
    return "\n".join(requirements(newest or read_run(run_path(named))))


def requirements(run: Run) -> list[str]:
    """Lines of a requirements file: every recorded package at its exact version, and what pip cannot be told as comments.

    The public version alone is asked for, because a local label (`2.13.0+cpu`) names a build that only its own index has.

    Raises:
        RunFileError: the run does not say what was installed.
    """
    packages = {name: version for name, version in run.packages.items() if name.lower() not in LEFT_OUT}
    if not packages:
        raise RunFileError(f"{run.path}: it does not say which packages were installed")
    python = run.machine_soft.get("python")
    head = [f"# as measured in {shown(run.path)}" + (f", Python {python}" if python else "")]
    return head + [_line(name, version) for name, version in sorted(packages.items(), key=lambda item: item[0].lower())]


def _line(name: str, version: str) -> str:
    public, plus, label = version.partition("+")
    return f"{name}=={public}" + (f"  # measured with the build +{label}" if plus else "")


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
