"""The commands of `python -m baselines`: a file each, and a word in the table of __main__.py.

`HELP` is the command's line in --help, `declare` adds what it takes, `run` does it and returns what to print, perhaps with
an exit code. What several of them take is declared here.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from baselines.files.store import MACHINES
from baselines.report.formats.github_summary import append_summary
from baselines.report.view import View


def take_run(command: argparse.ArgumentParser) -> None:
    """The run that a command is about."""
    command.add_argument("run", nargs="?", type=Path, help="file or folder (default: the newest under runs/)")


def take_store(command: argparse.ArgumentParser) -> None:
    """The store that a command works on."""
    command.add_argument("--store", type=Path, default=MACHINES, metavar="DIR", help="default: baselines/machines")


def take_pytest(command: argparse.ArgumentParser, which: str) -> None:
    """Options for the pytest that a command starts, `which` as its help calls it."""
    command.add_argument(
        "--pytest",
        nargs=argparse.REMAINDER,
        default=[],
        metavar="OPTION",
        help=f"the rest of the line goes to {which}",
    )


def pytest_options(arguments: argparse.Namespace) -> list[str]:
    """What the rest of the line was."""
    return [word for word in arguments.pytest if word != "--"]


def take_any_machine(command: argparse.ArgumentParser) -> None:
    """Whether another machine's runs judge."""
    command.add_argument("--any-machine", action="store_true", help="judge by named runs of another machine as well")


def add_to_summary(view: View) -> None:
    """Adds a comparison to the summary of GitHub's job, where there is one; what goes wrong there is a warning."""
    warning = append_summary(view)
    if warning is not None:
        print(f"warning: {warning}", file=sys.stderr)
