"""What studies slow workers by: a wider model with the same answer in every framework, a thread fewer, other attention."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fixtures.backends.loading import load_backend_class
from fixtures.backends.registry import BACKENDS, backend_class
from fixtures.model.checkpoint import count_parameters, read_config
from fixtures.model.prepared import PreparationError, PreparedModel, prepare_in_subprocess
from fixtures.worker.parity import read_case, require_parity
from studies.extra_work import CHANGE, EAGER_ATTENTION, SLOWED, THREAD_FEWER, WIDER, WORK, pytest_addoption
from studies.wider_model import parse_units, prepare_wider, widen
from tests.suite import REPOSITORY

UNITS = 48


@pytest.fixture(scope="module")
def prepared(cache_home: Path) -> PreparedModel:
    """A tiny BERT, without an ONNX file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache_home))
        return prepare_in_subprocess("bert-tiny", [(2, 32)], onnx=False)


@pytest.mark.parametrize("backend", SLOWED, ids=lambda backend: backend.name)
def test_the_same_answer_from_more_units(
    backend: type, prepared: PreparedModel, tmp_path: Path, cache_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a slowed worker loads is the wider model, not the one it was told; its answer is that of the other."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_home))
    plan = prepare_wider("bert-tiny", {backend.name: UNITS}, tmp_path)
    wider = Path(str(plan[backend.name]["checkpoint"]))
    config = read_config(prepared.checkpoint)
    hidden, layers = config["hidden_size"], config["num_hidden_layers"]
    assert count_parameters(wider) - count_parameters(prepared.checkpoint) == layers * UNITS * (2 * hidden + 1)
    told = tmp_path / "prepared.json"
    told.write_text(json.dumps({**prepared.as_json(), "checkpoint": "/nowhere", "onnx": "/nowhere/model.onnx"}))
    place, output = f"{backend.__module__}:{backend.__name__}", tmp_path / "answers.npz"
    subprocess.run(
        [sys.executable, "-m", "tests.answers", place, "fp32", str(told), str(output)],
        cwd=REPOSITORY,
        env={**os.environ, WIDER: json.dumps(plan), "KERAS_BACKEND": "tensorflow"},
        check=True,
        capture_output=True,
        timeout=300,
    )
    (case,) = prepared.cases.values()
    inputs, reference = read_case(case)
    with np.load(output) as arrays:
        require_parity(arrays["arr_0"], reference, inputs["attention_mask"], load_backend_class(place).max_abs_error)


@pytest.mark.parametrize(("change", "told"), [(THREAD_FEWER, "1 sdpa"), (EAGER_ATTENTION, "2 eager"), ("", "2 sdpa")])
def test_what_users_do_to_themselves(change: str, told: str, prepared: PreparedModel) -> None:
    """Read back from the framework."""
    script = (
        "import pathlib, sys\n"
        "from studies.extra_work import SlowedPyTorch\n"
        "backend = SlowedPyTorch()\n"
        "backend.import_framework(2)\n"
        "backend.load(pathlib.Path(sys.argv[1]), None)\n"
        "print(backend.pool()['intra_op'], backend.model.config._attn_implementation)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(prepared.checkpoint)],
        cwd=REPOSITORY,
        env={**os.environ, CHANGE: change},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split("\n")[-2:] == [told, ""], done.stderr


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
