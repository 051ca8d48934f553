"""Every backend computes the same model: on random weights, and on a trained one with real text.

Only the frameworks themselves can show that.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from fixtures.asked.precisions import why_not_precision
from fixtures.asked.presets import PLAIN_BACKENDS
from fixtures.backends.loading import load_backend_class
from fixtures.backends.registry import BACKENDS, backend_class, card_file
from fixtures.machine.fingerprint import isa_flags
from fixtures.model.prepared import PreparedModel, prepare_in_subprocess
from fixtures.model.quantized import KINDS
from fixtures.worker.parity import read_case, require_parity
from tests.answers import SENTENCE_TRANSFORMERS, Answering


def reduced(name: str, precision: str) -> object:
    """A backend at a precision as a parameter; skipped with its reason where it cannot run."""
    reason = backend_class(name).unavailable() or why_not_precision(name, precision, isa_flags())
    marks = [pytest.mark.skip(reason=reason)] if reason else []
    if name.startswith("torch_compile") or name in ("tensorflow", "tensorflow_graph"):
        marks.append(pytest.mark.slow)  # a minute of compiling; what tensorflow_xla shows as well
    return pytest.param(name, precision, marks=marks)


def installed(name: str) -> object:
    """The name of a backend as a parameter; skipped with its reason where it cannot run."""
    reason = backend_class(name).unavailable()
    return pytest.param(name, marks=[pytest.mark.skip(reason=reason)] if reason else [])


class Models:
    """A random model with seeded ids and a trained one with real text, prepared; and what was answered to them."""

    def __init__(self, folder: Path, wanted: Iterable[tuple[str, str]]) -> None:
        """Each framework begins, beside the others, as soon as its files are there, with all that is wanted of it.

        Args:
            folder: takes what it answers.
            wanted: (backend, precision).
        """
        self.answering: dict[str, Answering] = {}
        named: dict[str, list[tuple[str, str]]] = {"torch": []}
        for name, precision in wanted:
            named.setdefault(framework_of(name), []).append((name, precision))
        reads_a_graph = {
            framework: any(backend_class(name).artefact(precision) for name, precision in some)
            for framework, some in named.items()
        }
        for onnx in sorted(set(reads_a_graph.values())):
            kinds = KINDS if onnx else ()
            self.prepared = (
                prepare_in_subprocess("bert-tiny", [(2, 32)], onnx=onnx, quantized=kinds),
                prepare_in_subprocess("minilm", [(8, 64)], inputs="text", onnx=onnx, quantized=kinds),
            )
            for framework in (one for one, reads in reads_a_graph.items() if reads is onnx):
                self.answering[framework] = self.begun(folder / framework, named[framework], framework == "torch")

    def begun(self, folder: Path, named: Sequence[tuple[str, str]], embeddings: bool) -> Answering:
        """A framework's process; the embeddings are sentence-transformers', by PyTorch."""
        places = [(BACKENDS[name], precision) for name, precision in named]
        places += [(SENTENCE_TRANSFORMERS, "fp32")] if embeddings else []
        variables = {key: value for name, _ in named for key, value in backend_class(name).environment(1).items()}
        return Answering(folder, self.prepared, places, {**os.environ, **variables})

    def answers(self, name: str, precision: str = "fp32") -> list[np.ndarray]:
        """What a backend answers to each."""
        return self.answering[framework_of(name)].of(BACKENDS[name], precision)

    def sentence_embeddings(self) -> np.ndarray:
        """[batch_size, hidden_size] of the trained one, by sentence-transformers."""
        return self.answering["torch"].of(SENTENCE_TRANSFORMERS)[1]

    def case(self, number: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        (case,) = self.prepared[number].cases.values()
        return read_case(case)

    def close(self) -> None:
        for one in self.answering.values():
            one.close()


def framework_of(name: str) -> str:
    """The distribution that comes first on a backend's card."""
    return backend_class(name).distributions[0]


@pytest.fixture(scope="module")
def models(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, cache_home: Path, bert_tiny: PreparedModel
) -> Iterator[Models]:
    """Both models, and all that the tests of this session ask of them."""
    wanted = [
        (item.callspec.params["name"], item.callspec.params.get("precision", "fp32"))
        for item in request.session.items
        if isinstance(item, pytest.Function)
        and item.module is request.module
        and "models" in item.fixturenames
        and item.get_closest_marker("skip") is None
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache_home))
        models = Models(tmp_path_factory.mktemp("answers"), wanted)
    yield models
    models.close()


def cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Cosine similarity, row by row."""
    products = np.sum(left * right, axis=1)
    return np.asarray(products / np.linalg.norm(left, axis=1) / np.linalg.norm(right, axis=1))


@pytest.mark.parametrize("name", [installed(name) for name in BACKENDS])
def test_parity(name: str, models: Models) -> None:
    """Last hidden states agree with fp32 PyTorch, and mean-pooled sentence embeddings with sentence-transformers' own."""
    backend = backend_class(name)
    random, trained = models.answers(name)
    inputs, reference = models.case(0)
    require_parity(random, reference, inputs["attention_mask"], backend.max_abs_error)
    inputs, reference = models.case(1)
    mask = inputs["attention_mask"]
    assert 0 < mask.mean() < 1, "real text leaves some positions empty"
    require_parity(trained, reference, mask, backend.max_abs_error)
    pooled = np.sum(trained * mask[:, :, None], axis=1) / mask.sum(axis=1, keepdims=True)
    assert np.all(1 - cosines(pooled, models.sentence_embeddings()) < 1e-4)


@pytest.mark.parametrize(
    ("name", "precision"), [reduced(name, precision) for name in BACKENDS for precision in backend_class(name).reduced]
)
def test_parity_of_smaller_formats(name: str, precision: str, models: Models) -> None:
    """Every format keeps to its tolerance, on random weights and on a trained model with real text."""
    tolerance = backend_class(name).reduced[precision]
    for number, answer in enumerate(models.answers(name, precision)):
        inputs, reference = models.case(number)
        found = require_parity(answer, reference, inputs["attention_mask"], tolerance.max_abs_error, tolerance.cosine)
        print(f"{name} {precision} {('random', 'trained')[number]}: {found}")
        assert found["max_abs_error"] > 1e-4, "as exact as fp32: is it another format at all?"


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


def test_only_a_backend_is_a_backend() -> None:
    """A place that holds something else is refused."""
    with pytest.raises(TypeError, match="pathlib:Path is not a Backend"):
        load_backend_class("pathlib:Path")
