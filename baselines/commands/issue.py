"""`python -m baselines issue`: tells GitHub what regressed."""

from __future__ import annotations

import argparse

from baselines.commands import take_run, take_store
from baselines.comparing.comparison import compare
from baselines.report.formats.github_issue import tell
from baselines.report.view import view_of

HELP = "where a run regressed: open the issue on GitHub, or update the open one; uses gh"


def declare(command: argparse.ArgumentParser) -> None:
    """What it takes."""
    take_run(command)
    take_store(command)


def run(arguments: argparse.Namespace) -> str:
    """Opens or updates the issue of a regression."""
    return tell(view_of(compare(arguments.run, [], arguments.store, demand_baseline=False)))
