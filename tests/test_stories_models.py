"""A checkpoint from elsewhere, measured: who cannot run it is asked before anything is measured, and the others go on."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from fixtures.model.prepared import PreparedModel, prepare_in_subprocess
from tests.suite import OUT_OF_THE_BOX, REPOSITORY, Suite
from tests.test_gate import Gated

QUICK = ("--benchmark-only", "--benchmark-max-time=0.05", "-o", "bench_preset=quick")
NAME = "reads_nothing_of_the_kind"
CARD = f'''
from fixtures.backends.onnxruntime import OnnxRuntime

class ReadsNothingOfTheKind(OnnxRuntime):
    name = "{NAME}"

    def load(self, checkpoint, artefact):
        raise ValueError("no converter for model type 'bert'")
'''

RED = """
import os
from fixtures.backends.onnxruntime import OnnxRuntime

class Red(OnnxRuntime):
    name = "red"

    def {method}
"""


@pytest.fixture
def foreign(suite: Suite, cache_home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A directory, its content that of bert-tiny, which is prepared already."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_home))
    return str(shutil.copytree(prepare_in_subprocess("bert-tiny", [(1, 32)]).checkpoint, suite.folder / "foreign"))


def test_a_backend_that_cannot_read_a_model(suite: Suite, foreign: str) -> None:
    """From ini it is a skip with its reason, in run.json too; named on the command line it is exit 4."""
    (suite.folder / "card.py").write_text(CARD)
    common = (OUT_OF_THE_BOX, *QUICK, f"--model={foreign}", f"--backend-file={suite.folder / 'card.py'}")
    ended = suite(*common, "-rs", "-o", f"bench_backends={NAME},onnxruntime")
    reason = f"{NAME} at fp32 cannot run this model: ValueError: no converter for model type 'bert'"
    assert ended.code == 0, ended.text
    assert f"asking {NAME} at fp32 whether it runs this model ..." in ended.text
    assert reason in ended.text
    assert list(ended.benchmarks) == ["onnxruntime-fp32-batch1-seq32"]
    assert ended.benchmarks["onnxruntime-fp32-batch1-seq32"]["extra_info"]["model"]["attention"] == "sdpa"
    (skipped,) = ended.run["run"]["skipped"]
    assert skipped["reason"] == reason
    assert [name.partition("[")[2] for name in skipped["benchmarks"]] == [f"{NAME}-fp32-batch1-seq32]"]

    shutil.rmtree(suite.runs)
    refused = suite(*common, f"--backends={NAME},onnxruntime")
    assert refused.code == 4
    assert f"--backends {NAME}: cannot run {foreign}: ValueError: no converter" in refused.text
    assert "Backends that run it: onnxruntime" in refused.text
    assert "asking" not in refused.text, "what was found is kept"
    assert not list(suite.runs.glob("*"))


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("last_hidden_state(self, outputs): return super().last_hidden_state(outputs) + 1", "wrong answer: it differs from"),
        ("loaded_precision(self): return 'fp8'", "red was to compute in fp32, and what it loaded is fp8"),
        ("load(self, checkpoint, artefact): os._exit(3)", "exit code 3"),
        ("load(self, checkpoint, artefact): raise MemoryError", "MemoryError"),
    ],
    ids=["wrong-answer", "other-format", "dies", "no-memory"],
)
def test_what_is_no_refusal_is_red(suite: Suite, foreign: str, method: str, said: str) -> None:
    """A backend that reads a model and answers something else is no skip, at the first run as at the next."""
    (suite.folder / "card.py").write_text(RED.format(method=method))
    for _ in range(2):
        card = f"--backend-file={suite.folder / 'card.py'}"
        ended = suite(OUT_OF_THE_BOX, *QUICK, f"--model={foreign}", card, "--backends=red")
        assert ended.code == 1, ended.text
        assert said in ended.text
        assert ended.run["run"]["skipped"] == []
        assert ended.benchmarks == {}
        shutil.rmtree(suite.runs)


def test_collecting_says_what_is_too_long_for_a_directory(suite: Suite, foreign: str) -> None:
    """Before anything is prepared its config.json says how many positions there are."""
    config = Path(foreign) / "config.json"
    config.write_text(config.read_text().replace('"max_position_embeddings": 512', '"max_position_embeddings": 31'))
    reason = f"{foreign} has 31 positions, a sequence of 32 does not fit"
    ended = suite(OUT_OF_THE_BOX, f"--model={foreign}", "--sequence-lengths=32", "--collect-only", "-q")
    assert ended.code == 4
    assert f"--sequence-lengths 32: {reason}" in ended.text
    ended = suite(OUT_OF_THE_BOX, *QUICK, f"--model={foreign}", "--backends=onnxruntime", "-rs")
    assert (ended.code, reason in ended.text, list(suite.runs.glob("*"))) == (0, True, []), ended.text


def test_a_directory_is_one_model_however_it_is_typed(suite: Suite, foreign: str) -> None:
    """As a relative path, with a dot in front, or through a link: results have its absolute path, and so have baselines."""
    (suite.folder / "link").symlink_to(foreign)
    for typed in (os.path.relpath(foreign, REPOSITORY), f"./{os.path.relpath(foreign, REPOSITORY)}", f"{suite.folder}/link"):
        ended = suite(OUT_OF_THE_BOX, *QUICK, f"--model={typed}", "--backends=onnxruntime")
        assert [one["extra_info"]["model"]["name"] for one in ended.benchmarks.values()] == [foreign], ended.text
        shutil.rmtree(suite.runs)


def test_a_sequence_that_a_directory_has_no_positions_for(suite: Suite, foreign: str) -> None:
    """Named on the command line it is exit 4 with the number of positions; one that fits beside it is not measured."""
    ended = suite(OUT_OF_THE_BOX, *QUICK, f"--model={foreign}", "--backends=onnxruntime", "--sequence-lengths=32,513")
    assert ended.code == 4
    assert f"--sequence-lengths 513: {foreign} has 512 positions, a sequence of 513 does not fit" in ended.text


FAILED = "its ONNX export failed: planted by a test"


def break_export(cache: Path, content_sha256: str) -> None:
    """Makes a cache remember that the export of a model failed, and nothing else of it."""
    found = list((cache / "bert-cpu-benchmarks" / "prepared" / content_sha256[:16]).glob("onnx-*"))
    assert found
    for exported in found:
        shutil.rmtree(exported)
        exported.with_name(f"{exported.name}.failed.txt").write_text(FAILED)


@pytest.mark.parametrize("chosen", ["-obench_backends=onnxruntime,pytorch", "--backends=onnxruntime,pytorch"])
def test_what_cannot_be_made_of_a_named_model_is_red(
    suite: Suite, own_cache: Path, bert_tiny: PreparedModel, chosen: str
) -> None:
    """It could be made before, so something broke: no skip, however the backend was chosen; the others are measured."""
    break_export(own_cache, bert_tiny.content_sha256)
    ended = suite(OUT_OF_THE_BOX, "--benchmark-only", "--benchmark-max-time=0.05", "-obench_preset=quick", chosen)
    assert ended.code == 1, ended.text
    assert f"onnxruntime at fp32 has nothing to load: {FAILED}" in ended.text
    assert list(ended.benchmarks) == ["pytorch-fp32-batch1-seq32"]
    assert ended.run["run"]["skipped"] == []


def test_a_skip_does_not_hide_what_the_baseline_has(
    suite: Suite, own_cache: Path, foreign: str, bert_tiny: PreparedModel
) -> None:
    """A model from elsewhere that was measured, and whose export fails since: a skip, and missing, which is red."""
    session = (OUT_OF_THE_BOX, *QUICK, f"--model={foreign}", "--confirm=0", "-obench_backends=onnxruntime")
    measured = suite(*session)
    assert measured.code == 0, measured.text
    Gated(suite, measured.run).accept()
    shutil.rmtree(suite.runs)
    break_export(own_cache, bert_tiny.content_sha256)
    ended = suite(*session)
    assert ended.code == 1, ended.text
    reason = f"skipped: onnxruntime at fp32 cannot run this model: {FAILED}"
    assert f"MISSING test_out_of_the_box[onnxruntime-fp32-batch1-seq32]: {reason}" in ended.text
    assert list(ended.run["run"]["verdicts"]["missing"].values()) == [reason]


def test_a_derived_number_that_cannot_be_had_costs_itself(suite: Suite, own_cache: Path, bert_tiny: PreparedModel) -> None:
    """A model whose operations torch cannot count is measured; what follows from their number is null, with its reason."""
    prepared = own_cache / "bert-cpu-benchmarks" / "prepared" / bert_tiny.content_sha256[:16]
    (case,) = prepared.glob("seeded-*/1x32.npz")
    with np.load(case) as arrays:
        np.savez(case, **{**arrays, "flop": np.int64(-1)})
    suite.report = True
    ended = suite(
        OUT_OF_THE_BOX, "--benchmark-only", "--benchmark-max-time=0.05", "--preset=quick", "--backends=onnxruntime"
    )
    assert ended.code == 0, ended.text
    (one,) = ended.benchmarks.values()
    work = one["extra_info"]["work"]
    assert work.pop("reason") == "torch's counter cannot follow this model"
    assert (len(work), set(work.values())) == (3, {None})
    assert one["extra_info"]["latency_s"]["median"] > 0
    assert list(suite.runs.glob("*/report/report.html"))
