"""How often is a duet wrong, and what does it find? Real sessions of an environment against itself, some with extra work.

Clean sessions and sessions with extra work take turns. In a session with extra work each benchmark draws a share of --shares
or none; the measured side executes it after each forward pass (studies/extra_work.py) and its twin does not. It is a share
of what the reference took in the newest clean session, or, with `--clean 0`, of what a run without a duet just took.

With --wider every thread of the measured side has more to do: its model has more units in every layer, in all benchmarks of
the backends that are named (studies/wider_model.py). --shares then says what that is meant to be; a session on quiet cores
shows what it is. With --change the measured side has a thread fewer, or PyTorch's eager attention, and who knows beforehand
what that costs? With --load something else keeps one core busy in the duets.

Usage: `python -m studies.duet measure [--clean N] [--slowed N] [--load]`, which appends a line per session to
studies/data/duet.jsonl, and `python -m studies.duet show`, which prints Markdown of all there is (studies/duet_tables.py).
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import shlex
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from fixtures.asked.settings import DUET_LAUNCHES
from fixtures.machine.topology import Topology
from fixtures.model.prepared import PreparationError
from fixtures.process.environment import REPOSITORY
from studies import duet_tables
from studies.error_rates import RUNS, StudyError, rounded
from studies.extra_work import CHANGE, CHANGES, DRAWN, EAGER_ATTENTION, PLAN, SLOWED, WORK, drawn_plan, step_s
from studies.peers import call_slower
from studies.wider_model import WIDER, parse_units, prepare_wider

DATA: Final = Path(__file__).resolve().parent / "data" / "duet.jsonl"
RULE: Final = 3
"""Of a duet, as a record names it. 1: turns of 50 ms, as long as the options ask for, their median. 2: turns of 20 ms until
they are precise, their interquartile mean. 3: threads held one to a CPU in a turn, and up to three looks, the last with four
times the launch pairs of the first.
"""
QUESTIONS: Final = "out_of_the_box,core_count_scaling"
ShareOf = Callable[[Mapping[str, Any]], float | None]
"""Of a benchmark of run.json, how much more work it had; None where nobody knows."""


@contextlib.contextmanager
def load_on_one_core(wanted: bool) -> Iterator[None]:
    """Keeps the last usable CPU busy meanwhile, where that is wanted."""
    if not wanted:
        yield
        return
    cpu = Topology.of_this_process().usable_cpus[-1]
    code = f"""
import os
from fixtures.process.ending import die_with
die_with({os.getpid()})
os.sched_setaffinity(0, [{cpu}])
while True: pass
"""
    busy = subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY)
    try:
        yield
    finally:
        busy.kill()
        busy.wait()


def twin_without_work(folder: Path) -> Path:
    """An interpreter with our packages whose workers find no extra work in their environment."""
    path = folder / "twin-python"
    path.write_text(f'#!/bin/sh\nunset {" ".join(WORK)}\nexec {shlex.quote(sys.executable)} "$@"\n', encoding="utf-8")
    path.chmod(0o755)
    return path


def session(
    folder: Path, options: argparse.Namespace, work: Mapping[str, str], *, duet: bool = True
) -> tuple[dict[str, Any], int, float]:
    """One pytest session, a duet or an undisturbed run: its run.json, its exit code, and how long it took in seconds.

    `work` are the variables that make the measured side slower.
    """
    before = set(folder.glob("runs/*"))
    files = [f"benchmarks/test_{question}.py" for question in options.questions.split(",")]
    command = [sys.executable, "-m", "pytest", *files, "--benchmark-only", "-p", "no:cacheprovider"]
    command += ["-p", "studies.extra_work"]
    command += ["--preset=quick", "--runs", str(folder / "runs"), "--model", options.model, "--backends", options.backends]
    command += ["--batch-sizes", options.batch_sizes, "--sequence-lengths", options.sequence_lengths]
    command += ["--benchmark-max-time", str(options.max_time)]
    if duet:
        command += ["--launches", str(options.launches)]
        command += ["--reference-python", str(twin_without_work(folder)) if work else "self"]
    else:
        command += ["--store", str(folder / "store"), "--no-limit"]
    if options.threads:
        command += ["--threads", options.threads]
    environment = {name: value for name, value in os.environ.items() if name not in WORK} | dict(work)
    began = time.monotonic()
    with load_on_one_core(options.load and duet):
        done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    wall_s = time.monotonic() - began
    found = [one for one in set(folder.glob("runs/*")) - before if (one / "run.json").exists()]
    if len(found) != 1 or done.returncode not in (0, 1):
        raise StudyError(f"a session ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    content: dict[str, Any] = json.loads((found[0] / "run.json").read_text(encoding="utf-8"))
    if not content["benchmarks"]:
        raise StudyError(f"a session measured nothing:\n{done.stdout}{done.stderr}")
    return content, done.returncode, wall_s


def backend_of(benchmark: Mapping[str, Any]) -> str:
    """The word for its backend."""
    return str(benchmark["extra_info"]["configuration"]["backend"])


def forward_s(benchmark: Mapping[str, Any]) -> float:
    """What a forward pass of a benchmark took the reference; of a run without a duet, what it took."""
    if "duet" in benchmark["extra_info"]:
        return reference_s(benchmark)
    return float(benchmark["stats"]["median"])


def reference_s(benchmark: Mapping[str, Any]) -> float:
    """What a forward pass of a benchmark took the reference."""
    return statistics.median(float(one["reference_s"]) for one in benchmark["extra_info"]["duet"]["launches"])


def record_of(content: Mapping[str, Any], code: int, wall_s: float, share_of: ShareOf) -> dict[str, Any]:
    """What one session gave."""
    benchmarks = {}
    for benchmark in content["benchmarks"]:
        duet = benchmark["extra_info"]["duet"]
        benchmarks[benchmark["fullname"]] = {
            "backend": backend_of(benchmark),
            "share": share_of(benchmark),
            **{key: duet[key] for key in ("verdict", "ratio", "interval", "smallest_visible", "degrees_of_freedom")},
            "log_ratios": [one["log_ratio"] for one in duet["launches"]],
            "measured_first": [one["order"] == "measured first" for one in duet["launches"]],
            "reference_s": reference_s(benchmark),
            "turns": [len(one["turns_s"]) for one in duet["launches"]],
            "standard_errors": [one["standard_error"] for one in duet["launches"]],
            "peers": call_slower(*zip(*duet["launches"][0]["turns_s"], strict=True)),
            "others_share": max((one["others_share"] or 0.0 for one in duet["launches"]), default=0.0),
        }
    packages = content["environment"]["packages"]
    return {
        "machine": content["machine_info"]["machine_id"],
        "run": content["datetime"],
        "model": content["run"]["model"],
        "versions": {name: packages[name]["version"] for name in ("torch", "tensorflow", "onnxruntime") if name in packages},
        "exit_code": code,
        "looks": content["run"]["duet"]["looks"],
        "regressed_together": content["run"]["duet"]["regressed_together"],
        "not_measured": content["run"]["not_measured"],
        "wall_s": round(wall_s, 1),
        "benchmarks": rounded(benchmarks),
    }


def parse_shares(text: str) -> list[float]:
    """Shares of extra work, of "0.03,0.05".

    Raises:
        argparse.ArgumentTypeError: they are no positive numbers.
    """
    try:
        shares = [float(word) for word in text.split(",")]
    except ValueError:
        shares = []
    if not shares or min(shares) <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} are no shares: numbers above 0, as in 0.03,0.05")
    return shares


def slowing(
    options: argparse.Namespace, folder: Path, newest: Mapping[str, Any] | None, one_step_s: float
) -> tuple[dict[str, str], ShareOf]:
    """What makes the measured side of a session slower: variables for its workers, and by what share each benchmark."""
    if options.wider:
        plan = prepare_wider(options.model, options.wider, folder)
        return {WIDER: json.dumps(plan)}, lambda one: options.shares[0] if backend_of(one) in plan else 0.0
    if options.change:
        return {CHANGE: options.change}, lambda _: None
    unchanged = newest or session(folder, options, {}, duet=False)[0]
    steps, drawn = drawn_plan(unchanged["benchmarks"], forward_s, options.shares, one_step_s, options.drawn)
    return {PLAN: json.dumps(steps)} if steps else {}, lambda one: drawn.get(one["fullname"], 0.0)


def measure(options: argparse.Namespace, folder: Path) -> None:
    """The study; a line per session is on disk as soon as it has ended."""
    started = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M}"
    one_step_s = step_s()
    print(f"a step of extra work takes {one_step_s * 1e6:.2f} us", file=sys.stderr)
    options.data.parent.mkdir(parents=True, exist_ok=True)
    kinds = [
        kind
        for pair in range(max(options.clean, options.slowed))
        for kind, count in (("clean", options.clean), ("slowed", options.slowed))
        if pair < count
    ]
    newest: dict[str, Any] | None = None
    for number, kind in enumerate(kinds):
        work, share_of = slowing(options, folder, newest, one_step_s) if kind == "slowed" else ({}, lambda _: 0.0)
        content, code, wall_s = session(folder, options, work)
        if kind == "clean":
            newest = content
        words = {"study": started, "rule": RULE, "load": options.load}
        how = {"wider": options.wider if WIDER in work else {}, "change": work.get(CHANGE)}
        record = {**words, **how, **record_of(content, code, wall_s, share_of)}
        with options.data.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record, allow_nan=False) + "\n")
        counts = Counter(one["verdict"] for one in record["benchmarks"].values())
        print(f"{number + 1} of {len(kinds)}, {kind}: {dict(counts)} in {wall_s:.0f} s", file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; 2 when the study cannot go on."""
    parser = argparse.ArgumentParser(
        prog="python -m studies.duet", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("measure", "show"))
    parser.add_argument("--clean", type=int, default=5, help="sessions with nothing changed (%(default)s)")
    parser.add_argument("--slowed", type=int, default=5, help="sessions with extra work (%(default)s)")
    parser.add_argument("--shares", type=parse_shares, default="0.01,0.02,0.03,0.05,0.1", help="extra work (%(default)s)")
    parser.add_argument("--drawn", type=float, default=DRAWN, help="chance that a benchmark gets some (%(default).2f)")
    parser.add_argument(
        "--wider",
        type=parse_units,
        default={},
        metavar="BACKEND=UNITS,...",
        help="slow these by a model that is wider by so many units, in place of work on one core",
    )
    parser.add_argument("--change", choices=CHANGES, help="slow all by this, in place of work on one core")
    parser.add_argument("--questions", default=QUESTIONS, help="%(default)s")
    parser.add_argument("--load", action="store_true", help="keep one core busy with something else meanwhile")
    parser.add_argument("--model", default="bert-base-cased", help="%(default)s")
    parser.add_argument("--backends", default="pytorch,tensorflow_xla,onnxruntime", help="%(default)s")
    parser.add_argument("--batch-sizes", default="1", help="%(default)s")
    parser.add_argument("--sequence-lengths", default="32,64,128", help="%(default)s")
    parser.add_argument("--threads", default="", help="of core_count_scaling (all that are possible)")
    parser.add_argument("--launches", type=int, default=DUET_LAUNCHES, help="launch pairs (%(default)s)")
    parser.add_argument("--max-time", type=float, default=1.0, help="seconds of rounds of each side a launch (%(default)s)")
    parser.add_argument("--data", type=Path, default=DATA, help="studies/data/duet.jsonl")
    options = parser.parse_args(arguments)
    if options.command == "measure" and options.clean + options.slowed < 1:
        parser.error("--clean 0 --slowed 0: nothing would be measured; give at least one session of either")
    if options.wider and len(options.shares) != 1:
        parser.error("--wider needs --shares to be one number, what the units are meant to be, as in --shares 0.05")
    if options.change and (options.wider or options.questions != "out_of_the_box"):
        parser.error(f"--change {options.change}: give --questions out_of_the_box with it, and no --wider")
    if options.change == EAGER_ATTENTION and options.backends != "pytorch":
        parser.error(f"--change {options.change}: only PyTorch has it; give --backends pytorch with it")
    if idle := set(options.wider) - set(options.backends.split(",")):
        parser.error(f"--wider {', '.join(sorted(idle))}: not among --backends {options.backends}; nothing would be slower")
    if unknown := set(options.wider) - {backend.name for backend in SLOWED}:
        parser.error(
            f"--wider {', '.join(sorted(unknown))}: only {', '.join(one.name for one in SLOWED)} can be made slower"
        )
    try:
        if options.command == "show":
            print(duet_tables.show(options.data))
        else:
            folder = RUNS / f"duet-{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%SZ}"
            folder.mkdir(parents=True)
            measure(options, folder)
    except (StudyError, PreparationError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
