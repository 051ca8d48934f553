"""The study of explain: a comparison without a result is not on record, and the exit code says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from studies import explain, loop
from studies.explain import main


@pytest.mark.parametrize(("slowed", "code", "said"), [("1", 1, "1 of 2, "), ("3", 2, "error: it broke")])
def test_what_breaks_is_no_success(
    slowed: str, code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One or two leave the others; a third ends it."""

    def broken(*_: Any) -> Any:
        raise loop.StudyError("it broke")

    monkeypatch.setattr(loop, "FOLDER", tmp_path)
    monkeypatch.setattr(explain, "compare", broken)
    data = tmp_path / "data.jsonl"
    assert main(["measure", "--slowed", slowed, "--clean", "1", "--data", str(data)]) == code
    assert said in capsys.readouterr().err
    assert not data.exists()
