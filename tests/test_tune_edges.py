"""The search for the best deployment at its edges: limits broken late, no time, quotas, knobs that exclude each other."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from baselines.files.run_folder import RunFileError
from baselines.judging.difference import Difference
from baselines.requesting.log import Log
from baselines.requesting.session import Wrong
from baselines.tuning.answer import answer_lines
from baselines.tuning.beside import finish
from baselines.tuning.knobs import Worth, compatible
from baselines.tuning.measuring import Measuring, demand_the_same
from baselines.tuning.objective import OBJECTIVES, Limits
from baselines.tuning.search import Search
from baselines.tuning.space import Candidate, Setting, Space
from tests.test_tune import Drawn, candidate, drawn, searched, seconds, space

JEMALLOC: Setting = ("allocator", "jemalloc")
HUGE: Setting = ("huge_pages", "madvise")
RAISED: Setting = ("malloc_thresholds", "raised")
SPINNING: Setting = ("spinning", "off")


def with_a_knob(backend: str) -> Candidate:
    """A candidate with a knob that does nothing."""
    return candidate(backend, knobs=(SPINNING,))


def test_a_form_without_knobs_that_breaks_a_limit_is_not_gone_back_to() -> None:
    """Each comparison rules something out: the search ends, and without time as well."""

    class Late(Drawn):
        """What is measured by itself beside another one has a tail too long, but for what has a knob turned."""

        def pair(self, measured: Candidate, *others: Any) -> dict[str, Any]:
            said = super().pair(measured, *others)
            if said["alone"] is not None and not measured.knobs:
                said["alone"] = {**said["alone"], "p99_s": 100.0}
            return said

    plain, knob = [candidate(), candidate("onnxruntime")], with_a_knob("onnxruntime")
    for budget_s in (30.0, 300.0, 1200.0):
        machine = Late(truth=lambda one: 0.1 if one.backend == "pytorch" else 0.05, chance=random.Random(1))  # noqa: S311
        search = Search(
            space=Space(plain=plain, knobs={}, default=plain[0]),
            objective=OBJECTIVES["latency"],
            limits=Limits(p99_s=1.0),
            measurer=machine,
            began_s=0.0,
            budget_s=budget_s,
            tell=lambda _: None,
        )
        outcome = finish(search, [knob, plain[1]])
        assert machine.elapsed_s <= search.end_s
        assert outcome.best not in search.out
        assert budget_s < 1200.0 or outcome.best == knob


def test_threads_that_had_no_turn_are_named_and_leave_it_open() -> None:
    """The formats take the time: the default is the best so far, and more is not said."""
    machine = drawn(3, lambda one: 0.1 if one.backend == "pytorch" else 0.2)
    search, outcome = searched(machine, space(), budget_s=120.0)
    left = [one for one in search.unmeasured if one.backend == "pytorch" and one.precision == "fp32"]
    assert left, "of the default's own backend and format"
    assert outcome.best == search.space.default
    assert (outcome.settled, outcome.nothing_to_gain) == (False, False)
    text = "\n".join(answer_lines("what", search, outcome, {}))
    assert "not everything had its turn" in text
    assert f"no time for: {len(left)} of pytorch fp32" in text


def test_a_disturbed_launch_breaks_no_limit_of_latency() -> None:
    """Alone; beside a quiet one neither, and two say something."""
    limits = Limits(p99_s=0.1)
    quiet, disturbed = ({"p99_s": 0.05}, {"p99_s": 5.0, "disturbed": "others"})
    assert limits.broken([disturbed]) is None
    assert limits.broken([disturbed, quiet, disturbed]) is None
    assert limits.broken([{"p99_s": 5.0}]) is not None
    assert limits.broken([disturbed, disturbed]) is not None


def test_no_memory_for_two_rules_no_knob_out() -> None:
    """Nobody's fault: it was not measured, and says why."""

    class Small(Drawn):
        def pair(self, *_: Any) -> dict[str, Any]:
            raise Wrong("a duet needs memory for two", "neither")

    machine = Small(truth=seconds, chance=random.Random(1))  # noqa: S311 - as above
    search, _ = searched(machine, Space(plain=[candidate()], knobs={"pytorch": [JEMALLOC]}, default=candidate()))
    assert search.out == {}
    assert [one.why for one in search.worths] == ["a duet needs memory for two"]


@pytest.mark.parametrize(
    ("gains", "kept"),
    [
        ({JEMALLOC: 0.05, HUGE: 0.03, SPINNING: 0.02}, {JEMALLOC, SPINNING}),
        ({JEMALLOC: 0.05, HUGE: 0.04, RAISED: 0.03}, {HUGE, RAISED}),
        ({HUGE: 0.04, RAISED: 0.03, SPINNING: 0.01}, {HUGE, RAISED, SPINNING}),
    ],
)
def test_another_allocator_leaves_glibcs_knobs_nothing_to_turn(gains: dict[Setting, float], kept: set[Setting]) -> None:
    """What gains more is turned, with whatever else helps."""

    def worth(setting: Setting, gain: float) -> Worth:
        difference = Difference(estimate=-gain, standard_error=0.001, degrees_of_freedom=9.0)
        return Worth(base=candidate(), settings=(setting,), difference=difference, pairs=6)

    assert {one.settings[0] for one in compatible([worth(*pair) for pair in gains.items()])} == kept


def test_knobs_that_fail_together_are_turned_without_the_weakest() -> None:
    """The proof of one fails where the other is turned: the two that are left still count."""
    knobs = [JEMALLOC, SPINNING, ("wait_policy", "active")]
    gains = {JEMALLOC: 0.90, SPINNING: 0.93, knobs[2]: 0.96}

    class Exclusive(Drawn):
        def pair(self, measured: Candidate, *others: Any) -> dict[str, Any]:
            if {SPINNING, knobs[2]} <= {*measured.knobs}:
                raise Wrong("wait_policy active did not take effect", "measured")
            return super().pair(measured, *others)

    def truth(one: Candidate) -> float:
        value = 0.1
        for setting in one.knobs:
            value *= gains[setting]
        return value

    machine = Exclusive(truth=truth, chance=random.Random(2))  # noqa: S311 - as above
    _, outcome = searched(machine, Space(plain=[candidate()], knobs={"pytorch": knobs}, default=candidate()))
    assert outcome.best.knobs == (JEMALLOC, SPINNING)


@pytest.mark.parametrize(("factor", "settled"), [(1.0, False), (0.5, True)])
def test_a_quota_that_both_sides_share_does_not_make_them_equal(factor: float, settled: bool) -> None:
    """Two that cannot be told apart may be so because of it, and it says so; a difference that is seen stands."""

    class Throttled(Drawn):
        def pair(self, *words: Any) -> dict[str, Any]:
            return {**super().pair(*words), "throttled_share": 0.6}

    plain = [candidate(), candidate("onnxruntime")]
    machine = Throttled(truth=lambda one: 0.1 * (factor if one.backend != "pytorch" else 1.0), chance=random.Random(3))  # noqa: S311
    search, outcome = searched(machine, Space(plain=plain, knobs={}, default=plain[0]))
    assert outcome.settled == settled
    assert not outcome.nothing_to_gain
    text = "\n".join(answer_lines("what", search, outcome, {}))
    assert "a CPU quota stopped both sides in 60% of its periods" in text


def test_the_limits_of_a_container_are_those_of_the_search_that_goes_on(tmp_path: Path) -> None:
    """What was measured under a quota is another search's once the quota is gone."""
    log = Log(tmp_path / "a.jsonl", {"about": 1})
    demand_the_same(log, {"model": "a", "CPU quota": 2.0})
    log.add({"session": "x", "about": {"model": "a", "CPU quota": 2.0}})
    demand_the_same(log, {"model": "a", "CPU quota": 2.0})
    with pytest.raises(RunFileError, match=r"measured with CPU quota 2\.0, now None: put it aside: --anew"):
        demand_the_same(log, {"model": "a", "CPU quota": None})


def test_a_launch_that_failed_is_tried_again_by_the_search_that_goes_on(tmp_path: Path) -> None:
    """It may have been a mood of the machine."""
    asked: list[str] = []

    class Session:
        def ask(self, do: str, **_: Any) -> Any:
            asked.append(do)
            return [{"failed": "did not run beside each other", "wall_s": 1.0}]

    for _ in range(2):
        log = Log(tmp_path / "a.jsonl", {"about": 1})
        Measuring(session=Session(), log=log, began_s=0.0).launch([candidate()])
    assert asked == ["launch", "launch"]
