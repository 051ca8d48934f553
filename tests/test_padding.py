"""Padding: masks and ways of serving are other work for the same answers, and every row is answered as it is alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from baselines.report.figures.questions import figures_of
from fixtures.asked.problem_size import ProblemSize
from fixtures.instance.trial import _tokens
from fixtures.model.__main__ import parse_padded, prepare
from fixtures.model.padding import BATCHES, MASKS, SERVED, _rows, batches_of, masked_lengths, words_in
from fixtures.model.prepared import PreparedModel
from fixtures.worker.parity import read_problem
from tests.builders import answer, view_of_runs
from tests.suite import Suite
from tests.test_recommend import ONE, measured

PADDING = "benchmarks/test_padding.py"
ASKED = ("--preset=default", "--model=bert-tiny", "--batch-sizes=4", "--sequence-lengths=32")
WAYS = (*MASKS, *SERVED)


@pytest.fixture(scope="module")
def cases(cache_home: Path, bert_tiny: PreparedModel) -> Mapping[str, Path]:
    """bert-tiny's padded cases of 4 rows of 32 tokens."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("XDG_CACHE_HOME", str(cache_home))
        prepared = prepare("bert-tiny", [(4, 32)], padded=[(4, 32, word) for word in WAYS], artefacts=())
    return prepared.cases


def test_masks_leave_so_many_positions() -> None:
    """None of them, one, and half of the batch, of which the first row is whole."""
    assert masked_lengths("none", 3, 8) == [8, 8, 8]
    assert masked_lengths("one", 3, 8) == [8, 8, 7]
    half = masked_lengths("half", 8, 128)
    assert half[0] == 128
    assert half == sorted(half, reverse=True)
    assert abs(sum(half) / (8 * 128) - 0.5) < 0.01
    assert masked_lengths("half", 1, 8) == [4]


def test_ways_of_serving_hold_each_passage_once() -> None:
    """In the order in which they come, or sorted; a token budget is never exceeded but by a passage alone."""
    lengths = [30, 5, 12, 31, 7, 9, 32, 3]
    for way in SERVED:
        batches = batches_of(lengths, way, 2, 32)
        assert sorted(place for batch in batches for place in batch) == list(range(8))
    assert batches_of(lengths, "one_by_one", 2, 32) == [[place] for place in range(8)]
    assert batches_of(lengths, "longest", 2, 32) == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert batches_of(lengths, "sorted", 2, 32) == [[7, 1], [4, 5], [2, 0], [3, 6]]
    budget = batches_of(lengths, "token_budget", 2, 32)
    assert budget == [[7, 1, 4], [5, 2], [0], [3], [6]]
    assert all(len(batch) * max(lengths[place] for place in batch) <= 32 for batch in budget)


def test_words_are_counted_where_no_tokenizer_is() -> None:
    """Each word and each mark, and one at each end."""
    assert words_in('"Oh dear!" said Alice.') == 10


@pytest.mark.parametrize("text", ["4x32", "4x32-most", "x32-half"])
def test_what_is_no_padded_case_is_refused(text: str) -> None:
    """Named, with what is possible."""
    with pytest.raises(ValueError, match="is no p"):
        parse_padded(text)
    assert parse_padded("4x32-half,8x128-sorted") == [(4, 32, "half"), (8, 128, "sorted")]


def test_a_size_with_padding_is_another_case() -> None:
    """Of passages a forward pass answers four batches' worth; what is no padding is named as ever."""
    assert str(ProblemSize(batch_size=4, sequence_length=32)) == "4x32"
    assert ProblemSize(batch_size=4, sequence_length=32).as_json() == {"batch_size": 4, "sequence_length": 32}
    padded = ProblemSize(batch_size=4, sequence_length=32, padding="sorted")
    assert (str(padded), padded.samples, str(padded.share(2))) == ("4x32-sorted", 4 * BATCHES, "2x32-sorted")
    assert ProblemSize(batch_size=4, sequence_length=32, padding="half").samples == 4


def test_rows_of_text_are_real_to_their_last_position(tmp_path: Path) -> None:
    """As many tokens as the mask says, a single one too, and none that pads."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    vocabulary = {word: place for place, word in enumerate([*special, "Alice", "the"])}
    fast = Tokenizer(models.WordLevel(vocabulary, unk_token=special[1]))
    fast.pre_tokenizer = pre_tokenizers.Whitespace()
    fast.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, [("[CLS]", 2), ("[SEP]", 3)])
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token"), special, strict=True))
    PreTrainedTokenizerFast(tokenizer_object=fast, **names).save_pretrained(tmp_path)
    facts: Any = SimpleNamespace(vocabulary=6, padding_id=0)
    for word in MASKS:
        rows = _rows(tmp_path, facts, "text", 3, 16, word)
        assert [row.shape[1] for row in rows] == masked_lengths(word, 3, 16)
        assert all((row != 0).all() for row in rows)


def test_the_reference_of_a_row_is_its_answer_alone(cases: Mapping[str, Path]) -> None:
    """Every way serves the same passages and expects the same answers of them; positions that pad have none."""
    answers: dict[str, dict[bytes, np.ndarray]] = {}
    for way in SERVED:
        answers[way] = {}
        for batch in read_problem(cases[f"4x32-{way}"]).batches:
            mask = batch.inputs["attention_mask"].astype(bool)
            assert not batch.reference[~mask].any()
            for ids, row, expected in zip(batch.inputs["input_ids"], mask, batch.reference, strict=True):
                answers[way][ids[row].tobytes()] = expected[row]
    alone = answers["one_by_one"]
    assert len(alone) == 4 * BATCHES
    for way in SERVED[1:]:
        assert answers[way].keys() == alone.keys()
        assert all(np.allclose(answers[way][ids], expected, atol=1e-5) for ids, expected in alone.items())


def test_tokens_are_counted(cases: Mapping[str, Path]) -> None:
    """Real ones are the same however they are served; sorting computes fewer than arrival, one by one none but them."""
    tokens = {way: read_problem(cases[f"4x32-{way}"]).tokens or {} for way in WAYS}
    assert {tokens[way]["real"] for way in SERVED} == {tokens["one_by_one"]["computed"]}
    assert tokens["sorted"]["computed"] < tokens["longest"]["computed"]
    assert tokens["one_by_one"]["batches"] == 4 * BATCHES
    assert (tokens["none"]["real"], tokens["one"]["real"]) == (128, 127)
    assert {tokens[way]["computed"] for way in MASKS} == {128}
    assert all(tokens[way]["attention_subnormals"] >= 0 for way in WAYS)


def test_a_run_of_it(suite: Suite) -> None:
    """Two backends answer each row as it is alone; a padded position less is a token less per second of the same work."""
    asked = (
        "--preset=default",
        "--model=bert-tiny",
        "--batch-sizes=4",
        "--sequence-lengths=32",
        "--benchmark-max-time=0.05",
    )
    ended = suite(PADDING, "--benchmark-only", *asked)
    assert ended.code == 0, ended.text
    assert len(ended.benchmarks) == 2 * len(WAYS)
    for name, one in ended.benchmarks.items():
        words = one["extra_info"]
        way = one["params"]["padding"]
        samples = 4 * (BATCHES if way in SERVED else 1)
        assert words["problem_size"] == {"batch_size": 4, "sequence_length": 32, "padding": way}, name
        real_per_s = words["throughput_per_s"] / samples * words["tokens"]["real"]
        assert words["tokens"]["real_per_s"] == pytest.approx(real_per_s)
        assert words["throughput_per_s"] * words["latency_s"]["median"] == pytest.approx(samples, rel=0.9)
        assert words["parity"]["max_abs_error"] < 1e-3


def test_a_row_that_is_answered_otherwise_is_red(suite: Suite) -> None:
    """A backend that ignores the mask answers a padded row wrong, and one that heeds it does not."""
    ended = suite(PADDING, *ASKED, "--benchmark-disable", "--backends=ignores_mask", hostile=True)
    assert ended.code == 1, ended.text
    assert "5 failed, 2 checked" in ended.text, ended.text  # without padding there is nothing to ignore
    assert "wrong answer" in ended.text


def test_padding_recommends_nothing(tmp_path: Path) -> None:
    """Other inputs than those of the other questions: faster, because it has less to do."""
    padded = measured("pytorch-fp32-half", 0.001, question="padding")
    padded["extra_info"]["problem_size"]["padding"] = "half"
    view = view_of_runs(tmp_path, [ONE, padded])
    assert view.told is not None
    assert "16.0 ms" in view.told.lines[0].text


@pytest.mark.parametrize(
    ("slower", "said"),
    [
        (0.8, "no two backends are seen to change places; 1 of 1 pair keep their order"),
        (1.7, "no two backends are seen to change places; 0 of 1 pair keep their order, 1 cannot be told"),
        (8.0, "onnxruntime and pytorch change places; 0 of 1 pair keep their order"),
    ],
)
def test_whether_a_mask_changes_the_ranking(tmp_path: Path, slower: float, said: str) -> None:
    """Only where the intervals lie apart without the mask and with it, the other way round."""

    def padded(backend: str, seconds: float, word: str, subnormals: int) -> dict[str, Any]:
        tokens = {"real": 64, "computed": 128, "real_per_s": 64 / seconds, "attention_subnormals": subnormals}
        return answer("padding", seconds, backend=backend, batch=4, padding=word, extra_info={"tokens": tokens})

    view = view_of_runs(
        tmp_path,
        [
            *(padded("pytorch", 0.02, word, 0) for word in ("none", "half")),
            padded("onnxruntime", 0.01, "none", 0),
            padded("onnxruntime", 0.01 * slower, "half", 7),
            padded("onnxruntime", 0.01, "one", -1),
        ],
    )
    (figure,) = [one for one in figures_of(view) if one.question == "padding"]
    assert figure.notes[0] == f"4 x 32, mask half against none: {said}"
    assert figure.notes[1] == "attention weights that are subnormal numbers (fp32, eager attention): 7 at mask: half, 4 x 32"
    assert figure.table is not None
    assert {row[7] for row in figure.table.rows} == {"50%"}


def test_a_model_is_tried_on_a_case_without_padding(bert_tiny: PreparedModel) -> None:
    """A problem size is read out of its name."""
    padded = replace(bert_tiny, cases={**bert_tiny.cases, "1x4-half": Path("nowhere")})
    assert padded.whole_cases == bert_tiny.cases
    assert min(padded.whole_cases, key=_tokens) == "1x8"
