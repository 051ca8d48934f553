"""One benchmark with its verdict, as the row of a table."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from baselines.files.past import Past
from baselines.files.result import Result, judged_values
from baselines.judging.judgement import Against, Evidence, Judgement, Verdict
from baselines.judging.policy import Policy
from baselines.judging.spread import run_value
from baselines.judging.wording import interval_text, one_line, percent

PLAIN: Final = frozenset({Verdict.PASSED, Verdict.NEW})
"""Verdicts that need no reason."""

HEADS: Final = (
    "verdict",
    "benchmark",
    "baseline",
    "measured",
    "change",
    f"{100 * (1 - 2 * Policy().pass_level):.0f} % interval",
    "allowance",
    "share of limit",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One benchmark with its verdict."""

    label: str
    """Its id, or as much of the node id as it takes to tell it from the others."""
    result: Result
    """The run's own; of what is missing the baseline's newest."""
    judgement: Judgement
    past: Past | None
    """What the baseline says of it."""
    measured: float | None
    """The judged quantity in `unit`; None when it is missing."""
    baseline: float | None
    """What it was compared with: the geometric mean of the accepted runs, or the anchor; None without any."""

    @property
    def unit(self) -> str:
        """Of `measured` and `baseline`: `s` per forward pass, or `samples/s`."""
        return "samples/s" if self.result.by_throughput else "s"

    @property
    def needs_reason(self) -> bool:
        """Whether it is anything else than passed or new."""
        return self.judgement.verdict not in PLAIN

    @property
    def reason(self) -> str:
        """Why, in a sentence."""
        return one_line(self.judgement.reason)

    @property
    def cells(self) -> tuple[str, ...]:
        """What is under HEADS; empty where there is nothing to say."""
        judgement = self.judgement
        values = (self.baseline, self.measured)
        baseline, measured = ("" if value is None else self.result.text_of(value) for value in values)
        change = "" if judgement.ratio is None else percent(judgement.ratio)
        interval = "" if judgement.interval is None else interval_text(judgement.interval)
        allowance = "" if judgement.allowance is None else percent(1 + judgement.allowance)
        share = self.result.share_of_limit
        limit = "" if share is None or self.measured is None else f"{share:.0%}"
        return (judgement.verdict.value, self.label, baseline, measured, change, interval, allowance, limit)

    @property
    def measured_interval(self) -> tuple[float, float] | None:
        """Around `measured`, in its unit; None where nothing was compared."""
        ratios = self.judgement.interval
        if ratios is None or self.baseline is None:
            return None
        low, high = sorted(self.result.times(self.baseline, ratio) for ratio in ratios)
        return low, high

    @property
    def accepted(self) -> tuple[float, ...]:
        """The accepted runs' values in `unit`, in time order."""
        return () if self.past is None else tuple(own_value(result) for result in self.past.recent)

    @property
    def accepted_as(self) -> tuple[str | None, ...]:
        """Of each of them `regressed` or `improved`, where it was accepted as that."""
        marks = () if self.past is None else tuple(result.accepted_as for result in self.past.recent)
        return tuple(mark if mark in ("regressed", "improved") else None for mark in marks)


def own_value(result: Result) -> float:
    """The judged quantity of a run in its own unit: the median over its launches."""
    value = run_value(judged_values(result))
    return math.exp(-value if result.by_throughput else value)


def labels_of(results: Sequence[Result]) -> list[str]:
    """How to call each: by its id where that is this suite's and the only one, else by its name, else by its node id."""
    ids, names = Counter(result.id for result in results), Counter(result.name for result in results)
    labels = []
    for result in results:
        if result.configuration and ids[result.id] == 1:
            label = result.id
        else:
            label = result.name if names[result.name] == 1 else result.fullname
        labels.append(one_line(label))
    return labels


def row_of(label: str, pair: tuple[Result, Judgement], pasts: Mapping[str, Past]) -> Row:
    """The row of a benchmark: both values in its own unit, so that their ratio is the judged one."""
    result, judgement = pair
    past = pasts.get(result.key)
    measured = None if judgement.verdict is Verdict.MISSING else own_value(result)
    baseline = None
    if judgement.evidence is Evidence.CONFIRMED and past is not None and judgement.ratio is not None:
        # Fresh launches were judged and the run's own were not: what they measured is the ratio.
        ends = past.recent if judgement.against is Against.BASELINE or past.anchor is None else (past.anchor,)
        baseline = math.exp(math.fsum(map(math.log, map(own_value, ends))) / len(ends))
        measured = result.times(baseline, judgement.ratio)
    elif measured is not None and judgement.ratio is not None:
        baseline = measured * judgement.ratio if result.by_throughput else measured / judgement.ratio
    elif measured is None and past is not None:
        baseline = math.exp(math.fsum(map(math.log, map(own_value, past.recent))) / len(past.recent))
    return Row(label=label, result=result, judgement=judgement, past=past, measured=measured, baseline=baseline)
