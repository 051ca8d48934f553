"""The study of releases: which neighbours are compared, and what is said of their launch pairs."""

from __future__ import annotations

import math
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from baselines.requesting.session import Wrong
from studies import history, loop
from studies.history import TODAYS, apart, interval, main, minor_releases


def test_the_newest_of_each_minor_version() -> None:
    """In the order of versions, not of letters."""
    versions = ["2.9.0", "2.10.0", "2.10.2", "2.10.1", "2.11.0", "1.99.7"]
    assert minor_releases(versions, 3) == ["2.9.0", "2.10.2", "2.11.0"]
    assert minor_releases(versions, 9) == ["1.99.7", "2.9.0", "2.10.2", "2.11.0"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ((0.02, 0.03, 0.04), r"\+3\.0% \[\+0\..%, \+5\..%\], slower"),
        ((-0.02, -0.03, -0.04), r"-3\.0% \[-5\..%, -0\..%\], faster"),
        ((-0.02, 0.03, 0.01), r"\+0\.[67]% \[-5\..%, \+7\..%\]"),
    ],
)
def test_no_change_without_an_interval(changes: tuple[float, ...], said: str) -> None:
    """Only where all of it lies on one side is a release called slower or faster."""
    assert re.fullmatch(said, interval([math.log1p(one) for one in changes]))


def test_what_moved_on_both_sides_is_no_difference() -> None:
    """Two releases that both hold a package back are equal in it."""
    moved = {
        ("transformers", "5.1"): {"transformers": "5.1", "huggingface-hub": "1.0", "tokenizers": "0.22"},
        ("transformers", "5.2"): {"transformers": "5.2", "huggingface-hub": "1.0", "safetensors": None},
    }
    assert apart("transformers", ["5.1", "5.2"], moved) == {
        "safetensors": [TODAYS, None],
        "tokenizers": ["0.22", TODAYS],
    }


def test_nothing_compared_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A local build has no neighbours, and what fails twice is left out: without a launch pair the exit code is 2."""
    run = SimpleNamespace(path=tmp_path, results=[SimpleNamespace(fullname="name")])
    monkeypatch.setattr(loop, "FOLDER", tmp_path)
    monkeypatch.setattr(loop, "session", lambda *_: run)
    monkeypatch.setattr(history, "read_run", lambda _: run)
    monkeypatch.setattr(history, "Session", lambda *_: Fails())
    monkeypatch.setattr(history.metadata, "version", {"torch": "2.13.0+cpu", "onnxruntime": "1.3.0"}.__getitem__)
    command = ["measure", "--models", "bert-mini", "--pairs", "3", "--data", str(tmp_path / "data.jsonl"), "--packages"]
    assert main([*command, "torch"]) == 2
    assert "torch 2.13.0+cpu: left out: its other releases in an index are other builds" in capsys.readouterr().err
    monkeypatch.setattr(loop, "FOLDER", tmp_path / "again")
    assert main([*command, "onnxruntime"]) == 2
    said = capsys.readouterr().err
    assert said.count("onnxruntime 1.2.0 -> 1.3.0: ") == 2
    assert "once more: it died" in said
    assert "error: nothing was compared; the lines above say why" in said
    assert not (tmp_path / "data.jsonl").exists()


class Fails:
    """A session that knows releases and measures none."""

    def ask(self, do: str, **_: Any) -> Any:
        if do == "pair":
            raise Wrong("it died", "measured")
        return ["1.2.0", "1.3.0"] if do == "releases" else {"packages": {}}

    def close(self) -> None:
        pass


def test_a_row_for_each_step_and_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With what moved along; a file without lines is a clear message."""
    data = tmp_path / "history.jsonl"
    assert main(["show", "--data", str(data)]) == 2
    assert "has no line; measure some: python -m studies.history measure" in capsys.readouterr().err
    words: dict[str, Any] = {"study": "2026-11-27 12:00", "machine": "m", "package": "torch", "newer": "2.10.0"}
    for older, model in (("2.9.0", "bert-mini"), ("2.9.0", "bert-base-cased"), ("2.9.0", "bert-mini")):
        loop.append(
            data, {**words, "older": older, "model": model, "moved": {"sympy": ["1.13", "today's"]}, "log_ratio": 0.01}
        )
    assert main(["show", "--data", str(data)]) == 0
    printed = capsys.readouterr().out
    assert "| torch | 2.9.0 | 2.10.0 | bert-mini | +1.0% [+1.0%, +1.0%], slower | 2 | sympy 1.13 -> today's |" in printed
    assert "| torch | 2.9.0 | 2.10.0 | bert-base-cased | +1.0% | 1 | sympy 1.13 -> today's |" in printed
    with pytest.raises(SystemExit):
        main(["measure", "--packages", "numpy"])
    assert "known are onnxruntime, openvino, torch, transformers" in capsys.readouterr().err
