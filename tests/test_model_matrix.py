"""Architectures x backends: each measures a tiny checkpoint or is skipped with its reason; nothing is red, no run is lost.

docs/models.md has the outcome, a row for each, and that is what these tests compare with. In a session frameworks start
twice, once to be asked and once to be measured: an architecture takes a minute and a half of CPU time. Times mean nothing,
and sessions do not wait for each other: `-n` as many as there are CPUs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from fixtures.backends.registry import BACKENDS
from tests.checkpoints import FAMILIES, checkpoint
from tests.suite import OUT_OF_THE_BOX, REPOSITORY, Ended, Suite

pytestmark = pytest.mark.slow

PAGE: Final = REPOSITORY / "docs" / "models.md"
FRAMEWORKS: Final = ("torch", "tensorflow", "onnxruntime", "openvino")
"""Columns of the page, by the beginning of their backends' names; PyTorch's begin with `pytorch`, `torch`."""
QUICKEST: Final = "pytorch,tensorflow_graph,onnxruntime,openvino"
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
"""Other forms of an architecture: on one backend of each framework."""


@pytest.mark.parametrize("family", FAMILIES)
def test_an_architecture_on_all_backends(suite: Suite, family: str) -> None:
    """Nine backends: the outcome is the page's."""
    require_row(family, suite, checkpoint(suite.folder / "it", family), ",".join(BACKENDS))


@pytest.mark.parametrize("form", FORMS)
def test_a_form_of_an_architecture(suite: Suite, form: str) -> None:
    """With a head or without, tied or not, in bf16, in several files: what another tool saved is the same model."""
    require_row(form, suite, checkpoint(suite.folder / "it", **FORMS[form]), QUICKEST)


def require_row(name: str, suite: Suite, folder: Path, backends: str) -> None:
    """Measures a checkpoint, and compares what came of it with the page."""
    ended = suite(
        *(OUT_OF_THE_BOX, "--benchmark-only", "--benchmark-max-time=0.02", "--no-speed-guards"),
        *("-o", "bench_preset=quick", "-o", f"bench_backends={backends}", f"--model={folder}"),
    )
    assert ended.code == 0, ended.text
    assert row(name, ended, backends.split(",")) in PAGE.read_text(encoding="utf-8")


def row(name: str, ended: Ended, backends: list[str]) -> str:
    """The row of a table: what each framework made of a checkpoint."""
    run = ended.run["run"]
    assert run["not_measured"].keys() <= {nodeid for group in run["skipped"] for nodeid in group["benchmarks"]}, ended.text
    reasons = {
        nodeid.partition("[")[2].partition("-")[0]: short(group["reason"])
        for group in run["skipped"]
        for nodeid in group["benchmarks"]
    }
    measured = {param.partition("-")[0] for param in ended.benchmarks}
    assert sorted([*measured, *reasons]) == sorted(backends), ended.text
    (attention,) = {one["extra_info"]["model"]["attention"] for one in ended.benchmarks.values()}
    cells = []
    for framework in FRAMEWORKS:
        own = [one for one in backends if one.removeprefix("py").startswith(framework)]
        against: dict[str, list[str]] = {}
        for one in own:
            if one in reasons:
                against.setdefault(reasons[one], []).append(one)
        said = [reason if who == own else f"{', '.join(who)}: {reason}" for reason, who in against.items()]
        cells.append("<br>".join(said) or "measured")
    return f"| {name} | {attention} | {' | '.join(cells)} |"


def short(reason: str) -> str:
    """A reason as it fits into a table."""
    reason = re.sub(r"^\w+ at \w+ cannot run this model: ", "", reason)
    reason = re.sub(r"^ValueError: KerasHub has no converter .*", "no converter", reason).replace("|", "\\|")
    return reason if len(reason) <= 100 else f"{reason[:100].rstrip()} ..."
