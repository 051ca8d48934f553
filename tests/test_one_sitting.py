"""Accepted runs of one sitting: they screen and convict nobody, everything says so, and a duet decides."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from baselines.commands.confirm import confirm
from baselines.comparing.comparison import compare
from baselines.confirming import duet_run
from baselines.files.past import pasts
from baselines.files.store import accepted_runs
from baselines.judging.history import History
from baselines.judging.judgement import Evidence, Verdict
from baselines.judging.policy import Policy
from baselines.judging.sittings import DAY_S, one_sitting
from baselines.judging.spread import spreads_of
from baselines.judging.stored import judge_launches, judge_run
from baselines.judging.suite import suite_shift
from fixtures.gate.stored_verdicts import StoredVerdicts
from tests.builders import MACHINE, ONE, THREE, TWO, Checkout, benchmark

POLICY = Policy()
MINUTES = 1 / 24 / 60
"""Of a day."""
SITTING = [number * 2 * MINUTES for number in range(5)]
NIGHTS = [0, 1, 2, 3, 4]
WOBBLE = (0.0, 0.004, -0.004, 0.002, -0.002)
NAME = benchmark(ONE)["fullname"]
INSTEAD = "or compare side by side: pytest ... --reference accepted"


def histories(days: Sequence[float], names: Sequence[str] = ("a", "b", "c")) -> dict[str, History]:
    """Five quiet accepted runs of each benchmark, begun on these days."""
    runs = tuple((value,) for value in WOBBLE)
    return {name: History(runs=runs, moments=tuple(DAY_S * day for day in days)) for name in names}


@pytest.mark.parametrize(
    ("days", "said"),
    [
        ((), None),
        ((0.5, 1.5, 2.5), None),
        ((0.9, 1.1, 2.9), None),
        ((0.5,), "there is one accepted run: it knows one mood of this machine."),
        (SITTING, "the 5 accepted runs were measured within 8 minutes of one another: they know one mood of this machine."),
        ((0.999, 1.001), "the 2 accepted runs were measured within 3 minutes of one another"),
        ((0.1, 0.2, 0.35), "the 3 accepted runs were measured within 6 hours of one another"),
        ((0.5, 0.501, 1.5), "the 3 accepted runs are of 2 different days: they know too few moods of this machine."),
    ],
)
def test_when_runs_were_measured(days: Sequence[float], said: str | None) -> None:
    """Three different days are enough; what is less is named as it is, and both ways on as well."""
    why = one_sitting([DAY_S * day for day in days], POLICY)
    assert why == said if said is None else why is not None and why.startswith(said)
    assert why is None or why.endswith(f"Accept runs of 3 different days, {INSTEAD}")


@pytest.mark.parametrize("days", [SITTING, NIGHTS], ids=["one sitting", "five nights"])
def test_neither_slower_nor_faster(days: Sequence[float]) -> None:
    """What five nights call regressed and improved, a sitting does not; its numbers are the same."""
    nights = days is NIGHTS
    measured = {"a": (0.4,), "b": (-0.4,), "c": (0.0,)}
    said = judge_run(measured, histories(days), POLICY)
    verdicts = {name: one.verdict for name, one in said.items()}
    assert verdicts["a"] is (Verdict.REGRESSED if nights else Verdict.INCONCLUSIVE)
    assert (verdicts["b"] is Verdict.IMPROVED) == nights
    assert verdicts["c"] is Verdict.PASSED
    assert said["a"].withheld is not nights
    assert said["a"].p_value == judge_run(measured, histories(NIGHTS), POLICY)["a"].p_value
    assert ("within 8 minutes of one another" in said["a"].reason) is not nights


def test_fresh_launches_convict_nobody_either() -> None:
    """They share the session that may have another mood; a benchmark with a new level has the days of the others."""
    known = histories(SITTING)
    spreads = spreads_of(known, POLICY)
    words: dict[str, Any] = {"policy": POLICY, "evidence": Evidence.CONFIRMED, "comparisons": 3}
    said = judge_launches([0.4, 0.41], known["a"], spreads["a"], **words)
    assert (said.verdict, said.withheld) == (Verdict.INCONCLUSIVE, True)
    beside = {**histories(NIGHTS), "new level": History(runs=((0.0,),), moments=(4.0 * DAY_S,))}
    said = judge_launches([0.4, 0.41], beside["new level"], spreads_of(beside, POLICY)["new level"], **words)
    assert (said.verdict, said.withheld) == (Verdict.REGRESSED, False)


def test_the_suite_is_not_called_slower() -> None:
    """A mood moves all benchmarks."""
    measured = dict.fromkeys("abc", (0.2,))
    assert suite_shift(measured, histories(NIGHTS), POLICY).verdict is Verdict.REGRESSED
    shift = suite_shift(measured, histories(SITTING), POLICY)
    assert shift.verdict is Verdict.INCONCLUSIVE
    assert "they know one mood of this machine" in shift.reason


class Sitting:
    """A checkout with a baseline, and a run to judge on a later day."""

    def __init__(self, checkout: Checkout, days: Sequence[float]) -> None:
        self.checkout = checkout
        for number, day in enumerate(days):
            factor = 1 + WOBBLE[number]
            names = (ONE, TWO, THREE)
            run = checkout.run(
                *(benchmark(one, 0.01 * factor) for one in names),
                started_day=day,
                commit_info={"id": f"{number}a2b3c4d5e6f7"},
            )
            self.accepted = checkout.accept(run)
            assert self.accepted.code == 0, self.accepted.err

    def run(self, *seconds: float, commit: str = "f", **changes: Any) -> Path:
        """ONE, TWO and THREE as slow as this, nine days later; by default of the newest accepted run's commit."""
        commit_info = {"id": "4a2b3c4d5e6f7" if commit == "f" else commit}
        made = [benchmark(name, value) for name, value in zip((ONE, TWO, THREE), seconds, strict=True)]
        return self.checkout.run(*made, started_day=9, commit_info=commit_info, **changes)


@pytest.fixture
def sitting(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Sitting:
    """Five runs accepted within eight minutes."""
    return Sitting(Checkout(tmp_path / "checkout", capsys), SITTING)


@pytest.fixture
def nights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Sitting:
    """Five runs of five days."""
    return Sitting(Checkout(tmp_path / "checkout", capsys), NIGHTS)


def test_accept_says_it(sitting: Sitting) -> None:
    """A note, once, and no refusal."""
    (note,) = [line for line in sitting.accepted.out.splitlines() if line.startswith("note: ")]
    assert note.startswith(
        "note: no benchmark turns red by this baseline yet: the 5 accepted runs were measured within 8 min"
    )
    assert note.endswith(INSTEAD)


def test_accept_says_nothing_of_five_nights(nights: Sitting) -> None:
    """There is nothing to say."""
    assert "note: " not in nights.accepted.out


def test_compare_and_report_say_it(sitting: Sitting) -> None:
    """The verdict with its reason, a notice for the whole, exit code 0; named runs judge as they are named."""
    run = sitting.run(0.02, 0.01, 0.01)
    ended = sitting.checkout.baselines("compare", run)
    assert ended.code == 0
    assert "REGRESSED" not in ended.out
    assert f"INCONCLUSIVE  {ONE}" in ended.out
    assert "note: no benchmark turns red by this baseline yet: the 5 accepted runs were measured within" in ended.out
    named = sorted(sitting.checkout.store.rglob("*.json"))
    assert sitting.checkout.baselines("compare", run, *named).code == 1


def test_a_session_says_it(sitting: Sitting) -> None:
    """A suspect is re-measured all the same, because fresh launches can clear it; they cannot convict it."""
    gate = StoredVerdicts(accepted=accepted_runs(MACHINE, "bert-tiny", sitting.checkout.store), selected=[NAME])
    asked: list[int] = []

    def fresh() -> list[dict[str, Any]]:
        asked.append(1)
        return [benchmark(ONE, 0.02)]

    judgement = gate.judge(benchmark(ONE, 0.02), None, fresh)
    assert asked == [1]
    assert (judgement.verdict, judgement.withheld, judgement.evidence) == (Verdict.INCONCLUSIVE, True, Evidence.CONFIRMED)
    assert gate.near is not None
    assert gate.judge(benchmark(ONE, 0.02), None, lambda: [benchmark(ONE, 0.01)]).verdict is Verdict.PASSED
    assert len(pasts(gate.accepted)) == 3


DUET = {"reference": {"versions": {"torch": "2.13.0"}, "commit": "4a2b3c4d5e6f7"}}


@pytest.mark.parametrize(
    ("said", "word", "verdict", "code"),
    [
        ({"verdict": "regressed", "ratio": 1.9, "interval": [1.8, 2.0], **DUET}, "stays red", Verdict.REGRESSED, 1),
        ({"verdict": "passed", "ratio": 1.0, "interval": [0.99, 1.01], **DUET}, "cleared", Verdict.INCONCLUSIVE, 0),
        ({"verdict": "inconclusive", "ratio": 1.0, "interval": [0.9, 1.1], **DUET}, "undecided", Verdict.INCONCLUSIVE, 0),
    ],
)
def test_a_duet_decides(
    sitting: Sitting, monkeypatch: pytest.MonkeyPatch, said: dict[str, Any], word: str, verdict: Verdict, code: int
) -> None:
    """`confirm` takes what was withheld as a suspect: slower in the duet is red, anything else is not."""
    run = sitting.run(0.02, 0.01, 0.01)
    monkeypatch.setattr(duet_run, "measured_in_a_duet", lambda names, *_, **__: {NAME: said} if names == [NAME] else {})
    text, exit_code = confirm(run, sitting.checkout.store, reference="accepted", checkout=sitting.checkout.folder)
    assert exit_code == code
    assert text.startswith(word)
    found = {result.id: one for result, one in compare(run, [], sitting.checkout.store).judgements.values()}
    assert found[ONE].verdict is verdict
    assert said["verdict"] == "inconclusive" or "duet" in found[ONE].reason


class TestTheMachine:
    """A suite that is slower as a whole, where neither code nor packages changed."""

    SLOWER = (0.02, 0.013, 0.013)

    def test_single_reds_are_the_machine(self, nights: Sitting) -> None:
        """The suite stays red; the benchmark is inconclusive and says why."""
        comparison = compare(nights.run(*self.SLOWER), [], nights.checkout.store)
        assert comparison.shift.verdict is Verdict.REGRESSED
        assert comparison.exit_code(strict=False) == 1
        assert {one.verdict for _, one in comparison.judgements.values()} == {Verdict.INCONCLUSIVE}
        reason = next(one.reason for result, one in comparison.judgements.values() if result.id == ONE)
        assert "the other backends are slower too (+30.0 %), and the newest accepted run has the same packages" in reason
        assert "the machine, not the code" in reason

    @pytest.mark.parametrize(
        "changes",
        [
            {"commit": "0123456789ab"},
            {"environment": {"python": "3.11.7", "packages": {"torch": {"version": "2.14.0", "local": "cpu"}}}},
        ],
        ids=["another commit", "other packages"],
    )
    def test_what_else_differs_may_be_the_cause(self, nights: Sitting, changes: dict[str, Any]) -> None:
        """Then they are red as ever."""
        comparison = compare(nights.run(*self.SLOWER, **changes), [], nights.checkout.store)
        assert {one.verdict for _, one in comparison.judgements.values()} == {Verdict.REGRESSED}

    def test_one_backend_is_not_the_machine(self, nights: Sitting) -> None:
        """Where the others are as they were, what is red is red."""
        comparison = compare(nights.run(0.02, 0.01, 0.01), [], nights.checkout.store)
        assert {one.verdict for _, one in comparison.judgements.values()} == {Verdict.REGRESSED, Verdict.PASSED}
