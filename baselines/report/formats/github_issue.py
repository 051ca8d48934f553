"""`python -m baselines issue`: one open issue on GitHub says what regressed, through GitHub's own command line tool, gh.

The label finds it again: without an open issue that has it one is opened, otherwise that one gets the newest report and a
comment. Nobody's issue is ever closed.
"""

from __future__ import annotations

import json
import os
import subprocess
from typing import Final

from baselines.files.run_folder import RunFileError
from baselines.report.formats.markdown import markdown
from baselines.report.view import View

LABEL: Final = "performance-regression"
LIMIT_BYTES: Final = 60_000
"""GitHub refuses a body of more than 65,536 characters; what is below the report needs room as well."""

ROWS: Final = (200, 50, 10)
"""Of the report, the first number with which it fits."""

_TIME_OUT_S: Final = 120


def tell(view: View) -> str:
    """Opens or updates the issue where something regressed or is missing; returns what was done.

    Raises:
        RunFileError: gh is not there or refused.
    """
    if view.exit_code != 1:
        return f"{view.headline}: nothing regressed or is missing, no issue"
    number = _open_issue()
    if number is None:
        _gh("label", "create", LABEL, "--force", "--color", "b60205", "--description", "a benchmark became slower")
        created = _gh(
            *("issue", "create", "--label", LABEL, "--title", f"Regression: {view.subject}", "--body-file", "-"),
            text=body_of(view),
        )
        return f"opened  {created}"
    _gh("issue", "edit", str(number), "--body-file", "-", text=body_of(view))
    _gh("issue", "comment", str(number), "--body-file", "-", text=f"{view.headline}.{_where()}\n")
    return f"updated  issue {number}"


def body_of(view: View) -> str:
    """The report as Markdown, everything from files escaped, and where the whole of it is."""
    texts = (markdown(view, limit=LIMIT_BYTES, most=most) for most in ROWS)
    text = next((text for text in texts if len(text.encode()) <= LIMIT_BYTES), None)
    if text is None:
        text = f"## {view.headline}\n\nThe report has no room here.\n"
    return f"{text}\nThis is the newest report; there is a comment for each night.{_where()}\n"


def _where() -> str:
    """A sentence about the job on GitHub, empty outside of one."""
    server, repository, run = (os.environ.get(f"GITHUB_{name}") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID"))
    if not (server and repository and run):
        return ""
    return f" Report and raw runs: {server}/{repository}/actions/runs/{run}"


def _open_issue() -> int | None:
    listed = _gh("issue", "list", "--state", "open", "--label", LABEL, "--json", "number", "--limit", "100")
    try:
        return min((int(issue["number"]) for issue in json.loads(listed)), default=None)
    except (ValueError, TypeError, KeyError):
        raise RunFileError(f"gh issue list answered what is no list of issues: {listed[:200]!r}") from None


def _gh(*arguments: str, text: str | None = None) -> str:
    try:
        done = subprocess.run(
            ["gh", *arguments],  # noqa: S607 - the one on PATH is the one that is logged in
            input=text,
            stdin=subprocess.DEVNULL if text is None else None,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=_TIME_OUT_S,
            check=True,
        )
    except FileNotFoundError:
        raise RunFileError("gh is not installed, and it is what speaks to GitHub: https://cli.github.com") from None
    except subprocess.TimeoutExpired:
        raise RunFileError(f"gh {' '.join(arguments[:2])} gave no answer within {_TIME_OUT_S} s") from None
    except subprocess.CalledProcessError as error:
        said = ((error.stderr or "").strip().splitlines() or ["it said nothing"])[-1]
        raise RunFileError(f"gh {' '.join(arguments[:2])}: {said}") from None
    return done.stdout.strip()
