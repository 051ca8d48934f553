"""`python -m baselines bisect` as a user runs it: real sessions, real environments, releases of a package made here."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from fixtures.asked.layers import layered
from studies.bisect_package import NAME, write_releases
from tests.suite import OUT_OF_THE_BOX, SHORT, Suite, interrupt, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.every_cpu]
BENCHMARK = "onnxruntime-fp32-batch1-seq32"
OF_ONE = ("--backends=onnxruntime", "--precisions=fp32", "--batch-sizes=1", "--sequence-lengths=32", "--model=bert-tiny")


def pairs_in(folder: Path) -> int:
    """Launch pairs in the log of a run's search."""
    return sum(
        "pair" in json.loads(line) for log in folder.glob("bisection/*.jsonl") for line in log.read_text().splitlines()
    )


def test_a_release_is_found_across_an_interruption(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C leaves the log and the command that goes on; what was measured is not measured again; the report tells."""
    assert suite(OUT_OF_THE_BOX, *SHORT, *OF_ONE).code == 0
    (folder,) = suite.runs.glob("*Z_*")
    steps = {"1.0": 0, "1.1": 0, "1.2": 300, "1.3": 300, "1.4": 300}
    write_releases(suite.folder / "wheels", steps)
    next((suite.folder / "wheels").glob("*-1.1-*.whl")).unlink()
    write_releases(suite.folder / "wheels", {"1.1.1": 0})
    variables: Mapping[str, str] = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(suite.folder / "wheels")}
    for name, value in {**variables, "XDG_CACHE_HOME": suite.environment["XDG_CACHE_HOME"]}.items():
        monkeypatch.setenv(name, value)
    python = layered({NAME: "1.4"}, print)
    words = ["-m", "baselines", "bisect", str(folder), "--benchmark", BENCHMARK, "--since", f"{NAME}==1.0", "--also", NAME]
    words += ["--store", str(suite.store), "--pytest", "--benchmark-max-time=0.05"]
    searching = suite.start_as([python, *words], **variables)
    wait_until(lambda: pairs_in(folder) >= 3, "three launch pairs")
    interrupt(searching)
    ended = suite.end(searching)
    assert ended.code == 130, ended.text
    assert f"launch pairs are kept in {os.path.relpath(folder)}" in ended.text or str(folder) in ended.text
    assert "Go on: python -m baselines bisect" in ended.text
    kept, began = pairs_in(folder), time.monotonic()
    ended = suite.end(suite.start_as([python, *words], **variables), time_out_s=600)
    assert ended.code == 0, ended.text
    assert f"{NAME} 1.1.1 -> 1.2: +" in ended.text
    (command,) = [line.partition(": ")[2] for line in ended.text.splitlines() if line.startswith("where in the model: ")]
    assert pairs_in(folder) > kept
    assert time.monotonic() - began < 600
    report = suite.end(
        suite.start_as([sys.executable, "-m", "baselines", "report", str(folder), "--store", str(suite.store)])
    )
    assert report.code == 0, report.text
    assert f"{NAME} 1.1.1 -&gt; 1.2" in (folder / "report" / "report.html").read_text()
    before, _, behind = command.partition(" explain ")
    words = [*shlex.split(before), "explain", "--launches", "4", *shlex.split(behind)]
    explained = suite.end(suite.start_as(words, **variables))
    assert explained.code == 0, explained.text
    assert "4 profiled launch pairs against " in explained.text
