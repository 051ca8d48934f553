"""What tests share: one cache of prepared models per session, the suite as a user would run it, and this machine's CPUs.

Under pytest-xdist each worker runs its tests on cores of its own, so that what they measure is not disturbed by one another;
a test marked `every_cpu` has the whole machine, and no other test runs meanwhile.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fixtures.machine.topology import Topology
from fixtures.model.prepared import PreparedModel, prepare_in_subprocess
from tests.suite import INHERITED_CACHE, Suite, orphans

SIZES = (
    *((1, length) for length in (8, 16, 24, 32, 40, 48, 56, 64, 96, 128, 512)),
    *((2, 32), (3, 16), (8, 32), (8, 128)),
)
"""Batch size and sequence length of what tests measure of bert-tiny."""


WORKER = os.environ.pop("PYTEST_XDIST_WORKER", None)  # what a test starts is not a worker
WORKERS = int(os.environ.pop("PYTEST_XDIST_WORKER_COUNT", "1"))
TOPOLOGY = Topology.of_this_process()


def shared_folder(config: pytest.Config) -> Path:
    """A folder that the workers of pytest-xdist have in common."""
    factory: pytest.TempPathFactory = config._tmp_path_factory  # type: ignore[attr-defined]
    return factory.getbasetemp().parent


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Around a test and its fixtures: the CPUs it may use."""
    if WORKER is None:
        return (yield)
    with cpus_for(shared_folder(item.config), every_cpu=item.get_closest_marker("every_cpu") is not None):
        return (yield)


@contextmanager
def cpus_for(folder: Path, *, every_cpu: bool) -> Iterator[None]:
    """Every n-th physical core, n workers; or all of them when the other workers have finished the test they are at."""
    with (folder / "queue.lock").open("w") as queue, (folder / "cpus.lock").open("w") as cpus:
        fcntl.flock(queue, fcntl.LOCK_EX)  # whoever waits for all holds up those that come after it
        fcntl.flock(cpus, fcntl.LOCK_EX if every_cpu else fcntl.LOCK_SH)
        fcntl.flock(queue, fcntl.LOCK_UN)
        if not every_cpu:
            os.sched_setaffinity(0, share_of_this_worker())
        try:
            yield
        finally:
            os.sched_setaffinity(0, TOPOLOGY.usable_cpus)


def share_of_this_worker() -> frozenset[int]:
    """The CPUs of its cores."""
    cores = TOPOLOGY.usable_cores
    return frozenset(cpu for core in cores[int(str(WORKER)[2:]) % len(cores) :: WORKERS] for cpu in core)


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_works() -> None:
    """A shell starts what it puts in the background with SIGINT ignored, and every child would inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def cache_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An XDG cache of this session's own, or of the one that started it: no test depends on what the machine has seen."""
    inherited = os.environ.get(INHERITED_CACHE)
    if inherited or WORKER is None:
        return Path(inherited) if inherited else tmp_path_factory.mktemp("cache")
    return tmp_path_factory.getbasetemp().parent / "cache"


@pytest.fixture(scope="session")
def bert_tiny(cache_home: Path) -> PreparedModel:
    """bert-tiny as the sessions of all tests want it, in that cache: built, computed, exported and quantised by one process.

    A problem size that is not listed is computed by the first session that wants it; importing PyTorch takes it seconds.
    """
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("XDG_CACHE_HOME", str(cache_home))
        return prepare_in_subprocess("bert-tiny", SIZES, artefacts=("onnx", "onnx_int8", "keras"))


@pytest.fixture
def suite(tmp_path: Path, cache_home: Path, bert_tiny: PreparedModel) -> Iterator[Suite]:
    """The suite as a user would run it; afterwards no worker of it is left, stopped or running."""
    suite = Suite(tmp_path, cache_home)
    yield suite
    assert orphans(suite.runs) == []


@pytest.fixture
def own_cache(suite: Suite, cache_home: Path) -> Path:
    """A copy of the cache for the sessions of one test, which remembers no time that a benchmark took."""
    copy = suite.folder / "own-cache"
    shutil.copytree(cache_home, copy, ignore=shutil.ignore_patterns(".building-*", "spent", "references"))
    suite.environment["XDG_CACHE_HOME"] = str(copy)
    return copy
