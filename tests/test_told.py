"""What a run says first: what to run on this machine, and only what is true of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from baselines.report.formats.markdown import markdown
from baselines.report.formats.page import page
from baselines.report.view import View
from fixtures.backends.onnxruntime import OnnxRuntime
from tests.builders import Checkout, run_folder, view_of_runs
from tests.test_recommend import ONE, PYTORCH, TWO, measured, recommended

LIMIT = {"limit": {"gflop_per_s": 219.0}, "work": {"share_of_limit": 0.42}}
FASTEST = measured("onnxruntime-fp32-threads2", 0.010, threads=2, instances=[(0, 1)], extra=LIMIT)


def lines_of(view: View) -> list[str]:
    """What is told, without the head."""
    assert view.told is not None
    return [line.text for line in view.told.lines]


def test_five_lines_of_a_first_run(tmp_path: Path) -> None:
    """The fastest and what it promises, against PyTorch, what is like it, how to run it, what the CPUs are good for."""
    close = measured("openvino-fp32-threads2", 0.0101, threads=2, instances=[(0, 1)])
    view = view_of_runs(tmp_path, [PYTORCH, ONE, FASTEST, close])
    assert lines_of(view) == [
        (
            "batch 1, sequence 32: onnxruntime fp32, 2 threads, 1 instance: 10.0 ms (8.35 ms to 12.0 ms), "
            "4.00 (3.10 to 5.16) times as fast as PyTorch out of the box"
        ),  # e^(1.96 x 2 x 0.065) = 1.290
        "not told apart from it: openvino fp32, 2 threads, 1 instance",
        (
            "taskset -c 0-1 python your_program.py   # in the program: SessionOptions: intra_op_num_threads = 2, "
            "inter_op_num_threads = 1"
        ),
        f"onnxruntime: {OnnxRuntime.remark}",
        "on a large matrix product these CPUs reach 219 fp32 GFLOP/s; the fastest above reach 42%",
    ]
    assert view.told is not None
    assert view.told.more.startswith("more: python -m baselines recommend ")


def test_a_first_run_begins_with_them(tmp_path: Path) -> None:
    """Before that nothing was judged: in Markdown, and on the page."""
    view = view_of_runs(tmp_path, [PYTORCH, TWO])
    for text in (markdown(view), page(view).partition("<body>")[2]):
        assert 0 < text.index("what to run here, by 2 benchmarks") < text.index("python your_program.py")
        assert text.index("python your_program.py") < text.index("nothing was judged")
    assert page(view, "core_count_scaling").count("python your_program.py") == 0


def test_a_judged_run_has_its_verdicts_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On the page, in Markdown and in a terminal what to run comes after them."""
    checkout = Checkout(tmp_path / "checkout", capsys)
    checkout.accepted(3, PYTORCH, TWO)
    run = checkout.run(PYTORCH, TWO, started_day=9)
    out = checkout.baselines("report", run).out
    assert out.startswith("2 inconclusive\nWhat to run here: ")
    for name in ("report.md", "report.html"):
        text = (run / "report" / name).read_text().partition("<body>")[2] or (run / "report" / name).read_text()
        assert text.index("2 inconclusive") < text.index("Suite: ") < text.index("your_program.py")
    told = checkout.baselines("report", run, "--told-only").out
    assert told.startswith("What to run here: ")
    assert "inconclusive" not in told
    assert "written" not in told


def test_a_size_has_a_line_each_and_what_is_run_alike_is_said_once(tmp_path: Path) -> None:
    """Neighbours with the same command line share it."""
    sizes = [(1, 32), (1, 128), (8, 32)]
    view = view_of_runs(
        tmp_path, [measured("onnxruntime-fp32-threads1", 0.01 * batch, size=(batch, n)) for batch, n in sizes]
    )
    lines = lines_of(view)
    assert [line.partition(":")[0] for line in lines[:3]] == [
        "batch 1, sequence 32",
        "batch 1, sequence 128",
        "batch 8, sequence 32",
    ]
    assert sum("your_program.py" in line for line in lines) == 1


@pytest.mark.parametrize(
    ("median_s", "said"),
    [
        (0.0101, "not told apart from PyTorch out of the box, 10.1 ms"),
        (0.001, "pytorch fp32, default threads, 1 instance: 1.00 ms (835 us to 1.20 ms), which is PyTorch out of the box"),
    ],
)
def test_where_pytorch_is_as_good(tmp_path: Path, median_s: float, said: str) -> None:
    """No factor is made of what cannot be told apart, or is the same."""
    usual = measured("pytorch-fp32", median_s, question="out_of_the_box", threads=None, instances=[(0, 1)])
    assert said in lines_of(view_of_runs(tmp_path, [usual, TWO]))[0]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "only onnxruntime was measured: no other backend was compared"),
        ({"plan": {"left_out": {"a": 60.0, "b": 60.0}}}, "not compared: 2 left out by the budget"),
        ({"partial": True, "not_reached": ["a"]}, "not compared: 1 not reached before the run was cut off"),
        ({"not_passed": {"a": {"outcome": "failed", "reason": "wrong answer"}}}, "not compared: 1 failed"),
        ({"speed_guards": False}, "its times mean nothing (--no-speed-guards): nothing here is a recommendation"),
    ],
)
def test_what_a_run_did_not_measure_is_said(tmp_path: Path, changes: Mapping[str, Any], said: str) -> None:
    """One backend, a budget, a run cut off, failures, times that mean nothing: the fastest of less is said to be that."""
    lines = lines_of(view_of_runs(tmp_path, [TWO], run=changes))
    assert said in lines
    assert "PyTorch out of the box was not measured beside it" in lines[0]
    assert "what these CPUs are good for was not measured" in lines


def test_the_fastest_is_told_with_its_remark(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What its card says of its numbers; of backends that are not the fastest nothing."""
    said = f"onnxruntime: {OnnxRuntime.remark}"
    assert said in lines_of(view_of_runs(tmp_path / "a", [PYTORCH, TWO]))
    _, out, _ = recommended(capsys, run_folder(tmp_path / "b", PYTORCH, TWO))
    assert f"Note: {said}." in out.splitlines()
    slow = measured("onnxruntime-fp32-threads2", 0.5, threads=2, instances=[(0, 1)])
    assert said not in lines_of(view_of_runs(tmp_path / "c", [PYTORCH, slow]))


def test_sizes_without_a_smaller_format_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A size at which int8 was not measured is no size at which fp32 is best: it is said, with what would measure it."""
    small = measured("onnxruntime-int8-threads2", 0.004, size=(1, 128), threads=2, instances=[(0, 1)], precision="int8")
    said = (
        "fp32 alone was measured at 1 x 32: a smaller number format may be faster there; to measure them: pytest "
        "benchmarks/test_precision.py --benchmark-only --model bert-tiny --batch-sizes 1 --sequence-lengths 32"
    )
    assert said in lines_of(view_of_runs(tmp_path / "a", [PYTORCH, TWO, small]))
    _, out, _ = recommended(capsys, run_folder(tmp_path / "b", PYTORCH, TWO, small))
    assert f"Note: {said}" in out.splitlines()
    beside = measured("onnxruntime-int8-threads2", 0.004, threads=2, instances=[(0, 1)], precision="int8")
    for records in ([PYTORCH, TWO], [TWO, beside]):
        assert not any("fp32 alone" in line for line in lines_of(view_of_runs(tmp_path / records[1]["name"], records)))


def test_an_emulated_format_is_no_hope(tmp_path: Path) -> None:
    """It was measured once, at the smallest size, for what it costs: that fp32 alone was measured elsewhere is no loss."""
    words = {"threads": 2, "instances": [(0, 1)]}
    small = measured("onnxruntime-bf16-threads2", 0.1, precision="bf16", **words)
    others = [measured("onnxruntime-fp32-threads2", 0.05, size=size, **words) for size in ((1, 128), (8, 32))]
    for isa, said in ((["avx2"], False), (["avx2", "avx512_bf16"], True)):
        machine = {"machine_id": "m", "hard": {"isa": isa, "physical_cores": 2}, "soft": {}}
        lines = lines_of(view_of_runs(tmp_path / str(said), [TWO, small, *others], machine_info=machine))
        assert any(line.startswith("fp32 alone was measured at 1 x 128, 8 x 32:") for line in lines) is said
        assert any("to measure them at 1 x 128: pytest " in line for line in lines) is said


def test_a_throttled_launch_is_read_with_care(tmp_path: Path) -> None:
    """Whichever of the two it was."""
    usual = {**PYTORCH, "extra_info": {**PYTORCH["extra_info"], "throttled_share": 0.5}}
    assert "read it with care: disturbed while measured: PyTorch" in lines_of(view_of_runs(tmp_path / "a", [usual, TWO]))
    mine = {**TWO, "extra_info": {**TWO["extra_info"], "throttled_share": 0.5}}
    lines = lines_of(view_of_runs(tmp_path / "b", [usual, mine]))
    assert "read it with care: disturbed while measured: the fastest and PyTorch" in lines


def test_nothing_is_told_where_there_is_nothing(tmp_path: Path) -> None:
    """A stream has no problem size: the report begins with its verdicts, as before."""
    stream = measured("onnxruntime-fp32-one", 0.001, question="smart_dispatching", dispatch_policy="one")
    view = view_of_runs(tmp_path, [stream])
    assert view.told is None
    assert view.title == "1 new"
    assert markdown(view).startswith("## 1 new\n")


def test_words_of_a_file_stay_words(tmp_path: Path) -> None:
    """A configuration may be called anything."""
    odd = measured("onnxruntime-fp32", 0.01, allocator="<script>alert(1)</script> @someone")
    view = view_of_runs(tmp_path, [odd])
    assert "<script>" not in page(view)
    text = re.sub("(?m)^      .*$", "", markdown(view))  # what is typed is indented, and nothing in it is read
    assert "script" in text
    assert "<script>" not in text
    assert " @someone" not in text
