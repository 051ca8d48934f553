"""What of this checkout a worker runs, and the commits that changed it."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from typing import Final

from baselines.files.run_folder import RunFileError

OF_A_WORKER: Final = tuple(f"fixtures/{room}" for room in ("backends", "machine", "model", "process", "tuning", "worker"))
"""Cards, workers and preparation; what the test process does is the same on both sides."""


def commits_between(checkout: Path, older: str) -> list[str]:
    """The commits after `older` that changed what a worker runs, oldest first; "" at the end: what is not committed yet.

    Raises:
        RunFileError: git cannot say.
    """
    if not _git(checkout, "diff", "--name-only", older, "--", *OF_A_WORKER):
        return []
    found = _git(checkout, "rev-list", "--first-parent", "--reverse", f"{older}..HEAD", "--", *OF_A_WORKER).split()
    if _git(checkout, "diff", "--name-only", "HEAD", "--", *OF_A_WORKER) or not found:
        found.append("")
    return found


def subject_of(checkout: Path, commit: str) -> str:
    """What a commit says of itself, after its short name."""
    return _git(checkout, "log", "-1", "--format=%h %s", commit).strip() if commit else "what is not committed"


def code_now(checkout: Path) -> str:
    """A word for what workers of this checkout run, as it is now; empty where git cannot say."""
    try:
        committed = _git(checkout, "ls-tree", "-r", "HEAD", "--", *OF_A_WORKER)
        changed = _git(checkout, "diff", "HEAD", "--", *OF_A_WORKER)
    except RunFileError:
        return ""
    return hashlib.sha256(committed.encode()).hexdigest()[:16] + (
        f"+{hashlib.sha256(changed.encode()).hexdigest()[:8]}" if changed else ""
    )


def _git(checkout: Path, *arguments: str) -> str:
    command = ["git", "-C", str(checkout), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, errors="replace", check=True).stdout
    except FileNotFoundError:
        raise RunFileError("git is not installed, which knows what a commit holds: apt-get install git") from None
    except subprocess.CalledProcessError as error:
        said = (error.stderr or "").strip().splitlines() or ["it said nothing"]
        raise RunFileError(f"git {arguments[0]}: {said[-1]}") from None
