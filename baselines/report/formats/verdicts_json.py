"""A comparison for other programs: the numbers behind the words. baselines/README.md says what each key means."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any, Final

from baselines.files.run import Run
from baselines.judging.judgement import Verdict
from baselines.judging.wording import shown
from baselines.report.rows import Row
from baselines.report.view import View

SCHEMA: Final = 1


def verdicts_json(view: View) -> str:
    """The text of verdicts.json: one judgement per line, the worst first; no NaN and no infinity."""
    content = document(view)
    judgements = content.pop("judgements")
    head = [f" {json.dumps(key)}: {json.dumps(value, allow_nan=False)}" for key, value in content.items()]
    body = ",\n  ".join(json.dumps(one, allow_nan=False) for one in judgements)
    listed = f' "judgements": [\n  {body}\n ]' if judgements else ' "judgements": []'
    return "{\n" + ",\n".join([*head, listed]) + "\n}\n"


def document(view: View) -> dict[str, Any]:
    """The content of verdicts.json."""
    counts = dict.fromkeys((verdict.value for verdict in Verdict), 0)
    counts.update((verdict.value, count) for verdict, count in view.counts)
    return {
        "schema": SCHEMA,
        "run": _run(view.comparison.run),
        "baseline": [_accepted(run) for run in view.comparison.baseline],
        "differences": [asdict(change) for change in view.changes],
        "notices": list(view.notices),
        "counts": counts,
        "suite_shift": asdict(view.comparison.shift),
        "backend_shifts": {name: asdict(shift) for name, shift in view.comparison.backends.items()},
        "exit_code": view.exit_code,
        "claims": [{"name": claim.name, "answer": claim.answer.value, "why": claim.why} for claim in view.claims],
        "judgements": [_judgement(row) for row in view.rows],
    }


def _run(run: Run) -> dict[str, Any]:
    return {
        "path": shown(run.path),
        "machine_id": run.machine_id,
        "commit": run.commit,
        "dirty": run.dirty,
        "datetime": run.datetime.isoformat() if run.datetime else None,
        "preset": run.preset,
        "model": run.model,
        "partial": run.partial,
    }


def _accepted(run: Run) -> dict[str, Any]:
    return {
        "file": shown(run.path),
        "machine_id": run.machine_id,
        "datetime": run.datetime.isoformat() if run.datetime else None,
        "commit": run.commit,
        "accepted": run.accepted.accepted if run.accepted else None,
        "reason": run.accepted.reason if run.accepted else None,
    }


def _judgement(row: Row) -> dict[str, Any]:
    return {
        "fullname": row.result.fullname,
        "id": row.result.id,
        "group": row.result.group,
        "quantity": row.result.quantity,
        "unit": row.unit,
        "measured": row.measured,
        "baseline": row.baseline,
        **row.judgement.as_dict(),
    }
