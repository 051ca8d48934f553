"""`python -m baselines`: the commands on the files of runs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from baselines.commands import confirm
from baselines.commands.accept import Refused, Request, accept
from baselines.commands.environment import environment
from baselines.commands.listing import listing
from baselines.commands.recommend import recommend
from baselines.comparing.comparison import compare
from baselines.files.reading import RUNS, run_path
from baselines.files.run_file import JOURNAL_NAME, RunFileError, newest_run, recover
from baselines.files.store import MACHINES
from baselines.judging.wording import shown
from baselines.report.formats.issue import tell
from baselines.report.formats.markdown import markdown
from baselines.report.formats.summary import append_summary
from baselines.report.formats.terminal import terminal
from baselines.report.formats.verdicts_json import verdicts_json
from baselines.report.formats.write import report_folder, write_report
from baselines.report.view import view_of

REPOSITORY: Final = Path(__file__).resolve().parents[1]

FORMATS: Final = {"terminal": terminal, "markdown": markdown, "json": verdicts_json}
"""What `compare` can print."""


def folder_of(run: Path | None) -> Path:
    """The folder of the run that was named: itself, or that of a file in it; the newest when none was named."""
    if run is None:
        return newest_run(RUNS)
    return run.parent if run.is_file() else run


def recover_command(arguments: argparse.Namespace) -> str:
    """Builds run.json from a journal and says what is in it."""
    folder = folder_of(arguments.run)
    path, count = recover(folder)
    if count == 0:
        raise RunFileError(f"{folder / JOURNAL_NAME}: no benchmark had finished; {path} is empty")
    return f"{path}: {count} finished benchmark{'s' * (count != 1)}"


def accept_command(arguments: argparse.Namespace) -> str:
    """Accepts runs into the baseline and says what changed."""
    words = (word.strip() for word in (arguments.only or "").split(","))
    only = tuple(word for word in words if word)
    if arguments.only is not None and not only:
        raise Refused(["--only names no benchmark; name them by id: --only ID,ID"])
    return accept(
        Request(
            runs=tuple(arguments.runs),
            reason=arguments.reason,
            only=only,
            accept_regression=arguments.accept_regression,
            anchor=arguments.anchor,
            machines=arguments.store,
        )
    )


def compare_command(arguments: argparse.Namespace) -> tuple[str, int]:
    """Judges a run against accepted or named ones; the exit code is the verdict."""
    comparison = compare(arguments.run, arguments.baseline, arguments.store)
    view = view_of(comparison, strict=arguments.strict)
    warn(append_summary(view))
    return FORMATS[arguments.format](view).rstrip("\n"), view.exit_code


def report_command(arguments: argparse.Namespace) -> str:
    """Writes what `compare` says, and what was measured where there is nothing to compare with, as files."""
    run = run_path(arguments.run)
    folder = arguments.output or report_folder(run)
    view = view_of(compare(run, arguments.against, arguments.store, demand_baseline=False))
    paths = write_report(view, folder)
    warn(append_summary(view))
    return "\n".join([view.headline, *(f"written  {shown(path)}" for path in paths)])


def issue_command(arguments: argparse.Namespace) -> str:
    """Opens or updates the issue of a regression on GitHub."""
    return tell(view_of(compare(run_path(arguments.run), [], arguments.store, demand_baseline=False)))


def confirm_command(arguments: argparse.Namespace) -> tuple[str, int]:
    """Plays a duet of what regressed against the environment of the accepted run; the exit code is what stays red."""
    return confirm.confirm(
        confirm.Request(
            run=arguments.run,
            reference_python=arguments.reference_python,
            extra=tuple(word for word in arguments.pytest if word != "--"),
            machines=arguments.store,
            checkout=REPOSITORY,
        )
    )


def warn(warning: str | None) -> None:
    """Says what went wrong beside the work that was asked for."""
    if warning is not None:
        print(f"warning: {warning}", file=sys.stderr)


def recommend_command(arguments: argparse.Namespace) -> str:
    """The best measured configuration of every problem size."""
    return recommend(arguments.run, price=arguments.price, plan=arguments.plan, machines=arguments.store)


def environment_command(arguments: argparse.Namespace) -> str:
    """The packages of an accepted run, as pip reads them."""
    return environment(arguments.run, machine=arguments.machine, model=arguments.model, machines=arguments.store)


def list_command(arguments: argparse.Namespace) -> str:
    """The history of every baseline."""
    return listing(arguments.store)


def add_accept(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declares `accept`, whose rules stand in baselines/README.md."""
    command = commands.add_parser("accept", help="make runs part of the baseline of their machine and model")
    command.add_argument(
        "runs", nargs="*", type=Path, metavar="RUN", help="files or folders of runs (default: the newest under runs/)"
    )
    command.add_argument("--reason", default="", help="what changed, and why; kept with the run")
    command.add_argument(
        "--only", metavar="IDS", help="only these benchmarks: ids or node ids with commas between, or `steady`"
    )
    command.add_argument("--accept-regression", action="store_true", help="even benchmarks that became slower")
    command.add_argument("--anchor", action="store_true", help="measure slow creep from this run on")
    add_store(command)
    command.set_defaults(run_command=accept_command)


def add_compare(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declares `compare`."""
    command = commands.add_parser(
        "compare", help="judge a run: 0 nothing regressed, 1 regressed or missing, 2 nothing to compare"
    )
    command.add_argument("run", nargs="?", type=Path, help="file or folder (default: the newest under runs/)")
    command.add_argument("baseline", nargs="*", type=Path, help="runs to judge against (default: the accepted ones)")
    command.add_argument("--strict", action="store_true", help="2 also when anything is inconclusive")
    command.add_argument("--format", choices=FORMATS, default="terminal", help="what to print (default: terminal)")
    add_store(command)
    command.set_defaults(run_command=compare_command)


def add_report(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declares `report`."""
    command = commands.add_parser(
        "report", help="write report.md, verdicts.json and report.html: 0 written, whatever they say; 2 unreadable"
    )
    command.add_argument("run", nargs="?", type=Path, help="file or folder (default: the newest under runs/)")
    command.add_argument(
        "--against", nargs="+", type=Path, default=[], metavar="BASELINE", help="runs to judge against (default: accepted)"
    )
    command.add_argument("--output", type=Path, metavar="DIR", help="default: report/ in the run's folder")
    add_store(command)
    command.set_defaults(run_command=report_command)


def add_issue(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declares `issue`."""
    command = commands.add_parser(
        "issue", help="where a run regressed: open the issue on GitHub, or update the open one; uses gh"
    )
    command.add_argument("run", nargs="?", type=Path, help="file or folder (default: the newest under runs/)")
    add_store(command)
    command.set_defaults(run_command=issue_command)


def add_confirm(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declares `confirm`."""
    command = commands.add_parser(
        "confirm",
        help="measure what regressed in a duet with the accepted run's environment: 0 all acquitted, 1 something red",
    )
    command.add_argument("run", nargs="?", type=Path, help="file or folder (default: the newest under runs/)")
    command.add_argument(
        "--reference-python", required=True, metavar="PATH", help="of that environment: tox run -e reference makes it"
    )
    command.add_argument(
        "--pytest",
        nargs=argparse.REMAINDER,
        default=[],
        metavar="OPTION",
        help="the rest of the line goes to the duet's pytest",
    )
    add_store(command)
    command.set_defaults(run_command=confirm_command)


def add_recommend(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declares `recommend`."""
    command = commands.add_parser(
        "recommend", help="the best configuration of every problem size of a run, what it promises and how to run it"
    )
    command.add_argument("run", nargs="?", type=Path, help="file or folder (default: the newest under runs/)")
    command.add_argument(
        "--price", type=positive_price, metavar="PER_HOUR", help="of the whole machine: prints the cost of a million samples"
    )
    command.add_argument(
        "--plan", type=Path, metavar="FILE", help="write a plan for smart dispatching, for pytest --dispatch-plan FILE"
    )
    add_store(command)
    command.set_defaults(run_command=recommend_command)


def add_environment(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declares `environment`."""
    command = commands.add_parser(
        "environment", help="what was installed in the newest accepted run, as requirements for pip: tox run -e reference"
    )
    command.add_argument("run", nargs="?", type=Path, help="file or folder of a run (default: the newest accepted one)")
    command.add_argument("--machine", metavar="ID", help="whose accepted runs (default: of the only machine that has some)")
    command.add_argument("--model", help="of which model (default: of any)")
    add_store(command)
    command.set_defaults(run_command=environment_command)


def positive_price(text: str) -> float:
    """A number above 0."""
    try:
        price = float(text)
    except ValueError:
        price = 0.0
    if not 0 < price < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a price per hour above 0, such as 4.848")
    return price


def add_store(command: argparse.ArgumentParser) -> None:
    """Declares the store that a command works on."""
    command.add_argument("--store", type=Path, default=MACHINES, metavar="DIR", help="default: baselines/machines")


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; 0 when it did its work, 2 when it refused or a file cannot be read; `compare` adds 1."""
    parser = argparse.ArgumentParser(prog="python -m baselines", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("recover", help="build run.json from the journal of a run that was cut off")
    command.add_argument("run", nargs="?", type=Path, help="the run's folder (default: the newest under runs/)")
    command.set_defaults(run_command=recover_command)
    add_accept(commands)
    add_compare(commands)
    add_report(commands)
    add_recommend(commands)
    add_confirm(commands)
    add_issue(commands)
    add_environment(commands)
    command = commands.add_parser("list", help="the accepted runs of every machine and model")
    add_store(command)
    command.set_defaults(run_command=list_command)
    parsed = parser.parse_args(arguments)
    try:
        answer = parsed.run_command(parsed)
        text, code = answer if isinstance(answer, tuple) else (answer, 0)
        print(text)
    except Refused as refused:
        for reason in refused.reasons:
            print(f"error: {reason}", file=sys.stderr)
        return 2
    except RunFileError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
