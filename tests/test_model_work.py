"""The arithmetic of a forward pass, held against PyTorch's own counter."""

from __future__ import annotations

from typing import Any

import pytest

from fixtures.model.architectures import ARCHITECTURES
from fixtures.model.work import forward_flop

SMALL_DISTILBERT = {**ARCHITECTURES["distilbert-base-cased"], "dim": 64, "n_layers": 2, "n_heads": 2, "hidden_dim": 96}


def counted_flop(config: dict[str, Any], batch_size: int, sequence_length: int) -> int:
    """What torch counts in one forward pass with eager attention: matrix products alone, like the formula."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode
    from transformers import AutoConfig, AutoModel

    model = AutoModel.from_config(AutoConfig.for_model(**config), attn_implementation="eager").eval()
    ids = torch.ones((batch_size, sequence_length), dtype=torch.int64)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(input_ids=ids, attention_mask=torch.ones_like(ids))
    return int(counter.get_total_flops())


@pytest.mark.parametrize("config", [ARCHITECTURES["bert-tiny"], SMALL_DISTILBERT], ids=["bert", "distilbert"])
@pytest.mark.parametrize(("batch_size", "sequence_length"), [(1, 32), (3, 128)])
def test_the_formula_is_what_torch_counts(config: dict[str, Any], batch_size: int, sequence_length: int) -> None:
    """Formula and FlopCounterMode agree to the last operation: both count matrix products and nothing else."""
    assert forward_flop(config, batch_size, sequence_length) == counted_flop(dict(config), batch_size, sequence_length)


def test_bert_base_is_the_number_of_the_literature() -> None:
    """For a feed-forward size of four hidden sizes a layer is 24 S H^2 + 4 S^2 H (Narayanan et al. 2021)."""
    encoder = 12 * (24 * 128 * 768**2 + 4 * 128**2 * 768)
    assert forward_flop(ARCHITECTURES["bert-base-cased"], 8, 128) == 8 * (encoder + 2 * 768**2)


def test_a_configuration_of_another_kind_is_refused_by_name() -> None:
    """A configuration without a hidden size says which fields were looked for."""
    with pytest.raises(KeyError, match="none of hidden_size, dim, d_model"):
        forward_flop({"model_type": "bert"}, 1, 1)
