"""What other programs read of a run: one real run, looked at with the keys and commands of docs/ecosystem.md."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from fixtures.model.prepared import PreparedModel
from tests.suite import REPOSITORY, SCALING, SHORT, Ended, Suite

SELECTION = (*SHORT, "--backends=onnxruntime", "--threads=1", "--sequence-lengths=32,64")


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory, cache_home: Path, bert_tiny: PreparedModel) -> Ended:
    """A run of two benchmarks, one of them left out by -k, with pytest's own options."""
    folder = tmp_path_factory.mktemp("ecosystem")
    suite = Suite(folder, cache_home)
    ended = suite(SCALING, *SELECTION, "-k", "seq32", "--durations=1", f"--junit-xml={folder / 'junit.xml'}")
    assert ended.code == 0, ended.text
    return ended


@pytest.fixture
def run_file(measured: Ended) -> Path:
    """Its run.json."""
    (path,) = measured.runs.glob("*/run.json")
    return path


def pytest_benchmark(folder: Path, *arguments: object) -> str:
    """What the command of pytest-benchmark prints."""
    done = subprocess.run(
        [Path(sys.prefix) / "bin" / "pytest-benchmark", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "COLUMNS": "300"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def is_number(value: object) -> bool:
    """A finite number of JSON."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def strictly(text: str) -> dict[str, Any]:
    """The content of a file as JavaScript and Rust read it, where NaN is no JSON."""

    def refuse(word: str) -> None:
        raise ValueError(word)

    content: dict[str, Any] = json.loads(text, parse_constant=refuse)
    return content


def test_github_action_benchmark(run_file: Path) -> None:
    """Its tool `pytest` reads fullname and of stats ops, stddev, mean and rounds."""
    (one,) = strictly(run_file.read_text())["benchmarks"]
    assert one["fullname"] == f"{SCALING}::test_core_count_scaling[onnxruntime-fp32-threads1-batch1-seq32]"
    assert all(is_number(one["stats"][key]) for key in ("ops", "stddev", "mean", "rounds"))


def test_bencher(run_file: Path) -> None:
    """Its adapter `python_pytest` asks for machine_info, commit_info, fullname, and of stats mean, stddev, median, iqr."""
    content = strictly(run_file.read_text())
    assert {"machine_info", "commit_info", "benchmarks"} <= set(content)
    (one,) = content["benchmarks"]
    assert isinstance(one["fullname"], str)
    assert all(is_number(one["stats"][key]) for key in ("mean", "stddev", "median", "iqr"))


def test_accepted_files_keep_the_keys(tmp_path: Path) -> None:
    """What ships as baseline is read like a run."""
    (path, *_) = sorted((REPOSITORY / "baselines" / "machines").glob("*/bert-tiny/*.json"))
    content = strictly(path.read_text())
    assert {"machine_info", "commit_info"} <= set(content)
    for one in content["benchmarks"]:
        assert all(is_number(one["stats"][key]) for key in ("ops", "stddev", "mean", "rounds", "median", "iqr"))


def test_pytest_benchmark_compare(run_file: Path, tmp_path: Path) -> None:
    """The table, grouped by an axis; the pivot of two files; a histogram."""
    table = pytest_benchmark(tmp_path, "compare", "--group-by=param:backend", "--columns=median,rounds", run_file)
    assert "benchmark 'backend=onnxruntime': 1 tests" in table
    assert "test_core_count_scaling[onnxruntime-fp32-threads1-batch1-seq32]" in table
    second = tmp_path / "second.json"
    second.write_text(run_file.read_text())
    assert "+0.0%" in pytest_benchmark(tmp_path, "compare", "--between=median", run_file, second)
    pytest_benchmark(tmp_path, "compare", f"--histogram={tmp_path / 'histogram'}", run_file)
    (drawn,) = tmp_path.glob("histogram*.svg")
    assert ET.parse(drawn).getroot().tag.endswith("svg")  # noqa: S314 - drawn by the test itself


def test_options_of_pytest(measured: Ended) -> None:
    """-k leaves one benchmark out, --durations lists, JUnit's file has a case per benchmark that ran."""
    assert "1 deselected" in measured.text
    assert "slowest 1 durations" in measured.text
    (case,) = ET.parse(measured.runs.parent / "junit.xml").getroot().iter("testcase")  # noqa: S314
    assert case.get("name") == "test_core_count_scaling[onnxruntime-fp32-threads1-batch1-seq32]"
    assert float(str(case.get("time"))) > 0
    assert {one.get("name") for one in case.iter("property")} >= {"median_s", "samples_per_s"}


def test_in_parallel_is_refused(suite: Suite) -> None:
    """A worker of pytest-xdist ends with the reason before anything starts."""
    ended = suite(SCALING, "--preset=quick", PYTEST_XDIST_WORKER="gw0")
    assert ended.code == 4
    assert "pytest-xdist cannot apply: benchmarks in parallel disturb each other. Leave -n out." in ended.text
