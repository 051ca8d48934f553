"""The file of an accepted run: what is kept of the run, with one benchmark per line, so that a diff reads.

Every line has a checksum, which reading_runs.py checks. The line `baseline` holds them and is the only one without: a
reason may be corrected by hand, a number may not.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from baselines.files.result import Result
from baselines.files.run import Run

BASELINE_SCHEMA: Final = 1
"""The newest `baseline.schema` that this checkout reads, and the one it writes."""
KEPT_ROUNDS: Final = 50
"""Rounds kept of each benchmark, evenly over its time; the statistics stay those of all rounds."""

_BASELINE_LINE: Final = '"baseline": '
_DIGITS: Final = 8  # of SHA-256: a slip of the hand is to be seen, not an attacker, who could compute a new one
_Value = TypeVar("_Value")


def to_text(content: Mapping[str, Any]) -> str:
    """The file of an accepted run; `baseline.lines`, the checksums, are added here.

    Raises:
        ValueError: a number in it is NaN or infinite.
    """
    head = [f"{_json(key)}: {_json(value)}," for key, value in content.items() if key not in ("baseline", "benchmarks")]
    listed = [_json(benchmark) for benchmark in content["benchmarks"]]
    body = ['"benchmarks": [', *(f"{line}," for line in listed[:-1]), *listed[-1:], "]", "}"]
    before = ["{", *head]
    checksums = [_checksum(line) for line in [*before, *body]]
    baseline = f"{_BASELINE_LINE}{_json({**content['baseline'], 'lines': checksums})},"
    return "\n".join([*before, baseline, *body, ""])


def edited_line(text: str, checksums: list[str]) -> int | None:
    """The number of the first line that is not as it was accepted; None when all are."""
    expected = iter(checksums)
    return next((number for number, line in _checked_lines(text) if _checksum(line) != next(expected, None)), None)


def _checked_lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.rstrip("\r")  # a checkout on another system may end lines its own way
        if stripped and not stripped.startswith(_BASELINE_LINE):
            yield number, stripped


def _checksum(line: str) -> str:
    return hashlib.sha256(line.encode()).hexdigest()[:_DIGITS]


def _json(value: Any) -> str:
    return json.dumps(value, allow_nan=False)


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


def file_name(folders: Iterable[Path], run: Run) -> str:
    """`0007_1a2b3c4d5e6f_2026-03-01.json`: the next number in the folders of a baseline, the run's commit and date."""
    names = [path.name.split("_")[0] for folder in folders for path in folder.glob("[0-9]*_*.json")]
    numbers = [int(name) for name in names if name.isdecimal()]
    commit = re.sub(r"[^0-9A-Za-z]", "", run.commit or "")[:12] or "unknown"
    date = run.datetime.date().isoformat() if run.datetime else "undated"
    return f"{max(numbers, default=0) + 1:04}_{commit}_{date}.json"


def stored_content(addition: Addition, *, reason: str, commit: str, accepted: str) -> dict[str, Any]:
    """The content of an accepted run's file, still without checksums; `accepted` is the moment."""
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


def thinned(values: Sequence[_Value], kept: int = KEPT_ROUNDS) -> list[_Value]:
    """At most `kept` of some values, evenly spaced, the first and the last among them."""
    if len(values) <= kept:
        return list(values)
    return [values[round(place * (len(values) - 1) / (kept - 1))] for place in range(kept)]
