"""bisection.json in the folder of a run: what a search found to have made its benchmarks slower."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from baselines.files.atomic import put_in_place
from baselines.files.run import Run
from baselines.files.run_folder import RUN_NAME, RunFileError

FILE_NAME: Final = "bisection.json"
SCHEMA: Final = 1


def write_answer(run: Run, name: str, answer: Mapping[str, Any]) -> Path:
    """Writes what was found of a benchmark beside the run, and keeps what was found of others.

    `answer` has `lines`, the answer in words with the headline first; the rest is for other programs.

    Raises:
        RunFileError: there is a file that is none of these, or this one cannot be written.
    """
    content = {"schema": SCHEMA, "run": _moment(run), "benchmarks": {**_benchmarks(run), name: answer}}
    path = run.path.parent / FILE_NAME
    try:
        return put_in_place(path, json.dumps(content, allow_nan=False, indent=1) + "\n")
    except OSError as error:
        raise RunFileError(f"{path}: {error.strerror}") from None


def read_answers(run: Run) -> dict[str, list[str]]:
    """What was found, in lines, by node id; empty where nobody searched.

    Raises:
        RunFileError: the file cannot be read, or is another run's.
    """
    return {name: [str(line) for line in answer["lines"]] for name, answer in _benchmarks(run).items()}


def _benchmarks(run: Run) -> dict[str, Any]:
    path = run.path.parent / FILE_NAME
    if run.path.name != RUN_NAME or not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["schema"] != SCHEMA or content["run"] != _moment(run):
            raise RunFileError(f"{path}: it is not about this run; remove it")
        found = dict(content["benchmarks"])
        if not all(isinstance(answer["lines"], list) for answer in found.values()):
            raise TypeError("lines")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunFileError(f"{path}: not what `python -m baselines bisect` writes: {error!r}; remove it") from None
    return found


def _moment(run: Run) -> str | None:
    return None if run.datetime is None else run.datetime.isoformat()
