"""Scale: a full night of a c5.metal, made up, kept, judged and reported, against limits that a person and GitHub set.

Nobody here has such a machine, and a night of it is hours. So its runs are made up: the plan is what the questions ask of
that machine's topology, and each benchmark has the structure of a real one out of a run that was measured, with as many
launches, instances, rounds and CPUs as it would have there. Times follow from its arithmetic, with noise; some benchmarks
are slower in the last run, some faster, some failed, some new. Eight such runs are accepted by `python -m baselines
accept`, in a checkout of their own, and the ninth is compared and reported. All of it in a temporary folder, in about five
minutes and 2 GB.

Usage: `python -m studies.scale [RUN]`, RUN being the real one (default: the newest accepted run of this checkout that has
the most questions). It prints a table in Markdown; the exit code is 1 where a limit is exceeded.
"""

from __future__ import annotations

import argparse
import datetime as dt
import functools
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from baselines.files.run_folder import RunFileError, run_path, write_run
from baselines.files.store import MACHINES
from baselines.report.figures.shared import thinned
from fixtures.asked.layouts import layouts_of
from fixtures.asked.matrix import QUESTIONS, Axes, Benchmark, expand
from fixtures.asked.presets import PRESETS
from fixtures.machine.memory import NodeMemory
from fixtures.machine.topology import Topology
from fixtures.process.environment import REPOSITORY
from studies.loop import Record, row, table

CORES: Final = 48
C5_METAL: Final = Topology(
    sockets=2,
    numa_nodes={0: (*range(24), *range(48, 72)), 1: (*range(24, 48), *range(72, 96))},
    cores=tuple((cpu, cpu + CORES) for cpu in range(CORES)),
    usable_cpus=tuple(range(2 * CORES)),
    cpu_quota=None,
)
"""2 sockets of 24 cores with two threads each."""
BENCHMARKS: Final = 5475
"""Of the full grid on it, without memory binding."""
RUNS: Final = 8
FEW: Final = 2
"""Accepted runs, in all and where nearly nothing passes."""
LAUNCHES: Final = 5
LENGTHS: Final = (20, 32, 128, 384, 512)
MACHINE: Final = "made-up-2x24c"
BEGAN: Final = dt.datetime(2026, 1, 1, 20, tzinfo=dt.UTC)
FLOP_PER_CORE: Final = 42e9
FLOP_PER_TOKEN: Final = 2 * 85e6
BETWEEN_RUNS: Final = 0.01
BETWEEN_LAUNCHES: Final = 0.005
AMONG_ROUNDS: Final = 0.01
"""Standard deviations of the logarithm."""

MEASURED: Final = """
import runpy, sys
sys.argv[0] = "baselines"
try:
    runpy.run_module("baselines", run_name="__main__", alter_sys=True)
finally:
    (peak,) = (line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:"))
    print("peak", peak, file=sys.stderr)
"""
"""`python -m baselines`, and the most memory that it had at a time."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A command of baselines that has ended."""

    code: int
    text: str
    wall_s: float
    cpu_s: float
    peak_bytes: int


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured number and the limit of it."""

    what: str
    value: float
    limit: float
    unit: str

    @property
    def kept(self) -> bool:
        """Whether it is within its limit."""
        return self.value <= self.limit

    @property
    def cells(self) -> tuple[str, ...]:
        """A row of the table."""
        told = [f"{value:,.0f}" if self.unit == "lines" else f"{value:.3g}" for value in (self.value, self.limit)]
        return (self.what, f"{told[0]} {self.unit}", f"{told[1]} {self.unit}", "" if self.kept else "too much")


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A benchmark of a night, and where it would run."""

    question: str
    benchmark: Benchmark

    @property
    def fullname(self) -> str:
        """Its node id."""
        return f"benchmarks/test_{self.question}.py::test_{self.question}[{self.benchmark.id}]"

    @functools.cached_property
    def instances(self) -> tuple[tuple[int, ...], ...]:
        """The CPUs of each instance."""
        values = self.benchmark.layout.values
        if "cores" in values:
            return (C5_METAL.pick_siblings(int(values["cores"]), int(values["threads"])),)
        if "threads" in values:
            return (C5_METAL.pick_cpus(int(values["threads"])),)
        if "instances" in values:
            return C5_METAL.share_cpus(int(values["instances"]))
        return (C5_METAL.usable_cpus,)

    @property
    def truth_s(self) -> float:
        """What a forward pass takes, by its arithmetic."""
        share = self.benchmark.problem_size.share(len(self.instances))
        flop = share.batch_size * share.sequence_length * FLOP_PER_TOKEN
        return 0.002 + flop / (FLOP_PER_CORE * min(CORES, len(self.instances[0])))


def plan() -> list[Planned]:
    """The full grid on a c5.metal, evenly thinned to BENCHMARKS."""
    axes = Axes.of(PRESETS["full"], C5_METAL)
    memory = NodeMemory(with_memory=(0, 1), allowed=(0, 1), distances={}, balancing=None)
    planned = [
        Planned(question=question.name, benchmark=one)
        for question in QUESTIONS.values()
        if question.name != "memory_binding"
        for one in expand(question, axes, layouts_of(question.name, axes, C5_METAL, memory), lambda *_: None)
        if one.skip is None or question.name == "runtime_tuning"  # its skips are those of this machine
    ]
    return thinned(planned, BENCHMARKS)


class Maker:
    """Makes up runs with the structure of a real one."""

    def __init__(self, real: Mapping[str, Any]) -> None:
        self.real = real
        self.plan = plan()
        self.chance = random.Random(1)  # noqa: S311 - noise, no secret

    def template(self, one: Planned) -> Record:
        """The real benchmark that is most like a planned one: of its question and its backend, if there is one."""
        return max(
            self.real["benchmarks"],
            key=lambda made: (
                made["extra_info"]["question"] == one.question,
                made["extra_info"]["configuration"]["backend"] == one.benchmark.backend,
            ),
        )

    @functools.cached_property
    def templates(self) -> dict[str, Record]:
        """By node id."""
        by_kind: dict[tuple[str, str], Record] = {}
        for one in self.plan:
            if (one.question, one.benchmark.backend) not in by_kind:
                by_kind[one.question, one.benchmark.backend] = self.template(one)
        return {one.fullname: by_kind[one.question, one.benchmark.backend] for one in self.plan}

    def run(self, day: int, *, last: bool) -> dict[str, Any]:
        """The content of a run.json; the last one has what a reader looks for."""
        mood = self.chance.gauss(0, 0.003)
        benchmarks, failed = [], {}
        for place, one in enumerate(self.plan):
            if place % 100 == 7 and not last:
                continue  # new in the last one
            if place % 100 == 3 and last:
                failed[one.fullname] = {"outcome": "failed", "reason": "WorkerDied: signal 9 while it was measured"}
                continue
            factor = 1.0
            if last and place % 20 == 1:
                factor = self.chance.uniform(1.05, 1.3)
            elif last and place % 20 == 2:
                factor = 1 / self.chance.uniform(1.05, 1.3)
            noise = math.exp(mood + self.chance.gauss(0, BETWEEN_RUNS))
            benchmarks.append(self.benchmark(one, one.truth_s * factor * noise))
        real, began = self.real, (BEGAN + dt.timedelta(days=day)).isoformat()
        words = {key: value for key, value in real["run"].items() if key not in ("verdicts", "skipped")}
        return {
            **{key: real[key] for key in ("version", "environment")},
            "machine_info": {**real["machine_info"], "machine_id": MACHINE},
            "commit_info": {**real["commit_info"], "id": "1a2b3c4d5e6f7a8b9c0d", "dirty": False},
            "datetime": began,
            "run": {
                **words,
                "preset": "full",
                "partial": False,
                "not_reached": [],
                "not_passed": failed,
                "verdicts": self.verdicts(benchmarks),
            },
            "benchmarks": benchmarks,
        }

    def verdicts(self, benchmarks: Sequence[Record]) -> dict[str, Any]:
        """What a session says of itself, in as many words; against runs that are not there, so that it is judged anew."""
        (*_, one) = self.real["run"].get("verdicts", {}).get("judgements", {}).values() or [{"verdict": "new", "reason": ""}]
        return {"baseline": ["not there"], "judgements": {each["fullname"]: one for each in benchmarks}, "missing": {}}

    def benchmark(self, one: Planned, value_s: float) -> dict[str, Any]:
        """One benchmark as pytest-benchmark writes it."""
        template, chance, size = self.templates[one.fullname], self.chance, one.benchmark.problem_size
        each = [value_s * (1 + chance.gauss(0, BETWEEN_LAUNCHES)) for _ in range(LAUNCHES)]
        middle = statistics.median(each)
        rounds = [middle * (1 + chance.gauss(0, AMONG_ROUNDS)) for _ in range(max(5, min(1000, round(1 / middle))))]
        median_s = statistics.median(rounds)
        return {
            **template,
            "group": f"{one.question}: batch {size.batch_size}, sequence {size.sequence_length}",
            "name": one.fullname.partition("::")[2],
            "fullname": one.fullname,
            "params": one.benchmark.parameters,
            "param": one.benchmark.id,
            "extra_info": {
                **template["extra_info"],
                **self.words(one, template["extra_info"], [*each[:2], median_s, *each[3:]], len(rounds)),
                "latency_s": {**template["extra_info"]["latency_s"], "median": median_s, "max": max(rounds)},
                "throughput_per_s": size.batch_size / median_s,
            },
            "stats": {**template["stats"], **stats_of(rounds), "median": median_s, "data": rounds},
        }

    def words(self, one: Planned, real: Record, launches_s: Sequence[float], rounds: int) -> dict[str, Any]:
        """What a result says of its configuration, instances, CPUs and launches."""
        size, instances = one.benchmark.problem_size, one.instances
        own = {
            "backend": one.benchmark.backend,
            "precision": one.benchmark.precision,
            "threads": one.benchmark.layout.values.get("threads"),
            "cpus": [cpu for mine in instances for cpu in mine],
        }
        first, launch = (
            {**(real.get("per_instance") or [{}])[0], "rounds": rounds},
            {**real["launches"][0], "rounds": rounds},
        )
        return {
            "question": one.question,
            "preset": "full",
            "configuration": {**real["configuration"], **own},
            "problem_size": {"batch_size": size.batch_size, "sequence_length": size.sequence_length},
            "instances": len(instances),
            "per_instance": [
                {**first, "cpus": list(mine), "thread_masks": [[list(mine), 2 * len(mine)]]} for mine in instances
            ],
            "launches": [
                {**launch, "median_s": took_s, "throughput_per_s": size.batch_size / took_s} for took_s in launches_s
            ],
            "cpu_busy": {str(cpu): round(self.chance.uniform(0, 1), 3) for cpu in C5_METAL.usable_cpus},
        }


def stats_of(rounds: Sequence[float]) -> dict[str, float]:
    """What a table shows, of rounds."""
    ordered = sorted(rounds)
    quarter = len(ordered) // 4
    return {
        "min": ordered[0],
        "max": ordered[-1],
        "mean": statistics.fmean(rounds),
        "q1": ordered[quarter],
        "q3": ordered[-1 - quarter],
        "rounds": len(rounds),
        "total": sum(rounds),
    }


def command(checkout: Path, *arguments: object) -> Ended:
    """Runs `python -m baselines` on the store of a checkout, and measures it.

    Raises:
        RunFileError: it refused, or could not do it; with what it said.
    """
    words = [sys.executable, "-c", MEASURED, *map(str, arguments), "--store", str(checkout / "baselines" / "machines")]
    before, began = os.times(), time.monotonic()
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    wall_s, after = time.monotonic() - began, os.times()
    if done.returncode not in (0, 1) or "peak " not in done.stderr:
        raise RunFileError(f"python -m baselines {arguments[0]} ended with {done.returncode}: {done.stderr[-2000:]}")
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    peak_bytes = int(done.stderr.rpartition("peak ")[2]) * 1024
    return Ended(code=done.returncode, text=done.stdout, wall_s=wall_s, cpu_s=cpu_s, peak_bytes=peak_bytes)


def begin(checkout: Path) -> None:
    """A git checkout with one commit and an empty store."""
    somebody = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org", "-c", "commit.gpgsign=false")
    checkout.mkdir()
    (checkout / "code.py").write_text("")
    for words in (("init", "--quiet"), ("add", "code.py"), ("commit", "--quiet", "--message", "first")):
        subprocess.run(["git", "-C", str(checkout), *somebody, *words], check=True)  # noqa: S607 - the one on PATH


def written(folder: Path, content: Mapping[str, Any]) -> Path:
    """The folder of a run."""
    folder.mkdir(parents=True)
    write_run(folder, content)
    return folder


def measure(real: Mapping[str, Any], folder: Path) -> Iterator[Figure]:
    """Makes the runs up, accepts all but the last, compares and reports that, against all of them and against two.

    Two accepted runs are too few to know their spread, so that nearly nothing passes: that is the longest that a report is.
    """
    maker, checkout, few = Maker(real), folder / "checkout", folder / "few"
    begin(checkout)
    begin(few)
    for number in range(RUNS):
        run = written(checkout / "runs" / f"{number}", maker.run(number, last=False))
        for store in (checkout, few) if number < FEW else (checkout,):
            accept = command(store, "accept", run, "--accept-regression", "--reason", "made up")
        said = f"accepted {number + 1} of {RUNS} in {accept.cpu_s:.1f} s of CPU time, {accept.peak_bytes / 1e6:.0f} MB"
        print(f"{said}; run.json {(run / 'run.json').stat().st_size / 1e6:.1f} MB", file=sys.stderr, flush=True)
    files = list((checkout / "baselines" / "machines").rglob("*.json"))
    yield Figure(what="accepted file", value=max(one.stat().st_size for one in files) / 1e6, limit=12, unit="MB")
    run = written(checkout / "runs" / "last", maker.run(RUNS, last=True))
    for store, runs in ((checkout, RUNS), (few, FEW)):
        yield from compared(store, run, f"{runs} accepted")
        yield from reported(store, run, f"{runs} accepted")


def compared(checkout: Path, run: Path, against: str) -> Iterator[Figure]:
    """What `compare` takes, and how much it prints."""
    ended = command(checkout, "compare", run)
    yield Figure(what=f"{against}: `compare`, wall time", value=ended.wall_s, limit=10, unit="s")
    yield Figure(what=f"{against}: `compare`, CPU time", value=ended.cpu_s, limit=10, unit="s")
    yield Figure(what=f"{against}: `compare`, memory", value=ended.peak_bytes / 1e9, limit=1, unit="GB")
    yield Figure(what=f"{against}: terminal", value=len(ended.text.splitlines()), limit=200, unit="lines")


def reported(checkout: Path, run: Path, against: str) -> Iterator[Figure]:
    """What `report` takes, and how large its files are."""
    ended = command(checkout, "report", run)
    yield Figure(what=f"{against}: `report`, wall time", value=ended.wall_s, limit=20, unit="s")
    yield Figure(what=f"{against}: `report`, CPU time", value=ended.cpu_s, limit=20, unit="s")
    yield Figure(what=f"{against}: `report`, memory", value=ended.peak_bytes / 1e9, limit=1, unit="GB")
    page, summary, verdicts = (run / "report" / name for name in ("report.html", "report.md", "verdicts.json"))
    yield Figure(what=f"{against}: page", value=page.stat().st_size / 1e6, limit=5, unit="MB")
    yield Figure(what=f"{against}: Markdown", value=summary.stat().st_size / 1e3, limit=900, unit="kB")
    counts = json.loads(verdicts.read_text(encoding="utf-8"))["counts"]
    print(f"{against}: {', '.join(f'{count} {verdict}' for verdict, count in counts.items())}", file=sys.stderr)


def real_run(named: Path | None) -> dict[str, Any]:
    """The content of a run that was measured; of the accepted ones that with the most questions."""
    paths = [run_path(named)] if named else sorted(MACHINES.glob("*/*/*.json"))
    contents = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    return max(contents, key=lambda one: len({each["extra_info"]["question"] for each in one["benchmarks"]}))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and prints; 1 where a limit is exceeded, 2 where a file cannot be read."""
    parser = argparse.ArgumentParser(
        prog="python -m studies.scale", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", nargs="?", type=Path, help="the real one: file or folder (default: an accepted one)")
    options = parser.parse_args(arguments)
    figures = []
    try:
        real = real_run(options.run)
        print(*table("what | measured | limit | ", []), sep="\n", flush=True)
        with tempfile.TemporaryDirectory(prefix="scale-") as folder:
            for figure in measure(real, Path(folder)):
                figures.append(figure)
                print(row(figure.cells), flush=True)
    except (OSError, ValueError, RunFileError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0 if all(figure.kept for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
