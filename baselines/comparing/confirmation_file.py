"""confirmation.json in the folder of a run: what a duet found of its suspects, and what later verdicts make of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeVar

from baselines.files.atomic import put_in_place
from baselines.files.run import Run
from baselines.files.run_folder import RUN_NAME, RunFileError
from baselines.judging.judgement import Judgement, SuiteShift, Verdict
from baselines.judging.wording import typed

FILE_NAME: Final = "confirmation.json"
SCHEMA: Final = 1
SUITE: Final = "the suite as a whole"
"""In place of a node id."""

_Said = TypeVar("_Said", Judgement, SuiteShift)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a duet said of one suspect."""

    fullname: str
    cleared: bool
    reason: str
    slower: bool = False
    """The duet itself calls it regressed."""


def as_a_whole(backend: str) -> str:
    """In place of a node id, for a backend that became slower beside the others."""
    return f"{backend} as a whole"


def write_findings(run: Run, findings: Sequence[Finding]) -> Path:
    """Writes what was found beside the run, for `compare` and the report."""
    content = {
        "schema": SCHEMA,
        "run": None if run.datetime is None else run.datetime.isoformat(),
        "benchmarks": {
            one.fullname: {"acquitted": one.cleared, "slower": one.slower, "reason": one.reason} for one in findings
        },
    }
    return put_in_place(run.path.parent / FILE_NAME, json.dumps(content, indent=1) + "\n")


def read_findings(run: Run) -> dict[str, Finding]:
    """What was found of a run's suspects, by node id; empty where nothing was confirmed.

    Raises:
        RunFileError: the file cannot be read, or is another run's.
    """
    path = run.path.parent / FILE_NAME
    if run.path.name != RUN_NAME or not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        moment = None if run.datetime is None else run.datetime.isoformat()
        if content["schema"] != SCHEMA or content["run"] != moment:
            raise RunFileError(
                f"{path}: it is not about this run; confirm it: python -m baselines confirm {typed(run.path.parent)}"
            )
        return {
            name: Finding(
                fullname=name,
                cleared=words["acquitted"] is True,
                reason=str(words["reason"]),
                slower=words.get("slower") is True,
            )
            for name, words in content["benchmarks"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunFileError(f"{path}: not what `python -m baselines confirm` writes: {error!r}; remove it") from None


def after_finding(said: _Said, finding: Finding | None) -> _Said:
    """A verdict after its confirmation: one that was cleared is inconclusive and says why, one that was not says so too.

    One that was withheld, because its accepted runs are of one sitting, is red where the duet calls it slower, and so is any
    other that was asked though nothing made it suspect.
    """
    if finding is not None and isinstance(said, Judgement) and said.withheld:
        verdict = Verdict.REGRESSED if finding.slower else said.verdict
        cleared = "cleared: " if finding.cleared else ""
        return replace(said, verdict=verdict, reason=f"{said.reason}; {cleared}{finding.reason}")
    if finding is not None and isinstance(said, Judgement) and finding.slower and said.verdict is not Verdict.REGRESSED:
        return replace(said, verdict=Verdict.REGRESSED, reason=f"{said.reason}; {finding.reason}")
    if finding is None or said.verdict is not Verdict.REGRESSED:
        return said
    if finding.cleared:
        return replace(said, verdict=Verdict.INCONCLUSIVE, reason=f"{said.reason}; cleared: {finding.reason}")
    return replace(said, reason=f"{said.reason}; {finding.reason}")
