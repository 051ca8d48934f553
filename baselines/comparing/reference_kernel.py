"""Where a benchmark is compared as a ratio to the reference kernel: only where accepted runs prove that it helps.

A benchmark's log value minus the kernel's of the same launch loses what both share, the machine's mood, and gains what the
kernel alone does. So for each backend the accepted runs decide:

    benchmarks count whose accepted runs, PROVING_RUNS at least, all carry the same kernel (equal identity), and
    with every one of the runs left out in turn, the sum of squares about each benchmark's own mean, summed over the
    backend's benchmarks, is with the ratio at most PROVEN times what it is without.

Of two parts of the kernel that are proven the one with the smaller sum is taken. Leaving each run out keeps one lucky or
one wild run from deciding; PROVEN is so far below 1 that taking the smaller of noisy sums makes no spread look too small.
docs/verdicts.md says it in prose.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from baselines.files.past import Past
from baselines.files.result import KERNEL_PARTS, Result, judged_values
from baselines.judging.history import History
from baselines.judging.judgement import Judgement
from baselines.judging.spread import run_value, sum_of_squares

PROVING_RUNS: Final = 5
PROVEN: Final = 0.7


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What accepted runs say of one part of the kernel beside one backend's benchmarks."""

    backend: str
    part: str
    runs: int
    benchmarks: int
    alone_sd: float
    """Pooled standard deviation between runs of the benchmarks' log values."""
    ratio_sd: float
    """The same of their ratio to the kernel."""
    proven: bool

    def __str__(self) -> str:
        what = f"{self.ratio_sd:.1%} between runs as a ratio to {self.part}, {self.alone_sd:.1%} without"
        return f"{self.backend}: {what}{'' if self.proven else ', so not used'}"


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """What accepted runs say of the kernel."""

    proofs: tuple[Proof, ...] = ()
    """Per backend that could be tested, of the part that is used or else came nearest."""
    parts: Mapping[str, str] = field(default_factory=dict)
    """By benchmark key, the part that its values are divided by."""
    identities: Mapping[str, str] = field(default_factory=dict)
    """By the same keys, which kernel it was."""

    def part_for(self, result: Result) -> str | None:
        """The part that a measured result is divided by; None: its times are compared as they are."""
        part = self.parts.get(result.key)
        return part if part is not None and identity_of([result]) == self.identities[result.key] else None


def kernel_in(past: Mapping[str, Past]) -> Kernel:
    """For each backend whether, and by which part, its benchmarks are compared as ratios to the kernel; `past` is by key."""
    chosen = {
        backend: min(proofs, key=lambda one: (not one.proven, one.ratio_sd)) for backend, proofs in proofs_of(past).items()
    }
    identities = tested(past)
    proofs = {key: chosen[backend_of(past[key])] for key in identities}
    parts = {key: proof.part for key, proof in proofs.items() if proof.proven}
    return Kernel(proofs=tuple(chosen.values()), parts=parts, identities=identities)


def proofs_of(past: Mapping[str, Past]) -> dict[str, list[Proof]]:
    """By backend, what the accepted runs say of each part of the kernel; backends without enough runs are left out."""
    by_backend: dict[str, list[Past]] = {}
    for key in tested(past):
        by_backend.setdefault(backend_of(past[key]), []).append(past[key])

    def values(part: str | None, pasts: Sequence[Past]) -> list[list[float]]:
        return [[run_value(judged_values(result, part)) for result in one.recent] for one in pasts]

    return {
        backend: [proof_of(backend, part, values(None, pasts), values(part, pasts)) for part in KERNEL_PARTS]
        for backend, pasts in sorted(by_backend.items())
    }


def tested(past: Mapping[str, Past]) -> dict[str, str]:
    """By key of the benchmarks whose accepted runs all carry one kernel, and are enough: which one."""
    enough = {key: one for key, one in past.items() if len(one.recent) >= PROVING_RUNS}
    found = {key: identity_of([*one.recent, *filter(None, [one.anchor])]) for key, one in enough.items()}
    return {key: identity for key, identity in found.items() if identity is not None}


def backend_of(past: Past) -> str:
    """Whose benchmark it is."""
    return str(past.recent[-1].configuration.get("backend"))


def whose(past: Mapping[str, Past]) -> dict[str, str]:
    """The backend of every benchmark, by key."""
    return {key: backend_of(one) for key, one in past.items()}


def proof_of(backend: str, part: str, alone: Sequence[Sequence[float]], ratio: Sequence[Sequence[float]]) -> Proof:
    """What accepted runs say of one part of the kernel beside a backend's benchmarks.

    `alone` has the log values per benchmark, a number per run, oldest first; `ratio` the same with the kernel's log seconds
    taken off. Benchmarks may have different numbers of runs; the newest are those that are left out together.
    """
    most = max(map(len, alone))
    freedom = sum(len(values) - 1 for values in alone)
    proven = True
    for left_out in range(1, most + 1):
        kept_alone, kept_ratio = (
            math.fsum(sum_of_squares(without(values, left_out)) for values in values_of) for values_of in (alone, ratio)
        )
        proven = proven and kept_ratio <= PROVEN * kept_alone
    alone_sd, ratio_sd = (
        math.sqrt(math.fsum(map(sum_of_squares, values_of)) / freedom) if freedom else 0.0 for values_of in (alone, ratio)
    )
    return Proof(
        backend=backend,
        part=part,
        runs=most,
        benchmarks=len(alone),
        alone_sd=alone_sd,
        ratio_sd=ratio_sd,
        proven=proven and alone_sd > 0,
    )


def without(values: Sequence[float], newest: int) -> list[float]:
    """All but the value that is so many from the end, 1 being the last."""
    return [value for place, value in enumerate(values) if place != len(values) - newest]


def identity_of(results: Iterable[Result]) -> str | None:
    """The one kernel that every launch of results carries; None where one carries none, or they differ."""
    found = {None if launch.kernel is None else launch.kernel.identity for result in results for launch in result.launches}
    return found.pop() if len(found) == 1 else None


def comparable(
    results: Mapping[str, Result], past: Mapping[str, Past]
) -> tuple[dict[str, tuple[float, ...]], dict[str, History], dict[str, str]]:
    """Log values of a run's results and of the accepted runs, all by key and in the same terms.

    The third is the part of the kernel for each of those that are divided by it.
    """
    kernel = kernel_in(past)
    parts = {key: part for key, result in results.items() if (part := kernel.part_for(result)) is not None}
    measured = {key: judged_values(result, parts.get(key)) for key, result in results.items()}
    return measured, {key: one.history(parts.get(key)) for key, one in past.items()}, parts


def told(judgement: Judgement, part: str | None) -> Judgement:
    """A judgement that says that it compares ratios to a part of the kernel; as it was for None."""
    if part is None:
        return judgement
    return replace(
        judgement, reference_kernel=part, reason=f"{judgement.reason}; as a ratio to the reference kernel ({part})"
    )
