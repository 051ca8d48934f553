"""What a run is asked about each claim of the study's second part: which of its benchmarks are compared."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Final

from baselines.files.run import Run
from baselines.judging.wording import counted
from baselines.report.claims import MARGIN, Case, above, within
from baselines.report.compared import Compared, measured
from baselines.report.points import Point, asked
from baselines.report.study_cases import alone, by_backend_and_size, cores_of, placed

Knob = tuple[str, str]
"""A knob of runtime tuning and its setting."""

NONE: Final[Knob] = ("none", "default")
THRESHOLDS: Final[Knob] = ("malloc_thresholds", "raised")
LLVM: Final[Knob] = ("openmp", "llvm")
SHORT: Final = 128
"""Positions of a forward pass up to which the study saw no effect of an allocator."""
LONG: Final = 512
"""Tokens from which on it saw one."""
FEW_CORES: Final = 4
"""The study's few cores were 1 and 4."""
EAGER: Final = {"torchscript": "pytorch", "torch_compile": "pytorch", "tensorflow_graph": "tensorflow"}
"""Graph backends, each with the same framework in eager mode."""
GRAPHS: Final = ("torchscript", "torch_compile", "torch_compile_freezing", "tensorflow_graph", "tensorflow_xla")
TENSORFLOW_GRAPHS: Final = ("tensorflow_graph", "tensorflow_xla")
LIMITED: Final = math.log(1.25)
"""How far apart graphs may be for a margin that is "very limited"; the study's own were 1.3 to 22 times apart."""


def allocator_at_short(points: Sequence[Point], _: Run) -> Iterator[Compared]:
    """Eager, few positions: each allocator against glibc's."""
    for name, by_knob in _tuned(points, tuple(EAGER.values()), most=SHORT):
        for setting, point in _of(by_knob, "allocator"):
            if NONE in by_knob:
                yield _against(name, (setting, point), ("glibc's", by_knob[NONE]))


def allocator_at_long(points: Sequence[Point], _: Run) -> Iterator[Compared]:
    """Eager, long: the best allocator against glibc's."""
    for name, by_knob in _tuned(points, tuple(EAGER.values()), least=LONG):
        for setting, point in _of(by_knob, "allocator"):
            if NONE in by_knob:
                yield _against(name, (setting, point), ("glibc's", by_knob[NONE]), among=name)


def thresholds(points: Sequence[Point], _: Run) -> Iterator[Compared]:
    """Long: each allocator that is surely faster than glibc's as it comes, against glibc's with raised thresholds."""
    for name, by_knob in _tuned(points, (*EAGER, *EAGER.values()), least=LONG):
        for setting, point in _of(by_knob, "allocator"):
            if THRESHOLDS in by_knob and NONE in by_knob and surely_faster(point, by_knob[NONE]):
                yield _against(name, ("glibc's with raised thresholds", by_knob[THRESHOLDS]), (setting, point))


def allocator_in_graphs(points: Sequence[Point], _: Run) -> Iterator[Compared]:
    """Long: what an allocator gains in a graph, against what it gains in eager mode, where it surely gains something."""
    by_place = {(found[NONE].backend, found[NONE].size): found for _, found in _tuned(points, least=LONG) if NONE in found}
    for (backend, size), graph in by_place.items():
        eager = by_place.get((EAGER.get(backend, ""), size), {})
        for setting, point in _of(graph, "allocator"):
            if NONE in eager and ("allocator", setting) in eager and surely_faster(eager["allocator", setting], eager[NONE]):
                yield Compared(
                    what=f"{backend} against {EAGER[backend]}, batch {size[0]}, {size[1]} tokens: gain by {setting}",
                    before=point,
                    after=graph[NONE],
                    beside=(eager["allocator", setting], eager[NONE]),
                )


def jemalloc(points: Sequence[Point], _: Run) -> Iterator[Compared]:
    """TensorFlow on few cores: jemalloc against glibc's."""
    for name, by_knob in _tuned(points, ("tensorflow", "tensorflow_graph")):
        for setting, point in _of(by_knob, "allocator"):
            if setting == "jemalloc" and NONE in by_knob and 1 <= threads_of(point) <= FEW_CORES:
                yield _against(name, (setting, point), ("glibc's", by_knob[NONE]))


def openmp_on_few(points: Sequence[Point], run: Run) -> Iterator[Compared]:
    """LLVM's OpenMP runtime against GNU's, up to FEW_CORES threads."""
    return (one for one in _openmp(points, run) if 1 <= threads_of(one.before) <= FEW_CORES)


def openmp_on_many(points: Sequence[Point], run: Run) -> Iterator[Compared]:
    """The same with more."""
    return (one for one in _openmp(points, run) if threads_of(one.before) > FEW_CORES)


def openmp_users(points: Sequence[Point]) -> Iterator[Case]:
    """Each backend as it comes: for the claim where PyTorch's finds an OpenMP runtime, or another finds none.

    None without a backend of either kind: what one of them finds is no difference.
    """
    told: dict[str, str] = {}
    for point in asked(points, "runtime_tuning"):
        for worker in point.workers if _knob(point) == NONE else ():
            if worker.openmp is not None:
                told.setdefault(point.backend, worker.openmp)
    of_pytorch = {backend: backend.startswith(("pytorch", "torch")) for backend in told}
    for backend, library in told.items() if len(set(of_pytorch.values())) > 1 else ():
        says = bool(library) == of_pytorch[backend]
        yield Case(what=backend, estimate=0.0, half_width=0.0, says=says, seen=library or "none")


def second_socket(points: Sequence[Point], _: Run) -> Iterator[Compared]:
    """Both sockets against one."""
    return placed(points, "one_socket", "both_sockets", "both sockets against one")


def tensorflow_on_few(points: Sequence[Point], run: Run) -> Iterator[Compared]:
    """TorchScript against the better of TensorFlow's graphs, up to FEW_CORES threads; out of the box, on so few cores."""
    found = [(point, point.count("threads")) for point in asked(points, "core_count_scaling")]
    found += [(point, cores_of(point, run)) for point in asked(points, "out_of_the_box")]
    by_place = {
        (point.question, point.size, threads, point.backend): point
        for point, threads in found
        if 1 <= threads <= FEW_CORES and point.precision in ("", "fp32")
    }
    for (question, size, threads, backend), point in by_place.items():
        for graph in TENSORFLOW_GRAPHS if backend == "torchscript" else ():
            if (other := by_place.get((question, size, threads, graph))) is not None:
                how = "out of the box" if question == "out_of_the_box" else "pinned"
                name = f"batch {size[0]}, {size[1]} tokens, {counted(threads, 'core')}, {how}"
                yield Compared(what=f"{name}: torchscript against {graph}", before=other, after=point, among=name)


def graphs(points: Sequence[Point], _: Run) -> Iterator[Compared]:
    """Every two graph backends at each problem size, out of the box."""
    for size, mine in alone(points, "out_of_the_box", lambda one: one.size):
        by_backend = {one.backend: one for one in mine if one.backend in GRAPHS}
        for one, other in combinations(sorted(by_backend, key=GRAPHS.index), 2):
            what = f"batch {size[0]}, {size[1]} tokens: {other} against {one}"
            yield Compared(what=what, before=by_backend[one], after=by_backend[other])


def onednn(points: Sequence[Point], _: Run) -> Iterator[Compared]:
    """TensorFlow without oneDNN's operators against TensorFlow with them, whichever of the two it comes with."""
    for name, by_knob in _tuned(points, ("tensorflow", "tensorflow_graph")):
        for setting, point in _of(by_knob, "tf_onednn"):
            if NONE in by_knob:
                on, off = (by_knob[NONE], point) if setting == "off" else (point, by_knob[NONE])
                yield _against(name, ("oneDNN", on), ("without", off))


def huge_pages(points: Sequence[Point], _: Run) -> Iterator[Compared]:
    """As it comes against the best setting of huge pages."""
    for name, by_knob in _tuned(points):
        for setting, point in _of(by_knob, "huge_pages"):
            if NONE in by_knob:
                yield _against(name, (f"huge pages {setting}", point), ("as it comes", by_knob[NONE]), among=name)


def blocktime(points: Sequence[Point], _: Run) -> Iterator[Compared]:
    """LLVM's OpenMP runtime as it comes against its best blocktime."""
    for name, by_knob in _tuned(points):
        for setting, point in _of(by_knob, "kmp_blocktime"):
            if LLVM in by_knob:
                yield _against(name, (f"{setting} ms", point), ("as it comes", by_knob[LLVM]), among=name)


def smaller(case: Case) -> bool | None:
    """Whether a gain is smaller than another; no where it is as large within MARGIN, or larger."""
    return False if above(case, -MARGIN) else True if above(case) is False else None


def no_faster(case: Case) -> bool | None:
    """Whether the second takes as long within MARGIN, or longer."""
    return above(case, -MARGIN)


def close(case: Case) -> bool | None:
    """Whether two lie no further apart than LIMITED."""
    return within(case, -LIMITED, LIMITED)


def surely_faster(point: Point, other: Point) -> bool:
    """Whether a benchmark takes less time than another, by its interval alone."""
    return any(above(case) for case in measured([Compared(what="", before=point, after=other)]))


def threads_of(point: Point) -> int:
    """How many it was given; 0 where the framework chose."""
    threads = point.result.configuration.get("threads")
    return threads if isinstance(threads, int) and not isinstance(threads, bool) else 0


def _tuned(
    points: Sequence[Point], backends: Sequence[str] | None = None, *, least: int = 0, most: float = math.inf
) -> Iterator[tuple[str, dict[Knob, Point]]]:
    """What runtime tuning measured of each backend and problem size, by knob; `least` tokens, at `most` positions."""
    for size, mine in by_backend_and_size(points, "runtime_tuning"):
        first = mine[0]
        positions = first.batch_size * first.sequence_length
        if least <= first.sequence_length and positions <= most and (backends is None or first.backend in backends):
            yield size, {_knob(one): one for one in mine}


def _openmp(points: Sequence[Point], _: Run) -> Iterator[Compared]:
    for name, by_knob in _tuned(points):
        if LLVM in by_knob and NONE in by_knob:
            yield _against(name, ("LLVM's runtime", by_knob[LLVM]), ("GNU's", by_knob[NONE]))


def _knob(point: Point) -> Knob:
    return point.word("knob"), point.word("setting")


def _of(by_knob: Mapping[Knob, Point], knob: str) -> list[tuple[str, Point]]:
    """The settings of a knob."""
    return [(setting, point) for (name, setting), point in by_knob.items() if name == knob]


def _against(name: str, first: tuple[str, Point], second: tuple[str, Point], *, among: str = "") -> Compared:
    """The second against the first, with their page faults where both are known."""
    (word, before), (other, after) = first, second
    faults = [f"{one.page_faults:,.0f}" for one in (after, before) if one.page_faults is not None]
    told = f" (page faults a pass: {' against '.join(faults)})" if len(faults) == 2 else ""
    threads = f", {counted(threads_of(before), 'thread')}" if threads_of(before) else ""
    return Compared(what=f"{name}{threads}: {other} against {word}{told}", before=before, after=after, among=among)
