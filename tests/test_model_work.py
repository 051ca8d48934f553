"""The work of named models: what is counted beside the reference is what torch's own counter says of the architecture."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from fixtures.asked.possible import type_of
from fixtures.model.__main__ import prepare
from fixtures.model.architectures import ARCHITECTURES, positions_of
from tests.checkpoints import OF_EACH_TYPE, small
from tests.suite import REPOSITORY
from tests.test_model_heads import counted

FEW = ("mpnet-base", "deberta-v3-base")
"""Relative positions, in two ways; tests/test_model_families.py has others."""


@pytest.mark.parametrize("name", [pytest.param(one, marks=[] if one in FEW else pytest.mark.slow) for one in OF_EACH_TYPE])
def test_operations_of_each_architecture(
    tmp_path: Path, cache_home: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Small, but for that as published: relative positions, shared layers, windows of attention, gates."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_home))
    prepared = prepare(str(small(tmp_path, name)), [(3, 48)], artefacts=())
    assert prepared.flop == {"3x48": counted(prepared, 3, 48)}


@pytest.mark.slow
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_operations_and_positions_as_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """At full size, at a length beyond ModernBERT's window; it takes as many positions as it is published with."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    try:
        prepared = prepare(name, [(1, 128), (1, 512)], artefacts=())
        assert prepared.flop == {f"1x{length}": counted(prepared, 1, length) for length in (128, 512)}
        assert prepared.maximum_positions == positions_of(ARCHITECTURES[name])
        facts = f"{prepared.parameters / 1e6:.1f} M | {prepared.maximum_positions} | {prepared.flop['1x128'] / 1e9:.3g}"
        page = (REPOSITORY / "docs/models.md").read_text(encoding="utf-8")
        assert re.search(rf"^\| `{name}` \| {type_of(name)} \| \S+ \| {re.escape(facts)} \|$", page, re.MULTILINE), facts
    finally:
        shutil.rmtree(tmp_path)
