"""`python -m baselines accept`: makes runs part of a baseline; baselines/README.md has its rules."""

from __future__ import annotations

import argparse
from pathlib import Path

from baselines.accepting.accept import Refused, accept
from baselines.commands import take_store

HELP = "make runs part of the baseline of their machine and model"


def declare(command: argparse.ArgumentParser) -> None:
    """What it takes."""
    command.add_argument(
        "runs", nargs="*", type=Path, metavar="RUN", help="files or folders of runs (default: the newest under runs/)"
    )
    command.add_argument("--reason", default="", help="what changed, and why; kept with the run")
    command.add_argument(
        "--only", metavar="IDS", help="only these benchmarks: ids or node ids with commas between, or `steady`"
    )
    command.add_argument("--accept-regression", action="store_true", help="even benchmarks that became slower")
    command.add_argument("--anchor", action="store_true", help="measure slow creep from this run on")
    take_store(command)


def run(arguments: argparse.Namespace) -> str:
    """Accepts runs and says what changed."""
    only = tuple(word for one in (arguments.only or "").split(",") if (word := one.strip()))
    if arguments.only is not None and not only:
        raise Refused(["--only names no benchmark; name them by id: --only ID,ID"])
    return accept(
        arguments.runs,
        reason=arguments.reason,
        only=only,
        accept_regression=arguments.accept_regression,
        anchor=arguments.anchor,
        machines=arguments.store,
    )
