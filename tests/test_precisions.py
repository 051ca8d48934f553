"""Number formats: the table of which backend has which, and what a session makes of those that cannot be had."""

from __future__ import annotations

from pathlib import Path

import pytest

from baselines.comparing.instructions import INSTRUCTIONS
from fixtures.asked.matrix import QUESTIONS, Layout, Question, expand, precisions_of
from fixtures.asked.precisions import has_path, why_emulated, why_not_precision
from fixtures.asked.presets import PRESETS
from fixtures.asked.problem_size import grid
from fixtures.asked.settings import may_ask_precision
from fixtures.backends.interface import PRECISIONS
from fixtures.backends.registry import BACKENDS, backend_class
from fixtures.machine.fingerprint import DISPATCHED_ISA, isa_flags
from tests.builders import benchmark, view_of_runs
from tests.suite import SHORT, Suite
from tests.test_matrix import axes

PRECISION = "benchmarks/test_precision.py"
CPU = frozenset({"avx2", "avx512_bf16", "avx512_fp16"})

pytestmark = pytest.mark.filterwarnings("error")


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_format_has_a_path_or_a_reason(backend: str) -> None:
    """Never both, never neither."""
    for precision in PRECISIONS:
        assert has_path(backend, precision) != (precision in backend_class(backend).without), (backend, precision)


def test_instructions_that_a_cpu_lacks_are_named() -> None:
    """A format without them would be emulated, and the benchmark one of the emulation."""
    assert why_not_precision("pytorch", "bf16", CPU) is None
    reason = why_not_precision("pytorch", "bf16", {"avx2"})
    assert reason == "bf16 needs one of the instruction sets avx512_bf16, amx_bf16, bf16, and this CPU has none of them"
    assert why_not_precision("pytorch", "bf16", ()) is None, "nothing is said where the kernel does not tell"
    assert why_not_precision("onnxruntime", "int8", {"avx2"}) is None


def reasons_of(question: str, precision: str, **changes: object) -> dict[str, str | None]:
    """Id to reason of PyTorch's benchmarks on a CPU with AVX2 alone."""
    chosen = axes("default", backends=("pytorch",), precisions=(precision,), **changes)
    layout, emulated = Layout(values={"threads": 2}), lambda one: why_emulated(one, {"avx2"})
    return {one.id: one.skip for one in expand(QUESTIONS[question], chosen, [layout], lambda *_: None, emulated)}


def test_an_emulated_format_is_measured_once() -> None:
    """At the smallest size of all; the sizes of the question are skips that say where, other questions skips as ever."""
    why = "bf16 needs one of the instruction sets avx512_bf16, amx_bf16, bf16, and this CPU has none of them"
    assert reasons_of("precision", "bf16") == {
        "pytorch-bf16-threads2-batch1-seq32": None,
        "pytorch-bf16-threads2-batch1-seq128": f"{why}: what that costs is measured once, at batch 1, sequence 32",
    }
    assert set(reasons_of("core_count_scaling", "bf16").values()) == {why}
    assert reasons_of("precision", "int8") == dict.fromkeys(f"pytorch-int8-threads2-batch1-seq{n}" for n in (32, 128))
    named = {"problem_sizes": grid([4], [64]), "few_problem_sizes": grid([4], [64])}
    assert reasons_of("precision", "bf16", **named) == {"pytorch-bf16-threads2-batch4-seq64": None}


def test_where_precision_is_asked() -> None:
    """A precision that is emulated is refused only where no argument can hold the question."""
    assert may_ask_precision("benchmarks/")
    assert may_ask_precision("benchmarks/test_precision.py::test_precision[x]")
    assert not may_ask_precision("benchmarks/test_core_count_scaling.py")


def test_what_a_format_needs_is_what_the_fingerprint_has() -> None:
    """A flag that no fingerprint holds would call each format emulated."""
    assert {flag for flags in INSTRUCTIONS.values() for flag in flags} <= DISPATCHED_ISA


@pytest.mark.parametrize(
    ("isa", "said"), [(["avx2"], ["bf16 was measured on a CPU without"]), (["amx_bf16"], []), ([], []), (None, [])]
)
def test_how_much_longer_an_emulated_format_took(tmp_path: Path, isa: list[str] | None, said: list[str]) -> None:
    """A report says how many times as long a format took without instructions for it."""
    fp32 = benchmark("pytorch-fp32-threads2-batch1-seq32", 0.01, configuration={"threads": 2})
    bf16 = benchmark("pytorch-bf16-threads2-batch1-seq32", 0.25, configuration={"precision": "bf16", "threads": 2})
    machine = {"machine_id": "a-1-1-2c-00000000", "hard": {"isa": isa}, "soft": {}}
    notices = view_of_runs(tmp_path, [fp32, bf16], machine_info=machine).notices
    found = [one for one in notices if "without instructions" in one]
    assert [one[: len(start)] for one, start in zip(found, said, strict=True)] == said
    assert all("pytorch took 250 ms at batch 1, sequence 32, 25.0 times as long as in fp32" in one for one in found)


@pytest.mark.slow  # a session of PyTorch
@pytest.mark.skipif(why_emulated("fp16", isa_flags()) is None, reason="this CPU has instructions for fp16")
def test_an_emulated_format_has_a_latency_and_no_limit(suite: Suite) -> None:
    """The answer is checked as ever; it is put beside no limit of the CPUs."""
    suite.limit = True
    ended = suite(PRECISION, *SHORT, "--backends=pytorch", "--precisions=fp16")
    assert ended.code == 0, ended.text
    (measured,) = ended.benchmarks.values()
    assert measured["extra_info"]["limit"]["reason"].startswith("not measured: fp16 needs one of the instruction sets")
    assert measured["extra_info"]["parity"]["cosine"] > 0.999


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_compares_formats_that_there_are(preset: str) -> None:
    """And only the question of precision has any but fp32, unless they are named."""
    for backend in PRESETS[preset].backends_of("precision"):
        formats = precisions_of(QUESTIONS["precision"], axes(preset), backend)
        alone = backend not in PRESETS[preset].backends_of("core_count_scaling")
        assert "fp32" in formats or not alone, "there is something to compare with"
        assert all(has_path(backend, one) for one in formats)
    others: list[Question] = [question for name, question in QUESTIONS.items() if name != "precision"]
    assert {precisions_of(one, axes(preset), "pytorch") for one in others} == {("fp32",)}
    assert precisions_of(others[0], axes(preset, precisions=("bf16",)), "pytorch") == ("bf16",)


def test_a_format_that_does_not_exist(suite: Suite) -> None:
    """Named for backends of which none has it: exit 4, the reason and what there is; beside one that has it: a skip."""
    refused = suite(PRECISION, *SHORT, "--backends=tensorflow", "--precisions=int4")
    assert refused.code == 4
    assert "--precisions int4: tensorflow has no int4: TensorFlow leaves integer models to LiteRT" in refused.text
    assert "onnxruntime: fp32, int8, int4;" in refused.text
    unknown = suite(PRECISION, *SHORT, "--precisions=int5")
    assert unknown.code == 4
    assert "--precisions: 'int5' is not known." in unknown.text
    mixed = suite(PRECISION, *SHORT, "--backends=pytorch,onnxruntime", "--precisions=int8", "--collect-only", "-q")
    assert mixed.code == 0


@pytest.mark.skipif(backend_class("onnxruntime").unavailable() is not None, reason="needs ONNX Runtime")
def test_a_broken_quantisation_has_no_latency(suite: Suite) -> None:
    """Doubled scales are a wrong answer; a backend that stays at fp32 in silence is found out; int8 itself is fine."""
    ended = suite(
        PRECISION,
        *SHORT,
        "--backends=onnxruntime,doubles_its_scales,stays_at_fp32",
        "--precisions=int8",
        hostile=True,
    )
    assert ended.code == 1, ended.text
    (fine,) = ended.benchmarks.values()
    assert fine["extra_info"]["configuration"]["precision"] == "int8"
    assert fine["extra_info"]["graph"]["MatMulInteger"] > 0
    assert fine["extra_info"]["parity"]["cosine"] > 0.998
    assert "wrong answer: it differs from fp32 PyTorch by up to " in ended.text
    assert "stays_at_fp32 was to compute in int8, and what it loaded is fp32" in ended.text
