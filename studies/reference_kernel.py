"""Does the reference kernel carry a baseline across the machine's moods? Real runs over hours, some with extra work.

Each call of `measure` appends one run with nothing changed, and --slowed runs in which each benchmark draws a share of
--shares of extra work or none, so that calls can be spread over a day. `show` lets `python -m baselines compare` judge every
run that has enough clean ones before it against the newest of those: once as the runs are, and once without the kernel.

Usage: `python -m studies.reference_kernel measure`, which appends to studies/data/reference_kernel.jsonl, and
`python -m studies.reference_kernel show`, which prints Markdown of all there is.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from baselines.comparing.comparison import compare, past_in
from baselines.comparing.reference_kernel import MOVED_LIMIT, PROVING_RUNS, kernel_in, movements, proofs_of
from baselines.files.reading import read_run
from baselines.files.results import Run
from baselines.files.store import KEPT_RUNS
from fixtures.process.environment import REPOSITORY
from studies.error_rates import RUNS, StudyError, interval, rounded
from studies.extra_work import PLAN, drawn_plan, step_s
from studies.peers import PEERS, call_slower, label

DATA: Final = Path(__file__).resolve().parent / "data" / "reference_kernel.jsonl"
SELECTION: Final = (
    *("benchmarks/test_out_of_the_box.py", "benchmarks/test_core_count_scaling.py", "--benchmark-only", "--preset=quick"),
    *("--backends=pytorch,tensorflow_xla,onnxruntime", "--threads=1", "--batch-sizes=1"),
    *("--sequence-lengths=32,64,128", "--benchmark-max-time=0.5", "--reference-kernel", "--no-limit"),
)
"""Eighteen benchmarks: three backends, out of the box and pinned to one core, three sequence lengths."""
KEPT: Final = {
    "run": ("schema", "model", "preset", "inputs"),
    "machine_info": ("machine_id",),
    "commit_info": ("id", "dirty"),
    "benchmark": ("fullname", "name", "param", "group"),
    "stats": ("rounds", "iterations"),
    "model": ("name", "config_sha256"),
    "configuration": ("backend", "precision", "threads"),
    "extra_info": (
        *("inputs", "problem_size", "instances", "throughput_per_s", "launches"),
        *("steal_share", "wait_share", "others_share"),
    ),
}
"""The words of a run.json that a record keeps: those that a comparison reads."""
RULES: Final = ("stored", "stored + kernel")


def session(folder: Path, model: str, plan: Mapping[str, int]) -> dict[str, Any]:
    """One pytest session: its run.json."""
    before = set(folder.glob("runs/*"))
    options = ["--store", str(folder / "store"), "--runs", str(folder / "runs"), "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *SELECTION, "--model", model, *options, "-p", "studies.extra_work"]
    environment = {**os.environ, PLAN: json.dumps(plan)}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    found = [one for one in set(folder.glob("runs/*")) - before if (one / "run.json").exists()]
    if len(found) != 1 or done.returncode:
        raise StudyError(f"a session ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    content: dict[str, Any] = json.loads((found[0] / "run.json").read_text(encoding="utf-8"))
    return content


def record_of(content: Mapping[str, Any], shares: Mapping[str, float]) -> dict[str, Any]:
    """What one run gave: a run.json of few words, and what extra work was in it."""

    def kept(words: Mapping[str, Any], of: str) -> dict[str, Any]:
        return {key: words[key] for key in KEPT[of] if key in words}

    benchmarks = [
        {
            **kept(one, "benchmark"),
            "stats": {**kept(one["stats"], "stats"), **rounds_of(one["stats"])},
            "extra_info": {
                **rounded(kept(one["extra_info"], "extra_info")),
                "model": kept(one["extra_info"]["model"], "model"),
                "configuration": kept(one["extra_info"]["configuration"], "configuration"),
                "warm_up": {"steady": one["extra_info"]["warm_up"]["steady"]},
            },
        }
        for one in content["benchmarks"]
    ]
    packages = content["environment"]["packages"]
    return {
        "extra_work": dict(shares),
        "datetime": content["datetime"],
        "version": content["version"],
        **{key: kept(content[key], key) for key in ("machine_info", "commit_info", "run")},
        "environment": {
            "packages": {name: packages[name] for name in ("torch", "tensorflow", "onnxruntime", "transformers", "numpy")}
        },
        "benchmarks": benchmarks,
    }


def rounds_of(stats: Mapping[str, Any]) -> dict[str, Any]:
    """The rounds with five digits, and their median, which a reader compares with them."""
    data = rounded(stats["data"])
    return {"data": data, "median": statistics.median(data)}


def measure(options: argparse.Namespace, folder: Path) -> None:
    """One clean run and some with extra work; a line per run is on disk as soon as it has ended."""
    shares = [float(word) for word in options.shares.split(",")]
    options.data.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    clean = session(folder, options.model, {})
    append(options.data, record_of(clean, {}))
    one_step_s = step_s()
    for _ in range(options.slowed):
        steps, drawn = drawn_plan(clean["benchmarks"], lambda one: float(one["stats"]["median"]), shares, one_step_s)
        append(options.data, record_of(session(folder, options.model, steps), drawn))
    print(f"{1 + options.slowed} runs in {time.monotonic() - began:.0f} s", file=sys.stderr)


def append(data: Path, record: Mapping[str, Any]) -> None:
    """Adds a line."""
    with data.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record, allow_nan=False, separators=(",", ":")) + "\n")


def show(data: Path) -> str:
    """All runs on record, one machine after the other, in Markdown."""
    lines = data.read_text(encoding="utf-8").splitlines() if data.exists() else []
    records = sorted((json.loads(line) for line in lines), key=lambda one: str(one["datetime"]))
    if not records:
        raise StudyError(f"{data} has no run; measure some: python -m studies.reference_kernel measure")
    blocks = []
    for machine, version, model in sorted({of_one_kind(one) for one in records}):
        here = [one for one in records if of_one_kind(one) == (machine, version, model)]
        with tempfile.TemporaryDirectory() as folder:
            paths = {rule: written(Path(folder) / rule, here, kernel=rule != RULES[0]) for rule in RULES}
            unslowed = [{**one, "benchmarks": without_extra_work(one)} for one in here]
            clean = [read_run(path) for path in written(Path(folder) / "clean", unslowed, kernel=True)]
            whole = sum(not one["extra_work"] for one in here)
            first, last = (str(here[place]["datetime"])[:16] for place in (0, -1))
            kind = f"Machine `{machine}`, version {version} of the kernel, {model}"
            head = f"{kind}, {len(here)} runs from {first} to {last} UTC, "
            blocks += [
                f"{head}{whole} of them with nothing changed.",
                "",
                *spreads(clean),
                "",
                *judged(here, paths),
                "",
            ]
    return "\n".join(blocks).rstrip()


def of_one_kind(record: Mapping[str, Any]) -> tuple[str, int, str]:
    """What has to be equal for runs to be in one table: the machine, the kernel's version, and the model."""
    (version,) = {
        launch["reference_kernel"]["version"] for one in record["benchmarks"] for launch in one["extra_info"]["launches"]
    }
    return str(record["machine_info"]["machine_id"]), int(version), str(record["run"]["model"])


def without_extra_work(record: Mapping[str, Any]) -> list[Any]:
    """The benchmarks of a record in which nothing was changed."""
    return [one for one in record["benchmarks"] if one["fullname"] not in record["extra_work"]]


def written(folder: Path, records: Sequence[Mapping[str, Any]], *, kernel: bool) -> list[Path]:
    """The records as files that `compare` reads, with the kernel in them or without."""
    folder.mkdir()
    paths = []
    for number, record in enumerate(records):
        content = json.loads(json.dumps({key: value for key, value in record.items() if key != "extra_work"}))
        for benchmark in content["benchmarks"] if not kernel else ():
            for launch in benchmark["extra_info"]["launches"]:
                del launch["reference_kernel"]
        paths.append(folder / f"{number:04}.json")
        paths[-1].write_text(json.dumps(content), encoding="utf-8")
    return paths


def spreads(clean: Sequence[Run]) -> list[str]:
    """The table of how far runs lie apart, with the kernel and without; of benchmarks in which nothing was changed."""
    past = {key: past_in(clean, key) for key in {key: None for run in clean for key in run.by_key}}
    lines = [
        "Benchmarks without extra work, standard deviation between runs, pooled:",
        "",
        "| backend | benchmarks | runs of one, at most | alone | ratio to gemm | ratio to copy | used |",
        "|---|---|---|---|---|---|---|",
    ]
    used = {proof.backend: proof.part for proof in kernel_in(past).proofs if proof.proven}
    for backend, proofs in proofs_of(past).items():
        by_part = {proof.part: proof for proof in proofs}
        gemm, copy = by_part["gemm"], by_part["copy"]
        lines.append(
            f"| {backend} | {gemm.benchmarks} | {gemm.runs} | {gemm.alone_sd:.1%} | {gemm.ratio_sd:.1%} "
            f"| {copy.ratio_sd:.1%} | {used.get(backend, 'no')} |"
        )
    moved = [movement for run in clean for movement in movements(run.results) if movement.part == "gemm"]
    if moved:
        shares = sorted(movement.moved for movement in moved)
        unsteady = sum(movement.too_far for movement in moved)
        middle = (
            f"median {shares[len(shares) // 2]:.0%}; beyond the limit of {MOVED_LIMIT:.0%} in {unsteady} of {len(moved)}."
        )
        said = f"The kernel's gemm within a run: slow turns {shares[0]:.0%} to {shares[-1]:.0%} above quick ones, {middle}"
        lines += ["", said]
    return lines


def judged(records: Sequence[Mapping[str, Any]], paths: Mapping[str, Sequence[Path]]) -> list[str]:
    """The table of what each rule says of runs that have enough clean ones before them."""
    said: dict[tuple[str, float, str], Counter[str]] = {}
    runs = 0
    for number, before in baselines_of(records):
        runs += 1
        for rule in RULES:
            comparison = compare(paths[rule][number], [paths[rule][place] for place in before], Path())
            for result, judgement in comparison.judgements.values():
                share = records[number]["extra_work"].get(result.fullname, 0.0)
                for backend in (str(result.configuration["backend"]), "all"):
                    said.setdefault((backend, share, rule), Counter())[judgement.verdict.value] += 1
        newest = {one["fullname"]: one["stats"] for one in records[before[-1]]["benchmarks"]}
        for one in records[number]["benchmarks"]:
            share, backend = records[number]["extra_work"].get(one["fullname"], 0.0), backend_of(one)
            if one["stats"].get("data") and newest[one["fullname"]].get("data"):  # the first records have no rounds
                slower = call_slower(one["stats"]["data"], newest[one["fullname"]]["data"])
                for group in (backend, "all"):
                    for rule in PEERS:
                        word = "regressed" if rule in slower else "passed"
                        said.setdefault((group, share, label(rule)), Counter())[word] += 1
    lines = [
        f"Judged against the {PROVING_RUNS} to {KEPT_RUNS} newest runs with nothing changed before them, {runs} runs:",
        "",
        "| backend | extra work | rule | benchmarks | called slower | exact 95 % interval | inconclusive | passed, faster |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (backend, share, rule), counts in sorted(said.items(), key=lambda item: (item[0][0] == "all", *item[0])):
        passed, total = counts["passed"] + counts["improved"], counts.total()
        how_much = f"{share:.0%}" if share else "none"
        lines.append(
            f"| {backend} | {how_much} | {rule} | {total} | {counts['regressed']} | {interval(counts['regressed'], total)} "
            f"| {counts['inconclusive']} | {passed} |"
        )
    return lines


def backend_of(benchmark: Mapping[str, Any]) -> str:
    """Whose benchmark of a record it is."""
    return str(benchmark["extra_info"]["configuration"]["backend"])


def baselines_of(records: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, list[int]]]:
    """(place of a run, places of the clean runs before it that it is judged against), where there are enough."""
    clean: list[int] = []
    for number, record in enumerate(records):
        if len(clean) >= PROVING_RUNS:
            yield number, clean[-KEPT_RUNS:]
        if not record["extra_work"]:
            clean.append(number)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; 2 when the study cannot go on."""
    parser = argparse.ArgumentParser(
        prog="python -m studies.reference_kernel",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=("measure", "show"))
    parser.add_argument("--model", default="bert-base-cased", help="%(default)s")
    parser.add_argument("--slowed", type=int, default=1, help="runs with extra work after the clean one (%(default)s)")
    parser.add_argument("--shares", default="0.05,0.1", help="extra work (%(default)s)")
    parser.add_argument("--data", type=Path, default=DATA, help="studies/data/reference_kernel.jsonl")
    options = parser.parse_args(arguments)
    try:
        if options.command == "show":
            print(show(options.data))
        else:
            folder = RUNS / f"kernel-{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%SZ}"
            folder.mkdir(parents=True)
            measure(options, folder)
    except StudyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
