"""What tests share: one cache of prepared models per session, and the suite as a user would run it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.model.prepared import PreparedModel, prepare_in_subprocess
from tests.suite import INHERITED_CACHE, Suite, orphans

SIZES = (
    *((1, length) for length in (8, 16, 24, 32, 40, 48, 56, 64, 96, 128, 512)),
    *((2, 32), (3, 16), (8, 32), (8, 128)),
)
"""Batch size and sequence length of what tests measure of bert-tiny."""


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_works() -> None:
    """A shell starts what it puts in the background with SIGINT ignored, and every child would inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def cache_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An XDG cache of this session's own, or of the one that started it: no test depends on what the machine has seen."""
    inherited = os.environ.get(INHERITED_CACHE)
    return Path(inherited) if inherited else tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def bert_tiny(cache_home: Path) -> PreparedModel:
    """bert-tiny as the sessions of all tests want it, in that cache: built, computed, exported and quantised by one process.

    A problem size that is not listed is computed by the first session that wants it; importing PyTorch takes it seconds.
    """
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("XDG_CACHE_HOME", str(cache_home))
        return prepare_in_subprocess("bert-tiny", SIZES, quantized=["onnx_int8"])


@pytest.fixture
def suite(tmp_path: Path, cache_home: Path, bert_tiny: PreparedModel) -> Iterator[Suite]:
    """The suite as a user would run it; afterwards no worker of it is left, stopped or running."""
    suite = Suite(tmp_path, cache_home)
    yield suite
    assert orphans(suite.runs) == []
