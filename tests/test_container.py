"""As in a container: another user, no HOME, no entry in passwd, a read-only checkout of somebody else's, one CPU's quota."""

from __future__ import annotations

import os
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
from tests.suite import OUT_OF_THE_BOX, REPOSITORY, Suite
from tests.test_quota import LONG_ENOUGH, cgroup_with

USER = 54321
AS_USER = ("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups")
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
def container(cache_home: Path, bert_tiny: PreparedModel) -> Iterator[Suite]:
    """The suite in folders that anybody may write; pytest's own are for its user alone."""
    same = f"import sys; sys.exit(sys.prefix != {sys.prefix!r})"  # its folders may be for its owner alone
    for command in (["unshare", "--mount", "true"], [*AS_USER, sys.executable, "-c", same]):
        if not shutil.which(command[0]) or subprocess.run(command, check=False, capture_output=True).returncode:
            pytest.skip(f"cannot be run here: {' '.join(command)}")
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


@pytest.mark.every_cpu
def test_a_container(container: Suite, group: Path) -> None:
    """Measured, with a notice of all that is not fine; accept refuses it for its commit and for the quota."""
    asked = ("--benchmark-only", "--preset=quick", "--backends=onnxruntime", LONG_ENOUGH)
    command = ["unshare", "--mount", "sh", "-c", SETTING_UP, "sh", *AS_USER, *container.command(OUT_OF_THE_BOX, *asked)]
    ended = container.end(container.start_as(command, GROUP=str(group)))
    assert ended.code == 0, ended.text
    header = ended.text.partition("collected")[0]
    assert "CPU QUOTA: 1 CPUs" in header
    assert "COMMIT UNKNOWN: the checkout is another user's" in header
    (benchmark,) = ended.benchmarks.values()
    assert benchmark["stats"]["median"] > 0
    if len(os.sched_getaffinity(0)) > 1:  # out of the box two threads share the time of one CPU
        assert str(unstable_because(result_of(benchmark))).startswith("a CPU quota stopped it in ")
    assert ended.run["commit_info"]["id"] == "unknown"
