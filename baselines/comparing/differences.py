"""What differs between two runs, and between two results of one name, in words."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from baselines.files.machine_id import MEMORY
from baselines.files.result import Result
from baselines.files.run import Run


@dataclass(frozen=True, kw_only=True)
class Change:
    """One thing that is not the same on both sides."""

    what: str
    before: str | None
    """None: it was not there."""
    after: str | None
    """None: it is not there any more."""

    @property
    def text(self) -> str:
        """`torch 2.13.0 -> 2.14.1`."""
        if self.after is None:
            return f"{self.what} {self.before} removed"
        if self.before is None:
            return f"{self.what} {self.after} added"
        return f"{self.what} {self.before} -> {self.after}"


def differences(before: Run, after: Run) -> list[Change]:
    """All that is not the same around two runs: the machine first, then the environment."""
    return _machine(before, after) + _environment(before, after)


def environment_differences(before: Run, after: Run) -> list[str]:
    """What changed around the benchmarks, `torch 2.13.0 -> 2.14.1`: packages first, then the soft part of the machine."""
    return [change.text for change in _environment(before, after)]


def package_differences(before: Run, after: Run) -> list[str]:
    """What changed of packages and interpreter, as far as both files speak of them."""
    packages = _changes(before.packages, after.packages) if before.packages and after.packages else []
    python = [change for change in _environment(before, after) if change.what == "python"]
    return [change.text for change in dict.fromkeys([*packages, *python])]


def another_machine(before: Run, after: Run) -> str | None:
    """In what two runs were measured on different machines, in words; None: on one, or nobody can tell.

    The rule for runs that are named; the store holds each machine's apart. What moves times is compared, as far as both
    files speak of it; of other projects' files, the name of the CPU.
    """
    hard = _of_both(before.machine_hard, after.machine_hard)
    known = [{key: side[key] for key in side if None not in (hard[0][key], hard[1][key])} for side in hard]
    if not known[0]:
        known = [{"CPU": name} if (name := run.machine_soft.get("cpu_model_name")) else {} for run in (before, after)]
    if not (known[0] and known[1]):
        return None
    return "; ".join(change.text for change in _changes(*known)) or None


def memory_moved(before: Sequence[Run], gib: object) -> str | None:
    """That the newest run of a baseline had another amount of memory; None where it had the same or does not say.

    Args:
        before: the baseline, oldest first.
        gib: what there is now.
    """
    then = before[-1].machine_soft.get(MEMORY) if before else None
    if None in (then, gib) or then == gib:
        return None
    return f"{gib} GiB of memory, {then} when the baseline was measured: as long as nothing swaps, that moves no time"


def identity_differences(before: Result, after: Result) -> list[str]:
    """Why two results of one node id are incomparable: `configuration.cpus [0] -> [1]`; empty when they are not."""
    return [change.text for change in _changes(_flat(before.identity), _flat(after.identity))]


def _machine(before: Run, after: Run) -> list[Change]:
    if None in (before.machine_id, after.machine_id) or before.machine_id == after.machine_id:
        return []  # files of other projects name none
    machine = Change(what="machine", before=before.machine_id, after=after.machine_id)
    return [machine, *_changes(*_of_both(before.machine_hard, after.machine_hard))]


def _environment(before: Run, after: Run) -> list[Change]:
    """Only what both files speak of is compared: a file that says nothing of packages has lost none."""
    packages = _changes(before.packages, after.packages) if before.packages and after.packages else []
    return packages + _changes(*_of_both(before.machine_soft, after.machine_soft))


def _of_both(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    both = sorted(before.keys() & after.keys())
    return {key: before[key] for key in both}, {key: after[key] for key in both}


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    return [
        Change(
            what=key,
            before=_shown(before[key]) if key in before else None,
            after=_shown(after[key]) if key in after else None,
        )
        for key in dict.fromkeys([*before, *after])
        if key not in before or key not in after or before[key] != after[key]
    ]


def _flat(identity: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in identity.items():
        flat |= {f"{key}.{inner}": what for inner, what in value.items()} if isinstance(value, dict) else {key: value}
    return flat


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
