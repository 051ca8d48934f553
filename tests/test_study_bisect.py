"""The study of bisect: what it replays on recorded launch pairs, and the releases that it makes."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path
from typing import Any

from studies.bisect import KINDS, ONE, TWO, bisected, replayed, shares_of, show
from studies.bisect_package import write_releases
from tests.suite import REPOSITORY


def recorded(*, sd: float) -> list[dict[str, Any]]:
    """Launch pairs of each kind, as a quiet machine would give them."""
    chance = random.Random(11)  # noqa: S311 - noise, no secret
    return [
        {
            "kind": "pair",
            "study": "2026-11-27 12:00",
            "machine": "m",
            "wall_s": 5.0,
            "steps": 1,
            "older": older,
            "newer": newer,
            "newer_first": turn % 2 == 0,
            "log_ratio": newer - older + chance.gauss(0, sd),
            "measured_s": 0.01 * (1 + newer),
            "reference_s": 0.01 * (1 + older),
        }
        for older, newer in KINDS
        for turn in range(20)
    ]


def test_searches_are_replayed_on_what_was_recorded() -> None:
    """A search finds one change of 3 %, which a rule of 5 % cannot see; two are two, and none is none."""
    records = recorded(sd=0.004)
    text = "\n".join(show(records, 3))
    assert "recorded: m, 2026-11-27 12:00" in text
    assert "| 0.0% -> 3.0% | 20 | +3." in text
    for truth, sizes in (("one", [ONE]), ("two", TWO), ("none", [])):
        rows = list(replayed(records, sizes, 4, random.Random(5)))  # noqa: S311 - as above
        assert rows[0][:3] == ["search", 4, 4], (truth, rows)
    by_rule = {row[0]: row[2] for row in replayed(records, [ONE], 8, random.Random(5))}  # noqa: S311 - as above
    assert by_rule["bisection, median:5%"] <= 2, "it says the last release, whatever it was"


def test_work_adds_up_and_plain_bisection_asks_once_per_step() -> None:
    """What each of sixteen releases adds; four steps lead to one of fifteen."""
    shares = shares_of((3, 9), TWO)
    assert (shares[2], shares[3], shares[8], shares[9], shares[15]) == (0.0, 0.019, 0.019, 0.041, 0.041)
    found, asked = bisected(shares_of((7,), [ONE]), lambda share: share > 0)
    assert (found, asked) == ((7,), 4)


def test_a_release_adds_work_to_a_worker_and_to_nothing_else(tmp_path: Path) -> None:
    """Its `.pth` runs at every start; the card's forward passes have the work behind them, once."""
    write_releases(tmp_path / "wheels", {"1.0": 5})
    (wheel,) = (tmp_path / "wheels").iterdir()
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target"]
    subprocess.run([*command, str(tmp_path / "site"), str(wheel)], check=True)
    code = f"""
import site
for _ in range(2):
    site.addsitedir({str(tmp_path / "site")!r})
from fixtures.backends.onnxruntime import OnnxRuntime
from fixtures.backends.pytorch import PyTorch
assert OnnxRuntime.compile.__module__ == "bench_study_work"
(cell,) = OnnxRuntime.compile.__closure__
assert cell.cell_contents.__module__ == "fixtures.backends.onnxruntime", "twice"
assert PyTorch.compile.__module__ == "fixtures.backends.pytorch"
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
