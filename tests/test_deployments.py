"""Deployments one by one: their ids, what there is of them on a machine, and how pytest finds one that is named."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from fixtures.asked.deployments import Wanted, layouts, named_deployments, plain_deployments
from fixtures.asked.problem_size import ProblemSize, grid
from fixtures.conditions.collection import pytest_ignore_collect
from fixtures.run.launches_on_request import joined
from fixtures.tuning.knobs import KNOBS
from tests.suite import REPOSITORY, Suite
from tests.test_matrix import FOUR_CORES, ONE_NODE, axes

NODE = "benchmarks/test_best_deployment.py::test_best_deployment"
ID = "onnxruntime-fp32-threads1-instances1-huge_pages_off-batch1-seq32"


def wanted(**others: Any) -> Wanted:
    """One instance of onnxruntime on two cores."""
    words = {"backend": "onnxruntime", "precision": "fp32", "threads": 2, "instances": 1, "size": grid([8], [32])[0]}
    return Wanted(**{**words, **others})


KNOB_CHOICES = some.fixed_dictionaries({}, optional={knob: some.sampled_from(settings) for knob, settings in KNOBS.items()})


@given(
    one=some.builds(
        Wanted,
        backend=some.sampled_from(["onnxruntime", "torch_compile_freezing", "tensorflow_xla"]),
        precision=some.sampled_from(["fp32", "int8"]),
        threads=some.none() | some.integers(1, 96),
        instances=some.integers(1, 48),
        size=some.builds(ProblemSize, batch_size=some.integers(1, 128), sequence_length=some.integers(1, 512)),
        knobs=KNOB_CHOICES,
    )
)
def test_an_id_is_read_back(one: Wanted) -> None:
    """From the id, from a benchmark's parameters, and from the words of a request."""
    benchmark = one.benchmark()
    assert "=" not in benchmark.id
    assert Wanted.from_id(benchmark.id) == one
    values = {name: value for name, value in benchmark.parameters.items() if not name.endswith(("_size", "_length"))}
    assert Wanted.of(**values, size=one.size) == one  # type: ignore[arg-type]
    assert Wanted.from_json(one.as_json()) == one


def test_what_there_is_on_four_cores() -> None:
    """As it comes, each number of threads, and instances that share all cores."""
    chosen = axes(backends=("onnxruntime",), instances=(1, 2, 4), threads=(1, 2, 4))
    assert layouts(chosen, FOUR_CORES) == [(None, 1), (1, 1), (2, 1), (4, 1), (2, 2), (1, 4)]
    chosen = dataclasses.replace(chosen, problem_sizes=grid([2], [32]))
    found = list(plain_deployments(chosen, FOUR_CORES, lambda *_: None))
    formats = len({one.precision for one in found})
    assert len(found) == 6 * formats > 6
    assert [one.id for one in found if one.skip and "-fp32-" in one.id] == [
        "onnxruntime-fp32-threads1-instances4-batch2-seq32"
    ]


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (wanted(), None),
        (wanted(threads=8), "8 threads need 8 physical cores"),
        (wanted(threads=2, instances=2), None),
        (wanted(threads=1, instances=2), "2 instances have 2 threads each here, not 1"),
        (wanted(instances=3), "8 samples cannot be shared equally by 3 instances"),
        (wanted(knobs={"openmp": "llvm"}), "its thread pool is its own"),
        (wanted(knobs={"huge_pages": "sometimes"}), "huge_pages sometimes is no setting of a knob"),
    ],
)
def test_what_cannot_run_says_why(one: Wanted, why: str | None) -> None:
    """Cores, samples, knobs."""
    said = one.why_not(FOUR_CORES)
    assert said == why if why is None else why in str(said)


def test_its_instances_have_the_knobs_and_cores_of_their_own() -> None:
    """Whatever is turned is proven; what is not is nobody's business."""
    two = wanted(threads=2, instances=2, knobs={"huge_pages": "off"}).deployment(FOUR_CORES, ONE_NODE, ())
    assert [one.cpus for one in two.configurations] == [(0, 1), (2, 3)]
    assert all(one.huge_pages == "off" and one.knobs_proven for one in two.configurations)
    assert two.whole.as_json()["huge_pages"] == "off"
    alone = wanted(threads=None).deployment(FOUR_CORES, ONE_NODE, ())
    assert (alone.whole.threads, alone.whole.cpus, alone.whole.knobs_proven) == (None, (0, 1, 2, 3), False)


def test_a_command_line_names_them_by_their_ids() -> None:
    """Others are not made up; an id of another question is none."""
    found = named_deployments([f"{NODE}[{ID}]", f"{NODE}[nobody]", "benchmarks/"], FOUR_CORES, lambda *_: "no")
    assert [(one.id, one.skip) for one in found] == [(ID, "no")]


def test_launches_are_joined_in_one_record() -> None:
    """That of the middle launch stands for all, and names every one."""

    def record(median_s: float) -> dict[str, Any]:
        launch = {"median_s": median_s}
        return {"stats": {"median": median_s}, "extra_info": {"latency_s": {"median": median_s}, "launches": [launch]}}

    found = joined([record(median_s) for median_s in (0.5, 0.1, 0.9, 1.0, 1.1)])
    assert found["stats"]["median"] == 0.9
    assert [one["median_s"] for one in found["extra_info"]["launches"]] == [0.5, 0.1, 0.9, 1.0, 1.1]


@pytest.mark.parametrize("wrong", ["threads0-instances1", "threads1-instances0", "threads01-instances1"])
def test_ids_that_name_nothing(wrong: str) -> None:
    """No number below one, in no way but one, and no format that there is not."""
    assert Wanted.from_id(f"pytorch-fp32-{wrong}-batch1-seq128") is None
    assert Wanted.from_id("pytorch-fp64-threads1-instances1-batch1-seq128") is None
    assert Wanted.from_id("pytorch-fp32-threads1-instances1-batch0-seq128") is None


@pytest.mark.parametrize(
    ("argument", "ignored"),
    [("benchmarks", True), ("benchmarks/test_padding.py", True), ("benchmarks/test_best_deployment.py", None), (NODE, None)],
)
def test_its_file_is_collected_where_it_is_named(argument: str, ignored: bool | None) -> None:
    """A run of all questions has no part of it; other files are nobody's business here."""
    config: Any = SimpleNamespace(args=[argument])
    assert pytest_ignore_collect(REPOSITORY / "benchmarks/test_best_deployment.py", config) is ignored
    assert pytest_ignore_collect(REPOSITORY / "benchmarks/test_padding.py", config) is None


@pytest.mark.slow
def test_it_is_no_part_of_a_run_of_all_questions(suite: Suite) -> None:
    """It is collected where it is named, as a skip that says who asks."""
    everything = suite("benchmarks", "--collect-only", "-q", "--preset=quick")
    assert "test_core_count_scaling" in everything.text
    assert "test_best_deployment" not in everything.text
    named = suite("benchmarks/test_best_deployment.py", "--preset=quick", "-rs")
    assert "python -m baselines tune asks this question" in named.text


@pytest.mark.slow
def test_one_that_is_named_by_its_id_is_measured(suite: Suite) -> None:
    """With the knob that the id names, proven."""
    one = suite(f"{NODE}[{ID}]", "--benchmark-only", "--preset=quick", "--benchmark-max-time=0.05", "--model=bert-tiny")
    assert one.code == 0, one.text
    (found,) = one.run["benchmarks"]
    assert (found["fullname"], found["param"]) == (f"{NODE}[{ID}]", ID)
    assert found["extra_info"]["per_instance"][0]["tuning"]["thp_enabled"] is False
