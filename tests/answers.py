"""`python -m tests.answers`: what one backend, or sentence-transformers, answers to prepared cases; in its own process.

Arguments: the place of the backend's class (`module:Class`, or `sentence-transformers`), the precision, then for each case
its PreparedModel as a JSON file, then the file to write: one array per case.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import numpy as np

from fixtures.model.prepared import PreparedModel
from fixtures.worker.parity import read_case


def backend_answers(place: str, precision: str, models: list[PreparedModel]) -> list[np.ndarray]:
    """Last hidden states, case by case, through the backend's own card."""
    from fixtures.backends.loading import load_backend_class

    answers = []
    backend = load_backend_class(place)()
    backend.precision = precision
    backend.import_framework(1)
    for model in models:
        files = {**model.quantized, **({"onnx": model.onnx} if model.onnx else {})}
        backend.load(model.checkpoint, files.get(backend.artefact(precision) or ""))
        backend.check_precision()
        (case,) = model.cases.values()
        inputs, _ = read_case(case)
        forward = backend.compile(inputs)
        answers.append(np.array(backend.last_hidden_state(forward())))
    return answers


def sentence_embeddings(models: list[PreparedModel]) -> list[np.ndarray]:
    """Sentence embeddings by sentence-transformers' own modules, pooling and normalisation included."""
    torch = import_module("torch")
    sentence_transformers = import_module("sentence_transformers")
    answers = []
    for model in models:
        encoder = sentence_transformers.SentenceTransformer(str(model.checkpoint), device="cpu")
        (case,) = model.cases.values()
        inputs, _ = read_case(case)
        with torch.inference_mode():
            features = encoder({name: torch.from_numpy(array) for name, array in inputs.items()})
        answers.append(features["sentence_embedding"].numpy())
    return answers


if __name__ == "__main__":
    place, precision, *paths, output = sys.argv[1:]
    import json

    prepared = [PreparedModel.from_json(json.loads(Path(path).read_text(encoding="utf-8"))) for path in paths]
    found = (
        sentence_embeddings(prepared) if place == "sentence-transformers" else backend_answers(place, precision, prepared)
    )
    np.savez(output, *found)
