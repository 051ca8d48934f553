"""What tests/test_backends.py asks of every backend, of those that compile for long.

Only the compiler itself can show that. A file of its own, because it takes as long as all other backends together.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parity import (
    COMPILED,
    Models,
    models_of,
    require_a_smaller_format,
    require_the_same_model,
    smaller_formats,
    with_reasons,
)


@pytest.fixture(scope="module")
def models(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, cache_home: Path) -> Iterator[Models]:
    """Both models, and all that the tests of this session ask of them."""
    yield from models_of(request, tmp_path_factory.mktemp("answers"), cache_home)


@pytest.mark.parametrize("name", with_reasons(COMPILED))
def test_parity(name: str, models: Models) -> None:
    """Last hidden states agree with fp32 PyTorch, and mean-pooled sentence embeddings with sentence-transformers' own."""
    require_the_same_model(name, models)


@pytest.mark.parametrize(("name", "precision"), smaller_formats(COMPILED))
def test_parity_of_smaller_formats(name: str, precision: str, models: Models) -> None:
    """Every format keeps to its tolerance, on random weights and on a trained model with real text."""
    require_a_smaller_format(name, precision, models)
