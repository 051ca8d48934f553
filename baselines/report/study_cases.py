"""What a run is asked about each claim of the study: which of its benchmarks are compared, and what a comparison says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from baselines.files.run import Run
from baselines.report.claims import Case, Compared, above, measured, within
from baselines.report.points import PLAIN, Point, asked, grouped

LONG: Final = 256
"""Tokens from which on attention's share of the arithmetic can be seen."""
GROWTH: Final = 2.0
"""Lengths and batches are compared when they differ by this factor at least: below, noise makes any exponent."""
LINEAR: Final = (0.8, 1.2)
"""Exponents that count as proportional."""


def sequence_length(points: Sequence[Point], _: Run) -> list[Case]:
    """Per backend and batch the longest length against the next that is at most half of it."""
    compared = []
    for (backend, batch), mine in _alone(points, "out_of_the_box", lambda one: (one.backend, one.batch_size)):
        by_length = {one.sequence_length: one for one in mine}
        longest = max(by_length)
        shorter = [length for length in by_length if GROWTH * length <= longest]
        if longest >= LONG and shorter:
            before = max(shorter)
            what = f"{backend}, batch {batch}: {longest} tokens against {before}"
            growth = longest / before
            compared.append(Compared(what=what, before=by_length[before], after=by_length[longest], growth=growth))
    return _decided(compared, lambda case: above(case, 1.0))


def batch_size(points: Sequence[Point], _: Run) -> list[Case]:
    """Per backend and length the largest batch against the smallest."""
    compared = []
    for (backend, length), mine in _alone(points, "out_of_the_box", lambda one: (one.backend, one.sequence_length)):
        by_batch = {one.batch_size: one for one in mine}
        first, last = min(by_batch), max(by_batch)
        if last >= GROWTH * first:
            what = f"{backend}, {length} tokens: batch {last} against {first}"
            compared.append(Compared(what=what, before=by_batch[first], after=by_batch[last], growth=last / first))
    return _decided(compared, lambda case: within(case, *LINEAR))


def physical_cores(points: Sequence[Point], _: Run) -> list[Case]:
    """N threads on n/2 cores and their siblings against n threads on n cores."""
    compared = []
    for size, mine in _by_backend_and_size(points, "simultaneous_multithreading"):
        by_place = {(one.count("threads"), one.count("cores")): one for one in mine}
        for (threads, cores), shared in by_place.items():
            own = by_place.get((threads, threads))
            if own is not None and threads == 2 * cores:
                what = f"{size}: {threads} threads on {cores} cores against {threads}"
                compared.append(Compared(what=what, before=own, after=shared))
    return _decided(compared)


def pinning(points: Sequence[Point], run: Run) -> list[Case]:
    """Out of the box against a thread on each physical core."""
    chosen = {(one.backend, one.size): one for one in asked(points, "out_of_the_box")}
    compared = []
    for size, mine in _by_backend_and_size(points, "core_count_scaling"):
        most = max(mine, key=lambda one: one.count("threads"))
        default = chosen.get((most.backend, most.size))
        if default is not None and most.count("threads") >= _cores_of(default, run):
            what = f"{size}: out of the box against {most.count('threads')} pinned threads"
            compared.append(Compared(what=what, before=most, after=default))
    return _decided(compared)


def few_threads(points: Sequence[Point], _: Run) -> list[Case]:
    """The smallest problem on all cores against every smaller number."""
    smallest = min((one.batch_size * one.sequence_length for one in asked(points, "core_count_scaling")), default=0)
    sets = []
    for size, mine in _by_backend_and_size(points, "core_count_scaling"):
        by_threads = {one.count("threads"): one for one in mine}
        most = max(by_threads)
        if mine[0].batch_size * mine[0].sequence_length == smallest:
            sets.append(
                [
                    Compared(what=f"{size}: {most} threads against {count}", before=point, after=by_threads[most])
                    for count, point in sorted(by_threads.items())
                    if count < most
                ]
            )
    return _any_of(sets)


def several_instances(points: Sequence[Point], _: Run) -> list[Case]:
    """Throughput of every number of instances against one."""
    sets = []
    for size, mine in _by_backend_and_size(points, "instance_scaling"):
        by_count = {one.count("instances"): one for one in mine if one.result.throughput_per_s}
        if 1 in by_count:
            one = by_count.pop(1)
            sets.append(
                [
                    Compared(what=f"{size}: {count} instances against 1", before=one, after=point, by_throughput=True)
                    for count, point in sorted(by_count.items())
                    if count > 1
                ]
            )
    return _any_of(sets)


def local_memory(points: Sequence[Point], _: Run) -> list[Case]:
    """Memory of the farthest node against their own."""
    compared = []
    for size, mine in _by_backend_and_size(points, "memory_binding"):
        by_place = {one.word("memory"): one for one in mine}
        if "local" in by_place and "remote" in by_place:
            what = f"{size}: remote memory against local"
            compared.append(Compared(what=what, before=by_place["local"], after=by_place["remote"]))
    return _decided(compared)


def dispatching(points: Sequence[Point], _: Run) -> list[Case]:
    """The median request with one instance, and with equal ones, against pools by length."""
    compared = []
    for (backend,), mine in _alone(points, "smart_dispatching", lambda one: (one.backend,)):
        by_policy = {one.word("policy"): one for one in mine}
        for other, words in (("one", "one instance on all cores"), ("equal", "equal instances")):
            if "pools" in by_policy and other in by_policy:
                what = f"{backend}: {words} against pools by length"
                compared.append(Compared(what=what, before=by_policy["pools"], after=by_policy[other]))
    return _decided(compared)


def ranking(points: Sequence[Point], _: Run) -> list[Case]:
    """TensorFlow against PyTorch at each problem size."""
    compared = []
    for (batch, length), mine in _alone(points, "out_of_the_box", lambda one: one.size):
        by_backend = {one.backend: one for one in mine}
        if "pytorch" in by_backend and "tensorflow" in by_backend:
            what = f"batch {batch}, {length} tokens: TensorFlow against PyTorch, both eager"
            compared.append(Compared(what=what, before=by_backend["pytorch"], after=by_backend["tensorflow"]))
    return _decided(compared)


def _decided(
    compared: Sequence[Compared], says: Callable[[Case], bool | None] = lambda case: above(case, 0.0)
) -> list[Case]:
    """Cases with what each says of its claim: of most, whether the second takes longer."""
    return [replace(case, says=says(case)) for case in measured(compared)]


def _any_of(sets: Sequence[Sequence[Compared]]) -> list[Case]:
    """A case per set of alternatives: the best of them, which says yes where any is above 1 and no where all are below."""
    total = sum(map(len, sets))
    cases = []
    for alternatives in sets:
        found = measured(alternatives, total)
        said = [above(case, 0.0) for case in found]
        says = True if True in said else (False if said and all(one is False for one in said) else None)
        if found:
            cases.append(replace(max(found, key=lambda case: case.estimate), says=says))
    return cases


def _alone(
    points: Iterable[Point], question: str, key: Callable[[Point], tuple[object, ...]]
) -> Iterable[tuple[Any, list[Point]]]:
    """The points of a question in fp32, by a key; a precision is no part of what the study claimed."""
    return grouped((one for one in asked(points, question) if one.precision in ("", PLAIN)), key).items()


def _by_backend_and_size(points: Iterable[Point], question: str) -> Iterable[tuple[str, list[Point]]]:
    """The same by backend and problem size, in words: `pytorch, batch 1, 128 tokens`."""
    return grouped(
        (one for one in asked(points, question) if one.precision in ("", PLAIN)),
        lambda one: f"{one.backend}, batch {one.batch_size}, {one.sequence_length} tokens",
    ).items()


def _cores_of(chosen: Point, run: Run) -> int:
    """How many threads make one on each physical core that an instance was granted: fewer would be another question."""
    granted = len({cpu for worker in chosen.workers for cpu in worker.cpus})
    cores = run.machine_hard.get("physical_cores")
    return min(granted, cores) if isinstance(cores, int) else granted
