"""The figure of CPU limits: latency by quota and by how the threads were sized, and which number each runtime went by."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from baselines.judging.wording import duration_text
from baselines.report.figures.choices import choices
from baselines.report.figures.shared import Looks
from baselines.report.figures.values import Figure, Table
from baselines.report.points import Point, grouped

HEADS = (
    *("backend", "limit", "batch x sequence", "mean", "median", "new runs lie within", "slowest", "throttled periods"),
    *("threads", "samples/s"),
)


def cpu_limits(points: Sequence[Point], backends: Looks) -> Figure:
    """A row per limit, a dot per backend; the table says how often the kernel stopped it, and how many threads it had.

    The dots are means, where all are known: of rounds of which fewer than half are stopped the median sees nothing.
    """
    ordered = sorted(points, key=lambda one: (quota_of(one), one.word("way"), one.backend))
    means = [by_mean(one) for one in ordered if mean_s(one) is not None]
    figure = choices(means if len(means) == len(ordered) else ordered, backends, named, "limit")
    panels = figure.panels
    if len(means) == len(ordered):
        panels = tuple(replace(one, x_label=one.x_label.replace("median", "mean")) for one in panels)
    rows = tuple(row(one) for one in sorted(ordered, key=lambda one: (one.size, one.backend)))
    believed = tuple(
        f"{backend}: {why}" for backend, mine in grouped(ordered, lambda one: one.backend).items() for why in beliefs(mine)
    )
    table = Table(heads=HEADS, rows=rows, words=3)
    return replace(figure, panels=panels, table=table, notes=(*figure.notes, *believed))


def mean_s(point: Point) -> float | None:
    """Seconds of a forward pass on average, stops included: samples over samples per second; None where nobody knows."""
    per_s = point.result.throughput_per_s
    mean = point.batch_size / per_s if per_s and per_s > 0 else math.inf
    return mean if math.isfinite(mean) else None


def by_mean(point: Point) -> Point:
    """The same with its mean, where there is one, in place of the median."""
    return replace(point, result=replace(point.result, median_s=mean_s(point) or point.result.median_s))


def named(point: Point) -> str:
    """`0.5 CPUs, default threads`, `cpuset of 1`."""
    quota, way = point.word("quota"), point.word("way")
    return f"cpuset of {quota}" if way == "cpuset" else f"{quota} CPUs, {way.replace('_', ' ')}"


def quota_of(point: Point) -> float:
    """CPUs' worth of time; 0 where the file says nothing that is a number."""
    try:
        return float(point.word("quota"))
    except ValueError:
        return 0.0


def row(point: Point) -> tuple[str, ...]:
    """What the table says of a benchmark, under HEADS."""
    latency, throttled, threads = point.latency, point.result.throttled_share, threads_of(point)
    tail = "" if point.tail is None else f"{point.tail[0]} {duration_text(point.tail[1])}"
    return (
        point.backend,
        named(point),
        point.size_text,
        "" if (mean := mean_s(point)) is None else duration_text(mean),
        duration_text(latency.value),
        f"{duration_text(latency.low)} to {duration_text(latency.high)}",
        tail,
        "" if throttled is None or point.word("way") == "cpuset" else f"{throttled:.0%}",
        "" if threads is None else str(threads),
        "" if point.throughput is None else f"{point.throughput.value:.3g}",
    )


def threads_of(point: Point) -> int | None:
    """What the framework says of its pool, or else how many threads were at work; None where the file says neither."""
    return (point.workers[0].pool_threads or point.workers[0].threads_observed) if point.workers else None


def beliefs(points: Sequence[Point]) -> Iterable[str]:
    """By which number a backend sized its threads, as far as its threads show it: the quota, the mask, or neither.

    Under a quota the mask has all CPUs, in a cpuset so many as it is of. One that has as many threads as CPUs in
    either follows the mask; one that has more under a larger quota, and never more than it gives, reads the quota. One with
    as many everywhere shows nothing where it never has too many.
    """
    default = [one for one in points if one.word("way") == "default_threads" and threads_of(one) is not None]
    sets = [one for one in points if one.word("way") == "cpuset" and threads_of(one) is not None]
    below = [one for one in default if quota_of(one) <= len(one.workers[0].cpus) - 1]
    narrow = [one for one in sets if default and quota_of(one) <= len(default[0].workers[0].cpus) - 1]
    if not below:
        return
    told = _quotas(below)
    if all(_follows(threads_of(one), quota_of(one)) for one in below):
        if len({threads_of(one) for one in default}) > 1:
            yield f"takes threads by the quota ({_quotas(default)})"
        else:
            yield f"never has too many threads: whether it reads the quota is not seen ({_quotas(default)})"
    elif not narrow:
        yield f"does not read the quota ({told}); whether it reads the mask was not measured"
    elif all(_follows(threads_of(one), quota_of(one)) for one in narrow):
        yield f"reads the mask and not the quota ({told}; {_cpusets(narrow)})"
    else:
        yield f"reads neither the quota nor the mask: it goes by the host ({told}; {_cpusets(narrow)})"


def _follows(threads: int | None, cpus: float) -> bool:
    return threads is not None and threads <= max(1.0, cpus + 0.5)


def _quotas(points: Sequence[Point]) -> str:
    return ", ".join(f"{threads_of(one)} at a quota of {one.word('quota')}" for one in points)


def _cpusets(points: Sequence[Point]) -> str:
    return ", ".join(f"{threads_of(one)} in a cpuset of {one.word('quota')}" for one in points)
