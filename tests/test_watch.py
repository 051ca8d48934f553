"""What threads did while rounds were timed: stretches are added up, and what happens between them is nobody's."""

from __future__ import annotations

import os
import time

import pytest

from fixtures.machine.topology import Topology
from fixtures.measurement.benchmarking import MOST_SLICES, Effort, timing_limits
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
    watch = Watch([os.getpid()], CPUS)
    done_s = 0.0
    with watch.stretch():
        done_s += work(0.1)
    between_s = work(0.5)
    with watch.stretch():
        done_s += work(0.1)
    assert done_s <= watch.cpu_time_s < done_s + between_s / 2
    assert watch.test_process_s == pytest.approx(watch.cpu_time_s, abs=0.05)
    assert watch.threads_observed(0) == 1
    assert watch.ticks.total == pytest.approx(100 * watch.wall_s * len(CPUS), abs=10)
    assert set(watch.by_cpu) >= set(CPUS)


def test_a_stretch_that_fails_adds_nothing() -> None:
    """Its rounds are not counted either."""
    watch = Watch([os.getpid()], CPUS)

    def fails() -> None:
        with watch.stretch():
            work(0.05)
            raise RuntimeError("a worker failed")

    with pytest.raises(RuntimeError, match="a worker failed"):
        fails()
    assert (watch.wall_s, watch.cpu_time_s, watch.ticks.total) == (0.0, 0.0, 0)


def test_threads_that_come_and_go() -> None:
    """A thread counts from its birth, and what one did before it ended in between stays."""
    total = grown({1: 2.0, 2: 1.0}, before={1: 10.0}, after={1: 10.5, 3: 0.25})
    assert total == {1: 2.5, 2: 1.0, 3: 0.25}


def effort(min_rounds: int) -> Effort:
    """Of a benchmark that takes a second."""
    return Effort(
        min_rounds=min_rounds,
        max_time_s=1.0,
        min_time_s=0.0,
        precision=None,
        confidence=0.95,
        warm_up_rounds=1,
        warm_up_time_s=0.0,
    )


@pytest.mark.parametrize(
    ("min_rounds", "round_s", "slices"),
    [(1, 0.001, MOST_SLICES), (5, 0.001, MOST_SLICES), (5, 0.1, 10), (5, 0.7, 5), (1, 7.0, 1)],
)
def test_slices_ask_for_no_less_than_the_whole(min_rounds: int, round_s: float, slices: int) -> None:
    """As many rounds and as much time; a slice has a round at least, and lasts as short as that allows."""
    parts = effort(min_rounds).in_slices(round_s, alone=True)
    assert len(parts) == slices
    assert sum(part.min_rounds for part in parts) >= min_rounds
    assert min(part.min_rounds for part in parts) >= 1
    assert sum(part.max_time_s for part in parts) == pytest.approx(1.0)


def test_slices_of_several_instances_are_longer() -> None:
    """Their window has to hold rounds of each, busy all of it."""
    assert len(effort(5).in_slices(0.001, alone=False)) == 4


def test_several_instances_start_after_their_lead_in() -> None:
    """The agreed moment leaves time for the round that is not counted."""
    plain = timing_limits(effort(5), [0.5, 0.1], alone=False)
    led = timing_limits(effort(5), [0.5, 0.1], alone=False, lead_in=True)
    assert (plain["lead_in"], led["lead_in"]) == (False, True)
    assert led["start_at_s"] - plain["start_at_s"] >= 0.5
