"""A model that computes the same answer with more work on every thread: its feed-forward layers are wider.

The units that are added are copies of the first ones, and nobody reads them: their column of the next matrix is zero. It is
how a slower kernel of a library is slow, on every thread, where studies/extra_work.py works on one.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from fixtures.backends.registry import backend_class
from fixtures.model.checkpoint import find_or_build
from fixtures.model.prepared import PreparationError, prepare_in_subprocess


def parse_units(text: str) -> dict[str, int]:
    """Units to add by backend, of "pytorch=96,onnxruntime=80".

    Raises:
        argparse.ArgumentTypeError: names the part that does not say so.
    """
    units = {}
    for part in text.split(","):
        backend, equals, count = part.strip().partition("=")
        if not (equals and count.isdecimal() and int(count)):
            raise argparse.ArgumentTypeError(f"{part.strip()!r} is not BACKEND=UNITS, as in pytorch=96,onnxruntime=80")
        units[backend] = int(count)
    return units


def widen(checkpoint: Path, units: int, target: Path) -> None:
    """Writes the checkpoint of a BERT with so many more units in each feed-forward layer to a folder that is not there yet.

    Of H hidden and I units the weights of a layer become [I + units, H], the next one's [H, I + units]; the answer stays.

    Raises:
        PreparationError: it is another architecture, or has fewer units than are to be added.
    """
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    if config.get("model_type") != "bert":
        raise PreparationError(f"{checkpoint} is a {config.get('model_type')}; only a bert can be made wider")
    if units > config["intermediate_size"]:
        raise PreparationError(f"{checkpoint} has {config['intermediate_size']} units in a layer; {units} more are too many")
    tensors = load_file(checkpoint / "model.safetensors")
    for name, tensor in tensors.items():
        if re.search(r"\.intermediate\.dense\.(weight|bias)$", name):
            tensors[name] = np.concatenate([tensor, tensor[:units]])
        elif re.search(r"\.\d+\.output\.dense\.weight$", name):
            tensors[name] = np.pad(tensor, ((0, 0), (0, units)))
    target.mkdir(parents=True)
    save_file(tensors, target / "model.safetensors", metadata={"format": "pt"})
    wider = {**config, "intermediate_size": config["intermediate_size"] + units}
    (target / "config.json").write_text(json.dumps(wider, indent=2) + "\n", encoding="utf-8")


def prepare_wider(model: str, units: Mapping[str, int], folder: Path) -> dict[str, dict[str, str | None]]:
    """Makes a wider model for each backend of `parse_units`, checkpoints in a folder; what `extra_work.WIDER` is to say.

    Raises:
        PreparationError: `widen` says why.
    """
    plan = {}
    for backend, count in units.items():
        checkpoint = folder / f"wider-by-{count}"
        if not checkpoint.exists():
            widen(find_or_build(model), count, checkpoint)
        artefact = None
        if backend_class(backend).needs_onnx:
            artefact = str(prepare_in_subprocess(str(checkpoint), [(1, 32)]).onnx)
        plan[backend] = {"checkpoint": str(checkpoint), "artefact": artefact}
    return plan
