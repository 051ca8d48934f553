"""The file of an accepted run: what its readers use of the run, with one benchmark per line, so that a diff reads.

Its readers are the judge and the report of a later run, `recommend`, and the tools of pytest-benchmark. What none of them
reads is in the run alone, which is complete: DROPPED says what. Every line has a checksum, which reading_runs.py checks.
The line `baseline` holds them and is the only one without: a reason may be corrected by hand, a number may not.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from baselines.files.reading_benchmarks import CPUS_BUSY
from baselines.files.result import Result
from baselines.files.run import Run

BASELINE_SCHEMA: Final = 1
"""The newest `baseline.schema` that this checkout reads, and the one it writes."""
DROPPED: Final[Mapping[str, frozenset[str]]] = {
    "run": frozenset({"verdicts"}),
    "plan": frozenset({"benchmarks"}),
    "benchmark": frozenset({"options"}),
    "stats": frozenset({"data"}),
    "extra_info": frozenset(
        {"duet", "preset", "graph", "start_up_s", "overlap", "frequency_mhz", "test_process_cpu_share", "cpu_busy", "limit"}
        | {"pipeline"}
    ),
    "per_instance": frozenset(
        {"thread_masks", "threads_observed", "memory_pages", "pinned_by_framework", "strayed_threads", "pool", "tuning"}
        | {"cpu_time_s", "wall_s", "median_s", "rounds", "peak_rss_bytes", "page_faults"}
    ),
    "launches": frozenset({"rounds"}),
    "warm_up": frozenset({"rounds", "wall_s", "last_median_s"}),
    "parity": frozenset({"cosine", "tolerance"}),
    "work": frozenset({"flop", "gflop_per_s"}),
}
"""Keys that no reader of an accepted run uses, by the object they are in. What is not in this list stays."""

_BASELINE_LINE: Final = '"baseline": '
_CLOSE: Final = (",", ":")  # without spaces, which would be a twelfth of the file
_DIGITS: Final = 8  # of SHA-256: a slip of the hand is to be seen, not an attacker, who could compute a new one


def to_text(content: Mapping[str, Any]) -> str:
    """The file of an accepted run; `baseline.lines`, the checksums, are added here.

    Raises:
        ValueError: a number in it is NaN or infinite.
    """
    head = [f"{_json(key)}: {_json(value)}," for key, value in content.items() if key not in ("baseline", "benchmarks")]
    listed = [_json(benchmark, _CLOSE) for benchmark in content["benchmarks"]]
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


def _json(value: Any, separators: tuple[str, str] = (", ", ": ")) -> str:
    return json.dumps(value, allow_nan=False, separators=separators)


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
        **({"run": _stored_run(content["run"])} if isinstance(content.get("run"), Mapping) else {}),
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
    if result.key in addition.anchors:
        marks["anchor"] = True
    if result.key in addition.accepted_as:
        marks["accepted_as"] = addition.accepted_as[result.key]
    extra = _kept(benchmark.get("extra_info", {}), "extra_info")
    extra.pop("baseline", None)
    if result.cpus_busy is not None:
        extra[CPUS_BUSY] = result.cpus_busy
    for name in ("warm_up", "parity", "work"):
        if isinstance(extra.get(name), Mapping):
            extra[name] = _kept(extra[name], name)
    for name in ("launches", "per_instance"):
        if isinstance(extra.get(name), list):
            extra[name] = [_kept(one, name) if isinstance(one, Mapping) else one for one in extra[name]]
    if not result.by_throughput:  # its latency is judged, and the throughput of a launch read nowhere
        for launch in extra.get("launches") or []:
            launch.pop("throughput_per_s", None)
    if result.instances == 1 and extra.get("per_instance") == [{"cpus": result.configuration.get("cpus")}]:
        del extra["per_instance"]  # the configuration says it
    return {
        **_kept(benchmark, "benchmark"),
        "extra_info": {**extra, **({"baseline": marks} if marks else {})},
        "stats": _kept(benchmark["stats"], "stats"),
    }


def _stored_run(words: Mapping[str, Any]) -> dict[str, Any]:
    plan = words.get("plan")
    return {**_kept(words, "run"), **({"plan": _kept(plan, "plan")} if isinstance(plan, Mapping) else {})}


def _kept(words: Mapping[str, Any], where: str) -> dict[str, Any]:
    return {key: value for key, value in words.items() if key not in DROPPED[where]}
