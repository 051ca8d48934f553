"""Which runs are of one machine, whatever its memory; and that a difference between two machines is no regression."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from baselines.files.store import MACHINES, accepted_runs, folders
from fixtures.machine.fingerprint import Fingerprint
from tests.builders import ONE, TWO, Checkout, benchmark
from tests.test_fingerprint import write_root

HARD = {"cpu_vendor": "AuthenticAMD", "cpu_model": 17, "physical_cores": 2, "virtualised": True}
OTHER_CPU = {**HARD, "cpu_model": 1}


def told_today(hard: dict[str, Any] | None = None, *, memory_gib: int = 16) -> dict[str, Any]:
    """What a run says of its machine."""
    hard = HARD if hard is None else hard
    return {"machine_id": id_of(hard), "hard": hard, "soft": {"kernel": "6.1.0", "memory_gib": memory_gib}}


def told_before(memory_gib: int) -> dict[str, Any]:
    """What it said while memory was a part of what a machine is."""
    hard = {**HARD, "memory_gib": memory_gib}
    return {"machine_id": id_of(hard), "hard": hard, "soft": {"kernel": "6.1.0"}}


def id_of(hard: dict[str, Any]) -> str:
    """The id that the suite gives to such a machine."""
    digest = hashlib.sha256(json.dumps(hard, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    return f"amd-25-17-2c-{digest[:8]}"


@pytest.fixture(autouse=True)
def no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """Comparisons of tests do not belong in the summary of the job that runs the tests."""
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


@pytest.fixture
def checkout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Checkout:
    """A checkout and an empty store."""
    return Checkout(tmp_path / "checkout", capsys)


def accept(checkout: Checkout, machine: dict[str, Any], *, day: int) -> None:
    """Accepts a run of a machine."""
    ended = checkout.accept(checkout.run(benchmark(ONE), benchmark(TWO), started_day=day, machine_info=machine))
    assert ended.code == 0, ended.err


def test_a_machine_keeps_its_baseline_when_its_memory_moves(checkout: Checkout) -> None:
    """Runs of before and of today, of any amount of memory, are one history; a slow run is judged, and memory is told."""
    for day, machine in enumerate((told_before(16), told_before(8), told_today(), told_today())):
        accept(checkout, machine, day=day)
    slow = checkout.run(benchmark(ONE, 0.02), benchmark(TWO), started_day=9, machine_info=told_today(memory_gib=8))
    ended = checkout.baselines("compare", slow)
    assert ended.code == 1, ended.out
    assert "1 regressed" in ended.out
    assert "4 accepted runs" in ended.out
    assert "8 GiB of memory, 16 when the baseline was measured" in ended.out
    assert checkout.numbers == ["0001", "0002", "0003", "0004"]
    assert accepted_runs(id_of(OTHER_CPU), "bert-tiny", checkout.store) == []


def test_the_oldest_runs_leave_whatever_their_folder(checkout: Checkout) -> None:
    """The last eight stay, and the anchor of all: the folders of older ids empty as any other."""
    for day in range(10):
        accept(checkout, told_before(16) if day < 2 else told_today(), day=day)
    assert checkout.numbers == ["0001", *(f"{number:04}" for number in range(3, 11))]
    assert [one.name for one in folders(checkout.store)] == ["bert-tiny", "bert-tiny"]


def test_an_old_run_that_is_accepted_late(checkout: Checkout) -> None:
    """It goes where its own words say, and is of the same history."""
    accept(checkout, told_today(), day=0)
    accept(checkout, told_before(32), day=1)
    runs = accepted_runs(id_of(HARD), "bert-tiny", checkout.store)
    assert [(run.accepted.number if run.accepted else 0, run.filed_as) for run in runs] == [
        (1, id_of(HARD)),
        (2, told_before(32)["machine_id"]),
    ]
    assert [run.machine_soft["memory_gib"] for run in runs] == [16, 32]


def test_what_this_checkout_holds_is_found_under_todays_id(tmp_path: Path) -> None:
    """The ids of files are made as those of machines; accepted runs of this very checkout are not lost."""
    machine = Fingerprint.from_root(write_root(tmp_path))
    assert str(machine.machine_id).rpartition("-")[2] == id_of(dict(machine.hard)).rpartition("-")[2]
    for folder in folders(MACHINES):
        (*_, path) = sorted(folder.glob("*.json"))
        hard = json.loads(path.read_text())["machine_info"]["hard"]
        hard.pop("memory_gib", None)
        digest = id_of(hard).rpartition("-")[2]
        found = accepted_runs(f"{folder.parent.name.rpartition('-')[0]}-{digest}", folder.name)
        assert len(found) == len(list(folder.glob("*.json")))


def two_files(checkout: Checkout, before: dict[str, Any], after: dict[str, Any]) -> tuple[Path, Path]:
    """A run of one machine, and one that took twice as long on the other."""
    old = checkout.run(benchmark(ONE), benchmark(TWO), machine_info=before)
    new = checkout.run(benchmark(ONE, 0.02), benchmark("new", 0.02), started_day=1, machine_info=after)
    return new, old


NAMED_CPUS = tuple({"hard": {}, "soft": {"cpu_model_name": name}, "machine_id": None} for name in ("CPU A", "CPU B"))


@pytest.mark.parametrize(
    ("before", "after", "differs"),
    [
        (told_today(), told_today(OTHER_CPU), "cpu_model 17 -> 1"),
        (*NAMED_CPUS, "CPU CPU A -> CPU B"),
    ],
    ids=["ours", "another project's"],
)
def test_two_machines_in_two_files(checkout: Checkout, before: dict[str, Any], after: dict[str, Any], differs: str) -> None:
    """The ratio is shown, nothing is judged and nothing is missing: 2, as for nothing to compare; one notice on top."""
    new, old = two_files(checkout, before, after)
    ended = checkout.baselines("compare", new, old)
    assert ended.code == 2, ended.out
    assert "1 incomparable, 1 new" in ended.out
    assert f"measured on another machine: {differs}" in ended.out
    assert "+100.0 %" in ended.out
    assert "to judge all the same: --any-machine" in ended.out
    assert "MISSING" not in ended.out
    judged = checkout.baselines("compare", new, old, "--any-machine")
    assert judged.code == 1
    assert "1 regressed" in judged.out
    report = checkout.baselines("report", new, "--against", old)
    assert report.code == 0
    assert "to judge all the same: --any-machine" in (new / "report" / "report.md").read_text()


def test_runs_of_this_machine_judge_beside_those_of_another(checkout: Checkout) -> None:
    """The others are left out by name."""
    new, other = two_files(checkout, told_today(OTHER_CPU), told_today())
    same = checkout.run(benchmark(ONE), benchmark("new", 0.02), started_day=2, machine_info=told_today())
    ended = checkout.baselines("compare", new, other, same)
    assert ended.code == 1, ended.out
    assert (
        f"{other.name}/run.json is left out of the baseline, it was measured on another machine: cpu_model 1 -> 17"
        in ended.out
    )


def test_another_amount_of_memory_is_no_other_machine(checkout: Checkout) -> None:
    """Named files of before and of today are judged."""
    new, old = two_files(checkout, told_before(32), told_today())
    ended = checkout.baselines("compare", new, old)
    assert ended.code == 1
    assert "1 regressed" in ended.out
