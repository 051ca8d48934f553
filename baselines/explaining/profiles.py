"""profile.json as a value: what profiled launches of one benchmark gave (fixtures/measurement/profiles.py writes it)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from baselines.files.run_folder import RunFileError

FILE_NAME: Final = "profile.json"
SCHEMA: Final = 1
Part = tuple[str, str | None, str]
"""Class, layer, operator."""


@dataclass(frozen=True, kw_only=True)
class Profiled:
    """One side in one launch; times are of a forward pass, means over the fastest quarter of rounds."""

    wall_s: float
    """With profiling on."""
    plain_s: float
    """Without, in the same launch."""
    parts: Mapping[Part, float]
    """Seconds by part; they add up to `wall_s`."""
    trace: str
    """The file beside this one."""

    def by_class(self) -> dict[str, float]:
        """Seconds by class."""
        return self._summed(0)

    def by_layer(self) -> dict[str, float]:
        """Seconds by layer, of kernels that have one."""
        return self._summed(1)

    def operators(self, kind: str) -> dict[str, float]:
        """Seconds by operator, of one class."""
        return self._summed(2, kind)

    def _summed(self, place: int, kind: str | None = None) -> dict[str, float]:
        found: dict[str, float] = {}
        for part, seconds in self.parts.items():
            if (name := part[place]) and kind in (None, part[0]):
                found[name] = found.get(name, 0.0) + seconds
        return found


@dataclass(frozen=True, kw_only=True)
class Launch:
    """One launch, or launch pair."""

    measured: Profiled
    reference: Profiled | None
    measured_first: bool


@dataclass(frozen=True, kw_only=True)
class Profile:
    """All launches of one benchmark."""

    fullname: str
    backend: str
    reference: str | None
    """The other side as it was asked for; None: there was none."""
    asked: int
    """Launches that were asked for."""
    not_told: str | None
    """Why the backend does not tell; None: it does."""
    launches: tuple[Launch, ...]
    folder: Path


def read_profile(path: Path) -> Profile:
    """Reads one.

    Raises:
        RunFileError: it cannot be read, or is something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["schema"] != SCHEMA:
            raise RunFileError(f"{path}: its schema is {content['schema']!r}, and this checkout knows {SCHEMA}")
        reference = content["reference"]
        return Profile(
            fullname=str(content["fullname"]),
            backend=str(content["configuration"]["backend"]),
            reference=None if reference is None else str(reference["what"]),
            asked=int(content["asked"]),
            not_told=content["not_told"],
            launches=tuple(_launch(one) for one in content["launches"]),
            folder=path.parent,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunFileError(f"{path}: not what a profiled launch writes: {error!r}") from None


def _launch(content: Mapping[str, Any]) -> Launch:
    other = content.get("reference")
    return Launch(
        measured=_profiled(content["measured"]),
        reference=None if other is None else _profiled(other),
        measured_first=bool(content["measured_first"]),
    )


def _profiled(content: Mapping[str, Any]) -> Profiled:
    parts: dict[Part, float] = {}
    for kind, layer, operator, seconds, _ in content["parts"]:
        part = (str(kind), None if layer is None else str(layer), str(operator))
        parts[part] = parts.get(part, 0.0) + float(seconds)
    wall_s, plain_s = float(content["wall_s"]), float(content["plain_s"])
    return Profiled(wall_s=wall_s, plain_s=plain_s, parts=parts, trace=str(content["trace"]))
