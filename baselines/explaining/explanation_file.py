"""explanation.json beside a run: what was explained of its benchmarks, for the report. The raw profiles lie beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from baselines.explaining.explanation import Explanation, Row
from baselines.files.atomic import put_in_place
from baselines.files.run import Run
from baselines.files.run_folder import RUN_NAME, RunFileError
from baselines.judging.parts import PartDifference
from baselines.judging.wording import typed

FILE_NAME: Final = "explanation.json"
SCHEMA: Final = 1


def keep(run: Run, found: Sequence[Explanation]) -> Path:
    """Puts explanations in place, beside those of other benchmarks that are there already.

    Raises:
        RunFileError: the file that is there cannot be read, or the new one cannot be written.
    """
    together = {**{one.fullname: one for one in read_explanations(run)}, **{one.fullname: one for one in found}}
    content = {"schema": SCHEMA, "run": _moment(run), "benchmarks": [asdict(one) for one in together.values()]}
    path = run.path.parent / FILE_NAME
    try:
        return put_in_place(path, json.dumps(content, indent=1, allow_nan=False) + "\n")
    except OSError as error:
        raise RunFileError(f"{path}: {error.strerror}; the profiles are kept, and what they say is printed above") from None


def read_explanations(run: Run) -> list[Explanation]:
    """What was explained of a run; empty where nothing was.

    Raises:
        RunFileError: the file cannot be read, or is another run's.
    """
    path = run.path.parent / FILE_NAME
    if run.path.name != RUN_NAME or not path.exists():
        return []
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["schema"] != SCHEMA or content["run"] != _moment(run):
            raise RunFileError(
                f"{path}: it is not about this run; remove it, or explain the run: "
                f"python -m baselines explain {typed(run.path.parent)}"
            )
        return [_explanation(one) for one in content["benchmarks"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunFileError(f"{path}: not what `python -m baselines explain` writes: {error!r}; remove it") from None


def _moment(run: Run) -> str | None:
    return None if run.datetime is None else run.datetime.isoformat()


def _explanation(words: Mapping[str, Any]) -> Explanation:
    reference_cost, not_told, reference = (words[name] for name in ("reference_cost", "not_told", "reference"))
    return Explanation(
        fullname=str(words["fullname"]),
        backend=str(words["backend"]),
        reference=None if reference is None else str(reference),
        launches=int(words["launches"]),
        not_told=None if not_told is None else str(not_told),
        whole=None if words["whole"] is None else _row(words["whole"]),
        classes=tuple(_row(one) for one in words["classes"]),
        layers=tuple(_row(one) for one in words["layers"]),
        not_explained=_difference(words["not_explained"]),
        cost=float(words["cost"]),
        reference_cost=None if reference_cost is None else float(reference_cost),
        folder=str(words["folder"]),
    )


def _row(words: Mapping[str, Any]) -> Row:
    return Row(
        name=str(words["name"]),
        measured_s=float(words["measured_s"]),
        low_s=float(words["low_s"]),
        high_s=float(words["high_s"]),
        reference_s=None if words["reference_s"] is None else float(words["reference_s"]),
        difference=_difference(words["difference"]),
        operator=str(words["operator"]),
    )


def _difference(words: Mapping[str, Any] | None) -> PartDifference | None:
    if words is None:
        return None
    numbers = {name: float(words[name]) for name in ("seconds", "low", "high", "p_value")}
    return PartDifference(**numbers, named=words["named"] is True)
