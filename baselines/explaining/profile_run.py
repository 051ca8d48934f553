"""Starts pytest so that it profiles extra launches of a run's benchmarks, and reads what it kept."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from baselines.confirming.duet_run import OF_THE_BENCHMARKS
from baselines.explaining.profiles import FILE_NAME, Profile, read_profile
from baselines.files.passed_env import demand_passed_env
from baselines.files.result import Result
from baselines.files.run import Run
from baselines.files.run_folder import RunFileError
from baselines.judging.wording import typed

FOLDER_NAME: Final = "explanation"
"""In the folder of the run: a folder per benchmark, with its profile and its traces."""
LAUNCHES: Final = 4
PAIRS: Final = 12
"""Launches of one side, and launch pairs of two, where nobody says."""
INTERRUPTED: Final = 2
"""Exit code of pytest after Ctrl-C."""


def profiles_of(
    results: Sequence[Result],
    run: Run,
    *,
    reference: str | None,
    launches: int | None,
    extra: Sequence[str],
    checkout: Path,
) -> tuple[list[Profile], int]:
    """Profiles benchmarks of a run, with pytest's output on this terminal; what each gave, and pytest's exit code.

    Raises:
        RunFileError: pytest refused, was interrupted, or left nothing; a variable that the run let through is another here;
            the folder of the run cannot be written.
    """
    folder = run.path.parent / FOLDER_NAME
    demand_passed_env(run, results)
    try:
        folder.mkdir(exist_ok=True)
        new = folder / "new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
    except OSError as error:
        raise RunFileError(f"{folder}: {error.strerror}; profiles have to be kept beside the run") from None
    environment = {name: value for name, value in os.environ.items() if name != "GITHUB_STEP_SUMMARY"}
    command = _command(results, run, reference=reference, launches=launches, folder=new)
    try:
        code = subprocess.run([*command, *extra], cwd=checkout, check=False, env=environment).returncode
    except KeyboardInterrupt:
        code = INTERRUPTED
    found = [read_profile(path) for path in sorted(new.glob(f"*/{FILE_NAME}"))]
    if code == INTERRUPTED:
        done = ", ".join(f"{len(one.launches)} of {one.asked} launches" for one in found) or "nothing"
        raise RunFileError(
            f"interrupted after {done}; what was profiled is in {new}, and nothing is explained. Start it again: "
            f"python -m baselines explain {typed(run.path.parent)}"
        )
    if not found:
        raise RunFileError(f"pytest ended with exit code {code} and profiled nothing; what it printed is above")
    return [_moved(one, folder) for one in found], code


def _command(results: Sequence[Result], run: Run, *, reference: str | None, launches: int | None, folder: Path) -> list[str]:
    names = [one.fullname for one in results]
    command = [sys.executable, "-m", "pytest", *names, "--benchmark-disable", "--profile", str(folder.absolute())]
    command += ["--runs", str(folder.absolute()), *run.store_options]
    if reference is not None:
        pairs = str(launches or PAIRS)
        command += ["--reference", reference, "--launches", pairs, "--most-launches", pairs]
    else:
        command += ["--launches", str(launches or LAUNCHES)]
    for option, value in (("--model", run.model), ("--preset", run.preset)):
        command += [option, value] if value else []
    command += [option for option in run.options if option.partition("=")[0] in OF_THE_BENCHMARKS]
    return command + run.options_of(results)


def _moved(profile: Profile, folder: Path) -> Profile:
    """A profile in place of an older one of the same benchmark."""
    place = folder / profile.folder.name
    shutil.rmtree(place, ignore_errors=True)
    profile.folder.rename(place)
    return read_profile(place / FILE_NAME)
