"""Adds a comparison to the summary of a job of GitHub Actions, where there is one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from baselines.report.formats.markdown import markdown
from baselines.report.view import View

VARIABLE: Final = "GITHUB_STEP_SUMMARY"

LIMIT_BYTES: Final = 1024 * 1024
"""GitHub drops the summary of a step that is larger: docs.github.com, "Workflow commands", step isolation and limits."""


def append_summary(view: View) -> str | None:
    """Appends the Markdown to the file that the variable names; returns a warning where that failed, else None."""
    name = os.environ.get(VARIABLE)
    if not name:
        return None
    path, lost = Path(name), "the summary has not been added; the verdicts are as before"
    try:
        room = LIMIT_BYTES - (path.stat().st_size if path.exists() else 0)
        text = markdown(view, limit=room)
        if len(text.encode()) > room:  # and GitHub would drop what other commands of the step wrote as well
            return f"{VARIABLE}: {path}: no room for all that needs a look, of {LIMIT_BYTES} bytes {room} are left; {lost}"
        with path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as error:
        return f"{VARIABLE}: {path}: {error.strerror}; {lost}"
    return None
