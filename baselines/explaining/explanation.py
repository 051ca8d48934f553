"""Where the time of a benchmark goes, or where two sides differ: classes and layers out of profiled launches."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from baselines.explaining.profiles import Profile, Profiled
from baselines.judging.parts import PartDifference, PartsPolicy, differences

FRAMEWORK = "framework between the kernels"
"""The class that has no kernels: what is left of the wall time (fixtures/profiling/classes.py)."""
CLASSES = (
    "matrix products",
    "attention",
    "normalisation and activation",
    "embedding",
    "copies and conversions",
    "other",
    FRAMEWORK,
)
"""In the order of tables."""
WHOLE, NOT_EXPLAINED = "whole", "not explained"


@dataclass(frozen=True, kw_only=True)
class Row:
    """A class or a layer; seconds of a forward pass."""

    name: str
    measured_s: float
    """Mean over launches."""
    low_s: float
    high_s: float
    """Of the launches, the least and the most."""
    reference_s: float | None = None
    difference: PartDifference | None = None
    """None without a reference."""
    operator: str = ""
    """The one of it that takes longest, or that differs most."""

    @property
    def named(self) -> bool:
        """Whether it differs."""
        return self.difference is not None and self.difference.named


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """What profiled launches say of one benchmark."""

    fullname: str
    backend: str
    reference: str | None
    launches: int
    not_told: str | None = None
    """Why there is nothing else."""
    whole: Row | None = None
    """Plain rounds: nothing was profiled in them."""
    classes: tuple[Row, ...] = ()
    """They add up to the profiled wall time."""
    layers: tuple[Row, ...] = ()
    """Kernels by layer; empty where names do not say."""
    not_explained: PartDifference | None = None
    """The whole's difference less that of all classes."""
    cost: float = 0.0
    """What profiling adds to a forward pass of the measured side, as a share."""
    reference_cost: float | None = None
    folder: str = ""
    """Where the traces are, from the folder of the run."""

    @property
    def named(self) -> list[Row]:
        """Classes that differ, the largest difference first."""
        return _largest_first(self.classes)

    @property
    def named_layers(self) -> list[Row]:
        """The same of layers."""
        return _largest_first(self.layers)

    @property
    def adds_up(self) -> bool:
        """Whether the differences of all classes together lie within the interval of the whole's.

        Or where they spread more than the whole does: whether what is not explained may be nothing, by its own interval.
        """
        if self.whole is None or self.whole.difference is None:
            return True
        if self.not_explained is not None and not self.not_explained.excludes_zero:
            return True
        parts_s = sum(one.difference.seconds for one in self.classes if one.difference is not None)
        return self.whole.difference.low <= parts_s <= self.whole.difference.high


def explained(profile: Profile, folder: str, policy: PartsPolicy | None = None) -> Explanation:
    """The explanation of a benchmark's profile; `folder` is said with it.

    Raises:
        ValueError: launches are too few to say anything.
    """
    policy = policy or PartsPolicy()
    start = Explanation(
        fullname=profile.fullname,
        backend=profile.backend,
        reference=profile.reference,
        launches=len(profile.launches),
        not_told=profile.not_told,
        folder=folder,
    )
    if profile.not_told is not None:
        return start
    if not profile.launches:
        raise ValueError("no launch was profiled to its end")
    measured = [one.measured for one in profile.launches]
    references = [one.reference for one in profile.launches if one.reference is not None]
    sides = Sides(measured, references, [one.measured_first for one in profile.launches], policy)
    classes = sides.rows(Profiled.by_class, CLASSES)
    return Explanation(
        fullname=profile.fullname,
        backend=profile.backend,
        reference=profile.reference,
        launches=len(profile.launches),
        whole=sides.rows(lambda one: {WHOLE: one.plain_s}, (WHOLE,), alone=True)[0],
        classes=tuple(sides.with_operator(row) for row in classes),
        layers=tuple(sorted(sides.rows(Profiled.by_layer, ()), key=_depth)),
        not_explained=sides.not_explained(),
        cost=_cost(measured),
        reference_cost=_cost(references) if references else None,
        folder=folder,
    )


class Sides:
    """The launches of both sides, or of one."""

    def __init__(
        self,
        measured: Sequence[Profiled],
        references: Sequence[Profiled],
        measured_first: Sequence[bool],
        policy: PartsPolicy,
    ) -> None:
        self.measured, self.references, self.measured_first, self.policy = measured, references, measured_first, policy
        self.whole_s = fmean(one.plain_s for one in references or measured)
        self.named: dict[str, PartDifference] = {}
        if references:
            classes = self._values(Profiled.by_class, CLASSES)
            layers = self._values(Profiled.by_layer, ())
            self.named = self._differences({**classes, **layers})  # one family: whatever is named shares the level

    def rows(self, of: Callable[[Profiled], Mapping[str, float]], first: Sequence[str], *, alone: bool = False) -> list[Row]:
        """A row for each name that `of` gives, those of `first` before the others; `alone`: a difference of its own."""
        rows = []
        own = self._differences(self._values(of, first)) if alone and self.references else self.named
        for name in self._names(of, first):
            values = [of(one).get(name, 0.0) for one in self.measured]
            theirs = [of(one).get(name, 0.0) for one in self.references]
            rows.append(
                Row(
                    name=name,
                    measured_s=fmean(values),
                    low_s=min(values),
                    high_s=max(values),
                    reference_s=fmean(theirs) if theirs else None,
                    difference=own.get(name),
                )
            )
        return rows

    def with_operator(self, row: Row) -> Row:
        """A class with the operator of it that differs most, or of one side takes longest."""
        names = {name for one in (*self.measured, *self.references) for name in one.operators(row.name)}

        def mean(side: Sequence[Profiled], name: str) -> float:
            return fmean(one.operators(row.name).get(name, 0.0) for one in side) if side else 0.0

        def size(name: str) -> float:
            return abs(mean(self.measured, name) - mean(self.references, name))

        operator = max(sorted(names), key=size, default="")
        return Row(**{**vars(row), "operator": operator})

    def not_explained(self) -> PartDifference | None:
        """What the plain rounds differ by and the profiled ones do not."""
        if not self.references:
            return None
        pairs = zip(self.measured, self.references, strict=True)
        values = [(mine.plain_s - other.plain_s) - (mine.wall_s - other.wall_s) for mine, other in pairs]
        return self._differences({NOT_EXPLAINED: values})[NOT_EXPLAINED]

    def _names(self, of: Callable[[Profiled], Mapping[str, float]], first: Sequence[str]) -> list[str]:
        there = {name: None for one in (*self.measured, *self.references) for name in of(one)}
        return [*(name for name in first if name in there), *(name for name in there if name not in first)]

    def _values(self, of: Callable[[Profiled], Mapping[str, float]], first: Sequence[str]) -> dict[str, list[float]]:
        pairs = list(zip(self.measured, self.references, strict=True))
        names = self._names(of, first)
        return {name: [of(mine).get(name, 0.0) - of(other).get(name, 0.0) for mine, other in pairs] for name in names}

    def _differences(self, values: Mapping[str, Sequence[float]]) -> dict[str, PartDifference]:
        return differences(values, self.measured_first, whole_s=self.whole_s, policy=self.policy)


def _cost(side: Sequence[Profiled]) -> float:
    return fmean(one.wall_s / one.plain_s for one in side) - 1


def _depth(row: Row) -> float:
    """Of a layer's row: `embeddings`, `layer 0` and so on, `after the layers` (fixtures/profiling/layers.py)."""
    number = re.search(r"\d+", row.name)
    return float(number[0]) if number else -1.0 if row.name == "embeddings" else float("inf")


def _largest_first(rows: Sequence[Row]) -> list[Row]:
    named = [(row, row.difference) for row in rows if row.difference is not None and row.difference.named]
    return [row for row, difference in sorted(named, key=lambda pair: -abs(pair[1].seconds))]
