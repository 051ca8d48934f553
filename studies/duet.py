"""How often is a duet wrong, and what does it find? Real sessions of an environment against itself, some with extra work.

Usage: `python -m studies.duet measure [--clean N] [--slowed N] [--load]`, which appends a line per session to
studies/data/duet.jsonl, and `python -m studies.duet show`, which prints Markdown of all there is (studies/duet_tables.py).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from fixtures.asked.reference_asked import DUET_LAUNCHES
from fixtures.machine.topology import Topology
from fixtures.process.environment import REPOSITORY
from studies import duet_tables, loop
from studies.extra_work import CHANGE, CHANGES, DRAWN, EAGER_ATTENTION, SLOWED, WIDER, WORK, drawn, forward_s, work_for
from studies.loop import One, Record, Session, parse_shares
from studies.peers import call_slower
from studies.wider_model import parse_units, prepare_wider

RULE: Final = 3
"""Of a duet, as a record names it. 1: turns of 50 ms, as long as the options ask for, their median. 2: turns of 20 ms until
they are precise, their interquartile mean. 3: threads held one to a CPU in a turn, and up to three looks, the last with four
times the launch pairs of the first.
"""
QUESTIONS: Final = "out_of_the_box,core_count_scaling"
ShareOf = Callable[[Record], float | None]
"""Of a benchmark of run.json, how much more work it had; None where nobody knows."""


@contextlib.contextmanager
def load_on_one_core() -> Iterator[None]:
    """Keeps the last usable CPU busy meanwhile."""
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


def session(folder: Path, options: argparse.Namespace, work: Mapping[str, str], *, duet: bool = True) -> Session:
    """One session, a duet or an undisturbed run; `work` are the variables that make the measured side slower."""
    words = [f"benchmarks/test_{question}.py" for question in options.questions.split(",")]
    words += ["--model", options.model, "--backends", options.backends, "--batch-sizes", options.batch_sizes]
    words += ["--sequence-lengths", options.sequence_lengths, "--benchmark-max-time", str(options.max_time)]
    words += ["--threads", options.threads] if options.threads else []
    if not duet:
        return loop.session(folder, *words, "--no-limit", work=work)
    twin = str(twin_without_work(folder)) if work else "self"
    with load_on_one_core() if options.load else contextlib.nullcontext():
        return loop.session(folder, *words, "--launches", str(options.launches), "--reference", twin, work=work)


def backend_of(benchmark: Record) -> str:
    """The word for its backend."""
    return str(benchmark["extra_info"]["configuration"]["backend"])


def record_of(ended: Session, share_of: ShareOf) -> dict[str, Any]:
    """What one session gave."""
    benchmarks = {}
    for benchmark in ended.content["benchmarks"]:
        duet = benchmark["extra_info"]["duet"]
        launches = duet["launches"]
        benchmarks[benchmark["fullname"]] = {
            "backend": backend_of(benchmark),
            "share": share_of(benchmark),
            **{key: duet[key] for key in ("verdict", "ratio", "interval", "smallest_visible", "degrees_of_freedom")},
            "log_ratios": [one["log_ratio"] for one in launches],
            "measured_first": [one["order"] == "measured first" for one in launches],
            "reference_s": forward_s(benchmark),
            "turns": [len(one["turns_s"]) for one in launches],
            "standard_errors": [one["standard_error"] for one in launches],
            "peers": call_slower(*({"data": turns_s} for turns_s in zip(*launches[0]["turns_s"], strict=True))),
            "others_share": max((one["others_share"] or 0.0 for one in launches), default=0.0),
        }
    run = ended.content["run"]
    return {
        **ended.origin,
        "model": run["model"],
        **{key: run["duet"][key] for key in ("looks", "regressed_together")},
        "not_passed": run["not_passed"],
        "benchmarks": benchmarks,
    }


def slowing(options: argparse.Namespace, folder: Path, newest: Record) -> tuple[dict[str, str], ShareOf]:
    """What makes the measured side of a session slower: variables for its workers, and by what share each benchmark.

    It is a share of what the reference took in the `newest` clean session, or of what a run without a duet takes now. What
    a wider model costs was only meant to be that share, and nobody knows beforehand what another change costs.
    """
    if options.wider:
        plan = prepare_wider(options.model, options.wider, folder)
        return {WIDER: json.dumps(plan)}, lambda one: options.shares[0] if backend_of(one) in plan else 0.0
    if options.change:
        return {CHANGE: options.change}, lambda _: None
    benchmarks = (newest or session(folder, options, {}, duet=False).content)["benchmarks"]
    shares = drawn(benchmarks, options.shares, options.drawn)
    return work_for(benchmarks, shares), lambda one: shares.get(one["fullname"], 0.0)


def begin(options: argparse.Namespace, folder: Path) -> One:
    """One duet at a time."""

    def one(slowed: bool, newest: Record) -> tuple[Session, Record]:
        work, share_of = slowing(options, folder, newest) if slowed else ({}, lambda _: 0.0)
        ended = session(folder, options, work)
        how = {"wider": options.wider if WIDER in work else {}, "change": work.get(CHANGE)}
        return ended, {"rule": RULE, "load": options.load, **how, **record_of(ended, share_of)}

    return one


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; 2 when the study cannot go on."""
    parser = loop.parser("duet", __doc__, "sessions", clean=5, slowed=5)
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
    options = parser.parse_args(arguments)
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
    return loop.run(options, begin, duet_tables.show)


if __name__ == "__main__":
    sys.exit(main())
