"""Which machine a file was measured on. Older ones hold the amount of memory as a part of it, which moves no time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

MEMORY: Final = "memory_gib"


def without_memory(machine_id: str | None, hard: Mapping[str, Any]) -> tuple[str | None, dict[str, Any]]:
    """The id and the hard part as they are said today.

    Args:
        machine_id: as the file has it: words, and after the last hyphen a hash of `hard`.
        hard: as the file has it.
    """
    rest = {key: value for key, value in hard.items() if key != MEMORY}
    if machine_id is None or MEMORY not in hard:
        return machine_id, rest
    digest = hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    return f"{readable(machine_id)}-{digest[:8]}", rest


def readable(machine_id: str) -> str:
    """The words before its hash."""
    return machine_id.rpartition("-")[0]
