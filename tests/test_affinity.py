"""Granting CPUs and reading masks, on the kernel that runs the tests; every test works on a single CPU."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from fixtures.machine.affinity import (
    AffinityError,
    MaskReport,
    check_masks,
    granted,
    own_thread_cpu_times_s,
    thread_cpu_times_s,
    thread_masks,
    thread_wait_times_s,
)
from tests.kernel_trees import write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WAIT = "print('ready', flush=True); sys.stdin.read()"


@contextmanager
def child(code: str, *, grant: frozenset[int]) -> Iterator[subprocess.Popen[str]]:
    """A Python process that was started under a grant, has run `code` and waits."""
    with granted(grant):
        process = subprocess.Popen(
            [sys.executable, "-c", f"import os, sys, threading, time\n{code}\n{WAIT}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


@pytest.fixture
def allowed() -> Iterator[frozenset[int]]:
    """The CPUs of the test process; they are the same when the test ends."""
    before = frozenset(os.sched_getaffinity(0))
    yield before
    after = frozenset(os.sched_getaffinity(0))
    os.sched_setaffinity(0, before)
    assert after == before


class TestGranted:
    """The mask inside and after the grant."""

    def test_observed(self, allowed: frozenset[int]) -> None:
        """Inside, the kernel reports the granted CPUs and the grant yields what it reports."""
        one = {max(allowed)}
        with granted(one) as observed:
            assert os.sched_getaffinity(0) == one
            assert observed == one

    def test_inherited(self, allowed: frozenset[int]) -> None:
        """A process started inside keeps the mask when the grant has ended."""
        one = frozenset({max(allowed)})
        with child("", grant=one) as process:
            assert os.sched_getaffinity(0) == allowed
            assert set(thread_masks(process.pid).values()) == {one}

    def test_restored_after_an_error(self, allowed: frozenset[int]) -> None:
        """An error inside passes through and the mask is restored."""
        with pytest.raises(KeyError, match="inside"), granted({min(allowed)}):
            raise KeyError("inside")
        assert os.sched_getaffinity(0) == allowed

    @pytest.mark.parametrize("surplus", [5000, 100_000_000_000, -1])
    def test_nothing_but_absent_cpus(self, allowed: frozenset[int], surplus: int) -> None:
        """A CPU that the machine does not have is refused; the message says what was asked for and what is allowed."""
        with (
            pytest.raises(AffinityError, match=r"asked for CPUs .*the kernel refused .*may use \d.*cpuset") as refusal,
            granted({surplus}),
        ):
            pytest.fail("granted")
        assert str(surplus) in str(refusal.value)
        assert os.sched_getaffinity(0) == allowed

    def test_some_absent_cpus(self, allowed: frozenset[int]) -> None:
        """CPUs that the kernel drops in silence are noticed, because the mask is read back."""
        with (
            pytest.raises(AffinityError, match=r"asked for CPUs \d.*5000: the kernel granted \d[\d,-]*; .*may use"),
            granted({*allowed, 5000}),
        ):
            pytest.fail("granted")
        assert os.sched_getaffinity(0) == allowed

    def test_no_cpu(self, allowed: frozenset[int]) -> None:
        """A grant of nothing is refused."""
        with pytest.raises(AffinityError, match=r"asked for CPUs \(none\)"), granted(()):
            pytest.fail("granted")
        assert os.sched_getaffinity(0) == allowed

    def test_not_restored(self, allowed: frozenset[int], monkeypatch: pytest.MonkeyPatch) -> None:
        """A previous mask that the kernel does not take back is an error, not a silence."""
        one = {min(allowed)}
        answers = iter([allowed | {5000}, one, one])
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: next(answers))
        refused = r"the mask before was .*5000; asked to restore it, the kernel granted"
        with pytest.raises(AffinityError, match=refused), granted(one):
            pass
        monkeypatch.undo()


class TestThreadMasks:
    """Masks read from the threads of a process."""

    def test_every_thread(self, allowed: frozenset[int]) -> None:
        """All threads of the process are there, by thread id."""
        release = threading.Event()
        thread = threading.Thread(target=release.wait)
        thread.start()
        try:
            masks = thread_masks(os.getpid())
        finally:
            release.set()
            thread.join()

        assert masks[threading.get_native_id()] == allowed
        assert masks[thread.native_id or 0] == allowed

    def test_vanished_process(self) -> None:
        """A process that has ended is an error, before and after its parent has waited for it."""
        process = subprocess.Popen([sys.executable, "-c", ""])
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        with pytest.raises(ProcessLookupError, match=rf"process {process.pid} has ended"):
            thread_masks(process.pid)
        process.wait()
        for read in (thread_masks, thread_cpu_times_s):
            with pytest.raises(ProcessLookupError, match=rf"process {process.pid} has ended"):
                read(process.pid)

    def test_vanished_thread(self, tmp_path: Path) -> None:
        """A thread that ends between the listing and the reading is skipped."""
        write(tmp_path / "proc/7/task/7/status", "Name:\tpython\nState:\tS (sleeping)\nCpus_allowed_list:\t0-1,4")
        write(tmp_path / "proc/7/task/7/schedstat", "2500000000 10 3")
        (tmp_path / "proc/7/task/8").mkdir()

        assert thread_masks(7, root=tmp_path) == {7: {0, 1, 4}}
        assert thread_cpu_times_s(7, root=tmp_path) == {7: 2.5}
        assert thread_wait_times_s(7, root=tmp_path) == {7: 1e-8}


class TestThreadCpuTimes:
    """CPU time of the threads of a process."""

    def test_busy_and_idle(self, allowed: frozenset[int]) -> None:
        """A thread that computed has its CPU time, one that waited has next to none."""
        code = """
threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
while time.thread_time() < 0.2: pass
"""
        with child(code, grant=allowed) as process:
            times_s = thread_cpu_times_s(process.pid)

        assert len(times_s) == 2
        assert 0.2 <= times_s.pop(process.pid) < 5
        assert max(times_s.values()) < 0.1

    def test_own_threads_to_the_moment(self) -> None:
        """A few milliseconds of work are seen each time, though a tick of the kernel may be longer; others' as well."""

        def work_and_wait() -> None:
            sum(range(100_000))
            done.set()
            over.wait()

        own, done, over = threading.get_native_id(), threading.Event(), threading.Event()
        for _ in range(50):
            before_s, before = time.thread_time(), own_thread_cpu_times_s()
            sum(range(100_000))
            after, after_s = own_thread_cpu_times_s(), time.thread_time()
            assert (after_s - before_s) / 2 <= after[own] - before[own] <= after_s - before_s
        other = threading.Thread(target=work_and_wait)
        other.start()
        done.wait()
        assert other.native_id is not None
        assert 0.0002 < own_thread_cpu_times_s()[other.native_id] < 0.1
        over.set()
        other.join()

    def test_without_schedstat(self, tmp_path: Path) -> None:
        """Without schedstat, user and system ticks are added, whatever the thread is called."""
        ticks = os.sysconf("SC_CLK_TCK")
        stat = f"7 (a ) b) S 1 7 7 0 -1 4194560 906 0 0 0 {3 * ticks} {ticks // 2} 99 99 20 0 1 0 317"
        write(tmp_path / "proc/7/task/7/stat", stat)
        assert thread_cpu_times_s(7, root=tmp_path) == {7: 3.5}
        assert thread_wait_times_s(7, root=tmp_path) is None


class TestCheckMasks:
    """The rule: each mask a part of the grant, together all of it."""

    def test_report(self) -> None:
        """Threads are grouped by mask; those cut to one of several CPUs are counted."""
        masks = {10: frozenset({0, 1}), 11: frozenset({0}), 12: frozenset({1}), 13: frozenset({0, 1})}
        report = check_masks(masks, granted=(0, 1))

        assert report == MaskReport(grouped=(("0", 1), ("0-1", 2), ("1", 1)), pinned_by_framework=2, strayed=0)
        assert report.as_json() == [[[0], 1], [[0, 1], 2], [[1], 1]]

    def test_single_cpu_grant(self) -> None:
        """With one CPU granted no thread is narrowed."""
        assert check_masks({10: frozenset({3})}, granted={3}).pinned_by_framework == 0

    def test_outside(self) -> None:
        """A thread beyond the grant is an error with how many, where, the grant and the rule."""
        masks = {10: frozenset({0, 1}), 11: frozenset({1, 2, 3}), 12: frozenset({0, 5})}
        with pytest.raises(
            AffinityError,
            match=r"2 of 3 threads may run on CPUs 2-3,5 outside the granted CPUs 0-1: every thread's mask must",
        ):
            check_masks(masks, granted=(0, 1))
        assert check_masks(masks, granted=(0, 1), may_stray=True).strayed == 2

    def test_uncovered(self) -> None:
        """A granted CPU on which no thread may run is an error."""
        with pytest.raises(
            AffinityError,
            match=r"none of 2 threads may run on CPUs 1,3 of the granted CPUs 0-3: together the masks must cover",
        ):
            check_masks({10: frozenset({0}), 11: frozenset({2})}, granted=range(4))

    def test_no_thread(self) -> None:
        """No threads are not good threads."""
        with pytest.raises(AffinityError, match="none of 0 threads may run on CPUs 0 of the granted CPUs 0"):
            check_masks({}, granted=(0,))

    def test_thread_leaves_the_mask(self, allowed: frozenset[int]) -> None:
        """A live process whose thread gave itself other CPUs is caught; on one CPU the grant is another machine's."""
        grant = frozenset({min(allowed)})
        code = f"""
def leave():
    os.sched_setaffinity(0, {sorted(allowed)})
    left.set()
    time.sleep(600)
left = threading.Event()
threading.Thread(target=leave, daemon=True).start()
left.wait()
"""
        with child(code, grant=grant) as process:
            masks = thread_masks(process.pid)
        told = grant if len(allowed) > 1 else frozenset({min(allowed) + 1})
        with pytest.raises(AffinityError, match=r"[12] of 2 threads may run on CPUs"):
            check_masks(masks, told)
        assert masks[process.pid] == grant
        assert allowed in masks.values()

    def test_live_process_keeps_its_mask(self, allowed: frozenset[int]) -> None:
        """A process started under a grant passes with all its threads."""
        with child("threading.Thread(target=time.sleep, args=(600,), daemon=True).start()", grant=allowed) as process:
            report = check_masks(thread_masks(process.pid), allowed)
        assert report.as_json() == [[sorted(allowed), 2]]
