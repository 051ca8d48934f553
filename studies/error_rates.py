"""How often is the gate wrong? Real runs with nothing changed, and with real extra work, judged as the suite judges them.

Five runs are accepted. Then clean runs and runs with extra work take turns; in a run with extra work each share of SHARES
is put into PER_SHARE benchmarks drawn by chance, the others stay as they are. Beside the gate stands what pytest-benchmark's
--benchmark-compare-fail and a Mann-Whitney test of the rounds say of the same files, against the newest accepted run.

Usage, in a clean checkout: `python -m studies.error_rates measure [--clean N] [--slowed N]`, which appends a line per judged
run to studies/data/error_rates.jsonl, and `python -m studies.error_rates show`, which prints Markdown of all there is.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from baselines.files.reading import read_run
from baselines.files.results import Result, Run
from fixtures.process.environment import REPOSITORY
from studies.extra_work import PLAN, benchmark_key, step_s
from studies.peers import PEERS, call_slower, label

DATA: Final = Path(__file__).resolve().parent / "data" / "error_rates.jsonl"
RUNS: Final = Path(__file__).resolve().parent / "runs"
"""Ignored by git: every run of a study, and the store of the accepted ones, which has to lie in the checkout."""
RULE: Final = 4
"""Of the gate, as a record names it. 1: until 2026-11-24. 2: a launch whose threads waited for over 5 % of its CPUs' time
convicts nobody. 3: nor does one from which others took as much, but waiting for its own threads no longer counts.
4: a pass excludes a slowdown of 5 % at least, and is wrong one time in a hundred; until then 10 % and one in twenty.
"""
ACCEPTED: Final = 5
SHARES: Final = (0.05, 0.10, 0.20, 0.50)
"""Extra work as a share of the accepted median."""
PER_SHARE: Final = 2
SELECTION: Final = (
    *("benchmarks/test_out_of_the_box.py", "benchmarks/test_core_count_scaling.py", "--benchmark-only", "--preset=quick"),
    *("--model=bert-mini", "--backends=pytorch,onnxruntime", "--threads=1", "--batch-sizes=1"),
    *("--sequence-lengths=32,64,128,256,512", "--benchmark-max-time=0.5"),
)
"""Twenty benchmarks: two backends, out of the box and pinned to one core, five sequence lengths."""
ATTEMPTS: Final = 12
"""Runs that may be made to have ACCEPTED accepted."""


class StudyError(Exception):
    """The study cannot go on; the message says why."""


def measured(folder: Path, *arguments: str, plan: Mapping[str, int] | None = None) -> tuple[Path, int, str]:
    """One pytest session: the file of its run, its exit code, and what it printed."""
    before = set(folder.glob("runs/*"))
    options = ["--store", str(folder / "store"), "--runs", str(folder / "runs"), "-p", "no:cacheprovider"]
    environment = dict(os.environ)
    if plan is not None:
        options += ["-p", "studies.extra_work"]
        environment[PLAN] = json.dumps(plan)
    command = [sys.executable, "-m", "pytest", *SELECTION, *options, *arguments]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    try:
        (run,) = set(folder.glob("runs/*")) - before
    except ValueError:
        raise StudyError(f"a run ended with {done.returncode} and without a result:\n{done.stdout}{done.stderr}") from None
    return run / "run.json", done.returncode, done.stdout


def accepted(folder: Path) -> list[Run]:
    """Measures until ACCEPTED runs are accepted; what accept calls unstable is left out, as it says itself."""
    for _ in range(ATTEMPTS):
        path, _, _ = measured(folder)
        command = [sys.executable, "-m", "baselines", "accept", str(path.parent), "--store", str(folder / "store")]
        command += ["--reason", "study of error rates"]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        if done.returncode and "is unstable" in done.stderr:
            done = subprocess.run(
                [*command, "--only", "steady"], cwd=REPOSITORY, capture_output=True, text=True, check=False
            )
        print(f"accept: {(done.stderr or done.stdout).splitlines()[0]}", file=sys.stderr, flush=True)
        runs = [read_run(path) for path in sorted((folder / "store").glob("*/*/*.json"))]
        if len(runs) == ACCEPTED:
            return runs
    raise StudyError(f"{ATTEMPTS} runs did not give {ACCEPTED} accepted ones; the last refusal: {done.stderr}")


def plan_of(baseline: Sequence[Run], seed: int, one_step_s: float) -> tuple[dict[str, int], dict[str, float]]:
    """Steps by benchmark for a worker, and shares by node id for the record; drawn anew for each seed."""
    results = list({result.fullname: result for run in baseline for result in run.results}.values())
    drawn = random.Random(seed).sample(results, PER_SHARE * len(SHARES))  # noqa: S311 - chance, not secrecy
    steps, shares = {}, {}
    for number, result in enumerate(drawn):
        share = SHARES[number // PER_SHARE]
        words, size = result.configuration, result.problem_size
        key = benchmark_key(words["backend"], words["threads"], size["batch_size"], size["sequence_length"])
        steps[key] = max(1, round(share * result.median_s / one_step_s))
        shares[result.fullname] = share
    return steps, shares


def peers_say(run: Run, newest: Run, path: Path) -> dict[str, list[str]]:
    """Node ids that each peer's rule calls slower."""
    stats = {one["fullname"]: one["stats"] for one in json.loads(path.read_text(encoding="utf-8"))["benchmarks"]}
    before = {one["fullname"]: one["stats"] for one in json.loads(newest.path.read_text(encoding="utf-8"))["benchmarks"]}
    rounds: dict[str, Result] = {result.fullname: result for result in run.results}
    old: dict[str, Result] = {result.fullname: result for result in newest.results}
    said: dict[str, list[str]] = {rule: [] for rule in PEERS}
    for name in stats:
        if name in before:
            words = {"stats": stats[name], "stats_before": before[name]}
            for rule in call_slower(rounds[name].rounds_s, old[name].rounds_s, **words):
                said[rule].append(name)
    return said


def record_of(path: Path, baseline: Sequence[Run], code: int, shares: Mapping[str, float]) -> dict[str, Any]:
    """What one judged run gave."""
    run = read_run(path)
    verdicts = json.loads(path.read_text(encoding="utf-8"))["run"]["verdicts"]
    kept = ("verdict", "ratio", "interval", "evidence", "launches", "runs", "smallest_visible")
    return {
        "machine": run.machine_id,
        "run": str(run.datetime),
        "versions": {name: run.packages[name] for name in ("torch", "onnxruntime")},
        "exit_code": code,
        "extra_work": dict(shares),
        "judgements": {
            name: {key: rounded(judgement[key]) for key in kept} for name, judgement in verdicts["judgements"].items()
        },
        "suite_shift": verdicts["suite_shift"],
        "peers": peers_say(run, baseline[-1], path),
    }


def rounded(value: Any) -> Any:
    """Numbers with five digits, in whatever holds them: the file stays small."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, Mapping):
        return {key: rounded(one) for key, one in value.items()}
    return [rounded(one) for one in value] if isinstance(value, list) else value


def measure(clean: int, slowed: int, data: Path, folder: Path) -> None:
    """The study; a line per judged run is on disk as soon as it is judged."""
    started = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M}"
    baseline = accepted(folder)
    one_step_s = step_s()
    print(f"a step of extra work takes {one_step_s * 1e6:.2f} us", file=sys.stderr)
    data.parent.mkdir(exist_ok=True)
    kinds = [kind for pair in range(max(clean, slowed)) for kind, count in (("c", clean), ("s", slowed)) if pair < count]
    for number, kind in enumerate(kinds):
        steps, shares = plan_of(baseline, number, one_step_s) if kind == "s" else (None, {})
        began = time.monotonic()
        path, code, _ = measured(folder, plan=steps)
        record = {"study": started, "rule": RULE, **record_of(path, baseline, code, shares)}
        record["wall_s"] = round(time.monotonic() - began, 1)
        with data.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record, allow_nan=False) + "\n")
        counts = Counter(judgement["verdict"] for judgement in record["judgements"].values())
        print(
            f"{number + 1} of {len(kinds)}, {'slowed' if shares else 'clean'}: {dict(counts)}", file=sys.stderr, flush=True
        )


def show(data: Path) -> str:
    """All studies on record, one machine after the other, in Markdown."""
    lines = data.read_text(encoding="utf-8").splitlines() if data.exists() else []
    records = [json.loads(line) for line in lines]
    if not records:
        raise StudyError(f"{data} has no run; measure some: python -m studies.error_rates measure")
    blocks = []
    for machine, rule in sorted({(record["machine"], record["rule"]) for record in records}):
        here = [record for record in records if (record["machine"], record["rule"]) == (machine, rule)]
        studies = ", ".join(sorted({record["study"] for record in here}))
        head = f"Machine `{machine}`, rule {rule}, studies begun {studies} UTC."
        blocks += [head, "", *false_alarms(here), "", *power(here), ""]
    return "\n".join(blocks).rstrip()


def false_alarms(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """The table of what was called slower and was not."""
    clean = [record for record in records if not record["extra_work"]]
    judged = sum(len(record["judgements"]) for record in clean)
    lines = [
        f"{len(clean)} runs with nothing changed, {judged} benchmarks judged:",
        "",
        "| rule | benchmarks called slower | exact 95 % interval | runs that would be red |",
        "|---|---|---|---|",
    ]
    rules: dict[str, list[set[str]]] = {"this suite": [verdicts(record, "regressed") for record in clean]}
    for rule in PEERS:
        rules[label(rule)] = [set(record["peers"][rule]) for record in clean]
    for rule, reds in rules.items():
        count, red_runs = sum(map(len, reds)), sum(map(bool, reds))
        if rule == "this suite":
            red_runs = sum(record["exit_code"] != 0 for record in clean)
        lines.append(f"| {rule} | {count} | {interval(count, judged)} | {red_runs} of {len(clean)} |")
    others = {word: sum(len(verdicts(record, word)) for record in clean) for word in ("passed", "inconclusive", "improved")}
    lines += [
        "",
        "This suite's other verdicts there: " + ", ".join(f"{count} {word}" for word, count in others.items()) + ".",
    ]
    return lines


def power(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """The table of what was slower, and what was said of it."""
    slowed = [record for record in records if record["extra_work"]]
    lines = [
        f"{len(slowed)} runs with extra work in some benchmarks:",
        "",
        "| extra work | measured, median | benchmarks | found | exact 95 % interval | inconclusive | wrongly passed |",
        "|---|---|---|---|---|---|---|",
    ]
    for share in (*SHARES, 0.0):
        said = [
            judgement
            for record in slowed
            for name, judgement in record["judgements"].items()
            if record["extra_work"].get(name, 0.0) == share
        ]
        if not said:
            continue
        counts = Counter(judgement["verdict"] for judgement in said)
        ratios = sorted(judgement["ratio"] for judgement in said if judgement["ratio"] is not None)
        middle = f"{100 * (ratios[len(ratios) // 2] - 1):+.1f} %" if ratios else ""
        passed = counts["passed"] + counts["improved"]
        label, wrongly = (f"{share:.0%}", str(passed)) if share else ("none", f"({passed}, rightly)")
        found = counts["regressed"]
        cells = (label, middle, len(said), found, interval(found, len(said)), counts["inconclusive"], wrongly)
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return lines


def verdicts(record: Mapping[str, Any], word: str) -> set[str]:
    """The benchmarks of a run with one verdict."""
    return {name for name, judgement in record["judgements"].items() if judgement["verdict"] == word}


def interval(count: int, of: int) -> str:
    """Clopper and Pearson's, of a share."""
    from scipy.stats import binomtest

    low, high = binomtest(count, of).proportion_ci(method="exact") if of else (0.0, 1.0)
    return f"{low:.1%} to {high:.1%}"


def main(arguments: Iterable[str] | None = None) -> int:
    """Runs one command; 2 when the study cannot go on."""
    parser = argparse.ArgumentParser(prog="python -m studies.error_rates", description=__doc__)
    parser.add_argument("command", choices=("measure", "show"))
    parser.add_argument("--clean", type=int, default=15, help="judged runs with nothing changed (default: %(default)s)")
    parser.add_argument("--slowed", type=int, default=10, help="judged runs with extra work (default: %(default)s)")
    parser.add_argument("--data", type=Path, default=DATA, help="default: studies/data/error_rates.jsonl")
    parsed = parser.parse_args(None if arguments is None else list(arguments))
    try:
        if parsed.command == "show":
            print(show(parsed.data))
        else:
            folder = RUNS / f"{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%SZ}"
            folder.mkdir(parents=True)
            measure(parsed.clean, parsed.slowed, parsed.data, folder)
    except StudyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
