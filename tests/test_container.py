"""As in a container: another user, no HOME, no entry in passwd, a read-only checkout of somebody else's, one CPU's quota."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from baselines.accepting.refusals import unstable_because
from baselines.files.reading_benchmarks import result_of
from fixtures.model.prepared import PreparedModel
from tests.builders import Checkout
from tests.suite import OUT_OF_THE_BOX, REPOSITORY, Suite
from tests.test_quota import LONG_ENOUGH, cgroup_with

USER = 54321
AS_USER = ("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups")
WHO_READS = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
"""For where interpreter or packages are below somebody's closed folder (pyenv in /root): he may read, and nothing else."""
NOBODY_TRUSTS = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
SETTING_UP = (
    'mount --bind "$CHECKOUT" "$CHECKOUT" && mount -o remount,ro,bind "$CHECKOUT" && '
    'echo $$ > "$GROUP/cgroup.procs" && cd "$CHECKOUT" && exec "$@"'
)


@pytest.fixture
def group() -> Iterator[Path]:
    """One CPU's worth of time."""
    yield from cgroup_with(quota_us=100_000)


@pytest.fixture
def as_user() -> tuple[str, ...]:
    """What starts a command as another user, who can read what this one can."""
    if os.geteuid():
        pytest.skip("only root can start something as another user")
    same = f"import sys, pytest, fixtures; sys.exit(sys.prefix != {sys.prefix!r})"
    for way in (AS_USER, (*AS_USER, *WHO_READS)):
        if works([*way, sys.executable, "-c", same]):
            return way
    pytest.skip(f"cannot be run here: {shlex.join([*AS_USER, *WHO_READS, sys.executable])}")


def works(command: list[str]) -> bool:
    """Whether a command ends well, in the checkout."""
    if not shutil.which(command[0]):
        return False
    return not subprocess.run(command, check=False, capture_output=True, cwd=REPOSITORY).returncode


@pytest.fixture
def container(cache_home: Path, bert_tiny: PreparedModel) -> Iterator[Suite]:
    """The suite in folders that anybody may write; pytest's own are for its user alone."""
    if not works(["unshare", "--mount", "true"]):
        pytest.skip("cannot be run here: unshare --mount")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        folder = Path(name)
        shutil.copytree(cache_home, folder / "cache")
        for path in (folder, *folder.rglob("*")):
            os.chown(path, USER, USER)
        suite = Suite(folder, folder / "cache")
        suite.environment |= {
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_SYSTEM": "/dev/null",
            "CHECKOUT": str(REPOSITORY),
        }
        suite.environment.pop("HOME", None)
        yield suite


def test_frameworks_leave_nothing_at_home(suite: Suite, tmp_path: Path) -> None:
    """Ids and settings go into a home of the suite's own; real frameworks, because each has another habit."""
    home = tmp_path / "home"
    home.mkdir()
    backends = "--backends=onnxruntime,openvino,tensorflow_xla"
    ended = suite(OUT_OF_THE_BOX, "--preset=quick", backends, "--benchmark-disable", HOME=str(home))
    assert ended.code == 0, ended.text
    assert sorted(home.rglob("*")) == []


def test_another_user(as_user: tuple[str, ...], tmp_path: Path) -> None:
    """He has another id, no groups, and writes nothing of ours, whatever he may read."""
    ours = tmp_path / "ours"
    ours.write_text("as it was")
    ours.chmod(0o600)
    code = f"import os; print(os.getuid(), os.getgid(), os.getgroups()); open({str(ours)!r}, 'w')"
    ended = subprocess.run([*as_user, sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.stdout == f"{USER} {USER} []\n"
    assert "PermissionError" in ended.stderr
    assert ours.read_text() == "as it was"


@pytest.mark.every_cpu
def test_a_container(
    container: Suite, group: Path, as_user: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Measured, with a notice of all that is not fine; accept refuses it for its commit and for the quota."""
    asked = ("--benchmark-only", "--preset=quick", "--backends=onnxruntime", LONG_ENOUGH)
    command = ["unshare", "--mount", "sh", "-c", SETTING_UP, "sh", *as_user, *container.command(OUT_OF_THE_BOX, *asked)]
    ended = container.end(container.start_as(command, GROUP=str(group)))
    assert ended.code == 0, ended.text
    header = ended.text.partition("collected")[0]
    assert "CPU QUOTA: 1 CPUs" in header
    assert "COMMIT UNKNOWN: the checkout is another user's" in header
    (benchmark,) = ended.benchmarks.values()
    assert benchmark["stats"]["median"] > 0
    if len(os.sched_getaffinity(0)) > 1:  # out of the box two threads share the time of one CPU
        assert str(unstable_because(result_of(benchmark))).startswith("a CPU quota stopped it in ")
        (run,) = container.runs.iterdir()
        refused = Checkout(tmp_path / "checkout", capsys).accept(run)
        assert refused.code == 2
        assert "it is not known which commit was measured (the checkout is another user's" in refused.err
        assert "a CPU quota stopped it in " in refused.err
    assert ended.run["commit_info"]["id"] == "unknown"
