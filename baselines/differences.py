"""What differs between two runs, and between two results of one name, in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from baselines.results import Result, Run


def environment_differences(before: Run, after: Run) -> list[str]:
    """What changed around the benchmarks, `torch 2.13.0 -> 2.14.1`: packages first, then the soft part of the machine.

    Only what both files speak of is compared: a file that says nothing of packages has lost none.
    """
    packages = _changes(before.packages, after.packages) if before.packages and after.packages else []
    both = before.machine_soft.keys() & after.machine_soft.keys()
    old, new = ({key: run.machine_soft[key] for key in sorted(both)} for run in (before, after))
    return packages + _changes(old, new)


def identity_differences(before: Result, after: Result) -> list[str]:
    """Why two results of one node id are incomparable: `configuration.cpus [0] -> [1]`; empty when they are not."""
    return _changes(_flat(before.identity), _flat(after.identity))


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    changes = []
    for key in dict.fromkeys([*before, *after]):
        if key not in after:
            changes.append(f"{key} {_shown(before[key])} removed")
        elif key not in before:
            changes.append(f"{key} {_shown(after[key])} added")
        elif before[key] != after[key]:
            changes.append(f"{key} {_shown(before[key])} -> {_shown(after[key])}")
    return changes


def _flat(identity: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in identity.items():
        flat |= {f"{key}.{inner}": what for inner, what in value.items()} if isinstance(value, dict) else {key: value}
    return flat


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
