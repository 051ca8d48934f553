"""How often is the gate wrong? Real runs with nothing changed, and with real extra work, judged as the suite judges them.

Usage, in a clean checkout: `python -m studies.error_rates measure [--clean N] [--slowed N]`, which has five runs accepted,
then appends a line per judged run to studies/data/error_rates.jsonl, and `python -m studies.error_rates show`, which prints
Markdown of all there is.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from baselines.judging.wording import percent
from fixtures.process.environment import REPOSITORY
from studies import loop
from studies.extra_work import work_for
from studies.loop import One, Record, Session, StudyError, counted, grouped, interval, session, table
from studies.peers import PEERS, call_slower, label

RULE: Final = 5
"""Of the gate, as a record names it. 1: until 2026-11-24. 2: a launch whose threads waited for over 5 % of its CPUs' time
turns nothing red. 3: nor does one from which others took as much, but waiting for its own threads no longer counts.
4: a pass excludes a slowdown of 5 % at least, and is wrong one time in a hundred; until then 10 % and one in twenty.
5: accepted runs of fewer than three days turn nothing red, and benchmarks have half the level. This study accepts its
runs in one sitting, so that from here on no benchmark can be red in it: what it measures are the other verdicts, and other
tools' rules.
"""
ACCEPTED: Final = 5
ATTEMPTS: Final = 12
"""Runs that may be made to have ACCEPTED accepted."""
SHARES: Final = (0.05, 0.10, 0.20, 0.50)
"""Extra work as a share of the accepted median."""
PER_SHARE: Final = 2
"""Benchmarks of a run that get each, drawn by chance."""
SELECTION: Final = (
    *("benchmarks/test_out_of_the_box.py", "benchmarks/test_core_count_scaling.py"),
    *("--model=bert-mini", "--backends=pytorch,onnxruntime", "--threads=1", "--batch-sizes=1"),
    *("--sequence-lengths=32,64,128,256,512", "--benchmark-max-time=0.5"),
)
"""Twenty benchmarks: two backends, out of the box and pinned to one core, five sequence lengths."""
KEPT: Final = ("verdict", "ratio", "interval", "evidence", "launches", "runs", "smallest_visible")


def accepted(folder: Path) -> list[Record]:
    """Measures until ACCEPTED runs are accepted; what accept calls unstable is left out, as it says itself."""
    for _ in range(ATTEMPTS):
        command = [sys.executable, "-m", "baselines", "accept", str(session(folder, *SELECTION).path.parent)]
        command += ["--store", str(folder / "store"), "--reason", "study of error rates"]
        for only in ((), ("--only", "steady")):
            done = subprocess.run([*command, *only], cwd=REPOSITORY, capture_output=True, text=True, check=False)
            if not done.returncode or "is unstable" not in done.stderr:
                break
        print(f"accept: {(done.stderr or done.stdout).splitlines()[0]}", file=sys.stderr, flush=True)
        runs = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((folder / "store").glob("*/*/*.json"))]
        if len(runs) == ACCEPTED:
            return runs
    raise StudyError(f"{ATTEMPTS} runs did not give {ACCEPTED} accepted ones; the last refusal: {done.stderr}")


def record_of(judged: Session, newest: Record, shares: Record) -> dict[str, Any]:
    """What one judged run gave, and which benchmarks each rule of others calls slower than in the newest accepted run."""
    before = {one["fullname"]: one["stats"] for one in newest["benchmarks"]}
    peers: dict[str, list[str]] = {rule: [] for rule in PEERS}
    for one in judged.content["benchmarks"]:
        if (old := before.get(one["fullname"])) is not None:
            for rule in call_slower(one["stats"], old):
                peers[rule].append(one["fullname"])
    verdicts = judged.content["run"]["verdicts"]
    return {
        "rule": RULE,
        **judged.origin,
        "extra_work": shares,
        "judgements": {name: {key: one[key] for key in KEPT} for name, one in verdicts["judgements"].items()},
        "suite_shift": verdicts["suite_shift"],
        "peers": peers,
    }


def begin(_: argparse.Namespace, folder: Path) -> One:
    """Has the first runs accepted; then one run is judged at a time."""
    baseline = accepted(folder)
    benchmarks = {one["fullname"]: one for run in baseline for one in run["benchmarks"]}
    chance = random.SystemRandom()

    def one(slowed: bool, _: Record) -> tuple[Session, Record]:
        drawn = chance.sample(sorted(benchmarks), PER_SHARE * len(SHARES)) if slowed else []
        shares = dict(zip(drawn, SHARES * PER_SHARE, strict=False))
        judged = session(folder, *SELECTION, work=work_for(benchmarks.values(), shares))
        return judged, record_of(judged, baseline[-1], shares)

    return one


def show(records: Iterable[Record]) -> Iterator[str]:
    """All studies on record, one machine after the other, in Markdown."""
    for (machine, rule), here in grouped(records, lambda one: (one["machine"], one["rule"])).items():
        studies = ", ".join(sorted({one["study"] for one in here}))
        yield f"Machine `{machine}`, rule {rule}, studies begun {studies} UTC.\n"
        yield from (*false_alarms([one for one in here if not one["extra_work"]]), "")
        yield from (*power([one for one in here if one["extra_work"]]), "")


def false_alarms(clean: Sequence[Record]) -> Iterator[str]:
    """The table of what was called slower and was not."""
    judged = sum(len(one["judgements"]) for one in clean)
    counts = Counter(judgement["verdict"] for one in clean for judgement in one["judgements"].values())
    slower = {label(rule): [len(one["peers"][rule]) for one in clean] for rule in PEERS}
    rows = [("this suite", counts["regressed"], sum(one["exit_code"] != 0 for one in clean))]
    rows += [(rule, sum(called), sum(map(bool, called))) for rule, called in slower.items()]
    yield f"{len(clean)} runs with nothing changed, {judged} benchmarks judged:\n"
    yield from table(
        "rule | benchmarks called slower | exact 95 % interval | runs that would be red",
        [(rule, count, interval(count, judged), f"{runs} of {len(clean)}") for rule, count, runs in rows],
    )
    others = ", ".join(f"{counts[word]} {word}" for word in ("passed", "inconclusive", "improved"))
    yield f"\nThis suite's other verdicts there: {others}."


def power(slowed: Sequence[Record]) -> Iterator[str]:
    """The table of what was slower, and what was said of it."""
    judged = [(one["extra_work"].get(name, 0.0), what) for one in slowed for name, what in one["judgements"].items()]
    rows = []
    for share in (*SHARES, 0.0):
        said = [judgement for extra, judgement in judged if extra == share]
        if said:
            total, found, exact, inconclusive, passed = counted(judgement["verdict"] for judgement in said)
            ratios = sorted(judgement["ratio"] for judgement in said if judgement["ratio"] is not None)
            work, wrongly = (f"{share:.0%}", passed) if share else ("none", f"({passed}, rightly)")
            middle = percent(statistics.median_high(ratios)) if ratios else ""
            rows.append((work, middle, total, found, exact, inconclusive, wrongly))
    yield f"{len(slowed)} runs with extra work in some benchmarks:\n"
    yield from table(
        "extra work | measured, median | benchmarks | found | exact 95 % interval | inconclusive | wrongly passed", rows
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; 2 when the study cannot go on."""
    parser = loop.parser("error_rates", __doc__, "judged runs", clean=15, slowed=10)
    return loop.run(parser.parse_args(arguments), begin, show)


if __name__ == "__main__":
    sys.exit(main())
