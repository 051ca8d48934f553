"""`python -m baselines report`: what `compare` says, and what was measured, as files to read and to keep."""

from __future__ import annotations

import argparse
from pathlib import Path

from baselines.commands import add_to_summary, take_any_machine, take_run, take_store
from baselines.comparing.comparison import compare
from baselines.files.run_folder import run_path
from baselines.judging.wording import shown
from baselines.report.formats.report_files import report_folder, write_report
from baselines.report.view import view_of

HELP = "write report.md, verdicts.json and report.html: 0 written, whatever they say; 2 unreadable"


def declare(command: argparse.ArgumentParser) -> None:
    """What it takes."""
    take_run(command)
    command.add_argument(
        "--against", nargs="+", type=Path, default=[], metavar="BASELINE", help="runs to judge against (default: accepted)"
    )
    command.add_argument(
        "--question",
        action="append",
        default=[],
        metavar="NAME",
        help="also a page about one question that draws and lists all of it: core_count_scaling, affinity, share_of_limit, "
        "history, ...; again for another",
    )
    command.add_argument("--output", type=Path, metavar="DIR", help="default: report/ in the run's folder")
    command.add_argument(
        "--told-only",
        action="store_true",
        help="print what to run here alone, as a run does at its end; the files are written",
    )
    take_any_machine(command)
    take_store(command)


def run(arguments: argparse.Namespace) -> str:
    """Writes the files, also where there is nothing to compare with."""
    path = run_path(arguments.run)
    folder = arguments.output or report_folder(path)
    comparison = compare(path, arguments.against, arguments.store, demand_baseline=False, any_machine=arguments.any_machine)
    view = view_of(comparison)
    paths = write_report(view, folder, arguments.question)
    add_to_summary(view)
    told = view.told.texts if view.told else []
    if arguments.told_only:
        return "\n".join(told)
    first = [*told, view.headline] if view.told_first else [view.headline, *told]
    return "\n".join([*first, *(f"written  {shown(path)}" for path in paths)])
