"""The named models and the hash that identifies them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fixtures.model.architectures import ARCHITECTURES, config_sha256

# Stored baselines carry these: a change here makes every one of them incomparable.
PUBLISHED = {
    "bert-base-cased": "06c9f16b0e3acdf32c95830e56cb4d6373785c2d0f871b231997ff2deb5bff70",
    "bert-tiny": "e5e226b628f10c1d5d3743ce9e9bf237c4034457cae010c7cae4f617188e5a3d",
    "distilbert-base-cased": "3c38d86c8aec9fad6fb355123f3493f4adb37be2395aaa46768cee5792e97c5a",
}

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


@pytest.mark.parametrize("name", ARCHITECTURES)
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
    assert config_sha256({**small, "embedding_size": 64}, defaults=defaults) != config_sha256(small, defaults=defaults)


def test_another_attention_is_another_model() -> None:
    """A configuration that asks for another attention than its type's own is not the same benchmark."""
    config = ARCHITECTURES["bert-tiny"]
    assert config_sha256(config, attention="eager") != config_sha256(config)


def test_named_models_differ() -> None:
    """No two named models share a hash."""
    assert len({config_sha256(config) for config in ARCHITECTURES.values()}) == len(ARCHITECTURES)


def test_what_the_pytest_process_imports_needs_no_framework() -> None:
    """Importing the room's front brings in nothing but the standard library, not even numpy."""
    program = (
        "import sys, fixtures.model.prepared, fixtures.model.architectures, fixtures.model.__main__;"
        "print({'numpy', 'torch', 'transformers', 'onnx', 'onnxruntime', 'safetensors'} & set(sys.modules))"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed == "set()\n"
