"""The life of a baseline, with real processes and real extra work: none, accepted, clean, slow and red, fixed, green."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders import days_before
from tests.suite import REPOSITORY, SCALING, Ended, Suite

ONNX_RUNTIME = "fixtures/backends/onnxruntime.py"
ONE_RUN = "            return run(None, feeds)"
THREE_RUNS = "            return [run(None, feeds) for _ in range(3)][-1]"


class Checkout(Suite):
    """A checkout of its own, in which code can be broken and baselines accepted."""

    def __init__(self, folder: Path, cache_home: Path) -> None:
        super().__init__(folder, cache_home)
        self.root = folder / "checkout"
        self.store = self.root / "baselines" / "machines"
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=True,
        )
        for name in listed.stdout.splitlines():
            if (REPOSITORY / name).is_file() and not name.startswith("baselines/machines/"):
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(REPOSITORY / name, self.root / name)
        for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "as it is"]):
            subprocess.run(
                ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *command], cwd=self.root, check=True
            )
        self.count = 0

    def measured(self, *arguments: str) -> Ended:
        """One run, in a folder of runs of its own."""
        self.count += 1
        self.runs = self.root / "runs" / str(self.count)
        command = self.command(
            *(SCALING, "--benchmark-only", "--preset=quick", "--backends=onnxruntime,pytorch", "--threads=1"),
            *("--sequence-lengths=128", "--batch-sizes=1,4", "--benchmark-max-time=0.4", *arguments),
        )
        done = subprocess.run(command, cwd=self.root, env=self.environment, capture_output=True, text=True, check=False)
        return Ended(code=done.returncode, text=done.stdout + done.stderr, runs=self.runs)

    def accepted(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`accept` of the last run, as if the two days before had measured the same."""
        (run,) = self.runs.iterdir()
        before = days_before(run / "run.json", self.folder / "days before")
        return subprocess.run(
            [sys.executable, "-m", "baselines", "accept", *map(str, (*before, run)), *arguments],
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def rewrite(self, before: str, after: str) -> None:
        """Changes ONNX Runtime's forward pass."""
        path = self.root / ONNX_RUNTIME
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after))


@pytest.mark.slow
def test_the_life_of_a_baseline(tmp_path: Path, cache_home: Path) -> None:
    """Exactly the tests of the slowed backend go red, again and again until it is fixed, and acceptance needs a reason."""
    checkout = Checkout(tmp_path, cache_home)
    first = checkout.measured()
    assert first.code == 0, first.text
    assert "no accepted run of bert-tiny on this machine: nothing was judged" in first.text
    assert checkout.measured("--require-baseline").code == 4
    checkout.count, checkout.runs = 1, checkout.root / "runs" / "1"
    without_reason = checkout.accepted()
    assert without_reason.returncode == 2
    shutil.rmtree(checkout.folder / "days before")
    accepted = checkout.accepted("--reason", "the first of this story")
    assert accepted.returncode == 0, accepted.stdout + accepted.stderr

    clean = checkout.measured()
    assert clean.code == 0, clean.text
    assert "REGRESSED" not in clean.text
    assert "against 3 accepted run" in clean.text

    checkout.rewrite(ONE_RUN, THREE_RUNS)
    for _ in range(2):  # the slow run is no baseline of the next: no ratchet
        slow = checkout.measured()
        assert slow.code == 1, slow.text
        red = {line.split(" - ")[0] for line in slow.text.splitlines() if line.startswith("FAILED")}
        name = f"FAILED {SCALING}::test_core_count_scaling"
        assert red == {f"{name}[onnxruntime-fp32-threads1-batch{batch}-seq128]" for batch in (1, 4)}
        assert "2 regressed" in slow.text
        assert "python -m baselines accept" in slow.text
        assert "accepted " in slow.text
        assert "the first of this story" in slow.text
        assert len(slow.benchmarks) == 4, "the slow results are kept as well"
        assert set(slow.run["run"]["verdicts"]["judgements"]) == {
            f"{SCALING}::{one['name']}" for one in slow.run["benchmarks"]
        }
    refused = checkout.accepted("--reason", "slow is the new fast")
    assert refused.returncode == 2

    checkout.rewrite(THREE_RUNS, ONE_RUN)
    fixed = checkout.measured()
    assert fixed.code == 0, fixed.text

    fewer = checkout.measured("--backends=onnxruntime")
    assert fewer.code == 0, "what the command line leaves out is not missing"
    path = checkout.root / SCALING
    path.write_text(path.read_text().replace("def test_core_count_scaling", "def test_core_count_scaling_renamed"))
    renamed = checkout.measured()
    assert renamed.code == 1
    assert "4 missing" in renamed.text
    assert "MISSING test_core_count_scaling[pytorch-fp32-threads1-batch1-seq128]: not collected" in renamed.text
