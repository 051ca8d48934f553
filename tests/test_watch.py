"""What threads did while rounds were timed: stretches are added up, and what happens between them is nobody's."""

from __future__ import annotations

import os
import time

import pytest

from fixtures.machine.steadiness import ticks_of
from fixtures.machine.topology import Topology
from fixtures.measurement.watch import Watch, grown

CPUS = Topology.of_this_process().usable_cpus


def work(seconds: float) -> float:
    """Uses so much CPU time of this process; says how much it was."""
    begin_s = time.process_time()
    while time.process_time() - begin_s < seconds:
        pass
    return time.process_time() - begin_s


def test_only_stretches_are_counted() -> None:
    """Two of them are added, and the work between them is not."""
    watch = Watch({os.getpid(): CPUS})
    done_s = 0.0
    with watch.stretch():
        done_s += work(0.1)
    between_s = work(0.5)
    with watch.stretch():
        done_s += work(0.1)
    assert done_s <= watch.cpu_time_s < done_s + between_s / 2
    assert watch.test_process_s == pytest.approx(watch.cpu_time_s, abs=0.05)
    assert watch.threads_observed(0) == 1
    assert ticks_of(CPUS, watch.by_cpu).total == pytest.approx(100 * watch.wall_s * len(CPUS), abs=10)
    assert set(watch.by_cpu) >= set(CPUS)


def test_a_stretch_that_fails_adds_nothing() -> None:
    """Its rounds are not counted either."""
    watch = Watch({os.getpid(): CPUS})

    def fails() -> None:
        with watch.stretch():
            work(0.05)
            raise RuntimeError("a worker failed")

    with pytest.raises(RuntimeError, match="a worker failed"):
        fails()
    assert (watch.wall_s, watch.cpu_time_s, watch.by_cpu) == (0.0, 0.0, {})


def test_threads_that_come_and_go() -> None:
    """A thread counts from its birth, and what one did before it ended in between stays."""
    total = grown({1: 2.0, 2: 1.0}, before={1: 10.0}, after={1: 10.5, 3: 0.25})
    assert total == {1: 2.5, 2: 1.0, 3: 0.25}


def test_threads_that_share_a_small_quota_are_all_at_work() -> None:
    """Sixteen at half a CPU have 3 % of the time each; a thread with a hundredth of the busiest one's is none of them."""
    watch = Watch({os.getpid(): [0]})
    watch.wall_s = 10.0
    watch.ran_s = [{**dict.fromkeys(range(16), 0.31), 99: 0.003}]
    assert watch.threads_observed(0, under_quota=True) == 16
    assert watch.threads_observed(0) == 0
