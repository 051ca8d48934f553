"""What studies slow workers by: a wider model with the same answer in every framework, a thread fewer, other attention."""

from __future__ import annotations

import argparse
import json
import math
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fixtures.backends.loading import load_backend_class
from fixtures.backends.registry import BACKENDS, backend_class
from fixtures.model.checkpoint import tensors
from fixtures.model.prepared import PreparationError, PreparedModel, prepare_in_subprocess
from fixtures.worker.parity import read_case, require_parity
from studies.extra_work import (
    CHANGE,
    EAGER_ATTENTION,
    SLOWED,
    THREAD_FEWER,
    WIDER,
    WORK,
    ExtraWork,
    SlowedPyTorch,
    pytest_addoption,
)
from studies.wider_model import parse_units, prepare_wider, widen
from tests.answers import Answering

UNITS = 48
CHANGED = {THREAD_FEWER: "1 sdpa", EAGER_ATTENTION: "2 eager", "": "2 sdpa"}
"""Change to what PyTorch says of itself then."""
TOLD = "tests.test_study_extra_work:what_pytorch_says"


@pytest.fixture(scope="module")
def prepared(cache_home: Path) -> PreparedModel:
    """A tiny BERT, without an ONNX file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache_home))
        return prepare_in_subprocess("bert-tiny", [(2, 32)], artefacts=())


def parameters(checkpoint: Path) -> int:
    """Of an encoder saved by itself."""
    return sum(math.prod(shape) for shape in tensors(checkpoint).values())


@pytest.fixture(scope="module")
def wider(prepared: PreparedModel, tmp_path_factory: pytest.TempPathFactory, cache_home: Path) -> dict[str, Any]:
    """What all slowed backends load in place of that: one wider model, exported once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache_home))
        return prepare_wider("bert-tiny", {one.name: UNITS for one in SLOWED}, tmp_path_factory.mktemp("wider"))


@pytest.fixture(scope="module")
def answering(
    prepared: PreparedModel, wider: dict[str, Any], tmp_path_factory: pytest.TempPathFactory, cache_home: Path
) -> Iterator[dict[type, Answering]]:
    """Each framework, started once with all that is asked of it; what it is told to load is nowhere."""
    folder = tmp_path_factory.mktemp("answers")
    told = replace(prepared, checkpoint=Path("/nowhere"), artefacts={"onnx": Path("/nowhere/model.onnx")})
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache_home), WIDER: json.dumps(wider), "KERAS_BACKEND": "tensorflow"}
    wanted = {backend: [(place_of(backend), "fp32")] for backend in SLOWED}
    wanted[SlowedPyTorch] += [(TOLD, change) for change in CHANGED]
    begun = {backend: Answering(folder / backend.name, [told], places, environment) for backend, places in wanted.items()}
    yield begun
    for one in begun.values():
        one.close()


def place_of(backend: type) -> str:
    """As a worker is told it."""
    return f"{backend.__module__}:{backend.__name__}"


@pytest.mark.parametrize("backend", SLOWED, ids=lambda backend: backend.name)
def test_the_same_answer_from_more_units(
    backend: type[ExtraWork], prepared: PreparedModel, wider: dict[str, Any], answering: dict[type, Answering]
) -> None:
    """What a slowed worker loads is the wider model, not the one it was told; its answer is that of the other.

    Only the frameworks can show that: what is copied and what is zero depends on how each reads a checkpoint.
    """
    checkpoint = Path(wider[backend.name]["checkpoint"])
    config = json.loads((prepared.checkpoint / "config.json").read_text())
    hidden, layers = config["hidden_size"], config["num_hidden_layers"]
    assert parameters(checkpoint) - prepared.parameters == layers * UNITS * (2 * hidden + 1)
    (case,) = prepared.cases.values()
    inputs, reference = read_case(case)
    (answer,) = answering[backend].of(place_of(backend))
    require_parity(answer, reference, inputs["attention_mask"], load_backend_class(place_of(backend)).max_abs_error)


def what_pytorch_says(models: list[PreparedModel], change: str) -> list[np.ndarray]:
    """Threads and attention of a slowed PyTorch that was told of a change and of two threads; for tests.answers."""
    os.environ[CHANGE] = change
    backend = SlowedPyTorch()
    backend.import_framework(2)
    backend.load(models[0].checkpoint, None)
    return [np.array([str(backend.pool()["intra_op"]), backend.model.config._attn_implementation])]


@pytest.mark.parametrize("change", CHANGED, ids=lambda change: change or "none")
def test_what_users_do_to_themselves(change: str, answering: dict[type, Answering]) -> None:
    """Read back from the framework."""
    (said,) = answering[SlowedPyTorch].of(TOLD, change)
    assert " ".join(said) == CHANGED[change]


def test_a_slowed_worker_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the variables of its card, because none of a shell's reaches it; without them it is the real one."""
    monkeypatch.delenv(CHANGE, raising=False)
    for backend in SLOWED:
        plain = backend.environment(2)
        assert plain == backend.__mro__[2].environment(2)
        with monkeypatch.context() as patch:
            patch.setenv(CHANGE, THREAD_FEWER)
            assert backend.environment(2) == {**plain, CHANGE: THREAD_FEWER}


def test_a_single_thread_has_none_to_lose(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be measured unchanged and recorded as changed."""
    monkeypatch.setenv(CHANGE, THREAD_FEWER)
    for backend in SLOWED:
        with pytest.raises(ValueError, match="a single thread"):
            backend().import_framework(1)


def test_workers_are_told_of_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the variables of the real backend, whatever else a worker inherits."""
    for name in WORK:
        monkeypatch.delenv(name, raising=False)
    for backend in SLOWED:
        assert backend.environment(1) == backend.__bases__[1].environment(1)
    monkeypatch.setenv(CHANGE, EAGER_ATTENTION)
    for backend in SLOWED:
        assert backend.environment(1) == {**backend.__bases__[1].environment(1), CHANGE: EAGER_ATTENTION}


def test_only_as_a_plugin_they_are_in_the_place_of_the_real_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever imports them, as a worker does, or a study that measures the real ones, has the real ones."""
    real = dict(BACKENDS)
    assert not any("Slowed" in place for place in real.values())
    for name, place in real.items():
        monkeypatch.setitem(BACKENDS, name, place)
    pytest_addoption()
    assert {name for name in real if backend_class(name) in SLOWED} == {one.name for one in SLOWED}


def test_what_cannot_be_made_wider(prepared: PreparedModel, tmp_path: Path) -> None:
    """Another architecture, more units than there are to copy, and words that say nothing are refused with the reason."""
    with pytest.raises(PreparationError, match=r"has 512 units in a layer; 600 more are too many"):
        widen(prepared.checkpoint, 600, tmp_path / "a")
    (tmp_path / "config.json").write_text('{"model_type": "distilbert"}')
    with pytest.raises(PreparationError, match="is a distilbert; only a bert can be made wider"):
        widen(tmp_path, 1, tmp_path / "b")
    assert parse_units("pytorch=96, onnxruntime=80") == {"pytorch": 96, "onnxruntime": 80}
    for text in ("pytorch", "pytorch=", "pytorch=-3", "=3=", "pytorch=0"):
        with pytest.raises(argparse.ArgumentTypeError, match="is not BACKEND=UNITS"):
            parse_units(text)
