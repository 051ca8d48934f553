"""The accepted runs of every machine: files that git keeps, in pytest-benchmark's own format.

    machines/<machine-id>/<model>/NNNN_<commit>_<date>.json

A file is written once, whole, and never changed; `accept` alone adds and removes. accepted_file.py knows what is in a file,
reading_runs.py reads it, past.py says what the runs of a folder come to.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import gc
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from baselines.files.accepted_file import Addition, file_name, stored_content, to_text
from baselines.files.atomic import TEMPORARY, put_in_place, sync_folder
from baselines.files.machine_id import readable
from baselines.files.past import kept_of
from baselines.files.reading_runs import read_run
from baselines.files.run import Run
from baselines.files.run_folder import RunFileError

MACHINES: Final = Path(__file__).resolve().parents[1] / "machines"
"""Where the accepted runs of this checkout are kept."""


@dataclass(frozen=True, kw_only=True)
class StoreChange:
    """What became of the files of a store."""

    written: tuple[Path, ...]
    removed: tuple[Path, ...]
    retired: tuple[str, ...]
    """Node ids that no accepted run of their model holds any more."""


def folder_name(model: str) -> str:
    """The folder of a model: its name, `owner--name` for a hub id, the last part for a directory.

    Two models of one name share a folder and are never compared: config_sha256 is part of what a benchmark is.

    Raises:
        RunFileError: it cannot name a folder, or would name one outside the store.
    """
    parts = [part for part in model.split("/") if part not in ("", ".")]
    if ".." in parts or not parts:
        raise RunFileError(
            f"the model {model!r} cannot name a folder of the baseline; measure with its absolute path or its name"
        )
    hub_id = len(parts) == 2 and not model.startswith(("/", "./"))
    name = re.sub(r"[^A-Za-z0-9._-]", "_", "--".join(parts) if hub_id else parts[-1])
    return f"_{name}" if name.startswith((".", "-")) else name


def machine_folder(machine_id: str, machines: Path = MACHINES) -> Path:
    """The folder of a machine; RunFileError where the id is none that a fingerprint gives."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", machine_id):
        raise RunFileError(f"the machine id {machine_id!r} cannot name a folder: letters, digits and hyphens are expected")
    return machines / machine_id


def accepted_runs(machine_id: str, model: str, machines: Path = MACHINES) -> list[Run]:
    """The accepted runs of a machine and a model, oldest first; empty when there are none.

    `Result.anchor` is true for the one result of each benchmark that creep is measured from: the newest that was made its
    anchor.

    Raises:
        RunFileError: a file there is damaged, edited, foreign, or of another machine.
    """
    return runs_in(*homes(machine_id, model, machines))


def homes(machine_id: str, model: str, machines: Path = MACHINES) -> list[Path]:
    """The folders with the accepted runs of a machine and a model: its own, for new runs, and those of older addresses.

    Until the amount of memory was taken out of it, the id of a machine changed with that amount. And a directory that was
    typed as `models/x` had the folder of a hub id of that name.
    """
    own = machine_folder(machine_id, machines) / folder_name(model)
    names = [own.name, *([folder_name("/".join(Path(model).parts[-2:]))] if len(Path(model).parts) > 2 else [])]
    ids = [own.parent, *(sorted(machines.glob(f"{readable(machine_id)}-*")) if readable(machine_id) else [])]
    alike = dict.fromkeys(folder / name for folder in ids for name in names)
    return [own, *(folder for folder in alike if folder != own and _machine_of(folder) == machine_id)]


def _machine_of(folder: Path) -> str | None:
    """The id, as it is said today, of the machine whose runs a folder holds; None where none can be read."""
    for path in _files(folder):
        with contextlib.suppress(RunFileError):
            return _stored_run(path).machine_id
    return None


def runs_in(*folders: Path) -> list[Run]:
    """The accepted runs of a machine and a model in the folders that it has in the store, as `accepted_runs`."""
    with _no_garbage_collection():
        runs = [(_stored_run(path), path) for folder in folders for path in _files(folder)]
    return _effective_anchors([run for run, _ in sorted(runs, key=lambda pair: _place(*pair, several=len(folders) > 1))])


def _place(run: Run, path: Path, *, several: bool) -> tuple[str, int, str]:
    """Numbers of several folders may be the same: then the moments decide."""
    moment = run.accepted.accepted if run.accepted and several else ""
    return moment, run.accepted.number if run.accepted else 0, path.name


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.json") if not path.name.startswith("."))


def folders(machines: Path = MACHINES) -> list[Path]:
    """The folders of all models of all machines that hold accepted runs, by name."""
    return sorted({path.parent for path in machines.glob("*/*/*.json") if not path.name.startswith(".")})


@contextlib.contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """While a million values are read of which none is garbage: looking for some would take a sixth of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _stored_run(path: Path) -> Run:
    run = read_run(path)
    if run.accepted is None:
        raise RunFileError(
            f"{path}:1: not written by accept (it has no baseline); move it away and accept the run it came from"
        )
    folder = path.parent
    if run.filed_as != folder.parent.name:
        raise RunFileError(f"{path}: measured on {run.filed_as} and stored under {folder.parent.name}; move it back")
    if run.model is None or folder_name(run.model) != folder.name:
        raise RunFileError(f"{path}: measured with the model {run.model} and stored under {folder.name}; move it back")
    return run


def _effective_anchors(runs: list[Run]) -> list[Run]:
    """Leaves to each benchmark the newest of its anchors."""
    seen: set[str] = set()
    effective = []
    for run in reversed(runs):
        anchors = {result.key for result in run.results if result.anchor} - seen
        seen |= anchors
        if any(result.anchor and result.key not in anchors for result in run.results):
            run = replace(run, results=tuple(replace(one, anchor=one.key in anchors) for one in run.results))
        effective.append(run)
    return effective[::-1]


@contextlib.contextmanager
def locked(machines: Path) -> Iterator[None]:
    """Holds the store: one process at a time decides what is in it. Its death frees it.

    Raises:
        RunFileError: the folder cannot be made or locked.
    """
    try:
        machines.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(machines, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise RunFileError(f"{machines}: {error.strerror}") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            raise RunFileError(
                f"{machines} cannot be locked ({error.strerror}); accept in a checkout on a local disk"
            ) from None
        yield
    finally:
        os.close(descriptor)


def add(additions: Sequence[Addition], *, reason: str, commit: str, machines: Path = MACHINES) -> StoreChange:
    """Writes runs into the store, in the order given, and removes those that are out of date; call it `locked`.

    Every new file is whole on the disk before an old one goes: whatever ends this process leaves a readable store.

    Raises:
        RunFileError: a file cannot be written or removed.
    """
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    before: dict[tuple[str, str], set[str]] = {}
    written: list[Path] = []
    try:
        for addition in additions:
            run, place = addition.run, (addition.run.machine_id or "", addition.run.model or "")
            folder = machine_folder(run.filed_as or "", machines) / folder_name(place[1])
            folder.mkdir(parents=True, exist_ok=True)
            if place not in before:
                before[place] = _node_ids(accepted_runs(*place, machines))
                for stale in folder.glob(f"{TEMPORARY}*"):  # left by a process that was killed; the lock says it is gone
                    stale.unlink()
            text = to_text(stored_content(addition, reason=reason, commit=commit, accepted=now))
            written.append(folder / file_name({folder, *homes(*place, machines)}, run))
            put_in_place(written[-1], text)
    except BaseException as error:
        for path in written:  # all of them or none
            path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise RunFileError(f"{error.filename or machines}: {error.strerror}; nothing was accepted") from error
        if isinstance(error, ValueError):  # NaN in a word that nobody judges
            raise RunFileError(f"{additions[len(written)].run.path}: {error}; nothing was accepted") from error
        raise
    removed: list[Path] = []
    retired: set[str] = set()
    for place, node_ids in before.items():
        kept = kept_of(accepted_runs(*place, machines))
        kept_paths = {run.path for run in kept}
        removed += [path for folder in homes(*place, machines) for path in _files(folder) if path not in kept_paths]
        retired |= node_ids - _node_ids(kept)
    try:
        for path in removed:
            path.unlink()
            sync_folder(path.parent)
    except OSError as error:
        raise RunFileError(
            f"{error.filename}: {error.strerror}; the run is accepted, the next accept removes this file"
        ) from error
    return StoreChange(written=tuple(written), removed=tuple(removed), retired=tuple(sorted(retired)))


def _node_ids(runs: Sequence[Run]) -> set[str]:
    return {result.fullname for run in runs for result in run.results}
