"""Checkpoints from elsewhere: each kind that other suites trip over is prepared, or refused in one line with the way out.

They are made and loaded with transformers in this process: what it makes of a checkpoint is what is tested.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from fixtures.model import keras_copy, onnx_export, quantized
from fixtures.model.__main__ import prepare
from fixtures.model.architectures import ARCHITECTURES
from fixtures.model.checkpoint import tensors
from fixtures.model.loading import load_model, read_config
from fixtures.model.prepared import PreparationError, PreparedModel
from tests.checkpoints import SIZES, checkpoint, configured, renamed

FLOP_OF_BERT = 2 * (8 * 32 * 32**2 + 4 * 32**2 * 32 + 4 * 32 * 32 * 64) + 2 * 32**2
"""Of a tiny BERT at 1x32, by the formula of the literature: the docstring of fixtures/model/reference.py has it."""


@pytest.fixture(autouse=True)
def _own_cache(cache_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_home))


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT."""
    return checkpoint(tmp_path_factory.mktemp("bert"), "bert")


@pytest.fixture
def new_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of the test's own: what fails in it is remembered."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def prepared(folder: Path, *sizes: tuple[int, int], **options: Any) -> PreparedModel:
    """The model as its measurement would get it, without artefacts."""
    return prepare(str(folder), sizes or [(1, 32)], **{"artefacts": (), **options})


def copied(folder: Path, target: Path) -> Path:
    """A copy to change."""
    return Path(shutil.copytree(folder, target))


@pytest.mark.parametrize(
    ("family", "attention", "positions"),
    [
        ("bert", "sdpa", 64),
        ("mpnet", "eager", 62),
        ("deberta-v2", "eager", 64),
        ("data2vec-text", "sdpa", 62),
        ("ibert", "eager", 62),
        ("esm", "sdpa", 62),
        ("modernbert", "sdpa", 64),
        ("xlnet", "eager", None),
    ],
)
def test_what_the_class_has_is_asked_of_the_class(
    tmp_path: Path, family: str, attention: str, positions: int | None
) -> None:
    """Attention is sdpa where the class has it, else eager; RoBERTa's kin lose two positions, whatever they are called."""
    model = prepared(checkpoint(tmp_path, family), (1, 32), (1, 65), fitting=True)
    assert (model.attention, model.maximum_positions) == (attention, positions)
    assert list(model.cases) == (["1x32"] if positions else ["1x32", "1x65"])


def test_positions_beyond_the_last_one_are_named(tmp_path: Path) -> None:
    """A sequence that is two positions too long is refused by its number, and not by an index inside of torch."""
    folder = checkpoint(tmp_path, "roberta", max_position_embeddings=66)
    with pytest.raises(PreparationError, match=r"^sequence length 66 exceeds the 64 positions of "):
        prepared(folder, (1, 66))
    assert prepared(folder, (1, 64)).maximum_positions == 64


@pytest.mark.parametrize("family", ["bert", "distilbert", "albert", "modernbert", "longformer", "convbert", "mobilebert"])
def test_operations_are_those_that_torch_counts(tmp_path: Path, family: str) -> None:
    """Gated, local, shared or convolved: it is what torch counts with attention as separate products."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    folder = checkpoint(tmp_path, family)
    model, ids = load_model(folder, attention="eager"), torch.ones((3, 32), dtype=torch.int64)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(input_ids=ids, attention_mask=torch.ones_like(ids))
    counted = prepared(folder, (3, 32), (1, 32)).flop
    assert counted == {"3x32": counter.get_total_flops(), "1x32": counter.get_total_flops() // 3}
    assert family != "bert" or counted["1x32"] == FLOP_OF_BERT


def test_operations_that_cannot_be_counted_are_none(bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A counter that cannot follow a model costs the number, and not the case."""
    import torch.utils.flop_counter

    def lost(*_: object, **__: object) -> object:
        raise RuntimeError("an operator of another world")

    monkeypatch.setattr(torch.utils.flop_counter.FlopCounterMode, "__enter__", lost)
    assert prepared(bert, (1, 31)).flop == {"1x31": None}


@pytest.mark.parametrize(
    ("prefix", "way_out"),
    [
        ("_orig_mod.", "save the module inside torch.compile: model._orig_mod.save_pretrained(FOLDER)"),
        ("module.", "save the module inside DataParallel: model.module.save_pretrained(FOLDER)"),
        ("model.", "save the encoder itself"),
        ("encoder_model.", "save the encoder itself"),
    ],
)
def test_weights_under_a_foreign_prefix_are_refused(bert: Path, tmp_path: Path, prefix: str, way_out: str) -> None:
    """Transformers would draw them at random: how many are missing, what the others begin with, and what to do instead."""
    folder = renamed(copied(bert, tmp_path / "it"), lambda name: prefix + name)
    count = len(tensors(folder))
    with pytest.raises(PreparationError) as refused:
        prepared(folder)
    assert f"{count - 2} of the {count} tensors of BertModel are missing (embeddings.LayerNorm.bias, ...)" in str(
        refused.value
    )
    assert f"{count} that it has are unexpected and all begin with `{prefix}`; {way_out}" in str(refused.value)


def test_a_layer_less_is_refused_and_a_pooler_less_is_not(bert: Path, tmp_path: Path) -> None:
    """Without a weight of a layer there is nothing to measure; the pooler is no part of the answer."""
    bare = renamed(copied(bert, tmp_path / "bare"), lambda name: None if name.startswith("pooler") else name)
    assert prepared(bare).parameters == prepared(bert).parameters - 32 * 32 - 32
    torn = renamed(copied(bert, tmp_path / "torn"), lambda name: None if "layer.1.output.dense.w" in name else name)
    with pytest.raises(
        PreparationError, match=r"1 of the 39 tensors .*\(encoder.layer.1.output.dense.weight\), it has no others"
    ):
        prepared(torn)


def test_a_field_left_out_has_the_default_of_transformers(tmp_path: Path) -> None:
    """Without `intermediate_size` BERT has 3072, and everything is counted with it."""
    folder = checkpoint(tmp_path, "bert", intermediate_size=3072)
    model = prepared(configured(folder, lambda config: config.pop("intermediate_size")))
    assert model.flop["1x32"] == FLOP_OF_BERT + 2 * 4 * 32 * 32 * (3072 - 64)


@pytest.mark.parametrize(("field", "value"), [("max_position_embeddings", None), ("hidden_size", "wide")])
def test_an_impossible_field_is_one_line(bert: Path, tmp_path: Path, field: str, value: object) -> None:
    """The field is named, and what is expected of it."""
    folder = configured(copied(bert, tmp_path / "it"), lambda config: config.update({field: value}))
    with pytest.raises(PreparationError, match=rf"transformers cannot .*: Field '{field}' expected int"):
        prepared(folder)


def test_a_configuration_saved_by_another_version_is_the_same_model(tmp_path: Path) -> None:
    """A RoBERTa keeps its identity with defaulted fields more or fewer, and another size is another model."""
    folder = checkpoint(tmp_path, "roberta")
    saved, names = prepared(folder).config_sha256, ("use_cache", "tie_word_embeddings", "layer_norm_eps", "pad_token_id")
    configured(folder, lambda config: [config.pop(name, None) for name in names])
    assert prepared(folder).config_sha256 == saved
    older = {"position_embedding_type": "absolute", "transformers_version": "4.1.0", "gradient_checkpointing": False}
    assert prepared(configured(folder, lambda config: config.update(older))).config_sha256 == saved
    configured(folder, lambda config: config.update(layer_norm_eps=1e-5))
    assert prepared(folder).config_sha256 != saved


def test_named_models_keep_their_identity_where_transformers_completes_them(tmp_path: Path) -> None:
    """The hash of a completed configuration is that of the published one: stored baselines carry it."""
    from fixtures.model.identity import config_sha256

    listed = [config for config in ARCHITECTURES.values() if config["model_type"] in ("bert", "distilbert")]
    assert len(listed) == 9
    for config in listed:
        (tmp_path / "config.json").write_text(json.dumps(dict(config)))
        assert config_sha256(read_config(tmp_path).to_dict()) == config_sha256(config)


def test_attention_of_the_configuration(bert: Path, tmp_path: Path) -> None:
    """Eager attention in config.json is in force and another identity; one that no CPU runs is left to transformers."""
    eager, flash, plain = (
        prepared(
            configured(copied(bert, tmp_path / word), lambda config, word=word: config.update(attn_implementation=word))
        )
        for word in ("eager", "flash_attention_2", "sdpa")
    )
    assert [one.attention for one in (eager, flash, plain)] == ["eager", "sdpa", "sdpa"]
    assert flash.config_sha256 == plain.config_sha256 == prepared(bert).config_sha256 != eager.config_sha256
    assert load_model(eager.checkpoint).config._attn_implementation == "eager"
    assert load_model(flash.checkpoint).config._attn_implementation == "sdpa"


def test_weights_in_several_files_are_a_checkpoint(bert: Path, tmp_path: Path) -> None:
    """A sharded checkpoint is the model that it is in one file."""
    folder = checkpoint(tmp_path / "shards", "bert", max_shard_size="20KB")
    assert len(list(folder.glob("*.safetensors"))) > 2
    assert prepared(folder).parameters == prepared(bert).parameters
    assert tensors(folder) == tensors(bert)


@pytest.mark.usefixtures("new_cache")
def test_what_cannot_be_made_costs_those_who_need_it(bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed export is the reason of every graph made from it; the cases are there all the same."""
    pytest.importorskip("onnxruntime")

    def broken(*_: object) -> None:
        raise RuntimeError("\x1b[96mThis is step 1/3\x1b[0m of it") from ValueError("list index out of range")

    monkeypatch.setattr(onnx_export, "_trace", broken)
    model = prepare(str(bert), [(1, 32)], artefacts=("onnx", "onnx_int8"))
    reason = "its ONNX export failed: list index out of range"
    assert model.failed == {"onnx": reason, "onnx_int8": reason}
    assert list(model.cases) == ["1x32"]


@pytest.mark.usefixtures("new_cache")
def test_a_failure_is_remembered_until_an_upgrade(bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An export that failed is not tried again, whoever asks; with another version of what makes it, it is."""
    pytest.importorskip("onnxruntime")
    attempts: list[object] = []

    def broken(*_: object) -> None:
        attempts.append(_)
        raise ValueError("list index out of range")

    monkeypatch.setattr(onnx_export, "_trace", broken)
    failures = [prepare(str(bert), [(1, 32)]).failed for _ in range(2)]
    assert failures[0] == failures[1] == {"onnx": "its ONNX export failed: list index out of range"}
    assert len(attempts) == 1
    monkeypatch.setattr(onnx_export, "version", lambda _: "99")
    assert prepare(str(bert), [(1, 32)]).failed == failures[0]
    assert len(attempts) == 2


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 3 bytes"),
        OSError(28, "No space left on device"),
    ],
)
@pytest.mark.usefixtures("new_cache")
def test_a_failure_of_the_moment_is_not_remembered(bert: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Memory and disk that ran short say nothing of the model, also where an exporter wraps them: the next run tries."""
    pytest.importorskip("onnxruntime")
    attempts: list[object] = []

    def broken(*_: object) -> None:
        attempts.append(_)
        raise RuntimeError("This is step 1/3") from error

    monkeypatch.setattr(onnx_export, "_trace", broken)
    assert all("onnx" in prepare(str(bert), [(1, 32)]).failed for _ in range(2))
    assert len(attempts) == 2


@pytest.mark.usefixtures("new_cache")
def test_a_failed_quantisation_costs_its_precision_alone(bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exported graph stays."""
    pytest.importorskip("onnxruntime")

    def broken(*_: object) -> dict[str, int]:
        raise ValueError("no weight to quantise")

    monkeypatch.setitem(quantized.KINDS, "onnx_int8", (broken, "model.onnx", ("onnx",)))
    model = prepare(str(bert), [(1, 32)], artefacts=("onnx", "onnx_int8"))
    assert list(model.artefacts) == ["onnx"]
    assert model.failed["onnx_int8"].endswith("cannot be made: no weight to quantise")


def test_a_fourier_transform_is_exported_for_all_that_read_it(tmp_path: Path) -> None:
    """The axis of a DFT is an attribute: of opset 20, where it is an input, OpenVINO does not read it."""
    import numpy as np

    onnxruntime, openvino = pytest.importorskip("onnxruntime"), pytest.importorskip("openvino")
    onnx = pytest.importorskip("onnx")
    model = prepared(checkpoint(tmp_path, "fnet"), artefacts=("onnx",))
    graph = onnx.load(model.artefacts["onnx"], load_external_data=False)
    transforms = [node for node in graph.graph.node if node.op_type == "DFT"]
    assert transforms
    assert all([one.name for one in node.attribute if one.name == "axis"] for node in transforms)
    case = dict(np.load(model.cases["1x32"]))
    names = [one.name for one in graph.graph.input]
    right = case["last_hidden_state"]
    asked = {name: case[name] for name in names}
    at_fp32 = {"INFERENCE_PRECISION_HINT": "f32"}
    session = onnxruntime.InferenceSession(str(model.artefacts["onnx"]), providers=["CPUExecutionProvider"])
    compiled = openvino.Core().compile_model(model.artefacts["onnx"], "CPU", at_fp32)
    for answer in (session.run(None, asked)[0], compiled(asked)[0]):
        assert np.abs(answer - right).max() < 1e-3


@pytest.mark.parametrize(
    ("family", "head", "word"),
    [
        ("distilbert", "", "distilbert.embeddings.word_embeddings.weight"),
        ("roberta", "", "roberta.embeddings.word_embeddings.weight"),
        ("bert", "ForMaskedLM", "pooler.dense.weight"),
        ("albert", "ForMaskedLM", "albert.pooler.weight"),
    ],
)
def test_keras_hub_gets_the_names_that_it_looks_for(tmp_path: Path, family: str, head: str, word: str) -> None:
    """A copy has the prefix that only a model with a head writes, and the pooler that one with a head has not."""
    folder = checkpoint(tmp_path, family, head=head)
    copy = prepared(folder, artefacts=("keras",)).artefacts["keras"]
    assert word in tensors(copy)
    assert word not in tensors(folder)


def test_keras_hub_reads_other_checkpoints_in_place(bert: Path) -> None:
    """Where names are right, the weights are not copied; the configuration is complete. What it never reads has no copy."""
    copy = prepared(bert, artefacts=("keras",)).artefacts["keras"]
    assert (copy / "model.safetensors").readlink() == bert / "model.safetensors"
    assert json.loads((copy / "config.json").read_text())["intermediate_size"] == SIZES["intermediate_size"]
    assert keras_copy.find_or_copy(checkpoint(bert.parent / "electra", "electra"), "0" * 64) is None


def tokenizer(folder: Path, special: dict[str, str]) -> Path:
    """The checkpoint with a tokenizer of a few words, in a file of its own format."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["<unk>", "<end>", "Alice", "the", "and", "she", "a"]
    fast = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))  # noqa: S106
    fast.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=fast, **special).save_pretrained(folder)
    return folder


def test_a_tokenizer_without_a_token_to_pad_with(bert: Path, tmp_path: Path) -> None:
    """Its end token pads, masked; without that either it is one line."""
    folder = tokenizer(copied(bert, tmp_path / "it"), {"unk_token": "<unk>", "eos_token": "<end>"})
    assert prepared(folder, (2, 32), inputs="text").text_lengths
    folder = tokenizer(copied(bert, tmp_path / "bare"), {})
    with pytest.raises(PreparationError, match="has no token to pad with: no pad_token, eos_token, sep_token or unk_token"):
        prepared(folder, (2, 32), inputs="text")


def test_a_tokenizer_in_files_of_another_kind(tmp_path: Path) -> None:
    """Byte pairs in vocab.json and merges.txt: transformers reads them, and another content of either is another case."""
    folder = checkpoint(tmp_path / "it", "roberta", vocab_size=300)
    words = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *bytes_as_characters()]
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    before = prepared(folder, (1, 32), inputs="text")
    assert before.text_lengths
    (folder / "vocab.json").write_text(json.dumps({**dict(zip(words, range(len(words)), strict=True)), "th": len(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\nt h\n")
    after = prepared(folder, (1, 32), inputs="text")
    assert after.cases != before.cases
    assert sum(after.text_lengths or ()) < sum(before.text_lengths)


def bytes_as_characters() -> list[str]:
    """The alphabet of byte pairs, as GPT-2 writes it: printable bytes as themselves, the others from U+0100 on."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [chr(byte) for byte in printable] + [chr(256 + number) for number in range(256 - len(printable))]


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    """Ids that have no embedding are named, before they become an index inside of torch."""
    folder = tokenizer(checkpoint(tmp_path, "bert", vocab_size=4), {"unk_token": "<unk>", "pad_token": "<end>"})
    with pytest.raises(PreparationError, match=r"gives ids up to 5, and the model has 4 embeddings: it is another model's"):
        prepared(folder, (4, 32), inputs="text")
