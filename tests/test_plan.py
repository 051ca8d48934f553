"""What fits into a budget, in which order it is measured, and what becomes of it as the clock goes on. Pure values."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.asked.cost import Cost, config_of, cost_of, encoder_flop
from fixtures.asked.plan import (
    Candidate,
    bridges_of,
    by_worth,
    chosen,
    grouped,
    in_parts,
    in_passes,
    plan_sha256,
    total_s,
)
from fixtures.asked.presets import PRESETS
from fixtures.asked.problem_size import ProblemSize
from fixtures.asked.words import duration, duration_words
from fixtures.machine.topology import Topology
from fixtures.model.prepared import PreparedModel
from fixtures.run import schedule as schedules
from fixtures.run.costs import limit_of
from fixtures.run.schedule import Schedule, Visit
from tests.kernel_trees import C5_METAL, write_sysfs
from tests.nights import AS_IT_COMES, night

NIGHT_S = 8 * 3600
LAUNCHES_OF_A_NIGHT = 3
"""BENCH_LAUNCHES of .github/workflows/nightly.yml."""


def candidate(name: str, seconds: float = 1.0, start_s: float = 0.0, **words: Any) -> Candidate:
    """One that takes so long, a deployment of its own unless it is named."""
    cost = Cost(measuring_s=seconds, starting_s=start_s, known=False)
    fields = {"question": "q", "backend": "b", "deployment": name, "cost": cost, "work": seconds}
    return Candidate(name=name, **{**fields, **words})


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10m", 600), ("8h", 28800), ("90s", 90), ("1h30m", 5400), ("0.5s", 0.5), ("1.5s", 1.5), ("none", math.inf)],
)
def test_durations_are_read_and_written(text: str, seconds: float) -> None:
    """And what is written is what is typed."""
    assert duration(text) == seconds
    assert duration(duration_words(seconds)) == seconds


@pytest.mark.parametrize("text", ["", "10", "m", "0m", "-1h", "1d", "10 m", "h1"])
def test_other_words_are_no_durations(text: str) -> None:
    """The message has what would be one."""
    with pytest.raises(Exception, match="10m, 8h, 90s"):
        duration(text)


def test_the_order_of_worth_is_the_documented_one() -> None:
    """Touched by a change, one of every backend and question, what users have, the study's sizes, the rest."""
    found = by_worth(
        [
            candidate("rest", 1, of_the_study=False),
            candidate("PyTorch out of the box, large", 30, question="out_of_the_box", backend="pytorch"),
            candidate("PyTorch out of the box", 0.1, question="out_of_the_box", backend="pytorch"),
            candidate("a number format", 4, question="precision"),
            candidate("another number format", 5, question="precision"),
            candidate("an emulated number format", 0.2, question="precision", backend="c", of_the_study=False),
            candidate("an emulated one, again", 0.3, question="precision", backend="c", of_the_study=False),
            candidate("its rest", 40, question="out_of_the_box", backend="pytorch", of_the_study=False),
            candidate("study, accepted", 3, accepted=True),
            candidate("study", 2),
            candidate("another backend", 9, backend="c"),
            candidate("cheapest", 0.5),
            candidate("touched", 99, accepted=True, touched=True),
            candidate("touched, not in the baseline", 50, touched=True),
        ]
    )
    assert [one.name for one in found] == [
        "touched",
        "PyTorch out of the box",
        "an emulated number format",
        "cheapest",
        "a number format",
        "another backend",
        "another number format",
        "PyTorch out of the box, large",
        "study, accepted",
        "study",
        "touched, not in the baseline",
        "an emulated one, again",
        "rest",
        "its rest",
    ]


def test_what_others_are_compared_with_comes_before_them() -> None:
    """Of equal arithmetic: a knob without the benchmark in which none is turned says nothing."""
    found = [
        candidate("a knob", knob="x"),
        candidate("another", knob="y"),
        candidate("none", knob="none"),
        candidate("cheaper", 0.5),
    ]
    assert [one.name for one in by_worth(found)] == ["cheaper", "none", "a knob", "another"]
    assert [one.name for one in by_worth(found[:3])] == ["none", "a knob", "another"]


def test_knobs_come_last_among_equals_where_a_preset_rotates() -> None:
    """A night has every number of threads before it has every knob; what waits longer comes first all the same."""
    found = [candidate("first", 0.5), candidate("a knob", 1, knob="x"), candidate("threads", 2)]
    found.append(candidate("measured", 1, last_measured="2026-01"))
    assert [one.name for one in by_worth(found, rotates=True)] == ["first", "threads", "a knob", "measured"]
    assert [one.name for one in by_worth(found)] == ["first", "a knob", "measured", "threads"]


def test_a_preset_that_rotates_takes_the_longest_unmeasured_first() -> None:
    """And one that does not takes the same each time."""
    found = [candidate("first", 1), candidate("yesterday", 2, last_measured="2026-02"), candidate("never", 3)]
    found.append(candidate("last week", 4, last_measured="2026-01"))
    assert [one.name for one in by_worth(found, rotates=True)] == ["first", "never", "last week", "yesterday"]
    assert [one.name for one in by_worth(found)] == ["first", "yesterday", "never", "last week"]


def test_what_does_not_fit_leaves_room_for_what_does() -> None:
    """A dear one is passed over; a deployment's start is paid once, and every launch pays."""
    found = [candidate("a", 1, 5, deployment="x"), candidate("b", 2, 5, deployment="x"), candidate("dear", 3, 50)]
    assert chosen(found, 8) == {"a", "b"}
    assert chosen(found, 15, launches=2) == {"a"}
    assert chosen(found, 16, launches=2) == {"a", "b"}


@given(st.lists(st.tuples(st.floats(0.1, 100), st.integers(0, 3)), max_size=30), st.floats(1, 300))
def test_a_plan_never_exceeds_its_budget(prices: list[tuple[float, int]], capacity_s: float) -> None:
    """Whatever the prices; and nothing that would still fit is left out."""
    found = [candidate(str(place), cost, 3.0 * where, deployment=where) for place, (cost, where) in enumerate(prices)]
    names = chosen(found, capacity_s)
    kept = [one for one in found if one.name in names]
    assert total_s(kept) <= capacity_s * (1 + 1e-9)
    for one in found:
        assert one.name in names or total_s([*kept, one]) > capacity_s * (1 - 1e-9)


@given(st.integers(1, 12), st.integers(1, 6))
def test_every_pass_measures_everything_once_and_keeps_deployments_together(count: int, launches: int) -> None:
    """In two passes every group is early once and late once: their middle place is the middle."""
    groups = [[f"{group}-{one}" for one in range(2)] for group in range(count)]
    passes = in_passes(groups, launches)
    assert len(passes) == launches
    for order in passes:
        assert sorted(order) == sorted(one for group in groups for one in group)
        assert all(len({name.partition("-")[0] for name in order[at : at + 2]}) == 1 for at in range(0, len(order), 2))
    if launches == 2:
        for group in groups:
            assert sum(order.index(group[0]) // 2 for order in passes) == count - 1


def check_parts(found: list[Candidate], count: int) -> None:
    """Each benchmark in one part, bridges in all; deployments whole; loads within the dearest one; whatever the order."""
    parts, bridges = in_parts(found, count), bridges_of(found)
    assert {one.backend for one in found} == {one.backend for one in found if one.name in bridges}
    assert len(bridges) == len({one.backend for one in found})
    assert all(bridges <= part for part in parts)
    held = sorted(name for part in parts for name in part - bridges)
    assert held == sorted(one.name for one in found if one.name not in bridges)
    groups = grouped((one.deployment, one) for one in found if one.name not in bridges)
    assert all(sum(not part.isdisjoint({one.name for one in group}) for part in parts) == 1 for group in groups)
    loads_s = [total_s(one for one in found if one.name in part - bridges) for part in parts]
    assert max(loads_s) - min(loads_s) <= max(map(total_s, groups), default=0.0) * (1 + 1e-9)
    assert in_parts(found[::-1], count) == in_parts(sorted(found, key=lambda one: one.work), count) == parts


@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(0, 9), st.integers(0, 6), st.sampled_from("abc")), max_size=40),
    st.integers(1, 6),
)
def test_parts_of_a_plan(words: list[tuple[int, int, int, str]], count: int) -> None:
    """Whatever it costs."""
    check_parts(
        [
            candidate(str(place), cost, start, deployment=(backend, where), backend=backend)
            for place, (cost, start, where, backend) in enumerate(words)
        ],
        count,
    )


@pytest.mark.parametrize("count", [2, 3, 7])
def test_parts_of_a_night(tmp_path: Path, count: int) -> None:
    """On a c5.metal the parts of a night cost the same within 5 %, and the nine bridges two minutes of each at most."""
    found = night("nightly", C5_METAL, tmp_path)
    check_parts(found, count)
    costs_s = [total_s(one for one in found if one.name in part) for part in in_parts(found, count)]
    assert max(costs_s) < 1.05 * min(costs_s)
    bridges = bridges_of(found)
    assert len(bridges) == 9
    assert total_s(one for one in found if one.name in bridges) < 120


def test_a_plan_in_a_word() -> None:
    """The order is nothing; benchmarks, parts and launches are."""
    one = plan_sha256(["a", "b"], 2, 3)
    assert one == plan_sha256(["b", "a"], 2, 3)
    assert len({one, plan_sha256(["a"], 2, 3), plan_sha256(["a", "b"], 3, 3), plan_sha256(["a", "b"], 2, 1)}) == 4


def test_limits_are_counted_once() -> None:
    """Of layouts on the same CPUs with as many threads; a stream, and what a quota limits, have none."""
    topology: Any = SimpleNamespace(usable_physical_cores=2)
    two = limit_of({"precision": "fp32", "threads": 2}, topology)
    assert two == limit_of({"precision": "fp32", "threads": None}, topology)
    assert two == limit_of({"precision": "fp32", "instances": 2, "threads": None}, topology)
    others = [{"precision": "fp32", "threads": 1}, {"precision": "int8", "threads": 2}]
    others.append({"precision": "fp32", "threads": 2, "memory": "local"})
    assert len({two, *(limit_of(one, topology) for one in others)}) == 4
    assert limit_of({"precision": "fp32", "policy": "pools"}, topology) is None
    assert limit_of({"precision": "fp32", "quota": "0.5"}, topology) is None


def test_prices_follow_the_arithmetic(tmp_path: Path) -> None:
    """More tokens cost more, more cores less; what a run saw replaces the guess; several instances pay their window."""
    machine = Topology.from_sysfs(write_sysfs(tmp_path, C5_METAL))
    dispatching, config = PRESETS["default"].dispatching, config_of("bert-base-cased")

    def price(threads: int, batch_size: int, earlier_s: float | None = None, instances: int = 1) -> float:
        flop = encoder_flop(config, ProblemSize(batch_size=batch_size, sequence_length=128))
        values = {"backend": "pytorch", "precision": "fp32", "threads": threads, "instances": instances}
        how = {"flop": flop, "dispatching": dispatching, "earlier_s": earlier_s}
        return cost_of(values, AS_IT_COMES, machine, **how).measuring_s  # type: ignore[arg-type]

    assert price(1, 128) > price(2, 128) > price(48, 128) > price(48, 1)
    assert price(1, 128, earlier_s=0.01) == price(48, 1, earlier_s=0.01) < 2
    assert price(1, 8, earlier_s=2.0, instances=2) > price(1, 8, earlier_s=2.0)


def test_the_arithmetic_is_nearly_what_torch_counts(bert_tiny: PreparedModel) -> None:
    """The formula leaves out the pooler alone."""
    for size, counted in bert_tiny.flop.items():
        batch_size, length = map(int, size.split("x"))
        formula = encoder_flop(config_of("bert-tiny"), ProblemSize(batch_size=batch_size, sequence_length=length))
        assert formula == pytest.approx(counted, rel=0.03)


# The schedule, on a clock of the test's


class Clock:
    """Shows what it was set to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def item(name: str) -> pytest.Item:
    """What the schedule knows of a test."""
    return cast("pytest.Item", SimpleNamespace(nodeid=name))


def run_through(
    schedule: Schedule, clock: Clock, factor: Callable[[Visit], float] = lambda _: 1.0, failing: str = ""
) -> Iterator[Visit]:
    """Runs a schedule as the loop does, each visit taking `factor` times its price; one item fails."""
    visits = schedule.visits()
    visit = next(visits, None)
    while visit is not None:
        following = next(visits, None)
        if not schedule.is_over(visit):
            one = schedule.candidates.get(visit.item.nodeid)
            seconds = factor(visit) * one.cost.measuring_s if one and visit.measures else 0.0
            clock.now += seconds
            schedule.done(visit, measuring_s=seconds, starting_s=0.0, failed=visit.item.nodeid == failing)
            yield visit
        visit = following


def scheduled(clock: Clock, count: int, **words: Any) -> Schedule:
    """So many benchmarks of ten seconds each."""
    found = {str(one): candidate(str(one), 10) for one in range(count)}
    items = [item(name) for name in found]
    return Schedule(items=items, candidates=found, clock=clock, started_s=0.0, **words)


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("launches", [1, 3])
def test_a_run_ends_within_its_budget_whatever_the_machine_does(factor: float, launches: int) -> None:
    """Prices that are wrong by a factor of four: the remainder is planned again; each result is made once."""
    clock = Clock()
    schedule = scheduled(clock, 60, launches=launches, budget_s=600.0)
    visits = list(run_through(schedule, clock, lambda _: factor))
    assert clock.now <= 660
    made = [visit.item.nodeid for visit in visits if visit.last]
    assert len(made) == len(set(made)) == len(schedule.names)
    assert {*made} | {*schedule.left_out} == {str(one) for one in range(60)}
    assert not {*made} & {*schedule.left_out}
    assert clock.now >= 450 or not schedule.left_out  # what was left out for a wrong price is taken in again


def test_what_is_of_most_worth_is_measured_before_time_runs_out() -> None:
    """Everything takes twice its price: what stands last in the session is measured all the same, where it is worth most."""
    clock = Clock()
    found = {
        "format": candidate("format", 10, question="precision", deployment="other"),
        **{str(one): candidate(str(one), 10, deployment=str(one)) for one in range(9)},
    }
    items = [item(name) for name in [*map(str, range(9)), "format"]]
    schedule = Schedule(items=items, candidates=found, clock=clock, started_s=0.0, budget_s=100.0)
    made = [visit.item.nodeid for visit in run_through(schedule, clock, lambda _: 2.0) if visit.last]
    assert {"0", "format"} <= {*made[:2]}
    assert len(schedule.left_out) >= 4
    clock = Clock()
    both = Schedule(items=items, candidates=found, clock=clock, started_s=0.0, budget_s=1000.0, launches=2)
    order = [(visit.number, visit.item.nodeid) for visit in run_through(both, clock)]
    first, second = ([name for number, name in order if number == one] for one in (0, 1))
    assert (len(first), second) == (10, first[::-1])
    clock = Clock()
    unlimited = Schedule(items=items, candidates=found, clock=clock, started_s=0.0)
    assert [visit.item.nodeid for visit in run_through(unlimited, clock, lambda _: 2.0)] == [one.nodeid for one in items]


def test_tests_of_others_keep_their_place_where_benchmarks_are_put_first() -> None:
    """Each once, whatever stands between."""
    clock = Clock()
    found = {
        "a": candidate("a", 1, deployment="a"),
        "b": candidate("b", 10, deployment="b"),
        "c": candidate("c", 10, deployment="c", question="precision"),
    }
    items = [item(name) for name in "xabyc"]
    schedule = Schedule(items=items, candidates=found, clock=clock, started_s=0.0, budget_s=1000.0, launches=2)
    order = [(visit.number, visit.item.nodeid) for visit in run_through(schedule, clock)]
    assert [name for number, name in order if number == 0] == ["x", "a", "c", "y", "b"]
    assert [name for number, name in order if number == 1] == ["b", "c", "a"]


def test_what_comes_back_after_its_place_is_measured() -> None:
    """The dearest stands first and is left out; the rest takes a tenth of its price, and then there is time for it."""
    clock = Clock()
    found = {"dear": candidate("dear", 60), **{str(one): candidate(str(one), 10) for one in range(9)}}
    items = [item(name) for name in found]
    schedule = Schedule(items=items, candidates=found, clock=clock, started_s=0.0, budget_s=110.0)
    assert "dear" in schedule.left_out
    made = [visit.item.nodeid for visit in run_through(schedule, clock, lambda _: 0.1)]
    assert sorted(made) == sorted(schedule.names) == sorted(found)
    assert made[-1] == "dear"


def test_launches_that_no_longer_fit_cost_no_result() -> None:
    """In the second pass the machine becomes four times as slow: fewer launches, and every benchmark has its result."""
    clock = Clock()
    schedule = scheduled(clock, 20, launches=3, budget_s=650.0)
    assert not schedule.left_out
    visits = list(run_through(schedule, clock, lambda visit: 4.0 if visit.number else 1.0))
    made = [visit.item.nodeid for visit in visits if visit.last]
    assert clock.now <= 715
    assert sorted(made) == sorted(schedule.names)
    assert len(made) == 20
    assert {len(launches) for launches in schedule.spent.values()} == {1, 2}


def test_without_a_budget_everything_is_measured_however_long_it_takes() -> None:
    """Ten times as long as predicted."""
    clock = Clock()
    schedule = scheduled(clock, 10)
    assert len(list(run_through(schedule, clock, lambda _: 10.0))) == 10
    assert not schedule.left_out


def test_a_budget_that_nothing_fits_into_measures_the_cheapest() -> None:
    """A run of nothing says nothing."""
    clock = Clock()
    schedule = scheduled(clock, 3, budget_s=1.0)
    assert len(schedule.names) == 1


def test_a_failed_benchmark_is_not_visited_again() -> None:
    """Its other launches are spared."""
    clock = Clock()
    schedule = scheduled(clock, 2, launches=3)
    seen = [visit.item.nodeid for visit in run_through(schedule, clock, failing="0")]
    assert seen.count("0") == 1
    assert seen.count("1") == 3


def test_tests_of_others_are_run_once_in_their_place() -> None:
    """What is no benchmark, and what is skipped."""
    clock = Clock()
    found = {"a": candidate("a", 1), "c": candidate("c", 1)}
    schedule = Schedule(items=[item(name) for name in "abc"], candidates=found, launches=2, clock=clock, started_s=0.0)
    assert [visit.item.nodeid for visit in run_through(schedule, clock)][:3] == ["a", "b", "c"]


def test_what_is_left_is_predicted_with_what_was_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first two took three times as long, so will the others."""
    monkeypatch.setattr(schedules, "LEFT_EVERY_S", 0.0)
    clock = Clock()
    schedule = scheduled(clock, 4)
    visits = run_through(schedule, clock, lambda _: 3.0)
    next(visits)
    next(visits)
    assert schedule.how_far() == "3/4  1:00 elapsed, about 1:00 left"


# The night on the machine that this project is for


def test_a_night_on_a_c5_metal_fits_and_has_something_of_everything(tmp_path: Path) -> None:
    """8 hours for three launches: every question that is possible there, every backend, every number of threads."""
    found = night("nightly", C5_METAL, tmp_path)
    names = chosen(found, NIGHT_S, launches=LAUNCHES_OF_A_NIGHT, rotates=True)
    planned = [one for one in found if one.name in names]
    assert LAUNCHES_OF_A_NIGHT * total_s(planned) <= NIGHT_S
    for what in ("question", "backend"):
        assert {getattr(one, what) for one in planned} == {getattr(one, what) for one in found}
    threads = {one.deployment for one in found if one.question == "core_count_scaling"}
    assert {one.deployment for one in planned if one.question == "core_count_scaling"} == threads


def test_seven_nights_cover_the_grid(tmp_path: Path) -> None:
    """Longest unmeasured first."""
    found = night("nightly", C5_METAL, tmp_path)
    measured: set[str] = set()
    for number in range(7):
        names = chosen(found, NIGHT_S, launches=LAUNCHES_OF_A_NIGHT, rotates=True)
        found = [replace(one, last_measured=f"night {number}") if one.name in names else one for one in found]
        measured |= names
    assert measured == {one.name for one in found}


def test_docs_say_how_large_a_night_is(tmp_path: Path) -> None:
    """docs/measuring.md has the count and the hours of each preset on a c5.metal, from the recorded topology."""
    page = (Path(__file__).parents[1] / "docs/measuring.md").read_text()
    for preset in PRESETS:
        found = night(preset, C5_METAL, tmp_path / preset)
        assert f"| `{preset}` | {len(found):,} | {total_s(found) / 3600:.1f} h |" in page


def test_deployments_stand_together() -> None:
    """In the order in which the first of each comes."""
    assert grouped([("x", 1), ("y", 2), ("x", 3)]) == [[1, 3], [2]]
