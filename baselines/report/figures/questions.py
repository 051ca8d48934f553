"""The questions of the study in its order, each with its figure, or with the reason why a run has none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Final, TypeVar

from baselines.report.figures import choices, cpus, history, limits, lines, padding, pipelines, streams
from baselines.report.figures.shared import Looks, axes_text, looks
from baselines.report.figures.values import MOST_PANELS, MOST_ROWS, Figure
from baselines.report.points import Point, asked, grouped
from baselines.report.unmeasured import why_not
from baselines.report.view import View

BACKENDS_OF_A_SLICE: Final = 3
"""Instance scaling and dispatching have two panels for each."""

_Value = TypeVar("_Value")


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question of the study."""

    name: str
    """As in the name of its file, benchmarks/test_NAME.py."""
    title: str
    lead: str
    """What the study showed, with its own numbers; of throughputs the corrected ones (samples, not batches)."""
    figure: Callable[[Sequence[Point], Looks], Figure]


def _out_of_the_box(points: Sequence[Point], backends: Looks) -> Figure:
    batches = grouped(points, lambda one: one.batch_size).values()
    several = any(len({one.sequence_length for one in same}) > 1 for same in batches)
    return (lines.out_of_the_box if several else choices.by_backend_alone)(points, backends)


QUESTIONS: Final = (
    Question(
        name="out_of_the_box",
        title="Out of the box",
        lead="What a plain install gives, by backend, batch and sequence. In the study PyTorch was ahead of TensorFlow "
        "everywhere: at batch 1 and 128 tokens 151 against 280 ms, at batch 32 and 512 tokens 1.2 against 11.8 s.",
        figure=_out_of_the_box,
    ),
    Question(
        name="simultaneous_multithreading",
        title="Simultaneous multithreading",
        lead="Threads on cores of their own, or on the siblings of busy ones? In the study 24 threads of PyTorch on 24 "
        "cores were 1.19 to 1.35 times as fast as on 12 cores and their siblings; of TensorFlow's five sizes two were "
        "faster, two slower.",
        figure=choices.siblings,
    ),
    Question(
        name="core_count_scaling",
        title="Core count scaling",
        lead="Does one instance become faster with more cores? In the study small problems were fastest on 8 to 16 "
        "threads, medium ones on one socket (24), large ones on both (48).",
        figure=lines.speed_up,
    ),
    Question(
        name="memory_binding",
        title="Memory binding",
        lead="Does it matter on which NUMA node the memory is? The study bound memory to the node of the threads, and saw "
        "small problems become slower when they were spread over both sockets.",
        figure=choices.choices,
    ),
    Question(
        name="instance_scaling",
        title="Instance scaling",
        lead="One instance on all cores, or several on a part of them each? Counted in samples, as here, the study's best "
        "number of instances served 1.3 to 3.9 times as much as one with PyTorch; its own figure counts batches, which "
        "become smaller.",
        figure=lines.instances,
    ),
    Question(
        name="smart_dispatching",
        title="Smart dispatching",
        lead="A stream of short and long requests: one instance, several equal ones, or pools by length? The study "
        "proposed pools of 8, 16 and 24 cores and measured none.",
        figure=streams.dispatching,
    ),
    Question(
        name="precision",
        title="Precision",
        lead="What do smaller number formats give? The study announced float16, int8 and int4 and measured fp32 only.",
        figure=choices.precisions,
    ),
    Question(
        name="padding",
        title="Padding",
        lead="What does a mask cost, and how are passages of many lengths best put into batches? Every row is answered as "
        "it is alone. The study's batches had no padded position.",
        figure=padding.padding,
    ),
    Question(
        name="pipeline",
        title="Text in, vector out",
        lead="What users get who hand over texts, by the library that they call: tokenise, pad, forward, pool, normalise. "
        "Each vector is that of fp32 PyTorch. The study measured the forward pass alone.",
        figure=pipelines.pipelines,
    ),
    Question(
        name="cpu_limits",
        title="CPU limits",
        lead="What a container's CPU quota does to latency: threads that the framework takes by itself, a thread for each "
        "whole CPU of the quota, and a cpuset in its place. The study did not ask.",
        figure=limits.cpu_limits,
    ),
    Question(
        name="runtime_tuning",
        title="Runtime tuning",
        lead="Allocator, OpenMP runtime, huge pages: what the study left to its second part. One knob is turned at a time.",
        figure=choices.choices,
    ),
)

AFFINITY: Final = Question(
    name="affinity",
    title="Affinity: which CPU did what",
    lead="The study shows htop: without a mask all logical CPUs work, under numactl the physical cores alone.",
    figure=cpus.affinity,
)
LIMIT: Final = Question(
    name="share_of_limit",
    title="Share of the machine's limit",
    lead="How much of what this machine can compute or move does a forward pass use? The study did not ask.",
    figure=lines.share_of_limit,
)
NO_LIMIT: Final = "no result of this run says how far the machine can go: work.share_of_limit is null"
HISTORY: Final = "history"
HISTORY_TITLE: Final = "History of the accepted runs"
HISTORY_LEAD: Final = "What was accepted for each benchmark, and where this run is among them."


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A question, and what a run has to answer it with."""

    question: Question
    points: Sequence[Point]
    reason: str
    """Why there is no figure, where there is no point."""


def figures_of(view: View) -> list[Figure]:
    """All figures of a run in the order of the page; those without an answer say why."""
    backends = backends_in(view)
    figures = [answered(one.question, one.points, backends, one.reason) for one in asked_of(view)]
    figures.append(history_of(view))
    return numbered(figures)


def figures_about(view: View, name: str) -> list[Figure]:
    """Of one question so many figures that nothing is left out: three backends and six problem sizes in each."""
    backends = backends_in(view)
    figures = [
        replace(figure, title=f"{one.question.title}: {words}" if words else one.question.title)
        for one in asked_of(view)
        if one.question.name == name
        for words, points in slices_of(one.points) or [("", [])]
        for figure in [answered(one.question, points, backends, one.reason)]
    ]
    return numbered([*figures, *([history_of(view)] if name == HISTORY else [])])


def names_of(view: View) -> list[str]:
    """What `figures_about` can be asked."""
    return [*(one.question.name for one in asked_of(view)), HISTORY]


def asked_of(view: View) -> list[Asked]:
    """All questions that have points as their answer, in the order of the page."""
    run, points = view.comparison.run, view.points
    placed = [point for point in points if point.told_busy]
    limited = [point for point in points if point.share_of_limit]
    found = []
    for question in (*QUESTIONS, *others_in(points)):
        mine = asked(points, question.name)
        found.append(Asked(question=question, points=mine, reason=why_not(run, question.name)))
        if question.name == "simultaneous_multithreading":
            reason = "this file does not say how busy the CPUs of its instances were (that of an accepted run never does)"
            found.append(Asked(question=AFFINITY, points=points if placed else [], reason=reason))
    no_limit = next((point.no_limit for point in points if point.no_limit), NO_LIMIT)
    found.append(Asked(question=LIMIT, points=points if limited else [], reason=no_limit))
    return found


def backends_in(view: View) -> Looks:
    """The colour and the marker of each backend, the same in all figures."""
    return looks(sorted({point.backend for point in view.points}))


def history_of(view: View) -> Figure:
    """What was accepted before."""
    return replace(history.history(view.rows), question=HISTORY, title=HISTORY_TITLE, lead=HISTORY_LEAD)


def numbered(figures: Sequence[Figure]) -> list[Figure]:
    """Each with a name that is unique on a page."""
    return [replace(figure, name=f"figure-{number}") for number, figure in enumerate(figures, start=1)]


def slices_of(points: Sequence[Point]) -> list[tuple[str, list[Point]]]:
    """Points in parts that a figure can bear, each with its words; one without words where all fit into one."""
    backends = parts(sorted({point.backend for point in points}), BACKENDS_OF_A_SLICE)
    sizes = parts(sorted({point.size for point in points}), MOST_PANELS)
    choice = parts(list(dict.fromkeys(axes_text(point.axes) for point in points)), MOST_ROWS)
    found = []
    for some_backends, some_sizes, some_choices in product(backends, sizes, choice):
        words = [", ".join(some_backends)] if len(backends) > 1 else []
        words += [between(some_sizes[0], some_sizes[-1], "%d x %d")] if len(sizes) > 1 else []
        words += [between(some_choices[0], some_choices[-1], "%s")] if len(choice) > 1 else []
        mine = [
            one
            for one in points
            if one.backend in some_backends and one.size in some_sizes and axes_text(one.axes) in some_choices
        ]
        if mine:
            found.append(("; ".join(words), mine))
    return found


def parts(values: Sequence[_Value], most: int) -> list[Sequence[_Value]]:
    """Values in their order, at most so many in a part."""
    return [values[place : place + most] for place in range(0, len(values), most)]


def between(first: object, last: object, form: str) -> str:
    """`1 x 20 to 8 x 512`; one word where both are the same."""
    return form % first if first == last else f"{form % first} to {form % last}"


def others_in(points: Sequence[Point]) -> list[Question]:
    """Questions that a run answers and nobody here knows."""
    names = {point.question for point in points} - {question.name for question in QUESTIONS} - {""}
    return [
        Question(name=name, title=name.replace("_", " ").capitalize(), lead="", figure=choices.choices)
        for name in sorted(names)
    ]


def answered(question: Question, points: Sequence[Point], backends: Looks, reason: str) -> Figure:
    """The figure of a question; a reason in place of one where no point answers it."""
    figure = question.figure(points, backends) if points else Figure(reason=reason)
    return replace(figure, question=question.name, title=question.title, lead=question.lead)
