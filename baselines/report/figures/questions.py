"""The questions of the study in its order, each with its figure, or with the reason why a run has none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from baselines.report.figures import choices, cpus, history, lines
from baselines.report.figures.lines import Looks
from baselines.report.figures.shared import looks
from baselines.report.figures.values import Figure
from baselines.report.points import Point, asked
from baselines.report.unmeasured import why_not
from baselines.report.view import View


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question of the study."""

    name: str
    """As in the name of its file, benchmarks/test_NAME.py."""
    title: str
    lead: str
    """What the study showed, with its own numbers; of throughputs the corrected ones (samples, not batches)."""
    figure: Callable[[Question, Sequence[Point], Looks], Figure]


def _out_of_the_box(question: Question, points: Sequence[Point], backends: Looks) -> Figure:
    if all(
        len({one.sequence_length for one in points if one.batch_size == batch}) < 2
        for batch in {one.batch_size for one in points}
    ):
        table = lines.plain_table(points)
        return choices.by_backend_alone(points, name=question.name, title=question.title, lead=question.lead, table=table)
    return lines.out_of_the_box(points, question.lead, question.title, backends)


def _core_counts(question: Question, points: Sequence[Point], _: Looks) -> Figure:
    return lines.speed_up(points, question.lead, question.title)


def _instances(question: Question, points: Sequence[Point], _: Looks) -> Figure:
    return lines.instances(points, question.lead, question.title)


def _dispatching(question: Question, points: Sequence[Point], _: Looks) -> Figure:
    return choices.dispatching(points, question.lead, question.title)


def _choices(question: Question, points: Sequence[Point], backends: Looks) -> Figure:
    return choices.choices(points, name=question.name, title=question.title, lead=question.lead, backends=backends)


def _siblings(question: Question, points: Sequence[Point], backends: Looks) -> Figure:
    ordered = sorted(points, key=lambda one: (one.count("threads"), one.count("cores")))
    return choices.choices(
        ordered,
        name=question.name,
        title=question.title,
        lead=question.lead,
        backends=backends,
        row=lambda one: f"{one.count('threads')} threads, {one.count('cores')} cores",
        heads=("threads and cores",),
    )


def _precision(question: Question, points: Sequence[Point], backends: Looks) -> Figure:
    names = dict.fromkeys(name for one in points for name in one.axes)
    varying = [name for name in names if len({one.word(name) for one in points}) > 1]
    return choices.choices(
        points,
        name=question.name,
        title=question.title,
        lead=question.lead,
        backends=backends,
        row=lambda one: " ".join([one.precision, *(f"{name} {one.axes.get(name, '')}" for name in varying)]),
        heads=("precision",),
    )


QUESTIONS: Final = (
    Question(
        name="out_of_the_box",
        title="Out of the box",
        lead="What a plain install gives, by backend, batch and sequence. In the study PyTorch was ahead of TensorFlow "
        "everywhere: at "
        "batch 1 and 128 tokens 151 against 280 ms, at batch 32 and 512 tokens 1.2 against 11.8 s.",
        figure=_out_of_the_box,
    ),
    Question(
        name="simultaneous_multithreading",
        title="Simultaneous multithreading",
        lead="Threads on cores of their own, or on the siblings of busy ones? In the study 24 threads of PyTorch on 24 "
        "cores were 1.19 "
        "to 1.35 times as fast as on 12 cores and their siblings; of TensorFlow's five sizes two were faster, two slower.",
        figure=_siblings,
    ),
    Question(
        name="core_count_scaling",
        title="Core count scaling",
        lead="Does one instance become faster with more cores? In the study small problems were fastest on 8 to 16 "
        "threads, medium "
        "ones on one socket (24), large ones on both (48).",
        figure=_core_counts,
    ),
    Question(
        name="memory_binding",
        title="Memory binding",
        lead="Does it matter on which NUMA node the memory is? The study bound memory to the node of the threads, and saw "
        "small problems "
        "become slower when they were spread over both sockets.",
        figure=_choices,
    ),
    Question(
        name="instance_scaling",
        title="Instance scaling",
        lead="One instance on all cores, or several on a part of them each? Counted in samples, as here, the study's best "
        "number of "
        "instances served 1.3 to 3.9 times as much as one with PyTorch; its own figure counts batches, which become "
        "smaller.",
        figure=_instances,
    ),
    Question(
        name="smart_dispatching",
        title="Smart dispatching",
        lead="A stream of short and long requests: one instance, several equal ones, or pools by length? The study "
        "proposed pools of 8, "
        "16 and 24 cores and measured none.",
        figure=_dispatching,
    ),
    Question(
        name="precision",
        title="Precision",
        lead="What do smaller number formats give? The study announced float16, int8 and int4 and measured fp32 only.",
        figure=_precision,
    ),
    Question(
        name="runtime_tuning",
        title="Runtime tuning",
        lead="Allocator, OpenMP runtime, huge pages: what the study left to its second part. One knob is turned at a time.",
        figure=_choices,
    ),
)

AFFINITY: Final = Question(
    name="affinity",
    title="Affinity: which CPU did what",
    lead="The study shows htop: without a mask all logical CPUs work, under numactl the physical cores alone.",
    figure=lambda question, points, _: cpus.affinity(points, question.lead, question.title),
)
LIMIT: Final = Question(
    name="share_of_limit",
    title="Share of the machine's limit",
    lead="How much of what this machine can compute or move does a forward pass use? The study did not ask.",
    figure=lambda question, points, backends: lines.share_of_limit(points, question.lead, question.title, backends),
)
NO_LIMIT: Final = "no result of this run says how far the machine can go: work.share_of_limit is null"
HISTORY_TITLE: Final = "History of the accepted runs"
HISTORY_LEAD: Final = "What was accepted for each benchmark, and where this run stands."


def figures_of(view: View) -> list[Figure]:
    """All figures of a run in the order of the page; those without an answer say why."""
    run, points = view.comparison.run, view.points
    backends = looks(sorted({point.backend for point in points}))
    known = {question.name for question in QUESTIONS}
    others = sorted({point.question for point in points} - known - {""})
    others_asked = [
        Question(name=name, title=name.replace("_", " ").capitalize(), lead="", figure=_choices) for name in others
    ]
    figures = []
    for question in (*QUESTIONS, *others_asked):
        mine = asked(points, question.name)
        figures.append(
            question.figure(question, mine, backends) if mine else unanswered(question, why_not(run, question.name))
        )
        if question.name == "simultaneous_multithreading":
            figures.append(affinity_of(points, backends))
    told = any(point.share_of_limit for point in points)
    limit = next((point.no_limit for point in points if point.no_limit), NO_LIMIT)
    figures.append(LIMIT.figure(LIMIT, points, backends) if told else unanswered(LIMIT, limit))
    figures.append(history.history(view.rows, HISTORY_LEAD, HISTORY_TITLE))
    return [replace(figure, name=f"figure-{number}") for number, figure in enumerate(figures, start=1)]


def affinity_of(points: Sequence[Point], backends: Looks) -> Figure:
    """The map of the CPUs."""
    if any(worker.cpus for point in points for worker in point.workers):
        return AFFINITY.figure(AFFINITY, points, backends)
    return unanswered(AFFINITY, "this run does not say on which CPUs its instances were")


def unanswered(question: Question, reason: str) -> Figure:
    """A reason in place of a figure."""
    return Figure(name=question.name, title=question.title, lead=question.lead, reason=reason)
