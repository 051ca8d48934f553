"""What a run says first: what to run on this machine. `recommend` has the long form; formats print these lines as they are.

Two lines for each problem size: the fastest configuration against PyTorch out of the box, and how to run it. Then what is
not among them, and what the CPUs are good for.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from baselines.comparing.disturbance import disturbed_because
from baselines.comparing.instructions import is_emulated
from baselines.comparing.tuning_file import FILE_NAME as SEARCHED
from baselines.deploying.best_configurations import Recommendation, recommendations
from baselines.deploying.command_line import command_lines, in_code
from baselines.deploying.promise import LEVEL, Promise, Reach
from baselines.deploying.words import configuration_text, promise_text
from baselines.files.reading_values import is_number, mapping
from baselines.files.result import Result
from baselines.files.run import Run
from baselines.judging.wording import counted, duration_text, listed, one_line, shown, three_digits

TITLE: Final = "What to run here"
MOST: Final = 6
"""Problem sizes that are told; the smallest come first, and the others are counted."""
_NAMED: Final = 3  # others that a line names
_TYPED: Final = "$ "  # before what goes into a shell, in the answer of a search
_WARNED: Final = "its times mean nothing (--no-speed-guards): nothing here is a recommendation"


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line, printable as it is."""

    text: str
    kind: str = "said"
    """`said`, `under` for what belongs to the line before it, `typed` for what goes into a shell."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a run says first."""

    head: str
    """What the lines are, and what is in brackets; a title comes before it."""
    lines: tuple[Line, ...]
    more: str
    """Where all of it is."""

    @property
    def texts(self) -> list[str]:
        """For a terminal."""
        before = {"said": "  ", "under": "      ", "typed": "      $ "}
        return [f"{TITLE}: {self.head}", *(f"{before[line.kind]}{line.text}" for line in self.lines), f"  {self.more}"]


def told_of(
    run: Run, results: Sequence[tuple[Result, Mapping[str, Any]]], reaches: Mapping[str, Reach], cores: int | None
) -> Told | None:
    """What a run says first; None where it measured no problem size, or by another suite.

    Args:
        run: the run.
        results: of it, each with its record in the file.
        reaches: by key, how far a new run may lie from each.
        cores: physical ones of the machine, None if unknown.
    """
    found = recommendations(results, reaches, cores) if run.ours else []
    if not found:
        return None
    lines: list[Line] = []
    entries = [(size_lines(one), run_line(one, run)) for one in found[:MOST]]
    for typed, same in groupby(entries, key=lambda entry: entry[1]):  # neighbours that are run alike are told together
        lines += [line for said, _ in same for line in said] + [Line(text=typed, kind="typed")]
    if len(found) > MOST:
        lines.append(Line(text=f"and {counted(len(found) - MOST, 'problem size')} more"))
    lines += [Line(text=text) for text in (*caveats(run, found), limit_line(found, results))]
    path = shown(run.path.parent if run.accepted is None else run.path)
    return Told(
        head=f"the fastest with answers within tolerance; in brackets, where {LEVEL:.0%} of new runs lie",
        lines=tuple(Line(text=one_line(line.text), kind=line.kind) for line in lines),
        more=one_line(f"more: {shlex.join(['python', '-m', 'baselines', 'recommend', path, *run.store_options])}"),
    )


def told_of_search(run: Run, answers: Sequence[Sequence[str]]) -> Told:
    """What a run of `tune` says first: the search's own answers, which keep its limits and were proven side by side.

    `answers` are its lines, question by question; those after the last line to type are in its file.
    """
    lines: list[Line] = []
    for answer in answers:
        first, *under = answer[: _ends(answer)]
        lines.append(Line(text=one_line(first)))
        for text in under:
            typed = text.startswith(_TYPED)
            lines.append(Line(text=one_line(text.removeprefix(_TYPED)), kind="typed" if typed else "under"))
    return Told(head="what a search found", lines=tuple(lines), more=one_line(f"more: {shown(run.path.parent / SEARCHED)}"))


def _ends(answer: Sequence[str]) -> int:
    """How many lines of an answer say what to run."""
    return max((number for number, text in enumerate(answer, start=1) if text.startswith(_TYPED)), default=len(answer))


def size_lines(one: Recommendation) -> Iterable[Line]:
    """The fastest against PyTorch, what cannot be told apart from it, and whether a launch of the two was disturbed."""
    fastest, own = one.fastest, configuration_text(one.fastest)
    latency = promise_text(fastest.latency, duration_text)
    yield Line(text=f"batch {one.batch_size}, sequence {one.sequence_length}: {own}: {latency}, {against_pytorch(one)}")
    others = [text for text in dict.fromkeys(map(configuration_text, one.as_fast)) if text != own]
    if others:
        more = f"; and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
        yield Line(text=f"not told apart from it: {'; '.join(others[:_NAMED])}{more}", kind="under")
    sides = {"the fastest": fastest} | ({"PyTorch": one.pytorch} if one.pytorch else {})
    if disturbed := [word for word, side in sides.items() if disturbed_because(side.result)]:
        yield Line(text=f"read it with care: disturbed while measured: {' and '.join(disturbed)}", kind="under")


def against_pytorch(one: Recommendation) -> str:
    """How many times as fast as PyTorch out of the box, or what else is true of the two."""
    usual, fastest = one.pytorch, one.fastest
    if usual is None:
        return "PyTorch out of the box was not measured beside it"
    if usual is fastest:
        return "which is PyTorch out of the box"
    if usual in one.as_fast:
        return f"not told apart from PyTorch out of the box, {duration_text(usual.latency.value)}"
    times = ratio_of(usual.latency, fastest.latency)
    return f"{promise_text(times, three_digits)} times as fast as PyTorch out of the box"


def ratio_of(slow: Promise, fast: Promise) -> Promise:
    """What two new runs' ratio would be: the logarithms' intervals, of measurements that are independent."""
    ratio = slow.value / fast.value
    factor = math.exp(math.hypot(math.log(slow.high / slow.value), math.log(fast.high / fast.value)))
    return Promise(value=ratio, low=ratio / factor, high=ratio * factor)


def run_line(one: Recommendation, run: Run) -> str:
    """How to run the fastest: its command line, of several instances the first, and what the program has to set."""
    configuration = one.fastest.result.configuration
    card = run.backends.get(str(configuration.get("backend")), {})
    first, *others = command_lines(configuration, one.fastest.instances, card)
    said = first + (f"   # and {counted(len(others), 'line')} more, for the other instances" if others else "")
    code = in_code(configuration, card)
    return f"{said}   # in the program: {code}" if code else said


def caveats(run: Run, found: Sequence[Recommendation]) -> Iterable[str]:
    """What the reader has to know of the run behind it; nothing of most runs."""
    if not run.speed_guards:
        yield _WARNED
    failed = sum(how.get("outcome") == "failed" for how in run.not_measured.values())
    counts = (
        (failed, "failed"),
        (len(run.not_reached), "not reached before the run was cut off"),
        (len(run.left_out), "left out by the budget"),
    )
    if said := [f"{count} {why}" for count, why in counts if count]:
        yield f"not compared: {', '.join(said)}"
    yield from remarks(run, found)
    backends = _fastest(found)
    backends |= {str(result.configuration.get("backend")) for result in run.results}
    if len(backends) == 1:
        yield f"only {backends.pop()} was measured: no other backend was compared"
    if fewer := fewer_formats(run, found):
        yield fewer


def _fastest(found: Sequence[Recommendation]) -> set[str]:
    return {str(one.fastest.result.configuration.get("backend")) for one in found}


def remarks(run: Run, found: Sequence[Recommendation]) -> Iterable[str]:
    """What the cards of the fastest backends say to a reader of their numbers."""
    for backend in sorted(_fastest(found)):
        if isinstance(said := run.backends.get(backend, {}).get("remark"), str):
            yield f"{backend}: {said}"


def fewer_formats(run: Run, found: Sequence[Recommendation]) -> str | None:
    """At which problem sizes fp32 alone was measured, where others had smaller number formats too; None where none was.

    What the CPU emulates is no format that may be faster.
    """
    alone = [one for one in found if all(word == "fp32" or is_emulated(run, word) for word in one.formats)]
    if not alone or len(alone) == len(found):
        return None
    sizes = listed((f"{one.batch_size} x {one.sequence_length}" for one in alone), MOST)
    size = ["--batch-sizes", str(alone[0].batch_size), "--sequence-lengths", str(alone[0].sequence_length)]
    model = [*(["--model", run.model] if run.model else []), *(["--inputs", run.inputs] if run.inputs == "text" else [])]
    words = ["pytest", "benchmarks/test_precision.py", "--benchmark-only", *model, *size, *run.options_of(run.results)]
    where = "" if len(alone) == 1 else f" at {alone[0].batch_size} x {alone[0].sequence_length}"
    hope = "a smaller number format may be faster there"
    return f"fp32 alone was measured at {sizes}: {hope}; to measure them{where}: {shlex.join(words)}"


def limit_line(found: Sequence[Recommendation], results: Sequence[tuple[Result, Mapping[str, Any]]]) -> str:
    """What these CPUs reach on a large matrix product, and how much of it the fastest ones and PyTorch do."""
    limits: dict[str, float] = {}
    for result, record in results:
        precision, rate = str(result.configuration.get("precision")), limit_of(record)
        if rate is not None:
            limits[precision] = max(rate, limits.get(precision, 0.0))
    if not limits:
        return "what these CPUs are good for was not measured"
    rates = ", ".join(f"{three_digits(rate)} {precision}" for precision, rate in limits.items())
    said = f"on a large matrix product these CPUs reach {rates} GFLOP/s"
    for words, sides in (
        ("the fastest above reach", [one.fastest for one in found]),
        ("PyTorch out of the box reaches", [one.pytorch for one in found]),
    ):
        if shares := sorted(share for side in sides if side and (share := side.result.share_of_limit) is not None):
            low, high = f"{shares[0]:.0%}", f"{shares[-1]:.0%}"
            said += f"; {words} {low if low == high else f'{low} to {high}'}"
    return said


def limit_of(record: Mapping[str, Any]) -> float | None:
    """GFLOP/s that the CPUs of a benchmark reach in its precision; None where its file does not say."""
    rate = mapping(mapping(record.get("extra_info")).get("limit")).get("gflop_per_s")
    return float(rate) if is_number(rate) and rate > 0 else None
