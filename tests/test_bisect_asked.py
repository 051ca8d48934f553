"""What a bisection is asked: which benchmark, since when, which commits; and refusals that say what to type."""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
from pathlib import Path
from unittest.mock import Mock

import pytest

from baselines.bisecting.asked import code_before, not_as_measured, subject_of
from baselines.bisecting.culprit import Outcome
from baselines.bisecting.measuring import Session
from baselines.commands import bisect
from baselines.comparing.bisection_file import FILE_NAME, read_answers, write_answer
from baselines.files.reading_runs import read_run
from baselines.files.run_folder import RunFileError
from baselines.files.store import MACHINES
from baselines.report.culprits import culprit_notices
from baselines.requesting.commits import code_now, commits_between
from baselines.requesting.commits import subject_of as said_by
from baselines.requesting.today import installed
from tests.builders import git

ANY_RUN = next(MACHINES.glob("*/*/*.json"))
"""An accepted run of the checkout."""


def committed(folder: Path, path: str, text: str) -> str:
    """A commit that changes one file."""
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-m", f"Changes {path}")
    return git(folder, "rev-parse", "HEAD").strip()


def test_commits_are_those_that_change_what_a_worker_runs(tmp_path: Path) -> None:
    """Others are not looked at; what is not committed is the last step."""
    git(tmp_path, "init", "-q")
    older = committed(tmp_path, "fixtures/worker/rounds.py", "1")
    committed(tmp_path, "notes/page.txt", "1")
    assert commits_between(tmp_path, older) == []
    card = committed(tmp_path, "fixtures/backends/card.py", "1")
    worker = committed(tmp_path, "fixtures/worker/rounds.py", "2")
    assert commits_between(tmp_path, older) == [card, worker]
    before = code_now(tmp_path)
    (tmp_path / "fixtures/worker/rounds.py").write_text("3")
    assert commits_between(tmp_path, older) == [card, worker, ""]
    assert code_now(tmp_path) != before, "a search of other code is another search"
    assert said_by(tmp_path, card).endswith("Changes fixtures/backends/card.py")
    with pytest.raises(RunFileError, match="git diff: "):
        commits_between(tmp_path, "0" * 40)


def test_a_search_since_a_release_needs_no_accepted_run(tmp_path: Path) -> None:
    """Today's packages, with one of them as it was named."""
    name = read_run(ANY_RUN).results[0].fullname
    run, found, before = subject_of(ANY_RUN, name.rpartition("::")[2], tmp_path, since=["numpy==1.0"], checkout=tmp_path)
    assert (run.path, found) == (ANY_RUN, name)
    assert before.packages == {**installed(), "numpy": "1.0"}
    assert before.since == {"numpy": "1.0"}
    assert before.commit is None


def test_an_accepted_commit_that_git_does_not_have_ends_nothing(tmp_path: Path) -> None:
    """Packages are searched all the same; what is to be done about the code is said."""
    run = read_run(ANY_RUN)
    git(tmp_path, "init", "-q")
    committed(tmp_path, "fixtures/worker/rounds.py", "1")
    commit, commits, unseen = code_before(dataclasses.replace(run, commit="0" * 40, commit_error=None), tmp_path)
    assert (commit, commits) == (None, [])
    assert "git diff: " in unseen
    assert unseen.endswith("git fetch --unshallow")
    *_, unseen = code_before(dataclasses.replace(run, commit=None, commit_error="git is not installed"), tmp_path)
    assert "git is not installed" in unseen


@pytest.mark.parametrize(
    ("name", "since", "said"),
    [
        ("nobody", "numpy==1.0", "'nobody' is none of its benchmarks"),
        (None, "numpy", "not a package and its version before, such as transformers==5.12.1"),
        (None, "nobody-has-this==1", "nobody-has-this is not installed here"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(tmp_path: Path, name: str | None, since: str, said: str) -> None:
    """What, and what it could be."""
    name = name or read_run(ANY_RUN).results[0].fullname
    with pytest.raises(RunFileError, match=said):
        subject_of(ANY_RUN, name, tmp_path, since=[since], checkout=tmp_path)


def asked_of(run: Path, *words: str) -> argparse.Namespace:
    """The words of `python -m baselines bisect`."""
    parser = argparse.ArgumentParser()
    bisect.declare(parser)
    name = read_run(run).results[0].fullname
    return parser.parse_args([str(run), "--benchmark", name, "--since", "numpy==1.0", *words])


def test_a_file_that_is_in_no_folder_of_a_run_is_refused(tmp_path: Path) -> None:
    """An accepted run lies among others: neither a log nor an answer is put there."""
    path = tmp_path / "accepted.json"
    path.write_text(ANY_RUN.read_text())
    with pytest.raises(RunFileError, match="it is in no folder of a run, and a log is kept beside one"):
        bisect.run(asked_of(path))
    assert [one.name for one in tmp_path.iterdir()] == ["accepted.json"]


def test_an_answer_that_cannot_be_kept_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It took hours: another file in its place keeps it from nobody, and the exit code is 2."""
    path = tmp_path / "run.json"
    path.write_text(ANY_RUN.read_text())
    (tmp_path / FILE_NAME).write_text("[]")
    outcome = Outcome(culprits=(), whole=None, whole_launches=0, undecided=(), notes=("a note",))
    monkeypatch.setattr("baselines.bisecting.measuring.Session", Mock())
    monkeypatch.setattr("baselines.bisecting.culprit.find", lambda *_: outcome)
    text, code = bisect.run(asked_of(path))
    assert code == 2
    assert "nothing to find\n  a note" in text
    assert "the answer is not kept: " in text
    assert (tmp_path / FILE_NAME).read_text() == "[]"


def test_an_answer_says_where_today_is_not_what_was_measured() -> None:
    """The run's packages are others than those that are installed here, and so may its Python be."""
    run = read_run(ANY_RUN)
    now = dataclasses.replace(run, packages=installed(), machine_soft={"python": platform.python_version()})
    assert not_as_measured(now) == []
    then = dataclasses.replace(now, packages={**installed(), "numpy": "1.0"}, machine_soft={"python": "3.2.1"})
    (line,) = not_as_measured(then)
    assert "numpy 1.0 -> " in line
    assert "python 3.2.1 -> " in line


def test_a_commit_of_other_files_is_the_same_search(tmp_path: Path) -> None:
    """What counts is what a worker runs, committed or not."""
    git(tmp_path, "init", "--quiet")
    committed(tmp_path, "fixtures/worker/a.py", "1")
    before = code_now(tmp_path)
    committed(tmp_path, "README.md", "words")
    assert code_now(tmp_path) == before
    (tmp_path / "fixtures/worker/a.py").write_text("2")
    changed = code_now(tmp_path)
    committed(tmp_path, "fixtures/worker/a.py", "2")
    assert len({before, changed, code_now(tmp_path)}) == 3


def test_a_variable_that_is_another_here_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is started: what is measured would not be what was."""
    run = read_run(ANY_RUN)
    one = dataclasses.replace(
        run.results[0], configuration={**run.results[0].configuration, "passed_env": {"OF_A_TEST": "a b"}}
    )
    monkeypatch.setenv("OF_A_TEST", "c")
    with pytest.raises(RunFileError, match="here OF_A_TEST is another: export OF_A_TEST='a b'"):
        Session(dataclasses.replace(run, results=[one]), one.fullname, tmp_path / "session", [], tmp_path)
    assert not (tmp_path / "session").exists()


def test_an_answer_is_kept_beside_the_run_and_told_by_its_report(tmp_path: Path) -> None:
    """Answers of two benchmarks, each in a line; those of another run are refused."""
    path = tmp_path / "run.json"
    path.write_text(ANY_RUN.read_text())
    run = read_run(path)
    assert culprit_notices(run) == []
    write_answer(run, "a.py::one[x]", {"lines": ["small 1.2 -> 1.3: +3.0 %", "spent: 30 launch pairs"]})
    write_answer(run, "a.py::two[x]", {"lines": ["nothing to find"]})
    assert read_answers(run)["a.py::two[x]"] == ["nothing to find"]
    assert culprit_notices(run)[0] == "what made one[x] slower: small 1.2 -> 1.3: +3.0 %; spent: 30 launch pairs"
    content = json.loads((tmp_path / FILE_NAME).read_text())
    (tmp_path / FILE_NAME).write_text(json.dumps({**content, "run": "another"}))
    with pytest.raises(RunFileError, match="it is not about this run; remove it"):
        read_answers(run)
    (tmp_path / FILE_NAME).write_text("[]")
    with pytest.raises(RunFileError, match="not what `python -m baselines bisect` writes"):
        read_answers(run)
