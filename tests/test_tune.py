"""The search for the best deployment: on launches that are drawn, and what is said in the end."""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from baselines.commands import tune
from baselines.comparing.comparison import compare
from baselines.comparing.tuning_file import read_answers, write_answers
from baselines.files.reading_runs import read_run
from baselines.files.run_folder import RunFileError
from baselines.files.store import MACHINES
from baselines.report.view import view_of
from baselines.requesting.log import Log
from baselines.requesting.session import OutOfTime, Session, Wrong
from baselines.tuning.answer import answer_json, answer_lines, pareto_front
from baselines.tuning.asked import again_of, default_of, questions_of
from baselines.tuning.beside import Outcome, finish
from baselines.tuning.measuring import Measuring, is_answered
from baselines.tuning.objective import OBJECTIVES, Limits
from baselines.tuning.race import Race
from baselines.tuning.search import Search
from baselines.tuning.space import Candidate, Space

Truth = Callable[[Candidate], float]
"""Seconds of a forward pass."""
BACKENDS = ("pytorch", "onnxruntime", "openvino", "tensorflow_xla")
KNOBS = [("allocator", "jemalloc"), ("huge_pages", "madvise"), ("spinning", "off"), ("wait_policy", "active")]


def candidate(backend: str = "pytorch", precision: str = "fp32", threads: int | None = None, **others: Any) -> Candidate:
    """One, on one core or as it comes."""
    return Candidate(
        **{
            "backend": backend,
            "precision": precision,
            "threads": threads,
            "instances": 1,
            "batch_size": 1,
            "sequence_length": 128,
            **others,
        }
    )


def space(backends: Sequence[str] = BACKENDS, precisions: Sequence[str] = ("fp32", "int8")) -> Space:
    """Four layouts of each backend and format, and four knobs."""
    layouts: list[tuple[int | None, int]] = [(None, 1), (1, 1), (2, 1), (1, 2)]
    plain = [
        candidate(backend, precision, threads, instances=instances)
        for backend in backends
        for precision in precisions
        for threads, instances in layouts
    ]
    return Space(plain=plain, knobs=dict.fromkeys(backends, KNOBS), default=plain[0])


def seconds(one: Candidate) -> float:
    """The truth of most tests: onnxruntime in int8 on two threads with jemalloc, and threads that wait actively."""
    backend = {"pytorch": 0.1, "onnxruntime": 0.05, "openvino": 0.055, "tensorflow_xla": 0.08}[one.backend]
    layout = {(None, 1): 1.02, (1, 1): 1.8, (2, 1): 1.0, (1, 2): 1.1}[one.threads, one.instances]
    knobs = {"jemalloc": 0.95, "madvise": 1.0, "off": 1.02, "active": 0.96}
    return backend * layout * (0.6 if one.precision == "int8" else 1.0) * math.prod(knobs[value] for _, value in one.knobs)


@dataclass(kw_only=True)
class Drawn:
    """A machine: launches lie apart by `sd`, launch pairs by `pair_sd`, and each pass has a mood of its own."""

    truth: Truth
    chance: random.Random
    sd: float = 0.05
    pair_sd: float = 0.01
    elapsed_s: float = 0.0
    failing: Mapping[str, str] = field(default_factory=dict)
    """By backend."""
    numbers: Mapping[str, Any] = field(default_factory=dict)
    asked: list[Candidate] = field(default_factory=list)

    def launch(self, candidates: Sequence[Candidate]) -> list[dict[str, Any]]:
        """Takes six seconds."""
        self.asked += candidates
        self.elapsed_s += 6.0
        return [self.of(one, wall_s=6.0 / len(candidates)) for one in candidates]

    def of(self, one: Candidate, *, wall_s: float) -> dict[str, Any]:
        """What a launch says."""
        if one.backend in self.failing:
            return {"failed": self.failing[one.backend], "wall_s": wall_s}
        median_s = self.truth(one) * math.exp(self.chance.gauss(0, self.sd))
        return {
            "median_s": median_s,
            "p99_s": 1.2 * median_s,
            "throughput_per_s": one.batch_size / median_s,
            "cpu_s_per_sample": 2 * median_s / one.batch_size,
            "peak_rss_bytes": 2e8,
            "cosine": 0.99 if one.precision == "int8" else 1.0,
            "configuration": {"backend": one.backend, "precision": one.precision, "threads": one.threads},
            "cpus": [[0, 1]],
            "wall_s": wall_s,
            **self.numbers,
        }

    def pair(self, measured: Candidate, reference: Candidate, number: int, quantity: str) -> dict[str, Any]:
        """Takes ten seconds; who is loaded first is 0.4 % slower."""
        self.elapsed_s += 10.0
        noise = self.chance.gauss(0, self.pair_sd) + (0.004 if number % 2 == 0 else -0.004)
        batches = 1.0 if quantity == "latency" else reference.batch_size / measured.batch_size
        log_ratio = math.log(batches * self.truth(measured) / self.truth(reference)) + noise
        alone = self.of(measured, wall_s=10.0) if number == 0 else None
        return {"log_ratio": log_ratio, "wall_s": 10.0, "alone": alone}


def searched(
    machine: Any, of: Space, *, budget_s: float = 900.0, limits: Limits | None = None, objective: str = "latency"
) -> tuple[Search, Outcome]:
    """A search on a machine."""
    search = Search(
        space=of,
        objective=OBJECTIVES[objective],
        limits=limits or Limits(),
        measurer=machine,
        began_s=0.0,
        budget_s=budget_s,
        tell=lambda _: None,
    )
    return search, finish(search, search.run())


def drawn(seed: int, truth: Truth = seconds, **words: Any) -> Drawn:
    """A machine whose noise is the same each time."""
    return Drawn(truth=truth, chance=random.Random(seed), **words)  # noqa: S311 - noise, no secret


def test_a_good_deployment_is_found_within_the_budget() -> None:
    """Of 32 plain ones and four knobs, in a quarter of an hour: it loses little, and nothing is measured beyond the end."""
    best = seconds(candidate("onnxruntime", "int8", 2, knobs=(KNOBS[0], KNOBS[3])))
    lost = []
    for seed in range(10):
        machine = drawn(seed)
        search, outcome = searched(machine, space())
        assert machine.elapsed_s <= 900.0
        assert outcome.settled
        assert not outcome.nothing_to_gain
        lost.append(seconds(outcome.best) / best - 1)
        told = outcome.compared[-1]
        assert told.reference == search.space.default
        assert told.interval is not None
    assert sum(lost) / len(lost) < 0.03, lost
    assert max(lost) < 0.11, lost


@pytest.mark.parametrize("budget_s", [60.0, 200.0, 1800.0])
def test_no_budget_is_overdrawn(budget_s: float) -> None:
    """Whatever it is, nothing is begun that is expected to end later; what there was no time for is named."""
    machine = drawn(3)
    search, outcome = searched(machine, space(), budget_s=budget_s)
    assert machine.elapsed_s <= budget_s
    text = "\n".join(answer_lines("what", search, outcome, {}))
    assert ("no time for: " in text) == (budget_s < 1800.0), text
    assert outcome.settled or budget_s == 60.0


def test_knobs_that_do_nothing_end_in_the_default() -> None:
    """At least 19 of 20, and none is recommended with a knob."""
    of = Space(plain=[candidate()], knobs={"pytorch": KNOBS}, default=candidate())
    outcomes = [searched(drawn(seed, lambda _: 0.1), of, budget_s=600.0)[1] for seed in range(20)]
    assert sum(one.best == candidate() and one.nothing_to_gain for one in outcomes) >= 19


def test_nothing_is_chosen_that_cannot_be_told_from_the_default() -> None:
    """All are equally fast: whichever came out best, the default is what to run."""
    kept = [searched(drawn(seed, lambda _: 0.1), space())[1] for seed in range(12)]
    assert sum(one.best == space().default for one in kept) >= 11
    assert all(one.best == space().default for one in kept if one.nothing_to_gain)


def test_no_knob_is_chosen_that_cannot_be_told_from_none() -> None:
    """The backend is worth something and no knob is: what is recommended has none turned."""
    outcomes = [searched(drawn(seed, lambda one: seconds(one.plain)), space())[1] for seed in range(20)]
    assert all(one.best.backend == "onnxruntime" for one in outcomes)
    assert sum(not one.best.knobs for one in outcomes) >= 18


def test_a_knob_that_helps_is_kept_and_its_worth_told() -> None:
    """5 % of one of four knobs, with an interval around it; with one thread nobody waits, and nothing is asked of it."""
    of = Space(plain=[candidate()], knobs={"pytorch": KNOBS}, default=candidate())
    search, outcome = searched(drawn(1, lambda one: 0.1 * (0.95 if ("allocator", "jemalloc") in one.knobs else 1.0)), of)
    assert outcome.best == candidate(knobs=(("allocator", "jemalloc"),))
    assert {one.settings[0][0] for one in search.worths if one.base.threads != 1} == {knob for knob, _ in KNOBS}
    text = "\n".join(answer_lines("what", search, outcome, {}))
    assert "what each knob was worth" in text
    assert "allocator jemalloc  1.0" in text
    assert of.settings(candidate(threads=1)) == [("allocator", "jemalloc"), ("huge_pages", "madvise")]


def test_the_interval_of_a_knob_holds_the_truth() -> None:
    """Nineteen times in twenty, as it says; a few more may miss by chance."""
    of = Space(plain=[candidate()], knobs={"pytorch": KNOBS}, default=candidate())
    held = 0
    for seed in range(40):
        search, _ = searched(drawn(seed, lambda one: 0.1 * (0.95 if ("allocator", "jemalloc") in one.knobs else 1.0)), of)
        (worth,) = [one for one in search.worths if one.settings == (("allocator", "jemalloc"),)]
        assert worth.difference is not None
        low, high = worth.difference.interval(0.025)
        held += low < 0.95 < high
    assert held >= 35


def test_who_is_out_is_named_with_the_number() -> None:
    """A format whose answers are too far off, one that fails, and a tail that is too long."""
    limits = Limits(cosine=0.999, p99_s=0.07)
    machine = drawn(2, failing={"openvino": "wrong answer: cosine 0.2\n  more"})
    search, outcome = searched(machine, space(), limits=limits)
    assert outcome.best.backend == "onnxruntime"
    assert outcome.best.precision == "fp32"
    text = "\n".join(answer_lines("what", search, outcome, {}))
    assert "its answers have a cosine of 0.990000, below 0.999 (--cosine)" in text
    assert "wrong answer: cosine 0.2\n" in text
    assert "99 % of its rounds take up to " in text
    assert "ms, more than 70.0 ms (--p99)" in text


def test_a_format_is_not_out_because_its_largest_batch_is() -> None:
    """Batch 32 takes too long for --p99, batches 1 and 8 do not: the faster backend is found in them."""
    plain = [
        candidate(backend, "fp32", threads, batch_size=batch)
        for backend in ("pytorch", "onnxruntime", "openvino", "tensorflow_xla")
        for threads in (None, 1, 2)
        for batch in (1, 8, 32)
    ]
    of = Space(plain=plain, knobs={}, default=plain[0])
    slow = {32: 40.0, 8: 7.0, 1: 1.0}
    machine = drawn(4, lambda one: seconds(one) * slow[one.batch_size], sd=0.01)
    _, outcome = searched(machine, of, limits=Limits(p99_s=1.0), objective="throughput")
    assert (outcome.best.backend, outcome.best.batch_size, outcome.settled) == ("onnxruntime", 8, True)


@pytest.mark.parametrize("budget_s", [8.0, 20.0])
def test_nothing_to_gain_is_said_only_where_something_was_compared(budget_s: float) -> None:
    """Time for a launch or two: the default is all that is known, and no more is said."""
    search, outcome = searched(drawn(5), space(), budget_s=budget_s)
    assert (outcome.settled, outcome.nothing_to_gain) == (False, False)
    text = "\n".join(answer_lines("what", search, outcome, {}))
    assert "nothing to gain" not in text
    assert "no time for: " in text


def test_what_breaks_a_limit_in_the_last_comparison_is_not_recommended() -> None:
    """Its answer beside the runner-up is worse than those before: another one is."""

    class Later(Drawn):
        def pair(self, measured: Candidate, *others: Any) -> dict[str, Any]:
            said = super().pair(measured, *others)
            if said["alone"] is not None and measured.backend == "onnxruntime":
                said["alone"] = {**said["alone"], "cosine": 0.5}
            return said

    machine = Later(truth=seconds, chance=random.Random(1), sd=0.01)  # noqa: S311 - as above
    fp32 = space(precisions=("fp32",))
    search, outcome = searched(machine, replace(fp32, knobs={}), limits=Limits(cosine=0.999))
    assert outcome.best not in search.out
    assert outcome.best.backend == "openvino"


def test_a_side_that_fails_beside_the_other_is_undecided() -> None:
    """No memory for two: what launches say is said as such, and the search ends with 1."""

    class Alone(Drawn):
        def pair(self, *_: Any) -> dict[str, Any]:
            raise Wrong("a duet needs memory for two\n  and more", "neither")

    machine = Alone(truth=seconds, chance=random.Random(1))  # noqa: S311 - as above
    search, outcome = searched(machine, space())
    assert (outcome.settled, outcome.nothing_to_gain) == (False, False)
    text = "\n".join(answer_lines("what", search, outcome, {}))
    assert "by launches alone, not compared side by side with the default: onnxruntime int8" in text
    assert "not compared: a duet needs memory for two" in text


def test_what_takes_too_long_is_cut_off_and_what_there_is_told() -> None:
    """A launch pair that does not come back: the comparisons before it stand, and nothing more is asked."""

    class Slow(Drawn):
        def pair(self, measured: Candidate, reference: Candidate, number: int, quantity: str) -> dict[str, Any]:
            if reference == space().default:
                raise OutOfTime
            return super().pair(measured, reference, number, quantity)

    machine = Slow(truth=seconds, chance=random.Random(1))  # noqa: S311 - as above
    search, outcome = searched(machine, space())
    assert (search.cut_off, outcome.settled, outcome.nothing_to_gain) == (True, False, False)
    assert outcome.best.backend == "onnxruntime"
    assert outcome.compared[0].pairs >= 4
    text = "\n".join(answer_lines("what", search, outcome, {}))
    assert "not compared: a launch pair took longer than there was time for" in text


def test_a_busy_neighbour_costs_launches_and_not_the_answer() -> None:
    """A third of the launches take ten times as long, and say that they were disturbed: the best is found all the same."""

    class Busy(Drawn):
        def of(self, one: Candidate, *, wall_s: float) -> dict[str, Any]:
            said = super().of(one, wall_s=wall_s)
            if self.chance.random() < 1 / 3:
                said |= {
                    "median_s": 10 * said["median_s"],
                    "disturbed": "other processes kept 50% of its CPUs' time from it",
                }
            return said

    machines = [Busy(truth=seconds, chance=random.Random(seed)) for seed in range(8)]  # noqa: S311 - as above
    chosen = [searched(machine, space())[1].best for machine in machines]
    best = min(map(seconds, chosen))
    assert sum(seconds(one) < 1.12 * best for one in chosen) >= 7, list(map(str, chosen))


def test_launches_of_one_deployment_serve_all_its_batches() -> None:
    """For throughput the batch is chosen: a start is dearer than a batch more."""
    plain = [candidate("onnxruntime", threads=threads, batch_size=batch) for threads in (None, 1, 2) for batch in (1, 8, 32)]
    of = Space(plain=plain, knobs={}, default=plain[0])
    machine = drawn(4, lambda one: {1: 0.01, 8: 0.05, 32: 0.3}[one.batch_size] * {None: 1.0, 1: 1.5, 2: 0.9}[one.threads])
    search, outcome = searched(machine, of, objective="throughput")
    assert (outcome.best.batch_size, outcome.best.threads) == (8, 2)
    first = machine.asked[:9]
    assert [one.deployment for one in first] == [one.deployment for one in plain]
    assert search.objective.text(math.log(1 / 120)) == "120 samples/s"


class TestRace:
    """What is out, by what was measured."""

    def test_one_wild_launch_decides_nothing(self) -> None:
        """Before the spread is known no arm is out for a tenth, and one that is twice as slow is."""
        race: Race[str] = Race(0.065, moods=True)
        for arm, value in (("a", 0.0), ("b", 0.1), ("c", 0.7)):
            race.add(arm, 1, value)
        assert race.left(["a", "b", "c"], 0.0) == ["a", "b"]
        assert race.left(["a", "b", "c"], 0.6) == ["a", "b", "c"]

    def test_the_mood_of_a_pass_is_nobodys(self) -> None:
        """Every arm is 40 % slower in one pass: what is left is compared as before, and the spread stays small."""
        race: Race[str] = Race(0.065, moods=True)
        for number, mood in enumerate((0.0, 0.34, 0.02, -0.01)):
            for place, arm in enumerate("abcd"):
                race.add(arm, number, 0.05 * place + mood + 0.002 * ((number + place) % 2))
        assert race.spread()[0] < 0.04
        assert race.ordered(list("dcba")) == list("abcd")
        race.add("e", 1, 0.35)  # only in the bad pass: compared with the others there
        assert race.best(["e", "d"]) == "e"

    def test_a_disturbed_launch_puts_nobody_out(self) -> None:
        """Alone it decides nothing; beside another it does not count; two of them do."""
        race: Race[str] = Race(0.065, moods=True)
        race.add("a", 1, 0.0)
        race.add("b", 1, 2.0, disturbed=True)
        assert race.left(["a", "b"], 0.0) == ["a", "b"]
        race.add("b", 2, -0.1)
        assert race.mean("b") == -0.1
        race.add("c", 1, 2.0, disturbed=True)
        race.add("c", 2, 2.0, disturbed=True)
        assert "c" in race
        assert race.left(["a", "b", "c"], 0.0) == ["a", "b"]

    def test_what_is_no_number_is_refused(self) -> None:
        """It would win, or never end."""
        race: Race[str] = Race(0.065, moods=True)
        with pytest.raises(ValueError, match="a: measured nan"):
            race.add("a", 0, math.nan)


def test_the_front_has_what_nothing_betters() -> None:
    """In latency, samples per second and memory at once; equals stay both."""

    def said(median_s: float, rate: float, rss: float) -> dict[str, float]:
        return {"median_s": median_s, "throughput_per_s": rate, "peak_rss_bytes": rss}

    numbers = {
        candidate("a"): said(1.0, 10.0, 100.0),
        candidate("b"): said(2.0, 20.0, 100.0),
        candidate("c"): said(2.0, 10.0, 100.0),
        candidate("d"): said(1.0, 10.0, 100.0),
        candidate("e"): said(3.0, 5.0, 50.0),
    }
    assert [one.backend for one in pareto_front(numbers)] == ["a", "b", "d", "e"]


def test_what_is_in_the_log_is_not_measured_again(tmp_path: Path) -> None:
    """A search that goes on gets the launches and pairs that it had, and asks for the others."""
    asked: list[str] = []
    machine = drawn(9)

    class Session:
        def ask(self, do: str, **words: Any) -> Any:
            asked.append(do)
            if do == "launch":
                return machine.launch([Candidate.from_json(one) for one in words["deployments"]])
            return machine.pair(
                Candidate.from_json(words["measured"]), Candidate.from_json(words["reference"]), words["number"], ""
            )

    one, other = candidate("onnxruntime", knobs=(KNOBS[1],)), candidate()
    log = Log(tmp_path / "a.jsonl", {"about": 1})
    measuring = Measuring(session=Session(), log=log, began_s=0.0)
    said = [measuring.launch([one]), measuring.launch([one]), measuring.pair(one, other, 0, "latency")]
    again = Measuring(session=Session(), log=Log(tmp_path / "a.jsonl", {"about": 1}), began_s=0.0)
    assert [again.launch([one]), again.launch([one]), again.pair(one, other, 0, "latency")] == said
    assert asked == ["launch", "launch", "pair"]
    again.launch([one])
    again.pair(one, other, 1, "latency")
    assert asked == ["launch", "launch", "pair", "launch", "pair"]
    assert not is_answered(log.path)
    log.add({"answer": {}})
    assert is_answered(log.path)


def test_an_answer_for_programs_can_be_written() -> None:
    """It is JSON, and has what was asked, found, compared and ruled out."""
    search, outcome = searched(drawn(5, failing={"openvino": "no"}), space())
    found = json.loads(json.dumps(answer_json({"model": "m"}, search, outcome, ["a"]), allow_nan=False))
    assert Candidate.from_json(found["best"]) == outcome.best
    assert found["compared"][-1]["times_better"][0] < 1 / math.exp(found["compared"][-1]["log_ratio"])
    assert found["out"][0]["why"] == "no"


def test_the_report_of_the_run_tells_the_answer(tmp_path: Path) -> None:
    """First, as what to run, up to the lines to type; a file that is something else is refused with what to do."""
    (tmp_path / "run.json").write_text(next(MACHINES.glob("*/*/*.json")).read_text())
    run = read_run(tmp_path / "run.json")
    assert read_answers(run) == []
    write_answers(tmp_path, [{"lines": ["bert: the best", "  run this", "  $ python x", "  more"]}])
    view = view_of(compare(tmp_path, [], tmp_path / "no store", demand_baseline=False))
    assert view.told is not None
    assert view.told.texts == [
        "What to run here: what a search found",
        "  bert: the best",
        "      run this",
        "      $ python x",
        f"  more: {tmp_path / 'tuning.json'}",
    ]
    (tmp_path / "tuning.json").write_text("[]")
    with pytest.raises(RunFileError, match=r"not what `python -m baselines tune` writes: .*; remove it"):
        read_answers(run)


def asked_of(*words: str) -> argparse.Namespace:
    """The words of `python -m baselines tune`."""
    parser = argparse.ArgumentParser()
    tune.declare(parser)
    return parser.parse_args(words)


def test_questions_and_the_default() -> None:
    """For latency each batch is a question, for throughput it is chosen; the default is PyTorch as it comes, if there."""
    words = asked_of("--batch-sizes", "1,8", "--sequence-lengths", "32,128")
    assert questions_of(words, OBJECTIVES["latency"]) == [((1,), 32), ((8,), 32), ((1,), 128), ((8,), 128)]
    assert questions_of(words, OBJECTIVES["cost"]) == [((1, 8), 32), ((1, 8), 128)]
    plain = [
        candidate(backend, precision, threads)
        for backend in BACKENDS
        for precision in ("fp32", "int8")
        for threads in (1, None)
    ]
    assert default_of(plain) == candidate("pytorch", "fp32", None)
    assert default_of([one for one in plain if one.backend != "pytorch"]) == candidate("onnxruntime", "fp32", None)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--p99", "50"], "'50' is not a latency such as 50ms, 800us or 1.5s"),
        (["--cosine", "1.5"], "'1.5' is not a cosine above 0, up to 1, such as 0.999"),
        (["--batch-sizes", "0,8"], "'0,8' is not a list of sizes from 1 up, such as 1,8"),
        (["--budget", "15"], "'15' is not a duration such as 10m"),
        (["--for", "speed"], "invalid choice: 'speed'"),
        (["--p99", "1.s"], "'1.s' is not a latency"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What, and what it could be."""
    with pytest.raises(SystemExit):
        asked_of(*words)
    assert said in capsys.readouterr().err


def test_what_the_search_has_to_know_is_not_pytests() -> None:
    """It would answer for another model than the one that was measured."""
    words = asked_of("--pytest", "--benchmark-max-time=0.1", "--model", "bert-tiny")
    with pytest.raises(RunFileError, match="--pytest --model: the search has to know it: put it before --pytest"):
        tune.run(words)


@pytest.mark.parametrize("p99", ["1s", "50ms", "800us", "1.5s"])
def test_the_command_that_goes_on_can_be_typed(p99: str) -> None:
    """It asks for the same limit."""
    asked = asked_of("--p99", p99, "--batch-sizes", "1")
    words = shlex.split(again_of(asked))
    again = asked_of(*words[words.index("tune") + 1 :])
    assert math.isclose(again.p99, asked.p99)
    assert again.batch_sizes == asked.batch_sizes


def test_a_search_has_an_end() -> None:
    """Without a budget it would have none."""
    with pytest.raises(RunFileError, match="--budget none: a search goes on for as long as it is given"):
        tune.run(asked_of("--budget", "none"))


SLOW = """
import os
import time

def pytest_addoption(parser):
    parser.addoption("--pipes")

def pytest_runtestloop(session):
    asked, answers = map(int, session.config.getoption("pipes").split(","))
    os.write(answers, b'{"result": "ready"}\\n')
    for line in os.fdopen(asked):
        time.sleep(0.5)
        os.write(answers, b'{"result": "of the first"}\\n')
    return True
"""


def test_an_answer_that_came_too_late_is_nobody_elses(tmp_path: Path) -> None:
    """Once an answer was not there in time nothing more is asked: the next one to arrive would be taken for another's."""
    (tmp_path / "conftest.py").write_text(SLOW)
    arguments = [str(tmp_path), "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(tmp_path)]
    session = Session(arguments, "--pipes", tmp_path / "said.txt", tmp_path)
    try:
        session.until_s = time.monotonic() + 0.05
        with pytest.raises(OutOfTime):
            session.ask("first")
        session.until_s = None
        with pytest.raises(OutOfTime):
            session.ask("second")
    finally:
        session.close()
