"""Runs the suite as a user would: a pytest process of its own, its exit code, its words, and the files it leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
SCALING = "benchmarks/test_core_count_scaling.py"
OUT_OF_THE_BOX = "benchmarks/test_out_of_the_box.py"
SHORT = ("--benchmark-only", "--preset=quick", "--benchmark-max-time=0.05")
INHERITED_CACHE = "CACHE_OF_TESTS"
"""Variable that names the cache of a session of these tests to one that it starts."""
OURS_ALONE = ("-p", "no:hypothesispytest", "-p", "no:anyio", "-p", "no:xdist")
"""Plugins that the tests' environment has and a user's has not; importing them takes a third of a session's start."""
NO_REPORT = ("-p", "no:fixtures.run.report")
"""As long as all else that a short session does; tests/test_report_of_run.py is about it."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A pytest process that has ended."""

    code: int
    text: str
    """Both streams."""
    runs: Path

    @property
    def run(self) -> dict[str, Any]:
        """The content of the run.json it left."""
        (path,) = self.runs.glob("*/run.json")
        content: dict[str, Any] = json.loads(path.read_text())
        return content

    @property
    def benchmarks(self) -> dict[str, dict[str, Any]]:
        """What was measured, by id."""
        return {benchmark["param"]: benchmark for benchmark in self.run["benchmarks"]}


class Suite:
    """Starts pytest on the benchmarks, with caches, locks and runs of its own."""

    def __init__(self, folder: Path, cache_home: Path) -> None:
        self.folder = folder
        self.runs = folder / "runs"
        self.store = folder / "store"
        """Of accepted runs: a test's own, because this machine may have some in the checkout."""
        self.limit = False
        """Whether runs measure what the CPUs reach on matrix products; seconds that few tests are about."""
        self.report = False
        """Whether runs end with their report."""
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
            "XDG_CACHE_HOME": str(cache_home),
            "TMPDIR": str(folder),
            "PYTEST_PLUGINS": "tests.own_locks",
            "COLUMNS": "200",
        }

    def command(self, *arguments: str, hostile: bool = False) -> list[str]:
        """The command line."""
        plugin = ("-p", "tests.last_words", "--backend-file=tests/hostile_backends.py") if hostile else ()
        common = (*OURS_ALONE, "-p", "no:cacheprovider", "--runs", str(self.runs), "--store", str(self.store))
        common += ("--budget=none",)  # a slow machine is no reason to test less
        if not any(word.startswith(("--reference", "--confirm-by")) for word in arguments):
            common += ("--confirm-by=launches",)  # what is under work is always other code than what was accepted
        common += () if self.limit else ("--no-limit",)
        common += () if self.report else NO_REPORT
        return [sys.executable, "-m", "pytest", *plugin, *common, *arguments]

    def start(self, *arguments: str, hostile: bool = False, **variables: str) -> subprocess.Popen[str]:
        """Starts it and does not wait."""
        return self.start_as(self.command(*arguments, hostile=hostile), **variables)

    def start_as(self, command: Sequence[str], *, cwd: Path = REPOSITORY, **variables: str) -> subprocess.Popen[str]:
        """Starts a command line that leads to the suite's, in the suite's environment."""
        return subprocess.Popen(
            command,
            cwd=cwd,
            env={**self.environment, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def end(self, process: subprocess.Popen[str], time_out_s: float = 180) -> Ended:
        """Waits for its end."""
        try:
            text, _ = process.communicate(timeout=time_out_s)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return Ended(code=process.returncode, text=text, runs=self.runs)

    def __call__(self, *arguments: str, hostile: bool = False, **variables: str) -> Ended:
        """Starts it and waits for its end."""
        return self.end(self.start(*arguments, hostile=hostile, **variables))


def instances_of(pid: int) -> list[int]:
    """The living workers that were started by a process, from /proc."""
    return [child for child, parent in parents() if parent == pid and is_instance(child)]


def orphans(runs: Path) -> list[int]:
    """Living workers, stopped ones too, whose output goes below a folder of runs, whoever their parent is by now."""
    return [pid for pid, _ in parents() if is_instance(pid) and str(runs) in stderr_of(pid)]


def parents() -> Iterator[tuple[int, int]]:
    """(process, parent) of every process that is not a zombie."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            except (OSError, ValueError):
                continue
            if state not in "ZX":
                yield int(folder.name), int(parent)


def is_instance(pid: int) -> bool:
    """Whether a process is one of this suite's workers."""
    try:
        return b"fixtures.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def stderr_of(pid: int) -> str:
    """Where a process's stderr goes."""
    try:
        return str(Path(f"/proc/{pid}/fd/2").readlink())
    except OSError:
        return ""


def environments(session: subprocess.Popen[str]) -> dict[str, list[dict[str, str]]]:
    """Until a session ends: the environment of every process that it starts, by `-m` module and the name of its stderr."""
    seen: dict[int, tuple[str, dict[str, str]]] = {}
    while session.poll() is None:
        for pid in {child for child, parent in parents() if parent == session.pid} - seen.keys():
            try:
                words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")  # before it is exec'd, those of the session
                given = Path(f"/proc/{pid}/environ").read_text().rstrip("\0").split("\0")
            except OSError:
                continue
            module = words[words.index("-m") + 1] if "-m" in words else ""
            if module.startswith("fixtures.") and given != [""]:
                label = f"{module} {Path(stderr_of(pid)).name.partition('.')[0]}"
                seen[pid] = (label, dict(pair.split("=", 1) for pair in given))
        time.sleep(0.01)
    found: dict[str, list[dict[str, str]]] = {}
    for label, environment in seen.values():
        found.setdefault(label, []).append(environment)
    return found


def cpu_time_s(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_until(condition: Callable[[], Any], what: str, time_out_s: float = 90) -> Any:
    """Waits for a condition to become true and returns what it returned."""
    deadline = time.monotonic() + time_out_s
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError(f"waited {time_out_s:g} s in vain for {what}")


def interrupt(process: subprocess.Popen[str]) -> None:
    """What a terminal does on Ctrl-C: SIGINT to the foreground process group."""
    os.killpg(process.pid, signal.SIGINT)


def python_m(module: str, *arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Runs `python -m MODULE` in the repository."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=REPOSITORY,
        env=dict(environment) if environment is not None else None,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
