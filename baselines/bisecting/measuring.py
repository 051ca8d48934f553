"""The states that a bisection compares, and the session that measures launch pairs of them on request.

What a request is, fixtures/run/on_request.py says, which runs on the other side of two pipes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baselines.confirming.duet_run import OF_THE_BENCHMARKS
from baselines.files.passed_env import demand_passed_env
from baselines.files.run import Run
from baselines.requesting import session


@dataclass(frozen=True, kw_only=True)
class State:
    """What workers run in place of today's environment and code."""

    packages: Mapping[str, str | None]
    """Version by name; None: it is taken out."""
    complete: bool = False
    """Whether what these require moves with them, first to the accepted versions."""
    older: Mapping[str, str | None] | None = None
    """The accepted versions, for that."""
    commit: str | None = None
    """Whose workers and cards; None: this checkout's."""

    def as_json(self) -> dict[str, Any]:
        """The words of a request, and of the log."""
        older = dict(self.older or {}) if self.complete else {}
        return {"packages": dict(self.packages), "complete": self.complete, "older": older, "commit": self.commit}

    @property
    def key(self) -> str:
        """The same as one word."""
        return json.dumps(self.as_json(), sort_keys=True)


class Session(session.Session):
    """A session of pytest on one benchmark, which waits for requests."""

    def __init__(self, run: Run, name: str, folder: Path, extra: Sequence[str], checkout: Path) -> None:
        """Starts it; its runs and what it prints are in `folder`, `extra` are more options for pytest.

        Raises:
            RunFileError: a variable that the run let through is another here; or it did not get ready, with what it printed
                last.
        """
        subjects = [result for result in run.results if result.fullname == name]
        demand_passed_env(run, subjects)
        arguments = [name, "--benchmark-only", "--reference", "self", "--no-limit"]
        arguments += ["--runs", str(folder), "-p", "no:cacheprovider", "-p", "no:fixtures.run.report", *run.store_options]
        for option, value in (("--model", run.model), ("--preset", run.preset)):
            arguments += [option, value] if value else []
        arguments += [option for option in run.options if option.partition("=")[0] in OF_THE_BENCHMARKS]
        arguments += [*run.options_of(subjects), *extra]
        super().__init__(arguments, "--pairs-on-request", folder / "session.txt", checkout)
