"""What a CPU's instruction sets mean for numbers that were measured on it."""

from __future__ import annotations

from typing import Final

from baselines.files.run import Run

VNNI: Final = frozenset({"avx_vnni", "avx512_vnni", "amx_int8"})
"""Those by which x86 adds products of 8-bit numbers in 32 bits, as spelled in /proc/cpuinfo."""


def int8_without_vnni(run: Run) -> str | None:
    """Why int8 gains nothing here; None where nothing was measured in it, or the CPU has what it needs, or nobody knows."""
    isa = run.machine_hard.get("isa")
    if not isinstance(isa, list) or "avx" not in isa or VNNI.intersection(map(str, isa)):
        return None
    if not any(one.configuration.get("precision") == "int8" for one in run.results):
        return None
    return (
        "int8 was measured on a CPU without VNNI: products of 8-bit numbers take it three instructions in place of one, so "
        "int8 is seldom faster than fp32 here; and it adds two of them in 16 bits, so the weights of ONNX Runtime's and "
        "OpenVINO's graphs have 7 bits (docs/precision.md)"
    )
