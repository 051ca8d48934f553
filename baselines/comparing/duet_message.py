"""A duet in words: per benchmark, per change of versions, and the message of a red test. Values in, lines out."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from baselines.judging.judgement import Judgement, Verdict
from baselines.judging.launch_pairs import Duet, overall
from baselines.judging.policy import DuetPolicy
from baselines.judging.wording import change_text, counted, duration_text, one_line, percent, three_digits


@dataclass(frozen=True, kw_only=True)
class DuetRow:
    """One benchmark of a duet, judged."""

    label: str
    fullname: str
    duet: Duet
    judgement: Judgement
    reference_versions: Mapping[str, str]
    versions: Mapping[str, str]
    reference_graph: Mapping[str, int] = field(default_factory=dict)
    """Fused and quantised operators by name, of the graph that the reference loaded."""
    graph: Mapping[str, int] = field(default_factory=dict)

    @property
    def change(self) -> str:
        """From which versions to which, and which fusions came or went."""
        names = dict.fromkeys((*self.reference_graph, *self.graph))
        counts = {name: (self.reference_graph.get(name, 0), self.graph.get(name, 0)) for name in names}
        fused = [f"{name} {before} -> {after}" for name, (before, after) in counts.items() if before != after]
        return ", ".join([versions_text(self.reference_versions, self.versions), *fused])

    @property
    def numbers(self) -> str:
        """`+3.1 % [+2.4 %, +3.8 %]`; empty where launch pairs were too few."""
        return change_text(self.judgement.ratio, self.judgement.interval)

    @property
    def line(self) -> str:
        """Verdict, benchmark, change, interval, and what it rests on."""
        words = [self.judgement.verdict.value.upper(), f"{self.label}:", self.numbers, f"({self.judgement.reason})"]
        return one_line(" ".join(word for word in words if word))


@dataclass(frozen=True, kw_only=True)
class VersionChange:
    """All benchmarks between the same versions."""

    versions: str
    rows: tuple[DuetRow, ...]

    @property
    def line(self) -> str:
        """`onnxruntime 1.31.1 -> 1.32.0: +3.1 % [+2.4 %, +3.8 %] over 20 benchmarks, slower on 14 of 20`."""
        together = overall([row.duet for row in self.rows], DuetPolicy())
        found = "too few launch pairs" if together is None else change_text(together.ratio, together.interval)
        counts = Counter(row.judgement.verdict for row in self.rows)
        total = len(self.rows)
        words = {"slower": Verdict.REGRESSED, "faster": Verdict.IMPROVED, "inconclusive": Verdict.INCONCLUSIVE}
        said = [f"{word} on {counts[verdict]} of {total}" for word, verdict in words.items() if counts[verdict]]
        said_text = ", ".join(said) or "slower or faster on none"
        return one_line(f"{self.versions}: {found} over {counted(total, 'benchmark')}, {said_text}")


def changes_of(rows: Sequence[DuetRow]) -> tuple[VersionChange, ...]:
    """The rows of a run by what changed, in the order of the run."""
    groups: dict[str, list[DuetRow]] = {}
    for row in rows:
        groups.setdefault(row.change, []).append(row)
    return tuple(VersionChange(versions=versions, rows=tuple(members)) for versions, members in groups.items())


def versions_text(reference: Mapping[str, str], measured: Mapping[str, str]) -> str:
    """`torch 2.12.0 -> 2.13.0`: what differs; where nothing does, what both sides have."""
    names = dict.fromkeys((*reference, *measured))
    differing = [
        f"{name} {reference.get(name, 'none')} -> {measured.get(name, 'none')}"
        for name in names
        if reference.get(name) != measured.get(name)
    ]
    same = ", ".join(f"{name} {measured[name]}" for name in names if name in measured)
    return ", ".join(differing) or f"{same or 'the same versions'} on both sides"


def certificate(rows: Sequence[DuetRow]) -> str:
    """What a duet of an environment with itself says of the machine."""
    told_apart = [row for row in rows if row.judgement.verdict in (Verdict.REGRESSED, Verdict.IMPROVED)]
    if told_apart:
        return (
            f"this machine tells {len(told_apart)} of {len(rows)} benchmarks apart from themselves: do not trust its duets "
            "before that is explained"
        )
    visible = [row.judgement.smallest_visible for row in rows if row.judgement.smallest_visible is not None]
    seen = f"; slowdowns from {percent(1 + max(visible))} on would have been seen in each" if visible else ""
    return f"this machine tells nothing apart where nothing differs (0 of {len(rows)} benchmarks){seen}"


def duet_regression_lines(
    row: DuetRow, *, measured_s: float, reference_s: float, by_throughput: bool, reference: str, options: Sequence[str]
) -> list[str]:
    """The message of a red test.

    Args:
        row: `regressed`, with its numbers.
        measured_s: seconds per forward pass, or per sample where `by_throughput`: the middle launch pair's.
        reference_s: the same of the reference.
        by_throughput: whether several instances were judged.
        reference: what `--reference` was.
        options: what the commands need: the model, and the file of a card from outside the checkout.
    """
    judgement = row.judgement
    before, after = (
        f"{three_digits(1 / seconds)} samples/s" if by_throughput else duration_text(seconds)
        for seconds in (reference_s, measured_s)
    )
    quantity = "throughput" if by_throughput else "median"
    limit = "" if judgement.limit is None else f" (red above {percent(1 + judgement.limit)})"
    pairs = f"{judgement.launches} launch pairs, in turns on the same CPUs"
    command = ["pytest", row.fullname, "--benchmark-only", *options, "--reference"]
    return [
        f"REGRESSED {row.label}: {quantity} {after}, reference {before}, {row.numbers}{limit}",
        f"  versions  {row.change}",
        f"  sure      p = {judgement.p_value:.1e}, one of {judgement.comparisons} comparisons; {pairs}",
        f"  rerun     {shlex.join([*command, reference])}",
        f"  control   {shlex.join([*command, 'self'])}",
    ]
