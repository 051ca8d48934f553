"""`python -m baselines report`: the files of a report, each put in place whole."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from baselines.files.atomic import put_in_place
from baselines.files.run_folder import RUN_NAME, RunFileError
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


def write_report(view: View, folder: Path) -> list[Path]:
    """Writes all files and returns their paths.

    Raises:
        RunFileError: one cannot be written; each file there is whole, the old or the new one.
    """
    texts = {name: render(view) for name, render in FORMATS.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [put_in_place(folder / name, text) for name, text in texts.items()]
    except OSError as error:
        raise RunFileError(f"{error.filename or folder}: {error.strerror}; the report is not written") from error
