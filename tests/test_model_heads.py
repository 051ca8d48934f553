"""A head on top of the encoder: its answer is the reference, its work is counted, and it is part of what a model is.

Small checkpoints, prepared in this process; sessions are slow tests.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fixtures.asked.settings import model_named
from fixtures.backends.interface import Tolerance
from fixtures.backends.pytorch import PyTorch
from fixtures.backends.tensorflow import TensorFlow
from fixtures.model.__main__ import prepare
from fixtures.model.checkpoint import content_sha256, find_or_build
from fixtures.model.heads import HEADS, UnknownHead, asked_with, named, parted
from fixtures.model.loading import load_model
from fixtures.model.prepared import PreparationError, PreparedModel
from fixtures.worker.parity import Batch, ParityError, read_problem, require_parity
from tests.checkpoints import OF_EACH_TYPE, checkpoint, renamed, small
from tests.suite import OUT_OF_THE_BOX, Suite, python_m

CLASSES = {
    "sequence-classification": ("ForSequenceClassification", 3),
    "token-classification": ("ForTokenClassification", 3),
    "masked-lm": ("ForMaskedLM", 1500),
}
"""The class of transformers, by its end, and how many labels a small model has."""


@pytest.fixture(autouse=True)
def _own_cache(cache_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_home))


def counted(prepared: PreparedModel, batch_size: int, length: int) -> int:
    """Operations of a forward pass by torch's own counter, attention as separate products."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    model, ids = load_model(prepared.checkpoint, attention="eager"), torch.full((batch_size, length), 5)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(input_ids=ids, attention_mask=torch.ones_like(ids))
    return int(counter.get_total_flops())


def require_head(folder: Path, name: str, head: str) -> None:
    """Prepares a small model with a head: class, answer, work, parameters, identity."""
    import torch

    checkpoint = small(folder, name, head)
    prepared = prepare(str(checkpoint), [(3, 32), (1, 32)], artefacts=())
    model, (end, labels) = load_model(prepared.checkpoint), CLASSES[head]
    assert prepared.head == head
    assert type(model).__name__.endswith(end)
    assert prepared.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert prepared.flop == {f"{batch}x32": counted(prepared, batch, 32) for batch in (3, 1)}
    (batch,) = read_problem(prepared.cases["3x32"]).batches
    taken = {"input_ids": torch.from_numpy(batch.inputs["input_ids"])}
    with torch.inference_mode():
        logits = model(**taken, attention_mask=torch.from_numpy(batch.inputs["attention_mask"])).logits.numpy()
    assert logits.shape == ((3, labels) if head == "sequence-classification" else (3, 32, labels))
    assert np.allclose(batch.compared(logits), batch.reference, atol=1e-6)
    (checkpoint / "head.txt").unlink()
    encoder = prepare(str(checkpoint), [(1, 32)], artefacts=())
    assert encoder.head is None
    assert encoder.config_sha256 != prepared.config_sha256


def test_the_answer_is_that_of_the_head(tmp_path: Path) -> None:
    """ModernBERT: local attention, a gated feed-forward block, and a head that shares no code with BERT's."""
    require_head(tmp_path, "modernbert-base", "masked-lm")


@pytest.mark.slow
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("name", OF_EACH_TYPE)
def test_each_architecture_with_each_head(tmp_path: Path, name: str, head: str) -> None:
    """What holds of one holds of all that have a name."""
    require_head(tmp_path, name, head)


def test_a_checkpoint_from_elsewhere_with_its_head(tmp_path: Path) -> None:
    """A directory: its files are linked to, its own head answers, and another one that it has not is refused."""
    folder = checkpoint(tmp_path / "it", "bert", head="ForMaskedLM")
    prepared = prepare(f"{folder}+masked-lm", [(1, 32)], artefacts=("keras",))
    assert (prepared.name, prepared.head) == (f"{folder}+masked-lm", "masked-lm")
    assert (prepared.checkpoint / "model.safetensors").readlink() == folder / "model.safetensors"
    assert content_sha256(prepared.checkpoint) != content_sha256(folder)
    assert prepared.failed == {"keras": "keras-hub reads no head of a text model from a checkpoint of transformers"}
    with pytest.raises(PreparationError) as refused:
        prepare(f"{folder}+token-classification", [(1, 32)], artefacts=())
    assert "has no head token-classification: of BertForTokenClassification it lacks classifier.bias, ..." in str(
        refused.value
    )
    (folder / "tokenizer.json").write_text("{}")
    assert "tokenizer.json" in {one.name for one in find_or_build(f"{folder}+masked-lm").iterdir()}


def test_a_head_of_the_same_names_is_another(tmp_path: Path) -> None:
    """The classifier of a sequence has the tensors of a tagger's: what it was saved as says which it is."""
    folder = checkpoint(tmp_path / "it", "bert", head="ForSequenceClassification")
    with pytest.raises(PreparationError) as refused:
        prepare(f"{folder}+token-classification", [(1, 32)], artefacts=())
    assert "has no head token-classification: it was saved as BertForSequenceClassification" in str(refused.value)
    assert "--head sequence-classification" in str(refused.value)


def test_a_foreign_prefix_is_named_with_a_head_as_well(tmp_path: Path) -> None:
    """Nothing of the encoder is found either: that it lacks the head would be the wrong reason."""
    folder = checkpoint(tmp_path / "it", "bert", head="ForMaskedLM")
    renamed(folder, lambda name: f"_orig_mod.{name}")
    with pytest.raises(PreparationError, match=r"all begin with `_orig_mod\.`; save the module inside torch\.compile"):
        prepare(f"{folder}+masked-lm", [(1, 32)], artefacts=())


def test_a_directory_that_is_called_like_a_model_with_a_head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own model is another one: neither is prepared in place of the other."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bert-tiny+masked-lm").mkdir()
    with pytest.raises(UnknownHead, match=r"bert-tiny\+masked-lm is a directory: rename it"):
        asked_with("bert-tiny", "masked-lm")
    assert asked_with("bert-mini", "masked-lm") == "bert-mini+masked-lm"


def test_a_re_ranker_without_its_pooler_is_refused(tmp_path: Path) -> None:
    """The head stands on the pooler: there it is part of the answer, which of an encoder it is not."""
    folder = checkpoint(tmp_path, "bert", head="ForSequenceClassification")
    renamed(folder, lambda name: None if "pooler" in name else name)
    assert prepare(str(folder), [(1, 32)], artefacts=()).head is None
    with pytest.raises(PreparationError, match=r"tensors of BertForSequenceClassification are missing \(bert.pooler"):
        prepare(f"{folder}+sequence-classification", [(1, 32)], artefacts=())


def test_a_named_model_with_a_head(cache_home: Path) -> None:
    """It is built with its head: a re-ranker has one score, a tagger nine tags, as those that are published."""
    prepared = prepare("bert-tiny+sequence-classification", [(2, 32)], artefacts=())
    assert prepared.name == "bert-tiny+sequence-classification"
    config = json.loads((prepared.checkpoint / "config.json").read_text())
    assert config["architectures"] == ["BertForSequenceClassification"]
    (batch,) = read_problem(prepared.cases["2x32"]).batches
    assert batch.reference.shape == (2, 1)


@pytest.mark.slow
def test_padded_rows_of_a_head_are_answered_alone(tmp_path: Path) -> None:
    """A score of a sequence has no positions to leave out: each row's is that of the row by itself."""
    folder = small(tmp_path, "bert-base-cased", "sequence-classification")
    prepared = prepare(str(folder), [(4, 32)], padded=[(4, 32, "half"), (4, 32, "sorted")], artefacts=())
    (half,) = read_problem(prepared.cases["4x32-half"]).batches
    assert half.reference.shape == (4, 3)
    card = PyTorch()
    card.load(prepared.checkpoint, None)
    for batch in (half, *read_problem(prepared.cases["4x32-sorted"]).batches):
        answer = card.last_hidden_state(card.compile(batch.inputs)())
        require_parity(batch.compared(answer), batch.reference, batch.inputs["attention_mask"], 1e-4 * batch.scale)


def test_of_a_large_vocabulary_some_words_are_compared(tmp_path: Path) -> None:
    """So many that the file stays small; an answer of another width is wrong whatever it says."""
    prepared = prepare(str(small(tmp_path, "roberta-base", "masked-lm")), [(1, 32)], artefacts=())
    (batch,) = read_problem(prepared.cases["1x32"]).batches
    assert batch.reference.shape == (1, 32, 1024)
    assert batch.columns is not None
    assert (len(set(batch.columns)), batch.columns[0], batch.columns[-1]) == (1024, 0, 1499)
    with pytest.raises(ParityError, match=r"wrong answer: shape \[1, 32, 1499\] where the model gives 1500 labels"):
        batch.compared(np.zeros((1, 32, 1499), dtype=np.float32))


def test_scores_of_nothing_are_wrong_in_every_format() -> None:
    """A tolerance for elements of size 1 is larger than all scores of a small model: zeros and the opposite are refused."""
    scores = np.array([[0.12], [-0.03], [0.2]], dtype=np.float32)
    batch = Batch({"attention_mask": np.ones((3, 32), dtype=np.int64)}, scores, scale=0.34)
    int8 = Tolerance(max_abs_error=1.5, cosine=0.98)
    assert batch.parity_of(scores + 0.02, int8)["max_abs_error"] == pytest.approx(0.02)
    for wrong in (np.zeros_like(scores), -scores):
        with pytest.raises(ParityError, match="differs from fp32 PyTorch by up to"):
            batch.parity_of(wrong, int8)
    near = Batch({"attention_mask": np.ones((1, 32), dtype=np.int64)}, np.array([[0.001]]), scale=0.34)
    assert near.parity_of(np.array([[-0.01]]), int8)["tolerance"] == pytest.approx(0.017)


def test_a_score_near_zero_is_no_wrong_answer() -> None:
    """A cosine of one number is its sign; what is compared is how far it is off."""
    mask = np.ones((1, 32), dtype=np.int64)
    found = require_parity(np.array([[-0.001]]), np.array([[0.001]]), mask, 0.01)
    assert found["max_abs_error"] == pytest.approx(0.002)
    with pytest.raises(ParityError, match="differs from fp32 PyTorch by up to"):
        require_parity(np.array([[-0.1]]), np.array([[0.001]]), mask, 0.01)


def test_a_name_with_a_head_is_taken_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`MODEL+HEAD`, unless a directory is called so; one head at a time."""
    assert parted("bert-tiny+masked-lm") == ("bert-tiny", "masked-lm")
    assert parted("owner/c++") == ("owner/c++", None)
    assert named("bert-tiny+masked-lm", "masked-lm") == named("bert-tiny", "masked-lm") == "bert-tiny+masked-lm"
    with pytest.raises(UnknownHead, match="'masked' is no head: sequence-classification, token-classification, masked-lm"):
        named("bert-tiny", "masked")
    with pytest.raises(UnknownHead, match=r"names another head, masked-lm\. Leave one of them out"):
        named("bert-tiny+masked-lm", "token-classification")
    monkeypatch.chdir(tmp_path)
    Path("x+masked-lm").mkdir()
    assert parted("x+masked-lm") == ("x+masked-lm", None)
    with pytest.raises(pytest.UsageError, match=r"--head masked-lm: x\+masked-lm is a directory: rename it, or"):
        model_named("x", "masked-lm")
    with pytest.raises(pytest.UsageError, match="--head masked-lm: minilm: the packaged checkpoint has no head"):
        model_named("minilm", "masked-lm")


def test_keras_hub_says_beforehand_what_it_cannot_read() -> None:
    """Of a model that has a name here that is a skip, and a card that inherits from it says the same."""
    assert TensorFlow.why_not_model("bert", None, "fp32") is None
    assert TensorFlow.why_not_model("modernbert", None, "bf16") == "keras-hub has no converter for this architecture"
    assert "no head" in str(TensorFlow.why_not_model("bert", "masked-lm", "fp32"))
    assert PyTorch.why_not_model("modernbert", "masked-lm", "fp32") is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["--model=modernbert-base", "--backends=tensorflow"],
            "--backends tensorflow: tensorflow at fp32 cannot run modernbert-base: keras-hub has no converter",
        ),
        (
            ["--model=mpnet-base", "--backends=onnxruntime", "--precisions=int8"],
            "--precisions int8: onnxruntime at int8 cannot run mpnet-base: quantize_dynamic of ONNX Runtime",
        ),
        pytest.param(
            ["--head=masked"],
            "--head 'masked' is no head: sequence-classification, token-classification, masked-lm",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_built(suite: Suite, options: list[str], said: str) -> None:
    """Exit 4, with what is possible."""
    ended = suite(OUT_OF_THE_BOX, "--benchmark-only", "--preset=quick", *options)
    assert ended.code == 4
    assert said in ended.text


def test_the_command_prepares_with_a_head(bert_tiny: PreparedModel) -> None:
    """`python -m fixtures.model --head`: one line where there is none."""
    done = python_m("fixtures.model", "--model", "bert-tiny", "--head", "x")
    assert (done.returncode, done.stderr) == (
        4,
        "error: 'x' is no head: sequence-classification, token-classification, masked-lm\n",
    )


@pytest.mark.slow
def test_a_head_is_measured(suite: Suite, tmp_path: Path) -> None:
    """A session on four frameworks: results name the head, keras-hub is a skip, and a printed command measures the same."""
    folder = small(tmp_path / "it", "bert-base-cased", "token-classification")
    (folder / "head.txt").unlink()
    backends = "-obench_backends=pytorch,torchscript,tensorflow,onnxruntime,openvino"
    common = (OUT_OF_THE_BOX, "--benchmark-only", "--benchmark-max-time=0.05", "-obench_preset=quick", backends)
    ended = suite(*common, f"--model={folder}", "--head=token-classification", "-rs")
    assert ended.code == 0, ended.text
    assert sorted(one.partition("-")[0] for one in ended.benchmarks) == ["onnxruntime", "openvino", "pytorch", "torchscript"]
    for one in ended.benchmarks.values():
        assert one["extra_info"]["model"]["head"] == "token-classification"
        assert one["extra_info"]["model"]["name"] == f"{folder}+token-classification"
    (skipped,) = ended.run["run"]["skipped"]
    assert "keras-hub reads no head" in skipped["reason"]


@pytest.mark.slow
def test_a_named_model_that_keras_hub_cannot_read_is_a_skip(suite: Suite) -> None:
    """Not red: it is known beforehand; the others are measured, and their answer is right at the published size."""
    backends = "-obench_backends=pytorch,tensorflow,onnxruntime,openvino"
    common = (OUT_OF_THE_BOX, "--benchmark-only", "--benchmark-max-time=0.05", "-obench_preset=quick", backends)
    ended = suite.end(suite.start(*common, "--model=deberta-v3-base", "--head=sequence-classification"), time_out_s=900)
    assert ended.code == 0, ended.text
    assert sorted(one.partition("-")[0] for one in ended.benchmarks) == ["onnxruntime", "openvino", "pytorch"]
