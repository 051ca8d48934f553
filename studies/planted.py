"""Backends with a known truth for `explain` to find; `-p studies.planted` puts them in the place of the real ones.

Four of them: eager attention in place of PyTorch's fused kernel; feed-forward blocks of two layers with more units, which
nobody reads; an operator more in the ONNX file, a product with the identity; work in Python between the layers. The answer
is always that of the model.

Imported by the test process, as a plugin of pytest, and by each worker.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Final

from fixtures.backends.interface import Backend
from fixtures.backends.onnxruntime import OnnxRuntime
from fixtures.backends.pytorch import PyTorch

TRUTH: Final = "STUDY_PLANTED"
"""Environment variable: one of the truths; nothing is planted without it."""
EAGER: Final = "eager-attention"
WIDER: Final = "wider-layers"
OPERATOR: Final = "extra-operator"
PYTHON: Final = "python-between"
TRUTHS: Final = {EAGER: "pytorch", WIDER: "pytorch", OPERATOR: "onnxruntime", PYTHON: "pytorch"}
"""And the backend of each."""
WIDER_LAYERS: Final = (1, 2)
WIDER_SHARE: Final = 0.5
"""Of the units of a feed-forward block, how many more."""
STEPS: Final = 6000
"""Of Python between two layers: some 100 us."""
AFTER: Final = "SkipLayerNorm_AddBias_1"
"""The node behind which the operator goes: the end of the first layer."""


class Planted(Backend):
    """What they share; their own class comes behind it in the order of bases."""

    @classmethod
    def environment(cls, threads: int | None) -> dict[str, str]:
        """The variables of the real backend, and the truth."""
        return {**super().environment(threads), **({TRUTH: os.environ[TRUTH]} if TRUTH in os.environ else {})}


class PlantedPyTorch(Planted, PyTorch):
    """PyTorch with a truth."""

    def load(self, checkpoint: Path, artefact: Path | None) -> None:
        """The model, changed."""
        super().load(checkpoint, artefact)
        truth = os.environ.get(TRUTH)
        if truth == EAGER:
            self.model.set_attn_implementation("eager")
        elif truth == WIDER:
            for number in WIDER_LAYERS:
                widen(self.model.encoder.layer[number])
        elif truth == PYTHON:
            for layer in self.model.encoder.layer:
                layer.register_forward_pre_hook(lambda *_: work())


class PlantedOnnxRuntime(Planted, OnnxRuntime):
    """ONNX Runtime with a truth."""

    def load(self, checkpoint: Path, artefact: Path | None) -> None:
        """The file, or a copy with an operator more."""
        if os.environ.get(TRUTH) != OPERATOR or artefact is None:
            super().load(checkpoint, artefact)
            return
        folder = Path(tempfile.gettempdir()) / f"planted-{artefact.parent.name}"  # read again by the profiled session
        folder.mkdir(exist_ok=True)
        shutil.copy(artefact.parent / "fusions.json", folder)
        with_operator(artefact, folder / artefact.name)
        super().load(checkpoint, folder / artefact.name)


def widen(layer: Any) -> None:
    """Gives a feed-forward block more units: copies of the first ones, of which the next product reads nothing."""
    import torch

    first, second = layer.intermediate.dense, layer.output.dense
    more = int(first.out_features * WIDER_SHARE)
    with torch.no_grad():
        first.weight = torch.nn.Parameter(torch.cat([first.weight, first.weight[:more]]))
        first.bias = torch.nn.Parameter(torch.cat([first.bias, first.bias[:more]]))
        second.weight = torch.nn.Parameter(torch.nn.functional.pad(second.weight, (0, more)))
    first.out_features += more
    second.in_features += more


def work() -> None:
    """Steps of the interpreter, and no kernel."""
    for _ in range(STEPS):
        pass


def with_operator(file: Path, target: Path) -> None:
    """Writes an ONNX file with a product by the identity behind one node.

    Raises:
        LookupError: no node is called so.
    """
    import numpy as np
    import onnx

    model = onnx.load(file)
    graph = model.graph
    place = next((place for place, node in enumerate(graph.node) if node.name == AFTER), None)
    if place is None:
        raise LookupError(f"{file} has no node {AFTER}")
    before = graph.node[place].output[0]
    width = next(one.dims[0] for one in graph.initializer if one.name in graph.node[place].input and len(one.dims) == 1)
    graph.initializer.append(onnx.numpy_helper.from_array(np.eye(width, dtype=np.float32), "planted_identity"))
    for node in list(graph.node)[place + 1 :]:
        for number, name in enumerate(node.input):
            if name == before:
                node.input[number] = "planted_output"
    planted = onnx.helper.make_node("MatMul", [before, "planted_identity"], ["planted_output"], name="planted")
    graph.node.insert(place + 1, planted)
    onnx.save(model, target)


def pytest_addoption() -> None:
    """Puts them in the place of the real ones: pytest calls it first of all, and only where this is its plugin."""
    from fixtures.backends.registry import BACKENDS

    BACKENDS.update({one.name: f"{__name__}:{one.__name__}" for one in (PlantedPyTorch, PlantedOnnxRuntime)})
