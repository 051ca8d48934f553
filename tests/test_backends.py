"""Every backend computes the same model: on random weights, and on a trained one with real text.

Only the frameworks themselves can show that: each is started once, beside the others. Those that compile for long are in
tests/test_backends_compiled.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.asked.presets import PLAIN_BACKENDS
from fixtures.backends.loading import load_backend_class
from fixtures.backends.registry import BACKENDS, backend_class, card_file
from tests.parity import OTHERS, models, parametrize, test_parity, test_parity_of_smaller_formats

__all__ = ["models", "test_parity", "test_parity_of_smaller_formats"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Which backends."""
    parametrize(metafunc, OTHERS)


@pytest.mark.parametrize("name", BACKENDS)
def test_what_a_card_says(name: str) -> None:
    """Its tolerance at fp32 excludes a smaller format; a worker gets variables as texts, and users are told of threads."""
    backend = backend_class(name)
    assert backend.distributions
    assert 0 < backend.max_abs_error < 0.05
    assert backend.thread_code is not None
    assert all(isinstance(value, str) for value in backend.environment(2).values())


def test_the_order_of_lists_and_reports() -> None:
    """By the place on each card; what an install offers without an option is what every preset asks out of the box."""
    ours = [name for name in BACKENDS if not card_file(name)]
    assert ours == [
        *("pytorch", "torchscript", "torch_compile", "torch_compile_freezing"),
        *("tensorflow", "tensorflow_graph", "tensorflow_xla", "onnxruntime", "openvino"),
    ]
    assert set(ours) - set(PLAIN_BACKENDS) == {"torch_compile_freezing"}


def test_a_missing_distribution_is_a_reason_with_a_command() -> None:
    """What is not installed is named with the extra that installs it."""

    class NotThere(load_backend_class(BACKENDS["onnxruntime"])):  # type: ignore[misc]
        distributions = ("onnxruntime-of-the-future",)

    assert NotThere.unavailable() == "onnxruntime-of-the-future is not installed: pip install '.[onnxruntime]'"


def test_inductor_needs_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a C++ compiler torch_compile is a skip that names the package."""
    monkeypatch.setenv("PATH", "")
    assert "apt-get install g++" in str(backend_class("torch_compile").unavailable())


def test_inductor_and_spaces(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It puts the path of its cache into command lines as it is; a compile error would be red every night."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a cache"))
    assert "a cache/bert-cpu-benchmarks/inductor has a space in it" in str(backend_class("torch_compile").unavailable())


def test_only_a_backend_is_a_backend() -> None:
    """A place that holds something else is refused."""
    with pytest.raises(TypeError, match="pathlib:Path is no card"):
        load_backend_class("pathlib:Path")
