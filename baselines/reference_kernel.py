"""Whether the time of frozen work beside a benchmark says something of the benchmark: per backend, from the accepted runs.

A benchmark's log value minus the kernel's in the same launch loses what both share, the machine's mood, and gains what the
kernel alone does. So the ratio is used only where accepted runs prove that they lie closer together by it:

    least PROVING_RUNS accepted runs of the benchmark have the same kernel (its identity is equal), and
    with every one of them left out in turn, the sum of squares about each benchmark's own mean, summed over the backend's
    benchmarks, is with the ratio at most PROVEN times what it is without.

Of two parts that are proven the one with the smaller sum is taken. Leaving each run out keeps one lucky or one wild run from
deciding; PROVEN is far enough below 1 that choosing the smaller of two noisy sums does not make spreads look too small.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

PARTS: Final = ("gemm", "copy")
PROVING_RUNS: Final = 5
PROVEN: Final = 0.7


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What accepted runs say of one part of the kernel beside one backend's benchmarks."""

    part: str
    runs: int
    benchmarks: int
    alone_sd: float
    """Pooled standard deviation between runs of the benchmarks' log values."""
    ratio_sd: float
    """The same of their ratio to the kernel."""
    proven: bool

    def __str__(self) -> str:
        what = f"{self.ratio_sd:.1%} between runs against {self.alone_sd:.1%} without it"
        return f"{self.part}: {what}, {self.runs} runs, {self.benchmarks} benchmarks{'' if self.proven else ': not used'}"


def proof_of(part: str, values: Sequence[tuple[Sequence[float], Sequence[float]]]) -> Proof | None:
    """What accepted runs say of one part of the kernel; None where there are too few.

    Args:
        part: its name.
        values: per benchmark of one backend its log values, a number per run, and the kernel's log seconds beside them.
            Benchmarks may have different numbers of runs; their newest are those that are left out together.
    """
    used = [(own, kernel) for own, kernel in values if len(own) >= PROVING_RUNS]
    if not used:
        return None
    most = max(len(own) for own, _ in used)
    proven = True
    for left_out in (None, *range(1, most + 1)):
        alone = ratio = 0.0
        for own, kernel in used:
            kept = [place for place in range(len(own)) if left_out is None or place != len(own) - left_out]
            alone += squares([own[place] for place in kept])
            ratio += squares([own[place] - kernel[place] for place in kept])
        proven = proven and ratio <= PROVEN * alone
        if left_out is None:
            freedom = sum(len(own) - 1 for own, _ in used)
            alone_sd, ratio_sd = math.sqrt(alone / freedom), math.sqrt(ratio / freedom)
    return Proof(
        part=part, runs=most, benchmarks=len(used), alone_sd=alone_sd, ratio_sd=ratio_sd, proven=proven and alone_sd > 0
    )


def chosen(proofs: Sequence[Proof]) -> Proof | None:
    """The proven part with the smallest spread; None where none is proven."""
    return min((one for one in proofs if one.proven), key=lambda one: one.ratio_sd, default=None)


def squares(values: Sequence[float]) -> float:
    """Their sum of squares about their mean."""
    centre = fmean(values)
    return math.fsum((value - centre) ** 2 for value in values)


def log_seconds(kernel: Mapping[str, object] | None, part: str) -> float | None:
    """The logarithm of a part's seconds in `launches[].reference_kernel`; None where it is not there."""
    seconds = kernel.get("seconds") if kernel else None
    value = seconds.get(part) if isinstance(seconds, Mapping) else None
    return math.log(value) if isinstance(value, float) and math.isfinite(value) and value > 0 else None
