"""The turns of a duet, and the memory that two models take."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.machine.cgroup import memory_room
from fixtures.machine.room import available_bytes, gib, peak_bytes_of
from fixtures.machine.topology import Topology
from fixtures.measurement import slices
from fixtures.measurement.effort import Effort
from fixtures.measurement.record import can_be_held
from fixtures.measurement.turns import (
    LEAST_ROUNDS,
    MOST,
    MOST_TRIES,
    PRECISE,
    TURN_S,
    Plan,
    Turn,
    log_ratios,
    measured_begins,
    taken,
    turn_of,
)
from fixtures.measurement.window import CountedRounds, OverlapError, Window
from tests.kernel_trees import write


def effort(**changes: Any) -> Effort:
    """pytest-benchmark's defaults."""
    words = {"min_rounds": 5, "max_time_s": 1.0, "min_time_s": 5e-6, "precision": None, "confidence": 0.99}
    return Effort(**{**words, "warm_up_rounds": 10, "warm_up_time_s": 10.0, **changes})


def turns(count: int, *, rounds: int, counted_s: float) -> list[Turn]:
    """Equal turns of one side."""
    return [turn(1.0, rounds=rounds, counted_s=counted_s)] * count


def turn(cost_s: float, *, rounds: int = 2, counted_s: float = 0.06) -> Turn:
    """One turn."""
    return Turn(cost_s=cost_s, rounds=rounds, counted_s=counted_s, wall_s=counted_s, threads_held=1)


def test_turns_go_on_until_both_sides_have_given_enough() -> None:
    """At least four each, in pairs; the least rounds and the least time of a measurement hold for each side."""
    plan = Plan.of(effort(max_time_s=1.0, min_rounds=31), 0.02, hold=True)
    assert not plan.over([], [])
    assert not plan.over(turns(2, rounds=90, counted_s=9.0), turns(2, rounds=90, counted_s=9.0))
    assert not plan.over(turns(5, rounds=90, counted_s=9.0), turns(5, rounds=90, counted_s=9.0))
    assert plan.over(turns(4, rounds=90, counted_s=9.0), turns(4, rounds=90, counted_s=9.0))
    assert not plan.over(turns(4, rounds=7, counted_s=9.0), turns(4, rounds=90, counted_s=9.0))
    assert not plan.over(turns(4, rounds=90, counted_s=9.0), turns(4, rounds=90, counted_s=0.2))
    assert plan.over(turns(20, rounds=2, counted_s=0.05), turns(20, rounds=2, counted_s=0.06))


def test_turns_that_lie_apart_go_on() -> None:
    """Until together they are precise, or have taken as long as they may; which side is ahead plays no part."""
    plan = Plan.of(effort(max_time_s=1.0), 0.02, hold=True)
    steady = turns(20, rounds=2, counted_s=0.06)
    restless = [turn(1.0 + 0.2 * (number % 2)) for number in range(20)]
    faster = [turn(0.5)] * 20
    assert plan.over(steady, faster)
    assert not plan.over(steady, restless)
    assert not plan.over(restless, steady)
    most = plan.over(steady * MOST, restless * MOST)
    assert most, "four times the time is enough"
    shaken = [turn(1.0 + PRECISE * (number % 2)) for number in range(20)]
    assert plan.over(steady, shaken)
    assert log_ratios(steady[:1], faster[:1]) == [pytest.approx(0.693, abs=0.001)]


def test_a_turn_asks_for_its_own_rounds() -> None:
    """Few and short ones whatever a measurement asks for; a precision that few rounds happen to have ends none."""
    plan = Plan.of(effort(max_time_s=5.0, min_rounds=50, min_time_s=0.01, precision=0.5), 0.001, hold=True)
    assert (plan.turn.min_rounds, plan.turn.max_time_s, plan.turn.precision) == (LEAST_ROUNDS, TURN_S, None)
    assert plan.turn.min_time_s == 0.01, "--benchmark-min-time holds for the rounds of a turn too"
    assert plan.most_s == pytest.approx(MOST * 5.0)
    assert Plan.of(effort(max_time_s=0.1, min_rounds=50, min_time_s=0.01), 0.001, hold=True).most_s == pytest.approx(
        MOST * 0.5
    )


def test_abba() -> None:
    """Within two turns each side is first once and last once, whoever leads."""
    assert [measured_begins(turn, leads=True) for turn in range(4)] == [True, False, True, False]
    assert [measured_begins(turn, leads=False) for turn in range(4)] == [False, True, False, True]


def answer(durations_s: list[float], *, start_s: float = 0.0, iterations: int = 1) -> dict[str, Any]:
    """What an instance says of rounds back to back."""
    starts = [start_s + sum(durations_s[:number]) for number in range(len(durations_s))]
    words = {"durations_s": durations_s, "starts_s": starts, "iterations": iterations, "wall_s": sum(durations_s)}
    return {**words, "lead_in_s": 0.5, "threads_held": 2}


def part(answers: list[dict[str, Any]], *rounds: list[float]) -> slices.Slice:
    """The answers of so many instances, and all their rounds in one window."""
    counted = tuple(CountedRounds(durations_s=tuple(durations), wall_s=sum(durations)) for durations in rounds)
    return slices.Slice(answers=answers, window=Window(rounds=counted, overlap=1.0))


def test_what_a_turn_gives() -> None:
    """The median of a forward pass; of several instances what a sample takes, their rates added up. A lead-in costs time."""
    alone = turn_of(part([answer([1.0, 2.0, 3.0], iterations=2)], [1.0, 2.0, 3.0]), batch_size=4)
    assert alone.cost_s == pytest.approx(1.0)
    assert alone.rounds == 3
    assert alone.counted_s == pytest.approx(6.0)
    assert alone.wall_s == pytest.approx(6.5)
    two = turn_of(part([answer([1.0, 1.0]), answer([2.0, 2.0, 2.0])], [1.0, 1.0], [2.0, 2.0, 2.0]), batch_size=4)
    assert two.cost_s == pytest.approx(1 / (4 / 1.0 + 4 / 2.0))
    assert two.rounds == 5
    assert two.threads_held == 4


def serving(name: str, *cpus: int) -> Any:
    """An instance of which a turn wants to know its name and its CPUs."""
    return SimpleNamespace(instance=SimpleNamespace(name=name), configuration=SimpleNamespace(cpus=cpus))


@pytest.mark.parametrize("late_turns", [2, MOST_TRIES])
def test_a_turn_of_instances_that_did_not_run_beside_each_other(monkeypatch: pytest.MonkeyPatch, late_turns: int) -> None:
    """It is taken again, and after so many tries the benchmark fails and says so."""
    asked: list[list[dict[str, Any]]] = []

    def answers(_: object, word: str, requests: list[dict[str, Any]], *, time_out_s: float) -> list[dict[str, Any]]:
        assert (word, time_out_s) == ("time", 9.0)
        asked.append(requests)
        late_s = 0.5 if len(asked) <= late_turns else 0.0
        start_s = requests[0]["start_at_s"]
        return [answer([0.1] * 20, start_s=start_s), answer([0.1] * 20, start_s=start_s + late_s)]

    monkeypatch.setattr(slices, "asked", answers)
    plan = Plan.of(effort(), 0.1, hold=True)
    topology = Topology(
        sockets=1, numa_nodes={0: (0, 1, 2, 3)}, cores=((0, 1), (2, 3)), usable_cpus=(0, 1, 2, 3), cpu_quota=None
    )
    sides = [serving("one", 0, 1), serving("two", 2, 3)]
    if late_turns == MOST_TRIES:
        with pytest.raises(OverlapError, match="two was busy from"):
            taken(sides, plan, topology, batch_size=1, time_out_s=9.0)
        assert len(asked) == MOST_TRIES
        return
    turn = taken(sides, plan, topology, batch_size=1, time_out_s=9.0)
    assert turn.cost_s == pytest.approx(0.05)
    assert len(asked) == late_turns + 1
    assert [one["hold_on"] for one in asked[0]] == [(0, 1), (2, 3)]
    assert all(one["lead_in"] for one in asked[0])


@pytest.mark.parametrize(("at_work", "can"), [((1, 2), True), ((1, 3), False), ((0, 1), False)])
def test_who_can_be_held(at_work: tuple[int, ...], can: bool) -> None:
    """Each instance with no more threads at work than CPUs; of one that warmed up in no round nothing is known."""
    sides = [serving("one", 0, 1), serving("two", 2, 3)]
    assert can_be_held(sides, [{"threads_at_work": count} for count in at_work]) is can


def tree(root: Path, *, available_kib: int | None, **limits: str) -> Path:
    """A machine with so much available memory and a cgroup v2 with files by name."""
    if available_kib is not None:
        write(root / "proc/meminfo", f"MemTotal: 9 kB\nMemAvailable:   {available_kib} kB")
    write(root / "proc/self/cgroup", "0::/job")
    write(root / "proc/self/mountinfo", "35 30 0:30 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw")
    for name, value in limits.items():
        write(root / "sys/fs/cgroup/job" / name.replace("_", ".", 1), value)
    return root


def test_the_strictest_limit_on_memory_holds(tmp_path: Path) -> None:
    """MemAvailable, or what the cgroup leaves; inactive files are given back and count as free."""
    stat = "anon 100\ninactive_file 1000\nfile 5"
    whole = tree(tmp_path / "a", available_kib=8, memory_max="max", memory_current="500", memory_stat=stat)
    assert memory_room(whole) is None
    assert available_bytes(whole) == 8 * 1024
    cut = tree(tmp_path / "b", available_kib=8, memory_max="5000", memory_current="3000", memory_stat=stat)
    assert available_bytes(cut) == 3000
    over = tree(tmp_path / "c", available_kib=8, memory_max="5000", memory_current="9000")
    assert available_bytes(over) == 0
    assert available_bytes(tmp_path / "nothing") is None


def test_a_limit_of_cgroup_v1(tmp_path: Path) -> None:
    """Its files have other names, and no limit is a number that no machine has."""
    write(tmp_path / "proc/self/cgroup", "5:memory:/job\n0::/x")
    write(tmp_path / "proc/self/mountinfo", "34 31 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory")
    job = tmp_path / "sys/fs/cgroup/memory/job"
    write(job / "memory.usage_in_bytes", "100")
    write(job / "memory.stat", "inactive_file 1\ntotal_inactive_file 40")
    write(job / "memory.limit_in_bytes", "9223372036854771712")
    assert memory_room(tmp_path) is None
    write(job / "memory.limit_in_bytes", "1000")
    assert memory_room(tmp_path) == 940


def test_the_peak_of_a_process(tmp_path: Path) -> None:
    """From its status; nothing where it is gone."""
    write(tmp_path / "proc/7/status", "Name:\tx\nVmHWM:\t    2048 kB")
    assert peak_bytes_of(7, tmp_path) == 2 * 1024 * 1024
    assert peak_bytes_of(8, tmp_path) == 0
    assert gib(1536 * 1024 * 1024) == "1.5 GiB"
    assert gib(340 * 1024 * 1024) == "340 MiB"
