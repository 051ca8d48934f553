"""int8 on a CPU without VNNI: sums of two products of 8-bit numbers saturate at 16 bits there, unless weights have 7.

What this machine's CPU does not do is shown by arithmetic on the graphs themselves, and on a CPU that qemu emulates.
"""

from __future__ import annotations

import contextlib
import platform
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fixtures.backends.registry import BACKENDS, backend_class
from fixtures.instance.handle import Instance, RequestRefused
from fixtures.machine import fingerprint
from fixtures.model.__main__ import prepare
from fixtures.model.prepared import PreparedModel
from tests.builders import MACHINE, ONE, benchmark, run_folder, view_of_runs
from tests.checkpoints import checkpoint, saturating
from tests.suite import SHORT, Suite
from tests.test_recommend import recommended

INT16 = 32767
KINDS = {"onnxruntime": "onnx_int8", "openvino": "openvino_int8"}
"""Backends to the graph that they read at int8."""
AVX2 = ("avx", "avx2", "fma")


@pytest.fixture
def cpu(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Takes this CPU for one with these instruction sets."""
    return lambda *isa: monkeypatch.setattr(fingerprint, "isa_flags", lambda: frozenset(isa))


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory, cache_home: Path) -> PreparedModel:
    """A model whose sums do saturate, as each backend reads it, in the full range and in the reduced one."""
    for backend in KINDS:
        if reason := backend_class(backend).unavailable() or backend_class(backend).unavailable_at("int8"):
            pytest.skip(reason)
    folder = saturating(checkpoint(tmp_path_factory.mktemp("planted"), "bert", hidden_size=64, intermediate_size=128))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("XDG_CACHE_HOME", str(cache_home))
        words = [word for kind in KINDS.values() for word in (kind, f"{kind}_reduced_range")]
        return prepare(str(folder), [(1, 32)], artefacts=words)


@pytest.mark.parametrize(
    ("isa", "reduced"),
    [
        (AVX2, True),
        ((*AVX2, "avx512f", "avx512bw", "avx512vl"), True),
        ((*AVX2, "avx_vnni"), False),
        ((*AVX2, "avx512f", "avx512_vnni"), False),
        (("asimd", "asimddp"), False),
        (("asimd",), False),
        ((), False),
    ],
    ids=["avx2", "avx512", "avx-vnni", "avx512-vnni", "arm-dot-products", "arm", "unknown"],
)
def test_the_graph_is_the_one_that_the_cpu_needs(cpu: Any, isa: Collection[str], reduced: bool) -> None:
    """Seven bits on x86 without VNNI; other formats have no such choice."""
    cpu(*isa)
    for backend, kind in KINDS.items():
        card = backend_class(backend)
        assert card.artefact("int8") == (f"{kind}_reduced_range" if reduced else kind)
        assert card.artefact("fp32") == "onnx"
    assert backend_class("onnxruntime").artefact("int4") == "onnx_int4"


@pytest.mark.parametrize("backend", KINDS)
def test_sums_of_the_reduced_range_fit_into_16_bits(planted: PreparedModel, backend: str) -> None:
    """The largest sum that any activations give with two weights beside each other; in the full range it is too large."""
    full, reduced = (planted.artefacts[f"{KINDS[backend]}{word}"] for word in ("", "_reduced_range"))
    assert full.parent != reduced.parent
    assert largest_sum(backend, full) > INT16
    assert INT16 // 2 < largest_sum(backend, reduced) <= INT16


@pytest.mark.parametrize("backend", KINDS)
def test_saturation_is_a_wrong_answer_and_the_reduced_range_is_not(
    planted: PreparedModel, tmp_path: Path, backend: str
) -> None:
    """On an emulated CPU with AVX2 and no VNNI; on this one, if it has VNNI, both are right."""
    qemu = shutil.which("qemu-x86_64")
    if qemu is None or platform.machine() != "x86_64":
        pytest.skip("needs qemu-x86_64 on x86: apt-get install qemu-user")
    kind = KINDS[backend]
    assert parity(backend, planted, f"{kind}_reduced_range", tmp_path, launcher=(qemu, "-cpu", "Haswell"))["cosine"] > 0.999
    with pytest.raises(RequestRefused, match="wrong answer"):
        parity(backend, planted, kind, tmp_path, launcher=(qemu, "-cpu", "Haswell"))
    if not fingerprint.int8_sums_saturate():
        assert parity(backend, planted, kind, tmp_path)["cosine"] > 0.999


@pytest.mark.skipif(backend_class("onnxruntime").unavailable() is not None, reason="needs ONNX Runtime")
def test_a_session_on_such_a_cpu(suite: Suite, cache_home: Path) -> None:
    """It is measured with the other graph, and the report says why int8 gains nothing."""
    suite.report = True
    common = ("benchmarks/test_precision.py", *SHORT, "-p", "tests.pretended_machine", "--backends=onnxruntime")
    ended = suite(*common, "--precisions=int8", PRETENDED_ISA=" ".join(AVX2))
    assert ended.code == 0, ended.text
    assert len(ended.benchmarks) == 1
    assert list(cache_home.glob("*/prepared/*/onnx_int8_reduced_range-*"))
    (page,) = ended.runs.glob("*/report/report.html")
    assert "int8 was measured on a CPU without VNNI" in page.read_text()


@pytest.mark.parametrize(
    ("isa", "precision", "said"),
    [
        ([*AVX2, "avx512f"], "int8", True),
        ([*AVX2, "avx512_vnni"], "int8", False),
        (["asimd"], "int8", False),
        (None, "int8", False),
        (list(AVX2), "fp32", False),
    ],
)
def test_why_int8_gains_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], isa: list[str] | None, precision: str, said: bool
) -> None:
    """A notice of reports and of `recommend`, where int8 was measured and the CPU is known to lack VNNI."""
    one = benchmark(ONE.replace("fp32", precision), configuration={"precision": precision})
    machine = {"machine_id": MACHINE, "hard": {"isa": isa}, "soft": {}}
    notices = view_of_runs(tmp_path, [one], [[one]], machine_info=machine).notices
    assert any("without VNNI" in notice for notice in notices) == said
    _, out, _ = recommended(capsys, run_folder(tmp_path / "recommend", one, machine_info=machine))
    assert ("without VNNI" in out) == said


def parity(backend: str, model: PreparedModel, word: str, folder: Path, launcher: tuple[str, ...] = ()) -> dict[str, Any]:
    """What a worker says of its answer, compared with fp32 PyTorch's."""
    (case,) = model.cases.values()
    worker = Instance(name=backend, stderr_path=folder / "stderr.txt", launcher=launcher)
    with contextlib.closing(worker) as instance:
        instance.ask("import", backend=BACKENDS[backend], threads=1, precision="int8", time_out_s=120)
        beside = str(model.artefacts[word])
        instance.ask("load", checkpoint=str(model.checkpoint), artefact=beside, time_out_s=120)
        found: dict[str, Any] = instance.ask("check", case=str(case), time_out_s=120)["parity"]
    return found


def largest_sum(backend: str, file: Path) -> int:
    """Of 255 times a weight and 255 times the next one of the same output, in amount, over all weights of a graph."""
    sums = []
    for weight in weights_of(backend, file):
        first, second = weight[0::2].astype(int), weight[1::2].astype(int)
        alike = np.sign(first) == np.sign(second)
        sums.append(int((255 * (abs(first) + abs(second)) * alike).max()))
    return max(sums)


def weights_of(backend: str, file: Path) -> list[np.ndarray]:
    """The integer weights of products, int8 [inputs, outputs]."""
    if backend == "openvino":
        import openvino

        model = openvino.Core().read_model(file)
        constants = [one for one in model.get_ops() if one.get_type_name() == "Constant"]
        integers = [one for one in constants if one.get_element_type().get_type_name() == "i8"]
        return [one.data.T for one in integers if reader_of(one) == "MatMul"]
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(file).graph
    products = {node.input[1] for node in graph.node if node.op_type == "MatMulInteger"}
    return [numpy_helper.to_array(one) for one in graph.initializer if one.name in products]


def reader_of(constant: Any) -> str:
    """The type of OpenVINO's operator that reads a constant, behind those that bring it back to fp32; Gather: embeddings."""
    (reader, *_) = constant.output(0).get_target_inputs()
    node = reader.get_node()
    return reader_of(node) if node.get_type_name() in ("Convert", "Multiply") else str(node.get_type_name())
