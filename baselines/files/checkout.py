"""The checkout that a baseline is committed to: its history is the baseline's history."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from baselines.files.run_folder import RunFileError
from baselines.judging.wording import listed, typed

MEASURING: Final = ("benchmarks", "fixtures", "conftest.py")
"""What of the repository takes part in a measurement."""
_NAMED: Final = 3  # changed files that the message names
_OF_A_HOOK: Final = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")  # they would point git elsewhere than `-C` says


def clean_commit(machines: Path) -> str:
    """The commit that is checked out where the store is, with nothing changed or untracked outside the store and runs/.

    Raises:
        RunFileError: it is no git checkout, or it has changes.
    """
    inside = _inside(machines)
    try:
        top = Path(_git(inside, "rev-parse", "--show-toplevel").rstrip("\n"))
        commit = _git(inside, "rev-parse", "--verify", "HEAD").strip()
        changed = _changed(top, machines, untracked="all")
    except FileNotFoundError:
        raise RunFileError(
            "git is not installed, and its history is the baseline's; install it: apt-get install git"
        ) from None
    except subprocess.CalledProcessError as error:
        raise RunFileError(
            f"{inside} is no git checkout with a commit, and git's history is the baseline's ({_last_line(error)}); "
            "accept in the checkout: git clone"
        ) from None
    if changed:
        raise RunFileError(
            f"the checkout has changes outside the baseline ({listed(changed, _NAMED)}), so that no commit would "
            f"say what was accepted; commit or stash them: git -C {typed(top)} status"
        )
    return commit


def commit_of(machines: Path) -> dict[str, Any]:
    """The commit of the checkout that a store is in, with the keys of pytest-benchmark's `commit_info`.

    `dirty`: whether tracked files outside the store and runs/ have changes. Where git cannot be asked, `id` is `unknown`,
    `dirty` None, and `error` says why and what to do.
    """
    inside = _inside(machines)
    try:
        top = Path(_git(inside, "rev-parse", "--show-toplevel").rstrip("\n"))
        commit, committed, authored = _git(top, "log", "-1", "--format=%H %cI %aI").split()
        return {
            "id": commit,
            "time": committed,
            "author_time": authored,
            "dirty": bool(_changed(top, machines, untracked="no")),
            "project": top.name,
            "branch": _git(top, "rev-parse", "--abbrev-ref", "HEAD").strip(),
        }
    except FileNotFoundError:
        error = "git is not installed: apt-get install git"
    except subprocess.CalledProcessError as failed:
        error = f"git says: {_last_line(failed)}"
        if trusted := re.search(r"git config --global --add safe\.directory .+", str(failed.stderr)):
            error = f"the checkout is another user's; if you trust it: {trusted[0]}"
    unknown = {"id": "unknown", "time": None, "author_time": None, "dirty": None}
    return {**unknown, "project": inside.name, "branch": "(unknown)", "error": error}


def code_changed(folder: Path, before: str | None, after: str | None) -> str | None:
    """How what measures differs between two commits of a checkout, in words; None where it does not."""
    if not before or not after:
        return "it is not known which commits measured them"
    if before == after:
        return None
    try:
        names = files_changed(folder, f"{before}..{after}", MEASURING)
    except RunFileError as error:
        return str(error)
    return f"the code changed since {before[:12]}: {listed(names, _NAMED)}" if names else None


def files_changed(folder: Path, since: str, paths: Iterable[str]) -> list[str]:
    """Which files below some paths of a checkout differ.

    Args:
        folder: in the checkout.
        since: two commits, `a..b`; or one, and then what is in the working tree is compared with it.
        paths: from the top of the checkout.

    Raises:
        RunFileError: git cannot tell.
    """
    try:
        return _git(folder, "diff", "--name-only", since, "--", *(f":(top){path}" for path in paths)).splitlines()
    except FileNotFoundError:
        raise RunFileError("git is not installed, which could tell whether the code changed") from None
    except subprocess.CalledProcessError as error:
        raise RunFileError(
            f"git cannot compare their code ({_last_line(error)}; in a shallow checkout: git fetch --unshallow)"
        ) from None


def _inside(machines: Path) -> Path:
    """The folder of a store, or the one that it will be made in."""
    return next(folder for folder in (machines.absolute(), *machines.absolute().parents) if folder.is_dir())


def _changed(top: Path, machines: Path, *, untracked: str) -> list[str]:
    """Changed files of the checkout, apart from the store and runs/."""
    store = os.path.relpath(machines.resolve(), top.resolve())
    paths = [":(top)", ":(top,exclude)runs", f":(top,exclude){store}"]
    status = _git(top, "status", "--porcelain", "-z", "--no-renames", f"--untracked-files={untracked}", "--", *paths)
    return [entry[3:] for entry in status.split("\0") if entry]


def _git(folder: Path, *arguments: str) -> str:
    environment = {**{name: value for name, value in os.environ.items() if name not in _OF_A_HOOK}, "LC_ALL": "C"}
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def _last_line(error: subprocess.CalledProcessError) -> str:
    return (str(error.stderr).strip().splitlines() or ["it said nothing"])[-1]
