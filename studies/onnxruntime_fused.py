"""A card for `--backend-file`: ONNX Runtime with attention as one operator, on graphs that studies/ort_graphs.py has made.

    python -m studies.ort_graphs bert-base-cased optimizer
    pytest benchmarks/ --benchmark-only --backends onnxruntime,onnxruntime_fused --backend-file=studies/onnxruntime_fused.py

docs/findings.md says what the operator is worth. Runs in a worker.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Final

from fixtures.backends.interface import Tolerance
from fixtures.backends.onnxruntime import OnnxRuntime

WAY: Final = "optimizer"


class OnnxRuntimeFused(OnnxRuntime):
    """ONNX Runtime's CPU execution provider; com.microsoft.Attention, and at int8 QAttention."""

    name = "onnxruntime_fused"
    remark = None
    reduced: ClassVar[Mapping[str, Tolerance]] = {"int8": OnnxRuntime.reduced["int8"]}
    without: ClassVar[Mapping[str, str]] = {
        **OnnxRuntime.without,
        "int4": "ONNX Runtime packs weights of matrix products, and the fused operator holds its own",
    }

    @classmethod
    def artefact(cls, precision: str) -> str | None:
        """Nothing that a run prepares."""
        del precision
        return None

    def load(self, checkpoint: Path, artefact: Path | None) -> None:
        """The graph in the cache.

        Raises:
            FileNotFoundError: it has not been made.
        """
        del artefact
        from studies.ort_graphs import place

        file = place(checkpoint, WAY) / self.precision / "model.onnx"
        if not file.is_file():
            raise FileNotFoundError(f"no such graph was made of this model: python -m studies.ort_graphs {checkpoint} {WAY}")
        super().load(checkpoint, file)
