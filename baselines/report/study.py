"""The claims of the study, each with the rule by which a run is asked about it. claims.py decides the cases."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from baselines.files.run import Run
from baselines.report.claims import Answer, Case, Claim, Compared, above, answer_of, measured, numbers, within
from baselines.report.points import PLAIN, Point, asked, grouped
from baselines.report.unmeasured import why_not

LONG: Final = 256
"""Tokens from which on attention's share of the arithmetic can be seen."""
GROWTH: Final = 2.0
"""Lengths and batches are compared when they differ by this factor at least: below, noise makes any exponent."""
LINEAR: Final = (0.8, 1.2)
"""Exponents that count as proportional."""
MANY_CORES: Final = 16
"""The study's small problems wanted 8 to 16 of 48 cores: on fewer than this all cores being best says nothing about that."""


def claims_of(points: Sequence[Point], run: Run) -> tuple[Claim, ...]:
    """Every claim of the study with what a run says about it."""
    return tuple(claim(points, run) for claim in CLAIMS)


def sequence_length(points: Sequence[Point], run: Run) -> Claim:
    """Longer sequences cost more than in proportion."""
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
    cases = [replace(case, says=above(case, 1.0)) for case in measured(compared)]
    return _claim(
        cases,
        "time grows as the length to the power of {}",
        name="sequence_length",
        statement="Attention makes long sequences cost more than in proportion to their length (the study: quadratic).",
        study="PyTorch from 128 to 512 tokens: exponent 0.2 at batch 1, 1.7 at batch 128; TensorFlow 0.4 and 1.3. No case "
        "was quadratic.",
        rule=f"The longest length (from {LONG} tokens) against the next that is at most half of it, out of the box. For "
        f"it: an exponent "
        "above 1; against it: below 1. Quadratic would be 2.",
        untested=_untested(run, points, "out_of_the_box", f"no two lengths of which the longer has {LONG} tokens or more"),
    )


def batch_size(points: Sequence[Point], run: Run) -> Claim:
    """Time is proportional to the batch size."""
    compared = []
    for (backend, length), mine in _alone(points, "out_of_the_box", lambda one: (one.backend, one.sequence_length)):
        by_batch = {one.batch_size: one for one in mine}
        first, last = min(by_batch), max(by_batch)
        if last >= GROWTH * first:
            what = f"{backend}, {length} tokens: batch {last} against {first}"
            compared.append(Compared(what=what, before=by_batch[first], after=by_batch[last], growth=last / first))
    cases = [replace(case, says=within(case, *LINEAR)) for case in measured(compared)]
    return _claim(
        cases,
        "time grows as the batch size to the power of {}",
        name="batch_size",
        statement="Batch size has a linear impact on latency.",
        study="PyTorch from batch 1 to 128: exponent 0.2 at 20 tokens, 0.5 at 128, 0.9 at 512; TensorFlow 0.4, 0.6, 0.9.",
        rule=f"The largest batch against the smallest, out of the box. For it: an exponent from {LINEAR[0]} to "
        f"{LINEAR[1]}; against it: "
        "outside. (Below, the batch fills cores that one sample leaves idle.)",
        untested=_untested(run, points, "out_of_the_box", "no two batch sizes of one length"),
    )


def physical_cores(points: Sequence[Point], run: Run) -> Claim:
    """As many threads on cores of their own are faster than on half the cores and their siblings."""
    compared = []
    for key, mine in _alone(points, "simultaneous_multithreading", _backend_and_size):
        by_place = {(one.count("threads"), one.count("cores")): one for one in mine}
        for (threads, cores), shared in by_place.items():
            own = by_place.get((threads, threads))
            if own is not None and threads == 2 * cores:
                what = f"{_named(*key)}: {threads} threads on {cores} cores against {threads}"
                compared.append(Compared(what=what, before=own, after=shared))
    cases = [replace(case, says=above(case, 0.0)) for case in measured(compared)]
    return _claim(
        cases,
        "on half the cores and their siblings it takes {} times as long",
        name="physical_cores",
        statement="Physical cores are better than logical ones.",
        study="24 threads on 12 cores and their siblings: PyTorch 1.19 to 1.35 times as long, TensorFlow 0.74 to 1.15 "
        "times.",
        rule="n threads on n/2 cores and their siblings against n threads on n cores. For it: slower; against it: faster.",
        untested=_untested(run, points, "simultaneous_multithreading", "no n threads both on n cores and on n/2"),
    )


def pinning(points: Sequence[Point], run: Run) -> Claim:
    """All physical cores, one thread each, are faster than what the framework chooses."""
    chosen = {_backend_and_size(one): one for one in asked(points, "out_of_the_box")}
    compared = []
    for key, mine in _alone(points, "core_count_scaling", _backend_and_size):
        most = max(mine, key=lambda one: one.count("threads"))
        if key in chosen and most.count("threads") >= cores_of(chosen[key], run):
            what = f"{_named(*key)}: out of the box against {most.count('threads')} pinned threads"
            compared.append(Compared(what=what, before=most, after=chosen[key]))
    cases = [replace(case, says=above(case, 0.0)) for case in measured(compared)]
    return _claim(
        cases,
        "out of the box it takes {} times as long as pinned",
        name="pinning",
        statement="Binding the threads to physical cores makes a model faster.",
        study="PyTorch at batch 1, out of the box against 24 cores of one socket: 151 against 26 ms at 128 tokens, 196 "
        "against 85 at 512.",
        rule="Out of the box against a thread on each physical core, pinned. For it: out of the box is slower; against "
        "it: faster.",
        untested=_untested(run, points, "core_count_scaling", "no problem size both out of the box and pinned to all cores"),
    )


def cores_of(chosen: Point, run: Run) -> int:
    """How many threads make one on each physical core that an instance was granted: fewer would be another question."""
    granted = len({cpu for worker in chosen.workers for cpu in worker.cpus})
    cores = run.machine_hard.get("physical_cores")
    return min(granted, cores) if isinstance(cores, int) else granted


def few_threads(points: Sequence[Point], run: Run) -> Claim:
    """The smallest problem is fastest on fewer threads than there are cores."""
    smallest = min((one.batch_size * one.sequence_length for one in asked(points, "core_count_scaling")), default=0)
    sets = []
    for key, mine in _alone(points, "core_count_scaling", _backend_and_size):
        by_threads = {one.count("threads"): one for one in mine}
        most = max(by_threads)
        fewer = [
            Compared(what=f"{_named(*key)}: {most} threads against {count}", before=point, after=by_threads[most])
            for count, point in sorted(by_threads.items())
            if count < most
        ]
        if key[1] * key[2] == smallest and fewer:
            sets.append(fewer)
    cores = run.machine_hard.get("physical_cores")
    cases = _any_of(sets)
    claim = _claim(
        cases,
        "all cores take {} times as long as the best smaller number",
        name="few_threads",
        statement="Small problems want few threads.",
        study="Of 48 cores, 32 tokens at batch 1 were fastest on 8 or 16.",
        rule="The smallest problem on all cores against every smaller number. For it: some smaller number is faster; "
        "against it: all cores "
        f"are faster than each. Against it counts from {MANY_CORES} cores on only: the study's optimum was 8 to 16.",
        untested=_untested(run, points, "core_count_scaling", "one number of threads"),
    )
    if claim.answer is Answer.FAILS and isinstance(cores, int) and cores < MANY_CORES:
        why = (
            f"{cores} cores are fewer than the 8 to 16 that the study's small problems wanted, and all are best: {claim.why}"
        )
        return replace(claim, answer=Answer.UNTESTED, why=why)
    return claim


def several_instances(points: Sequence[Point], run: Run) -> Claim:
    """Several instances beside each other serve more samples than one on all cores."""
    sets = []
    for key, mine in _alone(points, "instance_scaling", _backend_and_size):
        by_count = {one.count("instances"): one for one in mine if one.result.throughput_per_s}
        if 1 in by_count:
            several = [
                Compared(
                    what=f"{_named(*key)}: {count} instances against 1", before=by_count[1], after=point, by_throughput=True
                )
                for count, point in sorted(by_count.items())
                if count > 1
            ]
            sets += [several] if several else []
    return _claim(
        _any_of(sets),
        "the best number of instances serves {} times as much as one",
        name="several_instances",
        statement="Several instances beside each other serve more than one on all cores.",
        study="In samples per second the best number of instances served 1.31 to 3.92 times as much as one with PyTorch, "
        "1.3 to 4.3 times "
        "with TensorFlow; four were often better than eight. (Its figure counts batches, which shrink with more instances.)",
        rule="Throughput of every number of instances against one, the same samples shared. For it: some number serves "
        "more; against it: "
        "each serves less.",
        untested=_untested(run, points, "instance_scaling", "one number of instances"),
    )


def local_memory(points: Sequence[Point], run: Run) -> Claim:
    """Memory of another node is slower than one's own."""
    compared = []
    for key, mine in _alone(points, "memory_binding", _backend_and_size):
        by_place = {one.word("memory"): one for one in mine}
        if "local" in by_place and "remote" in by_place:
            what = f"{_named(*key)}: remote memory against local"
            compared.append(Compared(what=what, before=by_place["local"], after=by_place["remote"]))
    cases = [replace(case, says=above(case, 0.0)) for case in measured(compared)]
    return _claim(
        cases,
        "with remote memory it takes {} times as long",
        name="local_memory",
        statement="Memory belongs on the node of the threads.",
        study="It bound memory so and explained why; it published no number without.",
        rule="The same cores, their memory bound to the farthest node against their own. For it: slower; against it: "
        "faster.",
        untested=_untested(run, points, "memory_binding", "no placement both local and remote"),
    )


def dispatching(points: Sequence[Point], run: Run) -> Claim:
    """Routing requests by length answers them faster than either alternative."""
    compared = []
    for (backend,), mine in _alone(points, "smart_dispatching", lambda one: (one.backend,)):
        by_policy = {one.word("policy"): one for one in mine}
        for other in ("one", "equal"):
            if "pools" in by_policy and other in by_policy:
                words = {"one": "one instance on all cores", "equal": "equal instances"}[other]
                what = f"{backend}: {words} against pools by length"
                compared.append(Compared(what=what, before=by_policy["pools"], after=by_policy[other]))
    cases = [replace(case, says=above(case, 0.0)) for case in measured(compared)]
    return _claim(
        cases,
        "the alternatives take {} times as long for the median request",
        name="dispatching",
        statement="Pools by length answer a mixed stream faster.",
        study="Proposed (8, 16 and 24 cores for short, medium and long requests), not measured.",
        rule="Median latency of a request under the same stream: one instance, and equal instances, against pools by "
        "length. For it: pools "
        "are faster; against it: slower. Equal instances against pools is the effect of routing alone.",
        untested=_untested(run, points, "smart_dispatching", "no pools and no alternative"),
    )


def ranking(points: Sequence[Point], run: Run) -> Claim:
    """PyTorch is faster than TensorFlow out of the box."""
    compared = []
    for (batch, length), mine in _alone(points, "out_of_the_box", lambda one: one.size):
        by_backend = {one.backend: one for one in mine}
        if "pytorch" in by_backend and "tensorflow" in by_backend:
            what = f"batch {batch}, {length} tokens: TensorFlow against PyTorch, both eager"
            compared.append(Compared(what=what, before=by_backend["pytorch"], after=by_backend["tensorflow"]))
    cases = [replace(case, says=above(case, 0.0)) for case in measured(compared)]
    return _claim(
        cases,
        "TensorFlow takes {} times as long",
        name="ranking",
        statement="Out of the box PyTorch is faster than TensorFlow at every problem size.",
        study="TensorFlow took 1.2 to 8.0 times as long.",
        rule="Both eager, the same problem size. For it: TensorFlow is slower; against it: faster.",
        untested=_untested(run, points, "out_of_the_box", "no problem size with both pytorch and tensorflow"),
    )


CLAIMS: Final[tuple[Callable[[Sequence[Point], Run], Claim], ...]] = (
    ranking,
    sequence_length,
    batch_size,
    physical_cores,
    pinning,
    few_threads,
    local_memory,
    several_instances,
    dispatching,
)


def _claim(cases: Sequence[Case], what: str, *, name: str, statement: str, study: str, rule: str, untested: str) -> Claim:
    answer = answer_of(cases)
    why = untested if answer is Answer.UNTESTED else numbers(cases, what)
    return Claim(name=name, statement=statement, study=study, rule=rule, answer=answer, why=why, cases=tuple(cases))


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


def _backend_and_size(point: Point) -> tuple[str, int, int]:
    return point.backend, point.batch_size, point.sequence_length


def _named(backend: str, batch: int, length: int) -> str:
    return f"{backend}, batch {batch}, {length} tokens"


def _untested(run: Run, points: Iterable[Point], question: str, otherwise: str) -> str:
    """Why a claim has no case: what became of its question, or what the measured ones lack."""
    return f"this run measured {otherwise}" if asked(points, question) else why_not(run, question)
