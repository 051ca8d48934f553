"""What the tests of backends have in common: two prepared models, what was answered to them, and when that is right."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from fixtures.asked.precisions import why_not_precision
from fixtures.backends.registry import BACKENDS, backend_class, card_file
from fixtures.machine.fingerprint import isa_flags
from fixtures.worker.parity import read_case, require_parity
from tests.answers import SENTENCE_TRANSFORMERS, Answering, prepared_together

COMPILED = tuple(name for name in BACKENDS if name.startswith("torch_compile") and not card_file(name))
"""Backends that take as long as all others together; their file is tests/test_backends_compiled.py."""
OTHERS = tuple(name for name in BACKENDS if name not in COMPILED)


def with_reasons(names: Iterable[str]) -> list[object]:
    """Backends as parameters; skipped with the reason where one cannot run."""
    reasons = {name: backend_class(name).unavailable() for name in names}
    return [pytest.param(name, marks=[pytest.mark.skip(reason=why)] if why else []) for name, why in reasons.items()]


def smaller_formats(names: Iterable[str]) -> list[object]:
    """Backends at each of their smaller formats as parameters; skipped with the reason where one cannot run."""
    found = []
    for name in names:
        for precision in backend_class(name).reduced:
            reason = backend_class(name).unavailable() or why_not_precision(name, precision, isa_flags())
            marks = [pytest.mark.skip(reason=reason)] if reason else []
            if name in COMPILED or name in ("tensorflow", "tensorflow_graph"):
                marks.append(pytest.mark.slow)  # a minute of compiling; what tensorflow_xla shows as well
            found.append(pytest.param(name, precision, marks=marks))
    return found


class Models:
    """A random model with seeded ids and a trained one with real text, prepared; and what was answered to them."""

    def __init__(self, folder: Path, wanted: Iterable[tuple[str, str]]) -> None:
        """Each framework is started once, with all that is wanted of it.

        Args:
            folder: takes what it answers.
            wanted: (backend, precision).
        """
        named: dict[str, list[tuple[str, str]]] = {"torch": []}
        for name, precision in wanted:
            named.setdefault(framework_of(name), []).append((name, precision))
        files = {backend_class(name).artefact(precision) for some in named.values() for name, precision in some} - {None}
        artefacts = sorted(filter(None, files))
        self.prepared = prepared_together(
            [
                {"model": "bert-tiny", "problem_sizes": [(2, 32)], "artefacts": artefacts},
                {"model": "minilm", "problem_sizes": [(8, 64)], "inputs": "text", "artefacts": artefacts},
            ],
            os.environ,
        )
        self.answering = {framework: self.begun(folder / framework, framework, some) for framework, some in named.items()}

    def begun(self, folder: Path, framework: str, named: Sequence[tuple[str, str]]) -> Answering:
        """A framework's process; the embeddings are sentence-transformers', by PyTorch."""
        places = [(BACKENDS[name], precision) for name, precision in named]
        places += [(SENTENCE_TRANSFORMERS, "fp32")] if framework == "torch" else []
        variables = {key: value for name, _ in named for key, value in backend_class(name).environment(1).items()}
        return Answering(folder, self.prepared, places, {**os.environ, **variables})

    def answers(self, name: str, precision: str = "fp32") -> list[np.ndarray]:
        """What a backend answers to each."""
        return self.answering[framework_of(name)].of(BACKENDS[name], precision)

    def sentence_embeddings(self) -> np.ndarray:
        """[batch_size, hidden_size] of the trained one, by sentence-transformers."""
        return self.answering["torch"].of(SENTENCE_TRANSFORMERS)[1]

    def case(self, number: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Inputs and reference of the random or the trained one."""
        (case,) = self.prepared[number].cases.values()
        return read_case(case)

    def close(self) -> None:
        """Ends what is still at work."""
        for one in self.answering.values():
            one.close()


def framework_of(name: str) -> str:
    """The distribution that comes first on a backend's card."""
    return backend_class(name).distributions[0]


@pytest.fixture(scope="module")
def models(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, cache_home: Path) -> Iterator[Models]:
    """Both models, and all that the selected tests of a module ask of them."""
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


def parametrize(metafunc: pytest.Metafunc, names: Sequence[str]) -> None:
    """The two tests of this file, which a module of tests imports, for these backends."""
    if metafunc.function is test_parity:
        metafunc.parametrize("name", with_reasons(names))
    elif metafunc.function is test_parity_of_smaller_formats:
        metafunc.parametrize(("name", "precision"), smaller_formats(names))


def cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Cosine similarity, row by row."""
    products = np.sum(left * right, axis=1)
    return np.asarray(products / np.linalg.norm(left, axis=1) / np.linalg.norm(right, axis=1))


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


def test_parity_of_smaller_formats(name: str, precision: str, models: Models) -> None:
    """Every format keeps to its tolerance, on random weights and on a trained model with real text, and is not fp32."""
    tolerance = backend_class(name).reduced[precision]
    for number, answer in enumerate(models.answers(name, precision)):
        inputs, reference = models.case(number)
        found = require_parity(answer, reference, inputs["attention_mask"], tolerance.max_abs_error, tolerance.cosine)
        print(f"{name} {precision} {('random', 'trained')[number]}: {found}")
        assert found["max_abs_error"] > 1e-4, "as exact as fp32: is it another format at all?"
