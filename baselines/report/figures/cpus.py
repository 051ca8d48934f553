"""Affinity: which CPUs each configuration was granted, and which of them were busy. The study shows htop here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from baselines.deploying.command_line import cpu_list
from baselines.report.figures.shared import Looks, axes_text, left_out, row_ticks, thinned
from baselines.report.figures.values import COLOURS, MOST_ROWS, Band, Figure, Panel, Series, Table
from baselines.report.points import Point, Worker, grouped

STEPS: Final = 10
"""Busy shares are drawn in tenths, so that CPUs that did the same are one band."""
MOST_CPUS: Final = 512

PLACED: Final = {
    "out_of_the_box": "out of the box: the framework chooses",
    "core_count_scaling": "pinned: a core for each thread",
    "instance_scaling": "several instances",
    "simultaneous_multithreading": "siblings",
    "memory_binding": "memory binding",
    "smart_dispatching": "pools of instances",
}

HOW_TO_READ: Final = (
    "A bar per CPU: the band behind it says that the CPU was granted (a colour per instance), its height how busy it "
    "was while the instance was timed. Where a run does not tell that of each CPU it is the mean of its instance. "
    "Of each configuration its largest problem size."
)


def affinity(points: Sequence[Point], _: Looks) -> Figure:
    """A panel per question, a row per configuration, a bar per CPU: as high as it was busy, coloured by its instance."""
    order = {question: place for place, question in enumerate(PLACED)}
    ours = sorted(points, key=lambda one: order.get(one.question, len(order)))
    placed = grouped((one for one in ours if any(worker.cpus for worker in one.workers)), lambda one: one.question)
    panels: list[Panel] = []
    rows: list[tuple[str, ...]] = []
    drawn = 0
    for question, mine in placed.items():
        configurations = largest(mine)
        rows += [table_row(question, one, number) for one in configurations for number in range(len(one.workers))]
        if question in PLACED and len(panels) < MOST_ROWS:
            shown = thinned(configurations, MOST_ROWS)
            drawn += len(shown)
            panels.append(panel_of(PLACED[question], shown))
    total = sum(len(largest(placed[question])) for question in placed if question in PLACED)
    heads: tuple[str, ...] = ("question", "configuration", "instance", "granted", "masks of its threads")
    heads += ("threads busy", "CPUs busy", "narrowed")
    return Figure(
        panels=tuple(panels),
        table=Table(heads=heads, rows=tuple(rows), words=5),
        notes=(HOW_TO_READ, *left_out(drawn, total, "configurations")),
    )


def largest(points: Iterable[Point]) -> list[Point]:
    """Of each configuration the largest problem size: there every thread has something to do."""
    groups = grouped(points, lambda one: (one.backend, one.precision, tuple(map(str, one.axes.items()))))
    return [max(same, key=lambda one: one.batch_size * one.sequence_length) for same in groups.values()]


def panel_of(title: str, placed: Sequence[Point]) -> Panel:
    """The map of some configurations."""
    bands = [band for row, one in enumerate(placed) for band in bands_of(row, one)]
    last = max((band.first + band.count for band in bands), default=1)
    instances = max(len(one.workers) for one in placed)
    legend = tuple(
        Series(label=f"instance {number + 1}", colour=COLOURS[number], dots=())
        for number in range(min(instances, len(COLOURS)))
    )
    if any(band.colour is None for band in bands):
        legend += (Series(label="busy, and granted to nobody here", colour="quiet", dots=()),)
    return Panel(
        title=title,
        kind="cpus",
        x_label=f"CPU, of {last}",
        ticks=row_ticks([label_of(one) for one in placed]),
        series=legend,
        bands=tuple(bands),
    )


def bands_of(row: int, point: Point) -> list[Band]:
    """What each CPU did, equal neighbours together."""
    owner = {cpu: number for number, worker in enumerate(point.workers) for cpu in worker.cpus if cpu < MOST_CPUS}
    mean = {number: mean_busy(worker) for number, worker in enumerate(point.workers)}
    bands: list[Band] = []
    for cpu in sorted({*owner, *(cpu for cpu in point.busy if cpu < MOST_CPUS)}):
        number = owner.get(cpu)
        busy = point.busy.get(cpu, mean[number] if number is not None else 0.0)
        busy = round(busy * STEPS) / STEPS
        colour = None if number is None else COLOURS[number % len(COLOURS)]
        before = bands[-1] if bands else None
        if before and before.first + before.count == cpu and (before.busy, before.colour) == (busy, colour):
            bands[-1] = Band(row=row, first=before.first, count=before.count + 1, busy=busy, colour=colour)
        elif busy or colour:
            bands.append(Band(row=row, first=cpu, count=1, busy=busy, colour=colour))
    return bands


def mean_busy(worker: Worker) -> float:
    """How busy an instance kept its CPUs, 0 to 1."""
    return min(1.0, (worker.busy_cpus or 0.0) / max(1, len(worker.cpus)))


def label_of(point: Point) -> str:
    """What a configuration is called."""
    return f"{point.backend} {axes_text(point.axes)}" if point.axes else point.backend


def table_row(question: str, point: Point, number: int) -> tuple[str, ...]:
    """Grant, masks, and what was kept busy, of one instance counted from 0."""
    worker = point.workers[number]
    masks = ", ".join(f"{count} on {cpu_list(cpus)}" for cpus, count in worker.masks)
    return (
        question,
        f"{label_of(point)}, {point.size_text}",
        f"{number + 1} of {len(point.workers)}",
        cpu_list(worker.cpus),
        masks,
        "" if worker.threads_observed is None else str(worker.threads_observed),
        "" if worker.busy_cpus is None else f"{worker.busy_cpus:.2f} of {len(worker.cpus)}",
        "" if worker.pinned is None else str(worker.pinned),
    )
