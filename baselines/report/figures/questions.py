"""The questions of the study in its order, each with its figure, or with the reason why a run has none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from baselines.report.figures import choices, cpus, history, lines, streams
from baselines.report.figures.shared import Looks, looks
from baselines.report.figures.values import Figure
from baselines.report.points import Point, asked, grouped
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
HISTORY_TITLE: Final = "History of the accepted runs"
HISTORY_LEAD: Final = "What was accepted for each benchmark, and where this run is among them."


def figures_of(view: View) -> list[Figure]:
    """All figures of a run in the order of the page; those without an answer say why."""
    run, points = view.comparison.run, view.points
    backends = looks(sorted({point.backend for point in points}))
    placed = [point for point in points if point.told_busy]
    limited = [point for point in points if point.share_of_limit]
    figures = []
    for question in (*QUESTIONS, *others_in(points)):
        mine = asked(points, question.name)
        figures.append(answered(question, mine, backends, why_not(run, question.name)))
        if question.name == "simultaneous_multithreading":
            reason = "this file does not say how busy the CPUs of its instances were (that of an accepted run never does)"
            figures.append(answered(AFFINITY, points if placed else [], backends, reason))
    no_limit = next((point.no_limit for point in points if point.no_limit), NO_LIMIT)
    figures.append(answered(LIMIT, points if limited else [], backends, no_limit))
    figures.append(replace(history.history(view.rows), title=HISTORY_TITLE, lead=HISTORY_LEAD))
    return [replace(figure, name=f"figure-{number}") for number, figure in enumerate(figures, start=1)]


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
    return replace(figure, title=question.title, lead=question.lead)
