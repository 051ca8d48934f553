"""Claims of the study on made-up runs that hold each, deny it, and cannot tell; and that noise decides nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.report.claims import MARGIN, Answer, Case, Claim, above, answer_of, gains, within
from baselines.report.compared import welch, wider
from tests.builders import answer, rescale, view_of_runs

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


def several_launches(record: Record, count: int = 5, step: float = 0.01) -> Record:
    """The same with launches that lie 1 % apart, or another step."""
    median_s, per_s = record["stats"]["median"], record["extra_info"]["throughput_per_s"]
    apart = [1 + step * (number - count // 2) for number in range(count)]
    launches = [{"median_s": median_s * one, "throughput_per_s": per_s / one, "rounds": 5} for one in apart]
    record["extra_info"]["launches"] = launches
    return record


def tuned(
    medians_s: Mapping[str, float],
    *,
    backend: str = "pytorch",
    length: int = 512,
    threads: int = 2,
    step: float = 0.01,
    faults: Mapping[str, float] | None = None,
) -> list[Record]:
    """Runtime tuning of a backend by `knob setting`, with launches enough to be evidence."""
    records = []
    for name, seconds in {"none default": 0.1, **medians_s}.items():
        knob, setting = name.split()
        record = answer("runtime_tuning", seconds, backend=backend, length=length, knob=knob, setting=setting)
        record["extra_info"]["configuration"]["threads"] = threads
        record["extra_info"]["per_instance"][0] |= {"page_faults": (faults or {}).get(name)}
        records.append(several_launches(record, step=step))
    return records


def short(glibc: float) -> list[Record]:
    """So many times as long with glibc's malloc, at 128 tokens."""
    return tuned({"allocator tcmalloc": 0.1 / glibc, "allocator jemalloc": 0.1 / glibc}, length=128)


def long(glibc: float) -> list[Record]:
    """The same at 512, where one of the two counts."""
    return tuned({"allocator tcmalloc": 0.1 / glibc, "allocator jemalloc": 0.1 / min(glibc, 1.0)})


def raised(others: float) -> list[Record]:
    """Another malloc takes so many times as long as glibc's with raised thresholds."""
    return tuned({"malloc_thresholds raised": 0.06, "allocator tcmalloc": 0.06 * others})


def in_graph(glibc: float) -> list[Record]:
    """So many times as long in TorchScript, 1.5 times in eager mode."""
    eager = tuned({"allocator tcmalloc": 0.1 / 1.5})
    return [*eager, *tuned({"allocator tcmalloc": 0.1 / glibc}, backend="torchscript")]


def jemalloc(glibc: float) -> list[Record]:
    """TensorFlow on two threads."""
    return tuned({"allocator jemalloc": 0.1 / glibc}, backend="tensorflow")


def openmp(gnu: float) -> list[Record]:
    """So many times as long with GNU's runtime, on two threads."""
    return tuned({"openmp llvm": 0.1 / gnu})


def openmp_on_many(gnu: float) -> list[Record]:
    """The same on 24."""
    return tuned({"openmp llvm": 0.1 / gnu}, threads=24, step=0.02)


def sockets(both: float) -> list[Record]:
    """So many times as long on both."""
    places = {"one_socket": 0.1, "both_sockets": 0.1 * both}
    return [several_launches(answer("memory_binding", seconds, memory=place)) for place, seconds in places.items()]


def few_cores(torchscript: float) -> list[Record]:
    """TorchScript and both of TensorFlow's graphs on two threads, of which the better counts."""
    backends = {"torchscript": 0.1 * torchscript, "tensorflow_xla": 0.1, "tensorflow_graph": 0.2}
    return [answer("core_count_scaling", seconds, backend=name, threads=2) for name, seconds in backends.items()]


def graphs(apart: float) -> list[Record]:
    """Two graphs."""
    records = [*out_of_the_box((1, 512, 0.1), backend="torchscript")]
    records += out_of_the_box((1, 512, 0.1 * apart), backend="tensorflow_graph")
    return [several_launches(one) for one in records]


def onednn(without: float) -> list[Record]:
    """TensorFlow with oneDNN, as it comes, and so many times as long without."""
    return tuned({"tf_onednn off": 0.1 * without}, backend="tensorflow_graph")


def huge_pages(as_it_comes: float) -> list[Record]:
    """So many times as long as with the best of two settings."""
    return tuned({"huge_pages madvise": 0.1 / as_it_comes, "huge_pages off": 0.1})


def blocktime(as_it_comes: float) -> list[Record]:
    """The same of LLVM's runtime and KMP_BLOCKTIME."""
    return tuned({"openmp llvm": 0.1, "kmp_blocktime 0": 0.1 / as_it_comes, "kmp_blocktime 1": 0.12})


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
    "allocator_at_short": (short, 1.0, 1.4, 1.05),
    "allocator_at_long": (long, 1.4, 0.7, 1.024),
    "allocator_thresholds": (raised, 1.4, 0.8, 0.953),
    "allocator_in_graphs": (in_graph, 1.1, 1.5, 1.46),
    "jemalloc_on_few_cores": (jemalloc, 1.2, 0.8, 1.005),
    "openmp_on_few_cores": (openmp, 1.0, 1.4, 1.05),
    "openmp_on_many_cores": (openmp_on_many, 1.4, 1.0, 1.03),
    "second_socket": (sockets, 1.0, 0.5, 0.95),
    "tensorflow_on_few_cores": (few_cores, 1.5, 0.5, 1.01),
    "graphs_are_close": (graphs, 1.05, 3.0, 1.25),
    "onednn_in_tensorflow": (onednn, 1.3, 0.7, 1.005),
    "huge_pages": (huge_pages, 1.3, 0.9, 1.024),
    "blocktime": (blocktime, 1.3, 0.9, 1.024),
}
FACTS = {"openmp_users"}
BEYOND_A_RUN = {"cores_matter_most", "cores_for_short_texts", "search", "throughput", "ice_lake"}
"""What no run of one machine can tell, whatever it measures."""


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
    assert {claim.name for claim in view.claims} == {*CASES, *FACTS, *BEYOND_A_RUN}
    assert {claim.answer for claim in view.claims} == {Answer.UNTESTED}
    for claim in view.claims:
        asked = "this run did not ask: pytest benchmarks/test_" in claim.why
        assert asked != (claim.name in BEYOND_A_RUN), claim.name
        assert len(claim.why.split()) > 5
        assert claim.rule


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


def test_an_allocator_that_wastes_time_turns_its_claim(tmp_path: Path) -> None:
    """As long as it should take, no effect; every benchmark of it a third slower, an effect; the faults stand beside it."""
    faults = {"none default": 12_800.4, "allocator tcmalloc": 2.0}
    records = tuned({"allocator tcmalloc": 0.1}, length=128, faults=faults)
    honest = claim_of(tmp_path / "a", "allocator_at_short", records)
    assert honest.answer is Answer.HOLDS
    wasteful = records[1]
    assert wasteful["params"]["setting"] == "tcmalloc"
    rescale(wasteful, 4 / 3)
    claim = claim_of(tmp_path / "b", "allocator_at_short", records)
    assert claim.answer is Answer.FAILS
    assert claim.why == "with glibc's malloc it takes 0.750 times as long: 1 comparison, 1 against it"
    (only,) = claim.cases
    assert only.what == (
        "pytorch, batch 1, 128 tokens, 2 threads: glibc's against tcmalloc (page faults a pass: 12,800 against 2)"
    )


def test_what_explains_a_gain_needs_one(tmp_path: Path) -> None:
    """Where no other malloc is faster, there is nothing that raised thresholds could explain, or a graph lack."""
    for setting in (0.1, 0.115):
        records = tuned({"malloc_thresholds raised": 0.1, "allocator tcmalloc": setting})
        records += tuned({"allocator tcmalloc": setting * 0.9}, backend="torchscript")
        for name in ("allocator_thresholds", "allocator_in_graphs"):
            claim = claim_of(tmp_path / f"{name}{setting}", name, records)
            assert claim.answer is Answer.UNTESTED
            assert "that is surely faster than glibc's" in claim.why or "that surely gains something" in claim.why


def test_eight_short_texts_are_no_long_one(tmp_path: Path) -> None:
    """1,024 positions in rows of 128 tokens: the study's long texts had 512."""
    records = tuned({"allocator tcmalloc": 0.05}, length=128)
    for one in records:
        one["extra_info"]["problem_size"]["batch_size"] = 8
    assert claim_of(tmp_path, "allocator_at_long", records).answer is Answer.UNTESTED


def test_few_launches_are_no_evidence_of_their_spread(tmp_path: Path) -> None:
    """Two launches of each side that agree do not prove that an allocator has no effect; three do."""
    for count, expected in ((2, Answer.OPEN), (3, Answer.HOLDS)):
        records = [several_launches(one, count) for one in short(1.0)]
        for one in records:
            for launch in one["extra_info"]["launches"]:
                launch["median_s"] = 0.1
        assert claim_of(tmp_path / str(count), "allocator_at_short", records).answer is expected


def test_which_cores_are_few(tmp_path: Path) -> None:
    """Five threads are no longer few: a claim about few cores has no case, its neighbour has."""
    records = tuned({"openmp llvm": 0.1}, threads=5)
    few = claim_of(tmp_path / "a", "openmp_on_few_cores", records)
    assert few.why == (
        "this run measured no LLVM runtime beside GNU's on 4 threads or fewer; docs/tuning.md has the line that asks it"
    )
    assert claim_of(tmp_path / "b", "openmp_on_many_cores", records).cases


def test_few_cores_out_of_the_box_are_those_that_were_granted(tmp_path: Path) -> None:
    """On a machine of many, some may be; with two CPUs to a core there are fewer cores than CPUs."""
    machine = {"machine_id": "a-1-1-48c-00000000", "hard": {"physical_cores": 48}, "soft": {}}
    small = {"machine_id": "a-1-1-4c-00000000", "hard": {"physical_cores": 4}, "soft": {}}
    for cpus, where, expected in (
        (2, machine, Answer.HOLDS),
        (48, machine, Answer.UNTESTED),
        (8, machine, Answer.UNTESTED),
        (8, small, Answer.HOLDS),
    ):
        records = [
            *out_of_the_box((1, 32, 0.2), backend="torchscript"),
            *out_of_the_box((1, 32, 0.1), backend="tensorflow_xla"),
        ]
        for one in records:
            one["extra_info"]["per_instance"][0]["cpus"] = list(range(cpus))
        folder = tmp_path / f"{cpus} of {where['machine_id']}"
        assert claim_of(folder, "tensorflow_on_few_cores", records, machine_info=where).answer is expected


def test_of_alternatives_the_one_that_decided_is_shown(tmp_path: Path) -> None:
    """A disturbed one that looks better decides nothing, and stands for nothing."""
    records = tuned({"huge_pages off": 0.05, "huge_pages madvise": 0.01})
    disturbed = next(one for one in records if "madvise" in one["param"])
    disturbed["extra_info"] |= {"wait_share": 0.5, "others_share": 0.5}
    claim = claim_of(tmp_path, "huge_pages", records)
    (only,) = claim.cases
    assert (claim.answer, only.disturbed) == (Answer.HOLDS, False)
    assert "huge pages off" in only.what


def test_one_framework_alone_says_nothing_of_who_uses_openmp(tmp_path: Path) -> None:
    """That ONNX Runtime finds none is no difference to a PyTorch that was not asked."""
    (plain,) = tuned({}, backend="onnxruntime")
    plain["extra_info"]["per_instance"][0]["tuning"] = {"openmp": None, "openmp_libraries": []}
    assert claim_of(tmp_path, "openmp_users", [plain]).answer is Answer.UNTESTED


def test_onednn_counts_the_same_whichever_it_comes_with(tmp_path: Path) -> None:
    """Off by default, and turned on: the one that has it is compared with the one that has not."""
    records = tuned({"tf_onednn on": 0.05}, backend="tensorflow")
    claim = claim_of(tmp_path, "onednn_in_tensorflow", records)
    assert (claim.answer, claim.cases[0].value_text) == (Answer.HOLDS, "2.00")


@pytest.mark.parametrize(("pytorch", "onnxruntime", "expected"), [
    ("/usr/lib/libgomp.so.1", None, Answer.HOLDS),
    (None, "/usr/lib/libgomp.so.1", Answer.FAILS),
    ("/usr/lib/libgomp.so.1", "/x/libomp.so", Answer.IN_PART),
])  # fmt: skip
def test_who_finds_an_openmp_runtime(tmp_path: Path, pytorch: str | None, onnxruntime: str | None, expected: Answer) -> None:
    """A fact of the kernel's, without an interval.

    Benchmarks in which a knob was turned say nothing of it, nor does a runtime that some package has mapped for itself.
    """
    records = []
    for backend, library in (("pytorch", pytorch), ("onnxruntime", onnxruntime)):
        plain, other = tuned({"openmp llvm": 0.1}, backend=backend)
        mapped = ["/x/sentencepiece.libs/libgomp-6a29c32d.so.1.0.0"]
        plain["extra_info"]["per_instance"][0]["tuning"] = {"openmp": library, "openmp_libraries": mapped}
        other["extra_info"]["per_instance"][0]["tuning"] = {"openmp": "/usr/lib/libomp.so.5"}
        records += [plain, other]
    claim = claim_of(tmp_path, "openmp_users", records)
    assert claim.answer is expected
    assert claim.why.startswith(f"GOMP_parallel is found in pytorch: {'libgomp.so.1' if pytorch else 'none'}; onnxruntime: ")
    found = {(case.interval_text, case.value_text) for case in claim.cases}
    assert found <= {("", "libgomp.so.1"), ("", "none"), ("", "libomp.so")}


def test_noise_between_launches_decides_as_seldom_as_it_says() -> None:
    """Sides of 3 and 5 launches without any difference: the interval of one comparison misses it in 5 % of 2,000."""
    chance = np.random.default_rng(3)
    missed = 0
    for one, other in zip(
        chance.normal(scale=0.05, size=(2_000, 3)), chance.normal(scale=0.05, size=(2_000, 5)), strict=True
    ):
        found = welch([(list(one), -1.0), (list(other), 1.0)])
        missed += abs(found.estimate) > found.reach(0.025)
    assert 0.03 < missed / 2_000 < 0.06


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


@given(quarters, widths)
def test_a_gain_is_denied_only_where_it_would_be_seen(estimate: float, half_width: float) -> None:
    """No below the margin, else yes above 0, and otherwise nothing: an interval that holds both says nothing."""
    scaled = case(estimate / 20, half_width / 20)
    low, high = scaled.estimate - scaled.half_width, scaled.estimate + scaled.half_width
    assert gains(scaled) is (False if high < MARGIN else True if low > 0 else None)


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
