"""A stand-in for GitHub's command line tool at our boundary: keeps issues in a file, notes every call, and can refuse."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


class FakeGh:
    """A `gh` for the PATH of a process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "issues.json"
        folder.mkdir()
        self.write({"issues": [], "calls": []})
        program = folder / "gh"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {Path(__file__).resolve()} {self.state} "$@"\n')
        program.chmod(0o755)

    def write(self, state: dict[str, Any]) -> None:
        """Replaces what it knows."""
        self.state.write_text(json.dumps(state))

    def read(self) -> dict[str, Any]:
        """What it knows: `issues` with body and comments, and `calls`."""
        state: dict[str, Any] = json.loads(self.state.read_text())
        return state

    @property
    def issues(self) -> list[dict[str, Any]]:
        """The issues."""
        found: list[dict[str, Any]] = self.read()["issues"]
        return found


def answer(state: dict[str, Any], arguments: list[str]) -> str:
    """What gh prints."""
    state["calls"].append(arguments[:2])
    if refusal := state.get("refuses"):
        sys.exit(f"warning: something else\n{refusal}")
    match arguments[:2]:
        case ["issue", "list"]:
            return json.dumps([{"number": issue["number"]} for issue in state["issues"] if issue["open"]])
        case ["issue", "create"]:
            number = 40 + len(state["issues"])
            title, label = (arguments[arguments.index(name) + 1] for name in ("--title", "--label"))
            issue = {"number": number, "title": title, "label": label, "open": True, "comments": []}
            state["issues"].append({**issue, "body": sys.stdin.read()})
            return f"https://github.example/o/r/issues/{number}"
        case ["issue", "edit" | "comment" as verb]:
            (issue,) = (issue for issue in state["issues"] if str(issue["number"]) == arguments[2])
            if verb == "edit":
                issue["body"] = sys.stdin.read()
            else:
                issue["comments"].append(sys.stdin.read())
    return ""


if __name__ == "__main__":
    path = Path(sys.argv[1])
    known = json.loads(path.read_text())
    printed = answer(known, sys.argv[2:])
    path.write_text(json.dumps(known))
    print(printed)
