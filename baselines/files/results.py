"""The results of a run as values: what whoever judges, accepts or reports sees, and never JSON.

reading.py makes them from files.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from baselines.files.run_file import RUN_NAME
from baselines.judging.judgement import Judgement
from baselines.judging.middle import interquartile_mean
from baselines.judging.wording import duration_text, three_digits

KERNEL_PARTS: Final = ("gemm", "copy")
"""Of the reference kernel: matrix products, and a copy larger than most caches."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KernelTimes:
    """What the reference kernel took around one launch, on the launch's CPUs."""

    identity: str
    """Its version, numpy, BLAS and number of CPUs; times of different identities are never compared."""
    turns_s: tuple[Mapping[str, float], ...]
    """By part, of a round, in time order; one more than there are slices."""
    slices_s: tuple[float, ...]
    """Between two turns each: seconds per forward pass of these rounds, or of several instances per sample."""

    def log_ratio(self, part: str) -> float:
        """Logarithm of the benchmark's time as a ratio to a part of the kernel: the interquartile mean over the slices.

        Each slice is compared with the geometric mean of the turns before and after it, so that a mood of the machine that
        lasts longer than a slice hits both.
        """
        around = [(math.log(before[part]) + math.log(after[part])) / 2 for before, after in pairwise(self.turns_s)]
        return interquartile_mean([math.log(mine) - other for mine, other in zip(self.slices_s, around, strict=True)])


@dataclass(frozen=True, kw_only=True, slots=True)
class Launch:
    """What one launch of a benchmark's instances says."""

    median_s: float
    """Median latency in seconds per forward pass (of the worst instance)."""
    throughput_per_s: float | None
    """Samples per second, summed over instances; None where the file does not say."""
    kernel: KernelTimes | None = None
    """None where it was measured without the reference kernel."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What one run says about one benchmark."""

    fullname: str
    """The node id."""
    name: str
    """The node id without its file."""
    id: str
    """What stands in the brackets of the node id; the name where there is nothing."""
    group: str | None
    identity: Mapping[str, Any]
    """What must be equal, apart from the node id, for two results to be judged against each other."""
    key: str
    """Node id and identity in one word: results of the same benchmark have the same key, all others another one."""
    median_s: float
    """Median latency over all rounds as measured, in seconds per forward pass: worst instance, middle launch."""
    throughput_per_s: float | None
    """Samples per second, summed over instances; None where the file does not say."""
    launches: tuple[Launch, ...]
    """Every launch of it in the run, in time order; the one that `median_s` and the rounds are of is among them."""
    instances: int
    rounds_s: tuple[float, ...]
    """Seconds per forward pass in time order; at most 50 of an accepted run; empty where the file has only statistics."""
    rounds: int
    """How many rounds were measured, which may be more than are kept."""
    iterations: int
    """Forward passes in a round."""
    configuration: Mapping[str, Any]
    problem_size: Mapping[str, Any]
    model: str | None
    inputs: str | None
    versions: Mapping[str, str]
    """Of the backend's own libraries, as the instance reported them."""
    warmed_up: bool | None
    """Whether warm-up ended because rounds were steady; None where the file does not say."""
    steal_share: float | None
    """Share of the CPUs' time that a hypervisor took meanwhile; None where the file does not say."""
    wait_share: float | None
    """How long its threads were ready and had no CPU, as a share of its CPUs' time; None where the file does not say."""
    others_share: float | None
    """Share of its CPUs' time in which they worked for other processes; None where the file does not say."""
    share_of_limit: float | None
    """Its arithmetic rate as a share of what its CPUs reach on a large matrix product; None where the file does not say."""
    anchor: bool
    """Whether this accepted result is the one that slow creep is measured from."""
    accepted_as: str | None
    """The verdict under which it was accepted, where that was `regressed` or `improved`: its level is a new one."""
    duet: Mapping[str, Any] = field(default_factory=dict)
    """What was said of it beside a reference environment; empty where it was measured alone."""

    @property
    def by_throughput(self) -> bool:
        """Whether throughput is judged, for several instances, in place of median latency, for one."""
        return self.instances > 1

    @property
    def quantity(self) -> str:
        """The judged quantity in a word."""
        return "throughput" if self.by_throughput else "median"

    @property
    def value(self) -> float:
        """The judged quantity: seconds, or samples per second."""
        return self.median_s if self.throughput_per_s is None or not self.by_throughput else self.throughput_per_s

    @property
    def value_text(self) -> str:
        """The judged quantity with its unit: `8.31 ms`, `120 samples/s`."""
        return f"{three_digits(self.value)} samples/s" if self.by_throughput else duration_text(self.value)


@dataclass(frozen=True, kw_only=True)
class Acceptance:
    """How a run became part of the baseline."""

    number: int
    """Its place in the history, from the name of its file."""
    reason: str
    accepted: str
    """When, ISO 8601 in UTC."""
    commit: str
    """The commit that was checked out when it was accepted."""
    run: str
    """The folder of the run."""
    whole: bool
    """False when `--only` picked benchmarks out of the run."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One file of results."""

    path: Path
    results: tuple[Result, ...]
    """In the order of the file."""
    ours: bool
    """Whether this suite wrote it; the words that only this suite writes are empty otherwise."""
    machine_id: str | None
    machine_hard: Mapping[str, Any]
    machine_soft: Mapping[str, Any]
    """Of a foreign file the few words of pytest-benchmark's machine_info that stand still."""
    commit: str | None
    dirty: bool
    """Whether tracked files had changes when it was measured."""
    datetime: dt.datetime | None
    """When it began, in UTC."""
    packages: Mapping[str, str]
    """Version by distribution, `2.13.0+cpu` with its local label; empty where the file does not say."""
    preset: str | None
    model: str | None
    inputs: str | None
    arguments: str | None
    speed_guards: bool
    """False when it was measured with --no-speed-guards: its times mean nothing."""
    partial: bool
    """Whether it was cut off before its last benchmark."""
    not_measured: Mapping[str, Mapping[str, str]]
    """Outcome and reason by node id, of benchmarks that were failed or skipped."""
    not_reached: tuple[str, ...]
    judgements: Mapping[str, Judgement]
    """By node id what was said while it ran, with fresh launches of suspects; empty where nothing was judged."""
    missing: Mapping[str, str]
    """By node id, benchmarks of the baseline that it should have measured and did not, and what became of them."""
    judged_against: tuple[str, ...]
    """The files of the accepted runs behind `verdicts`."""
    pytest_benchmark: str | None
    """The version of pytest-benchmark."""
    accepted: Acceptance | None = None
    skipped: Mapping[str, str] = field(default_factory=dict)
    """Reason by node id, of benchmarks that were skipped before anything started."""
    by_key: Mapping[str, Result] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_key", {result.key: result for result in self.results})

    @property
    def name(self) -> str:
        """How one would call it: the run's folder, else its file."""
        return self.path.parent.name if self.path.name == RUN_NAME else self.path.name

    def judgements_against(self, baseline: Sequence[Run]) -> Mapping[str, Judgement]:
        """What was said while it ran, if it was judged against these very runs; else nothing."""
        return self.judgements if self.judged_against == tuple(run.path.name for run in baseline) else {}

    @property
    def anchor(self) -> bool:
        """Whether creep of any benchmark is measured from this run."""
        return any(result.anchor for result in self.results)


def judged_values(result: Result, kernel_part: str | None = None) -> tuple[float, ...]:
    """Per launch, larger is slower: log of the median latency for one instance, minus that of the throughput for several.

    Args:
        result: of one benchmark.
        kernel_part: the ratio to this part of the reference kernel is taken in place of the time.

    Raises:
        ValueError: a launch was measured without the reference kernel.
    """
    return tuple(_judged_value(result, launch, kernel_part) for launch in result.launches)


def _judged_value(result: Result, launch: Launch, kernel_part: str | None) -> float:
    if kernel_part is not None:
        if launch.kernel is None:
            raise ValueError(f"{result.fullname}: a launch was measured without the reference kernel")
        return launch.kernel.log_ratio(kernel_part)
    if result.by_throughput and launch.throughput_per_s is not None:
        return -math.log(launch.throughput_per_s)
    return math.log(launch.median_s)


def slowdown(before: Result, after: Result) -> float:
    """The ratio of two results' judged quantities as times: above 1, the second is slower."""
    ratio = after.value / before.value
    return 1 / ratio if after.by_throughput else ratio
