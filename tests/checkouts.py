"""A copy of this checkout with a history of its own, in which a test can change code and measure."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.builders import git
from tests.suite import REPOSITORY, SCALING, Ended, Suite

IGNORED = (".git", ".tox", ".venv", "runs", "__pycache__", ".*_cache", ".hypothesis", "studies")


class Copy:
    """A checkout of its own, with a history."""

    def __init__(self, folder: Path, suite: Suite, *arguments: str) -> None:
        self.root, self.suite, self.arguments = folder, suite, arguments
        shutil.copytree(REPOSITORY, folder, ignore=shutil.ignore_patterns(*IGNORED))
        git(folder, "init", "--quiet")
        self.commit("first")

    def commit(self, message: str) -> None:
        """Commits whatever changed."""
        git(self.root, "add", ".")
        git(self.root, "commit", "--quiet", "--message", message)

    def edit(self, name: str, before: str, after: str) -> None:
        """Changes one place of one file."""
        path = self.root / name
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after, 1))

    def __call__(self, *arguments: str) -> Ended:
        """A session there."""
        command = self.suite.command(SCALING, *self.arguments, *arguments)
        return self.suite.end(self.suite.start_as(command, cwd=self.root))
