"""Frameworks report to nobody: no id is left anywhere, and no process connects to anything outside."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from fixtures.process.environment import NO_TELEMETRY, at_home
from fixtures.process.folders import home
from tests.suite import Suite

PRECISION = "benchmarks/test_precision.py"
ASKED = ("--preset=quick", "--backends=onnxruntime,openvino", "--precisions=fp32,int8", "--benchmark-disable")
IDS = re.compile(r"deviceid|_ga_cid|_ga_uid|telemetry_id|Microsoft", re.IGNORECASE)


@pytest.fixture
def fresh(suite: Suite, tmp_path: Path) -> Suite:
    """The suite of a user who has never started it: with nothing at home and nothing in the cache."""
    suite.environment |= {"HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    (tmp_path / "home").mkdir()
    return suite


def test_no_id_and_no_connection(fresh: Suite, tmp_path: Path) -> None:
    """After an export, two quantisations and a run of those who would report: by what is on disk, and by system calls."""
    trace = tmp_path / "trace"
    strace = ["strace", "--follow-forks", "--seccomp-bpf", "-qq", "--trace=connect", f"--output={trace}"]
    can = shutil.which("strace") and not subprocess.run([*strace, "true"], check=False, capture_output=True).returncode
    ended = fresh.end(fresh.start_as([*(strace if can else ()), *fresh.command(PRECISION, *ASKED)]), time_out_s=600)
    assert ended.code == 0, ended.text
    assert "4 checked" in ended.text
    left = [path for where in ("home", "cache") for path in (tmp_path / where).rglob("*")]
    assert [path for path in left if IDS.search(str(path.relative_to(tmp_path)))] == []
    assert list((tmp_path / "home").iterdir()) == []
    if can:
        assert [line for line in trace.read_text().splitlines() if "AF_INET" in line] == []


def test_an_id_from_before_goes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Older versions of this suite let OpenVINO make one; consent that somebody gave in our home is taken back."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    intel = home() / "intel"
    (intel / "openvino_ga_cid").write_text("4711")
    (intel / "openvino_telemetry").write_text("1")
    home()
    assert {path.name: path.read_text() for path in intel.iterdir()} == {"openvino_telemetry": "0"}


def test_the_shell_does_not_switch_it_on(tmp_path: Path) -> None:
    """What every process gets does not depend on what is set here."""
    told = at_home({**os.environ, "ORT_DISABLE_TELEMETRY": "0", "HF_HUB_DISABLE_TELEMETRY": "0"}, tmp_path)
    assert {name: told[name] for name in NO_TELEMETRY} == dict.fromkeys(NO_TELEMETRY, "1")
