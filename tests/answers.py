"""`python -m tests.answers FOLDER MODELS WANTED...`: what backends answer to prepared cases, each in a process of its own.

FOLDER takes a file per backend and precision with an array per case, or with what went wrong. MODELS is a JSON file, a list
of PreparedModels with one case each. WANTED is `PLACE@WORD`: the place of a backend's class and a precision, or that of a
function of the tests, which gets the models and the word and returns arrays. All should be of one framework: it is imported
once, in the parent, which computes nothing and forks; importing it is what takes most backends most of their time.
"""

from __future__ import annotations

import json
import os
import pkgutil
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from fixtures.backends.loading import load_backend_class
from fixtures.backends.torch_compile import TorchCompile
from fixtures.model.prepared import PreparedModel
from fixtures.worker.parity import read_case
from tests.suite import REPOSITORY

SENTENCE_TRANSFORMERS = "tests.answers:sentence_embeddings"
AT_ONCE = 2
PREPARE = """
import json, sys
from fixtures.model.__main__ import prepare
print(json.dumps([prepare(**words).as_json() for words in json.loads(sys.argv[1])]))
"""


def prepared_together(asked: Iterable[Mapping[str, Any]], environment: Mapping[str, str]) -> list[PreparedModel]:
    """Several models, by one process that imports PyTorch once: the arguments of `fixtures.model.__main__.prepare`."""
    done = subprocess.run(
        [sys.executable, "-c", PREPARE, json.dumps(list(asked))],
        cwd=REPOSITORY,
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [PreparedModel.from_json(one) for one in json.loads(done.stdout.splitlines()[-1])]


def backend_answers(place: str, precision: str, models: list[PreparedModel]) -> list[np.ndarray]:
    """Last hidden states, case by case, through the backend's own card."""
    answers = []
    backend = load_backend_class(place)()
    backend.precision = precision
    backend.import_framework(1)
    for model in models:
        backend.load(model.checkpoint, model.artefacts.get(backend.artefact(precision) or ""))
        backend.check_precision()
        (case,) = model.cases.values()
        inputs, _ = read_case(case)
        forward = backend.compile(inputs)
        answers.append(np.array(backend.last_hidden_state(forward())))
    return answers


def sentence_embeddings(models: list[PreparedModel], _: str) -> list[np.ndarray]:
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


def function_of(place: str) -> Callable[[list[PreparedModel], str], list[np.ndarray]] | None:
    """The function at a place; None where a backend's class is there."""
    return pkgutil.resolve_name(place) if place.startswith("tests.") else None


def import_distributions(place: str) -> None:
    """Imports what a backend says that it needs, and what that imports, or finds out, only when a model is loaded."""
    backend = None if function_of(place) else load_backend_class(place)
    for name in ("torch", "transformers") if backend is None else backend.distributions:
        import_module({"transformers": "transformers.models.bert.modeling_bert"}.get(name, name.replace("-", "_")))
    if backend is not None and issubclass(backend, TorchCompile):
        import_module("torch._inductor.compile_fx")
        import_module("torch._inductor.cpu_vec_isa").pick_vec_isa()  # a compiler and an interpreter for each that may be


def answer(place: str, word: str, models: list[PreparedModel], file: Path) -> None:
    """Computes and keeps the answers of one backend, or the trace of what it raised."""
    try:
        function = function_of(place)
        np.savez(file, *(function(models, word) if function else backend_answers(place, word, models)))
    except BaseException:
        file.with_suffix(".error").write_text(traceback.format_exc())


def main(folder: Path, models: list[PreparedModel], wanted: list[tuple[str, str]]) -> None:
    """Imports, then forks once for each; two are at work at a time, so that memory is bounded."""
    for place, _ in wanted:
        import_distributions(place)
    running: set[int] = set()
    for place, word in wanted:
        while len(running) == AT_ONCE:
            running.discard(os.wait()[0])  # or a process that a framework's import started
        child = os.fork()
        if not child:
            answer(place, word, models, file_of(folder, place, word))
            os._exit(0)
        running.add(child)
    for child in running:
        os.waitpid(child, 0)


def file_of(folder: Path, place: str, word: str) -> Path:
    """Where the answers of a backend go."""
    return folder / f"{place.replace(':', '-').replace('/', '-')}-{word}.npz"


class Answering:
    """Such a process, at work."""

    def __init__(
        self,
        folder: Path,
        models: Iterable[PreparedModel],
        wanted: Iterable[tuple[str, str]],
        environment: Mapping[str, str],
    ) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "models.json").write_text(json.dumps([one.as_json() for one in models]))
        command = [sys.executable, "-m", "tests.answers", str(folder), str(folder / "models.json")]
        with (folder / "printed").open("wb") as printed:
            self.process = subprocess.Popen(
                [*command, *(f"{place}@{word}" for place, word in wanted)],
                cwd=REPOSITORY,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=printed,
            )

    def of(self, place: str, word: str = "fp32") -> list[np.ndarray]:
        """What a backend answered to each model's case, once all of this process are done."""
        self.process.wait(timeout=300)
        file = file_of(self.folder, place, word)
        if file.with_suffix(".error").exists():
            raise AssertionError(file.with_suffix(".error").read_text())
        assert file.exists(), (self.folder / "printed").read_text()
        with np.load(file) as arrays:
            return [arrays[name] for name in arrays.files]

    def close(self) -> None:
        """Ends it."""
        self.process.kill()
        self.process.wait()


if __name__ == "__main__":
    given, file, *words = sys.argv[1:]
    prepared = [PreparedModel.from_json(one) for one in json.loads(Path(file).read_text(encoding="utf-8"))]
    main(Path(given), prepared, [(place, word) for place, _, word in (one.rpartition("@") for one in words)])
