"""Cards of somebody else's, from files outside the checkout: what is refused, what they take part in, who they are."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.asked.configuration import Configuration
from fixtures.asked.matrix import QUESTIONS
from fixtures.backends.loading import CardError, load_backend_class, module_of
from fixtures.backends.registry import BACKENDS, backend_class, file_options, use_files
from fixtures.worker.installed import why_not
from tests.builders import benchmark, view_of_runs
from tests.suite import OUT_OF_THE_BOX, REPOSITORY, Suite
from tests.test_matrix import axes, expanded

CARD = """
from fixtures.backends.onnxruntime import OnnxRuntime

class Ours(OnnxRuntime):
    name = "ours"
"""


@pytest.fixture(autouse=True)
def _known() -> Iterator[None]:
    """The backends of the checkout, afterwards as before."""
    before = dict(BACKENDS)
    yield
    use_files([])
    assert before == BACKENDS


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A folder with a space in its name, and no file in it yet."""
    (tmp_path / "their own").mkdir()
    return tmp_path / "their own" / "serving.py"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "{file}: No such file or directory"),
        ("x = 1\n1 / 0\n", "{file}:2: ZeroDivisionError: division by zero"),
        ("import a_library_of_theirs\n", "{file}:1: ModuleNotFoundError: No module named 'a_library_of_theirs'"),
        ("x = 1\ndef broken(:\n", "{file}:2: SyntaxError: invalid syntax"),
        ("raise SystemExit(3)\n", "{file}:1: SystemExit: 3"),
        (
            "from fixtures.backends.pytorch import PyTorch\n",
            "{file} holds no card: a class with a `name` that fills in fixtures.backends.interface.Backend",
        ),
        (
            CARD.replace("ours", "pytorch"),
            "{file}: Ours.name is 'pytorch', as in fixtures.backends.pytorch; it has to be a name of its own",
        ),
        (
            CARD + CARD.replace("Ours", "Others"),
            "{file}: Others.name is 'ours', as in {file}; it has to be a name of its own",
        ),
        (
            CARD.replace('name = "ours"', "pass"),
            "{file}: Ours has no `name` of its own; it has to be a word of a-z, 0-9 and _",
        ),
        (CARD.replace("ours", "Our-s"), "{file}: Ours.name is 'Our-s'; it has to be a word of a-z, 0-9 and _"),
        (
            CARD + '    distributions = "onnxruntime"\n',
            "{file}: Ours.distributions is 'onnxruntime'; it has to be a tuple of names: (\"torch\",)",
        ),
        (CARD + "    max_abs_error = 0\n", "{file}: Ours.max_abs_error is 0; it has to be a number above 0"),
        (
            CARD + '    without = {"fp8": "not yet"}\n',
            "{file}: Ours.without is {{'fp8': 'not yet'}}; it has to be a reason for each of some of bf16, fp16, int8, int4",
        ),
        (
            CARD.replace("onnxruntime import OnnxRuntime", "interface import Backend as OnnxRuntime"),
            "{file}: Ours has no `distributions`; it has to be a tuple of names: (\"torch\",)",
        ),
        (
            CARD.replace("onnxruntime import OnnxRuntime", "interface import Backend as OnnxRuntime")
            + "    distributions, max_abs_error = (), 1e-3\n",
            "{file}: Ours lacks the methods compile, import_framework, last_hidden_state, load, loaded_precision, pool",
        ),
    ],
)  # fmt: skip
def test_what_is_no_card_is_refused(file: Path, text: str | None, message: str) -> None:
    """In one line: which file, which class, what it says, and what it has to be."""
    if text is not None:
        file.write_text(text)
    with pytest.raises(CardError) as refused:
        use_files([file])
    assert str(refused.value) == message.format(file=file)


def test_a_framework_is_imported_by_a_worker_and_by_nobody_else(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A card that imports one when it is read would bring it into the test process."""
    (file.parent / "framework_of_the_future.py").touch()
    monkeypatch.syspath_prepend(file.parent)
    file.write_text(f'import framework_of_the_future\n{CARD}    distributions = ("framework-of-the-future",)\n')
    with pytest.raises(CardError, match=r"serving\.py imports framework_of_the_future when it is read: import a framework "):
        use_files([file])
    assert "framework_of_the_future" in sys.modules
    monkeypatch.delitem(sys.modules, "framework_of_the_future")


def test_a_file_may_hold_several_and_their_base(file: Path) -> None:
    """In the order of the file, after those of the checkout; a base without a name is none, and an alias is no second."""
    file.write_text(
        CARD.replace('    name = "ours"', "    pass")
        + 'class Second(Ours):\n    name = "second"\nclass First(Ours):\n    name = "first"\nSame = First\n'
    )
    assert use_files([file, file]) == ["second", "first"]
    assert list(BACKENDS)[-3:] == ["openvino", "second", "first"]
    assert backend_class("first").name == "first"
    assert not list(file.parent.glob("__pycache__"))


def test_an_edited_card_is_another_benchmark(file: Path) -> None:
    """Its hash is part of the configuration, where the checkout's own cards have none; a worker takes no other file."""
    file.write_text(CARD)
    use_files([file])
    theirs = Configuration(backend="ours", precision="fp32", threads=1, cpus=(0,))
    before, location = theirs.as_json(), BACKENDS["ours"]
    assert before["backend_file_sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert set(before) - set(replace(theirs, backend="onnxruntime").as_json()) == {"backend_file_sha256"}
    file.write_text(f"{CARD}# faster\n")
    module_of.cache_clear()
    with pytest.raises(CardError, match=r"serving\.py was edited while this run was going on \(sha256 .* start it again"):
        load_backend_class(location)
    assert str(why_not(location, False)).startswith(f"CardError: {file} was edited while")
    use_files([file])
    assert theirs.as_json()["backend_file_sha256"] != before["backend_file_sha256"]
    assert why_not(BACKENDS["ours"], False) == backend_class("ours").unavailable()
    assert file_options("ours") == [f"--backend-file={file}"]
    assert file_options("onnxruntime") == []


def test_a_card_from_outside_says_how_to_install_what_it_needs(file: Path) -> None:
    """By its own name: no extra of this project has it."""
    file.write_text(CARD.replace("onnxruntime import OnnxRuntime", "pytorch import PyTorch as OnnxRuntime"))
    file.write_text(f'{file.read_text()}    distributions = ("framework-of-the-future",)\n')
    use_files([file])
    assert backend_class("ours").unavailable() == (
        "framework-of-the-future is not installed: pip install framework-of-the-future"
    )


def test_it_takes_part_in_every_question() -> None:
    """Beside those of the preset, or of the ini file, and once."""
    for question in QUESTIONS:
        plain = [one.backend for one in expanded(question, axes("quick"))]
        if question == "runtime_tuning":  # asks of the cards that are known which knobs they have
            continue
        if QUESTIONS[question].texts:  # which a backend does not take: a pipeline of a file does
            assert [one for one in expanded(question, axes("quick", own_backends=("ours",))) if one.backend == "ours"] == []
            continue
        preset = "quick" if plain else "default"  # the first leaves some questions out
        plain = [one.backend for one in expanded(question, axes(preset))]
        asked = [one.backend for one in expanded(question, axes(preset, own_backends=("ours",)))]
        assert list(dict.fromkeys(asked)) == [*dict.fromkeys(plain), "ours"]
    named = expanded("out_of_the_box", axes("quick", backends=("pytorch", "ours"), own_backends=("ours",)))
    assert [one.backend for one in named] == ["pytorch", "ours"]


def test_the_next_command_names_the_file(tmp_path: Path) -> None:
    """Of the backends that it is about, quoted."""
    files = {"ours": {"file": "/their own/serving.py"}, "others": {"file": "/others.py"}}
    name = "ours-fp32-batch1-seq32"
    accepted = [[benchmark(name, 0.01)] for _ in range(5)]
    steps = dict(view_of_runs(tmp_path, [benchmark(name, 0.05)], accepted, run={"backends": files}).next_steps)
    assert steps["measure again"].endswith("--benchmark-only --model bert-tiny '--backend-file=/their own/serving.py'")


def test_a_session_refuses_before_anything_starts(tmp_path: Path, file: Path) -> None:
    """Exit 4 with one message; and where pytest took a file after a space for tests, what to write. No model is prepared."""
    suite = Suite(tmp_path, tmp_path / "no cache")
    refused = suite(OUT_OF_THE_BOX, "--benchmark-only", f"--backend-file={file.parent}")
    assert refused.code == 4
    assert f"ERROR: --backend-file {file.parent}: Is a directory: name the file of the card inside\n" in refused.text
    file.write_text(CARD)
    (file.parent / "conftest.py").touch()
    selection = (OUT_OF_THE_BOX, "--collect-only", "-q", "--preset=quick", "--backends=ours")
    spaced = suite(*selection, "--backend-file", os.path.relpath(file, REPOSITORY))
    assert spaced.code == 4
    assert f"read their configuration in {file.parent}. Write it with an equals sign: '--backend-file={file}'" in spaced.text
    known = suite(*selection, f"--backend-file={file}", "-p", "tests.last_words")
    assert known.code == 0, known.text
    assert "test_out_of_the_box[ours-fp32-batch1-seq32]" in known.text
    assert "frameworks []" in known.text
    assert not (tmp_path / "no cache").exists()
    assert not suite.runs.exists()
