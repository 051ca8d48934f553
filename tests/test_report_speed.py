"""A large report: 2,000 benchmarks against 8 accepted runs, in seconds and within memory."""

from __future__ import annotations

import datetime as dt
import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from baselines.files.accepted_file import to_text
from tests.builders import MACHINE, STARTED, answer, benchmark, run_content, run_folder
from tests.suite import REPOSITORY

BENCHMARKS = 2000
RUNS = 8
ROUNDS = 50

MEASURED = """
import sys
from baselines.__main__ import main
code = main(sys.argv[1:])
(peak,) = (line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:"))
print("peak", peak)
sys.exit(code)
"""

AS_LARGE_AS_REAL_ONES: dict[str, Any] = {
    "per_instance": [
        {"cpus": [0, 1], "thread_masks": [[[0, 1], 4]], "threads_observed": 2, "cpu_time_s": 1.996299252,
         "wall_s": 1.0010270389998368, "median_s": 0.0059170539998376626, "rounds": 168, "peak_rss_bytes": 113168384,
         "pinned_by_framework": 0, "pool": {"intra_op": 2, "inter_op": 1}}
    ],
    "latency_s": {"median": 0.0059170539998376626, "p90": 0.00611494099994161, "p99": None, "max": 0.0074528350000946375},
    "overlap": 1.0,
    "parity": {"max_abs_error": 1.6689300537109375e-06, "cosine": 0.9999999999999823, "tolerance": 0.001},
    "start_up_s": {"import": 0.100186422, "load": 0.029107424, "compile": 7.9e-06, "first_round": 0.010813349},
    "graph": {f"AFusedOperatorNumber{number}": number for number in range(16)},
    "work": {"flop": 939786240, "gflop_per_s": 158.82671343303332, "share_of_limit": None},
}  # fmt: skip


def benchmarks_of_a_run(seed: int, *, slow: int = 0) -> list[dict[str, Any]]:
    """All benchmarks with their rounds in whole nanoseconds; so many of them are half as slow again."""
    chance = random.Random(seed)  # noqa: S311 - noise, no secret
    run_wide = chance.gauss(1, 0.005)
    (template,) = [benchmark(extra_info=AS_LARGE_AS_REAL_ONES, rounds=[0.01] * ROUNDS)]
    made = []
    for number in range(BENCHMARKS):
        median_s = 0.001 * (1 + number % 97) * run_wide * chance.gauss(1, 0.01) * (1.5 if number < slow else 1)
        rounds = [round(median_s * (1 + 0.0001 * place), 9) for place in range(-ROUNDS // 2, ROUNDS // 2)]
        name = f"test_out_of_the_box[pytorch-fp32-batch{number}-seq32]"
        made.append(
            {
                **template,
                "name": name,
                "fullname": f"benchmarks/test_out_of_the_box.py::{name}",
                "param": f"pytorch-fp32-batch{number}-seq32",
                "stats": {**template["stats"], "median": (rounds[24] + rounds[25]) / 2, "data": rounds},
            }
        )
    return made


def filled_store(machines: Path) -> None:
    """A store with the accepted runs of one machine and model."""
    folder = machines / MACHINE / "bert-tiny"
    folder.mkdir(parents=True)
    for number in range(1, RUNS + 1):
        content = run_content(*benchmarks_of_a_run(number), started_day=number)
        accepted = (STARTED + dt.timedelta(days=number)).isoformat()
        words = {"schema": 1, "reason": "a test", "accepted": accepted, "commit": "0" * 40, "run": f"run {number}"}
        text = to_text({**content, "baseline": {**words, "whole": True}})
        (folder / f"{number:04}_1a2b3c4d5e6f_2026-03-01.json").write_text(text)


def test_two_thousand_benchmarks_against_eight_runs(tmp_path: Path) -> None:
    """Read, judged and reported in 500 MB and, on a machine that does nothing else, in 5 s; three times that is allowed."""
    filled_store(tmp_path / "machines")
    run = run_folder(tmp_path / "runs", *benchmarks_of_a_run(0, slow=20), started_day=30)
    command = [sys.executable, "-c", MEASURED, "report", str(run), "--store", str(tmp_path / "machines")]
    began = time.monotonic()
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    took_s = time.monotonic() - began
    assert done.returncode == 0, done.stderr
    content = json.loads((run / "report" / "verdicts.json").read_text())
    assert len(content["judgements"]) == BENCHMARKS
    assert content["counts"]["regressed"] >= 20
    assert int(done.stdout.split("peak ")[1]) < 500 * 1000, done.stdout  # kB; ru_maxrss counts the parent too
    assert (run / "report" / "report.html").stat().st_size < 5e6
    assert took_s < 15, f"{took_s:.1f} s"


def a_night(seed: int) -> list[dict[str, Any]]:
    """A thousand benchmarks over all questions, as a nightly run has them, with their rounds."""
    chance = random.Random(seed)  # noqa: S311 - noise, no secret
    sizes = [(batch, length) for batch in (1, 4, 8, 16, 32, 128) for length in (20, 32, 128, 384, 512)]
    backends = ("pytorch", "torchscript", "torch_compile", "tensorflow", "tensorflow_graph", "tensorflow_xla", "onnxruntime")
    layouts: list[tuple[str, dict[str, str | int]]] = [
        ("out_of_the_box", {}),
        *(("core_count_scaling", {"threads": count}) for count in (1, 8, 24, 48)),
        *(("instance_scaling", {"instances": count}) for count in (1, 2, 4, 8)),
        *(
            ("memory_binding", {"memory": place})
            for place in ("local", "interleave", "remote", "one_socket", "both_sockets")
        ),
        *(("simultaneous_multithreading", {"cores": cores, "threads": 24}) for cores in (12, 24)),
    ]
    made = []
    for backend in backends:
        for question, axes in layouts:
            for batch, length in sizes:
                if len(made) < 1000 and (question != "memory_binding" or batch < 8):
                    seconds = 1e-4 * batch * length * chance.gauss(1, 0.01)
                    one = answer(question, seconds, backend=backend, batch=batch, length=length, extra_info=None, **axes)
                    one["extra_info"] = {
                        **AS_LARGE_AS_REAL_ONES,
                        **one["extra_info"],
                        "cpu_busy": {str(cpu): 1.0 for cpu in range(96)},
                    }
                    one["stats"] |= {"data": [seconds * (1 + 1e-4 * (place - 24.5)) for place in range(ROUNDS)]}
                    one["stats"] |= {"median": seconds}
                    made.append(one)
    return made


@pytest.mark.slow
def test_a_thousand_benchmarks_of_a_night_against_eight_runs(tmp_path: Path) -> None:
    """All figures, in 10 s and 5 MB; what it took is printed (-s)."""
    baseline = [run_folder(tmp_path / f"accepted{day}", *a_night(day), started_day=day) for day in range(RUNS)]
    run = run_folder(tmp_path / "runs", *a_night(99), started_day=30)
    command = [sys.executable, "-m", "baselines", "report", str(run), "--against", *map(str, baseline)]
    began = time.monotonic()
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    took_s = time.monotonic() - began
    assert done.returncode == 0, done.stderr
    text = (run / "report" / "report.html").read_text()
    print(f"{took_s:.1f} s, {len(text.encode()) / 1e6:.2f} MB, {text.count('<svg')} drawings")
    assert len(text.encode()) < 5e6
    assert took_s < 30, f"{took_s:.1f} s; 10 s on a machine that does nothing else"
