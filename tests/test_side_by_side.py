"""The one flow of a judged run: stored numbers screen, a comparison side by side with the accepted state decides."""

from __future__ import annotations

import copy
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from baselines.comparing.comparison import compare
from baselines.files.accepted_file import Addition
from baselines.files.reading_runs import read_run
from baselines.files.store import add
from baselines.judging.judgement import Evidence, Verdict
from fixtures.asked.changed import package_changes, touched_by
from fixtures.asked.cost import Cost
from fixtures.asked.installed_files import altered_files
from fixtures.asked.plan import Candidate
from fixtures.gate.sentinels import price_s, sentinels_of
from fixtures.model.prepared import PreparedModel
from tests.builders import git
from tests.checkouts import Copy
from tests.suite import Ended, Suite
from tests.test_gate import scale

SESSION = ("--benchmark-only", "--preset=quick", "--threads=1", "--benchmark-max-time=0.05", "--confirm=1")
ONE = "onnxruntime-fp32-threads1-batch1-seq32"
CARD = "fixtures/backends/onnxruntime.py"
ONE_RUN = "            return run(None, feeds)\n"
THREE_RUNS = "            return [run(None, feeds) for _ in range(3)][0]\n"


# What is compared although nothing makes it suspect


def candidate(name: str, question: str, seconds: float, starting_s: float = 1.0) -> Candidate:
    """A benchmark that measures so long."""
    cost = Cost(measuring_s=seconds, starting_s=starting_s, known=True)
    return Candidate(name=name, question=question, backend="b", deployment=name, cost=cost, work=1.0)


def test_sentinels_are_the_quickest_of_each_question() -> None:
    """First one of every group, then one of their next question; as far as the budget goes; in whatever order they come."""
    groups = {
        ("a", "fp32"): [candidate("slow", "q1", 9.0), candidate("quick", "q1", 1.0), candidate("other", "q2", 2.0)],
        ("b", "fp32"): [candidate("dear", "q1", 5.0)],
    }
    assert sentinels_of(groups, 1e9, 10) == ["quick", "dear", "other"]
    reverse = {group: list(reversed(members)) for group, members in reversed(groups.items())}
    assert sentinels_of(reverse, 1e9, 10) == ["quick", "dear", "other"]
    assert price_s(groups["b", "fp32"][0], 10) == 10 * 2 * 6.0
    assert sentinels_of(groups, 40.0, 10) == ["quick"]
    assert sentinels_of(groups, 100.0, 10) == ["quick", "other"], "what does not fit leaves room for what does"
    assert sentinels_of(groups, 39.0, 10) == []


def test_what_a_changed_file_can_touch() -> None:
    """A card touches the backends that it is; anything else of the workers touches all."""
    all_of_them = ["onnxruntime", "pytorch"]
    assert touched_by([CARD], all_of_them) == {"onnxruntime"}
    made_of_it = ["pytorch", "torchscript", "torch_compile", "torch_compile_freezing"]
    assert touched_by(["fixtures/backends/pytorch.py"], [*made_of_it, "onnxruntime", "tensorflow"]) == set(made_of_it)
    assert touched_by(["fixtures/backends/torchscript.py"], made_of_it) == {"torchscript"}
    assert touched_by([CARD, "fixtures/backends/pytorch.py"], all_of_them) == set(all_of_them)
    assert touched_by(["fixtures/worker/rounds.py", CARD], all_of_them) == set(all_of_them)
    assert touched_by(["fixtures/backends/interface.py"], all_of_them) == set(all_of_them)


def test_only_what_a_backend_needs_counts_as_changed() -> None:
    """By whatever spelling; a package that came, went or moved, of those that it needs, then or now."""
    packages = {"numpy": "2.0", "Typing_Extensions": "4.1", "old": "1", "unused": "1"}
    accepted: Any = SimpleNamespace(packages=packages, requires={"numpy": ("typing-extensions", "old")})
    now = {"numpy": "2.1", "typing-extensions": "4.1", "unused": "2", "new": "3"}
    found = package_changes(["numpy"], accepted, now, {"numpy": ["typing-extensions", "new"]})
    assert found == ["new 3 added", "numpy 2.0 -> 2.1", "old 1 removed"]
    silent: Any = SimpleNamespace(packages={}, requires={})
    assert package_changes(["numpy"], silent, now, {}) == []


def test_files_that_pip_did_not_install_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An edited file, one that is gone, and a `.pth` that nobody installed; not what was compiled, nor what pip knows."""
    info = tmp_path / "patched-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: patched\nVersion: 1.0\n")
    names = {"patched.py": 4, "gone.py": 3, "same.py": 2, "known.pth": 1}
    rows = [f"{name},sha256=x,{size}" for name, size in names.items()]
    (info / "RECORD").write_text("\n".join([*rows, "__pycache__/patched.pyc,,", "patched-1.0.dist-info/RECORD,,"]))
    (tmp_path / "patched.py").write_text("12345")
    (tmp_path / "same.py").write_text("12")
    (tmp_path / "known.pth").write_text("1")
    monkeypatch.syspath_prepend(tmp_path)
    assert altered_files(["patched"]) == {"gone.py": "gone", "patched.py": "5"}
    (tmp_path / "sitecustomize.py").write_text("1")
    (tmp_path / "work.pth").write_text("123")
    assert altered_files(["patched"]) == {
        "gone.py": "gone",
        "patched.py": "5",
        "sitecustomize.py": "1 added",
        "work.pth": "3 added",
    }
    assert altered_files(["no-such-package"]) == {}


# Real sessions, in a checkout of their own


class Judged(Copy):
    """A checkout with accepted runs, whose sessions take four launch pairs."""

    def __init__(self, folder: Path, suite: Suite) -> None:
        super().__init__(folder, suite, *SESSION, "--backends=onnxruntime", "--confirm-by=accepted", "-p", "tests.few_pairs")
        self.store = suite.folder / "store"
        self.suite.store = self.store

    def accept(self, measured: Mapping[str, Any], *, slower: float = 1.0, commit: str | None = None) -> None:
        """Six accepted runs of a run.json, on as many days, `slower` times as slow, give or take a wobble."""
        for day in range(6):
            content = copy.deepcopy(dict(measured))
            content["datetime"] = f"2026-03-{day + 1:02}T12:00:00+00:00"
            content["commit_info"] |= {"dirty": False, "id": commit or content["commit_info"]["id"]}
            for benchmark in content["benchmarks"]:
                scale(benchmark, slower * (1 + 0.01 * (day % 3 - 1)))
            path = self.suite.folder / f"accepted-{day}.json"
            path.write_text(json.dumps(content))
            run = read_run(path)
            keys = frozenset(run.by_key)
            anchors = keys if not day else frozenset()
            one = Addition(run=run, content=content, keys=keys, anchors=anchors, accepted_as={}, whole=True)
            add([one], reason="a test", commit="c0ffee", machines=self.store)

    def again(self, *arguments: str) -> Ended:
        """A session whose run is the only one."""
        shutil.rmtree(self.suite.runs, ignore_errors=True)
        return self(*arguments)


def judgement_of(ended: Ended) -> Mapping[str, Any]:
    """The only verdict of a run."""
    (judgement,) = ended.run["run"]["verdicts"]["judgements"].values()
    words: Mapping[str, Any] = judgement
    return words


@pytest.fixture(scope="module")
def checkout(
    tmp_path_factory: pytest.TempPathFactory, cache_home: Path, bert_tiny: PreparedModel
) -> tuple[Judged, dict[str, Any]]:
    """A checkout of its own, and a first session there."""
    folder = tmp_path_factory.mktemp("judged")
    judged = Judged(folder / "copy", Suite(folder, cache_home))
    ended = judged()
    assert ended.code == 0, ended.text
    return judged, ended.run


@pytest.fixture
def judged(checkout: tuple[Judged, dict[str, Any]]) -> Judged:
    """The checkout as it was, with an empty store."""
    judged, _ = checkout
    shutil.rmtree(judged.store, ignore_errors=True)
    git(judged.root, "reset", "--quiet", "--hard", git(judged.root, "rev-list", "--max-parents=0", "HEAD").strip())
    return judged


@pytest.fixture
def first(checkout: tuple[Judged, dict[str, Any]]) -> dict[str, Any]:
    """The run.json of the first session."""
    return checkout[1]


@pytest.mark.every_cpu
def test_stored_numbers_screen_and_the_accepted_state_decides(judged: Judged, first: dict[str, Any]) -> None:
    """A slower card is red by its own numbers; on a machine that became slower the same code is cleared, as a whole too.

    Where nothing changed but the machine, fresh launches decide, and the message says so.
    """
    judged.accept(first)
    judged.edit(CARD, ONE_RUN, THREE_RUNS)
    judged.commit("a slower card")
    ended = judged.again()
    assert ended.code == 1, ended.text
    assert f"the code of workers, 1 file of it: {CARD}. What seems slower, and 1 sentinel, will be compared" in ended.text
    (line,) = {line for line in ended.text.splitlines() if line.startswith(f"REGRESSED {ONE}: +")}
    assert "(red above +" in line
    assert "4 launch pairs side by side with the accepted state, in turns on the same CPUs" in ended.text
    assert "  stored    +" in ended.text
    assert f"  changed   the code of workers, 1 file of it: {CARD}" in ended.text
    assert "--reference=accepted" in ended.text
    assert re.search(r"^onnxruntime \S+ on both sides: \+.* over 1 benchmark, slower on 1 of 1$", ended.text, re.MULTILINE)
    assert "side by side with 0006_" in ended.text
    assert ": 1 sentinel, within 10m" in ended.text
    said = judgement_of(ended)
    assert (said["verdict"], said["evidence"], said["launches"], said["runs"]) == ("regressed", "duet", 4, 6)
    assert 2 < said["ratio"] < 5
    (benchmark,) = ended.benchmarks.values()
    assert benchmark["extra_info"]["duet"]["reference"]["commit"] == git(judged.root, "rev-parse", "HEAD~1").strip()
    flow = ended.run["run"]["side_by_side"]
    assert list(flow["compared"]) == flow["sentinels"] == [benchmark["fullname"]]
    assert flow["compared"][benchmark["fullname"]]["verdict"] == "regressed"
    assert not ended.run["run"]["partial"]
    (run,) = judged.suite.runs.iterdir()
    (later,) = compare(run, [], judged.store).judgements.values()
    assert (later[1].verdict, later[1].evidence) == (Verdict.REGRESSED, Evidence.DUET), "a later comparison says the same"

    judged.edit(CARD, THREE_RUNS, ONE_RUN + "            # as before\n")
    judged.commit("as before")
    shutil.rmtree(judged.store)
    judged.accept(first, slower=0.2)  # far beyond what a neighbour makes of a launch
    ended = judged.again()
    assert ended.code == 0, ended.text
    said = judgement_of(ended)
    assert said["evidence"] == "duet"
    assert 0.8 < said["ratio"] < 1.25, "side by side, and not beside the stored numbers"
    assert re.search(r"stored runs: \+[1-9]\d", said["reason"]), said["reason"]

    judged.edit(CARD, ONE_RUN + "            # as before\n", ONE_RUN)
    judged.commit("the very same")
    ended = judged.again()
    assert ended.code == 1, ended.text
    assert judgement_of(ended)["evidence"] == "confirmed"
    assert "  changed   nothing but the machine: packages and workers' code are those of 0006" in ended.text
    assert "side_by_side" not in ended.run["run"]


@pytest.mark.every_cpu
def test_where_the_accepted_state_cannot_be_had_fresh_launches_decide(judged: Judged, first: dict[str, Any]) -> None:
    """A commit that git does not have: the run is judged as ever, and every place says why it was not side by side."""
    judged.accept(first, slower=0.2, commit="0" * 40)
    ended = judged.again()
    assert ended.code == 1, ended.text
    assert judgement_of(ended)["evidence"] == "confirmed"
    why = "is no commit, branch or tag of"
    assert f"not compared side by side: '{'0' * 40}' {why}" in ended.text
    assert why in ended.run["run"]["side_by_side"]["why_not"]
    assert "1 fresh launches against 6 accepted runs" in ended.text


@pytest.mark.every_cpu
def test_a_budget_that_is_spent_leaves_a_suspect_inconclusive(judged: Judged, first: dict[str, Any]) -> None:
    """It was not compared, and says so."""
    judged.accept(first, slower=0.2)
    judged.edit(CARD, ONE_RUN, ONE_RUN + "            # a comment\n")
    judged.commit("a comment")
    ended = judged.again("--confirm-budget=0.1")
    assert ended.code == 0, ended.text
    said = judgement_of(ended)
    assert said["verdict"] == "inconclusive"
    assert "not compared side by side: --confirm-budget 0.1 left no time for it" in said["reason"]
    assert "and 0 sentinels, will be compared" in ended.text
