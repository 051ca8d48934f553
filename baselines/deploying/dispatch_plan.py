"""From measured core count scaling to a plan for smart dispatching: the file that `--dispatch-plan` reads.

One pool for each measured sequence length (batch size 1), of the backend that answers the longest one first. Its instances
have the fewest threads that come within NEAR of the lowest latency at this length, and its share of the cores is its share
of the core-seconds: requests of this length x threads x seconds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from baselines.files.result import Result
from baselines.files.run_folder import RunFileError

SCHEMA: Final = 1
NEAR: Final = 1.05
"""A thread more has to make a request at least 5 % faster: launches differ by as much."""

Records = Sequence[tuple[Result, Mapping[str, Any]]]
"""Of a run, each result with its record in the file."""


def plan_of(results: Records, run: str) -> dict[str, Any]:
    """The content of a plan, from the results of a run; `run` is how messages and the plan call it.

    Raises:
        RunFileError: the run has no core count scaling at batch size 1.
    """
    scaling: dict[tuple[str, str], dict[int, dict[int, float]]] = {}
    for result, record in results:
        threads, size = result.configuration.get("threads"), result.problem_size
        if _extra(record).get("question") == "core_count_scaling" and size.get("batch_size") == 1 and threads is not None:
            backend, precision = (str(result.configuration[key]) for key in ("backend", "precision"))
            of_backend = scaling.setdefault((backend, precision), {})
            of_backend.setdefault(int(size["sequence_length"]), {})[int(threads)] = result.median_s
    if not scaling:
        raise RunFileError(
            f"{run}: it has no core count scaling at batch size 1, which a plan is made from; measure it: pytest "
            "benchmarks/test_core_count_scaling.py --benchmark-only --batch-sizes 1 --sequence-lengths 32,128,384,512"
        )
    chosen = min(scaling, key=lambda one: (-len(scaling[one]), min(scaling[one][max(scaling[one])].values())))
    threads_of = {length: fewest_threads(medians) for length, medians in sorted(scaling[chosen].items())}
    mix, mix_source = mix_of(results, list(threads_of))
    seconds = {length: mix[length] * threads * scaling[chosen][length][threads] for length, threads in threads_of.items()}
    return {
        "schema": SCHEMA,
        "made_from": {"run": run, "backend": chosen[0], "precision": chosen[1], "requests_by_length": mix_source},
        "pools": [
            {"lengths": [length], "share": round(one / sum(seconds.values()), 4), "threads": threads_of[length]}
            for length, one in seconds.items()
        ],
    }


def fewest_threads(medians_s: Mapping[int, float]) -> int:
    """The fewest threads within NEAR of the lowest latency."""
    lowest = min(medians_s.values())
    return min(threads for threads, median_s in medians_s.items() if median_s <= NEAR * lowest)


def mix_of(results: Records, lengths: Sequence[int]) -> tuple[dict[int, float], str]:
    """The share of requests that each length serves, and where it comes from.

    Counted in the run's own stream where it has one that pads to several lengths; one request is added to each, so that no
    pool has none. Otherwise all lengths are equally frequent.
    """
    counts = dict.fromkeys(lengths, 1)
    source = "equally many: the run has no stream"
    for result, record in results:
        padded = _extra(record).get("dispatching", {}).get("padded", {})
        if result.configuration.get("dispatch_policy") in ("equal", "pools") and isinstance(padded, dict):
            for length, count in padded.items():
                counts[next((one for one in lengths if one >= int(length)), lengths[-1])] += int(count)
            source = f"as in {result.name}"
            break
    whole = sum(counts.values())
    return {length: count / whole for length, count in counts.items()}, source


def write_plan(plan: Mapping[str, Any], path: Path) -> None:
    """Writes the file; RunFileError where it cannot be written."""
    try:
        path.write_text(json.dumps(plan, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise RunFileError(f"{path}: {error.strerror}") from None


def _extra(record: Mapping[str, Any]) -> Mapping[str, Any]:
    extra: Mapping[str, Any] = record.get("extra_info") or {}
    return extra
