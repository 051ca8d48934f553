"""The best measured configuration of every problem size, and what it promises. Values; recommend.py prints them.

Only problem sizes are compared: a stream of requests (smart dispatching) has no single one and is left out, and so is
what was measured under a CPU quota or in a cpuset of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from baselines.deploying.promise import Promise, Reach
from baselines.files.result import Result

_OTHERWISE: Final = frozenset({"dispatch_policy", "cpu_quota", "cpuset", "padding", "text"})
"""Words of results that answer another question than what to run here: a stream, less than the machine, other inputs."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One measured configuration of a problem size."""

    result: Result
    instances: tuple[tuple[int, ...], ...]
    """The CPUs of each."""
    out_of_the_box: bool
    latency: Promise
    """Seconds until all samples of the problem are answered."""
    throughput: Promise | None
    """Samples per second; None where the file does not say."""
    accepted_runs: int
    """Behind the intervals; 0 where the spread is assumed."""
    cpu_s_per_sample: float | None
    """CPU time of all its threads for a sample, waiting in a spin included; None where the file does not say."""

    @property
    def cores(self) -> int | None:
        """CPUs that it was confined to; None: the whole machine."""
        return None if self.result.configuration.get("threads") is None else sum(map(len, self.instances))


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """What to run for one problem size."""

    batch_size: int
    sequence_length: int
    fastest: Candidate
    """The one with the lowest median latency."""
    as_fast: tuple[Candidate, ...]
    """Others whose latency interval meets its own, the fastest first."""
    most: Candidate | None
    """The one with the highest throughput."""
    as_much: tuple[Candidate, ...]
    cheapest: Candidate | None
    """The one with the highest throughput per core that it used, where the run knows how many the machine has."""
    pytorch: Candidate | None
    """PyTorch out of the box, in fp32."""
    formats: frozenset[str]
    """The number formats that were measured."""


def recommendations(
    results: Sequence[tuple[Result, Mapping[str, Any]]], reaches: Mapping[str, Reach], cores: int | None
) -> list[Recommendation]:
    """One for each problem size that was measured, in the order of batch size and sequence length.

    Results have their records in the file with them; `cores` are the physical ones of the machine, None if unknown.
    """
    by_size: dict[tuple[int, int], list[Candidate]] = {}
    for result, record in results:
        size = (result.problem_size.get("batch_size"), result.problem_size.get("sequence_length"))
        asked = result.configuration.keys() | result.problem_size.keys()
        if not _OTHERWISE & asked and isinstance(size[0], int) and isinstance(size[1], int):
            by_size.setdefault((size[0], size[1]), []).append(_candidate(result, record, reaches[result.key]))
    return [_recommendation(size, by_size[size], cores) for size in sorted(by_size)]


def _recommendation(size: tuple[int, int], candidates: Sequence[Candidate], cores: int | None) -> Recommendation:
    by_latency = sorted(candidates, key=lambda one: one.latency.value)
    told = [(one.throughput, one) for one in candidates if one.throughput]
    by_throughput = sorted(told, key=lambda pair: -pair[0].value)
    per_core = [(throughput.value / (one.cores or cores), one) for throughput, one in by_throughput if cores]
    return Recommendation(
        batch_size=size[0],
        sequence_length=size[1],
        fastest=by_latency[0],
        as_fast=tuple(one for one in by_latency[1:] if one.latency.overlaps(by_latency[0].latency)),
        most=by_throughput[0][1] if by_throughput else None,
        as_much=tuple(one for throughput, one in by_throughput[1:] if throughput.overlaps(by_throughput[0][0])),
        cheapest=max(per_core, key=lambda pair: pair[0])[1] if per_core else None,
        pytorch=next((one for _, one in by_throughput if one.out_of_the_box and _is_plain(one.result)), None),
        formats=frozenset(str(one.result.configuration.get("precision", "fp32")) for one in candidates),
    )


def _is_plain(result: Result) -> bool:
    """Whether it is PyTorch in fp32: in another format it is not as it comes."""
    return result.configuration.get("backend") == "pytorch" and result.configuration.get("precision", "fp32") == "fp32"


def _candidate(result: Result, record: Mapping[str, Any], reach: Reach) -> Candidate:
    extra = record.get("extra_info", {})
    each = extra.get("per_instance") or [{"cpus": result.configuration.get("cpus") or []}]
    return Candidate(
        result=result,
        instances=tuple(tuple(one["cpus"]) for one in each),
        out_of_the_box=extra.get("question") == "out_of_the_box",
        latency=reach.around(result.median_s),
        throughput=None if result.throughput_per_s is None else reach.around(result.throughput_per_s),
        accepted_runs=reach.accepted_runs,
        cpu_s_per_sample=result.cpus_busy and result.throughput_per_s and result.cpus_busy / result.throughput_per_s,
    )
