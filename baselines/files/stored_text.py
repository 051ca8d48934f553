"""The text of an accepted run: JSON with one benchmark per line, so that a diff reads, and a checksum for every line.

store.py writes it, results.py checks it. The line `baseline` holds the checksums and is the only one without; a reason may
be corrected by hand, a number may not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

BASELINE_SCHEMA: Final = 1
"""The newest `baseline.schema` that this checkout reads, and the one it writes."""

_BASELINE_LINE: Final = '"baseline": '
_DIGITS: Final = 8  # of SHA-256: a slip of the hand is to be seen, not an attacker, who could compute a new one


def to_text(content: Mapping[str, Any]) -> str:
    """The file of an accepted run; `baseline.lines`, the checksums, are added here.

    Raises:
        ValueError: a number in it is NaN or infinite.
    """
    head = [f"{_json(key)}: {_json(value)}," for key, value in content.items() if key not in ("baseline", "benchmarks")]
    body = ['"benchmarks": [', *_with_commas([_json(benchmark) for benchmark in content["benchmarks"]]), "]", "}"]
    before = ["{", *head]
    checksums = [_checksum(line) for line in [*before, *body]]
    baseline = f"{_BASELINE_LINE}{_json({**content['baseline'], 'lines': checksums})},"
    return "\n".join([*before, baseline, *body, ""])


def edited_line(text: str, checksums: list[str]) -> int | None:
    """The number of the first line that is not as it was accepted; None when all are."""
    expected = iter(checksums)
    for number, line in _checked_lines(text):
        if _checksum(line) != next(expected, None):
            return number
    return None


def _checked_lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.rstrip("\r")  # a checkout on another system may end lines its own way
        if stripped and not stripped.startswith(_BASELINE_LINE):
            yield number, stripped


def _checksum(line: str) -> str:
    return hashlib.sha256(line.encode()).hexdigest()[:_DIGITS]


def _json(value: Any) -> str:
    return json.dumps(value, allow_nan=False)


def _with_commas(lines: list[str]) -> list[str]:
    return [f"{line}," for line in lines[:-1]] + lines[-1:]
