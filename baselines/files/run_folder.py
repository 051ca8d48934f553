"""The folder of a run: `journal.jsonl`, a line per finished benchmark, and `run.json`, which is made from it.

run.json is pytest-benchmark's own format, with `run` and `environment` beside its keys.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from baselines.files.atomic import put_in_place
from baselines.judging.wording import typed

RUNS: Final = Path(__file__).resolve().parents[2] / "runs"
"""Where the runs of this checkout are kept."""
SCHEMA: Final = 1
JOURNAL_NAME: Final = "journal.jsonl"
RUN_NAME: Final = "run.json"


class RunFileError(Exception):
    """A run's folder or file cannot be read as one; the message says which file, where in it, and why."""


def assemble(
    header: Mapping[str, Any], benchmarks: Sequence[Mapping[str, Any]], ending: Mapping[str, Any]
) -> dict[str, Any]:
    """The content of `run.json`.

    Args:
        header: pytest-benchmark's `machine_info`, `commit_info`, `datetime`, `version`, and this suite's `environment`
            and `run` (what was asked for).
        benchmarks: the finished ones, as pytest-benchmark writes them.
        ending: how the run ended, merged into `run`; `partial` among it.
    """
    return {
        **header,
        "run": {"schema": SCHEMA, **header.get("run", {}), **ending},
        "benchmarks": list(benchmarks),
    }


def write_run(folder: Path, content: Mapping[str, Any]) -> Path:
    """Writes `run.json` so that a reader sees the old file or the whole new one, whatever happens meanwhile."""
    return put_in_place(folder / RUN_NAME, json.dumps(content, allow_nan=False, indent=1) + "\n")


def read_journal(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any] | None]:
    """Header, benchmarks, and the ending if the run came to one; a torn last line is left out.

    Of a benchmark whose last launch is missing, what the launches before it came to.

    Raises:
        RunFileError: the file cannot be read, has no header, or is damaged before its last line.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise RunFileError(f"{path}: {error.strerror}") from error
    entries: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            entry = json.loads(line)
            if not isinstance(entry, dict) or len(entry) != 1:
                raise ValueError("not an entry of a journal")
        except ValueError as error:
            if number == len(lines):  # no newline after it: the process died while it wrote
                break
            raise RunFileError(f"{path}:{number}: {error}") from error
        entries.append(entry)
    if not entries or "header" not in entries[0]:
        raise RunFileError(f"{path}:1: no header; this is not a journal")
    endings = [entry["ending"] for entry in entries if "ending" in entry]
    benchmarks: dict[str, dict[str, Any]] = {}
    for entry in entries:
        if one := entry.get("benchmark") or entry.get("launch"):
            benchmarks[one["fullname"]] = one
        elif "failed" in entry:
            benchmarks.pop(entry["failed"], None)
    return entries[0]["header"], list(benchmarks.values()), endings[-1] if endings else None


def newest_run(runs: Path) -> Path:
    """The folder of the newest run; RunFileError where there is none."""
    folders = sorted(folder for folder in runs.glob("*Z_*") if folder.is_dir()) if runs.is_dir() else []
    if not folders:
        raise RunFileError(f"{runs}: no run there; make one: pytest benchmarks/ --benchmark-only")
    return folders[-1]


def recover(folder: Path) -> tuple[Path, int]:
    """Builds `run.json` from the journal of a run that did not come to its end, marked partial.

    Returns:
        The path of `run.json` and the number of benchmarks in it.

    Raises:
        RunFileError: there is no readable journal, or the file cannot be written.
    """
    header, benchmarks, ending = read_journal(folder / JOURNAL_NAME)
    ending = ending or {"partial": True, "recovered": True}
    try:
        return write_run(folder, assemble(header, benchmarks, ending)), len(benchmarks)
    except OSError as error:
        raise RunFileError(f"{folder / RUN_NAME}: {error.strerror}") from error


def run_path(run: Path | None, runs: Path = RUNS) -> Path:
    """The file of the run that was named by its file or folder; of the newest when none was named.

    Raises:
        RunFileError: there is none.
    """
    folder = newest_run(runs) if run is None else run
    if not folder.is_dir():
        return folder
    path = folder / RUN_NAME
    if not path.exists() and (folder / JOURNAL_NAME).exists():
        raise RunFileError(
            f"{folder}: the run was cut off, or still runs; make its file: python -m baselines recover {typed(folder)}"
        )
    return path
