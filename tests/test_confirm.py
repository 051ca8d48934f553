"""`baselines confirm`: which suspects a duet clears, which stay red, and that every later word abides by it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from baselines.commands.confirm import confirm
from baselines.confirming import duet_run
from baselines.confirming.findings import why_not_cleared
from baselines.confirming.suspects import Suspect, installed_differs
from baselines.files.checkout import code_changed
from baselines.files.reading_runs import read_run
from baselines.files.run import Run
from baselines.files.run_folder import RunFileError
from baselines.files.store import MACHINES
from baselines.judging.judgement import Against, Judgement, Verdict
from tests.builders import MACHINE, ONE, THREE, TWO, Checkout, benchmark, git, run_folder

SAME = {"reference": {"versions": {"torch": "2.13.0"}}}
CLEARED = {"verdict": "passed", "ratio": 1.001, "interval": [0.99, 1.012], **SAME}
SLOWER = {"verdict": "regressed", "ratio": 1.2, "interval": [1.19, 1.21], **SAME}
UNSURE = {"verdict": "inconclusive", "ratio": 1.01, "interval": [0.97, 1.05], **SAME}


class Confirming:
    """A checkout with five accepted runs, a red run, and a duet whose findings are given."""

    def __init__(self, checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
        self.checkout = checkout
        (checkout.folder / "fixtures").mkdir()
        (checkout.folder / "fixtures" / "timing.py").write_text("1\n")
        self.commit()
        for day in range(5):
            ended = checkout.accept(self.run(ONE_S, TWO_S, day))
            assert ended.code == 0, ended.err
        self.commit()
        self.found: dict[str, Any] = {}
        self.asked: list[str] = []

        def measured(names: list[str], *_: Any, **__: Any) -> dict[str, Any]:
            self.asked = names
            return self.found

        monkeypatch.setattr(duet_run, "measured_in_a_duet", measured)

    def commit(self) -> None:
        """Commits whatever changed."""
        git(self.checkout.folder, "add", ".")
        git(self.checkout.folder, "commit", "--quiet", "--allow-empty", "--message", "next")

    def run(self, one_s: float, two_s: float, day: int, **words: Any) -> Path:
        """A run of two benchmarks, measured at the commit that is checked out."""
        commit = git(self.checkout.folder, "rev-parse", "HEAD").strip()
        return self.checkout.run(
            *(benchmark(ONE, one_s), benchmark(TWO, two_s), benchmark(THREE, TWO_S)),
            started_day=day,
            commit_info={"id": commit},
            run=words,
        )

    def __call__(self, run: Path) -> tuple[str, int]:
        """Confirms a run."""
        return confirm(run, self.checkout.store, reference="python", checkout=self.checkout.folder)


ONE_S, TWO_S = 0.01, 0.02
MEASURED_IN_A_DUET = duet_run.measured_in_a_duet
ANY_RUN = next(MACHINES.glob("*/*/*.json"))
NAME = benchmark(ONE)["fullname"]


@pytest.fixture
def confirming(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Confirming:
    """Five accepted runs whose only story is 10 and 20 ms."""
    return Confirming(Checkout(tmp_path / "checkout", capsys), monkeypatch)


def test_cleared(confirming: Confirming) -> None:
    """Packages and code are the same and the duet excludes the slowdown: green, and compare says why."""
    run = confirming.run(2 * ONE_S, TWO_S, 9)
    assert confirming.checkout.baselines("compare", run).code == 1
    confirming.found = {NAME: CLEARED}
    text, code = confirming(run)
    assert (confirming.asked, code) == ([NAME], 0)
    assert text == (
        f"cleared    {NAME}: a duet with the accepted run's environment, same code, same CPUs: "
        "+0.1 % [-1.0 %, +1.2 %]: the machine changed"
    )
    compared = confirming.checkout.baselines("compare", run)
    assert compared.code == 0
    assert "cleared: a duet with the accepted run's environment" in compared.out


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (SLOWER, "the duet finds it slower than the accepted run's environment as well: +20.0 % [+19.0 %, +21.0 %]"),
        (UNSURE, "the duet cannot exclude 3.0%: +1.0 % [-3.0 %, +5.0 %]"),
        ({"verdict": "inconclusive", "ratio": None, "interval": None}, "the duet has too few launch pairs"),
        (None, "the duet could not measure it"),
        (
            {**CLEARED, "reference": {"versions": {"torch": "2.14.0"}}},
            "the reference has torch 2.14.0, and the accepted run had torch 2.13.0: compare with it: --reference accepted",
        ),
    ],
)
def test_stays_red(confirming: Confirming, said: dict[str, Any] | None, reason: str) -> None:
    """Whatever the duet did not exclude, with its numbers."""
    run = confirming.run(2 * ONE_S, TWO_S, 9)
    confirming.found = {} if said is None else {NAME: said}
    text, code = confirming(run)
    assert (text, code) == (f"stays red  {NAME}: {reason}", 1)
    compared = confirming.checkout.baselines("compare", run)
    assert compared.code == 1
    assert reason.partition(":")[0] in compared.out


def test_changed_code_is_not_cleared(confirming: Confirming) -> None:
    """Both sides of a duet run the code of this checkout, so that it cannot speak for it; other files do not matter."""
    (confirming.checkout.folder / "README.md").write_text("words\n")
    confirming.commit()
    confirming.found = {NAME: CLEARED}
    assert confirming(confirming.run(2 * ONE_S, TWO_S, 9))[1] == 0
    (confirming.checkout.folder / "fixtures" / "timing.py").write_text("2\n")
    confirming.commit()
    text, code = confirming(confirming.run(2 * ONE_S, TWO_S, 10))
    assert code == 1
    assert "the packages are not the cause (+0.1 % [-1.0 %, +1.2 %]), but the code changed since" in text
    suspect, *sentinels = text.splitlines()
    assert suspect.endswith("fixtures/timing.py")
    assert all(line.startswith("undecided") for line in sentinels)


def test_creep_is_not_cleared() -> None:
    """The anchor is older than the newest accepted environment, which may have become slower with it."""
    crept = Judgement(verdict=Verdict.REGRESSED, reason="", against=Against.ANCHOR, allowance=0.05)
    run = read_run(ANY_RUN)
    suspect = Suspect(judgement=crept, run=run, result=run.results[0])
    said = {**CLEARED, "reference": {"versions": dict(run.results[0].versions)}}
    why = why_not_cleared(said, suspect, None)
    assert why is not None
    assert why.startswith("it crept away from its anchor")


def test_what_no_duet_can_take_away(confirming: Confirming) -> None:
    """A failed test, a missing benchmark, a run that was cut off: red, whatever is cleared."""
    failed = {TWO.join(("benchmarks/x.py::", "")): {"outcome": "failed", "reason": "a thread left its CPUs"}}
    run = confirming.run(2 * ONE_S, TWO_S, 9, partial=True, not_passed=failed)
    confirming.found = {NAME: CLEARED}
    text, code = confirming(run)
    assert code == 1
    assert "cleared  " in text
    assert "a thread left its CPUs" in text
    assert "stays red  the run was cut off before its end" in text


def test_a_suite_that_is_slower_as_a_whole(confirming: Confirming) -> None:
    """Every backend is heard: cleared where all of them are, red where one is not."""
    commit = git(confirming.checkout.folder, "rev-parse", "HEAD").strip()
    slower = [benchmark(name, 1.04 * seconds) for name, seconds in ((ONE, ONE_S), (TWO, TWO_S), (THREE, TWO_S))]
    run = confirming.checkout.run(*slower, started_day=9, commit_info={"id": commit})
    assert confirming.checkout.baselines("compare", run).code == 1
    names = [one["fullname"] for one in slower]
    confirming.found = dict.fromkeys(names, CLEARED)
    text, code = confirming(run)
    assert sorted(confirming.asked) == sorted(names)
    assert code == 0, text
    assert "cleared    the suite as a whole: 3 benchmarks in a duet, of every backend" in text
    assert confirming.checkout.baselines("compare", run).code == 0
    confirming.found[names[1]] = UNSURE
    text, code = confirming(run)
    assert code == 1
    assert "stays red  the suite as a whole: not cleared with it: test_out_of_the_box[pytorch" in text
    assert confirming.checkout.baselines("compare", run).code == 1


def test_sentinels_are_asked_where_something_changed(confirming: Confirming) -> None:
    """Nothing is suspect; the quickest benchmark of each backend and format is red where the duet calls it slower."""
    (confirming.checkout.folder / "fixtures" / "timing.py").write_text("2\n")
    confirming.commit()
    run = confirming.run(ONE_S, TWO_S, 9)
    confirming.found = {NAME: UNSURE}
    text, code = confirming(run)
    backends = ["onnxruntime", "pytorch", "tensorflow"]
    assert [name.partition("[")[2].partition("-")[0] for name in confirming.asked] == backends
    assert (code, len(text.splitlines())) == (0, 3)
    assert f"undecided  {NAME}: the duet cannot exclude 3.0%" in text
    confirming.found = {NAME: SLOWER}
    text, code = confirming(run)
    assert code == 1
    assert f"stays red  {NAME}: the duet finds it slower" in text
    compared = confirming.checkout.baselines("compare", run)
    assert compared.code == 1
    assert "the duet finds it slower than the accepted run's environment as well" in compared.out


def test_what_is_installed_has_files_too(tmp_path: Path) -> None:
    """An edited file of the same versions is a change, as another interpreter is; what a run does not say is none."""

    def run(name: str, python: str = "3.11.7", **words: object) -> Run:
        soft = {"machine_id": MACHINE, "hard": {}, "soft": {"python": python}}
        folder = run_folder(tmp_path / name, environment={"packages": {}, **words}, machine_info=soft)
        return read_run(folder / "run.json")

    before = run("before", altered={})
    assert not installed_differs(before, run("same", altered={}))
    assert installed_differs(before, run("edited", altered={"torch/nn.py": "17"}))
    assert not installed_differs(before, run("old"))
    assert installed_differs(before, run("other", "3.12.1", altered={}))


def test_nothing_to_confirm(confirming: Confirming) -> None:
    """A green run asks for no duet."""
    text, code = confirming(confirming.run(ONE_S, TWO_S, 9))
    assert code == 0
    assert "nothing to confirm" in text
    assert confirming.asked == []


def test_code_that_git_cannot_compare_is_no_silence(confirming: Confirming) -> None:
    """As in a shallow checkout: nothing is suspect, and it says that nobody knows whether the code changed."""
    run = confirming.run(ONE_S, TWO_S, 9)
    content = json.loads((run / "run.json").read_text())
    content["commit_info"]["id"] = "0" * 40
    (run / "run.json").write_text(json.dumps(content))
    text, code = confirming(run)
    assert (code, confirming.asked) == (0, [])
    assert "whether its code changed cannot be told: git cannot compare their code" in text
    assert "git fetch --unshallow" in text


def test_a_failure_that_no_benchmark_explains(confirming: Confirming) -> None:
    """An internal error of pytest, or a red exit code without a red benchmark, is not talked away."""
    text, code = confirming(confirming.run(ONE_S, TWO_S, 9, exit_status=1))
    assert (code, confirming.asked) == (1, [])
    assert "stays red  pytest ended with exit code 1, and no benchmark says why" in text
    confirming.found = {NAME: CLEARED}
    text, code = confirming(confirming.run(2 * ONE_S, TWO_S, 10, exit_status=3))
    assert code == 1
    assert "stays red  pytest ended with exit code 3" in text
    assert confirming(confirming.run(2 * ONE_S, TWO_S, 11, exit_status=1))[1] == 0


def test_a_confirmation_is_of_one_run(confirming: Confirming) -> None:
    """Copied beside another run, or damaged, it clears nothing: exit 2 with its path."""
    run = confirming.run(2 * ONE_S, TWO_S, 9)
    confirming.found = {NAME: CLEARED}
    confirming(run)
    other = confirming.run(2 * ONE_S, TWO_S, 10)
    text = (run / "confirmation.json").read_text()
    for damaged, said in ((text, "not about this run"), ("{}", "not what"), ('{"schema": 1, "run": [', "not what")):
        (other / "confirmation.json").write_text(damaged)
        ended = confirming.checkout.baselines("compare", other)
        assert ended.code == 2
        assert said in ended.err
        assert "confirmation.json" in ended.err


def test_a_duet_without_a_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checkout_run: Any) -> None:
    """Its exit code is said; nothing is cleared."""
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 4))
    with pytest.raises(RunFileError, match="the duet ended with exit code 4 and left no result"):
        MEASURED_IN_A_DUET([NAME], checkout_run, reference="/no/python", extra=(), checkout=tmp_path)


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ((), ["--launches", "16", "--most-launches", "16"]),
        (("--batch-sizes", "3"), ["--launches", "16", "--most-launches", "16", "--batch-sizes", "3"]),
        (("--launches=32",), ["--launches=32"]),
    ],
    ids=["alone", "with others", "as asked"],
)
def test_launch_pairs_of_a_confirmation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, checkout_run: Any, extra: tuple[str, ...], said: list[str]
) -> None:
    """Sixteen and one look, unless the options for the duet's pytest say how many; with the card of the suspect."""
    commands: list[list[str]] = []

    def run(command: list[str], **_: Any) -> Any:
        commands.append(command)
        return subprocess.CompletedProcess([], 4)

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(RunFileError):
        MEASURED_IN_A_DUET([NAME], checkout_run, reference="/no/python", extra=extra, checkout=tmp_path)
    launches = [word for word in commands[0] if "launches" in word]
    assert launches == [word for word in said if "launches" in word]
    assert commands[0][-len(extra) :] == list(extra) or not extra
    assert [word for word in commands[0] if "backend-file" in word] == ["--backend-file=/their own/serving.py"]


def test_what_was_let_through_is_let_through_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, confirming: Confirming
) -> None:
    """A run with --pass-env is confirmed with it; where the variable has another value here, that is refused."""
    commands: list[list[str]] = []

    def run(command: list[str], **_: Any) -> Any:
        commands.append(command)
        return subprocess.CompletedProcess([], 4)

    passed = benchmark(ONE, configuration={"passed_env": {"MKL_CBWR": "AVX2"}})
    red = read_run(confirming.checkout.run(passed, started_day=9) / "run.json")
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setenv("MKL_CBWR", "SSE4_2")
    with pytest.raises(RunFileError, match=r"it was measured with MKL_CBWR=AVX2, .* export MKL_CBWR=AVX2"):
        MEASURED_IN_A_DUET([NAME], red, reference="/no/python", extra=(), checkout=tmp_path)
    assert commands == []
    monkeypatch.setenv("MKL_CBWR", "AVX2")
    with pytest.raises(RunFileError, match="left no result"):
        MEASURED_IN_A_DUET([NAME], red, reference="/no/python", extra=(), checkout=tmp_path)
    (command,) = commands
    assert "--pass-env=MKL_CBWR" in command


@pytest.fixture
def checkout_run(confirming: Confirming) -> Any:
    """A run as it is read, with two cards from outside the checkout."""
    cards = {"onnxruntime": {"file": "/their own/serving.py"}, "pytorch": {"file": "/another.py"}}
    return read_run(confirming.run(ONE_S, TWO_S, 9, backends=cards) / "run.json")


def test_commits_that_git_does_not_know(confirming: Confirming) -> None:
    """As in a shallow checkout: nothing is cleared, and the way out is said."""
    said = code_changed(confirming.checkout.folder, "0" * 40, "HEAD")
    assert said is not None
    assert "git fetch --unshallow" in said
    assert code_changed(confirming.checkout.folder, None, "HEAD") == "it is not known which commits measured them"
