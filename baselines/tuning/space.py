"""What a search chooses among: ways of running a model, and which knobs each backend has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from baselines.judging.wording import counted

Setting = tuple[str, str]
"""A knob and what it is turned to."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One way of running the model."""

    backend: str
    precision: str
    threads: int | None
    """Of each instance; None: what the framework takes by itself."""
    instances: int
    batch_size: int
    sequence_length: int
    knobs: tuple[Setting, ...] = ()

    @classmethod
    def from_json(cls, words: Mapping[str, Any]) -> Candidate:
        """Of the words of a request."""
        return cls(**{**words, "knobs": tuple(sorted(words["knobs"].items()))})

    def as_json(self) -> dict[str, Any]:
        """The words of a request."""
        return {**vars(self), "knobs": dict(self.knobs)}

    @property
    def plain(self) -> Candidate:
        """The same with no knob turned."""
        return replace(self, knobs=())

    @property
    def deployment(self) -> Candidate:
        """What it is but for its batch: one launch serves several batches."""
        return replace(self, batch_size=0)

    def turned(self, *settings: Setting) -> Candidate:
        """The same with these knobs turned as well."""
        return replace(self, knobs=tuple(sorted({**dict(self.knobs), **dict(settings)}.items())))

    def __str__(self) -> str:
        """`onnxruntime int8, 2 threads, allocator jemalloc, batch 8`."""
        parts = [
            f"{self.backend} {self.precision}",
            "default threads" if self.threads is None else counted(self.threads, "thread"),
            *([f"{self.instances} instances"] if self.instances > 1 else []),
            *(f"{knob} {setting}" for knob, setting in self.knobs),
            f"batch {self.batch_size}",
        ]
        return ", ".join(parts)


@dataclass(frozen=True, kw_only=True)
class Space:
    """All that a search may choose."""

    plain: Sequence[Candidate]
    """With no knob turned; the default is one of them."""
    knobs: Mapping[str, Sequence[Setting]]
    """By backend, the settings that can be had here."""
    default: Candidate
    """What everything is told against: as it comes, in fp32."""
    costs_s: Mapping[str, float] = field(default_factory=dict)
    """By backend, what starting and compiling it is taken to cost before it was seen."""

    def formats(self) -> list[Candidate]:
        """One layout for each backend and number format, on all cores, in all its batches; what starts soonest comes first.

        A launch serves all batches: where the largest breaks a limit, a smaller one speaks for its format.
        """
        largest: dict[tuple[str, str], Candidate] = {}
        for one in self.plain:
            key = (one.backend, one.precision)
            if key not in largest or _size(one) > _size(largest[key]):
                largest[key] = one
        chosen = {one.deployment for one in largest.values()}
        every = [one for one in self.plain if one.deployment in chosen]
        return sorted(every, key=lambda one: (self.costs_s.get(one.backend, 0.0), -one.batch_size))

    def layouts(self, of: Sequence[Candidate]) -> list[Candidate]:
        """Every layout and batch of the backends and formats of these."""
        pairs = {(one.backend, one.precision) for one in of}
        return [one for one in self.plain if (one.backend, one.precision) in pairs]

    def settings(self, one: Candidate) -> list[Setting]:
        """The settings of knobs that mean something for a candidate: with one thread nobody waits for another."""
        waiting = ("wait_policy", "spinning", "openmp", "kmp_blocktime") if one.threads == 1 else ()
        return [setting for setting in self.knobs.get(one.backend, ()) if setting[0] not in waiting]


def _size(one: Candidate) -> tuple[bool, int, int]:
    return one.instances == 1, one.threads or 0, one.batch_size
