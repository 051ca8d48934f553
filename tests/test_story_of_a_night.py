"""Nights without GitHub: nightly.yml's steps as they stand, in a checkout whose backend can be slowed down for real."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders import git
from tests.fake_gh import FakeGh
from tests.test_story_of_a_baseline import ONE_RUN, THREE_RUNS, Checkout

SELECTION = "-k core_count_scaling --backends=onnxruntime,pytorch --threads=1 --batch-sizes=4 --sequence-lengths=128"


class Nights(Checkout):
    """A checkout with an origin to push to, an environment in place of the one that Install would make, and a gh."""

    def __init__(self, folder: Path, cache_home: Path) -> None:
        super().__init__(folder, cache_home)
        self.gh = FakeGh(folder / "bin")
        (self.root / ".venv").symlink_to(sys.prefix)
        (self.root / ".git" / "info" / "exclude").write_text(".venv\n")
        git(folder, "init", "--quiet", "--bare", "origin.git")
        git(self.root, "remote", "add", "origin", str(folder / "origin.git"))
        self.environment |= {
            "PATH": f"{self.gh.folder}:{sys.prefix}/bin:/usr/bin:/bin",
            "PYTEST_ADDOPTS": f"{SELECTION} --benchmark-max-time=0.4 -p no:cacheprovider",
        }

    def job(self, name: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """The steps of a job, with the preset quick on whatever machine this is."""
        given = {"BENCH_PRESET": "quick", "BENCH_LAUNCHES": "2", "MACHINE_TOLERATE": "all", **variables}
        named = [word for key, value in given.items() for word in ("--set", f"{key}={value}")]
        command = [sys.executable, ".ci/steps.py", "nightly", "--job", name, "--skip", "Install", *named]
        return subprocess.run(
            [*command, "--artifacts", str(self.artifacts)],
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def night(self, **variables: str) -> subprocess.CompletedProcess[str]:
        """The job that measures, in the state in which actions/checkout leaves the machine."""
        self.count += 1
        shutil.rmtree(self.root / "runs", ignore_errors=True)
        return self.job("measure", **variables)

    def ended(self, done: subprocess.CompletedProcess[str], code: int) -> str:
        """What a job printed, if it ended as expected; where it did not because the machine is busy, the test is skipped."""
        text = done.stdout + done.stderr
        if done.returncode != code and (disturbed := re.search(r"other processes kept .*", text)):
            pytest.skip(f"this machine was not quiet: {disturbed[0]}")
        assert done.returncode == code, text
        return text

    @property
    def artifacts(self) -> Path:
        """Of this night."""
        return self.folder / "artifacts" / str(self.count)

    def uploaded(self) -> set[str]:
        """The names of the files of this night's runs and of its report."""
        return {path.name for path in (self.artifacts / "nightly").rglob("*") if path.is_file()}


@pytest.mark.slow
def test_nights(tmp_path: Path, cache_home: Path) -> None:
    """No baseline: red, and kept. Accepted in a job of its own: green. Slower: red, kept as well, and one issue."""
    nights = Nights(tmp_path, cache_home)
    kept = {"journal.jsonl", "run.json", "junit.xml", "report.md", "report.html", "verdicts.json"}

    untuned = nights.night(MACHINE_TOLERATE="")
    if untuned.returncode:  # on a prepared machine it would have measured
        assert "not prepared for measuring" in untuned.stdout
        assert "--- Measure: skipped" in untuned.stdout
        assert not (nights.artifacts / "nightly").exists()

    first = nights.ended(nights.night(), 1)
    assert "--- Measure: exit 0" in first
    assert "--- Judge: exit 2" in first
    assert kept <= nights.uploaded()
    told = nights.job("issue")
    assert (told.returncode, nights.gh.issues) == (0, []), "no baseline is no regression"

    nights.ended(nights.job("accept", ACCEPT_RUN="7", REASON="the first night"), 0)
    assert ["pr", "create"] in nights.gh.read()["calls"]
    (committed,) = git(tmp_path / "origin.git", "ls-tree", "-r", "--name-only", "baseline-7", "baselines/machines").split()
    assert Path(committed).name.startswith("0001_")

    nights.ended(nights.night(), 0)
    assert kept <= nights.uploaded()
    assert "regressed" not in (nights.artifacts / "summary.md").read_text()

    nights.rewrite(ONE_RUN, THREE_RUNS)
    git(nights.root, "commit", "--all", "--quiet", "--message", "slower")
    red = nights.ended(nights.night(), 1)
    for step, code in (("Measure", 1), ("Report", 0), ("Judge", 1)):
        assert f"--- {step}: exit {code}" in red
    assert kept <= nights.uploaded()
    assert "## 1 regressed, 1 " in (nights.artifacts / "summary.md").read_text()
    assert nights.job("issue").returncode == 0
    assert nights.job("issue").returncode == 0
    (issue,) = nights.gh.issues
    assert "onnxruntime-fp32-threads1-batch4-seq128" in issue["body"]
    assert len(issue["comments"]) == 1
