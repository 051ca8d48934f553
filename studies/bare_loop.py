"""The other side of the fidelity study: a bare loop of the framework call, as a user would write it, nothing of the suite.

Runs in a process of its own, started by `studies.fidelity`. Arguments: backend, thread count, what is loaded (a checkpoint,
or an ONNX file), case file. Reads a number of forward passes per line from stdin, runs them, and answers with their
durations in seconds as a line of JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np


def pytorch(threads: int, checkpoint: str, inputs: dict[str, np.ndarray]) -> Callable[[], Any]:
    """`model(**inputs)` under inference mode, its weights out of the mapped file, as an instance has them.

    Left in the page cache they seemed to cost it 2 % (docs/fidelity.md): a matter of memory, not of how rounds are timed.
    """
    import torch
    from transformers import AutoModel

    torch.set_num_threads(threads)
    model = AutoModel.from_pretrained(checkpoint).eval()
    for tensor in (*model.parameters(), *model.buffers()):
        tensor.data = tensor.data.clone()
    tensors = {name: torch.from_numpy(array) for name, array in inputs.items()}

    def forward() -> Any:
        with torch.inference_mode():
            return model(**tensors)

    return forward


def tensorflow_xla(threads: int, checkpoint: str, inputs: dict[str, np.ndarray]) -> Callable[[], Any]:
    """The Keras model under tf.function(jit_compile=True)."""
    import tensorflow

    tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
    tensorflow.config.threading.set_inter_op_parallelism_threads(1)
    import keras_hub

    model = keras_hub.models.Backbone.from_preset(checkpoint)
    names = {"input_ids": "token_ids", "attention_mask": "padding_mask", "token_type_ids": "segment_ids"}
    tensors = {names[name]: tensorflow.constant(array.astype("int32")) for name, array in inputs.items()}
    function = tensorflow.function(lambda batch: model(batch, training=False), jit_compile=True, autograph=False)
    return lambda: function(tensors)


def onnxruntime(threads: int, onnx: str, inputs: dict[str, np.ndarray]) -> Callable[[], Any]:
    """`session.run`."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    feeds = {node.name: inputs[node.name] for node in session.get_inputs()}
    return lambda: session.run(None, feeds)


def main() -> None:
    """Loads, then serves lines until stdin ends."""
    backend, threads, model, case = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # frameworks print; the answers keep their own descriptor
    with np.load(case, allow_pickle=False) as arrays:
        inputs = {name: arrays[name] for name in ("input_ids", "attention_mask", "token_type_ids")}
    make = {"pytorch": pytorch, "tensorflow_xla": tensorflow_xla, "onnxruntime": onnxruntime}[backend]
    forward = make(int(threads), model, inputs)
    for line in sys.stdin:
        durations = []
        for _ in range(int(line)):
            begin = time.perf_counter()
            forward()
            durations.append(time.perf_counter() - begin)
        print(json.dumps(durations), file=answers, flush=True)


if __name__ == "__main__":
    main()
