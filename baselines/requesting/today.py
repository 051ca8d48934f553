"""What is measured today: a search that goes on later has to be about the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib import metadata
from typing import Any


def installed() -> dict[str, str]:
    """What this environment has, by name."""
    found: dict[str, str] = {}
    for one in metadata.distributions():
        if one.metadata["Name"]:
            found.setdefault(one.metadata["Name"], one.version)
    return found


def word_of(value: Mapping[str, Any]) -> str:
    """A short word that is another for another value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
