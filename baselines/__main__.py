"""`python -m baselines`: the commands on the files of runs."""

from __future__ import annotations

import argparse
import gc
import io
import sys
from typing import Final, Protocol

from baselines.accepting.accept import Refused
from baselines.commands import (
    accept,
    bisect,
    clean,
    compare,
    confirm,
    explain,
    issue,
    merge,
    recommend,
    recover,
    report,
    tune,
)
from baselines.commands import list as list_command
from baselines.files.run_folder import RunFileError


class Command(Protocol):
    """What a file of baselines/commands/ holds."""

    HELP: str

    def declare(self, command: argparse.ArgumentParser) -> None:
        """Adds what the command takes."""

    def run(self, arguments: argparse.Namespace) -> str | tuple[str, int]:
        """Does it; what to print, and the exit code where that is not 0."""


COMMANDS: Final[dict[str, Command]] = {
    "recover": recover,
    "merge": merge,
    "accept": accept,
    "compare": compare,
    "report": report,
    "recommend": recommend,
    "tune": tune,
    "confirm": confirm,
    "bisect": bisect,
    "explain": explain,
    "issue": issue,
    "clean": clean,
    "list": list_command,
}


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; 0 when it did its work, 2 when it refused or a file cannot be read; `compare` adds 1."""
    parser = argparse.ArgumentParser(prog="python -m baselines", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        its_parser = commands.add_parser(name, help=command.HELP)
        command.declare(its_parser)
        its_parser.set_defaults(command=command)
    parsed = parser.parse_args(arguments)
    try:
        answer = parsed.command.run(parsed)
    except (Refused, RunFileError) as error:
        for reason in error.reasons if isinstance(error, Refused) else (error,):
            print(f"error: {reason}", file=sys.stderr)
        return 2
    text, code = answer if isinstance(answer, tuple) else (answer, 0)
    print(text)
    return int(code)


if __name__ == "__main__":
    gc.set_threshold(
        100_000, 50, 1000
    )  # a store is a million values of which none is garbage; looking takes a sixth of the time
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name that this terminal cannot show is no reason to end
    sys.exit(main())
