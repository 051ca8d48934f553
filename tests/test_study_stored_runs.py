"""The study of stored runs: what a record keeps, and what is said of records."""

from __future__ import annotations

import json
import math
import random
import statistics
from pathlib import Path
from typing import Any

import pytest

from studies import loop, stored_runs
from studies.extra_work import PLAN
from studies.loop import Session, append, records_in
from studies.stored_runs import baselines_of, main, record_of, show
from tests.builders import ONE, TWO, benchmark, run_content


def content(factors: tuple[float, float], day: int, *, slowed: float = 1.0) -> dict[str, Any]:
    """A run.json of two benchmarks, the first one slowed."""
    one, two = factors
    made = run_content(benchmark(ONE, 0.01 * one * slowed), benchmark(TWO, 0.02 * two), started_day=day)
    packages = {name: {"version": "1.0", "local": None} for name in ("torch", "tensorflow", "onnxruntime", "transformers")}
    return {**made, "environment": {"packages": {**packages, "numpy": {"version": "2.4.6", "local": None}}}}


def test_records_are_runs(tmp_path: Path) -> None:
    """On a machine of changing mood other tools' rules find 10 % and call moods slower; ours says that it cannot tell."""
    data, chance = tmp_path / "data.jsonl", random.Random(5)  # noqa: S311 - chance, not secrecy
    for day in range(7):
        mood = math.exp(chance.gauss(0, 0.10))
        append(data, record_of(content((mood, mood), day), {}))
    (name,) = {one["fullname"] for one in content((1, 1), 8)["benchmarks"] if one["param"] == ONE}
    append(data, record_of(content((1, 1), 8, slowed=1.10), {name: 0.10}))
    text = "\n".join(show(records_in(data)))
    assert "8 runs from 2026-03-01T12:00 to 2026-03-09T12:00 UTC, 7 of them with nothing changed" in text
    rows = {tuple(cell.strip() for cell in line.split("|")[1:4]): line.split("|")[4:6] for line in text.splitlines()}
    assert [cell.strip() for cell in rows["onnxruntime", "10%", "stored"]] == ["1", "0"]
    assert rows["onnxruntime", "10%", "`median:5%`"][0].strip() == "1"
    assert "newest runs with nothing changed before them, 3 runs:" in text


def test_only_what_came_before_is_a_baseline() -> None:
    """A run is judged by clean runs before it, and by no more than a baseline keeps."""
    records: list[dict[str, Any]] = [{"extra_work": {"a": 0.1} if number == 5 else {}} for number in range(12)]
    before = dict(baselines_of(records))
    assert before[5] == [0, 1, 2, 3, 4]
    assert before[6] == [0, 1, 2, 3, 4]
    assert before[11] == [1, 2, 3, 4, 6, 7, 8, 9, 10][1:]
    assert 4 not in before


def test_records_stay_small_and_say_nothing_of_the_host(tmp_path: Path) -> None:
    """Paths and host names are not kept, and rounds with five digits, whose median a reader finds again."""
    data = tmp_path / "data.jsonl"
    append(data, record_of(content((1, 1), 0), {}))
    (line,) = data.read_text().splitlines()
    assert len(line) < 3000
    stats = json.loads(line)["benchmarks"][0]["stats"]
    assert stats["median"] == statistics.median(stats["data"])
    assert set(json.loads(line)["machine_info"]) == {"machine_id"}


def test_nothing_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A clear message."""
    assert main(["show", "--data", str(tmp_path / "none.jsonl")]) == 2
    assert "none.jsonl has no line; measure some: python -m studies.stored_runs measure" in capsys.readouterr().err


def test_extra_work_is_a_share_of_the_newest_clean_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of one that is made for it and not put on record, where a study is asked for no clean run."""
    works: list[dict[str, str]] = []

    def session(folder: Path, *_: str, work: dict[str, str], codes: tuple[int, ...]) -> Session:
        works.append(work)
        return Session(path=folder / "run.json", content=content((1, 1), len(works)), code=codes[0], wall_s=1.0)

    monkeypatch.setattr(stored_runs, "session", session)
    monkeypatch.setattr(random.SystemRandom, "random", lambda _: 0.0)
    monkeypatch.setattr(loop, "FOLDER", tmp_path)
    data = tmp_path / "data.jsonl"
    assert main(["measure", "--clean", "2", "--shares", "0.5", "--data", str(data)]) == 0
    assert [set(record["extra_work"].values()) for record in records_in(data)] == [set(), {0.5}, set()]
    assert [PLAN in work for work in works] == [False, True, False]
    monkeypatch.setattr(loop, "FOLDER", tmp_path / "another second")
    assert main(["measure", "--clean", "0", "--slowed", "2", "--data", str(data)]) == 0
    assert [PLAN in work for work in works[3:]] == [False, True, False, True]
    assert len(records_in(data)) == 5
