"""Claims of the study on made-up runs that hold each, deny it, and cannot tell; and that noise decides nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.report.claims import Answer, Case, Claim, above, answer_of, wider, within
from tests.builders import answer, view_of_runs

Record = dict[str, Any]


def claim_of(folder: Path, name: str, records: Sequence[Record], **changes: Any) -> Claim:
    """What a run of these benchmarks says about a claim."""
    view = view_of_runs(folder, records, **changes)
    return next(claim for claim in view.claims if claim.name == name)


def out_of_the_box(*sizes: tuple[int, int, float], backend: str = "pytorch") -> list[Record]:
    """Latencies by batch size and sequence length."""
    return [
        answer("out_of_the_box", seconds, backend=backend, batch=batch, length=length) for batch, length, seconds in sizes
    ]


def ranking(tensorflow_s: float) -> list[Record]:
    """Both frameworks at one size; so long for TensorFlow."""
    return [*out_of_the_box((1, 32, 0.01)), *out_of_the_box((1, 32, tensorflow_s), backend="tensorflow")]


def siblings(shared_s: float) -> list[Record]:
    """Two threads on two cores, and on one."""
    question = "simultaneous_multithreading"
    return [answer(question, 0.01, cores=2, threads=2), answer(question, shared_s, cores=1, threads=2)]


def pinned(free_s: float) -> list[Record]:
    """Pinned threads, and the framework left alone."""
    return [*out_of_the_box((1, 32, free_s)), answer("core_count_scaling", 0.01, threads=4)]


def threads(all_cores_s: float) -> list[Record]:
    """Three numbers of threads; so long on all cores."""
    counts = {1: 0.05, 8: 0.01, 48: all_cores_s}
    return [answer("core_count_scaling", seconds, threads=count) for count, seconds in counts.items()]


def instances(several_per_s: float) -> list[Record]:
    """One instance, two and four; so much from two."""
    counts = {1: 100.0, 2: several_per_s, 4: several_per_s * 0.9}
    return [
        answer("instance_scaling", 0.1, batch=8, throughput_per_s=rate, instances=count) for count, rate in counts.items()
    ]


def memory(remote_s: float) -> list[Record]:
    """The node's own memory, and another's."""
    return [answer("memory_binding", 0.01, memory="local"), answer("memory_binding", remote_s, memory="remote")]


def stream(others_s: float) -> list[Record]:
    """Pools by length, and so long for both alternatives."""
    policies = {"pools": 0.01, "one": others_s, "equal": others_s}
    return [answer("smart_dispatching", seconds, length=128, policy=policy) for policy, seconds in policies.items()]


def by_length(longest_s: float) -> list[Record]:
    """Four times the length."""
    return out_of_the_box((1, 128, 0.1), (1, 512, longest_s))


def by_batch(largest_s: float) -> list[Record]:
    """Thirty-two times the batch."""
    return out_of_the_box((1, 128, 0.1), (32, 128, largest_s))


CASES = {
    "ranking": (ranking, 0.03, 0.003, 0.0101),
    "sequence_length": (by_length, 1.2, 0.15, 0.41),
    "batch_size": (by_batch, 3.2, 0.5, 6.5),
    "physical_cores": (siblings, 0.02, 0.005, 0.0101),
    "pinning": (pinned, 0.05, 0.004, 0.0101),
    "few_threads": (threads, 0.03, 0.002, 0.0101),
    "several_instances": (instances, 300, 30, 101),
    "local_memory": (memory, 0.02, 0.005, 0.0101),
    "dispatching": (stream, 0.03, 0.003, 0.0101),
}


@pytest.mark.parametrize("name", CASES)
def test_each_claim_can_hold_fail_and_stay_open(name: str, tmp_path: Path) -> None:
    """Far on one side of the threshold, far on the other, and so near that noise explains it."""
    build, for_it, against_it, near = CASES[name]
    hard = {"machine_id": "a-1-1-48c-00000000", "hard": {"physical_cores": 48}, "soft": {}}
    for folder, value, expected in (("a", for_it, Answer.HOLDS), ("b", against_it, Answer.FAILS), ("c", near, Answer.OPEN)):
        claim = claim_of(tmp_path / folder, name, build(value), machine_info=hard)
        assert claim.answer is expected, claim.why
        assert claim.cases
        assert claim.rule
        assert "comparison" in claim.why


def test_all_claims_are_tested_here(tmp_path: Path) -> None:
    """A claim without made-up runs would be one without a test; without a benchmark each says why it cannot be tested."""
    view = view_of_runs(tmp_path, [answer("unknown_question")])
    assert {claim.name for claim in view.claims} == set(CASES)
    assert {claim.answer for claim in view.claims} == {Answer.UNTESTED}
    assert all("this run did not ask: pytest benchmarks/test_" in claim.why for claim in view.claims)


def test_a_question_that_was_skipped_gives_its_reason(tmp_path: Path) -> None:
    """The claim has the words of the skip."""
    nodeid = "benchmarks/test_memory_binding.py::test_memory_binding[x]"
    run = {"skipped": [{"reason": "one NUMA node", "benchmarks": [nodeid]}]}
    claim = claim_of(tmp_path, "local_memory", [answer("out_of_the_box")], run=run)
    assert (claim.answer, claim.why) == (Answer.UNTESTED, "skipped, 1 benchmark: one NUMA node")


def test_fewer_pinned_threads_than_cores_say_nothing_of_pinning(tmp_path: Path) -> None:
    """Left alone on two CPUs against one pinned thread is a question of threads, not of pinning."""
    records = [*out_of_the_box((1, 32, 0.005)), answer("core_count_scaling", 0.01, threads=1)]
    claim = claim_of(tmp_path, "pinning", records)
    assert claim.answer is Answer.UNTESTED
    assert "no problem size both out of the box and pinned to all cores" in claim.why


def test_backends_may_disagree(tmp_path: Path) -> None:
    """Decided for one and against another: in part, and the numbers of both."""
    records = memory(0.02) + [
        answer("memory_binding", seconds, backend="onnxruntime", memory=place)
        for place, seconds in (("local", 0.02), ("remote", 0.01))
    ]
    claim = claim_of(tmp_path, "local_memory", records)
    assert claim.answer is Answer.IN_PART
    assert claim.why == "with remote memory it takes 0.500 to 2.00 times as long: 2 comparisons, 1 for it, 1 against it"


def test_what_was_disturbed_decides_nothing(tmp_path: Path) -> None:
    """Other processes had the CPUs of one side: ten times as long says nothing."""
    records = memory(0.1)
    records[1]["extra_info"] |= {"wait_share": 0.5, "others_share": 0.5}
    claim = claim_of(tmp_path, "local_memory", records)
    assert claim.answer is Answer.OPEN
    assert claim.why.endswith("1 cannot tell (1 disturbed by other processes)")
    assert claim.cases[0].says_text == "disturbed: cannot tell"


def test_few_cores_cannot_deny_that_small_problems_want_few_of_many(tmp_path: Path) -> None:
    """On two cores two threads are best: that says nothing about 8 to 16 of 48."""
    records = [answer("core_count_scaling", seconds, threads=count) for count, seconds in ((1, 0.02), (2, 0.01))]
    machine = {"machine_id": "a-1-1-2c-00000000", "hard": {"physical_cores": 2}, "soft": {}}
    claim = claim_of(tmp_path, "few_threads", records, machine_info=machine)
    assert claim.answer is Answer.UNTESTED
    assert claim.why.startswith("2 cores are fewer than the 8 to 16")


def test_accepted_runs_that_agree_make_a_claim_sharper(tmp_path: Path) -> None:
    """A difference of 10 % is noise where nothing is known, and none where six accepted runs lie 1 % apart."""
    records = memory(0.011)
    assert claim_of(tmp_path / "a", "local_memory", records).answer is Answer.OPEN
    accepted = [
        [
            answer("memory_binding", seconds * (1 + 0.004 * (day % 3 - 1)), memory=place)
            for place, seconds in (("local", 0.01), ("remote", 0.011))
        ]
        for day in range(6)
    ]
    assert claim_of(tmp_path / "b", "local_memory", records, accepted=accepted).answer is Answer.HOLDS


def test_precisions_are_no_evidence(tmp_path: Path) -> None:
    """The claims are about fp32: another precision of the same backend replaces no value."""
    records = memory(0.02)
    records[1]["extra_info"]["configuration"]["precision"] = "int8"
    claim = claim_of(tmp_path, "local_memory", records)
    assert (claim.answer, claim.why) == (Answer.UNTESTED, "this run measured no placement both local and remote")


def case(estimate: float, half_width: float, says: bool | None = None) -> Case:
    """One comparison."""
    return Case(what="", estimate=estimate, half_width=half_width, says=says)


quarters = st.integers(-20, 20).map(lambda number: number / 4)
widths = st.integers(0, 20).map(lambda number: number / 4)


@given(quarters, widths, quarters)
def test_a_case_is_decided_only_by_its_whole_interval(estimate: float, half_width: float, threshold: float) -> None:
    """On both sides of the threshold it says nothing."""
    expected = None if abs(estimate - threshold) <= half_width else estimate > threshold
    assert above(case(estimate, half_width), threshold) is expected


@given(quarters, widths, quarters, widths)
def test_a_case_lies_within_or_outside_as_a_whole(estimate: float, half_width: float, low: float, width: float) -> None:
    """Within two thresholds, outside them, or neither."""
    high, bottom, top = low + width, estimate - half_width, estimate + half_width
    said = within(case(estimate, half_width), low, high)
    assert (said is True) == (low <= bottom and top <= high)
    assert (said is False) == (top < low or high < bottom)


@given(st.integers(1, 500))
def test_more_comparisons_make_wider_intervals(cases: int) -> None:
    """One comparison is not widened; each further one widens all."""
    assert math.isclose(wider(1), 1)
    assert wider(cases) < wider(cases + 1) < 3


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([], Answer.UNTESTED),
        ([None], Answer.OPEN),
        ([True, None], Answer.HOLDS),
        ([False, None], Answer.FAILS),
        ([True, False], Answer.IN_PART),
    ],
)
def test_the_answer_follows_from_the_decided_cases(said: list[bool | None], expected: Answer) -> None:
    """Undecided ones change nothing."""
    assert answer_of([case(0, 1, one) for one in said]) is expected
