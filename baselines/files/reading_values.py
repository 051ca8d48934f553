"""Values of a file, which may hold anything: each comes out as the type that is asked for, or as nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final, TypeGuard

LARGEST: Final = 1e300


def is_number(value: object) -> TypeGuard[float]:
    """Whether it is a finite number, and one to calculate with."""
    return isinstance(value, int | float) and not isinstance(value, bool) and -LARGEST < value < LARGEST  # NaN is neither


def number_of(value: object) -> float | None:
    """A finite number, or None."""
    return float(value) if is_number(value) else None


def flag_of(value: object) -> bool | None:
    """True, false, or None."""
    return value if isinstance(value, bool) else None


def text_of(value: object) -> str | None:
    """A text that is not empty, or None."""
    return value if isinstance(value, str) and value else None


def texts_of(value: object) -> tuple[str, ...]:
    """The texts of a list; none where it is anything else."""
    return tuple(text for text in value if isinstance(text, str)) if isinstance(value, list) else ()


def mapping(value: object) -> Mapping[str, Any]:
    """An object; empty where it is anything else."""
    return value if isinstance(value, dict) else {}


def moment_of(text: object) -> dt.datetime | None:
    """A moment in UTC, or None; pytest-benchmark 4.x wrote UTC without saying so."""
    try:
        moment = dt.datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)
