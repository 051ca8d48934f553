"""What do stored numbers say of real runs over hours, some with extra work, and what do other tools' rules say of them?

Usage: `python -m studies.stored_runs measure`, which appends to studies/data/stored_runs.jsonl, so that calls can be spread
over days, and `python -m studies.stored_runs show`, which has `compare` judge each run that has enough clean ones before it,
and prints Markdown of all there is. What sharper rules would make of them: studies/stored_numbers.py.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from baselines.comparing.comparison import compare, past_in
from baselines.files.past import KEPT_RUNS
from baselines.files.reading_runs import read_run
from baselines.files.result import judged_values
from baselines.files.run import Run
from baselines.judging.spread import run_value, sum_of_squares
from studies import loop
from studies.extra_work import drawn, work_for
from studies.loop import One, Record, Session, counted, grouped, parse_shares, rounded, session, table
from studies.peers import PEERS, call_slower, label

SELECTION: Final = (
    *("benchmarks/test_out_of_the_box.py", "benchmarks/test_core_count_scaling.py"),
    *("--backends=pytorch,tensorflow_xla,onnxruntime", "--threads=1", "--batch-sizes=1"),
    *("--sequence-lengths=32,64,128", "--benchmark-max-time=0.5", "--no-limit"),
)
"""Eighteen benchmarks: three backends, out of the box and pinned to one core, three sequence lengths."""
KEPT: Final[Mapping[str, tuple[str, ...]]] = {
    "run": ("schema", "model", "preset", "inputs"),
    "machine_info": ("machine_id",),
    "commit_info": ("id", "dirty"),
    "packages": ("torch", "tensorflow", "onnxruntime", "transformers", "numpy"),
    "benchmark": ("fullname", "name", "param", "group"),
    "stats": ("rounds", "iterations"),
    "model": ("name", "config_sha256"),
    "configuration": ("backend", "precision", "threads"),
    "warm_up": ("steady",),
    "extra_info": (
        *("inputs", "problem_size", "instances", "throughput_per_s", "launches"),
        *("steal_share", "wait_share", "others_share"),
    ),
}
"""The words of a run.json that a record keeps: those that a comparison reads."""
STORED: Final = "stored"
"""Our rule, beside those of PEERS."""
LEAST_RUNS: Final = 5
"""Clean runs below which nothing is judged."""


def begin(options: argparse.Namespace, folder: Path) -> One:
    """One run at a time; extra work is a share of what the newest run with nothing changed took."""

    def measured(work: Mapping[str, str]) -> Session:
        return session(folder, *SELECTION, "--model", options.model, work=work, codes=(0,))

    def one(slowed: bool, newest: Record) -> tuple[Session, Record]:
        benchmarks = (newest or measured({}).content)["benchmarks"] if slowed else []
        shares = drawn(benchmarks, options.shares)
        ended = measured(work_for(benchmarks, shares))
        return ended, record_of(ended.content, shares)

    return one


def record_of(content: Record, shares: Mapping[str, float]) -> dict[str, Any]:
    """What one run gave: a run.json of few words, and what extra work was in it."""

    def kept(words: Record, of: str) -> dict[str, Any]:
        return {key: words[key] for key in KEPT[of] if key in words}

    benchmarks = []
    for one in content["benchmarks"]:
        extra, rounds_s = one["extra_info"], rounded(one["stats"]["data"])
        # A reader compares the median with that of the rounds, which have five digits.
        stats = {**kept(one["stats"], "stats"), "data": rounds_s, "median": statistics.median(rounds_s)}
        words = {key: kept(extra[key], key) for key in ("model", "configuration", "warm_up")}
        benchmarks.append({**kept(one, "benchmark"), "stats": stats, "extra_info": {**kept(extra, "extra_info"), **words}})
    return {
        "extra_work": shares,
        "datetime": content["datetime"],
        "version": content["version"],
        **{key: kept(content[key], key) for key in ("machine_info", "commit_info", "run")},
        "environment": {"packages": kept(content["environment"]["packages"], "packages")},
        "benchmarks": benchmarks,
    }


def show(records: Iterable[Record]) -> Iterator[str]:
    """All runs on record, one machine and model after the other, in Markdown."""
    in_time = sorted(records, key=lambda one: str(one["datetime"]))
    for (machine, model), here in grouped(in_time, of_one_kind).items():
        unslowed = [
            {**run, "benchmarks": [one for one in run["benchmarks"] if one["fullname"] not in run["extra_work"]]}
            for run in here
        ]
        with tempfile.TemporaryDirectory() as folder:
            said = list(judgements(here, written(Path(folder) / "all", here)))
            clean = [read_run(path) for path in written(Path(folder) / "clean", unslowed)]
        first, last = (str(here[place]["datetime"])[:16] for place in (0, -1))
        whole = sum(not one["extra_work"] for one in here)
        yield (
            f"Machine `{machine}`, {model}, {len(here)} runs from {first} to {last} UTC, "
            f"{whole} of them with nothing changed.\n"
        )
        yield from (*spreads(clean), "", *judged(said, len(list(baselines_of(here)))), "")


def of_one_kind(record: Record) -> tuple[str, str]:
    """What has to be equal for runs to be in one table: the machine and the model."""
    return str(record["machine_info"]["machine_id"]), str(record["run"]["model"])


def written(folder: Path, records: Sequence[Record]) -> list[Path]:
    """The records as files that `compare` reads."""
    folder.mkdir()
    for number, record in enumerate(records):
        (folder / f"{number:04}.json").write_text(json.dumps(record), encoding="utf-8")
    return sorted(folder.iterdir())


def spreads(clean: Sequence[Run]) -> Iterator[str]:
    """The table of how far runs lie apart; of benchmarks in which nothing was changed, by backend."""
    past = [past_in(clean, key) for key in {key: None for run in clean for key in run.by_key}]
    rows = []
    for backend, mine in sorted(
        grouped([one for one in past if len(one.runs) >= LEAST_RUNS], lambda one: one.backend).items()
    ):
        values = [[run_value(judged_values(result)) for result in one.recent] for one in mine]
        freedom = sum(len(one) - 1 for one in values)
        pooled = math.sqrt(math.fsum(map(sum_of_squares, values)) / freedom)
        rows.append((backend, len(mine), max(map(len, values)), f"{pooled:.1%}"))
    yield "Benchmarks without extra work, standard deviation between runs, pooled:\n"
    yield from table("backend | benchmarks | runs of one, at most | between runs", rows)


def judgements(records: Sequence[Record], paths: Sequence[Path]) -> Iterator[tuple[str, float, str, str]]:
    """Backend, extra work, rule and verdict of every benchmark in the runs that have enough clean ones before them."""
    for number, before in baselines_of(records):
        extra_work, newest = records[number]["extra_work"], records[before[-1]]["benchmarks"]
        for result, judgement in compare(paths[number], [paths[place] for place in before], Path()).judgements.values():
            share = extra_work.get(result.fullname, 0.0)
            yield str(result.configuration["backend"]), share, STORED, judgement.verdict.value
        before_it = {one["fullname"]: one["stats"] for one in newest}
        for one in records[number]["benchmarks"]:
            name, backend = one["fullname"], str(one["extra_info"]["configuration"]["backend"])
            if one["stats"].get("data") and before_it[name].get("data"):  # the first records have no rounds
                slower = call_slower(one["stats"], before_it[name])
                for rule in PEERS:
                    yield backend, extra_work.get(name, 0.0), label(rule), "regressed" if rule in slower else "passed"


def judged(said: Sequence[tuple[str, float, str, str]], runs: int) -> Iterator[str]:
    """The table of what each rule says, of each backend and of all."""
    rows = []
    together = [("all", *one[1:]) for one in said]
    for (_, backend, share, rule), group in grouped([*said, *together], lambda one: (one[0] == "all", *one[:3])).items():
        extra = f"{share:.0%}" if share else "none"
        rows.append((backend, extra, rule, *counted(verdict for *_, verdict in group)))
    yield f"Judged against the {LEAST_RUNS} to {KEPT_RUNS} newest runs with nothing changed before them, {runs} runs:\n"
    yield from table(
        "backend | extra work | rule | benchmarks | called slower | exact 95 % interval | inconclusive | passed, faster",
        rows,
    )


def baselines_of(records: Iterable[Record]) -> Iterator[tuple[int, list[int]]]:
    """(place of a run, places of the clean runs before it that it is judged against), where there are enough."""
    clean: list[int] = []
    for number, record in enumerate(records):
        if len(clean) >= LEAST_RUNS:
            yield number, clean[-KEPT_RUNS:]
        if not record["extra_work"]:
            clean.append(number)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; 2 when the study cannot go on."""
    parser = loop.parser("stored_runs", __doc__, "runs", clean=1, slowed=1)
    parser.add_argument("--model", default="bert-base-cased", help="%(default)s")
    parser.add_argument("--shares", type=parse_shares, default="0.05,0.1", help="extra work (%(default)s)")
    return loop.run(parser.parse_args(arguments), begin, show)


if __name__ == "__main__":
    sys.exit(main())
