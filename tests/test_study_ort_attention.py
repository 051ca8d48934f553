"""The study of operators of attention: its table holds the truth, and a real launch pair loads both graphs."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.backends.registry import backend_class
from fixtures.instance.keeper import BenchmarkFailure
from fixtures.machine import lock
from studies import loop, ort_attention
from tests.suite import SHORT, Suite, python_m


def record(number: int, log_ratio: float, *, precision: str = "fp32") -> dict[str, Any]:
    """A launch pair in which the side that is loaded first is 2 % slower."""
    first = number % 2 == 0
    size = {"log_ratio": log_ratio + (0.02 if first else -0.02), "first": first, "plain_s": 0.1, "fused_s": 0.09}
    words = {"machine": "m", "busy": False, "threads": 2, "study": "2026-01-01 00:00", "versions": {"onnxruntime": "1"}}
    what = {"model": "bert-tiny", "precision": precision, "way": "optimizer", "number": number}
    return {**words, **what, "graph": {"Attention": 2, "MatMul": 6}, "sizes": {"1x32": size}}


def rows(records: list[dict[str, Any]]) -> list[str]:
    """Of the only table."""
    return [line for line in ort_attention.show(records) if line.startswith("| bert-tiny")]


def test_the_order_of_loading_is_taken_off() -> None:
    """-10 % without noise is -10 %, whatever the side that is loaded first loses."""
    lines = list(ort_attention.show([record(number, -0.105361) for number in range(4)]))
    assert lines[0] == "`m`, 2026-01-01, 2 threads; onnxruntime 1:"
    (row,) = rows([record(number, -0.105361) for number in range(4)])
    assert row == "| bert-tiny | fp32 | 1x32 | optimizer | Attention | 4 | 100 ms | 90 ms | -10.0% [-10.0%, -10.0%] |"


def test_intervals_hold_the_truth() -> None:
    """Nineteen of twenty."""
    chance, held = random.Random(1), 0  # noqa: S311
    for _ in range(400):
        (row,) = rows([record(number, chance.gauss(-0.105361, 0.02)) for number in range(8)])
        low, high = (float(word.rstrip("%")) for word in row.partition("[")[2].partition("]")[0].split(", "))
        held += low <= -10.0 <= high
    assert 0.92 < held / 400 < 0.98


def test_what_was_disturbed_is_left_out() -> None:
    """Of a quiet session, problem size by problem size, with the number of them; where it was busy all are there."""
    records = [record(number, -0.105361) for number in range(6)]
    for number in (1, 4):
        one = records[number]["sizes"]["1x32"]
        one |= {"others_share": 0.06, "log_ratio": one["log_ratio"] + 0.3}
    text = "\n".join(ort_attention.show(records))
    assert "| Attention | 4 | 100 ms | 90 ms | -10.0% [-10.0%, -10.0%] |" in text
    assert "Left out: 2 of 6: others had the CPUs for more than 5% of the time." in text
    busy = "\n".join(ort_attention.show([{**one, "busy": True} for one in records]))
    assert "| Attention | 6 |" in busy
    assert "Left out" not in busy


def test_releases_are_not_mixed() -> None:
    """A table for each."""
    newer = [{**record(number, -0.2), "versions": {"onnxruntime": "2"}} for number in range(4)]
    lines = list(ort_attention.show([*(record(number, -0.1) for number in range(4)), *newer]))
    assert [line for line in lines if line.startswith("`m`")] == [
        f"`m`, 2026-01-01, 2 threads; onnxruntime {version}:" for version in (1, 2)
    ]
    assert len([line for line in lines if line.startswith("| bert-tiny")]) == 2


@pytest.fixture
def own_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks of CPUs that no other test takes."""
    folder = tmp_path / "locks"
    folder.mkdir()
    folder.chmod(0o1777)
    monkeypatch.setattr(lock, "FOLDERS", (folder,))


class Place:
    """In place of a model: its second launch pair fails."""

    model = SimpleNamespace(name="bert-tiny")
    count = 0

    def pair(self, way: str, precision: str, threads: int, number: int, sizes: object) -> dict[str, Any]:
        self.count += 1
        if self.count == 2:
            raise BenchmarkFailure("a worker died")
        gave = record(number, -0.1)
        return {key: gave[key] for key in ("versions", "graph", "sizes")}


def test_a_launch_pair_that_fails_ends_nothing(
    tmp_path: Path, own_locks: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told, all others are on record, and the exit code is 1."""
    data = tmp_path / "data.jsonl"
    monkeypatch.setattr(ort_attention, "places", lambda _: contextlib.nullcontext([Place()]))
    asked = ("--pairs", "2", "--precisions", "fp32", "--ways", "optimizer", "opset23", "--threads", "1", "--data", str(data))
    assert ort_attention.main(["measure", *asked]) == 1
    said = capsys.readouterr().err
    assert "1 of 2, bert-tiny fp32 opset23: failed: a worker died" in said
    assert "error: 1 launch pair failed" in said
    kept = [(one["way"], one["number"]) for one in loop.records_in(data)]
    assert kept == [("optimizer", 0), ("optimizer", 1), ("opset23", 1)]


def test_nobody_else_may_measure(
    tmp_path: Path, own_locks: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A message before anything is prepared; with --busy it goes on, and says so on record."""
    data = tmp_path / "data.jsonl"
    asked = ["measure", "--pairs", "1", "--precisions", "fp32", "--ways", "optimizer", "--threads", "1", "--data", str(data)]
    monkeypatch.setattr(ort_attention, "places", lambda _: contextlib.nullcontext([Place()]))
    with lock.locked_cpus(os.sched_getaffinity(0), wait=False, tell=print):
        assert ort_attention.main(asked) == 2
        assert "is being measured on by process" in capsys.readouterr().err
        assert not data.exists()
        assert ort_attention.main([*asked, "--busy"]) == 0
    assert [one["busy"] for one in loop.records_in(data)] == [True]


def test_two_launch_pairs_say_nothing() -> None:
    """No row without an interval; formats are rows of their own."""
    few = [record(number, -0.1) for number in range(2)]
    enough = [record(number, -0.1, precision="int8") for number in range(4)]
    (row,) = rows([*few, *enough])
    assert "| int8 |" in row


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show",), "has no line; measure some: python -m studies.ort_attention measure"),
        (("measure", "--threads", "4096"), "--threads 4096: cannot pick CPUs on 4096 physical cores"),
        (("measure", "--pairs", "0"), "--pairs 0: nothing would be measured"),
    ],
)
def test_what_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str) -> None:
    """In a line, before anything is prepared."""
    assert ort_attention.main([*arguments, "--data", str(tmp_path / "none.jsonl")]) == 2
    assert said in capsys.readouterr().err


def test_the_command_refuses_what_there_is_not(tmp_path: Path) -> None:
    """An unknown way, with those that there are; a model that is none."""
    done = python_m("studies.ort_graphs", "bert-tiny", "by-hand")
    assert done.returncode == 2
    assert "choose from" in done.stderr
    assert "onnxscript" in done.stderr
    done = python_m("studies.ort_graphs", str(tmp_path), "optimizer")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(backend_class("onnxruntime").unavailable() is not None, reason="needs ONNX Runtime")
def test_every_way_is_measured(tmp_path: Path, own_locks: None, cache_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A launch pair of bert-tiny for each: an operator of attention in each layer, quantised where it can be."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_home))
    data = tmp_path / "data.jsonl"
    asked = ("--models", "bert-tiny", "--sizes", "1x32,2x32", "--pairs", "1", "--threads", "1", "--data", str(data))
    assert ort_attention.main(["measure", *asked]) == 0
    found = {(one["precision"], one["way"]): one for one in loop.records_in(data)}
    assert {key: [name for name in one["graph"] if name.endswith("Attention")] for key, one in found.items()} == {
        ("fp32", "optimizer"): ["Attention"],
        ("fp32", "onnxscript"): ["Attention"],
        ("fp32", "opset23"): ["Attention"],
        ("int8", "optimizer"): ["QAttention"],
        ("int8", "onnxscript"): ["Attention"],
        ("int8", "opset23"): ["Attention"],
    }
    assert {one["graph"][name] for one in found.values() for name in one["graph"] if name.endswith("Attention")} == {2}
    assert not any("Softmax" in one["graph"] for one in found.values())
    assert all(one["sizes"].keys() == {"1x32", "2x32"} for one in found.values())


@pytest.mark.slow
@pytest.mark.skipif(backend_class("onnxruntime").unavailable() is not None, reason="needs ONNX Runtime")
def test_a_graph_that_takes_a_mask_for_a_length_is_refused(
    tmp_path: Path, cache_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ONNX Runtime's optimiser makes it where nobody says otherwise: it answers a row padded on the left wrongly."""
    from onnxruntime.transformers.fusion_options import FusionOptions

    from fixtures.model.__main__ import prepare
    from studies.ort_graphs import GraphError, make

    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_home))
    monkeypatch.setattr(FusionOptions, "use_raw_attention_mask", lambda *_: None)
    checkpoint = prepare("bert-tiny", [(1, 32)], artefacts=[]).checkpoint
    with pytest.raises(GraphError, match="optimizer at fp32: at 2x16 it differs from PyTorch by"):
        make(checkpoint, "optimizer", tmp_path)


CARD = "--backend-file=studies/onnxruntime_fused.py"


@pytest.mark.slow
@pytest.mark.skipif(backend_class("onnxruntime").unavailable() is not None, reason="needs ONNX Runtime")
def test_the_card_measures_its_graphs(suite: Suite, own_cache: Path) -> None:
    """Without them it says how they are made; with them it has a result at both formats; int4 is refused with its reason."""
    common = ("benchmarks/test_precision.py", *SHORT, "--backends=onnxruntime_fused", CARD, "-rs")
    shutil.rmtree(own_cache / "bert-cpu-benchmarks" / "ort_graphs", ignore_errors=True)
    without = suite(*common, "--precisions=fp32")
    assert without.code == 1
    assert "no such graph was made of this model: python -m studies.ort_graphs" in without.text
    shutil.rmtree(suite.runs)
    made = python_m("studies.ort_graphs", "bert-tiny", "optimizer", environment=suite.environment)
    assert made.returncode == 0, made.stderr
    refused = suite(*common, "--precisions=int4")
    assert refused.code == 4
    assert "onnxruntime_fused has no int4: ONNX Runtime packs weights" in refused.text
    ended = suite(*common, "--precisions=fp32,int8")
    assert ended.code == 0, ended.text
    graphs = {name.partition("-threads")[0]: one["extra_info"]["graph"] for name, one in ended.benchmarks.items()}
    assert graphs["onnxruntime_fused-fp32"]["Attention"] == 2
    assert graphs["onnxruntime_fused-int8"]["QAttention"] == 2
