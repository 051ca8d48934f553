"""One benchmark of a run as a value: what whoever judges, accepts or reports sees. reading_benchmarks.py makes it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from baselines.files.reading_values import mapping
from baselines.judging.wording import duration_text, three_digits

SERVED: Final = ("one_by_one", "longest", "sorted", "token_budget")
"""Ways of putting passages into batches, in place of a mask of one batch."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Launch:
    """What one launch of a benchmark's instances says."""

    median_s: float
    """Median latency in seconds per forward pass (of the worst instance)."""
    throughput_per_s: float | None
    """Samples per second, summed over instances; None where the file does not say."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What one run says about one benchmark."""

    fullname: str
    """The node id."""
    name: str
    """The node id without its file."""
    id: str
    """What is in the brackets of the node id; the name where there is nothing."""
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
    """Seconds per forward pass in time order; empty where the file has only statistics, as that of an accepted run."""
    configuration: Mapping[str, Any]
    problem_size: Mapping[str, Any]
    model: str | None
    versions: Mapping[str, str]
    """Of the backend's own libraries, as the instance reported them."""
    warmed_up: bool | None
    """Whether warm-up ended because rounds were steady; None where the file does not say."""
    steal_share: float | None
    """Share of the CPUs' time that a hypervisor took meanwhile; None where the file does not say."""
    throttled_share: float | None
    """Share of the periods of a CPU quota in which it stopped the instance; None where the file does not say."""
    wait_share: float | None
    """How long its threads were ready and had no CPU, as a share of its CPUs' time; None where the file does not say."""
    others_share: float | None
    """Share of its CPUs' time in which they worked for other processes; None where the file does not say."""
    share_of_limit: float | None
    """Its arithmetic rate as a share of what its CPUs reach on a large matrix product; None where the file does not say."""
    strayed_threads: int
    """Threads that the framework let run outside the CPUs that its instance was given."""
    anchor: bool
    """Whether this accepted result is the one that slow creep is measured from."""
    accepted_as: str | None
    """The verdict under which it was accepted, where that was `regressed` or `improved`: its level is a new one."""
    cpus_busy: float | None = None
    """How many CPUs its instances kept busy while it was timed; None where the file does not say."""
    duet: Mapping[str, Any] = field(default_factory=dict)
    """What was said of it beside a reference environment; empty where it was measured alone."""

    @property
    def passed_env(self) -> dict[str, str]:
        """Variables of the shell that its workers got, by --pass-env."""
        return {name: str(value) for name, value in mapping(self.configuration.get("passed_env")).items()}

    @property
    def served_in_turn(self) -> bool:
        """Whether a round answers several batches one after the other."""
        return self.problem_size.get("padding") in SERVED

    @property
    def by_throughput(self) -> bool:
        """Whether throughput is judged, in place of median latency: of several instances, and under a CPU quota.

        The median sees nothing of a quota that stops fewer than half of the rounds.
        """
        limited = self.configuration.get("cpu_quota") is not None
        return self.throughput_per_s is not None and (self.instances > 1 or limited)

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
        return self.text_of(self.value)

    def text_of(self, value: float) -> str:
        """Any value of the judged quantity with its unit."""
        return f"{three_digits(value)} samples/s" if self.by_throughput else duration_text(value)

    def times(self, value: float, ratio: float) -> float:
        """The judged quantity that is `ratio` times as slow as a value."""
        return value / ratio if self.by_throughput else value * ratio


def judged_values(result: Result) -> tuple[float, ...]:
    """Per launch, larger is slower: log of the median latency, or minus that of the throughput where that is judged."""
    return tuple(_judged_value(result, launch) for launch in result.launches)


def _judged_value(result: Result, launch: Launch) -> float:
    """Of a launch that says nothing of its throughput it is that of the result: the two quantities are never mixed."""
    if result.by_throughput:
        return -math.log(launch.throughput_per_s or result.value)
    return math.log(launch.median_s)


def slowdown(before: Result, after: Result) -> float:
    """The ratio of two results' judged quantities as times: above 1, the second is slower."""
    ratio = after.value / before.value
    return 1 / ratio if after.by_throughput else ratio
