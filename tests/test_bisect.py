"""The search for what made a benchmark slower: on pairs that are drawn, and through its log, with measuring made up."""

from __future__ import annotations

import collections
import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from baselines.bisecting.along import Bisecting, BudgetOver
from baselines.bisecting.culprit import Before, Outcome, find
from baselines.bisecting.measuring import State
from baselines.bisecting.posterior import Gap, Observation, expected_information, posterior_of
from baselines.bisecting.search import LOOKS, SURE, Search
from baselines.files.run_folder import RunFileError
from baselines.requesting.log import Log
from baselines.requesting.session import Unavailable, Wrong

Effects = Mapping[int, float]
"""By state, how much slower it is than the one before it, as a log ratio."""


def searched(steps: int, effects: Effects, *, sd: float, chance: random.Random) -> Search:
    """A search on drawn pairs: normal, one in thirty wild, and the side that is loaded first 0.4 % slower."""
    search = Search([1.0] * steps)
    while (asked := search.next_comparison()) is not None:
        truth = sum(effect for state, effect in effects.items() if asked.older < state <= asked.newer)
        noise = chance.gauss(0, sd) * (5 if chance.random() < 1 / 30 else 1) + (0.004 if asked.newer_first else -0.004)
        search.update(Observation(**vars(asked), log_ratio=truth + noise))
    return search


def said(search: Search) -> tuple[int, ...] | None:
    """The states that the answer names."""
    changes = search.answer().changes
    return None if changes is None else tuple(one.newer for one in changes)


@pytest.mark.parametrize(
    ("sizes", "least"), [pytest.param((0.03,), 11, id="one"), pytest.param((0.019, 0.022), 11, id="two"), ((), 11)]
)
def test_what_is_there_is_found(sizes: tuple[float, ...], least: int) -> None:
    """In twelve searches among sixteen releases: one change, two, or none; 1 % of noise."""
    chance = random.Random(20261127)  # noqa: S311 - noise, no secret
    found: collections.Counter[str] = collections.Counter()
    for _ in range(12):
        effects = dict(zip(chance.sample(range(1, 16), len(sizes)), sizes, strict=True))
        answer = said(searched(15, effects, sd=0.01, chance=chance))
        found["undecided" if answer is None else "right" if answer == tuple(sorted(effects)) else f"wrong: {answer}"] += 1
    assert found["right"] >= least, found


def test_noise_costs_pairs_and_not_answers() -> None:
    """At twice the noise a search takes more launch pairs, and does not begin to name the innocent."""
    chance = random.Random(7)  # noqa: S311 - noise, no secret
    quiet = [searched(15, {9: 0.03}, sd=0.005, chance=chance) for _ in range(3)]
    loud = [searched(15, {9: 0.03}, sd=0.02, chance=chance) for _ in range(3)]
    assert all(said(one) == (9,) for one in quiet)
    assert all(said(one) in ((9,), None) for one in loud)
    assert sum(len(one.observations) for one in loud) > 1.5 * sum(len(one.observations) for one in quiet)


@pytest.mark.parametrize("size", [0.9, -0.3, 0.1])
def test_a_change_of_any_size_is_found(size: float) -> None:
    """Also one that doubles the time, which is no row of wild launch pairs, and one that is faster."""
    chance = random.Random(5)  # noqa: S311 - noise, no secret
    assert [said(searched(15, {9: size}, sd=0.02, chance=chance)) for _ in range(3)] == 3 * [(9,)]


def test_a_wild_launch_pair_moves_little() -> None:
    """One that is off by 30 % costs the truth less than a bit."""
    gaps = [Gap(older=state, newer=state + 1, weight=1.0) for state in range(8)]
    pairs = [
        Observation(older=older, newer=8, newer_first=bool(turn), log_ratio=0.03 * (older < 4) + 0.001 * turn)
        for older in range(8)
        for turn in (0, 1)
    ]
    before = posterior_of(gaps, pairs)
    after = posterior_of(gaps, [*pairs, Observation(older=6, newer=8, newer_first=True, log_ratio=0.3)])
    assert before.changes[before.best] == after.changes[after.best] == (3,)
    assert after.probabilities[after.best] > 0.5 * before.probabilities[before.best]


def test_the_next_comparison_is_where_most_is_to_be_learned() -> None:
    """Once the ends differ, the middle tells more than what is next to an end; and time counts."""
    search = Search([1.0] * 16)
    for turn in range(8):
        search.update(Observation(older=0, newer=16, newer_first=turn % 2 == 0, log_ratio=0.05 + 0.001 * (turn % 3)))
    middle, edge, ends = expected_information(search.posterior, [(8, 16, 1.0), (15, 16, 1.0), (0, 16, 1.0)])
    assert middle > 2 * edge
    assert middle > 2 * ends
    asked = search.next_comparison()
    assert asked is not None
    assert 5 <= (asked.older or asked.newer) <= 11
    dear = search.next_comparison(lambda older, newer: 1.0 if {older, newer} <= {0, 3, 16} else 100.0)
    assert dear is not None
    assert {dear.older, dear.newer} <= {0, 3, 16}


def test_neighbours_are_told_apart_at_three_looks() -> None:
    """Not whenever an interval happens to leave zero out in between; a look has its share of the level."""
    assert [count for _, count in LOOKS] == [8, 16, 32]
    assert sum(look.share for look, _ in LOOKS) == 1
    search = Search([1.0])
    for place, log_ratio in enumerate([*(0.003, -0.003) * 4, *(0.02, 0.021) * 4]):
        search.update(Observation(older=0, newer=1, newer_first=place % 4 < 2, log_ratio=log_ratio))
        there = search.difference(0, 1)
        if place + 1 == 15:
            assert there is not None
            assert abs(there.estimate) > there.reach(1 - SURE), "read after every launch pair, it would be an answer"
        assert search._is_told(0, 1, apart=True) == (place + 1 == 16)
    # A difference between the whole level and a half of it tells nothing at the first look.
    for size in (step * 1e-4 for step in range(1, 400)):
        drawn = [size + 0.01 * (1 if place % 4 < 2 else -1) for place in range(8)]
        search = Search([1.0])
        for place, log_ratio in enumerate(drawn):
            search.update(Observation(older=0, newer=1, newer_first=place % 2 == 0, log_ratio=log_ratio))
        found = search.difference(0, 1)
        assert found is not None
        assert search._is_told(0, 1, apart=True) == (abs(found.estimate) > found.reach((1 - SURE) / 2))


def test_a_search_refuses_what_is_none_of_its_states() -> None:
    """States have an order, and a search begins at its ends."""
    search = Search([1.0, 1.0])
    with pytest.raises(ValueError, match="states 2 and 1 of 0 to 2"):
        search.update(Observation(older=2, newer=1, newer_first=True, log_ratio=0.0))
    with pytest.raises(ValueError, match="state 2 of 0 to 2 cannot be left out"):
        search.skip(2)
    with pytest.raises(ValueError, match="weights"):
        Search([])


RELEASES = ["1.0", "1.1", "1.2", "1.3", "1.4", "1.5", "2.0"]
"""Of the package that is searched."""


class Machine:
    """Measures as the real session does, on releases of one package whose speed is made up."""

    def __init__(self, slower_from: Mapping[str, float], *, fails: Mapping[str, str] | None = None) -> None:
        self.slower_from, self.fails = slower_from, dict(fails or {})
        self.chance = random.Random(3)  # noqa: S311 - noise, no secret
        self.asked: list[str] = []
        self.before: Callable[[], None] = lambda: None

    def ask(self, do: str, **words: Any) -> Any:
        self.asked.append(do)
        if do == "groups":
            return {
                "groups": [{"leader": "small", "before": {"small": "1.0"}, "after": {"small": "2.0"}}],
                "others": ["beside"],
            }
        if do == "releases":
            return RELEASES
        if do == "prepare":
            if self.fails.get(self._release(words["state"])) == "cannot be had":
                raise Unavailable("no index that pip was told of has it")
            return {
                "packages": words["state"]["packages"],
                "python": f"/{self._release(words['state'])}/python",
                "wall_s": 1.0,
            }
        self.before()
        for side in ("measured", "reference"):
            if self.fails.get(self._release(words[side])) == "is wrong":
                raise Wrong("its answer differs by 0.3 from the reference's", side)
        times = [self._slower(words[side]) for side in ("measured", "reference")]
        order = 0.002 if words["number"] % 2 == 0 else -0.002
        return {"log_ratio": times[0] - times[1] + order + self.chance.gauss(0, 0.006), "wall_s": 10.0}

    def _release(self, state: Mapping[str, Any]) -> str:
        return str(state["packages"].get("small", "2.0"))

    def _slower(self, state: Mapping[str, Any]) -> float:
        place = RELEASES.index(self._release(state))
        return sum(effect for release, effect in self.slower_from.items() if place >= RELEASES.index(release))


BEFORE = Before(packages={"small": "1.0"}, requires={}, commit=None)


def outcome_of(
    machine: Machine,
    path: Path,
    before: Before = BEFORE,
    *,
    budget_s: float = float("inf"),
    clock: Callable[[], float] = lambda: 0.0,
) -> Outcome:
    """What is found, with the log at a path."""
    log = Log(path, {"about": "a test"})
    bisecting = Bisecting(measurer=machine, log=log, budget_s=budget_s, tell=lambda line: None, clock=clock)
    return find(bisecting, before, [], str)


def test_the_release_is_named_with_its_neighbours_side_by_side(tmp_path: Path) -> None:
    """First the package, then the release of it; what differs beside it and is not looked at is said."""
    outcome = outcome_of(Machine({"1.3": 0.03}), tmp_path / "log.jsonl")
    (culprit,) = outcome.culprits
    assert (culprit.name, culprit.older, culprit.newer) == ("small", "1.2", "1.3")
    assert culprit.interpreters == ("/1.2/python", "/1.3/python")
    assert culprit.launches >= 8
    assert culprit.difference.interval(0.05)[0] < 1.0305 < culprit.difference.interval(0.05)[1] + 0.005
    assert outcome.headline.startswith("small 1.2 -> 1.3: +")
    assert any("beside" in line and "--also" in line for line in outcome.lines)


def test_two_changes_are_two_and_none_is_none(tmp_path: Path) -> None:
    """`no single one`, and `nothing to find`."""
    two = outcome_of(Machine({"1.2": 0.019, "1.5": 0.022}), tmp_path / "two.jsonl")
    assert [(one.older, one.newer) for one in two.culprits] == [("1.1", "1.2"), ("1.4", "1.5")]
    assert two.headline.startswith("no single one: 2 changes, +")
    none = outcome_of(Machine({}), tmp_path / "none.jsonl")
    assert (none.culprits, none.headline) == ((), "nothing to find")
    assert none.whole is not None


def test_what_a_named_release_requires_moves_with_it(tmp_path: Path) -> None:
    """In place of an accepted run one release is named; a release that cannot be had is said with the words it came in."""

    class Needy(Machine):
        groups: Mapping[str, Any]
        moves: Mapping[str, str] = {"gone": "0.9"}

        def ask(self, do: str, **words: Any) -> Any:
            if do == "prepare" and words["state"]["complete"]:
                answer = super().ask(do, **words)
                return {**answer, "packages": {**answer["packages"], **self.moves}}
            if do == "groups":
                self.groups = words
            return super().ask(do, **words)

    since = Before(packages={"small": "1.0", "other": "3"}, requires={}, commit=None, since={"small": "1.0"})
    machine = Needy({"1.3": 0.03})
    assert outcome_of(machine, tmp_path / "found.jsonl", since).culprits
    assert machine.groups["packages"] == {"small": "1.0", "other": "3", "gone": "0.9"}
    assert machine.groups["also"] == ["small", "gone"], "workers of today may not need them, and those of then did"
    again = Needy({"1.3": 0.03})
    again.moves = {"gone": "1.0"}
    outcome_of(again, tmp_path / "found.jsonl", since)
    assert again.groups["packages"] == machine.groups["packages"], "the index may have more by now"
    assert "pair" not in again.asked
    with pytest.raises(RunFileError, match=r"--since small==1\.0: no index that pip was told of has it"):
        outcome_of(Machine({}, fails={"1.0": "cannot be had"}), tmp_path / "none.jsonl", since)


def test_code_that_was_not_looked_at_leaves_it_undecided(tmp_path: Path) -> None:
    """Where nothing else is found, it may be the reason; where a package is, it is a note."""

    class Strange(Machine):
        def ask(self, do: str, **words: Any) -> Any:
            if do == "prepare" and words["state"]["commit"] is not None:
                raise Unavailable("its workers speak another protocol")
            return super().ask(do, **words)

    class Same(Machine):
        def ask(self, do: str, **words: Any) -> Any:
            return {"groups": [], "others": []} if do == "groups" else super().ask(do, **words)

    changed = Before(packages={"small": "1.0"}, requires={}, commit="abc", commits=["def"])
    unknown = Before(packages={"small": "1.0"}, requires={}, commit=None, unseen="git diff: bad object abc")
    line = "the code of this checkout is not looked at: its workers speak another protocol"
    none = outcome_of(Strange({}), tmp_path / "none.jsonl", changed)
    assert (none.headline, none.undecided) == ("undecided", (line,))
    assert line in none.lines
    found = outcome_of(Strange({"1.3": 0.03}), tmp_path / "found.jsonl", changed)
    assert (len(found.culprits), found.undecided) == (1, ())
    assert line in found.lines
    same = outcome_of(Same({}), tmp_path / "same.jsonl", unknown)
    assert same.headline == "undecided"
    assert same.undecided == ("the code of this checkout is not looked at: git diff: bad object abc",)


def test_a_search_that_was_interrupted_goes_on(tmp_path: Path) -> None:
    """Every launch pair that was measured is in the log, and none is measured again; a torn line is left out."""
    path, machine = tmp_path / "log.jsonl", Machine({"1.3": 0.03})
    whole = outcome_of(Machine({"1.3": 0.03}), tmp_path / "whole.jsonl")

    def ctrl_c() -> None:
        if machine.asked.count("pair") == 12:
            raise KeyboardInterrupt

    machine.before = ctrl_c
    with pytest.raises(KeyboardInterrupt):
        outcome_of(machine, path)
    kept = [json.loads(line) for line in path.read_text().splitlines()]
    assert sum("pair" in entry for entry in kept) == 11
    with path.open("a") as file:
        file.write('{"pair": {"older"')
    second = Machine({"1.3": 0.03})
    outcome = outcome_of(second, path)
    assert [one.line.partition(":")[0] for one in outcome.culprits] == [one.line.partition(":")[0] for one in whole.culprits]
    pairs = sum("pair" in json.loads(line) for line in path.read_text().splitlines())
    assert second.asked.count("pair") == pairs - 11
    third = Machine({})
    assert outcome_of(third, path) == outcome, "what is over is only read"
    assert "pair" not in third.asked
    with pytest.raises(RunFileError, match=r"another search \(about differ\); put it aside: --anew"):
        Log(path, {"about": "something else"})
    assert Log(path, {"about": "something else"}, anew=True).entries == [{"header": {"about": "something else"}}]
    assert (tmp_path / "log.1.jsonl").exists(), "put aside, not removed"


def test_an_answer_is_not_lost_with_the_session(tmp_path: Path) -> None:
    """Who only asks for the neighbours' interpreters gets none where nothing can go on."""

    class Ending(Machine):
        def ask(self, do: str, **words: Any) -> Any:
            if do == "prepare" and self.asked.count("prepare") >= 3:
                raise RunFileError("the index cannot be reached")
            return super().ask(do, **words)

    whole = outcome_of(Machine({"1.3": 0.03}), tmp_path / "log.jsonl")
    again = outcome_of(Ending({}), tmp_path / "log.jsonl")
    assert again.lines == whole.lines
    assert not all(again.culprits[0].interpreters)


def test_a_release_that_cannot_be_installed_is_left_out(tmp_path: Path) -> None:
    """In the middle of where it happened: the answer is as narrow as can be, and says so."""
    machine = Machine({"1.3": 0.03}, fails={"1.3": "cannot be had"})
    outcome = outcome_of(machine, tmp_path / "log.jsonl")
    (culprit,) = outcome.culprits
    assert (culprit.older, culprit.newer) == ("1.2", "1.4")
    assert "1.3 between them cannot be measured" in culprit.line
    assert any("1.3 left out: cannot be installed: no index" in line for line in outcome.lines)


def test_a_release_with_a_wrong_answer_is_left_out(tmp_path: Path) -> None:
    """A wrong answer has no speed; it is tried again once."""
    machine = Machine({"1.3": 0.03}, fails={"1.2": "is wrong"})
    outcome = outcome_of(machine, tmp_path / "log.jsonl")
    (culprit,) = outcome.culprits
    assert (culprit.older, culprit.newer) == ("1.1", "1.3")
    assert any("1.2 left out: its answer differs" in line for line in outcome.lines)


def test_a_hiccup_long_ago_is_forgotten(tmp_path: Path) -> None:
    """A state fails once, is measured, and fails once more: it is not left out."""

    class Hiccups(Machine):
        failed, since = 0, 0

        def ask(self, do: str, **words: Any) -> Any:
            whose = [side for side in ("measured", "reference") if side in words and self._release(words[side]) == "1.3"]
            if do == "pair" and whose:
                self.since += 1
                if self.since in (2, 4):
                    self.failed += 1
                    raise Wrong("it died", whose[0])
            return super().ask(do, **words)

    machine = Hiccups({"1.3": 0.03})
    outcome = outcome_of(machine, tmp_path / "log.jsonl")
    assert machine.failed == 2
    assert [(one.older, one.newer) for one in outcome.culprits] == [("1.2", "1.3")]


def test_an_index_that_was_away_is_asked_again(tmp_path: Path) -> None:
    """A log that blames a release for it is not believed."""
    path = tmp_path / "log.jsonl"
    state = State(packages={"small": "1.3"}, complete=True, older={"small": "1.0"})
    reason = "cannot be installed: pip could not install it: Max retries exceeded with url: /simple/small/"
    Log(path, {"about": "a test"}).add({"skipped": {"state": state.key, "name": "1.3", "reason": reason}})
    outcome = outcome_of(Machine({"1.3": 0.03}), path)
    assert [(one.older, one.newer) for one in outcome.culprits] == [("1.2", "1.3")]


def test_a_search_between_ends_that_do_not_run_ends(tmp_path: Path) -> None:
    """The accepted state has a wrong answer: there is nothing to compare with."""
    machine = Machine({"1.3": 0.03}, fails={"1.0": "is wrong"})
    with pytest.raises(RunFileError, match="accepted cannot be measured, and the search begins there: its answer differs"):
        outcome_of(machine, tmp_path / "log.jsonl")


def test_a_package_whose_releases_cannot_be_searched_is_still_the_answer(tmp_path: Path) -> None:
    """Its accepted release does not go with what else is there today: the package is named, and why not the release."""

    class Alone(Machine):
        def ask(self, do: str, **words: Any) -> Any:
            if do == "groups":
                groups = [{"leader": name, "before": {name: "1.0"}, "after": {name: "2.0"}} for name in ("small", "beside")]
                return {"groups": groups, "others": []}
            if do == "prepare" and words["state"]["packages"] == {"small": "1.0"}:
                raise Unavailable("beside 2.0 requires small>=2, beside small 1.0")
            return super().ask(do, **words)

    outcome = outcome_of(Alone({"1.3": 0.03}), tmp_path / "log.jsonl")
    (culprit,) = outcome.culprits
    assert (culprit.name, culprit.older, culprit.newer, culprit.note) == ("small", "1.0", "2.0", "not narrowed")
    assert any("beside 2.0 requires small>=2" in line for line in outcome.lines)


def test_of_packages_that_moved_together_the_one_that_requires_the_others_is_named(tmp_path: Path) -> None:
    """Its releases are searched, whatever comes first in the alphabet."""
    asked: list[str] = []

    class Together(Machine):
        def ask(self, do: str, **words: Any) -> Any:
            if do == "groups":
                before, after = ({"a-part": one, "big": one, "small": one} for one in ("1.0", "2.0"))
                return {"groups": [{"leader": "small", "before": before, "after": after}], "others": []}
            if do == "releases":
                asked.append(words["name"])
            return super().ask(do, **words)

    outcome = outcome_of(Together({"1.3": 0.03}), tmp_path / "log.jsonl")
    assert (asked, [one.name for one in outcome.culprits]) == (["small"], ["small"])


def test_a_budget_ends_a_search_with_what_is_likeliest(tmp_path: Path) -> None:
    """Before the launch pair that would go beyond it, and the log has the others."""
    now = iter(range(0, 100_000, 10))
    with pytest.raises(BudgetOver, match=r"\d+%"):
        outcome_of(Machine({"1.3": 0.03}), tmp_path / "log.jsonl", budget_s=120, clock=lambda: float(next(now)))
    assert sum("pair" in json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()) > 3


def test_a_budget_that_ends_in_the_second_search_keeps_what_the_first_found(tmp_path: Path) -> None:
    """The package is an answer, its release is undecided, and the same command goes on."""

    class Slow(Machine):
        def ask(self, do: str, **words: Any) -> Any:
            if do == "releases":
                self.now_s = 1e6
            return super().ask(do, **words)

        now_s = 0.0

    machine = Slow({"1.3": 0.03})
    outcome = outcome_of(machine, tmp_path / "log.jsonl", budget_s=1e5, clock=lambda: machine.now_s)
    (culprit,) = outcome.culprits
    assert (culprit.name, culprit.older, culprit.newer, culprit.note) == ("small", "1.0", "2.0", "not narrowed")
    assert outcome.undecided[0].startswith("releases of small: the budget is over; by now ")
    assert not outcome.is_over
    assert outcome_of(Machine({"1.3": 0.03}), tmp_path / "log.jsonl").headline.startswith("small 1.2 -> 1.3")


def test_what_moved_with_a_release_is_known_after_an_interruption(tmp_path: Path) -> None:
    """From the log: of the states that are not measured again only the neighbours are built, whose interpreters are told."""

    class Moving(Machine):
        def ask(self, do: str, **words: Any) -> Any:
            answer = super().ask(do, **words)
            release = words["state"]["packages"].get("small", "2.0") if do == "prepare" else "2.0"
            if do == "prepare" and release != "2.0":
                answer["packages"] = {**answer["packages"], "beside": "0.1" if release < "1.3" else "0.2"}
            return answer

    whole = outcome_of(Moving({"1.3": 0.03}), tmp_path / "log.jsonl")
    assert whole.culprits[0].note == "moved with beside 0.1 -> 0.2"
    again = Moving({"1.3": 0.03})
    assert outcome_of(again, tmp_path / "log.jsonl") == whole
    assert again.asked.count("prepare") == 4, "both ends, and two neighbours"


def test_packages_that_cannot_be_told_apart_are_named_with_their_versions(tmp_path: Path) -> None:
    """Where the state between them does not run."""

    class Two(Machine):
        def ask(self, do: str, **words: Any) -> Any:
            if do == "groups":
                groups = [{"leader": name, "before": {name: "1.0"}, "after": {name: "2.0"}} for name in ("big", "small")]
                return {"groups": groups, "others": []}
            if do == "prepare" and words["state"]["packages"] == {"small": "1.0"}:
                raise Unavailable("big 2.0 requires small>=2")
            return super().ask(do, **words)

    outcome = outcome_of(Two({"1.3": 0.03}), tmp_path / "log.jsonl")
    assert outcome.headline.startswith("big 1.0, small 1.0 -> big 2.0, small 2.0: +")
    assert "several at once" in outcome.headline


def test_a_full_disk_ends_a_search_and_keeps_what_was_measured(tmp_path: Path) -> None:
    """A launch pair that cannot be put on disk is not one; the message says what is kept and where."""
    log = Log(tmp_path / "log.jsonl", {"about": "a test"})
    log.add({"pair": {"log_ratio": 0.01}})
    log.path = Path("/dev/full")
    with pytest.raises(RunFileError, match="No space left on device; 2 entries before it are kept"):
        log.add({"pair": {"log_ratio": 0.02}})
    again = Log(tmp_path / "log.jsonl", {"about": "a test"})
    assert len(again.entries) == 2


def test_states_are_told_apart_by_what_is_in_them() -> None:
    """The log finds a launch pair again by its two states."""
    assert State(packages={"a": "1", "b": None}).key == State(packages={"b": None, "a": "1"}).key
    assert State(packages={"a": "1"}).key != State(packages={"a": "1"}, commit="abc").key
