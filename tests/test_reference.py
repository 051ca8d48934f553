"""The other side of a duet: a commit's code, an accepted run's packages, built once; and what cannot be had, in one line."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from baselines.files.requirements import Requirement
from fixtures.asked import reference_asked, reference_state
from fixtures.asked.passed_env import passed_env
from fixtures.asked.reference import Reference
from fixtures.asked.reference_asked import accepted_state
from fixtures.asked.reference_state import (
    StateRefused,
    code_of,
    commit_named,
    constrained,
    interpreter_of,
    protocol_of,
    unused_for,
)
from fixtures.asked.settings import what_it_lacks
from fixtures.worker.protocol import VERSION
from tests.builders import git
from tests.checkouts import Copy
from tests.suite import REPOSITORY, Suite, python_m


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small repository in place of the suite's, whose first commit has workers, and a cache of its own."""
    folder = tmp_path / "checkout"
    protocol = folder / "fixtures/worker/protocol.py"
    protocol.parent.mkdir(parents=True)
    protocol.write_text(f"VERSION: Final = {VERSION}\n")
    (folder / "constraints.txt").write_text("# exact\nnumpy==2.4.6\nTyping_Extensions==4.1\nunused==1\n")
    for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "first"]):
        git(folder, *words)
    monkeypatch.setattr(reference_state, "REPOSITORY", folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


def wheel(folder: Path, name: str, version: str, *requires: str) -> None:
    """A package of one empty module."""
    public = version.partition("+")[0]
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as made:
        made.writestr(f"{name}.py", f"VERSION = {public!r}\n")
        info = f"{name}-{version}.dist-info"
        needs = "".join(f"Requires-Dist: {each}\n" for each in requires)
        made.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        made.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + needs)
        made.writestr(f"{info}/RECORD", "")


def one(name: str, version: str, local: str | None = None) -> Requirement:
    """A package that a run had."""
    return Requirement(name=name, version=version, local=local, needed_by=("onnxruntime",))


@pytest.fixture
def index(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels, which is all that pip knows."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    del checkout
    return folder


def test_a_commit_has_its_own_files(checkout: Path) -> None:
    """By branch, tag or number; once, whatever the working tree says meanwhile."""
    first = commit_named("HEAD")
    git(checkout, "tag", "v1")
    (checkout / "new.txt").write_text("not committed")
    code = code_of(commit_named("v1"))
    assert (code / "constraints.txt").exists()
    assert not (code / "new.txt").exists()
    assert code_of(first) == code
    assert protocol_of(code) == VERSION


@pytest.mark.parametrize(("text", "told"), [("VERSION: Final = 99\n", "version 99"), ("", "none that has a number")])
def test_a_commit_of_another_protocol_is_refused(checkout: Path, text: str, told: str) -> None:
    """Its workers would not understand."""
    (checkout / "fixtures/worker/protocol.py").write_text(text)
    git(checkout, "commit", "--quiet", "--all", "--message", "another")
    with pytest.raises(StateRefused, match=f"speak another protocol .{told}; this checkout speaks version {VERSION}"):
        code_of(commit_named("HEAD"))


def test_a_word_that_is_no_commit(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor a file; and where git cannot be asked."""
    with pytest.raises(StateRefused, match=r"'no-such-branch' is no commit, branch or tag of .*git fetch --unshallow"):
        commit_named("no-such-branch")
    shutil.rmtree(checkout / ".git")
    with pytest.raises(StateRefused, match="is no commit"):
        commit_named("HEAD")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(StateRefused, match="git is not installed"):
        commit_named("HEAD")


def test_the_packages_of_a_commit_are_those_of_its_constraints(checkout: Path) -> None:
    """What is needed of them, whatever the spelling; nothing else."""
    found, others = constrained(checkout, ["numpy"], {"numpy": ["typing-extensions"], "other": ["unused"]})
    assert [each.pinned for each in found] == ["numpy==2.4.6", "Typing_Extensions==4.1"]
    assert [each.pinned for each in others] == ["unused==1"]
    with pytest.raises(StateRefused, match=r"of that commit has no version of onnx.runtime, which is needed"):
        constrained(checkout, ["numpy", "onnx_runtime"], {"numpy": [], "onnx-runtime": []})
    (checkout / "constraints.txt").unlink()
    with pytest.raises(StateRefused, match=r"constraints\.txt: No such file"):
        constrained(checkout, ["numpy"], {"numpy": []})


def test_what_a_built_environment_lacks_is_not_for_pip() -> None:
    """Nobody installs anything into the cache; an interpreter that was named is somebody's own."""
    words = {"python": "/old/bin/python", "is_self": False, "environment": {}, "passed_env": passed_env(())}
    assert what_it_lacks(Reference(**words), "pytorch") == (
        "Install it there: /old/bin/python -m pip install numpy torch transformers"
    )
    said = what_it_lacks(Reference(**words, commit="0123456789abcdef"), "pytorch")
    accepted = what_it_lacks(Reference(**words, commit="0123456789abcdef", accepted="0001_abc.json"), "pytorch")
    assert accepted == "It has the packages of 0001_abc.json and no others: accept a run that has what is missing"
    assert said == "It is built from constraints.txt of 0123456789ab, which has to pin all that its packages require"


def test_an_environment_is_built_once(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has these packages and nothing else; another version is another environment; two at once build one."""
    wheel(index, "labelled", "1.0+cpu")
    told: list[str] = []
    pythons: list[str] = []
    builders = [
        threading.Thread(target=lambda: pythons.append(interpreter_of([one("labelled", "1.0", "cpu")], told.append)))
        for _ in range(2)
    ]
    for each in builders:
        each.start()
    for each in builders:
        each.join()
    assert len(set(pythons)) == 1
    assert sum(line.startswith("building") for line in told) == 1
    said = subprocess.run(
        [pythons[0], "-c", "import labelled; print(labelled.VERSION)"], capture_output=True, text=True, check=True
    )
    assert said.stdout == "1.0\n"
    missing = subprocess.run([pythons[0], "-c", "import numpy"], capture_output=True, check=False)
    assert missing.returncode


def test_what_a_package_required_at_an_older_version_is_there(index: Path) -> None:
    """Its requirements of then, theirs, and nothing of what nobody requires; markers are obeyed."""
    wheel(index, "older", "1.0", "dropped_since", 'for_windows ; sys_platform == "win32"')
    wheel(index, "dropped_since", "2.0", "deeper>=1")
    for name in ("deeper", "for_windows", "unused"):
        wheel(index, name, "3.0")
    others = [one("Dropped.Since", "2.0"), *(one(name, "3.0") for name in ("deeper", "for_windows", "unused"))]
    python = interpreter_of([one("older", "1.0")], lambda _: None, beside=others)
    code = "from importlib.metadata import distributions; print(*sorted(one.metadata['Name'] for one in distributions()))"
    said = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert set(said.stdout.split()) - {"pip", "setuptools"} == {"older", "dropped_since", "deeper"}


def test_what_no_index_has_is_named(index: Path) -> None:
    """With who needs it and the variable that names another index; nothing half-built is left in use."""
    with pytest.raises(StateRefused, match=r"has mycompany==1\.2, which onnxruntime needs\. .*PIP_EXTRA_INDEX_URL=URL"):
        interpreter_of([one("mycompany", "1.2")], lambda _: None)
    with pytest.raises(StateRefused, match=r"mycompany==1\.2"):
        interpreter_of([one("mycompany", "1.2")], lambda _: None)
    (index / "broken-1.0-py3-none-any.whl").write_text("no zip file")
    with pytest.raises(StateRefused, match="pip could not install it"):
        interpreter_of([one("broken", "1.0")], lambda _: None)


def test_a_builder_that_was_killed_leaves_nothing_in_use(index: Path, tmp_path: Path) -> None:
    """In the middle, by a signal: the next one builds it whole."""
    wheel(index, "whole", "1.0")
    code = (
        "from fixtures.asked.reference_state import *; from baselines.files.requirements import Requirement as R; "
        "interpreter_of([R(name='whole', version='1.0', local=None, needed_by=())], lambda _: __import__('os').abort())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False)
    assert done.returncode == -6
    assert not list((tmp_path / "cache").glob("*/references/environment-*/bin"))
    assert Path(interpreter_of([one("whole", "1.0")], lambda _: None)).exists()


def test_what_was_not_used_for_long_is_removed(checkout: Path) -> None:
    """By the command; what was used lately stays."""
    code = code_of(commit_named("HEAD"))
    assert unused_for(30) == []
    long_ago = time.time() - 40 * 86400
    os.utime(code / reference_state.DONE, (long_ago, long_ago))
    assert unused_for(30) == [code]
    ended = python_m("baselines", "clean", environment=dict(os.environ))
    assert (ended.returncode, ended.stdout) == (0, f"removed {code}\n")
    assert "nothing to remove" in python_m("baselines", "clean", environment=dict(os.environ)).stdout
    assert not code.exists()
    assert code_of(commit_named("HEAD")) == code, "it is made again where it is needed"


def test_no_accepted_run(tmp_path: Path) -> None:
    """What else could be named is said."""
    with pytest.raises(StateRefused, match=r"no accepted run of bert-tiny on this machine .* a commit, a branch, the"):
        accepted_state(tmp_path, "bert-tiny", None, ())


# Real sessions, in a checkout whose card or export a commit has changed

DUET = ("--benchmark-only", "--preset=quick", "--backends=onnxruntime", "--threads=1", "--benchmark-max-time=0.05")
FOUR = ("--launches=4", "--most-launches=4")


UNFUSED = """def unfused(exported):
    from onnxruntime.transformers.onnx_model import OnnxModel
    import onnx
    model = OnnxModel(onnx.load(exported))
    model.get_fused_operator_statistics = dict
    return model


"""
"""An export that finds nothing to fuse."""


@pytest.mark.every_cpu
def test_a_slower_card_and_a_lost_fusion_are_red(suite: Suite, tmp_path: Path) -> None:
    """Against the commit before, which exports its own file; green against itself; no commit and a path are refused."""
    copy = Copy(tmp_path / "copy", suite, *DUET)
    slower = "            return [run(None, feeds) for _ in range(2)][0]\n"
    copy.edit("fixtures/backends/onnxruntime.py", "            return run(None, feeds)\n", slower)
    copy.commit("a slower card")
    ended = copy(*FOUR, "--reference=HEAD~1")
    assert ended.code == 1, ended.text
    assert "REGRESSED onnxruntime-fp32-threads1-batch1-seq32" in ended.text
    assert "--reference 'HEAD~1'" in ended.text
    (duet,) = (each["extra_info"]["duet"] for each in ended.benchmarks.values())
    assert duet["ratio"] > 1.5
    assert duet["reference"]["commit"] == git(copy.root, "rev-parse", "HEAD~1").strip()
    shutil.rmtree(suite.runs)
    git(copy.root, "checkout", "--quiet", "HEAD~1", "--", "fixtures/backends/onnxruntime.py")
    copy.edit(
        "fixtures/model/onnx_export.py", "            optimised = fused()\n", "            optimised = unfused(exported)\n"
    )
    copy.edit("fixtures/model/onnx_export.py", "def _fuse(", UNFUSED + "def _fuse(")
    copy.commit("a lost fusion")
    ended = copy(*FOUR, "--reference=HEAD~2", "--sequence-lengths=128", "--batch-sizes=4")
    (lost,) = ended.benchmarks.values()
    assert not any(lost["extra_info"]["graph"].values())
    assert any(lost["extra_info"]["duet"]["reference"]["graph"].values()), "it loads what its own export makes"
    assert re.search(r"onnxruntime \S+ on both sides, \w+ \d+ -> 0", ended.text)
    shutil.rmtree(suite.runs)
    refused = copy("--reference=no-such-branch")
    assert refused.code == 4
    assert "--reference no-such-branch: 'no-such-branch' is no commit, branch or tag" in refused.text


def test_code_that_knows_no_heads_answers_with_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older commit would answer with hidden states: that is said before anything is measured."""
    old = Reference(python=sys.executable, is_self=False, environment={}, root=tmp_path, commit="0" * 40, passed_env=())
    monkeypatch.setattr(reference_asked, "reference_asked", lambda *_: old)
    words = {"reference": "older"}
    asked = SimpleNamespace(getoption=words.get, getini=lambda _: (), invocation_params=SimpleNamespace(args=()))
    assert reference_asked.reference_named(asked, (), "bert-tiny") is old
    with pytest.raises(pytest.UsageError, match=r"--reference older: its code knows no heads, and bert-tiny\+masked-lm"):
        reference_asked.reference_named(asked, (), "bert-tiny+masked-lm")
