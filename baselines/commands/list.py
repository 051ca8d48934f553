"""`python -m baselines list`: the history of every baseline, oldest run first."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Final

from baselines.commands import take_store
from baselines.files.run import Run
from baselines.files.store import folders, runs_in
from baselines.judging.wording import counted, shown

HELP = "the accepted runs of every machine and model"
HEAD: Final = ("run", "measured", "commit", "preset", "benchmarks", "anchor", "accepted", "reason")


def declare(command: argparse.ArgumentParser) -> None:
    """What it takes."""
    take_store(command)


def run(arguments: argparse.Namespace) -> str:
    """A table per machine and model; RunFileError where a file of the store cannot be read."""
    tables = []
    for folder in folders(arguments.store):
        runs = runs_in(folder)
        tables.append(
            "\n".join([f"{folder.parent.name}  {folder.name}  {counted(len(runs), 'accepted run')}", *table(runs)])
        )
    none = f"{shown(arguments.store)}: no accepted run; accept one: python -m baselines accept RUN --reason TEXT"
    return "\n\n".join(tables) or none


def table(runs: Sequence[Run]) -> list[str]:
    """One line per run below a head; columns as wide as what is in them."""
    rows = [HEAD, *(row(run) for run in runs)]
    widths = [max(len(cells[column]) for cells in rows) for column in range(len(HEAD))]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip() for cells in rows
    ]


def row(run: Run) -> tuple[str, ...]:
    """What the table says of one run."""
    accepted = run.accepted
    anchors = sum(result.anchor for result in run.results)
    return (
        f"{accepted.number:04}" if accepted else "",
        run.datetime.date().isoformat() if run.datetime else "",
        (run.commit or "unknown")[:12],
        run.preset or "",
        str(len(run.results)) if accepted is None or accepted.whole else f"{len(run.results)} (--only)",
        "" if not anchors else "all" if anchors == len(run.results) else f"{anchors} of them",
        accepted.accepted[:10] if accepted else "",
        accepted.reason if accepted else "",
    )
