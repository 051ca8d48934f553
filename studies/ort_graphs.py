"""`python -m studies.ort_graphs MODEL WAY`: a model's graph with attention as one operator, at fp32 and int8.

The ways to such an operator that are offered with ONNX Runtime, beside the graph that the suite serves, in which its
optimiser finds no attention (fixtures/model/onnx_export.py):

    optimizer     ONNX Runtime's own optimiser, given a mask that it knows; its quantiser makes QAttention of what it finds
    onnxscript    the same export as the suite's; onnxscript's fusions for ONNX Runtime make com.microsoft.Attention of it
    opset23       exported with sdpa in ONNX's opset 23, which has an operator Attention of its own

It prints the folder in the cache that has `fp32/model.onnx` and `int8/model.onnx`, each with the count of its operators
beside it, as the card of ONNX Runtime reads them. Each has answered batches that are padded on the left and on the right as
PyTorch does. `--backend-file=studies/onnxruntime_fused.py` measures them in all questions.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from fixtures.machine.fingerprint import int8_sums_saturate
from fixtures.model import cache
from fixtures.model.checkpoint import content_sha256, find_or_build
from fixtures.model.foreign import making
from fixtures.model.loading import EAGER, accepted_inputs, load_model
from fixtures.model.prepared import PreparationError

OPERATORS: Final = ("Attention", "QAttention", "MultiHeadAttention")
TOLERANCES: Final = {"fp32": 1e-3, "int8": 1.5}
"""Largest difference from fp32 PyTorch's last hidden state, as on the card of ONNX Runtime."""
PACKAGES: Final = ("torch", "transformers", "onnx", "onnxscript", "onnxruntime")
FUSIONS: Final = "fusions.json"


class GraphError(PreparationError):
    """A graph is not what it should be; the message says what is wrong."""


def export(checkpoint: Path, file: Path, *, attention: str, opset: int | None = None, known_mask: bool = False) -> Any:
    """Exports a checkpoint, batch and sequence dynamic; its configuration.

    Args:
        checkpoint: its directory.
        file: where the graph goes, its weights beside it.
        attention: transformers' word for it.
        opset: None is what the exporter takes by itself.
        known_mask: make the mask in the way that ONNX Runtime's optimiser knows, and leave it as it is: the exporter would
            join two steps of it.
    """
    import torch

    model = load_model(checkpoint, attention=attention)
    names = accepted_inputs(model)
    outputs = ["last_hidden_state"] + ["pooler_output"] * (getattr(model, "pooler", None) is not None)

    class Encoder(torch.nn.Module):  # type: ignore[misc]  # torch is not followed
        """Positional inputs in, a tuple out."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *arrays: Any) -> Any:
            given = dict(zip(names, arrays, strict=True))
            if known_mask:
                given["attention_mask"] = added_to_scores(given["attention_mask"])
            result = self.model(**given)
            return tuple(result[name] for name in outputs)

    shapes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("sequence")}
    arrays = padded(model.config.vocab_size, 2, 16)
    with torch.no_grad():
        torch.onnx.export(
            Encoder().eval(),
            tuple(arrays[name] for name in names),
            file,
            dynamo=True,
            input_names=names,
            output_names=outputs,
            dynamic_shapes=(tuple(shapes for _ in names),),
            opset_version=opset,
            optimize=not known_mask,
            verbose=False,
        )
    return model.config


def added_to_scores(mask: Any) -> Any:
    """What a mask of 1 and 0, [batch, sequence], adds to the scores of attention: [batch, 1, sequence, sequence].

    transformers takes a mask of four dimensions as it is. This is how transformers 4 made its own, of which ONNX Runtime
    1.32 knows the graph; that of transformers 5 it knows from the deprecated exporter alone.
    """
    import torch

    batch, sequence = mask.shape
    hidden = 1.0 - mask[:, None, None, :].expand(batch, 1, sequence, sequence).to(torch.float32)
    return hidden.masked_fill(hidden.to(torch.bool), torch.finfo(torch.float32).min)


def optimised(exported: Path, config: Any, file: Path, *, level: int) -> None:
    """By ONNX Runtime's optimiser, after its session's basic optimisations (level 1) or without (0).

    Left to itself it gives its operator the lengths of rows, which takes all padding for being on the right: a row that is
    padded on the left gets a wrong answer, without a word.
    """
    from onnxruntime.transformers import optimizer
    from onnxruntime.transformers.fusion_options import FusionOptions

    options = FusionOptions("bert")
    options.use_raw_attention_mask(True)
    made = optimizer.optimize_model(
        str(exported),
        model_type="bert",
        num_heads=config.num_attention_heads,
        hidden_size=config.hidden_size,
        optimization_options=options,
        opt_level=level,
        use_gpu=False,
    )
    made.save_model_to_file(str(file))


def by_optimizer(checkpoint: Path, folder: Path, file: Path) -> None:
    """What ONNX Runtime's documentation recommends for transformers."""
    config = export(checkpoint, folder / "exported.onnx", attention=EAGER, known_mask=True)
    optimised(folder / "exported.onnx", config, file, level=1)


def by_onnxscript(checkpoint: Path, folder: Path, file: Path) -> None:
    """The rewriter of onnxscript, which PyTorch's exporter writes through."""
    from onnxscript import ir
    from onnxscript.rewriter.ort_fusions import optimize_for_ort

    export(checkpoint, folder / "exported.onnx", attention=EAGER)
    model = ir.load(folder / "exported.onnx")
    ir.external_data.load_to_model(model)  # one file, as the suite's own
    model, _ = optimize_for_ort(model)
    ir.save(model, file)


def by_opset_23(checkpoint: Path, folder: Path, file: Path) -> None:
    """ONNX's own operator."""
    config = export(checkpoint, folder / "exported.onnx", attention="sdpa", opset=23)
    optimised(folder / "exported.onnx", config, file, level=0)


WAYS: Final[Mapping[str, Callable[[Path, Path, Path], None]]] = {
    "optimizer": by_optimizer,
    "onnxscript": by_onnxscript,
    "opset23": by_opset_23,
}


def quantized(fp32: Path, file: Path) -> None:
    """As the suite quantises for ONNX Runtime, but for what it has to be told of operators of attention.

    It does not know the type of what is behind its own, and takes that of opset 23 for its own: the graph is invalid.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    nodes = onnx.load(fp32).graph.node
    quantize_dynamic(
        fp32,
        file,
        weight_type=QuantType.QInt8,
        per_channel=True,
        reduce_range=int8_sums_saturate(),
        nodes_to_exclude=[node.name for node in nodes if node.op_type == "Attention" and not node.domain],
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
    )


def padded(vocabulary: int, batch_size: int, sequence_length: int) -> dict[str, Any]:
    """Seeded inputs of PyTorch; the first row is padded on the left, the last on the right."""
    import torch

    generator = torch.Generator().manual_seed(sequence_length)
    ids = torch.randint(1, vocabulary, (batch_size, sequence_length), generator=generator)
    mask = torch.ones_like(ids)
    mask[0, : sequence_length // 4] = 0
    mask[-1, sequence_length // 2 :] = 0
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": torch.zeros_like(ids)}


def check(checkpoint: Path, file: Path, name: str, tolerance: float) -> dict[str, int]:
    """Compares answers with PyTorch's, and counts operators.

    Raises:
        GraphError: it answers something else, or has no operator of attention.
    """
    import numpy as np
    import onnx
    import onnxruntime
    import torch

    counts = Counter(node.op_type for node in onnx.load(file).graph.node)
    if not any(counts[one] for one in OPERATORS):
        raise GraphError(f"{name} has no operator of attention")
    reference = load_model(checkpoint)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    names = accepted_inputs(reference)
    for batch_size, sequence_length in ((2, 16), (3, 37)):
        arrays = padded(reference.config.vocab_size, batch_size, sequence_length)
        with torch.inference_mode():
            expected = reference(**{name: arrays[name] for name in names}).last_hidden_state.numpy()
        (observed,) = session.run(
            ["last_hidden_state"], {node.name: arrays[node.name].numpy() for node in session.get_inputs()}
        )
        error = float(np.abs(observed - expected)[arrays["attention_mask"].numpy().astype(bool)].max())
        if not error < tolerance:  # also where it is NaN
            size = f"{batch_size}x{sequence_length}"
            raise GraphError(f"{name}: at {size} it differs from PyTorch by {error:.2g}, more than {tolerance:g}")
    return {one: counts[one] for one in (*OPERATORS, "MatMul", "MatMulInteger", "Softmax") if counts[one]}


def make(checkpoint: Path, way: str, folder: Path) -> None:
    """Both graphs of one way; raises GraphError, or PreparationError where a tool fails."""
    files = {precision: folder / precision / "model.onnx" for precision in TOLERANCES}
    for file in files.values():
        file.parent.mkdir(parents=True)
    with making(f"the graph of {way} cannot be made"):
        WAYS[way](checkpoint, folder, files["fp32"])
        for path in folder.glob("exported*"):
            path.unlink()
        quantized(files["fp32"], files["int8"])
        for precision, file in files.items():
            fusions = check(checkpoint, file, f"{way} at {precision}", TOLERANCES[precision])
            (file.parent / FUSIONS).write_text(json.dumps({"fusions": fusions}) + "\n", encoding="utf-8")


def place(checkpoint: Path, way: str) -> Path:
    """Where the graphs of a way are kept, or would be: by the checkpoint's content, and what makes them of it.

    Raises:
        GraphError: a package is missing that makes them.
    """
    try:
        versions = {package: version(package) for package in PACKAGES}
    except PackageNotFoundError as error:
        raise GraphError(f"{error.name} is not installed: pip install '.[onnxruntime]'") from None
    recipe = cache.sha256_of([Path(__file__)])
    made_from = {"recipe": recipe, "way": way, "reduced_range": int8_sums_saturate(), **versions}
    return cache.root() / "ort_graphs" / content_sha256(checkpoint)[:16] / f"{way}-{cache.key(made_from)}"


def complete(folder: Path) -> bool:
    """Whether all is there: a folder of the cache is renamed into its place when it is whole."""
    return all((folder / precision / FUSIONS).is_file() for precision in TOLERANCES)


def find_or_make(model: str, way: str, *, progress: Callable[[str], None]) -> Path:
    """The folder with the graphs of a model, by name, directory or hub id; raises PreparationError."""
    checkpoint = find_or_build(model, progress=progress)
    tell = functools.partial(progress, f"making the graphs of {way} ...")
    made = functools.partial(make, checkpoint, way)
    return cache.found_or_made(place(checkpoint, way), made, complete=complete, tell=tell)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; 2 where the graphs cannot be made."""
    parser = argparse.ArgumentParser(
        prog="python -m studies.ort_graphs", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="a name, a directory or a hub id")
    parser.add_argument("way", choices=tuple(WAYS))
    options = parser.parse_args(arguments)
    try:
        print(find_or_make(options.model, options.way, progress=lambda line: print(line, file=sys.stderr, flush=True)))
    except PreparationError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
