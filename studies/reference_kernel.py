"""Does the reference kernel carry a baseline across the machine's moods? Real runs over hours, some with extra work.

Usage: `python -m studies.reference_kernel measure`, which appends to studies/data/reference_kernel.jsonl, so that calls can
be spread over a day, and `python -m studies.reference_kernel show`, which has `compare` judge each run that has enough clean
ones before it, with the kernel and without, and prints Markdown of all there is.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from baselines.comparing.comparison import compare, past_in
from baselines.comparing.kernel_movement import MOVED_LIMIT, movements
from baselines.comparing.reference_kernel import PROVING_RUNS, kernel_in, proofs_of
from baselines.files.past import KEPT_RUNS
from baselines.files.reading_runs import read_run
from baselines.files.run import Run
from studies import loop
from studies.extra_work import drawn, work_for
from studies.loop import One, Record, Session, counted, grouped, parse_shares, rounded, session, table
from studies.peers import PEERS, call_slower, label

SELECTION: Final = (
    *("benchmarks/test_out_of_the_box.py", "benchmarks/test_core_count_scaling.py"),
    *("--backends=pytorch,tensorflow_xla,onnxruntime", "--threads=1", "--batch-sizes=1"),
    *("--sequence-lengths=32,64,128", "--benchmark-max-time=0.5", "--reference-kernel", "--no-limit"),
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
RULES: Final = ("stored", "stored + kernel")


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
    """All runs on record, one machine, version of the kernel and model after the other, in Markdown."""
    in_time = sorted(records, key=lambda one: str(one["datetime"]))
    for (machine, version, model), here in grouped(in_time, of_one_kind).items():
        unslowed = [
            {**run, "benchmarks": [one for one in run["benchmarks"] if one["fullname"] not in run["extra_work"]]}
            for run in here
        ]
        with tempfile.TemporaryDirectory() as folder:
            paths = {rule: written(Path(folder) / rule, here, kernel=rule != RULES[0]) for rule in RULES}
            clean = [read_run(path) for path in written(Path(folder) / "clean", unslowed, kernel=True)]
            said = list(judgements(here, paths))
        first, last = (str(here[place]["datetime"])[:16] for place in (0, -1))
        whole = sum(not one["extra_work"] for one in here)
        yield (
            f"Machine `{machine}`, version {version} of the kernel, {model}, {len(here)} runs from {first} to {last} UTC, "
            f"{whole} of them with nothing changed.\n"
        )
        yield from (*spreads(clean), "", *judged(said, len(list(baselines_of(here)))), "")


def of_one_kind(record: Record) -> tuple[str, int, str]:
    """What has to be equal for runs to be in one table: the machine, the kernel's version, and the model."""
    launches = [launch for one in record["benchmarks"] for launch in one["extra_info"]["launches"]]
    (version,) = {int(launch["reference_kernel"]["version"]) for launch in launches}
    return str(record["machine_info"]["machine_id"]), version, str(record["run"]["model"])


def written(folder: Path, records: Sequence[Record], *, kernel: bool) -> list[Path]:
    """The records as files that `compare` reads, with the kernel in them or without."""
    folder.mkdir()
    for number, record in enumerate(json.loads(json.dumps(records))):
        for benchmark in record["benchmarks"] if not kernel else ():
            for launch in benchmark["extra_info"]["launches"]:
                del launch["reference_kernel"]
        (folder / f"{number:04}.json").write_text(json.dumps(record), encoding="utf-8")
    return sorted(folder.iterdir())


def spreads(clean: Sequence[Run]) -> Iterator[str]:
    """The table of how far runs lie apart, with the kernel and without; of benchmarks in which nothing was changed."""
    past = {key: past_in(clean, key) for key in {key: None for run in clean for key in run.by_key}}
    used = {proof.backend: proof.part for proof in kernel_in(past).proofs if proof.proven}
    rows = []
    for backend, proofs in proofs_of(past).items():
        gemm, copy = (next(proof for proof in proofs if proof.part == part) for part in ("gemm", "copy"))
        spread = (f"{value:.1%}" for value in (gemm.alone_sd, gemm.ratio_sd, copy.ratio_sd))
        rows.append((backend, gemm.benchmarks, gemm.runs, *spread, used.get(backend, "no")))
    yield "Benchmarks without extra work, standard deviation between runs, pooled:\n"
    yield from table("backend | benchmarks | runs of one, at most | alone | ratio to gemm | ratio to copy | used", rows)
    moved = [movement for run in clean for movement in movements(run.results) if movement.part == "gemm"]
    if moved:
        shares = sorted(movement.moved for movement in moved)
        yield (
            f"\nThe kernel's gemm within a run: slow turns {shares[0]:.0%} to {shares[-1]:.0%} above quick ones, "
            f"median {statistics.median_high(shares):.0%}; beyond the limit of {MOVED_LIMIT:.0%} in "
            f"{sum(movement.too_far for movement in moved)} of {len(moved)}."
        )


def judgements(records: Sequence[Record], paths: Mapping[str, Sequence[Path]]) -> Iterator[tuple[str, float, str, str]]:
    """Backend, extra work, rule and verdict of every benchmark in the runs that have enough clean ones before them."""
    for number, before in baselines_of(records):
        extra_work, newest = records[number]["extra_work"], records[before[-1]]["benchmarks"]
        for rule in RULES:
            comparison = compare(paths[rule][number], [paths[rule][place] for place in before], Path())
            for result, judgement in comparison.judgements.values():
                share = extra_work.get(result.fullname, 0.0)
                yield str(result.configuration["backend"]), share, rule, judgement.verdict.value
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
    yield f"Judged against the {PROVING_RUNS} to {KEPT_RUNS} newest runs with nothing changed before them, {runs} runs:\n"
    yield from table(
        "backend | extra work | rule | benchmarks | called slower | exact 95 % interval | inconclusive | passed, faster",
        rows,
    )


def baselines_of(records: Iterable[Record]) -> Iterator[tuple[int, list[int]]]:
    """(place of a run, places of the clean runs before it that it is judged against), where there are enough."""
    clean: list[int] = []
    for number, record in enumerate(records):
        if len(clean) >= PROVING_RUNS:
            yield number, clean[-KEPT_RUNS:]
        if not record["extra_work"]:
            clean.append(number)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; 2 when the study cannot go on."""
    parser = loop.parser("reference_kernel", __doc__, "runs", clean=1, slowed=1)
    parser.add_argument("--model", default="bert-base-cased", help="%(default)s")
    parser.add_argument("--shares", type=parse_shares, default="0.05,0.1", help="extra work (%(default)s)")
    return loop.run(parser.parse_args(arguments), begin, show)


if __name__ == "__main__":
    sys.exit(main())
