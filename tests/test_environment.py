"""The environment of an accepted run as requirements, what an interpreter says of itself, and what passes from a shell."""

from __future__ import annotations

import os
import re
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from baselines.files.reading_runs import read_run
from baselines.files.requirements import requirements_of, why_not_installed
from baselines.files.run_folder import RunFileError
from fixtures.asked.configuration import Configuration, Deployment
from fixtures.asked.installed_requirements import required_by
from fixtures.asked.passed_env import passed_env
from fixtures.asked.reference import ReferenceRefused, reference_of
from fixtures.machine.__main__ import main as machine_main
from fixtures.machine.fingerprint import Fingerprint
from fixtures.process.environment import PASSING, dropped, environment_of, passes
from fixtures.run.provenance import backend_words, environment_words
from fixtures.run.terminal import variables_text
from fixtures.worker.installed import environment
from tests.builders import benchmark, run_folder

PACKAGES = {
    "torch": {"version": "2.13.0", "local": "cpu"},
    "numpy": {"version": "2.4.6", "local": None},
    "pip": {"version": "25.0", "local": None},
    "bert-cpu-benchmarks": {"version": "0.1.0", "local": None},
    "Jinja2": {"version": "3.1.6", "local": None},
}


NAMED = "PIP_EXTRA_INDEX_URL names the index that has it"


def installed(packages: dict[str, Any]) -> dict[str, Any]:
    """The environment of a run."""
    return {"python": "3.11.7", "packages": packages}


def test_every_package_at_its_exact_version(tmp_path: Path) -> None:
    """The public version is asked for, the local label is told; what pip cannot or need not install is left out."""
    older = {"backends": {}}  # a file that does not say what a backend needs
    folder = run_folder(tmp_path, benchmark(), environment=installed(PACKAGES), run=older)
    lines = list(map(str, requirements_of(read_run(folder / "run.json"))))
    assert lines == ["Jinja2==3.1.6", "numpy==2.4.6", f"torch==2.13.0  # measured with the build +cpu: {NAMED}"]
    asked = [Requirement(line.partition("  #")[0]) for line in lines]
    assert asked[2].specifier.contains("2.13.0+cpu")


def needing(**needs: list[str]) -> dict[str, Any]:
    """`run` of a file that says what each backend needs."""
    return {"backends": {name: {"needs": names} for name, names in needs.items()}}


def test_only_what_a_worker_needs(tmp_path: Path) -> None:
    """What is private and not needed is nobody's business; of a nightly build its index is told; backends can be chosen."""
    packages = {
        **PACKAGES,
        "torch": {"version": "2.14.0.dev20261120", "local": "cpu", "requires": ["numpy", "setuptools"]},
        "tf_nightly": {"version": "2.22.0.dev20261120", "local": None},
        "onnxruntime": {"version": "1.32.0", "local": None},
        "setuptools": {"version": "80.0", "local": None},
        "mycompany-utils": {"version": "1.2", "local": None},
        "mycompany-plugin": {"version": "3", "local": None, "requires": ["mycompany-utils"]},
    }
    words = needing(
        onnxruntime=["numpy", "onnxruntime"],
        torchscript=["torch"],
        tensorflow=["numpy", "tf-nightly"],
    )
    run = read_run(run_folder(tmp_path, benchmark(), environment=installed(packages), run=words) / "run.json")
    lines = list(map(str, requirements_of(run)))
    assert lines == [
        *("numpy==2.4.6", "onnxruntime==1.32.0", "setuptools==80.0"),
        f"tf_nightly==2.22.0.dev20261120  # a nightly build: {NAMED}, for as long as it keeps it",
        f"torch==2.14.0.dev20261120  # measured with the build +cpu: {NAMED}",
    ]
    assert [one.pinned for one in requirements_of(run, ["onnxruntime"])] == ["numpy==2.4.6", "onnxruntime==1.32.0"]
    numpy, *_ = requirements_of(run)
    assert numpy.needed_by == ("onnxruntime", "torchscript", "tensorflow")
    with pytest.raises(
        RunFileError, match="no backend jax was measured in it; possible: onnxruntime, torchscript, tensorflow"
    ):
        requirements_of(run, ["jax"])


def test_a_backend_says_what_it_needs(tmp_path: Path) -> None:
    """Its own distributions, what every worker imports, and what they require; no test runner, no plotting."""
    words = {"backends": {"onnxruntime": backend_words("onnxruntime")}}
    folder = run_folder(tmp_path, benchmark(), environment=environment_words(["onnxruntime"]), run=words)
    needs = {one.name for one in requirements_of(read_run(folder / "run.json"))}
    assert {"numpy", "onnxruntime", "protobuf"} <= needs
    assert not {"pytest", "matplotlib", "torch"} & needs
    assert required_by(["no-such-distribution"]) == {}


def test_what_else_pip_says() -> None:
    """Its last error, or its last words."""
    assert why_not_installed("ERROR: a\nERROR: no space left\nhint", []) == "pip could not install it: no space left"
    assert why_not_installed("No module named pip\n", []) == "pip could not install it: No module named pip"
    assert why_not_installed("", []) == "pip could not install it: it said nothing"


def test_a_run_that_does_not_say(tmp_path: Path) -> None:
    """Nothing is no environment."""
    folder = run_folder(tmp_path, benchmark(), environment=installed({}))
    with pytest.raises(RunFileError, match="does not say which packages were installed"):
        requirements_of(read_run(folder / "run.json"))


def test_the_id_of_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    """Alone on its line, for a shell; a tree that knows none is refused."""
    assert machine_main(["--id"]) == 0
    assert capsys.readouterr().out.strip() == Fingerprint.of_this_machine().machine_id


def test_an_interpreter_says_what_it_has() -> None:
    """Asked from outside it says what it says from inside; another interpreter looks in no place of ours."""
    reference = reference_of(sys.executable)
    assert reference.is_self
    assert reference.environment == environment()
    assert reference_of("self").python == sys.executable
    assert reference_of("self").why_not("onnxruntime") is None


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ('{"answer": {"python": "3.9.2", "packages": {}}}', r"is Python 3\.9\.2, and workers need Python 3\.11 or newer"),
        ('{"answer": null}', "says nothing of itself that can be read"),
        ("hello", r"gave no answer \(exit code 0\): hello"),
    ],
)
def test_an_interpreter_that_cannot_serve(tmp_path: Path, answer: str, words: str) -> None:
    """Too old, or no Python at all: refused with what it said."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho '{answer}'\n")
    python.chmod(0o755)
    with pytest.raises(ReferenceRefused, match=words):
        reference_of(str(python))


def test_what_passes_from_a_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    """What finds programs, packages, models and certificates, each with its reason; nothing else, known or not."""
    passing = {
        *("PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "XDG_CACHE_HOME", "LD_LIBRARY_PATH", "PYTHONPATH"),
        *("HF_HOME", "HF_HUB_OFFLINE", "HF_TOKEN", "HF_ENDPOINT", "https_proxy", "NO_PROXY", "SSL_CERT_FILE"),
    }
    others = {
        *("OMP_NUM_THREADS", "OMP_PROC_BIND", "KMP_AFFINITY", "GOMP_CPU_AFFINITY", "LD_PRELOAD", "OPENBLAS_CORETYPE"),
        *("COV_CORE_SOURCE", "COV_CORE_DATAFILE", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"),
        *("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONSTARTUP", "PYTHONSAFEPATH", "CXX", "LD_LIBRARY_PATH_64", "XPATH", "NEW"),
    }
    for name in passing | others:
        monkeypatch.setenv(name, "set")
    given = environment_of()
    assert {name for name in passing | others if name in given} == passing
    assert all(passes(name) for name in given)
    assert all(PASSING.values())
    assert not any(pattern.startswith("*") for patterns in PASSING for pattern in patterns)


def test_what_looks_like_speed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sorted, long values cut; neither what is about something else, nor the value of what may be a secret."""
    for name in os.environ:
        monkeypatch.delenv(name)
    for name, value in {
        "ORT_HTTP_PASSWORD": "hunter2",
        "TF_VAR_DATABASE": "hunter2",
        "TF_CLI_CONFIG_FILE": "/root",
        "LD_SDK_KEY": "hunter2",
        "XLA_FLAGS": "x" * 200,
        "MKL_CBWR": "a\nb",
        "TORCH_LOGS": "+dynamo",
        "OMP_NUM_THREADS": "7",
        "LD_PRELOAD": "",
        "PATH": "/bin",
        "PYTHON_VERSION": "3.11",
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": "/ours",
        "HF_TOKEN": "hunter2",
    }.items():
        monkeypatch.setenv(name, value)
    assert variables_text(dropped()) == (
        f"LD_PRELOAD= MKL_CBWR=a\\nb OMP_NUM_THREADS=7 ORT_HTTP_PASSWORD (set) TORCH_LOGS=+dynamo XLA_FLAGS={'x' * 40}..."
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("MKL_CBWR=AVX2", "it is no name of a variable. Set the value in the shell"),
        ("", "it is no name of a variable"),
        ("PATH", "it reaches every worker anyway. Leave it out"),
        ("HF_HUB_OFFLINE", "it reaches every worker anyway. Leave it out"),
        ("OMP_NUM_THREADS", r"the thread count \(--threads\) sets it. Leave it out"),
        ("LD_PRELOAD", "a knob of runtime tuning sets it. Leave it out"),
        ("KERAS_BACKEND", "backend tensorflow.* sets it. Leave it out"),
        ("TORCHINDUCTOR_CACHE_DIR", "backend torch_compile.* sets it. Leave it out"),
        ("NOBODY_SET_THIS", "it is not set here. Set it, export NOBODY_SET_THIS=..., or leave it out"),
    ],
)
def test_what_cannot_be_let_through(name: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with why and what to do; whether it is set or not."""
    monkeypatch.delenv("NOBODY_SET_THIS", raising=False)
    with pytest.raises(pytest.UsageError, match=f"--pass-env {re.escape(name)}: {reason}"):
        passed_env([name])


def test_what_is_let_through_is_part_of_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """By name and value, once; where nothing is let through, a configuration says nothing of it."""
    monkeypatch.setenv("MKL_CBWR", "AVX2")
    monkeypatch.setenv("HOMEMADE", "")
    passed = passed_env(["MKL_CBWR", "HOMEMADE", "MKL_CBWR"])
    assert passed == (("HOMEMADE", ""), ("MKL_CBWR", "AVX2"))
    plain = Configuration(backend="pytorch", precision="fp32", threads=1, cpus=(0,))
    assert "passed_env" not in plain.as_json()
    other = replace(plain, passed_env=passed)
    assert other.as_json() == {**plain.as_json(), "passed_env": {"HOMEMADE": "", "MKL_CBWR": "AVX2"}}
    assert Deployment(configurations=(other,)) != Deployment(configurations=(plain,))


def test_a_reference_is_asked_with_what_is_let_through(tmp_path: Path) -> None:
    """As the worker that it would run: some frameworks cannot be imported without a variable."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\n[ "$MKL_CBWR" = AVX2 ] && exec {shlex.quote(sys.executable)} "$@"\n')
    python.chmod(0o755)
    with pytest.raises(ReferenceRefused, match="gave no answer"):
        reference_of(str(python))
    reference = reference_of(str(python), (("MKL_CBWR", "AVX2"),))
    assert reference.environment == environment()
    assert reference.why_not("onnxruntime") is None


def test_another_interpreter_gets_no_search_path_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """PYTHONPATH would give both sides the same packages, and compare an environment with itself."""
    monkeypatch.setenv("PYTHONPATH", "/ours")
    assert environment_of()["PYTHONPATH"] == "/ours"
    assert "PYTHONPATH" not in environment_of("/another/python")


def test_a_requirement_that_nobody_can_read_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Metadata of an old package may have one; what else it requires counts."""
    for name, requires in (("old", ("numpy (>dev)", "newer>=1")), ("newer", ())):
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        lines = ["Metadata-Version: 2.1", f"Name: {name}", "Version: 1.0", *(f"Requires-Dist: {one}" for one in requires)]
        (info / "METADATA").write_text("\n".join(lines) + "\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert required_by(["old"]) == {"old": ["newer"], "newer": []}
