"""What is better: a lower median latency, more samples per second, or less CPU time for a sample; and what rules one out."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from baselines.judging.wording import duration_text, three_digits

Said = Mapping[str, Any]
"""The numbers of a launch, as fixtures/run/launches_on_request.py has them."""


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What a search is for."""

    name: str
    quantity: str
    """How launch pairs compare it (fixtures/measurement/turns.py)."""
    key: str
    """In the numbers of a launch."""
    sign: int
    """1 where less is better, -1 where more is."""
    than: str
    """After "1.3 times": what a gain is called."""
    chooses_batch: bool
    """Whether the batch is part of the choice; else each batch size is a question of its own."""

    def value(self, said: Said) -> float:
        """Logarithm of which less is better."""
        return self.sign * math.log(float(said[self.key]))

    def text(self, value: float) -> str:
        """A value as it is printed: `12.1 ms`, `120 samples/s`."""
        number = math.exp(self.sign * value)
        if self.name == "latency":
            return duration_text(number)
        if self.name == "throughput":
            return f"{three_digits(number)} samples/s"
        return f"{three_digits(1e6 * number)} CPU-seconds per million samples"


OBJECTIVES: Final[Mapping[str, Objective]] = {
    one.name: one
    for one in (
        Objective(name="latency", quantity="latency", key="median_s", sign=1, than="as fast as", chooses_batch=False),
        Objective(
            name="throughput",
            quantity="throughput",
            key="throughput_per_s",
            sign=-1,
            than="the samples per second of",
            chooses_batch=True,
        ),
        Objective(
            name="cost",
            quantity="cpu",
            key="cpu_s_per_sample",
            sign=1,
            than="the samples per CPU-second of",
            chooses_batch=True,
        ),
    )
}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a candidate has to keep to be chosen."""

    p99_s: float | None = None
    cosine: float | None = None

    def broken(self, launches: Sequence[Said]) -> str | None:
        """What of it the launches of a candidate break, with the number; None where they keep all.

        A launch that was disturbed tells an answer's cosine. Its slowest rounds count only where there is no other, and two.
        """
        if self.cosine is not None and (least := min(float(one["cosine"]) for one in launches)) < self.cosine:
            return f"its answers have a cosine of {least:.6f}, below {self.cosine:g} (--cosine)"
        telling = [one for one in launches if not one.get("disturbed")] or (launches if len(launches) > 1 else ())
        tail = statistics.median(float(one["p99_s"]) for one in telling) if telling else 0.0
        if self.p99_s is not None and tail > self.p99_s:
            return f"99 % of its rounds take up to {duration_text(tail)}, more than {duration_text(self.p99_s)} (--p99)"
        return None


def numbers_of(launches: Sequence[Said]) -> Mapping[str, Any]:
    """The launches of a candidate as one: the medians of what they say."""
    keys = ("median_s", "p99_s", "throughput_per_s", "cpu_s_per_sample", "peak_rss_bytes", "cosine")
    return {**launches[-1], **{key: statistics.median(float(one[key]) for one in launches) for key in keys}}


def first_line(text: str) -> str:
    """What a failure says first, without the request that a worker had last."""
    first = text.strip().partition("\n")[0].partition(" last request: ")[0].strip()
    return first or "it failed and said nothing"
