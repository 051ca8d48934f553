"""Starts pytest for a duet of a red run's suspects, and reads what it measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from baselines.files.passed_env import demand_passed_env
from baselines.files.run import Run
from baselines.files.run_folder import RUN_NAME, RunFileError

FOLDER_NAME: Final = "confirmation"
"""In the folder of the confirmed run, so that the duet's own run is never the newest run of anything."""
LAUNCHES: Final = 16
"""Launch pairs, in a single look: more than a first look has otherwise, because suspects are few, and a wide interval clears
nothing. Options for the duet's pytest may say otherwise."""

OF_THE_BENCHMARKS: Final = (
    *("--inputs", "--backends", "--precisions", "--threads", "--instances", "--batch-sizes", "--sequence-lengths"),
    "--dispatch-plan",
)
"""Options without which a benchmark of the run may not exist in the duet."""


def measured_in_a_duet(
    names: Sequence[str], run: Run, *, reference: str, extra: Sequence[str], checkout: Path
) -> dict[str, Mapping[str, Any]]:
    """Runs the duet, with pytest's output on this terminal; `extra_info.duet` of each benchmark it measured, by node id.

    Its folder is inside that of the confirmed run; `reference` the other side, `extra` more options for pytest.

    Raises:
        RunFileError: it left no result, or a variable that the run let through has another value here.
    """
    folder = run.path.parent / FOLDER_NAME
    command = [sys.executable, "-m", "pytest", *names, "--benchmark-only", "--reference", reference, *run.store_options]
    command += ["--runs", str(folder)]
    if not any(word.partition("=")[0] in ("--launches", "--most-launches") for word in extra):
        command += ["--launches", str(LAUNCHES), "--most-launches", str(LAUNCHES)]
    for option, value in (("--model", run.model), ("--preset", run.preset)):
        command += [option, value] if value else []
    command += [option for option in run.options if option.partition("=")[0] in OF_THE_BENCHMARKS]
    suspects = [result for result in run.results if result.fullname in names]
    demand_passed_env(run, suspects)
    command += run.options_of(suspects)
    # The report of the duet's session is not the job's.
    environment = {name: value for name, value in os.environ.items() if name != "GITHUB_STEP_SUMMARY"}
    before = set(folder.glob("*Z_*"))
    code = subprocess.run([*command, *extra], cwd=checkout, check=False, env=environment).returncode
    new = [path / RUN_NAME for path in sorted(set(folder.glob("*Z_*")) - before) if (path / RUN_NAME).exists()]
    if not new:
        raise RunFileError(f"the duet ended with exit code {code} and left no result; what it printed is above")
    content = json.loads(new[-1].read_text(encoding="utf-8"))
    return {one["fullname"]: one["extra_info"]["duet"] for one in content["benchmarks"] if "duet" in one["extra_info"]}
