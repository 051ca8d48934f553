"""What work on one core costs: turns of a known difference, and the study from end to end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from baselines.judging.interquartile import interquartile_mean
from fixtures.model.prepared import PreparedModel
from studies.cost_of_work import compared, main
from tests.suite import REPOSITORY

SOONER = """
import sys
from studies import cost_of_work
cost_of_work.WARM_UP_S = 0.3
sys.exit(cost_of_work.main(sys.argv[1:]))
"""
"""The study as `python -m` has it, with a shorter warm-up: what it prints is looked at, not whether it is right."""


def test_turns_find_a_difference() -> None:
    """Three times as long is a log ratio of about 1.1, whichever is first; both medians and means say so."""
    base, of_medians, of_means = compared(lambda: time.sleep(0.002), lambda: time.sleep(0.006), [], 0.5)
    assert len(base) == len(of_medians) == len(of_means) >= 4
    assert 0.5 < interquartile_mean(of_medians) < 1.5
    assert 0.3 < interquartile_mean(of_means) < 2


def test_from_end_to_end(cache_home: Path, bert_tiny: PreparedModel) -> None:
    """A row for each comparison, the last of nothing with nothing; what was wrong with the model is said in a line.

    With ONNX Runtime, because the study runs a framework in its own process; it is the quickest to start.
    """
    done = subprocess.run(
        [sys.executable, "-c", SOONER, "onnxruntime", "32", "--model", "bert-tiny", "--seconds", "0.2"],
        cwd=REPOSITORY,
        env={**os.environ, "XDG_CACHE_HOME": str(cache_home)},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines()]
    assert [row[2] for row in rows[2:]] == ["quiet", *["beside a neighbour"] * 2, "beside a neighbour, nothing changed"]
    assert [row[4] == "0.0% of it" for row in rows[2:]] == [False, False, False, True]


def test_no_such_model(capsys: pytest.CaptureFixture[str]) -> None:
    """One line, exit code 2."""
    assert main(["onnxruntime", "32", "--model", "./nowhere"]) == 2
    assert capsys.readouterr().err.startswith("error: no checkpoint directory ./nowhere")
