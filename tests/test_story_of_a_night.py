"""Nights without GitHub: nightly.yml's steps as they stand, in a checkout whose backend can be slowed down for real."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders import days_before, git, rescale
from tests.fake_gh import FakeGh
from tests.test_story_of_a_baseline import ONE_RUN, THREE_RUNS, Checkout

SELECTION = "-k core_count_scaling --backends=onnxruntime,pytorch --threads=1 --batch-sizes=4 --sequence-lengths=128"


class Nights(Checkout):
    """A checkout with an origin to push to, an environment in place of the one that Install would make, and a gh."""

    def __init__(self, folder: Path, cache_home: Path) -> None:
        super().__init__(folder, cache_home)
        self.gh = FakeGh(folder / "bin")
        for name in (".venv", ".tox/reference"):
            (self.root / name).parent.mkdir(exist_ok=True)
            (self.root / name).symlink_to(sys.prefix)
        (self.root / ".git" / "info" / "exclude").write_text(".venv\n.tox\n")
        git(folder, "init", "--quiet", "--bare", "origin.git")
        git(self.root, "remote", "add", "origin", str(folder / "origin.git"))
        self.environment |= {
            "PATH": f"{self.gh.folder}:{sys.prefix}/bin:/usr/bin:/bin",
            "PYTEST_ADDOPTS": f"{SELECTION} --budget=none --benchmark-max-time=0.4 -p no:cacheprovider",
        }

    def job(self, name: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """The steps of a job, with the preset quick on whatever machine this is."""
        given = {
            "BENCH_PRESET": "quick",
            "BENCH_LAUNCHES": "2",
            "MACHINE_TOLERATE": "all",
            **variables,
        }
        named = [word for key, value in given.items() for word in ("--set", f"{key}={value}")]
        leave_out = ("--skip", "Install")
        command = [sys.executable, ".ci/steps.py", "nightly", "--job", name, *leave_out, *named]
        return subprocess.run(
            [*command, "--artifacts", str(self.artifacts)],
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def night(self, *, parts: int = 1, **variables: str) -> subprocess.CompletedProcess[str]:
        """The job that measures each part, as actions/checkout leaves the machine, and the one that judges.

        Their output together; the exit code is 1 where one is red.
        """
        self.count += 1
        shutil.rmtree(self.root / "runs", ignore_errors=True)
        numbers = {"of": str(parts)} if parts > 1 else {}
        jobs = [self.job("measure", **variables, **numbers, part=str(part)) for part in range(1, parts + 1)]
        jobs.append(self.job("judge"))
        text = "".join(job.stdout for job in jobs), "".join(job.stderr for job in jobs)
        return subprocess.CompletedProcess(jobs[-1].args, max(job.returncode for job in jobs), *text)

    def accept(self, *runs: Path) -> None:
        """Accepts files of runs and commits the baseline."""
        command = [sys.executable, "-m", "baselines", "accept", *map(str, runs), "--reason", "a story"]
        done = subprocess.run(command, cwd=self.root, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        git(self.root, "add", "baselines/machines")
        git(self.root, "commit", "--quiet", "--message", "baseline")

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
    (measured,) = (nights.artifacts / "nightly").glob("*Z_*/run.json")
    nights.accept(*days_before(measured, tmp_path / "days before"))

    nights.ended(nights.night(), 0)
    assert kept <= nights.uploaded()
    assert "regressed" not in (nights.artifacts / "summary.md").read_text()

    nights.rewrite(ONE_RUN, THREE_RUNS)
    git(nights.root, "commit", "--all", "--quiet", "--message", "slower")
    red = nights.ended(nights.night(), 1)
    for step, code in (("Measure", 1), ("Report", 0), ("Judge", 1)):
        assert f"--- {step}: exit {code}" in red
    assert "launch pairs side by side with the accepted state" in red
    assert "  changed   the code of workers, 1 file of it: fixtures/backends/onnxruntime.py" in red
    assert kept <= nights.uploaded()
    assert "## 1 regressed, 1 " in (nights.artifacts / "summary.md").read_text()
    assert nights.job("issue").returncode == 0
    assert nights.job("issue").returncode == 0
    (issue,) = nights.gh.issues
    assert "onnxruntime-fp32-threads1-batch4-seq128" in issue["body"]
    assert len(issue["comments"]) == 1


@pytest.mark.slow
def test_a_night_of_two_parts(tmp_path: Path, cache_home: Path) -> None:
    """Two machines, one after the other here: merged, reported and judged as one run, which the baseline takes."""
    nights = Nights(tmp_path, cache_home)
    addopts = nights.environment["PYTEST_ADDOPTS"]
    nights.environment["PYTEST_ADDOPTS"] = addopts.replace("--batch-sizes=4", "--batch-sizes=1,4")
    first = nights.ended(nights.night(parts=2), 1)
    assert "part 2 of 2: 3 of 4 benchmarks, 2 of them in every part" in first
    for step, code in (("Measure", 0), ("Merge", 0), ("Report", 0), ("Judge", 2)):
        assert f"--- {step}: exit {code}" in first
    assert len({path.parent for path in (nights.artifacts / "nightly").glob("*Z_*/run.json")}) == 3
    assert "merged from 2 parts" in (nights.artifacts / "summary.md").read_text()
    nights.ended(nights.job("accept", ACCEPT_RUN="8", REASON="of two machines"), 0)
    (committed,) = (nights.root / "baselines" / "machines").rglob("*.json")
    assert len(json.loads(committed.read_text())["benchmarks"]) == 4
    assert "--- Judge: exit 0" in nights.ended(nights.night(parts=2), 0)


@pytest.mark.slow
def test_a_night_on_a_slower_machine(tmp_path: Path, cache_home: Path) -> None:
    """What no package and no code explains is red and says so; a duet by hand clears it: green, said in the report."""
    nights = Nights(tmp_path, cache_home)
    addopts = nights.environment["PYTEST_ADDOPTS"]
    nights.environment["PYTEST_ADDOPTS"] = addopts.replace("onnxruntime,pytorch", "onnxruntime")  # the steadier one
    nights.ended(nights.night(), 1)
    (measured,) = (nights.artifacts / "nightly").glob("*Z_*/run.json")
    content = json.loads(measured.read_text())
    for benchmark in content["benchmarks"]:  # as if the machine had been three times as fast that night
        rescale(benchmark, 1 / 3)
    measured.write_text(json.dumps(content))
    nights.accept(*days_before(measured, tmp_path / "days before"), measured)

    red = nights.ended(nights.night(), 1)
    assert "  changed   nothing but the machine: packages and workers' code are those of " in red
    command = [sys.executable, "-m", "baselines", "confirm", "--reference", f"{nights.root}/.tox/reference/bin/python"]
    done = subprocess.run(
        command, cwd=nights.root, env=nights.environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert "cleared    benchmarks/" in nights.ended(done, 0)
    assert "--- Judge: exit 0" in nights.ended(nights.job("judge"), 0)
    assert "cleared: a duet with the accepted run's environment" in (nights.artifacts / "summary.md").read_text()
    assert nights.job("issue").returncode == 0
    assert nights.gh.issues == []
