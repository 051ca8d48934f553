"""Which accepted runs count for a benchmark: the recent ones, and the anchor that slow creep is measured from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from baselines.files.result import Result, judged_values
from baselines.files.run import Run
from baselines.judging.history import History

KEPT_RUNS: Final = 8
"""A run leaves the baseline when this many newer ones have taken its place, unless it is an anchor."""


def kept_of(runs: Sequence[Run]) -> list[Run]:
    """The recent runs, and those from which creep of a benchmark in a recent run is measured."""
    recent = recent_runs(runs)
    living = {key for run in recent for key in run.by_key}
    recent_paths = {run.path for run in recent}
    return [
        run
        for run in runs
        if run.path in recent_paths or any(result.anchor and result.key in living for result in run.results)
    ]


def recent_runs(runs: Sequence[Run]) -> list[Run]:
    """Those of the accepted runs, oldest first, that are still needed: an anchor may be older.

    A benchmark of a run is out of date when KEPT_RUNS newer runs hold it, or were accepted whole, asked for the same and had
    time for it; a run is, when all its benchmarks are. So a few, accepted again and again with --only, never push out the
    others, nor do nights that left them out.
    """
    recent: list[Run] = []
    holders: Counter[str] = Counter()
    whole: Counter[tuple[str | None, str | None]] = Counter()
    both: Counter[tuple[str, str | None, str | None]] = Counter()
    left_out: Counter[tuple[str, str | None, str | None]] = Counter()
    for run in reversed(runs):
        asked = (run.preset, run.inputs)
        if any(
            holders[key] + whole[asked] - both[key, *asked] - left_out[one.fullname, *asked] < KEPT_RUNS
            for key, one in run.by_key.items()
        ):
            recent.append(run)
        holders.update(run.by_key.keys())
        if run.accepted is not None and run.accepted.whole:
            whole[asked] += 1
            both.update((key, *asked) for key in run.by_key)
            left_out.update((name, *asked) for name in run.left_out)
    return recent[::-1]


@dataclass(frozen=True, kw_only=True)
class Past:
    """What the accepted runs say about one benchmark."""

    runs: tuple[Run, ...]
    """Oldest first, at most KEPT_RUNS, and none from before its level was last accepted as a new one."""
    recent: tuple[Result, ...]
    """What each of them says."""
    anchor: Result | None
    """The one that slow creep is measured from; it may be one of `recent`."""

    @property
    def backend(self) -> str:
        """Whose benchmark it is."""
        return str(self.recent[-1].configuration.get("backend"))

    def history(self) -> History:
        """What the judge is given of it."""
        within = self.anchor is None or any(result is self.anchor for result in self.recent)
        return History(
            runs=tuple(judged_values(result) for result in self.recent),
            anchor=None if within or self.anchor is None else judged_values(self.anchor),
            run_ids=tuple(run.path.stem for run in self.runs),
            moments=moments_of(self.runs),
        )


def moments_of(runs: Sequence[Run]) -> tuple[float, ...]:
    """When each of them began, in seconds of Unix time; empty where one does not say."""
    moments = [run.datetime.timestamp() for run in runs if run.datetime is not None]
    return tuple(moments) if len(moments) == len(runs) else ()


def pasts(runs: Sequence[Run]) -> dict[str, Past]:
    """By key, the past of every benchmark in the recent runs. One that only an old anchor holds has left the baseline."""
    recent: dict[str, list[Run]] = {}
    for run in recent_runs(runs):
        for key, result in run.by_key.items():
            if result.accepted_as is not None:
                recent[key] = []
            recent.setdefault(key, []).append(run)
    anchors = {result.key: result for run in runs for result in run.results if result.anchor}
    return {
        key: Past(
            runs=tuple(past[-KEPT_RUNS:]),
            recent=tuple(run.by_key[key] for run in past[-KEPT_RUNS:]),
            anchor=anchors.get(key),
        )
        for key, past in recent.items()
    }
