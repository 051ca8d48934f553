"""Variables that a run let through to its workers: whoever measures its benchmarks again has the same."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable

from baselines.files.result import Result
from baselines.files.run import Run
from baselines.files.run_folder import RunFileError


def demand_passed_env(run: Run, results: Iterable[Result]) -> None:
    """Demands that every variable which these results of a run were measured with has the same value here.

    Raises:
        RunFileError: one has another.
    """
    for name, value in sorted({pair for one in results for pair in one.passed_env.items()}):
        if os.environ.get(name) != value:
            there = f"{name}={shlex.quote(value)}"
            raise RunFileError(f"{run.path}: it was measured with {there}, and here {name} is another: export {there}")
