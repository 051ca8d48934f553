"""Where a forward pass's time goes: kernels made classes, layers and shares, and real frameworks that tell theirs."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from fixtures.measurement.launch_pair import Side
from fixtures.measurement.profiles import Profiles
from fixtures.model.prepared import PreparedModel
from fixtures.profiling.classes import ATTENTION, COPIES, FRAMEWORK, NORMALISATION, OTHER, PRODUCTS, class_of, classed
from fixtures.profiling.layers import layered, layers_in
from fixtures.profiling.profiler import Kernel
from fixtures.profiling.shares import shares_of, shares_of_round
from fixtures.profiling.trace import lanes_of, trace_text, write_trace
from fixtures.profiling.xplane import Event, xla_kernels
from tests.suite import REPOSITORY, Suite


def kernel(operator: str, start_s: float, duration_s: float, *, thread: int = 0, kind: str | None = None) -> Kernel:
    """A kernel that is called as its type is."""
    return Kernel(
        name=operator,
        operator=operator,
        start_s=start_s,
        duration_s=duration_s,
        thread=thread,
        kind=kind or class_of(operator),
    )


def by_class(kernels: list[Kernel], wall_s: float) -> dict[str, float]:
    """Shares of a round, by class."""
    found: dict[str, float] = {}
    for (kind, _, _), seconds in shares_of_round(kernels, wall_s).items():
        found[kind] = found.get(kind, 0.0) + seconds
    return found


def test_what_no_kernel_has_is_the_framework_s() -> None:
    """Wall time less kernels, whatever lies between them."""
    found = by_class([kernel("MatMul", 1, 2), kernel("Gelu", 4, 1)], 10)
    assert found == pytest.approx({PRODUCTS: 2, NORMALISATION: 1, FRAMEWORK: 7})


def test_a_kernel_inside_another_has_its_own_time() -> None:
    """The outer one has what is left of it; a wrapper's own time is the framework's."""
    found = by_class([kernel("addmm", 0, 6), kernel("copy_", 1, 2)], 6)
    assert found == pytest.approx({PRODUCTS: 4, COPIES: 2, FRAMEWORK: 0})
    wrapped = by_class([kernel("linear", 0, 6, kind=FRAMEWORK), kernel("addmm", 1, 4)], 6)
    assert wrapped == pytest.approx({PRODUCTS: 4, FRAMEWORK: 2})


def test_kernels_beside_each_other_share_an_instant() -> None:
    """Two threads at once take the time of one, half of it each; so all adds up to the wall time."""
    found = by_class([kernel("MatMul", 0, 4), kernel("Gelu", 2, 4, thread=1)], 6)
    assert found == pytest.approx({PRODUCTS: 3, NORMALISATION: 3, FRAMEWORK: 0})


def test_a_thunk_inside_of_another_is_its_successor() -> None:
    """XLA says that a thunk ended after those that waited for it: the time is theirs."""
    spans = [("add_add_fusion.1", 0, 7), ("MatMul.2", 1, 4), ("MatMul.3", 4, 7), ("dot.4", 7, 8)]
    events = [Event(name=name, start_s=start, end_s=start, thread=place) for place, (name, start, _) in enumerate(spans)]
    events += [Event(name=f"end: {name}", start_s=end, end_s=end, thread=9) for name, _, end in spans]
    found = by_class(xla_kernels(sorted(events, key=lambda one: one.start_s), 0.0), 9)
    assert found == pytest.approx({OTHER: 1, PRODUCTS: 7, FRAMEWORK: 1})
    spans = [("dot.1", 0, 4), ("add_add_fusion.2", 2, 6)]
    events = [Event(name=name, start_s=start, end_s=start, thread=0) for name, start, _ in spans]
    events += [Event(name=f"end: {name}", start_s=end, end_s=end, thread=0) for name, _, end in spans]
    found = by_class(xla_kernels(sorted(events, key=lambda one: one.start_s), 0.0), 6)
    assert found == pytest.approx({PRODUCTS: 3, OTHER: 3, FRAMEWORK: 0}), "beside each other they share"


def test_kernels_longer_than_their_round_are_cut() -> None:
    """A clock of whole microseconds rounds up: the sum is the wall time all the same."""
    found = by_class([kernel("MatMul", 0, 6), kernel("Gelu", 6, 6)], 6)
    assert found == pytest.approx({PRODUCTS: 3, NORMALISATION: 3, FRAMEWORK: 0})


def test_rounds_add_up() -> None:
    """The mean over the fastest quarter, of every part and of the wall time: a slow round is left out of both."""
    rounds = [(2.0, [kernel("MatMul", 0, 1)]), (2.0, [kernel("MatMul", 0, 1)]), (9.0, [kernel("Gelu", 0, 8)])]
    said = shares_of(rounds)
    assert said["wall_s"] == sum(part[3] for part in said["parts"]) == pytest.approx(2.0)
    assert {part[0] for part in said["parts"]} == {PRODUCTS, FRAMEWORK}


@pytest.mark.parametrize(
    ("operator", "kind"),
    [
        *(("addmm", PRODUCTS), ("MatMul", PRODUCTS), ("FullyConnected", PRODUCTS), ("MatMulNBits", PRODUCTS)),
        *(("_int_mm", PRODUCTS), ("qlinear_pointwise", PRODUCTS), ("linear_dynamic", PRODUCTS)),
        *(("_weight_int8pack_mm", PRODUCTS), ("_weight_int4pack_mm_for_cpu", PRODUCTS), ("linear_relu_dynamic", PRODUCTS)),
        *(("bmm", ATTENTION), ("BatchFusedMatMul", ATTENTION), ("_softmax", ATTENTION), ("MultiHeadAttention", ATTENTION)),
        *(("SkipLayerNormalization", NORMALISATION), ("native_layer_norm", NORMALISATION), ("BiasGelu", NORMALISATION)),
        *(("Convert", COPIES), ("Transpose", COPIES), ("copy_", COPIES), ("DynamicFrob", OTHER)),
    ],
)
def test_classes(operator: str, kind: str) -> None:
    """Types of several frameworks; one that nobody knows is kept as other."""
    assert class_of(operator) == kind


def test_a_decomposed_attention_is_one() -> None:
    """Between its two products scaling, mask and softmax are attention; an addition outside is not."""
    words = ["MatMul", "Add", "BatchMatMul", "Mul", "Add", "Softmax", "BatchMatMul", "Transpose", "MatMul", "Add"]
    kinds = [one.kind for one in classed([Kernel(name=one, operator=one, start_s=0, duration_s=1) for one in words])]
    assert kinds == [PRODUCTS, OTHER, *[ATTENTION] * 5, COPIES, PRODUCTS, OTHER]


def test_layers_are_counted_by_normalisations(bert_tiny: PreparedModel) -> None:
    """One behind the embeddings, two in each layer; another count says nothing."""
    count = layers_in(bert_tiny.checkpoint)
    assert count == 2
    block = ["MatMul", "SkipLayerNormalization", "Gelu", "SkipLayerNormalization"]
    words = ["Gather", "LayerNormalization", *block, *block, "Gemm"]
    kernels = [kernel(one, 0, 1) for one in words]
    layers = ["embeddings"] * 2 + ["layer 0"] * 4 + ["layer 1"] * 4 + ["after the layers"]
    assert [one.layer for one in layered(kernels, count)] == layers
    assert {one.layer for one in layered(kernels[:-2], count)} == {None}


def test_a_trace_is_whole_or_not_there(tmp_path: Path) -> None:
    """Complete events with class and layer, as Perfetto and speedscope take them; where it cannot be written, nothing."""
    text = trace_text([(2.0, [kernel("MatMul", 0, 1)])], process="measured", laid_out=True)
    events = [one for one in json.loads(text)["traceEvents"] if one["ph"] == "X"]
    assert [one["dur"] for one in events] == [2e6, 1e6]
    assert events[1]["args"]["class"] == PRODUCTS
    beside = [kernel("MatMul", 0, 4), kernel("Gelu", 1, 2), kernel("MatMul", 3, 3), kernel("Gelu", 5, 1, thread=7)]
    assert lanes_of(beside) == [(0, 0), (0, 0), (0, 1), (7, 0)], "what overlaps and is not inside has a lane of its own"
    text = trace_text([(6.0, beside), (6.0, beside[::-1])], process="measured", laid_out=False)
    tracks = [one["tid"] for one in json.loads(text)["traceEvents"] if one["ph"] == "X" and one["tid"]]
    assert tracks == [1, 1, 2, 3, 3, 2, 1, 1], "a lane is on one track in every round"
    with pytest.raises(OSError, match="No such file"):
        write_trace(tmp_path / "none" / "a.trace.json", text)
    assert not list(tmp_path.iterdir())


SCRIPT = """
import json, sys
from pathlib import Path
from fixtures.backends.registry import backend_class
from fixtures.worker.parity import read_case
from fixtures.worker.profiling import Profiling
from fixtures.worker.warm_up import Limits

checkpoint, onnx, keras, case, scratch, planted, *names = sys.argv[1:]
inputs, _ = read_case(Path(case))
limits = Limits(max_rounds=20, max_time_s=1.0)


def said(backend, number):
    artefact = {"keras": keras, "onnx": onnx}.get(backend.artefact("fp32"))
    backend.load(Path(checkpoint), Path(artefact) if artefact else None)
    folder = Path(scratch) / f"{type(backend).__name__}-{number}"
    folder.mkdir()
    opened = Profiling.of(backend, inputs, backend.compile(inputs), [], scratch=folder, limits=limits)
    opened.turn(recorded=False, seconds=0.03, least=3, most=None)
    turns = []
    for _ in range(2):
        opened.record(on=True)
        turns += [opened.turn(recorded=True, seconds=0.03, least=3, most=25) for _ in range(2)]
        opened.record(on=False)
    trace = str(Path(scratch) / f"{type(backend).__name__}-{number}.trace.json")
    result = opened.result(checkpoint=checkpoint, trace=trace, process="test")
    assert result["rounds"] == sum(turn["rounds"] for turn in turns)
    assert all(3 <= turn["rounds"] <= 25 for turn in turns)
    assert json.loads(Path(trace).read_text())["traceEvents"]
    return result


answers = {}
for name in names:
    backend = backend_class(name)()
    backend.import_framework(None)
    answers[name] = said(backend, 0)
if planted == "planted":
    import os
    from studies.planted import TRUTH, OPERATOR, PlantedOnnxRuntime
    for side in ("with", "without"):
        os.environ.pop(TRUTH, None)
        os.environ.update({TRUTH: OPERATOR} if side == "with" else {})
        backend = PlantedOnnxRuntime()
        backend.import_framework(1)
        answers[side] = said(backend, side)
print(json.dumps(answers))
"""
"""Profiles backends in one process, and the ONNX file with an operator more: what workers do in several."""


def profiled(model: PreparedModel, folder: Path, *names: str, planted: bool = False) -> dict[str, Any]:
    """What each backend says of bert-tiny at batch 1 and 32 tokens."""
    files = [str(model.artefacts[word]) for word in ("onnx", "keras")]
    words = [str(model.checkpoint), *files, str(model.cases["1x32"]), str(folder)]
    words += ["planted" if planted else "plain", *names]
    environment = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "2", "TMPDIR": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *words],
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answers: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answers


def check(said: dict[str, Any], *, layers: int) -> None:
    """Classes add up to the wall time, the heavy ones are there, and as many layers as the backend tells."""
    parts: list[tuple[str, str | None, str, float, float]] = said["parts"]
    assert sum(part[3] for part in parts) == pytest.approx(said["wall_s"])
    seconds = {kind: sum(part[3] for part in parts if part[0] == kind) for kind in {part[0] for part in parts}}
    wall_s = said["wall_s"]
    assert seconds[PRODUCTS] > 0.01 * wall_s
    assert min(seconds[ATTENTION], seconds[NORMALISATION]) > 0
    assert seconds.get(OTHER, 0.0) < 0.3 * wall_s
    assert len({part[1] for part in parts if part[1] and part[1].startswith("layer ")}) == layers


def test_frameworks_tell(tmp_path: Path, bert_tiny: PreparedModel) -> None:
    """Of a real, tiny BERT; and of an ONNX file with a product more than the other's, which is in its layer."""
    answers = profiled(bert_tiny, tmp_path, "pytorch", "torchscript", "onnxruntime", "openvino", planted=True)
    for said in answers.values():
        check(said, layers=2)
    counts = {
        side: {(kind, layer): number for kind, layer, operator, _, number in answers[side]["parts"] if operator == "MatMul"}
        for side in ("with", "without")
    }
    more = {part: counts["with"][part] - counts["without"].get(part, 0.0) for part in counts["with"]}
    assert {part for part, number in more.items() if number} == {(PRODUCTS, "layer 1")}
    assert more[PRODUCTS, "layer 1"] == 1.0


@pytest.mark.slow
def test_other_frameworks_tell(tmp_path: Path, bert_tiny: PreparedModel) -> None:
    """Compiled graphs tell no layers; TensorFlow's graph has them in its names."""
    found = profiled(bert_tiny, tmp_path, "tensorflow", "tensorflow_graph", "tensorflow_xla")
    for name, said in found.items():
        check(said, layers=2 if name == "tensorflow_graph" else 0)
    (tmp_path / "compiled").mkdir()
    for said in profiled(bert_tiny, tmp_path / "compiled", "torch_compile").values():
        check(said, layers=0)


def test_a_session_profiles_and_judges_nothing(suite: Suite) -> None:
    """--profile keeps profiles and traces where it is told, and no run; without --benchmark-disable it is refused."""
    folder = suite.folder / "profiles"
    words = ("benchmarks/test_out_of_the_box.py", "--preset=quick", "--batch-sizes=1", "--sequence-lengths=32")
    words += ("--backends=onnxruntime", "--model=bert-tiny", f"--profile={folder}", "--launches=1")
    ended = suite(*words, "--benchmark-disable")
    assert ended.code == 0, ended.text
    (found,) = folder.glob("*/profile.json")
    assert len(json.loads(found.read_text())["launches"]) == 1
    assert [path.name for path in sorted(found.parent.iterdir())] == ["measured-1.trace.json", "profile.json"]
    assert not list(suite.runs.glob("*/run.json"))
    refused = suite(*words, "--benchmark-only")
    assert refused.code == 4
    assert "--profile is for launches that nobody judges: give --benchmark-disable beside it" in refused.text


class Turning(Profiles):
    """Whose sides answer at once, and say that rounds took so long."""

    def _ask(self, side: Side, step: str, **words: Any) -> dict[str, Any]:
        round_s = {"": 0.0001, "slow ": 2.0}[side.name]
        rounds = max(words["least"], min(int(words["seconds"] / round_s), words["most"] or 10**9))
        self.tell(side.name)
        return {"rounds": rounds, "seconds": rounds * round_s}

    def _running(self, side: Side) -> Any:
        return contextlib.nullcontext()


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("names", [[""], ["slow "], ["", ""], ["slow ", "slow "], ["", "slow "]])
def test_turns_of_a_block_come_out_even(names: list[str], recorded: bool, tmp_path: Path) -> None:
    """A B B A, for forward passes of 0.1 ms and of 2 s; recorded ones end with their number, plain ones with their time."""
    taken: list[str] = []
    profiles = Turning(bench=Mock(), topology=Mock(), folder=tmp_path, launches=1, tell=taken.append)
    profiles._turns([Side(name=one) for one in names], hold=False, leads=True, recorded=recorded)
    turns = [taken[place : place + len(names)] for place in range(0, len(taken), len(names))]
    assert len(turns) % 2 == 0
    assert turns == [names, names[::-1]] * (len(turns) // 2)
    quick_turns = 6 if recorded else 16  # of 10 rounds, and of 20 ms
    assert len(turns) == (quick_turns if "" in names else 2)


@pytest.mark.parametrize("reference", [(), ("--reference=self", "--launches=4")], ids=["alone", "two sides"])
def test_a_card_without_a_profiler_does_not_tell(reference: tuple[str, ...], suite: Suite) -> None:
    """The file says so, with its reason, for whoever explains; no launch is in it."""
    folder = suite.folder / "profiles"
    words = ("benchmarks/test_out_of_the_box.py", "--preset=quick", "--batch-sizes=1", "--sequence-lengths=32")
    words += ("--backends=tells_nothing", "--model=bert-tiny", f"--profile={folder}", "--benchmark-disable", *reference)
    ended = suite(*words, hostile=True)
    assert ended.code == 1, ended.text
    (found,) = folder.glob("*/profile.json")
    said = json.loads(found.read_text())
    assert said["not_told"].endswith("the card of tells_nothing has no profiler")
    assert said["not_told"].count("the card") == 1
    assert said["launches"] == []
