"""Threads held in place: one to a CPU, and their masks as they were afterwards."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fixtures.machine.affinity import AffinityError
from fixtures.machine.topology import Topology
from fixtures.worker.hold import held, one_to_a_cpu

CPUS = Topology.of_this_process().usable_cpus
pytestmark = pytest.mark.every_cpu
two_cpus = pytest.mark.skipif(len(CPUS) < 2, reason="one usable CPU: every thread is on it anyway")


@contextmanager
def waiting_threads(count: int) -> Iterator[list[int]]:
    """So many threads of this process that do nothing."""
    over, started = threading.Event(), threading.Barrier(count + 1)
    ids: list[int] = []

    def wait() -> None:
        ids.append(threading.get_native_id())
        started.wait()
        over.wait()

    threads = [threading.Thread(target=wait) for _ in range(count)]
    for thread in threads:
        thread.start()
    started.wait()
    try:
        yield ids
    finally:
        over.set()
        for thread in threads:
            thread.join()


def masks(threads: list[int]) -> list[set[int]]:
    """As the kernel has them."""
    return [os.sched_getaffinity(thread) for thread in threads]


@pytest.mark.parametrize(
    ("own", "cpus", "chosen"),
    [
        ([{0, 1, 2, 3}, {0, 1, 2, 3}], (0, 2, 1, 3), {1: 0, 2: 2}),
        ([{0, 1}, {0}], (0, 1), {1: 1, 2: 0}),
        ([{0, 1}, {0, 1}, {0, 1}], (0, 1), {}),
        ([{0}, {0}], (0, 1), {}),
        ([{0, 1}], (1,), {1: 1}),
        ([{0, 1}], (2,), {}),
        ([], (0, 1), {}),
    ],
    ids=["in the order given", "pinned ones first", "too many", "both pinned to one", "only those", "elsewhere", "none"],
)
def test_a_cpu_of_its_own(own: list[set[int]], cpus: tuple[int, ...], chosen: dict[int, int]) -> None:
    """Out of each thread's mask, in the order in which CPUs are given; all threads or none."""
    assert one_to_a_cpu({thread: frozenset(mask) for thread, mask in enumerate(own, start=1)}, cpus) == chosen


@two_cpus
def test_threads_are_held_and_let_go() -> None:
    """Each has a single CPU meanwhile, no two the same; the state after equals the state before, after an error too."""
    with waiting_threads(2) as threads:
        before = masks(threads)
        with held(threads, CPUS) as cut:
            assert masks(threads) == [{cut[thread]} for thread in threads]
            assert len(set(cut.values())) == 2
        assert masks(threads) == before
        with pytest.raises(RuntimeError, match="a forward pass failed"), held(threads, CPUS):
            raise RuntimeError("a forward pass failed")
        assert masks(threads) == before


@two_cpus
def test_more_threads_than_cpus_are_left_alone() -> None:
    """There is no place for each, and to choose among them would be a choice of ours."""
    with waiting_threads(len(CPUS) + 1) as threads:
        before = masks(threads)
        with held(threads, CPUS) as cut:
            assert cut == {}
            assert masks(threads) == before


@two_cpus
def test_what_a_framework_sets_meanwhile_stays() -> None:
    """Whoever checks masks afterwards has to see it."""
    with waiting_threads(1) as threads:
        with held(threads, CPUS) as cut:
            (cpu,) = set(CPUS[:2]) - set(cut.values())
            os.sched_setaffinity(threads[0], {cpu})
        assert masks(threads) == [{cpu}]


def test_a_thread_that_is_gone_leaves_nothing_held() -> None:
    """It ended after the warm-up; who took its place is not known, and its id may be another process's by now."""
    with waiting_threads(1) as gone:
        pass
    with waiting_threads(1) as threads, held([*gone, *threads], CPUS) as cut:
        assert cut == {}
        assert masks(threads) == [set(CPUS)]


@two_cpus
def test_a_thread_that_is_started_meanwhile_is_set_free() -> None:
    """It inherits its creator's single CPU, and gets the mask that its creator had; then nothing counts as held."""
    own = threading.get_native_id()
    before = os.sched_getaffinity(0)
    with contextlib.ExitStack() as stack:
        with held([own], CPUS) as cut:
            assert os.sched_getaffinity(0) == {cut[own]}
            threads = stack.enter_context(waiting_threads(1))
            assert masks(threads) == [{cut[own]}]
        assert cut == {}
        assert masks(threads) == [before]
        assert os.sched_getaffinity(0) == before


@two_cpus
def test_a_mask_that_does_not_come_back_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the thread, what it had, and what the kernel grants now."""
    refusal = pytest.raises(AffinityError, match=r"thread \d+ had CPUs .* granted")
    with waiting_threads(1) as threads, refusal, held(threads, CPUS):
        monkeypatch.setattr(os, "sched_setaffinity", lambda *_: None)
