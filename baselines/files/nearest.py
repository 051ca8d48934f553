"""Where a store has accepted runs and none that judges: which are nearest, and what differs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from baselines.files.run import Run
from baselines.files.run_folder import RunFileError
from baselines.files.store import folder_name, folders, runs_in
from baselines.judging.wording import listed

_NAMED = 4


def nearest(machine_id: str | None, hard: Mapping[str, Any], model: str, machines: Path) -> str | None:
    """A sentence on what the store holds in place of runs of this machine and model; None where it is empty.

    Args:
        machine_id: of this machine.
        hard: the part of its fingerprint that the id is made of.
        model: as it was asked for.
        machines: the store.
    """
    held = folders(machines)
    alike = [folder for folder in held if folder.name == folder_name(model)]
    newest = [run for folder in alike if folder.parent.name != machine_id and (run := _newest(folder)) is not None]
    if newest:
        closest = min(newest, key=lambda run: len(_differences(hard, run)))
        differences = "; ".join(_differences(hard, closest)) or "nothing that is recorded"
        return f"the nearest machine with runs of it is {closest.machine_id}, which differs in {differences}"
    here = sorted(folder.name for folder in held if folder.parent.name == machine_id)
    if here:
        return f"of this machine the store holds {listed(here, _NAMED)}"
    if held:
        others = sorted({f"{folder.name} of {folder.parent.name}" for folder in held})
        return f"the store holds {listed(others, _NAMED)}"
    return None


def _newest(folder: Path) -> Run | None:
    try:
        runs = runs_in(folder)
    except RunFileError:  # of another machine: a session there says what is wrong with it
        return None
    return runs[-1] if runs else None


def _differences(hard: Mapping[str, Any], run: Run) -> list[str]:
    """By part of the fingerprint: there and here."""
    there = run.machine_hard
    return [f"{key} {_text(there.get(key))} -> {_text(hard.get(key))}" for key in hard if there.get(key) != hard[key]]


def _text(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
