"""What a run measured, as figures and claims need it: one point per benchmark, made from its record.

A record is a file's word: what is not there or is no number is None, and nothing in it can break a report.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from baselines.comparing.comparison import Comparison
from baselines.deploying.promise import Promise, Reach, reaches
from baselines.files.reading_values import is_number, mapping
from baselines.files.result import Result
from baselines.judging.wording import one_line

PLAIN: Final = "fp32"
TAILS: Final = ("p99", "p90", "max")

_Value = TypeVar("_Value")


@dataclass(frozen=True, kw_only=True, slots=True)
class Worker:
    """What one instance was granted and did."""

    cpus: tuple[int, ...]
    masks: tuple[tuple[tuple[int, ...], int], ...]
    """Masks that its threads had, each with how many had it."""
    threads_observed: int | None
    cpu_time_s: float | None
    wall_s: float | None
    pool_threads: int | None
    """What the framework says of its pool; None where it says nothing, as ONNX Runtime of one that it sized itself."""
    pinned: int | None
    """Threads that the framework narrowed to one CPU."""
    page_faults: float | None
    """Minor ones, for each forward pass; None where the file does not say."""
    openmp: str | None
    """The library in which its process finds GOMP_parallel; empty: in none. None where knobs were not looked at."""

    @property
    def busy_cpus(self) -> float | None:
        """How many CPUs it kept busy on average."""
        return self.cpu_time_s / self.wall_s if self.cpu_time_s is not None and self.wall_s else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """One benchmark."""

    result: Result
    question: str
    backend: str
    """With its precision where that is not fp32, unless precisions are what is asked about."""
    precision: str
    axes: Mapping[str, str | int]
    """The parameters that only this question has: threads, instances, memory, policy, knob, setting."""
    batch_size: int
    sequence_length: int
    reach: Reach
    """How far another run may lie from this one."""
    workers: tuple[Worker, ...]
    busy: Mapping[int, float]
    """By CPU of the machine, the share of the time in which it was busy; empty where the file does not say."""
    tail: tuple[str, float] | None
    """The highest percentile that so few rounds can show, in seconds."""
    share_of_limit: float | None
    no_limit: str
    """Why there is no share of the limit; empty where there is, or the file does not say."""
    error: float | None
    """Largest difference from the fp32 reference."""
    dispatching: Mapping[str, Any]
    tokens: Mapping[str, Any]
    """Real and computed positions of a forward pass, where padding is the question."""
    pipeline: Mapping[str, Any]
    """The stages of a pipeline's call, where texts are given."""
    cosine: float | None
    """Least cosine similarity with the fp32 reference."""

    @property
    def latency(self) -> Promise:
        """Seconds per forward pass, and where a new run would lie."""
        return self.reach.around(self.result.median_s)

    @property
    def throughput(self) -> Promise | None:
        """Samples per second, likewise."""
        value = self.result.throughput_per_s
        return None if value is None else self.reach.around(value)

    @property
    def size(self) -> tuple[int, int]:
        """Batch size and sequence length."""
        return self.batch_size, self.sequence_length

    @property
    def size_text(self) -> str:
        """`8 x 128`: batch size and sequence length."""
        return f"{self.batch_size} x {self.sequence_length}"

    @property
    def page_faults(self) -> float | None:
        """Minor ones, for each forward pass, of all its instances; None where the file does not say."""
        counts = [worker.page_faults for worker in self.workers]
        return sum(one for one in counts if one is not None) if counts and None not in counts else None

    @property
    def told_busy(self) -> bool:
        """Whether it is known which CPUs it had, and how busy they were."""
        return any(worker.cpus and (self.busy or worker.busy_cpus is not None) for worker in self.workers)

    def count(self, axis: str) -> int:
        """A number among the axes; 0 where it is none."""
        value = self.axes.get(axis)
        return value if isinstance(value, int) else 0

    def word(self, axis: str) -> str:
        """An axis as text."""
        return str(self.axes.get(axis, ""))


def points_of(comparison: Comparison) -> tuple[Point, ...]:
    """The benchmarks of a run whose problem size is known, in the order of the file; none of a foreign file."""
    known = {
        key: (result, comparison.records[key])
        for key, result in comparison.run.by_key.items()
        if result.configuration and _count(result.problem_size.get("batch_size"))
    }
    if not known:
        return ()
    reach = reaches({key: result for key, (result, _) in known.items()}, comparison.past)
    return tuple(_point(result, record, reach[key]) for key, (result, record) in known.items())


def asked(points: Iterable[Point], question: str) -> list[Point]:
    """The points of one question."""
    return [point for point in points if point.question == question]


def grouped(values: Iterable[_Value], key: Callable[[_Value], Any]) -> dict[Any, list[_Value]]:
    """Values by a key, both in the order in which they come."""
    groups: dict[Any, list[_Value]] = {}
    for value in values:
        groups.setdefault(key(value), []).append(value)
    return groups


def _point(result: Result, record: Mapping[str, Any], reach: Reach) -> Point:
    extra, configuration = mapping(record.get("extra_info")), result.configuration
    question, precision = _text(extra.get("question")), _text(configuration.get("precision"))
    backend = _text(configuration.get("backend")) or "unknown backend"
    latency, work = mapping(extra.get("latency_s")), mapping(extra.get("work"))
    own = ("backend", "precision", "batch_size", "sequence_length")
    axes = {_text(name): _plain(value) for name, value in mapping(record.get("params")).items() if name not in own}
    tail = next(((name, value) for name in TAILS if (value := number(latency.get(name))) is not None), None)
    return Point(
        result=result,
        question=question,
        backend=backend if question == "precision" or precision in ("", PLAIN) else f"{backend} {precision}",
        precision=precision,
        axes=axes,
        batch_size=_count(result.problem_size.get("batch_size")),
        sequence_length=_count(result.problem_size.get("sequence_length")),
        reach=reach,
        workers=tuple(_worker(mapping(one)) for one in _list(extra.get("per_instance"))),
        busy=_busy(mapping(extra.get("cpu_busy"))),
        tail=tail,
        share_of_limit=number(work.get("share_of_limit")),
        no_limit=_text(mapping(extra.get("limit")).get("reason")),
        error=number(mapping(extra.get("parity")).get("max_abs_error")),
        dispatching=mapping(extra.get("dispatching")),
        tokens=mapping(extra.get("tokens")),
        pipeline=mapping(extra.get("pipeline")),
        cosine=number(mapping(extra.get("parity")).get("cosine")),
    )


def _worker(words: Mapping[str, Any]) -> Worker:
    tuning = mapping(words.get("tuning"))
    masks = [one for one in _list(words.get("thread_masks")) if isinstance(one, list) and len(one) == 2]
    return Worker(
        cpus=_cpus(words.get("cpus")),
        masks=tuple((_cpus(cpus), _count(count)) for cpus, count in masks),
        threads_observed=_told(words.get("threads_observed")),
        cpu_time_s=number(words.get("cpu_time_s")),
        wall_s=number(words.get("wall_s")),
        pool_threads=_told(mapping(words.get("pool")).get("intra_op")) or None,
        pinned=_told(words.get("pinned_by_framework")),
        page_faults=number(words.get("page_faults")),
        openmp=_text(tuning.get("openmp")).rpartition("/")[2] if tuning else None,
    )


def number(value: object) -> float | None:
    """A finite number from a file that is not negative; None for anything else."""
    return float(value) if is_number(value) and value >= 0 and math.isfinite(value) else None


def _busy(words: Mapping[str, Any]) -> dict[int, float]:
    busy = {}
    for name, value in words.items():
        cpu, share = _cpu(name), number(value)
        if cpu is not None and share is not None:
            busy[cpu] = min(1.0, share)
    return busy


@functools.cache
def _cpu(text: str) -> int | None:
    """The number of a CPU; None where it is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else None


def _cpus(value: object) -> tuple[int, ...]:
    numbers = (one for one in _list(value) if isinstance(one, int) and not isinstance(one, bool))
    return tuple(sorted(cpu for cpu in numbers if 0 <= cpu < 10**5))


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else []


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9 else 0


def _told(value: object) -> int | None:
    """A count, None where the file does not say."""
    return _count(value) if is_number(value) else None


def _text(value: object) -> str:
    return one_line(value) if isinstance(value, str) else ""


def _plain(value: object) -> str | int:
    return value if isinstance(value, int) and not isinstance(value, bool) else one_line(str(value))
