"""Warm-up, rounds, percentiles and replay, with a clock of our own: what is timed and what is not."""

from __future__ import annotations

import math
import mmap
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator

import numpy as np
import pytest

from fixtures.machine.memory import minor_faults
from fixtures.measurement.record import page_faults
from fixtures.measurement.replay import ReplayClock, replay
from fixtures.measurement.watch import Watch, grown
from fixtures.worker import rounds, warm_up
from fixtures.worker.parity import ParityError, read_case, require_parity
from fixtures.worker.rounds import iterations_for, latency_summary, percentile
from tests.suite import REPOSITORY


class Clock:
    """Time that passes only while the forward pass runs."""

    def __init__(self, durations_s: Iterable[float]) -> None:
        self.now = 100.0
        self.durations: Iterator[float] = iter(durations_s)
        self.calls = 0

    def __call__(self) -> float:
        return self.now

    def forward(self) -> None:
        self.calls += 1
        self.now += next(self.durations)


def settling(fast_s: float, slow_calls: int) -> Iterator[float]:
    """Calls that become faster for a while, as under a profiling executor."""
    yield from (fast_s * (1 + 0.5 * (slow_calls - call)) for call in range(slow_calls))
    while True:
        yield fast_s


@pytest.mark.parametrize("slow_calls", [0, 3, 12, 20])
def test_warm_up_outlasts_what_settles(slow_calls: int) -> None:
    """It ends only when rounds are no longer becoming faster, however many that takes."""
    clock = Clock(settling(0.01, slow_calls))
    done = warm_up.warm_up(clock.forward, warm_up.Limits(max_rounds=1_000, max_time_s=60), clock)
    assert done.steady
    assert done.rounds >= slow_calls
    assert done.rounds <= slow_calls + 15
    assert done.last_median_s == pytest.approx(0.01)
    assert done.wall_s == pytest.approx(clock.now - 100)


def test_warm_up_keeps_its_limits_and_says_that_it_was_not_steady() -> None:
    """Ever faster rounds end at the limit of rounds or of time, and are recorded as not steady."""
    ever_faster = (0.9**call for call in range(1_000))
    by_rounds = Clock(ever_faster)
    done = warm_up.warm_up(by_rounds.forward, warm_up.Limits(max_rounds=6, max_time_s=1e9), by_rounds)
    assert (done.rounds, done.steady) == (6, False)
    by_time = Clock(0.9**call for call in range(1_000))
    done = warm_up.warm_up(by_time.forward, warm_up.Limits(max_rounds=10**6, max_time_s=2.5), by_time)
    assert (done.rounds, done.steady) == (3, False)


def test_no_warm_up() -> None:
    """Zero rounds are zero rounds."""
    clock = Clock([])
    done = warm_up.warm_up(clock.forward, warm_up.Limits(max_rounds=0, max_time_s=10), clock)
    assert (done.rounds, done.last_median_s, clock.calls) == (0, None, 0)


def test_slow_rounds_need_few() -> None:
    """Two rounds suffice where one takes over half a second: the forward passes are to be timed, not burned."""
    for round_s, expected in ((0.01, 10), (0.1, 6), (0.4, 4), (1.5, 2)):
        clock = Clock(settling(round_s, 0))
        assert warm_up.warm_up(clock.forward, warm_up.Limits(max_rounds=99, max_time_s=60), clock).rounds == expected


def test_the_check_before_is_the_first_observation() -> None:
    """One slow round that is no faster than the check's is enough; a check that was slower is not steady yet."""
    for earlier_s, expected in ((1.0, 1), (3.0, 2)):
        clock = Clock(settling(1.0, 0))
        done = warm_up.warm_up(clock.forward, warm_up.Limits(max_rounds=99, max_time_s=60, earlier_s=earlier_s), clock)
        assert (done.rounds, done.steady, done.last_median_s) == (expected, True, 1.0)


def test_rounds_go_on_for_max_time() -> None:
    """Until max time has passed, and at least min rounds."""
    clock = Clock(settling(0.125, 0))
    timed = rounds.timed_rounds(clock.forward, rounds.Limits(min_rounds=5, max_time_s=1.0), clock)
    assert timed.durations_s == (0.125,) * 8
    assert timed.starts_s == tuple(100 + 0.125 * number for number in range(8))
    assert timed.wall_s == 1.0
    slow = Clock(settling(2.0, 0))
    assert len(rounds.timed_rounds(slow.forward, rounds.Limits(min_rounds=5, max_time_s=1.0), slow).durations_s) == 5


def test_iterations_are_timed_as_one_round() -> None:
    """A round of several forward passes has one duration, and min time decides how many."""
    clock = Clock(settling(0.25, 0))
    limits = rounds.Limits(min_rounds=2, max_time_s=0, iterations=4)
    assert rounds.timed_rounds(clock.forward, limits, clock).durations_s == (1.0, 1.0)
    assert clock.calls == 8
    assert iterations_for(0.01, 0.003) == 4
    assert iterations_for(0.000005, 0.003) == 1
    assert iterations_for(1.0, None) == 1


def touches(pages: int) -> None:
    """Writes to so many pages of memory that is mapped for it and given back."""
    with mmap.mmap(-1, pages * mmap.PAGESIZE) as memory:
        memory.madvise(mmap.MADV_NOHUGEPAGE)
        for page in range(pages):
            memory[page * mmap.PAGESIZE] = 1


def test_page_faults_of_the_rounds_are_counted() -> None:
    """Those of every forward pass and no others; memory that stays costs none."""
    limits = rounds.Limits(min_rounds=5, max_time_s=0, iterations=2)
    touches(10_000)
    before = minor_faults(os.getpid())
    fresh = rounds.timed_rounds(lambda: touches(100), limits).as_json()
    after = minor_faults(os.getpid())
    kept = rounds.timed_rounds(lambda: None, limits).as_json()
    assert 100 <= (page_faults(fresh) or 0) < 110
    assert (faults_of_none := page_faults(kept)) is not None
    assert 0 <= faults_of_none < 10
    assert before is not None
    assert after is not None
    assert 1_000 <= fresh["minor_faults"] <= after - before < 1_100, "the kernel's own count from outside is the same"
    of_an_older_worker = {name: value for name, value in fresh.items() if name != "minor_faults"}
    assert page_faults(of_an_older_worker) is None
    assert minor_faults(2**22 + 1) is None, "no process has this id"


def test_precision_ends_early_only_when_it_is_reached() -> None:
    """Constant rounds are precise at once; scattered ones go on to max time."""
    limits = rounds.Limits(min_rounds=3, max_time_s=100.0, precision=0.01)
    constant = Clock(settling(1.0, 0))
    assert len(rounds.timed_rounds(constant.forward, limits, constant).durations_s) == 3
    scattered = Clock(1.0 if call % 2 else 2.0 for call in range(1_000))
    assert rounds.timed_rounds(scattered.forward, limits, scattered).wall_s >= 100.0


def test_percentiles_need_rounds() -> None:
    """p90 from 30 rounds, p99 from 300, and below that nothing in their place."""
    assert latency_summary([1.0] * 29) == {"median": 1.0, "p90": None, "p99": None, "max": 1.0}
    assert latency_summary([1.0] * 30)["p90"] == 1.0
    assert latency_summary([1.0] * 299)["p99"] is None
    assert latency_summary([float(value) for value in range(301)])["p99"] == 297.0


def test_percentile_agrees_with_numpy() -> None:
    """The same definition as numpy's default."""
    values = [math.sin(value) for value in range(57)]
    for share in (0.0, 0.1, 0.5, 0.9, 0.99, 1.0):
        assert percentile(values, share) == pytest.approx(float(np.quantile(values, share)))


class Pedantic:
    """pytest-benchmark's way of timing: subtract two readings of the timer, divide by the iterations."""

    def __init__(self, timer: ReplayClock) -> None:
        self.timer = timer
        self.data: list[float] = []

    def pedantic(self, target: object, rounds: int, iterations: int) -> None:
        assert callable(target)
        for _ in range(rounds):
            start = self.timer()
            for _ in range(iterations):
                target()
            self.data.append((self.timer() - start) / iterations)


@pytest.mark.parametrize("iterations", [1, 3])
def test_replay_is_exact(iterations: int) -> None:
    """Each duration arrives to the last bit, however many went before."""
    durations = [0.1 + 1e-9 * number for number in range(1_000)]
    clock = ReplayClock()
    benchmark = Pedantic(clock)
    replay(benchmark, clock, durations, iterations)
    assert benchmark.data == [duration / iterations for duration in durations]


REFERENCE = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
MASK = np.array([[1, 1, 1], [1, 1, 0]])


def test_parity_reports_what_it_found() -> None:
    """Worst error, cosine, and the tolerance that was applied."""
    output = REFERENCE.copy()
    output[0, 0, 0] += 0.5e-3
    found = require_parity(output, REFERENCE, MASK, 1e-3)
    assert found["max_abs_error"] == pytest.approx(0.5e-3, rel=1e-3)
    assert found["cosine"] == pytest.approx(1.0)
    assert found["tolerance"] == 1e-3


def test_padding_is_nobodys_answer() -> None:
    """Where the mask is 0 frameworks differ freely; one attended position that differs is enough."""
    output = REFERENCE.copy()
    output[1, 2] = np.nan
    require_parity(output, REFERENCE, MASK, 1e-6)
    output[1, 1, 3] += 1
    with pytest.raises(ParityError, match=r"differs from fp32 PyTorch by up to 1\.00e\+00 \(allowed 1\.00e-06\)"):
        require_parity(output, REFERENCE, MASK, 1e-6)


def test_scaled_rotated_and_misshapen_answers_are_wrong() -> None:
    """A large tolerance does not let another direction pass, and a shape is not broadcast."""
    with pytest.raises(ParityError, match="cosine"):
        require_parity(-REFERENCE, REFERENCE, MASK, 1e9)
    with pytest.raises(ParityError, match=r"shape \[2, 3\] where the model gives \[2, 3, 4\]"):
        require_parity(REFERENCE[:, :, 0], REFERENCE, MASK, 1e9)
    with pytest.raises(ParityError, match="NaN or infinite"):
        require_parity(np.full_like(REFERENCE, np.inf), REFERENCE, MASK, 1e9)


def test_the_check_leaves_no_thread_at_work() -> None:
    """BLAS's threads spin for a while after their work: in the warm-up they would pass for threads of the framework."""
    script = (
        "import os, time, numpy as np\n"
        "from fixtures.machine.affinity import thread_cpu_times_s\n"
        "from fixtures.worker.parity import require_parity\n"
        "def others_s(): return sum(s for thread, s in thread_cpu_times_s(os.getpid()).items() if thread != os.getpid())\n"
        "output = np.random.default_rng(1).standard_normal((4, 512, 768), dtype=np.float32)\n"
        "at_rest = None\n"
        "while at_rest != (before := others_s()):  # BLAS's threads spin after their start too\n"
        "    at_rest = before\n"
        "    time.sleep(0.2)\n"
        "require_parity(output, output, np.ones((4, 512), dtype=np.int64), 1e-3)\n"
        "time.sleep(0.2)\n"
        "assert others_s() - before < 0.001, others_s() - before\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_damaged_case_is_named(tmp_path) -> None:
    """A file that is no case is an error that says which."""
    path = tmp_path / "1x32.npz"
    path.write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(ParityError, match=r"1x32\.npz is not a prepared case"):
        read_case(path)


def test_time_that_threads_waited_for_a_cpu() -> None:
    """Of all threads, new ones included, over the window on all CPUs; unknown where the kernel does not tell."""
    watch = Watch({1: (0, 1)})
    watch.wall_s, watch.waited_s = 1.0, [grown({}, {1: 5.0, 2: 1.0}, {1: 5.5, 2: 1.0, 3: 0.1})]
    assert watch.wait_share(0) == pytest.approx(0.3)
    watch.waited_s = [None]
    assert watch.wait_share(0) is None
