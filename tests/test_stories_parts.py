"""Parts of a plan, measured at the same time by processes that have a CPU each, and what becomes of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.suite import OUT_OF_THE_BOX, SCALING, SHORT, Ended, Suite
from tests.test_story_of_a_baseline import Checkout

PLAN = (OUT_OF_THE_BOX, SCALING, *SHORT, "--backends=onnxruntime,pytorch", "--threads=1")
BRIDGES = {
    "core_count_scaling[onnxruntime-fp32-threads1-batch1-seq32]",
    "core_count_scaling[pytorch-fp32-threads1-batch1-seq32]",
}
REST = {"out_of_the_box[onnxruntime-fp32-batch1-seq32]", "out_of_the_box[pytorch-fp32-batch1-seq32]"}
CPUS = sorted(os.sched_getaffinity(0))


def names(run: Path) -> set[str]:
    """What is in the file of a run, without its module."""
    return {one["name"].removeprefix("test_") for one in json.loads(run.read_text())["benchmarks"]}


@pytest.mark.every_cpu
@pytest.mark.skipif(len(CPUS) < 2, reason="two parts at the same time need a CPU each")
def test_two_parts_become_one_run(tmp_path: Path, cache_home: Path) -> None:
    """Measured beside each other, merged, compared, reported, accepted, and compared with itself."""
    checkout = Checkout(tmp_path, cache_home)
    checkout.runs = checkout.root / "runs" / "parts"

    def baselines(*words: object, code: int = 0) -> str:
        command = [sys.executable, "-m", "baselines", *map(str, words)]
        environment = {name: value for name, value in checkout.environment.items() if name != "GITHUB_STEP_SUMMARY"}
        done = subprocess.run(command, cwd=checkout.root, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != code and "is unstable" in done.stderr:
            pytest.skip(f"this machine was not quiet: {done.stderr}")
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    for index, ended in enumerate(measured_at_once(checkout), start=1):
        assert ended.code == 0, ended.text
        assert f"part {index} of 2: 3 of 4 benchmarks, 2 of them in every part" in ended.text
        assert "1 deselected" in ended.text
        assert "left out" not in ended.text
    parts = sorted(checkout.runs.iterdir())
    assert len(parts) == 2
    found = [names(part / "run.json") for part in parts]
    assert found[0] & found[1] == BRIDGES
    assert (found[0] | found[1]) - BRIDGES == REST

    told = baselines("merge", *parts, "--runs", checkout.root / "runs")
    (folder,) = (checkout.root / "runs").glob("*Z_*")
    content = json.loads((folder / "run.json").read_text())
    assert names(folder / "run.json") == BRIDGES | REST
    assert len({str(one["extra_info"]["configuration"]["cpus"]) for one in content["benchmarks"]}) == 2
    bridge = next(one for one in content["benchmarks"] if one["name"].removeprefix("test_") in BRIDGES)
    assert [launch["part"] for launch in bridge["extra_info"]["launches"]] == [1, 2]
    assert content["run"]["bridges"]["degrees_of_freedom"] == 2
    assert "bridges differ by" in told
    baselines("report", folder)
    assert "merged from 2 parts" in (folder / "report" / "report.md").read_text()
    assert "no accepted run" in baselines("compare", folder, code=2)
    baselines("accept", folder, "--reason", "two machines")
    assert "this run is part of the baseline" in baselines("compare", folder)


def measured_at_once(suite: Suite) -> list[Ended]:
    """Both parts, by two processes that have a CPU each."""
    started = [
        subprocess.Popen(
            ["taskset", "-c", str(cpu), *suite.command(*PLAN, f"--shard={number}/2")],
            cwd=getattr(suite, "root", None),
            env=suite.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        for number, cpu in enumerate(CPUS[:2], start=1)
    ]
    return [suite.end(process) for process in started]


def test_what_makes_no_plan(suite: Suite) -> None:
    """One line each, exit 4."""
    for words, said in (
        (["--shard=0/2"], "'0/2' is not a part and how many there are, such as 1/3, 2/3 and 3/3"),
        (["--shard=3/2"], "'3/2' is not a part"),
        (["--shard=1"], "'1' is not a part"),
        (
            ["--shard=1/2", "--reference=self"],
            "--shard 1/2 cannot apply with --reference: a duet judges itself",
        ),
        (["--shard=1/2", "--lf", "-p", "cacheprovider"], "--shard 1/2 cannot apply with --lf: what failed last"),
    ):
        ended = suite(SCALING, "--collect-only", *words)
        assert ended.code == 4
        assert said in ended.text
