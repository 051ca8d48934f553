"""The tables of docs/findings.md, in Markdown, from the file of a run: nobody copies numbers by hand.

Usage: `python -m studies.tables RUN [RUN ...]`; it prints a table for each question that the runs measured. Precision has
one for each problem size; what several runs measured of it stands in one row.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import geometric_mean, median
from typing import Any, Final

from baselines.files.reading import run_path
from baselines.files.run_file import RunFileError

Record = Mapping[str, Any]
Cells = Mapping[str, str]

BY_SIZE: Final = ("out_of_the_box", "core_count_scaling", "simultaneous_multithreading", "memory_binding")
"""Questions whose table has a column for each problem size and shows the median latency."""


def main() -> int:
    """Prints the tables; 2 when a file cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m studies.tables", description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="files or folders of runs")
    try:
        records = [record for run in parser.parse_args().runs for record in records_of(run)]
    except (OSError, ValueError, RunFileError) as error:
        parser.exit(2, f"error: {error}\n")
    for question in dict.fromkeys(record["extra_info"]["question"] for record in records):
        mine = [record for record in records if record["extra_info"]["question"] == question]
        print(f"## {question}\n")
        print("\n".join(table_of(question, mine, plain_pytorch(records))), end="\n\n")
    return 0


def records_of(run: Path) -> list[Record]:
    """The benchmarks of a run that this suite wrote."""
    path = run_path(run)
    content = json.loads(path.read_text(encoding="utf-8"))
    found: list[Record] = [one for one in content["benchmarks"] if "question" in one.get("extra_info", {})]
    if not found:
        raise ValueError(f"{path}: it holds no benchmark of this suite")
    return found


def table_of(question: str, records: Sequence[Record], plain: Mapping[tuple[int, int], Sequence[float]]) -> Iterable[str]:
    """The table of one question, line by line; `plain` is what speed-ups are told against."""
    if question == "precision":
        return by_precision(records, plain)
    if question in BY_SIZE:
        return by_size(records)
    rows = {"instance_scaling": instance_row, "smart_dispatching": dispatching_row}.get(question, any_row)
    return markdown([rows(record) for record in records])


def by_size(records: Sequence[Record]) -> Iterable[str]:
    """Median latency in ms; a row for each configuration, a column for each problem size."""
    rows: dict[str, dict[str, str]] = {}
    sizes = sorted({size_of(record) for record in records})
    for record in records:
        row = rows.setdefault(configuration_of(record), {"configuration": configuration_of(record)})
        row[size_text(size_of(record))] = milliseconds(record["extra_info"]["latency_s"]["median"])
    columns = ["configuration", *map(size_text, sizes)]
    return markdown([{column: row.get(column, "") for column in columns} for row in rows.values()])


def plain_pytorch(records: Iterable[Record]) -> dict[tuple[int, int], list[float]]:
    """Median latencies of PyTorch out of the box at fp32, one per run, by problem size: what speed-ups are told against."""
    found: dict[tuple[int, int], list[float]] = {}
    for record in records:
        extra = record["extra_info"]
        if extra["question"] == "out_of_the_box" and configuration_of(record) == "pytorch-fp32":
            found.setdefault(size_of(record), []).append(extra["latency_s"]["median"])
    return found


def by_precision(records: Sequence[Record], plain: Mapping[tuple[int, int], Sequence[float]]) -> Iterable[str]:
    """A table for each problem size, the fastest first; a row for each configuration, with all the runs that measured it.

    The latency is the geometric mean of the runs' medians, with their range; the speed-up that of PyTorch out of the box, of
    the same runs, over it. The share of the limit is the runs' median.
    """
    for size in sorted({size_of(record) for record in records}):
        rows: dict[str, list[Record]] = {}
        for record in records:
            if size_of(record) == size:
                rows.setdefault(configuration_of(record), []).append(record["extra_info"])
        fastest_first = sorted(rows.items(), key=lambda row: latency_of(row[1]))
        yield f"### {size_text(size)}"
        yield ""
        yield from markdown([precision_row(name, runs, plain.get(size)) for name, runs in fastest_first])
        yield ""


def latency_of(runs: Sequence[Record]) -> float:
    """The geometric mean of the runs' median latencies, in seconds."""
    return geometric_mean([run["latency_s"]["median"] for run in runs])


def precision_row(name: str, runs: Sequence[Record], plain: Sequence[float] | None) -> Cells:
    """One configuration at one problem size, from `extra_info` of each run."""
    latencies = [run["latency_s"]["median"] for run in runs]
    shares = [share for run in runs if (share := run["work"].get("share_of_limit")) is not None]
    spread = f" ({milliseconds(min(latencies))} to {milliseconds(max(latencies))})" if len(runs) > 1 else ""
    return {
        "configuration": name,
        "latency, ms": f"{milliseconds(latency_of(runs))}{spread}",
        "samples/s": f"{geometric_mean([run['throughput_per_s'] for run in runs]):.1f}",
        "speed-up": "" if plain is None else f"{geometric_mean(plain) / latency_of(runs):.2f}",
        "largest error": f"{max(run['parity']['max_abs_error'] for run in runs):.1e}",
        "cosine": f"{min(run['parity']['cosine'] for run in runs):.6f}",
        "share of the limit": f"{median(shares):.0%}" if shares else "",
    }


def instance_row(record: Record) -> Cells:
    """One problem shared by instances: throughput, the worst instance's latency, and whether they ran beside each other."""
    extra = record["extra_info"]
    launches = sorted(launch["throughput_per_s"] for launch in extra["launches"])
    return {
        "backend": extra["configuration"]["backend"],
        "problem": size_text(size_of(record)),
        "instances x cores": f"{extra['instances']} x {len(extra['per_instance'][0]['cpus'])}",
        "samples/s": f"{extra['throughput_per_s']:.1f}",
        "range of launches": f"{launches[0]:.1f} to {launches[-1]:.1f} ({len(launches)})",
        "latency of the worst": f"{milliseconds(extra['latency_s']['median'])} ms",
        "overlap": f"{extra['overlap']:.3f}",
    }


def dispatching_row(record: Record) -> Cells:
    """One way of serving a stream."""
    extra = record["extra_info"]
    words, latency = extra["dispatching"], extra["latency_s"]
    sustained = words["sustained"] or {}
    return {
        "backend": extra["configuration"]["backend"],
        "policy": words["policy"],
        "offered": f"{words['offered_per_s']:.2f}/s",
        "median": f"{milliseconds(latency['median'])} ms",
        "p90": "" if latency["p90"] is None else f"{milliseconds(latency['p90'])} ms",
        "p99": "" if latency["p99"] is None else f"{milliseconds(latency['p99'])} ms",
        "padding": f"{words['padding_share']:.0%}",
        "highest rate that held": rate_text(sustained.get("rate_per_s")),
        "lowest that did not": rate_text(sustained.get("broken_at_per_s")),
    }


def any_row(record: Record) -> Cells:
    """One benchmark of a question that has no table of its own."""
    extra, parity, work = record["extra_info"], record["extra_info"]["parity"], record["extra_info"]["work"]
    share = work.get("share_of_limit")
    return {
        "configuration": configuration_of(record),
        "problem": size_text(size_of(record)),
        "latency": f"{milliseconds(extra['latency_s']['median'])} ms",
        "samples/s": f"{extra['throughput_per_s']:.1f}",
        "largest error": f"{parity['max_abs_error']:.1e}",
        "cosine": f"{parity['cosine']:.6f}",
        "GFLOP/s": f"{work['gflop_per_s']:.0f}",
        "share of the limit": "" if share is None else f"{share:.0%}",
    }


def configuration_of(record: Record) -> str:
    """The node id without the problem size: `pytorch-fp32-threads2`."""
    inside: str = record["name"].partition("[")[2].rstrip("]")
    return inside.rpartition("-batch")[0] or inside


def size_of(record: Record) -> tuple[int, int]:
    """(batch size, sequence length)."""
    size = record["extra_info"]["problem_size"]
    return size["batch_size"], size["sequence_length"]


def size_text(size: tuple[int, int]) -> str:
    """`8x128`."""
    return f"{size[0]}x{size[1]}"


def milliseconds(seconds: float) -> str:
    """Three significant digits, from 1000 on whole milliseconds."""
    value = 1e3 * seconds
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def rate_text(rate_per_s: float | None) -> str:
    """`8.91/s`; empty for none."""
    return "" if rate_per_s is None else f"{rate_per_s:.3g}/s"


def markdown(rows: Sequence[Cells]) -> Iterable[str]:
    """A table with the first row's columns."""
    columns = list(rows[0])
    line: Callable[[Iterable[str]], str] = lambda cells: f"| {' | '.join(cells)} |"  # noqa: E731
    yield line(columns)
    yield f"|{'---|' * len(columns)}"
    for row in rows:
        yield line(row[column].replace("|", r"\|") for column in columns)


if __name__ == "__main__":
    raise SystemExit(main())
