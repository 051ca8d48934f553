"""`python -m baselines compare RUN [BASELINE ...]`: the verdicts on a run, printed; the exit code is the verdict."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from baselines.commands import add_to_summary, take_any_machine, take_run, take_store
from baselines.comparing.comparison import compare
from baselines.report.formats.markdown import markdown
from baselines.report.formats.terminal import terminal
from baselines.report.formats.verdicts_json import verdicts_json
from baselines.report.view import view_of

HELP = "judge a run: 0 nothing regressed, 1 regressed or missing, 2 nothing to compare"
FORMATS: Final = {"terminal": terminal, "markdown": markdown, "json": verdicts_json}


def declare(command: argparse.ArgumentParser) -> None:
    """What it takes."""
    take_run(command)
    command.add_argument("baseline", nargs="*", type=Path, help="runs to judge against (default: the accepted ones)")
    command.add_argument("--strict", action="store_true", help="2 also when anything is inconclusive")
    command.add_argument("--format", choices=FORMATS, default="terminal", help="what to print (default: terminal)")
    take_any_machine(command)
    take_store(command)


def run(arguments: argparse.Namespace) -> tuple[str, int]:
    """Judges a run against accepted or named ones."""
    comparison = compare(arguments.run, arguments.baseline, arguments.store, any_machine=arguments.any_machine)
    view = view_of(comparison, strict=arguments.strict)
    add_to_summary(view)
    return FORMATS[arguments.format](view).rstrip("\n"), view.exit_code
