"""What tests share: one cache of prepared models per session, and the suite as a user would run it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.suite import Suite, orphans


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_works() -> None:
    """A shell starts what it puts in the background with SIGINT ignored, and every child would inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def cache_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An XDG cache of this session's own, so that no test depends on what the machine has seen before."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def suite(tmp_path: Path, cache_home: Path) -> Iterator[Suite]:
    """The suite as a user would run it; afterwards no worker of it is left, stopped or running."""
    suite = Suite(tmp_path, cache_home)
    yield suite
    assert orphans(suite.runs) == []
