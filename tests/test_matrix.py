"""The axes of the benchmarks and how they are spelled."""

from __future__ import annotations

from collections import Counter

import pytest

from fixtures.asked import matrix
from fixtures.asked.layouts import layouts_of
from fixtures.asked.matrix import QUESTIONS, Axes, Benchmark, Layout
from fixtures.asked.presets import PRESETS
from fixtures.asked.problem_size import ProblemSize, grid
from fixtures.machine.memory import NodeMemory
from fixtures.machine.topology import Topology

FOUR_CORES = Topology(
    sockets=1,
    numa_nodes={0: (0, 1, 2, 3)},
    cores=((0,), (1,), (2,), (3,)),
    usable_cpus=(0, 1, 2, 3),
    cpu_quota=None,
)

ONE_NODE = NodeMemory(with_memory=(0,), allowed=(0,), distances={}, balancing=None)


def axes(preset: str = "default", **changes: object) -> Axes:
    """Axes of a preset, with two thread counts."""
    chosen = PRESETS[preset]
    fields = {
        "preset": chosen,
        "backends": None,
        "precisions": None,
        "threads": (1, 2),
        "instances": (1, 2),
        "problem_sizes": chosen.problem_sizes,
        "scaling_problem_sizes": chosen.scaling_problem_sizes,
        "shared_problem_sizes": chosen.shared_problem_sizes,
        "few_problem_sizes": chosen.few_problem_sizes,
        "fewest_problem_sizes": chosen.fewest_problem_sizes,
        "limited_problem_sizes": chosen.limited_problem_sizes,
        "padded_problem_sizes": chosen.padded_problem_sizes,
        "text_problem_sizes": chosen.text_problem_sizes,
    }
    return Axes(**{**fields, **changes})  # type: ignore[arg-type]


def expanded(question: str, chosen: Axes) -> list[Benchmark]:
    """The benchmarks of a question where everything is possible."""
    layouts = layouts_of(question, chosen, FOUR_CORES, ONE_NODE)
    return matrix.expand(QUESTIONS[question], chosen, layouts, lambda *_: None)


def test_ids_name_every_axis_and_have_no_equals_sign() -> None:
    """An id can be used with -k; the axis of threads is there only where the question has it."""
    first = expanded("core_count_scaling", axes())[0]
    assert first.id == "pytorch-fp32-threads1-batch1-seq32"
    assert expanded("out_of_the_box", axes())[0].id == "pytorch-fp32-batch1-seq32"


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("question", QUESTIONS)
def test_ids_are_unique_and_configurations_stand_together(question: str, preset: str) -> None:
    """No id twice, and the benchmarks of one configuration in one block, so that it is started once."""
    benchmarks = expanded(question, axes(preset))
    assert max(Counter(benchmark.id for benchmark in benchmarks).values(), default=1) == 1
    configurations = [(one.backend, one.precision, tuple(one.layout.values.items())) for one in benchmarks]
    blocks = [one for one, before in zip(configurations, [None, *configurations], strict=False) if one != before]
    assert len(blocks) == len(set(blocks))


def test_what_a_preset_leaves_out() -> None:
    """Two questions that the study did not ask; every other is in every preset."""
    empty = {(question, preset) for question in QUESTIONS for preset in PRESETS if not expanded(question, axes(preset))}
    assert empty == {("cpu_limits", "quick"), ("cpu_limits", "nightly"), ("padding", "quick")}


def test_the_default_preset_is_the_one_that_was_promised() -> None:
    """All backends out of the box, one per framework for the machine's questions; b1 and b8, s32 and s128, and b1 s512."""
    out_of_the_box = expanded("out_of_the_box", axes())
    scaling = expanded("core_count_scaling", axes())
    assert {str(benchmark.problem_size) for benchmark in out_of_the_box} == {"1x32", "1x128", "8x32", "8x128", "1x512"}
    assert len({benchmark.backend for benchmark in out_of_the_box}) == 8
    assert {benchmark.backend for benchmark in scaling} == {"pytorch", "tensorflow_xla", "onnxruntime"}


def test_named_axes_make_a_grid() -> None:
    """Naming one axis keeps the preset's values of the other."""
    preset = PRESETS["default"].problem_sizes
    sizes = matrix.problem_sizes(preset, None, [64])
    assert sizes == (ProblemSize(batch_size=1, sequence_length=64), ProblemSize(batch_size=8, sequence_length=64))
    assert matrix.problem_sizes(preset, None, None) == preset
    assert len(matrix.problem_sizes(preset, [1, 2, 3], [4, 5])) == 6


def test_parameters_are_plain() -> None:
    """pytest-benchmark writes them into its JSON as they are."""
    for benchmark in expanded("core_count_scaling", axes()):
        assert all(type(value) in (str, int) for value in benchmark.parameters.values())


def test_an_impossible_benchmark_keeps_its_place_and_says_why() -> None:
    """It becomes a skip, never a hole."""
    layouts = [Layout(values={"threads": 1}), Layout(values={"threads": 9}, skip="9 threads need 9 physical cores")]
    benchmarks = matrix.expand(
        QUESTIONS["core_count_scaling"], axes(), layouts, lambda backend, _, size: "no" if backend == "pytorch" else None
    )
    reasons = {(one.backend, one.layout.values["threads"]): one.skip for one in benchmarks}
    assert reasons["pytorch", 1] == reasons["pytorch", 9] == "no"
    assert reasons["onnxruntime", 9] == "9 threads need 9 physical cores"
    assert reasons["onnxruntime", 1] is None


def test_instances_share_the_samples() -> None:
    """What cannot be shared equally is a skip with its numbers."""
    chosen = axes(instances=(1, 2, 4), shared_problem_sizes=grid([6, 8], [32]))
    reasons = {one.id: one.skip for one in expanded("instance_scaling", chosen) if one.backend == "onnxruntime"}
    assert reasons == {
        "onnxruntime-fp32-instances1-batch6-seq32": None,
        "onnxruntime-fp32-instances1-batch8-seq32": None,
        "onnxruntime-fp32-instances2-batch6-seq32": None,
        "onnxruntime-fp32-instances2-batch8-seq32": None,
        "onnxruntime-fp32-instances4-batch6-seq32": "6 samples cannot be shared equally by 4 instances",
        "onnxruntime-fp32-instances4-batch8-seq32": None,
    }
