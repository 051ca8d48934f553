"""tuning.json in the folder of a run: what a search for the best deployment found of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from baselines.files.atomic import put_in_place
from baselines.files.run import Run
from baselines.files.run_folder import RUN_NAME, RunFileError

FILE_NAME: Final = "tuning.json"
SCHEMA: Final = 1


def write_answers(folder: Path, answers: Sequence[Mapping[str, Any]]) -> Path:
    """Writes the answers to the questions of a search beside its run; each has `lines`, the answer in words.

    Raises:
        OSError: it cannot be written.
    """
    text = json.dumps({"schema": SCHEMA, "answers": list(answers)}, allow_nan=False, indent=1)
    return put_in_place(folder / FILE_NAME, text + "\n")


def read_answers(run: Run) -> list[list[str]]:
    """The answers of a run's search in lines; empty where it is no search's.

    Raises:
        RunFileError: the file cannot be read.
    """
    path = run.path.parent / FILE_NAME
    if run.path.name != RUN_NAME or not path.exists():
        return []
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["schema"] != SCHEMA:
            raise ValueError(content["schema"])
        return [[str(line).strip() for line in answer["lines"]] for answer in content["answers"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunFileError(f"{path}: not what `python -m baselines tune` writes: {error!r}; remove it") from None
