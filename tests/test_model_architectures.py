"""The named models and the hash that identifies them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fixtures.model.architectures import ARCHITECTURES
from fixtures.model.heads import HEADS
from fixtures.model.identity import config_sha256, identity_of
from fixtures.model.loading import read_config

# Stored baselines carry these: a change here makes every one of them incomparable.
PUBLISHED = {
    "bert-base-cased": "06c9f16b0e3acdf32c95830e56cb4d6373785c2d0f871b231997ff2deb5bff70",
    "bert-tiny": "e5e226b628f10c1d5d3743ce9e9bf237c4034457cae010c7cae4f617188e5a3d",
    "distilbert-base-cased": "3c38d86c8aec9fad6fb355123f3493f4adb37be2395aaa46768cee5792e97c5a",
}

LISTED = [name for name, config in ARCHITECTURES.items() if config["model_type"] in ("bert", "distilbert")]
"""Whose type has a list of what defines it; of the others it is what transformers completes."""

COMPLETED = {
    "roberta-base": "aab2e73c1411998e9e414c1ae25cc8f39fd64c656f56bae50ca63b1a38b8fb91",
    "xlm-roberta-base": "e9419e1b92c7b55728dc17eb6b1fd24ec68f696133d9a865636577315ca758ea",
    "mpnet-base": "3f5d6129475184532943b55bb59a69b4dfbf39966ed6165e048c3641db08f6b3",
    "electra-base": "ff29e1ab7af437fe4c39830508ac5ad201611a05799fcae7178605fde32dcb08",
    "albert-base": "1238e270e87376e82ae84f6fb4435b7518234fe2ca1525dffa9b97dc6edb1006",
    "deberta-v3-base": "bff633c2d1047453cd6b7127ebcb841a174ef63a608f480ecad7a0d67c0c7861",
    "modernbert-base": "53d14789c2f61162af2eed6d6d11a6ebd0efcd0109b94dca699cfe5c71507491",
}
SAVED = json.loads(Path(__file__).with_name("saved_configurations.json").read_text(encoding="utf-8"))
"""By version of transformers, and by name: what `save_pretrained` writes of a published configuration that it has read."""

BOOKKEEPING = {
    "_name_or_path": "somewhere",
    "architectures": ["BertForMaskedLM"],
    "attention_probs_dropout_prob": 0.5,
    "dtype": "float32",
    "gradient_checkpointing": False,
    "torch_dtype": "float16",
    "transformers_version": "4.57.0",
    "use_cache": True,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_named_model_keeps_its_hash(name: str) -> None:
    """The hash of a published configuration is the one that stored results carry."""
    assert config_sha256(ARCHITECTURES[name]) == PUBLISHED[name]


def completed(folder: Path, config: Mapping[str, Any]) -> str:
    """The identity of a configuration in a file, as transformers completes it."""
    (folder / "config.json").write_text(json.dumps(dict(config)))
    return identity_of(read_config(folder))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_named_model_keeps_its_identity_whichever_version_saved_it(tmp_path: Path, name: str) -> None:
    """The published file, and what transformers 4.57, 5.0 and a newer one make of it, are one model."""
    expected = COMPLETED.get(name) or config_sha256(ARCHITECTURES[name])
    assert completed(tmp_path, ARCHITECTURES[name]) == expected
    assert completed(tmp_path, {**ARCHITECTURES[name], **BOOKKEEPING}) == expected
    for version, saved in SAVED.items():
        assert completed(tmp_path, saved[name]) == expected, version


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("deberta-v3-base", "position_buckets", 128),
        ("deberta-v3-base", "share_att_key", False),
        ("deberta-v3-base", "norm_rel_ebd", "none"),
        ("deberta-v3-base", "pos_att_type", "c2p"),
        ("modernbert-base", "global_attn_every_n_layers", 2),
        ("modernbert-base", "local_attention", 64),
        ("modernbert-base", "global_rope_theta", 10000.0),
        ("mpnet-base", "relative_attention_num_buckets", 16),
        ("albert-base", "num_hidden_groups", 2),
        ("electra-base", "embedding_size", 128),
    ],
)
def test_what_a_class_reads_defines_the_model(tmp_path: Path, name: str, field: str, value: object) -> None:
    """Whether transformers declares a field of a configuration, or its model reads it all the same."""
    config = ARCHITECTURES[name]
    assert field in config
    assert completed(tmp_path, {**config, field: value}) != completed(tmp_path, config)


def test_a_head_is_part_of_the_identity() -> None:
    """Each head is another model than the encoder, and other labels are another head, but for a masked LM's."""
    config = ARCHITECTURES["bert-tiny"]
    labelled = {**config, "id2label": {0: "A", 1: "B", 2: "C"}}
    hashes = [config_sha256(config), *(config_sha256(config, head=head) for head in HEADS)]
    assert len(set(hashes)) == 1 + len(HEADS)
    assert config_sha256(labelled) == config_sha256(config)
    assert config_sha256(labelled, head="masked-lm") == config_sha256(config, head="masked-lm")
    assert config_sha256(labelled, head="token-classification") != config_sha256(config, head="token-classification")
    two = {**config, "id2label": {0: "A", 1: "B"}}
    assert config_sha256(two, head="token-classification") == config_sha256(config, head="token-classification")


@pytest.mark.parametrize("name", LISTED)
def test_what_a_library_adds_to_a_configuration_does_not_change_its_hash(name: str) -> None:
    """Versions, types, paths, dropout and caching options are no part of the architecture."""
    assert config_sha256({**ARCHITECTURES[name], **BOOKKEEPING}) == config_sha256(ARCHITECTURES[name])


def test_a_field_left_out_means_its_default() -> None:
    """A configuration that spells a default out is the same model as one that does not."""
    spelled = {**ARCHITECTURES["bert-base-cased"], "position_embedding_type": "absolute", "is_decoder": False}
    assert config_sha256(spelled) == config_sha256(ARCHITECTURES["bert-base-cased"])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_hidden_layers", 11),
        ("hidden_act", "relu"),
        ("layer_norm_eps", 1e-5),
        ("type_vocab_size", 1),
        ("position_embedding_type", "relative_key"),
        ("model_type", "roberta"),
    ],
)
def test_another_computation_is_another_hash(field: str, value: object) -> None:
    """Each field that changes the computation changes the hash."""
    config = ARCHITECTURES["bert-base-cased"]
    assert config_sha256({**config, field: value}) != config_sha256(config)


def test_an_unlisted_type_is_hashed_over_what_differs_from_its_defaults() -> None:
    """Without a list of defining fields, defaults may be spelled out, left out or added, and bookkeeping too."""
    defaults = {"model_type": "electra", "embedding_size": 128, "hidden_size": 256, "use_cache": True}
    small = {**defaults, "hidden_size": 64}
    assert config_sha256({**small, **BOOKKEEPING}, defaults=defaults) == config_sha256(small, defaults=defaults)
    newer = {"field_of_a_later_version": 1}
    assert config_sha256({**small, **newer}, defaults={**defaults, **newer}) == config_sha256(small, defaults=defaults)
    trained = {"summary_last_dropout": 0.1, "initializer_cutoff_factor": 2.0}
    assert config_sha256({**small, **trained}, defaults={**defaults, **dict.fromkeys(trained, 0.0)}) == config_sha256(
        small, defaults=defaults
    )
    assert config_sha256({**small, "embedding_size": 64}, defaults=defaults) != config_sha256(small, defaults=defaults)


def test_another_attention_is_another_model() -> None:
    """A configuration that asks for another attention than its type's own is not the same benchmark."""
    config = ARCHITECTURES["bert-tiny"]
    assert config_sha256(config, attention="eager") != config_sha256(config)


def test_named_models_differ() -> None:
    """No two named models share a hash, but for those that were published with one configuration."""
    alike: dict[str, list[str]] = {}
    for name, config in ARCHITECTURES.items():
        alike.setdefault(COMPLETED.get(name) or config_sha256(config), []).append(name)
    assert [names for names in alike.values() if len(names) > 1] == [["minilm-l12", "bge-small"], ["bge-base", "e5-base"]]


def test_what_the_pytest_process_imports_needs_no_framework() -> None:
    """Importing the room's front brings in nothing but the standard library, not even numpy."""
    program = (
        "import sys, fixtures.model.prepared, fixtures.model.architectures, fixtures.model.__main__;"
        "print({'numpy', 'torch', 'transformers', 'onnx', 'onnxruntime', 'safetensors'} & set(sys.modules))"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed == "set()\n"
