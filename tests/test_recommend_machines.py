"""`python -m baselines recommend RUN_A RUN_B --price A=...,B=...`: machines beside each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from baselines.__main__ import main
from tests.builders import run_folder
from tests.test_recommend import measured, recommended


def machine(name: str, cores: int = 2) -> dict[str, Any]:
    """`machine_info` of a file."""
    return {"machine_id": name, "hard": {"physical_cores": cores}, "soft": {}}


def two(folder: Path, *, fast_s: float = 0.010, slow_s: float = 0.020, **changes: Any) -> tuple[Path, Path]:
    """Runs of a fast machine and of one that takes longer; `changes` of the second."""
    busy = {"per_instance": [{"cpus": [0, 1], "cpu_time_s": 2.0, "wall_s": 1.0}]}
    fast = measured("onnxruntime-fp32-threads2", fast_s, threads=2, instances=[(0, 1)], extra=busy)
    slow = measured("pytorch-fp32-threads2", slow_s, threads=2, instances=[(0, 1)], extra=busy)
    slow["extra_info"]["model"]["name"] = changes.pop("model", "bert-tiny")
    if "config_sha256" in changes:
        slow["extra_info"]["model"]["config_sha256"] = changes.pop("config_sha256")
    return (
        run_folder(folder / "fast", fast, machine_info=machine("fast-2c")),
        run_folder(folder / "slow", slow, machine_info=machine("slow-2c"), **changes),
    )


def test_which_is_fastest_and_which_is_cheapest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Twice as fast at ten times the price: each machine's best, a million samples, and the two orders with intervals."""
    code, out, _ = recommended(capsys, *two(tmp_path), "--price", "A=36,B=3.6")
    assert code == 0
    head, _, body = out.partition("\n\n")
    assert head.splitlines()[0].startswith("A  bert-tiny on fast-2c, 36 an hour, measured 2026-03-01 12:00 UTC in ")
    assert head.splitlines()[1].startswith("B  bert-tiny on slow-2c, 3.6 an hour, ")
    assert head.splitlines()[2] == "In brackets: where 95% of new runs lie,"
    assert body.splitlines() == [
        "batch 1, sequence 32",
        "  A  latency     10.0 ms (8.35 ms to 12.0 ms): onnxruntime fp32, 2 threads, 1 instance",
        "     throughput  100 samples/s (83.5 samples/s to 120 samples/s): onnxruntime fp32, 2 threads, 1 instance",
        "     a million   costs 100 (83.5 to 120), 20000 CPU-seconds",
        "  B  latency     20.0 ms (16.7 ms to 23.9 ms): pytorch fp32, 2 threads, 1 instance",
        "     throughput  50.0 samples/s (41.8 samples/s to 59.9 samples/s): pytorch fp32, 2 threads, 1 instance",
        "     a million   costs 20.0 (16.7 to 23.9), 40000 CPU-seconds",
        "  fastest        A; B takes 2.00 (1.55 to 2.58) times as long",
        "  cheapest       B; A costs 5.00 (3.88 to 6.45) times as much",
    ]


def test_prices_by_machine_id_or_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A machine has its id for a name as well; without prices nothing is cheapest, and CPU-seconds stay."""
    runs = two(tmp_path)
    _, out, _ = recommended(capsys, *runs, "--price", "slow-2c=3.6,A=36")
    assert "  cheapest       B; A costs 5.00" in out
    _, out, _ = recommended(capsys, *runs)
    assert "cheapest" not in out
    assert "     a million   20000 CPU-seconds" in out


def test_what_cannot_be_told_apart_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ten percent between two single runs is noise."""
    _, out, _ = recommended(capsys, *two(tmp_path, slow_s=0.011), "--price", "A=1,B=1")
    assert "  fastest        A; B is not told apart from it" in out
    assert "  cheapest       A; B is not told apart from it" in out


def test_sizes_that_only_one_measured_are_left_out_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And where no size is left there is nothing to compare."""
    (first, _), more = (
        two(tmp_path),
        [measured("pytorch-fp32-threads2", 0.02), measured("x-fp32-threads2", 0.1, size=(8, 32))],
    )
    second = run_folder(tmp_path / "more", *more, machine_info=machine("slow-2c"))
    _, out, _ = recommended(capsys, first, second)
    assert out.splitlines()[-1] == "not measured in every run, and left out: 8x32"
    alone = run_folder(tmp_path / "alone", more[1], machine_info=machine("slow-2c"))
    code, out, err = recommended(capsys, first, alone)
    assert (code, out, err) == (2, "", "error: no problem size was measured in all 2 runs\n")


@pytest.mark.parametrize(
    ("changes", "arguments", "said"),
    [
        ({"model": "bert-mini"}, (), "measured with model bert-mini e5e226, and "),
        ({"run": {"inputs": "text"}}, (), "measured with inputs text, and "),
        ({"config_sha256": "other"}, (), "measured with model bert-tiny other, and "),
        ({}, ("--price", "4.85"), "one price for 2 runs: say whose each is, --price A=4.85,B=..."),
        ({}, ("--price", "C=1"), "--price C: there are A, B, fast-2c, slow-2c"),
        ({}, ("--plan", "plan.json"), "--plan plan.json: a plan is made of one run, and 2 were named"),
    ],
)
def test_what_is_not_compared(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, Any],
    arguments: tuple[str, ...],
    said: str,
) -> None:
    """Exit 2 and one line."""
    code, out, err = recommended(capsys, *two(tmp_path, **changes), *arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("price", ["A=", "A=0,B=1", "=3", "A=1,A=2", "A=1,", "A=1,2"])
def test_prices_that_are_none(capsys: pytest.CaptureFixture[str], price: str) -> None:
    """A word that is no price, a price of nobody's, or two of one machine."""
    with pytest.raises(SystemExit) as ended:
        main(["recommend", f"--price={price}"])
    assert ended.value.code == 2
    assert "is not a" in capsys.readouterr().err


def test_one_run_may_be_called_a(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As it is among several; a price for another one is a mistake."""
    run, _ = two(tmp_path)
    _, out, _ = recommended(capsys, run, "--price", "A=3.6")
    assert "  cost        10.0 (8.35 to 12.0) per million samples" in out
    code, _, err = recommended(capsys, run, "--price", "B=3.6")
    assert (code, "--price B=3.6: one run was named" in err) == (2, True)
