"""The study of error rates: how runs come to be accepted and judged, what is on record of them, and what its tables say."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from studies import error_rates, loop
from studies.error_rates import ACCEPTED, PER_SHARE, SHARES, main
from studies.extra_work import PLAN
from studies.loop import Session, records_in
from tests.builders import answer, run_content

SLOWER = 1.5


def content(*, slowed: bool) -> dict[str, Any]:
    """A run.json of ten benchmarks, of which the first may be slower and be called so."""
    made = run_content(
        *(answer("out_of_the_box", 0.01 * (SLOWER if slowed and n == 1 else 1), length=n) for n in range(1, 11))
    )
    judged = {"ratio": 1.0, "interval": [0.9, 1.1], "evidence": "screen", "launches": 1, "runs": 5, "smallest_visible": 0.1}
    verdicts = {one["fullname"]: {**judged, "verdict": "passed"} for one in made["benchmarks"]}
    if slowed:
        verdicts[made["benchmarks"][0]["fullname"]] |= {"verdict": "regressed", "ratio": SLOWER}
    made["run"]["verdicts"] = {"judgements": verdicts, "suite_shift": None}
    return {**made, "environment": {"packages": {"torch": {"version": "2.13.0", "local": "cpu"}}}}


def test_from_accepted_runs_to_a_table(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is unstable is left out of a run that is to be accepted; then clean and slowed runs take turns."""
    works: list[dict[str, str]] = []
    commands: list[list[str]] = []

    def session(folder: Path, *_: str, work: dict[str, str] | None = None) -> Session:
        works.append(work or {})
        path = folder / f"runs/{len(works)}/run.json"
        return Session(path=path, content=content(slowed=bool(work)), code=int(bool(work)), wall_s=10.0)

    def accept(command: list[str], **words: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        if len(commands) == 1:
            return subprocess.CompletedProcess(command, 1, "", "error: one is unstable, its launches spread")
        store = Path(command[command.index("--store") + 1]) / "machine" / "model"
        store.mkdir(parents=True, exist_ok=True)
        (store / f"{len(commands)}.json").write_text(json.dumps(content(slowed=False)))
        return subprocess.CompletedProcess(command, 0, "accepted", "")

    monkeypatch.setattr(error_rates, "session", session)
    monkeypatch.setattr(error_rates.subprocess, "run", accept)
    monkeypatch.setattr(loop, "FOLDER", tmp_path)
    data = tmp_path / "data.jsonl"
    assert main(["measure", "--clean", "2", "--slowed", "1", "--data", str(data)]) == 0
    assert ["--only" in command for command in commands] == [False, True, *[False] * (ACCEPTED - 1)]
    assert [PLAN in work for work in works] == [*[False] * ACCEPTED, False, True, False]
    slowed = records_in(data)[1]
    assert sorted(slowed["extra_work"].values()) == sorted(SHARES * PER_SHARE)
    assert [len(called) for called in slowed["peers"].values()] == [1] * 4
    assert slowed["versions"] == {"torch": "2.13.0"}

    capsys.readouterr()
    assert main(["show", "--data", str(data)]) == 0
    printed = capsys.readouterr().out
    assert "2 runs with nothing changed, 20 benchmarks judged:" in printed
    assert "| this suite | 0 | 0.0% to 16.8% | 0 of 2 |" in printed
    assert "| `mean:5%` | 0 | 0.0% to 16.8% | 0 of 2 |" in printed
    assert "This suite's other verdicts there: 20 passed, 0 inconclusive, 0 improved." in printed
    assert "1 runs with extra work in some benchmarks:" in printed
    shares = [line.split("|")[1].strip() for line in printed.splitlines() if line.count("|") == 8][2:]
    assert shares == ["5%", "10%", "20%", "50%", "none"]
