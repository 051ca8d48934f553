"""Files of runs with every word filled in, so that a test shows only what it is about; and checkouts to accept them in."""

from __future__ import annotations

import datetime as dt
import json
import math
import random
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baselines.__main__ import main
from baselines.comparing.comparison import compare
from baselines.report.view import View, view_of
from fixtures.backends.registry import BACKENDS
from fixtures.run.provenance import backend_words

ONE = "onnxruntime-fp32-batch1-seq32"
TWO = "pytorch-fp32-batch1-seq32"
THREE = "tensorflow-fp32-batch1-seq32"

MACHINE = "amd-25-1-2c-0a1b2c3d"
STARTED = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


def rounds_around(median_s: float, count: int = 5) -> list[float]:
    """An odd number of rounds with this median and a little spread."""
    return [median_s * (1 + 0.002 * (number - count // 2)) for number in range(count)]


def stats_of(rounds: Sequence[float], *, data: bool = True) -> dict[str, Any]:
    """`stats` as pytest-benchmark writes them."""
    first, _, third = statistics.quantiles(rounds, n=4, method="inclusive") if len(rounds) > 1 else rounds * 3
    return {
        "min": min(rounds),
        "max": max(rounds),
        "mean": statistics.fmean(rounds),
        "stddev": statistics.stdev(rounds) if len(rounds) > 1 else 0,
        "rounds": len(rounds),
        "median": statistics.median(rounds),
        "iqr": third - first,
        "q1": first,
        "q3": third,
        "iqr_outliers": 0,
        "stddev_outliers": 0,
        "outliers": "0;0",
        "ld15iqr": min(rounds),
        "hd15iqr": max(rounds),
        "ops": len(rounds) / sum(rounds),
        "total": sum(rounds),
        **({"data": list(rounds)} if data else {}),
        "iterations": 1,
    }


def benchmark(
    benchmark_id: str = ONE,
    median_s: float = 0.01,
    *,
    rounds: Sequence[float] | None = None,
    question: str = "out_of_the_box",
    configuration: Mapping[str, Any] | None = None,
    extra_info: Mapping[str, Any] | None = None,
    stats: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """One benchmark of this suite; `configuration`, `extra_info` and `stats` replace single words of it."""
    name = f"test_{question}[{benchmark_id}]"
    return {
        "group": f"{question}: batch 1, sequence 32",
        "name": name,
        "fullname": f"benchmarks/test_{question}.py::{name}",
        "params": {"backend": benchmark_id.split("-")[0], "batch_size": 1, "sequence_length": 32},
        "param": benchmark_id,
        "extra_info": {
            "question": question,
            "preset": "quick",
            "model": {"name": "bert-tiny", "config_sha256": "e5e226", "parameters": 4385920},
            "inputs": "seeded",
            "configuration": {
                "backend": benchmark_id.split("-")[0],
                "precision": "fp32",
                "threads": None,
                "cpus": [0, 1],
                "memory_policy": "default",
                **(configuration or {}),
            },
            "problem_size": {"batch_size": 1, "sequence_length": 32},
            "instances": 1,
            "throughput_per_s": 1 / median_s,
            "warm_up": {"rounds": 10, "steady": True},
            "steal_share": 0.0,
            "versions": {"torch": "2.13.0"},
            **(extra_info or {}),
        },
        "options": {"disable_gc": False, "timer": "worker_monotonic_clock", "min_rounds": 5, "max_time": 1.0},
        "stats": {**stats_of(rounds or rounds_around(median_s)), **(stats or {})},
    }


def answer(
    question: str,
    median_s: float = 0.01,
    *,
    backend: str = "pytorch",
    batch: int = 1,
    length: int = 32,
    throughput_per_s: float | None = None,
    extra_info: Mapping[str, Any] | None = None,
    **axes: str | int,
) -> dict[str, Any]:
    """One benchmark of a question as it is in a file, with the parameters that only this question has."""
    words = [f"{name}{value}" if isinstance(value, int) else value for name, value in axes.items()]
    made = benchmark(
        "-".join([backend, "fp32", *words, f"batch{batch}", f"seq{length}"]),
        median_s,
        question=question,
        configuration={"backend": backend, **{name: value for name, value in axes.items() if name == "threads"}},
        extra_info={
            "problem_size": {"batch_size": batch, "sequence_length": length},
            "instances": axes.get("instances", 1),
            "throughput_per_s": throughput_per_s or batch / median_s,
            "per_instance": [
                {"cpus": [0, 1], "thread_masks": [[[0, 1], 2]], "threads_observed": 2, "cpu_time_s": 1.9, "wall_s": 1.0}
            ],
            **(extra_info or {}),
        },
    )
    sizes = {"batch_size": batch, "sequence_length": length}
    return {**made, "params": {"backend": backend, "precision": "fp32", **axes, **sizes}}


def run_content(*benchmarks: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """The content of a run of this suite.

    `run` and `commit_info` are merged word by word, `started_day` shifts its date, any other keyword replaces a key of it.
    """
    started = STARTED + dt.timedelta(days=changes.pop("started_day", 0))
    run = {"schema": 1, "preset": "quick", "model": "bert-tiny", "inputs": "seeded", "partial": False, "not_reached": []}
    cards = {name: backend_words(name) for name in BACKENDS}
    return {
        "machine_info": {
            "machine_id": MACHINE,
            "hard": {"cpu_vendor": "AuthenticAMD"},
            "soft": {"kernel": "6.1.0", "python": "3.11.7"},
        },
        "commit_info": {"id": "1a2b3c4d5e6f7a8b9c0d", "dirty": False, **changes.pop("commit_info", {})},
        "datetime": started.isoformat(),
        "version": "5.3.1",
        "environment": {"python": "3.11.7", "packages": {"torch": {"version": "2.13.0", "local": "cpu"}}},
        "run": {**run, "backends": cards, "not_passed": {}, **changes.pop("run", {})},
        "benchmarks": list(benchmarks or (benchmark(),)),
        **changes,
    }


def run_folder(runs: Path, *benchmarks: Mapping[str, Any], **changes: Any) -> Path:
    """The folder of a run with its run.json; see `run_content`."""
    content = run_content(*benchmarks, **changes)
    folder = runs / f"{content['datetime'][:10]}_{content['commit_info']['id'][:12]}"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(content, indent=1))
    return folder


def view_of_runs(
    folder: Path, measured: Sequence[Mapping[str, Any]], accepted: Sequence[Sequence[Mapping[str, Any]]] = (), **changes: Any
) -> View:
    """What a report says of a run against runs that are named, a day apart; `changes` of the run as for `run_content`."""
    run = run_folder(folder / "runs", *measured, **{"started_day": 30, **changes})
    baseline = [run_folder(folder / "accepted", *one, started_day=day) for day, one in enumerate(accepted)]
    return view_of(compare(run, baseline, folder / "no store", demand_baseline=bool(accepted)))


def rescale(benchmark: dict[str, Any], factor: float) -> None:
    """Multiplies every time that is judged."""
    stats, extra = benchmark["stats"], benchmark["extra_info"]
    stats["data"] = [factor * seconds for seconds in stats["data"]]
    stats["median"] = statistics.median(stats["data"])
    extra["throughput_per_s"] /= factor
    for launch in extra["launches"]:
        launch["median_s"] *= factor
        launch["throughput_per_s"] /= factor


def days_before(run: Path, folder: Path, count: int = 2) -> list[Path]:
    """Copies of a run as if the days before had each differed by some 4 %, oldest first: a baseline is of three days."""
    moment = dt.datetime.fromisoformat(json.loads(run.read_text())["datetime"])
    copies = []
    for back in range(count, 0, -1):
        earlier = moment - dt.timedelta(days=back)
        path = folder / f"{earlier:%Y-%m-%dT%H%M%S}" / "run.json"
        path.parent.mkdir(parents=True)
        copy = {**json.loads(run.read_text()), "datetime": earlier.isoformat()}
        for one in copy["benchmarks"]:
            rescale(one, math.exp(random.Random(f"{back} {one['name']}").gauss(0, 0.04)))  # noqa: S311 - chance, not secrecy
        path.write_text(json.dumps(copy))
        copies.append(path)
    return copies


def git(folder: Path, *arguments: str) -> str:
    """Runs git, as somebody, and returns what it printed."""
    somebody = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", "-C", str(folder), *somebody, *arguments], capture_output=True, text=True, check=True)
    return done.stdout


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str


class Checkout:
    """A git checkout with one commit, an empty store, and runs to accept."""

    def __init__(self, folder: Path, capsys: Any) -> None:
        self.folder = folder
        self.store = folder / "baselines" / "machines"
        self.runs = folder / "runs"
        self._capsys = capsys
        folder.mkdir()
        git(folder, "init", "--quiet")
        (folder / "code.py").write_text("VERSION = 1\n")
        git(folder, "add", "code.py")
        git(folder, "commit", "--quiet", "--message", "first")

    def run(self, *benchmarks: Mapping[str, Any], **changes: Any) -> Path:
        """A run of this checkout; see `run_content`."""
        return run_folder(self.runs, *benchmarks, **changes)

    def baselines(self, *arguments: object) -> Ended:
        """`python -m baselines ARGUMENTS` on this store."""
        self._capsys.readouterr()
        code = main([*map(str, arguments), "--store", str(self.store)])
        printed = self._capsys.readouterr()
        return Ended(code=code, out=printed.out, err=printed.err)

    def accept(self, *arguments: object, reason: str | None = "measured in a test") -> Ended:
        """`python -m baselines accept ARGUMENTS`, with a reason unless it is None."""
        return self.baselines("accept", *arguments, *(("--reason", reason) if reason is not None else ()))

    def accepted(self, count: int, *benchmarks: Mapping[str, Any], first_day: int = 0) -> None:
        """Accepts runs one by one, a day apart."""
        for day in range(first_day, first_day + count):
            ended = self.accept(self.run(*benchmarks, started_day=day))
            assert ended.code == 0, ended.err

    @property
    def files(self) -> dict[str, bytes]:
        """Every file of the store, by its path in it."""
        return {str(path.relative_to(self.store)): path.read_bytes() for path in self.store.rglob("*") if path.is_file()}

    @property
    def numbers(self) -> list[str]:
        """The numbers of the accepted runs, over all models."""
        return sorted(Path(name).name[:4] for name in self.files)
