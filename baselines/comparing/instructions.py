"""What a CPU's instruction sets mean for numbers that were measured on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from baselines.files.result import Result
from baselines.files.run import Run
from baselines.judging.wording import duration_text, three_digits

VNNI: Final = frozenset({"avx_vnni", "avx512_vnni", "amx_int8"})
"""Those by which x86 adds products of 8-bit numbers in 32 bits, as spelled in /proc/cpuinfo."""

INSTRUCTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "bf16": ("avx512_bf16", "amx_bf16", "bf16"),
    "fp16": ("avx512_fp16", "asimdhp"),
}
"""Of these, spelled as in /proc/cpuinfo (the last for ARM), a CPU needs one: without it the format is emulated in fp32."""


def is_emulated(run: Run, precision: str) -> bool:
    """Whether a run was measured on a CPU without instructions for a number format; not where the run does not say."""
    isa = run.machine_hard.get("isa")
    needs = INSTRUCTIONS.get(precision)
    return isinstance(isa, list) and bool(isa) and needs is not None and not set(needs).intersection(isa)


def emulated_formats(run: Run) -> Iterator[str]:
    """What each number format cost that was measured on a CPU without instructions for it."""
    for result in run.results:
        precision = str(result.configuration.get("precision"))
        if is_emulated(run, precision):
            beside = [one.median_s for one in run.results if _is_fp32_of(result, one)]
            took = duration_text(result.median_s)
            against = f", {three_digits(result.median_s / min(beside))} times as long as in fp32" if beside else ""
            yield (
                f"{precision} was measured on a CPU without instructions for it: {result.configuration.get('backend')} took "
                f"{took} at batch {result.problem_size.get('batch_size')}, sequence "
                f"{result.problem_size.get('sequence_length')}{against}"
            )


def _is_fp32_of(result: Result, other: Result) -> bool:
    """Whether a benchmark is the same backend in fp32 at the same problem size, alone and with no limit or stream."""
    others = {"dispatch_policy", "cpu_quota", "cpuset"}
    return (
        other.configuration.get("backend") == result.configuration.get("backend")
        and other.configuration.get("precision") == "fp32"
        and other.problem_size == result.problem_size
        and other.instances == 1
        and others.isdisjoint(other.configuration)
    )


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
