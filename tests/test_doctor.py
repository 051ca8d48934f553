"""What can be asked before time is spent: each answer has a way out where it is not fine, and the header shows it."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from baselines.files import checkout
from fixtures import doctor
from fixtures.doctor import Line
from fixtures.machine import lock
from tests.suite import OUT_OF_THE_BOX, REPOSITORY, Suite, python_m


def only(lines: list[Line], name: str) -> Line:
    """The line of a name."""
    (found,) = [line for line in lines if line.name == name]
    return found


def test_the_command(cache_home: Path) -> None:
    """A line for everything, backends among them; 1 and `LOOK` when something is not fine, else 0."""
    ended = python_m("fixtures.doctor", environment={**os.environ, "XDG_CACHE_HOME": str(cache_home)})
    lines = ended.stdout.splitlines()
    assert all(line.startswith(("ok  ", "LOOK")) for line in lines[:-1]), ended.stdout + ended.stderr
    assert (ended.returncode == 1) is any(line.startswith("LOOK") for line in lines)
    for word in ("commit", "affinity", "home", "temporary files", "locks", "locale", "cache", "runs", "onnxruntime"):
        assert any(line[4:].strip().lower().startswith(word) for line in lines), word
    assert f"{sum(line.startswith('LOOK') for line in lines)} of {len(lines) - 1} to look at" in lines[-1]


@pytest.mark.parametrize("ending", ["| head -n 0", ">&-"])
def test_nobody_reads_it(cache_home: Path, ending: str) -> None:
    """A pipe that is closed early, or no standard output: no traceback."""
    command = f"{shlex.quote(sys.executable)} -m fixtures.doctor {ending}"
    variables = {**os.environ, "XDG_CACHE_HOME": str(cache_home)}
    ended = subprocess.run(
        ["sh", "-c", command], cwd=REPOSITORY, env=variables, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.stderr == ""


def test_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither HOME nor an entry in passwd: fine where the cache is named, else the line that names it."""

    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nowhere)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert only(list(doctor.places()), "home").way_out == "Say where prepared models are kept: export XDG_CACHE_HOME=DIR"
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert only(list(doctor.places()), "home").way_out is None


def test_no_place_for_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every folder for temporary files is read-only, and so is every folder for locks."""

    def nowhere() -> str:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr("tempfile.gettempdir", nowhere)
    monkeypatch.setattr(lock, "FOLDERS", (tmp_path / "not there",))
    lines = list(doctor.places())
    assert only(lines, "temporary files").way_out == "Name one: export TMPDIR=DIR"
    assert only(lines, "locks").way_out == "A second run on these CPUs would not be noticed"


def test_pinning_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's seccomp profile may forbid it, and lxcfs may hide CPUs; a coarse clock is doubtful."""

    def refuses(pid: int, mask: set[int]) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setaffinity", refuses)
    monkeypatch.setattr(doctor, "ticks_by_cpu", dict)
    monkeypatch.setattr(doctor, "read_text", lambda path: "hpet")
    lines = list(doctor.cpus())
    assert only(lines, "affinity").said == "sched_setaffinity is refused: Operation not permitted"
    assert "mount the kernel's own" in str(only(lines, "/proc/stat").way_out)
    assert only(lines, "clock source").said == "hpet"


@pytest.mark.parametrize("what", ["refused", "noexec", "full"])
def test_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, what: str) -> None:
    """It cannot be made, nothing in it can be loaded, or it has no room: named, with the variable that moves it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if what == "refused":
        (tmp_path / "bert-cpu-benchmarks").write_text("a file in its place")
    else:
        real = os.statvfs(tmp_path)
        changed = {"noexec": {8: real.f_flag | os.ST_NOEXEC}, "full": {4: 1}}[what]  # f_flag, f_bavail
        fake = os.statvfs_result(tuple(changed.get(place, value) for place, value in enumerate(real)))
        monkeypatch.setattr(os, "statvfs", lambda folder: fake)
    way_out = str(only(list(doctor.disks()), "cache").way_out)
    assert "export XDG_CACHE_HOME=DIR" in way_out
    assert ("noexec" in only(list(doctor.disks()), "cache").said) is (what == "noexec")


def test_autoload_and_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plugins that are not loaded, and an output that cannot show a report."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    assert "-p pytest_benchmark.plugin" in str(only(list(doctor.plugins()), "pytest").way_out)
    with open(os.devnull, "w", encoding="latin-1") as output:  # noqa: PTH123 - a stream, as sys.__stdout__ is one
        monkeypatch.setattr("sys.__stdout__", output)
        (line,) = doctor.words()
    assert line.said == "standard output is latin-1" or line.said == "standard output is iso8859-1"
    assert line.way_out is not None


def test_the_header_shows_what_is_not_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing else."""
    monkeypatch.setattr(doctor, "QUICK", (lambda: iter([Line("one", "fine"), Line("two", "is broken", "Mend it")]),))
    assert [str(line) for line in doctor.not_fine()] == ["two: is broken. Mend it"]


def test_without_home_nothing_starts(suite: Suite) -> None:
    """One line that says which variable names a place; with that variable the same command collects."""
    suite.environment.pop("HOME", None)
    cache = suite.environment.pop("XDG_CACHE_HOME")
    ended = suite(OUT_OF_THE_BOX, "--preset=quick", "--collect-only", "-p", "tests.no_passwd")
    assert ended.code == 4
    assert "export XDG_CACHE_HOME=DIR" in ended.text
    assert "Traceback" not in ended.text
    suite.environment["XDG_CACHE_HOME"] = cache
    assert suite(OUT_OF_THE_BOX, "--preset=quick", "--collect-only", "-p", "tests.no_passwd").code == 0


def test_git_is_asked_of_the_suites_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Wherever the doctor is asked from; changes are named as what they cost."""
    monkeypatch.chdir(tmp_path)
    (line,) = doctor.commit()
    assert line.name == "commit"
    monkeypatch.setattr(checkout, "_changed", lambda *_, **__: ["fixtures/doctor.py"])
    (line,) = doctor.commit()
    assert line.way_out == "No run of them can be accepted: commit them"
