"""Which commit a run is of: that of the suite's checkout, asked once, and what is done where git cannot be asked."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from baselines.files.checkout import commit_of
from tests.builders import Checkout, git
from tests.suite import OUT_OF_THE_BOX, REPOSITORY, SHORT, Suite


@pytest.fixture
def checkout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Checkout:
    """A checkout with a store of its own."""
    return Checkout(tmp_path / "checkout", capsys)


OF_ANOTHER_USER = {
    "GIT_TEST_ASSUME_DIFFERENT_OWNER": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
}
"""With these git says what it says of a checkout that another user owns, whatever this machine trusts."""


def of_another_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in most containers."""
    for name, value in OF_ANOTHER_USER.items():
        monkeypatch.setenv(name, value)


def test_the_commit_of_a_checkout(checkout: Checkout) -> None:
    """With pytest-benchmark's keys; a run or an accepted file is no change, an edited file is one."""
    found = commit_of(checkout.store)
    assert found["id"] == git(checkout.folder, "rev-parse", "HEAD").strip()
    assert set(found) == {"id", "time", "author_time", "dirty", "project", "branch"}
    checkout.run()
    assert found["dirty"] is commit_of(checkout.store)["dirty"] is False
    tracked = checkout.folder / git(checkout.folder, "ls-files").split()[0]
    tracked.write_text("edited")
    assert commit_of(checkout.store)["dirty"] is True


def test_what_git_refuses_is_not_clean(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout of another user: unknown, neither clean nor dirty, and the line that mends it, pasted here."""
    of_another_user(monkeypatch)
    found = commit_of(checkout.store)
    assert (found["id"], found["dirty"]) == ("unknown", None)
    command = found["error"].partition("if you trust it: ")[2]
    assert command.startswith("git config --global --add safe.directory ")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(checkout.folder.parent / "gitconfig"))
    subprocess.run(command, shell=True, check=True)  # noqa: S602 - as a user pastes it
    assert commit_of(checkout.store)["id"] != "unknown"


@pytest.mark.parametrize("why", ["no git", "no checkout"])
def test_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    """Not installed, or an unpacked archive: unknown, with the reason."""
    if why == "no git":
        monkeypatch.setenv("PATH", str(tmp_path))
    found = (
        commit_of(tmp_path / "baselines" / "machines") if why == "no git" else commit_of(Path("/proc/baselines/machines"))
    )
    assert found["id"] == "unknown"
    assert found["error"].startswith("git is not installed" if why == "no git" else "git says: ")


def test_a_run_without_a_commit_is_not_accepted(checkout: Checkout) -> None:
    """With the reason that the run was given."""
    for unknown in ("unknown", "unversioned"):
        ended = checkout.accept(checkout.run(commit_info={"id": unknown, "error": "git says: no"}))
        assert ended.code == 2
        assert "it is not known which commit was measured (git says: no); mend that, then: pytest" in ended.err


def test_it_is_said_before_anything_is_measured(suite: Suite) -> None:
    """In the header, and in the file of the run."""
    ended = suite(OUT_OF_THE_BOX, *SHORT, "--backends=onnxruntime", **OF_ANOTHER_USER)
    assert ended.code == 0, ended.text
    header = ended.text.partition("collected")[0]
    assert "COMMIT UNKNOWN: the checkout is another user's" in header
    assert f"safe.directory {REPOSITORY}" in header
    assert ended.run["commit_info"]["dirty"] is None


def test_started_elsewhere(suite: Suite, tmp_path: Path) -> None:
    """In another repository: the commit is that of the suite's checkout."""
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "--quiet")
    command = suite.command(str(REPOSITORY / OUT_OF_THE_BOX), *SHORT, "--backends=onnxruntime", f"--rootdir={REPOSITORY}")
    done = subprocess.run(
        [*command, "-c", str(REPOSITORY / "pyproject.toml")],
        cwd=other,
        env={**suite.environment, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    (path,) = suite.runs.glob("*/run.json")
    assert git(REPOSITORY, "rev-parse", "HEAD").strip() in path.read_text()
