"""The tables of docs/findings.md, in Markdown, from the files of runs: nobody copies numbers by hand.

Usage: `python -m studies.tables RUN [RUN ...]`, which prints a table for each question that the runs measured; of precision
one for each problem size, in which what several runs measured of a configuration is one row; of CPU limits and padding those
of the report, with what it says below them, for each run. Of runs that were explained
(`python -m baselines explain RUN`) it prints where the time goes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from statistics import geometric_mean, median
from typing import Any, Final

from baselines.comparing.comparison import compare
from baselines.explaining.explanation import FRAMEWORK, Explanation
from baselines.explaining.explanation_file import read_explanations
from baselines.files.reading_runs import read_run
from baselines.files.run_folder import RunFileError, run_path
from baselines.files.store import MACHINES
from baselines.report.figures.questions import figures_of
from baselines.report.figures.shared import TABLE_HAS_ALL
from baselines.report.view import view_of
from fixtures.machine.cpu_limit import PERIOD_US
from studies.loop import Record, grouped, table

Cells = Mapping[str, str]
Plain = Mapping[str, Sequence[float]]
"""Median latencies of PyTorch out of the box at fp32, one per run, by problem size: what speed-ups are told against."""

BY_SIZE: Final = ("out_of_the_box", "core_count_scaling", "simultaneous_multithreading", "memory_binding")
"""Questions whose table has a column for each problem size and shows the median latency."""
OF_THE_REPORT: Final = ("cpu_limits", "padding")
"""Questions whose table the report has."""
PERIOD_S: Final = PERIOD_US / 1e6
STOP_S: Final = 0.01
"""A round that took so much longer than the shortest was stopped by a quota: no stop that is measured is shorter."""
NEAR: Final = 0.1
"""Of a period: the rest of the round comes after the stop, and so does what is done between rounds."""


def main() -> int:
    """Prints the tables; 2 when a file cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m studies.tables", description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="files or folders of runs")
    try:
        runs = parser.parse_args().runs
        benchmarks = [benchmark for run in runs for benchmark in benchmarks_of(run)]
        asked = {one["extra_info"]["question"] for one in benchmarks}.intersection(OF_THE_REPORT)
        of_reports = {name: [line for run in runs for line in report_lines(run, name)] for name in asked}
        rows = [row for run in runs for row in part_rows(run)]
    except (OSError, ValueError, RunFileError) as error:
        parser.exit(2, f"error: {error}\n")
    plain: dict[str, list[float]] = {}
    for one in benchmarks:
        if one["extra_info"]["question"] == "out_of_the_box" and configuration_of(one) == "pytorch-fp32":
            plain.setdefault(size_of(one), []).append(latency_s(one))
    for question in dict.fromkeys(one["extra_info"]["question"] for one in benchmarks):
        if question in OF_THE_REPORT:
            lines = of_reports[question]
            lines += stopped_lines([one for one in benchmarks if one["extra_info"]["question"] == question])
            print(f"## {question}\n", *lines, sep="\n", end="\n\n")
            continue
        mine = [one for one in benchmarks if one["extra_info"]["question"] == question]
        print(f"## {question}\n", *lines_of(question, mine, plain), sep="\n", end="\n\n")
    if rows:
        print("## Where the time goes\n", *markdown(rows), sep="\n", end="\n\n")
    return 0


def benchmarks_of(run: Path) -> list[dict[str, Any]]:
    """The benchmarks of a run that this suite wrote."""
    path = run_path(run)
    content = json.loads(path.read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = [one for one in content["benchmarks"] if "question" in one.get("extra_info", {})]
    if not found:
        raise ValueError(f"{path}: it holds no benchmark of this suite")
    if "baseline" in content and not all("overlap" in one["extra_info"] for one in found):
        raise ValueError(f"{path}: an accepted run holds too little for these tables; name the run: runs/<UTC>_<commit>")
    return found


def lines_of(question: str, benchmarks: Sequence[Record], plain: Plain) -> Iterator[str]:
    """The table of one question."""
    if question == "precision":
        for (_, size), group in grouped(benchmarks, lambda one: (shape_of(one), size_of(one))).items():
            fastest_first = sorted(grouped(group, configuration_of).items(), key=lambda named: mean_latency_s(named[1]))
            yield f"### {size}\n"
            yield from markdown([precision_row(name, runs, plain.get(size)) for name, runs in fastest_first])
            yield ""
    elif question in BY_SIZE:
        columns = {size: "" for _, size in grouped(benchmarks, lambda one: (shape_of(one), size_of(one)))}
        cells: dict[str, dict[str, str]] = {}
        for one in benchmarks:
            name = configuration_of(one)
            cells.setdefault(name, {"configuration": name, **columns})[size_of(one)] = milliseconds(latency_s(one))
        yield from markdown(list(cells.values()))
    else:
        row = {"instance_scaling": instance_row, "smart_dispatching": dispatching_row}.get(question, any_row)
        yield from markdown([row(one) for one in benchmarks])


def report_lines(run: Path, question: str) -> Iterator[str]:
    """The tables of a question as the run's report has them, and what it says below each."""
    for figure in figures_of(view_of(compare(run, [], MACHINES, demand_baseline=False))):
        if figure.question == question and figure.table is not None:
            yield from table(" | ".join(figure.table.heads), figure.table.rows)
            yield ""
            yield from (f"* {note}" for note in figure.notes if TABLE_HAS_ALL not in note)
            yield ""


def stopped_lines(benchmarks: Sequence[Record]) -> Iterator[str]:
    """How many rounds a CPU quota stopped, and how many of them end a whole number of its periods after the one before.

    Of benchmarks whose rounds are short beside a period: there a stop is one round's, and seen by it alone.
    """
    stopped = [ends for one in benchmarks if one["extra_info"].get("cpu_limit") and len(ends := stopped_ends_s(one)) > 1]
    gaps = [(later - before) / PERIOD_S for ends in stopped for before, later in pairwise(ends)]
    if gaps:
        whole, period = sum(abs(gap - round(gap)) <= NEAR for gap in gaps), f"{PERIOD_S * 1e3:.0f} ms"
        yield f"* {sum(map(len, stopped))} rounds were stopped for {STOP_S * 1e3:.0f} ms or more. Of the {len(gaps)} times"
        yield f"  from one stop to the next {whole} are a multiple of the quota's period of {period}, to a tenth of it."


def stopped_ends_s(benchmark: Record) -> list[float]:
    """When rounds ended that took longer than the shortest by STOP_S: seconds of rounds since the first began."""
    stats = benchmark["stats"]
    rounds = [duration * stats["iterations"] for duration in stats["data"]]
    if min(rounds) > NEAR * PERIOD_S:
        return []
    return [end for end, duration in zip(accumulate(rounds), rounds, strict=True) if duration - min(rounds) >= STOP_S]


def precision_row(name: str, runs: Sequence[Record], plain: Sequence[float] | None) -> Cells:
    """One configuration at one problem size: the geometric mean of the runs' medians, their range, their worst error."""
    latencies, told = [latency_s(run) for run in runs], [run["extra_info"] for run in runs]
    shares = [share for one in told if (share := one["work"].get("share_of_limit")) is not None]
    spread = f" ({milliseconds(min(latencies))} to {milliseconds(max(latencies))})" if len(runs) > 1 else ""
    return {
        "configuration": name,
        "latency, ms": f"{milliseconds(mean_latency_s(runs))}{spread}",
        "samples/s": f"{geometric_mean([one['throughput_per_s'] for one in told]):.1f}",
        "speed-up": "" if plain is None else f"{geometric_mean(plain) / mean_latency_s(runs):.2f}",
        "largest error": f"{max(one['parity']['max_abs_error'] for one in told):.1e}",
        "cosine": f"{min(one['parity']['cosine'] for one in told):.6f}",
        "share of the limit": f"{median(shares):.0%}" if shares else "",
    }


def instance_row(benchmark: Record) -> Cells:
    """One problem shared by instances: throughput, the worst instance's latency, and whether they ran beside each other."""
    extra = benchmark["extra_info"]
    launches = sorted(launch["throughput_per_s"] for launch in extra["launches"])
    return {
        "backend": extra["configuration"]["backend"],
        "problem": size_of(benchmark),
        "instances x cores": f"{extra['instances']} x {len(extra['per_instance'][0]['cpus'])}",
        "samples/s": f"{extra['throughput_per_s']:.1f}",
        "range of launches": f"{launches[0]:.1f} to {launches[-1]:.1f} ({len(launches)})",
        "latency of the worst": f"{milliseconds(latency_s(benchmark))} ms",
        "overlap": f"{extra['overlap']:.3f}",
    }


def dispatching_row(benchmark: Record) -> Cells:
    """One way of serving a stream."""
    extra = benchmark["extra_info"]
    words, latency = extra["dispatching"], extra["latency_s"]
    rates = words["sustained"] or {}
    held, broken = (rates.get(key) for key in ("rate_per_s", "broken_at_per_s"))
    return {
        "backend": extra["configuration"]["backend"],
        "policy": words["policy"],
        "offered": f"{words['offered_per_s']:.2f}/s",
        "median": f"{milliseconds(latency['median'])} ms",
        **{key: "" if latency[key] is None else f"{milliseconds(latency[key])} ms" for key in ("p90", "p99")},
        "padding": f"{words['padding_share']:.0%}",
        "highest rate that held": "" if held is None else f"{held:.3g}/s",
        "lowest that did not": "" if broken is None else f"{broken:.3g}/s",
    }


def any_row(benchmark: Record) -> Cells:
    """One benchmark of a question that has no table of its own."""
    extra = benchmark["extra_info"]
    share = extra["work"].get("share_of_limit")
    return {
        "configuration": configuration_of(benchmark),
        "problem": size_of(benchmark),
        "latency": f"{milliseconds(latency_s(benchmark))} ms",
        "samples/s": f"{extra['throughput_per_s']:.1f}",
        "largest error": f"{extra['parity']['max_abs_error']:.1e}",
        "cosine": f"{extra['parity']['cosine']:.6f}",
        "GFLOP/s": f"{extra['work']['gflop_per_s']:.0f}",
        "share of the limit": "" if share is None else f"{share:.0%}",
    }


def part_rows(run: Path) -> list[Cells]:
    """What was explained of a run; nothing of most."""
    measured = {one["fullname"]: one for one in benchmarks_of(run)}
    found = [one for one in read_explanations(read_run(run_path(run))) if one.whole is not None]
    return [part_row(one, measured[one.fullname]) for one in found if one.fullname in measured]


def part_row(said: Explanation, mine: Record) -> Cells:
    """What one explanation says, in ms; of the limit what the whole reaches, and what products and attention do alone.

    Both are the arithmetic of a forward pass by a time; all of it is in products and attention.
    """
    share = mine["extra_info"]["work"].get("share_of_limit")
    seconds = {one.name: one.measured_s for one in said.classes}
    products_s, attention_s, framework_s = (seconds.get(name, 0.0) for name in ("matrix products", "attention", FRAMEWORK))
    work_s = products_s + attention_s
    rest_s = sum(seconds.values()) - work_s - framework_s
    return {
        "backend": said.backend,
        "problem": size_of(mine),
        **{name: milliseconds(one) for name, one in (("all", sum(seconds.values())), ("matrix products", products_s))},
        **{name: milliseconds(one) for name, one in (("attention", attention_s), ("other kernels", rest_s))},
        FRAMEWORK: milliseconds(framework_s),
        "share of the limit": "" if share is None else f"{share:.0%}",
        "in products and attention": "" if share is None or not work_s else f"{share * latency_s(mine) / work_s:.0%}",
    }


def latency_s(benchmark: Record) -> float:
    """Its median."""
    return float(benchmark["extra_info"]["latency_s"]["median"])


def mean_latency_s(runs: Sequence[Record]) -> float:
    """The geometric mean of the runs' median latencies."""
    return geometric_mean(map(latency_s, runs))


def configuration_of(benchmark: Record) -> str:
    """The node id without the problem size: `pytorch-fp32-threads2`."""
    inside: str = benchmark["name"].partition("[")[2].rstrip("]")
    return inside.rpartition("-batch")[0] or inside


def shape_of(benchmark: Record) -> tuple[int, int]:
    """Batch size and sequence length, for sorting."""
    size = benchmark["extra_info"]["problem_size"]
    return size["batch_size"], size["sequence_length"]


def size_of(benchmark: Record) -> str:
    """`8x128`."""
    return "x".join(map(str, shape_of(benchmark)))


def milliseconds(seconds: float) -> str:
    """Three significant digits, from 100 on whole milliseconds."""
    value = 1e3 * seconds
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def markdown(rows: Sequence[Cells]) -> list[str]:
    """A table whose columns have the names of the first row's cells."""
    return table(" | ".join(rows[0]), [row.values() for row in rows])


if __name__ == "__main__":
    raise SystemExit(main())
