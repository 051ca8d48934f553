"""`python -m baselines recover`: run.json of a run that was cut off, from its journal."""

from __future__ import annotations

import argparse
from pathlib import Path

from baselines.files.run_folder import JOURNAL_NAME, RUNS, RunFileError, newest_run, recover
from baselines.judging.wording import counted

HELP = "build run.json from the journal of a run that was cut off"


def declare(command: argparse.ArgumentParser) -> None:
    """What it takes."""
    command.add_argument("run", nargs="?", type=Path, help="the run's folder (default: the newest under runs/)")


def run(arguments: argparse.Namespace) -> str:
    """Builds it and says how much is in it; a file in the run's folder is as good as the folder."""
    named: Path = arguments.run or newest_run(RUNS)
    folder = named.parent if named.is_file() else named
    path, count = recover(folder)
    if count == 0:
        raise RunFileError(f"{folder / JOURNAL_NAME}: no benchmark had finished; {path} is empty")
    return f"{path}: {counted(count, 'finished benchmark')}"
