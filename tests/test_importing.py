"""What a worker imports, and what not: a start is paid in every launch."""

from __future__ import annotations

import gc
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.backends.importing import done_without, not_installed, nothing_collected
from fixtures.backends.registry import BACKENDS, backend_class
from fixtures.model.prepared import PreparedModel
from tests.suite import REPOSITORY

STARTED = """
import gc, importlib, json, sys
from fixtures.worker.requests import Worker
location, checkpoint, artefact, *unused = sys.argv[1:]
worker = Worker()
worker.do_import(backend=location, threads=1)
frozen = gc.get_freeze_count()
early = set(sys.modules)
worker.do_load(checkpoint=checkpoint, artefact=artefact or None)
found = {"unused": [one for one in unused if one in sys.modules], "frozen": frozen, "collects": gc.isenabled()}
found["late"] = sorted(one for one in set(sys.modules) - early if one.startswith(("torch", "tensorflow")))
for one in unused:
    importlib.import_module(one)
print(json.dumps(found))
"""


@pytest.mark.parametrize(
    ("backend", "unused"),
    [("pytorch", ("scipy", "sklearn")), ("tensorflow", ("sklearn", "matplotlib", "tensorflow_text"))],
)
def test_a_start_has_no_imports_of_no_use(
    backend: str, unused: tuple[str, ...], bert_tiny: PreparedModel, tmp_path: Path
) -> None:
    """Packages that a framework has no need of are not imported with it, though they are there; the collector is on."""
    word = backend_class(backend).artefact("fp32")
    artefact = str(bert_tiny.artefacts[word]) if word else ""
    script = tmp_path / "started.py"
    script.write_text(STARTED)
    command = [sys.executable, str(script), BACKENDS[backend], str(bert_tiny.checkpoint), artefact, *unused]
    environment = {**backend_class(backend).environment(1), "PYTHONPATH": str(REPOSITORY), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=180)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["unused"] == []
    assert found["collects"]
    assert found["frozen"] > 100_000
    assert len(found["late"]) < 20, "the framework is imported when it is asked for, not with the model"


def test_hidden_packages_are_there_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside they cannot be imported, afterwards they can, after an error too; what was imported before stays."""
    (tmp_path / "one_of_no_use.py").write_text("here = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    with not_installed("one_of_no_use", "json"):
        assert sys.modules["json"] is json
    with pytest.raises(ModuleNotFoundError, match="one_of_no_use"), not_installed("one_of_no_use"):
        importlib.import_module("one_of_no_use")
    assert importlib.import_module("one_of_no_use").here
    with not_installed("one_of_no_use"):
        assert importlib.import_module("one_of_no_use").here
    del sys.modules["one_of_no_use"]


def test_what_cannot_do_without_has_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A release that takes along what needs a hidden package is imported with it; another error is not tried twice."""
    (tmp_path / "one_of_no_use.py").write_text("here = True\n")
    (tmp_path / "takes_it_along.py").write_text("import one_of_no_use\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = done_without(["one_of_no_use"], lambda: importlib.import_module("takes_it_along"))
    assert found.one_of_no_use.here
    for name in ("one_of_no_use", "takes_it_along"):
        del sys.modules[name]

    def renamed() -> object:
        try:
            return importlib.import_module("takes_it_along")
        except ImportError:
            raise RuntimeError("the checkpoint cannot be loaded") from None

    assert done_without(["one_of_no_use"], renamed)
    calls: list[int] = []

    def fails() -> None:
        calls.append(1)
        raise ValueError("it broke")

    with pytest.raises(ValueError, match="it broke"):
        done_without(["json"], fails)
    assert calls == [1]
    for name in ("one_of_no_use", "takes_it_along"):
        del sys.modules[name]


def test_a_package_that_is_not_there_stays_so() -> None:
    """Hiding it leaves no trace."""
    with not_installed("no_such_package"):
        pass
    assert "no_such_package" not in sys.modules


def test_the_collector_is_on_again() -> None:
    """After an error too, and off where it was off before."""
    collections = gc.get_stats()[0]["collections"]
    with pytest.raises(ValueError, match="invalid literal"), nothing_collected():
        int(str([[number] for number in range(100_000)]))
    assert gc.get_stats()[0]["collections"] - collections < 5
    assert gc.isenabled()
    gc.disable()
    try:
        with nothing_collected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
        gc.unfreeze()
