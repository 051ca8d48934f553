"""Tiny random checkpoints of thirty-odd architectures, as `save_pretrained` writes them; made in the test's own process."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from safetensors.torch import load_file, save_file

from fixtures.model.architectures import ARCHITECTURES
from fixtures.model.checkpoint import build

SIZES: Final[Mapping[str, Any]] = {
    "vocab_size": 200,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
}
_XLM: Final = {"vocab_size": 200, "emb_dim": 32, "n_layers": 2, "n_heads": 2, "max_position_embeddings": 64}
FAMILIES: Final[Mapping[str, Mapping[str, Any]]] = {
    "albert": {**SIZES, "embedding_size": 16},
    "bert": SIZES,
    "big_bird": {**SIZES, "attention_type": "original_full"},
    "camembert": SIZES,
    "canine": {**SIZES, "num_hash_buckets": 64, "local_transformer_stride": 16},
    "convbert": {**SIZES, "embedding_size": 16},
    "data2vec-text": SIZES,
    "deberta": SIZES,
    "deberta-v2": SIZES,
    "distilbert": {
        "vocab_size": 200,
        "dim": 32,
        "n_layers": 2,
        "n_heads": 2,
        "hidden_dim": 64,
        "max_position_embeddings": 64,
    },
    "electra": {**SIZES, "embedding_size": 16},
    "ernie": SIZES,
    "esm": {**SIZES, "pad_token_id": 1, "mask_token_id": 3, "position_embedding_type": "absolute"},
    "flaubert": _XLM,
    "fnet": SIZES,
    "ibert": SIZES,
    "layoutlm": SIZES,
    "longformer": {**SIZES, "attention_window": 16},
    "luke": {**SIZES, "entity_vocab_size": 20, "entity_emb_size": 16},
    "megatron-bert": SIZES,
    "mobilebert": {**SIZES, "embedding_size": 16, "intra_bottleneck_size": 16, "true_hidden_size": 16},
    "modernbert": {
        **SIZES,
        "pad_token_id": 0,
        "cls_token_id": 1,
        "bos_token_id": 1,
        "sep_token_id": 2,
        "eos_token_id": 2,
        "global_attn_every_n_layers": 2,
        "local_attention": 16,
    },
    "mpnet": SIZES,
    "nomic_bert": SIZES,
    "nystromformer": {**SIZES, "segment_means_seq_len": 32, "num_landmarks": 32},
    "rembert": {**SIZES, "input_embedding_size": 16, "output_embedding_size": 16},
    "roberta": SIZES,
    "roberta-prelayernorm": SIZES,
    "roformer": SIZES,
    "splinter": SIZES,
    "squeezebert": {**SIZES, "embedding_size": 32, **dict.fromkeys((f"{one}_groups" for one in ("q", "k", "v")), 1)},
    "xlm": _XLM,
    "xlm-roberta": SIZES,
    "xlnet": {"vocab_size": 200, "d_model": 32, "n_layer": 2, "n_head": 2, "d_inner": 64},
    "xmod": {**SIZES, "languages": ["en_XX"], "default_language": "en_XX"},
}
"""Model type of transformers to the fields of its configuration that make it tiny."""


def checkpoint(folder: Path, family: str, *, head: str = "", dtype: str = "float32", **fields: Any) -> Path:
    """A checkpoint with seeded random weights, biases and norms included.

    Args:
        folder: where to save it.
        family: one of FAMILIES.
        head: of transformers' Auto classes: `ForMaskedLM`; none for the encoder alone.
        dtype: of its weights.
        fields: further ones of its configuration; `max_shard_size` goes to save_pretrained.
    """
    import torch
    import transformers

    shard = {"max_shard_size": fields.pop("max_shard_size")} if "max_shard_size" in fields else {}
    transformers.utils.logging.disable_progress_bar()
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(family, **{**FAMILIES[family], **fields})
    model = getattr(transformers, f"AutoModel{head}").from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.02)
    model.to(getattr(torch, dtype)).save_pretrained(folder, **shard)
    return folder


OF_EACH_TYPE: Final = (
    "bert-base-cased",
    "distilbert-base-cased",
    "roberta-base",
    "xlm-roberta-base",
    "mpnet-base",
    "electra-base",
    "albert-base",
    "deberta-v3-base",
    "modernbert-base",
)
"""A named model of each architecture among them."""
_SMALLER: Final[Mapping[str, Any]] = {
    **SIZES,
    **FAMILIES["distilbert"],
    "vocab_size": 1500,
    "embedding_size": 16,
    "local_attention": 16,
    "position_buckets": 16,
    **dict.fromkeys(("cls_token_id", "bos_token_id"), 0),
    "pad_token_id": 1,
    **dict.fromkeys(("sep_token_id", "eos_token_id"), 2),
}


def small(folder: Path, name: str, head: str | None = None, **fields: Any) -> Path:
    """A named model with its own configuration but for the sizes, built as the suite builds it.

    Args:
        folder: where to save it.
        name: of ARCHITECTURES.
        head: one of fixtures/model/heads.py; a classification has three labels.
        fields: further ones of its configuration.
    """
    own = ARCHITECTURES[name]
    config = {**own, **{field: value for field, value in _SMALLER.items() if field in own}, **fields}
    if own["model_type"] == "electra":
        config["embedding_size"] = config["hidden_size"]
    if own["model_type"] == "modernbert":
        config["num_hidden_layers"] = 4  # the first and the fourth see all, those between what is near
    folder.mkdir(parents=True, exist_ok=True)
    build({**config, "num_labels": 3} if head else config, head, folder)
    return folder


def saturating(folder: Path) -> Path:
    """The same BERT with weights and activations whose sums of two 8-bit products are more than 16 bits hold.

    Each weight of a layer is as large as the largest, and each activation is far above zero: a quantised one is all of its
    range. Where sums are added in 32 bits nothing is lost; the weights are exact in 8 bits as in 7.
    """
    file = folder / "model.safetensors"
    tensors = load_file(file)
    last = max(name for name in tensors if name.endswith("output.LayerNorm.bias"))
    for name, tensor in tensors.items():
        if name.startswith("encoder") and tensor.dim() == 2:
            tensors[name] = tensor.sign() * 0.1
        elif name.endswith("LayerNorm.bias") and name != last:
            tensors[name] = tensor + 2
    save_file(tensors, file, metadata={"format": "pt"})
    return folder


def renamed(folder: Path, rename: Callable[[str], str | None]) -> Path:
    """The same checkpoint with its tensors under other names; without those whose name is None."""
    file = folder / "model.safetensors"
    named = {new: tensor for name, tensor in load_file(file).items() if (new := rename(name))}
    save_file(named, file, metadata={"format": "pt"})
    return folder


def configured(folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """The same checkpoint with another config.json."""
    file = folder / "config.json"
    config = json.loads(file.read_text())
    change(config)
    file.write_text(json.dumps(config))
    return folder
