"""`python -m baselines report`: the files of a report, each put in place whole."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from baselines.files.atomic import put_in_place
from baselines.files.run_folder import RUN_NAME, RunFileError
from baselines.report.figures.questions import names_of
from baselines.report.formats.markdown import markdown
from baselines.report.formats.page import page
from baselines.report.formats.verdicts_json import verdicts_json
from baselines.report.view import View

FORMATS: Final = {"report.md": markdown, "verdicts.json": verdicts_json, "report.html": page}
"""The files, and who knows what is in them."""


def report_folder(run: Path) -> Path:
    """Where the report of a run goes when nobody says: `report/` beside its run.json.

    Raises:
        RunFileError: the file is in no run's folder.
    """
    if run.name != RUN_NAME:
        raise RunFileError(f"{run}: it is in no folder of a run; say where the report goes: --output DIR")
    return run.parent / "report"


def page_name(question: str) -> str:
    """The file of the page about one question; a name out of a file leads nowhere else."""
    return f"report-{re.sub(r'[^A-Za-z0-9_-]', '_', question)}.html"


def write_report(view: View, folder: Path, questions: Sequence[str] = ()) -> list[Path]:
    """Writes all files and returns their paths; a page more, `report-NAME.html`, for each of some questions.

    Raises:
        RunFileError: one cannot be written; each file there is whole, the old or the new one.
    """
    possible = names_of(view)
    for name in questions:
        if name not in possible:
            raise RunFileError(f"--question {name}: this run has no such question; possible: {', '.join(possible)}")
    texts = {name: render(view) for name, render in FORMATS.items()}
    texts |= {page_name(name): page(view, name) for name in questions}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [put_in_place(folder / name, text) for name, text in texts.items()]
    except OSError as error:
        raise RunFileError(f"{error.filename or folder}: {error.strerror}; the report is not written") from error
