"""`python -m baselines merge RUN RUN ...`: one run of the parts that several machines measured of one plan."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from baselines.files.reading_runs import read_run
from baselines.files.run_folder import RUNS
from baselines.judging.wording import counted, shown
from baselines.merging.merge import write_merged
from baselines.merging.part import read_parts
from baselines.report.notices import merged_notices

HELP = "make one run of parts that were measured with --shard, and print its path"


def declare(command: argparse.ArgumentParser) -> None:
    """What it takes."""
    command.add_argument("parts", nargs="+", type=Path, metavar="RUN", help="files or folders of all parts of one plan")
    command.add_argument("--runs", type=Path, default=RUNS, metavar="DIR", help="where the folder goes (default: runs/)")


def run(arguments: argparse.Namespace) -> str:
    """Merges them and says what came of it; the only part of a plan of one is whole already."""
    parts = read_parts(arguments.parts)
    lines = [f"part {one.index} of {one.of}: {one.run.name}, {counted(len(one.run.results), 'benchmark')}" for one in parts]
    path = parts[0].run.path if parts[0].of == 1 else write_merged(parts, arguments.runs)
    lines += merged_notices(read_run(path)) if parts[0].of > 1 else ["this is the whole plan: nothing to merge"]
    lines.append(f"{'merged' if parts[0].of > 1 else 'whole'}  {shown(path)}")
    commands = (["report"], ["compare"], ["accept", "--reason", "..."])
    lines += [
        f"next    {shlex.join(['python', '-m', 'baselines', one, shown(path.parent), *rest])}" for one, *rest in commands
    ]
    return "\n".join(lines)
