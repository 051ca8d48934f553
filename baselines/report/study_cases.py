"""What a run is asked about each claim of the study: which of its benchmarks are compared, and what a comparison says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from baselines.files.run import Run
from baselines.report.claims import Case
from baselines.report.compared import Compared, measured
from baselines.report.points import PLAIN, Point, asked, grouped

LONG: Final = 256
"""Tokens from which on attention's share of the arithmetic can be seen."""
GROWTH: Final = 2.0
"""Lengths and batches are compared when they differ by this factor at least: below, noise makes any exponent."""
LINEAR: Final = (0.8, 1.2)
"""Exponents that count as proportional."""


def sequence_length(points: Sequence[Point], _: Run) -> Iterator[Compared]:
    """Per backend and batch the longest length against the next that is at most half of it."""
    for (backend, batch), mine in alone(points, "out_of_the_box", lambda one: (one.backend, one.batch_size)):
        by_length = {one.sequence_length: one for one in mine}
        longest = max(by_length)
        shorter = [length for length in by_length if GROWTH * length <= longest]
        if longest >= LONG and shorter:
            before = max(shorter)
            what, growth = f"{backend}, batch {batch}: {longest} tokens against {before}", longest / before
            yield Compared(what=what, before=by_length[before], after=by_length[longest], growth=growth)


def batch_size(points: Sequence[Point], _: Run) -> Iterator[Compared]:
    """Per backend and length the largest batch against the smallest."""
    for (backend, length), mine in alone(points, "out_of_the_box", lambda one: (one.backend, one.sequence_length)):
        by_batch = {one.batch_size: one for one in mine}
        first, last = min(by_batch), max(by_batch)
        if last >= GROWTH * first:
            what = f"{backend}, {length} tokens: batch {last} against {first}"
            yield Compared(what=what, before=by_batch[first], after=by_batch[last], growth=last / first)


def physical_cores(points: Sequence[Point], _: Run) -> Iterator[Compared]:
    """N threads on n/2 cores and their siblings against n threads on n cores."""
    for size, mine in by_backend_and_size(points, "simultaneous_multithreading"):
        by_place = {(one.count("threads"), one.count("cores")): one for one in mine}
        for (threads, cores), shared in by_place.items():
            own = by_place.get((threads, threads))
            if own is not None and threads == 2 * cores:
                yield Compared(
                    what=f"{size}: {threads} threads on {cores} cores against {threads}", before=own, after=shared
                )


def pinning(points: Sequence[Point], run: Run) -> Iterator[Compared]:
    """Out of the box against a thread on each physical core."""
    chosen = {(one.backend, one.size): one for one in asked(points, "out_of_the_box")}
    for size, mine in by_backend_and_size(points, "core_count_scaling"):
        most = max(mine, key=lambda one: one.count("threads"))
        default = chosen.get((most.backend, most.size))
        if default is not None and most.count("threads") >= cores_of(default, run):
            what = f"{size}: out of the box against {most.count('threads')} pinned threads"
            yield Compared(what=what, before=most, after=default)


def few_threads(points: Sequence[Point], _: Run) -> Iterator[Compared]:
    """The smallest problem on all cores against every smaller number."""
    smallest = min((one.batch_size * one.sequence_length for one in asked(points, "core_count_scaling")), default=0)
    for size, mine in by_backend_and_size(points, "core_count_scaling"):
        by_threads = {one.count("threads"): one for one in mine}
        if mine[0].batch_size * mine[0].sequence_length == smallest:
            *fewer, most = sorted(by_threads)
            for count in fewer:
                what = f"{size}: {most} threads against {count}"
                yield Compared(what=what, before=by_threads[count], after=by_threads[most], among=size)


def several_instances(points: Sequence[Point], _: Run) -> Iterator[Compared]:
    """Throughput of every number of instances against one."""
    for size, mine in by_backend_and_size(points, "instance_scaling"):
        by_count = {one.count("instances"): one for one in mine if one.result.throughput_per_s}
        for count, point in sorted(by_count.items()):
            if 1 in by_count and count > 1:
                what = f"{size}: {count} instances against 1"
                yield Compared(what=what, before=by_count[1], after=point, among=size, by_throughput=True)


def local_memory(points: Sequence[Point], _: Run) -> Iterator[Compared]:
    """Memory of the farthest node against their own."""
    return placed(points, "local", "remote", "remote memory against local")


def placed(points: Sequence[Point], before: str, after: str, words: str) -> Iterator[Compared]:
    """One place of memory against another, by backend and problem size."""
    for size, mine in by_backend_and_size(points, "memory_binding"):
        by_place = {one.word("memory"): one for one in mine}
        if before in by_place and after in by_place:
            yield Compared(what=f"{size}: {words}", before=by_place[before], after=by_place[after])


def dispatching(points: Sequence[Point], _: Run) -> Iterator[Compared]:
    """The median request with one instance, and with equal ones, against pools by length."""
    for backend, mine in alone(points, "smart_dispatching", lambda one: one.backend):
        by_policy = {one.word("policy"): one for one in mine}
        for other, words in (("one", "one instance on all cores"), ("equal", "equal instances")):
            if "pools" in by_policy and other in by_policy:
                what = f"{backend}: {words} against pools by length"
                yield Compared(what=what, before=by_policy["pools"], after=by_policy[other])


def ranking(points: Sequence[Point], _: Run) -> Iterator[Compared]:
    """TensorFlow against PyTorch at each problem size."""
    for (batch, length), mine in alone(points, "out_of_the_box", lambda one: one.size):
        by_backend = {one.backend: one for one in mine}
        if "pytorch" in by_backend and "tensorflow" in by_backend:
            what = f"batch {batch}, {length} tokens: TensorFlow against PyTorch, both eager"
            yield Compared(what=what, before=by_backend["pytorch"], after=by_backend["tensorflow"])


def decided(compared: Iterable[Compared], says: Callable[[Case], bool | None]) -> tuple[Case, ...]:
    """What each case says of its claim; of those among others the best, for all: yes where any does, no where all do."""
    cases = []
    for alternatives in grouped(measured(list(compared)), lambda case: case.among or case.what).values():
        said = {case: says(case) for case in alternatives}
        answer = True if True in said.values() else None if None in said.values() else False
        # What is shown is what decided.
        best = max((case for case in alternatives if said[case] is answer), key=lambda case: case.estimate)
        cases.append(replace(best, says=answer))
    return tuple(cases)


def alone(points: Iterable[Point], question: str, key: Callable[[Point], object]) -> Iterable[tuple[Any, list[Point]]]:
    """The points of a question in fp32, by a key; a precision is no part of what the study claimed."""
    return grouped((one for one in asked(points, question) if one.precision in ("", PLAIN)), key).items()


def by_backend_and_size(points: Iterable[Point], question: str) -> Iterable[tuple[str, list[Point]]]:
    """The same by backend and problem size, in words: `pytorch, batch 1, 128 tokens`."""
    return alone(points, question, lambda one: f"{one.backend}, batch {one.batch_size}, {one.sequence_length} tokens")


def cores_of(chosen: Point, run: Run) -> int:
    """How many threads make one on each physical core that an instance was granted: fewer would be another question."""
    granted = len({cpu for worker in chosen.workers for cpu in worker.cpus})
    cores = run.machine_hard.get("physical_cores")
    return min(granted, cores) if isinstance(cores, int) else granted
