"""Number formats: the table of which backend has which, and what a session makes of those that cannot be had."""

from __future__ import annotations

import pytest

from fixtures.asked.matrix import QUESTIONS, Question, precisions_of
from fixtures.asked.precisions import has_path, why_not_precision
from fixtures.asked.presets import PRESETS
from fixtures.backends.interface import PRECISIONS
from fixtures.backends.registry import BACKENDS, backend_class
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
