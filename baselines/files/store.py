"""The accepted runs of every machine: files that git keeps, in pytest-benchmark's own format.

    machines/<machine-id>/<model>/NNNN_<commit>_<date>.json

A file is written once, whole, and never changed; `accept` alone adds and removes. stored_text.py knows the text of a file,
results.py reads it.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import gc
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from baselines.files.reading import read_run
from baselines.files.results import Result, Run, judged_values
from baselines.files.run_file import TEMPORARY, RunFileError, put_in_place, sync_folder
from baselines.files.stored_text import BASELINE_SCHEMA, to_text
from baselines.judging.judgement import History

MACHINES: Final = Path(__file__).resolve().parents[1] / "machines"
"""Where the accepted runs of this checkout are kept."""

KEPT_RUNS: Final = 8
"""A run leaves the baseline when this many newer ones have taken its place, unless it is an anchor."""

KEPT_ROUNDS: Final = 50
"""Rounds kept of each benchmark, evenly over its time; the statistics stay those of all rounds."""


@dataclass(frozen=True, kw_only=True)
class Addition:
    """A run on its way into the store."""

    run: Run
    content: Mapping[str, Any]
    """The JSON of its file."""
    keys: frozenset[str]
    """Which of its benchmarks are accepted."""
    anchors: frozenset[str]
    """From which of them slow creep is measured from now on."""
    accepted_as: Mapping[str, str]
    """`regressed` or `improved` by key, where that was the verdict."""
    whole: bool
    """Whether all its benchmarks were meant, not some picked by `--only`."""


@dataclass(frozen=True, kw_only=True)
class Change:
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
    """The folder of a machine.

    Raises:
        RunFileError: the id is none that a fingerprint gives.
    """
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
    return runs_in(machine_folder(machine_id, machines) / folder_name(model))


def runs_in(folder: Path) -> list[Run]:
    """The accepted runs of one folder of the store, as `accepted_runs`."""
    with _no_garbage_collection():
        runs = [_stored_run(path) for path in _files(folder)]
    return _effective_anchors(sorted(runs, key=lambda run: (run.accepted.number if run.accepted else 0, run.path.name)))


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
    if run.machine_id != folder.parent.name:
        raise RunFileError(f"{path}: measured on {run.machine_id} and stored under {folder.parent.name}; move it back")
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
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def add(additions: Sequence[Addition], *, reason: str, commit: str, machines: Path = MACHINES) -> Change:
    """Writes runs into the store, in the order given, and removes those that have had their time; call it `locked`.

    Every new file is whole on the disk before an old one goes: whatever ends this process leaves a readable store.

    Raises:
        RunFileError: a file cannot be written or removed.
    """
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    before: dict[Path, set[str]] = {}
    written: list[Path] = []
    try:
        for addition in additions:
            folder = machine_folder(addition.run.machine_id or "", machines) / folder_name(addition.run.model or "")
            folder.mkdir(parents=True, exist_ok=True)
            if folder not in before:
                before[folder] = _node_ids(runs_in(folder))
                for stale in folder.glob(f"{TEMPORARY}*"):  # left by a process that was killed; the lock says it is gone
                    stale.unlink()
            text = to_text(_stored_content(addition, reason=reason, commit=commit, accepted=now))
            written.append(put_in_place(folder / _file_name(folder, addition.run), text))
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
    for folder, node_ids in before.items():
        kept = _kept(runs_in(folder))
        removed += [path for path in _files(folder) if path not in {run.path for run in kept}]
        retired |= node_ids - _node_ids(kept)
    try:
        for path in removed:
            path.unlink()
            sync_folder(path.parent)
    except OSError as error:
        raise RunFileError(
            f"{error.filename}: {error.strerror}; the run is accepted, the next accept removes this file"
        ) from error
    return Change(written=tuple(written), removed=tuple(removed), retired=tuple(sorted(retired)))


def _node_ids(runs: Sequence[Run]) -> set[str]:
    return {result.fullname for run in runs for result in run.results}


def _kept(runs: Sequence[Run]) -> list[Run]:
    """The recent runs, and those from which creep of a benchmark in a recent run is measured."""
    recent = recent_runs(runs)
    living = {key for run in recent for key in run.by_key}
    recent_paths = {run.path for run in recent}
    return [
        run
        for run in runs
        if run.path in recent_paths or any(result.anchor and result.key in living for result in run.results)
    ]


def recent_runs(runs: Sequence[Run]) -> list[Run]:
    """Those of the accepted runs, oldest first, that are still needed: an anchor may be older.

    A benchmark of a run has had its time when KEPT_RUNS newer runs hold it, or were accepted whole and asked for the same; a
    run, when all its benchmarks have. So a few, accepted again and again with --only, never push out the others.
    """
    recent: list[Run] = []
    holders: Counter[str] = Counter()
    whole: Counter[tuple[str | None, str | None]] = Counter()
    both: Counter[tuple[str, str | None, str | None]] = Counter()
    for run in reversed(runs):
        asked = (run.preset, run.inputs)
        if any(holders[key] + whole[asked] - both[key, *asked] < KEPT_RUNS for key in run.by_key):
            recent.append(run)
        holders.update(run.by_key.keys())
        if run.accepted is not None and run.accepted.whole:
            whole[asked] += 1
            both.update((key, *asked) for key in run.by_key)
    return recent[::-1]


@dataclass(frozen=True, kw_only=True)
class Past:
    """What the accepted runs say about one benchmark."""

    runs: tuple[Run, ...]
    """Oldest first, at most KEPT_RUNS, and none from before its level was last accepted as a new one."""
    recent: tuple[Result, ...]
    """What each of them says."""
    anchor: Result | None
    """The one that slow creep is measured from; it may be one of `recent`."""

    def history(self, kernel_part: str | None = None) -> History:
        """The same as judging/stored.py takes it; `kernel_part` as of `judged_values`."""
        within = self.anchor is None or any(result is self.anchor for result in self.recent)
        return History(
            runs=tuple(judged_values(result, kernel_part) for result in self.recent),
            anchor=None if within or self.anchor is None else judged_values(self.anchor, kernel_part),
            run_ids=tuple(run.path.stem for run in self.runs),
        )


def pasts(runs: Sequence[Run]) -> dict[str, Past]:
    """By key, the past of every benchmark in the recent runs. One that only an old anchor holds has left the baseline."""
    recent: dict[str, list[Run]] = {}
    for run in recent_runs(runs):
        for key, result in run.by_key.items():
            if result.accepted_as is not None:
                recent[key] = []
            recent.setdefault(key, []).append(run)
    anchors = {result.key: result for run in runs for result in run.results if result.anchor}
    return {
        key: Past(
            runs=tuple(past[-KEPT_RUNS:]),
            recent=tuple(run.by_key[key] for run in past[-KEPT_RUNS:]),
            anchor=anchors.get(key),
        )
        for key, past in recent.items()
    }


def _file_name(folder: Path, run: Run) -> str:
    numbers = [int(path.name.split("_")[0]) for path in folder.glob("[0-9]*_*.json") if path.name.split("_")[0].isdecimal()]
    commit = re.sub(r"[^0-9A-Za-z]", "", run.commit or "")[:12] or "unknown"
    date = run.datetime.date().isoformat() if run.datetime else "undated"
    return f"{max(numbers, default=0) + 1:04}_{commit}_{date}.json"


def _stored_content(addition: Addition, *, reason: str, commit: str, accepted: str) -> dict[str, Any]:
    content, run = addition.content, addition.run
    benchmarks = [
        _stored_benchmark(benchmark, result, addition)
        for benchmark, result in zip(content["benchmarks"], run.results, strict=True)
        if result.key in addition.keys
    ]
    return {
        **{key: value for key, value in content.items() if key not in ("baseline", "benchmarks")},
        "baseline": {
            "schema": BASELINE_SCHEMA,
            "reason": reason,
            "accepted": accepted,
            "commit": commit,
            "run": run.name,
            "whole": addition.whole,
        },
        "benchmarks": benchmarks,
    }


def _stored_benchmark(benchmark: Mapping[str, Any], result: Result, addition: Addition) -> dict[str, Any]:
    marks: dict[str, Any] = {}
    stats = dict(benchmark["stats"])
    if result.rounds_s:
        # The clock that took them counts nanoseconds; the digits beyond are of sums, and would take a tenth of the file.
        stats["data"] = [round(seconds, 9) for seconds in thinned(stats["data"])]
    if result.key in addition.anchors:
        marks["anchor"] = True
    if result.key in addition.accepted_as:
        marks["accepted_as"] = addition.accepted_as[result.key]
    if len(result.rounds_s) > KEPT_ROUNDS:
        marks["rounds_kept"] = KEPT_ROUNDS
    extra = {key: value for key, value in benchmark.get("extra_info", {}).items() if key != "baseline"}
    return {**benchmark, "extra_info": {**extra, **({"baseline": marks} if marks else {})}, "stats": stats}


def thinned(rounds: Sequence[float], kept: int = KEPT_ROUNDS) -> list[float]:
    """At most `kept` rounds, evenly spaced in time, the first and the last among them."""
    if len(rounds) <= kept:
        return list(rounds)
    return [rounds[round(place * (len(rounds) - 1) / (kept - 1))] for place in range(kept)]
