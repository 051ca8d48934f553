"""The axes of the benchmarks and how they are spelled."""

from __future__ import annotations

from collections import Counter

import pytest

from fixtures import matrix
from fixtures.matrix import PRESETS, QUESTIONS, Axes, Benchmark, ProblemSize


def axes(preset: str = "default", **changes: object) -> Axes:
    """Axes of a preset, with two thread counts."""
    chosen = PRESETS[preset]
    fields = {
        "preset": chosen,
        "backends": None,
        "precisions": chosen.precisions,
        "threads": (1, 2),
        "problem_sizes": chosen.problem_sizes,
    }
    return Axes(**{**fields, **changes})  # type: ignore[arg-type]


def expanded(question: str, chosen: Axes) -> list[Benchmark]:
    """The benchmarks of a question where everything is possible."""
    return matrix.expand(QUESTIONS[question], chosen, lambda *_: None)


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
    assert max(Counter(benchmark.id for benchmark in benchmarks).values()) == 1
    configurations = [(benchmark.backend, benchmark.precision, benchmark.threads) for benchmark in benchmarks]
    blocks = [one for one, before in zip(configurations, [None, *configurations], strict=False) if one != before]
    assert len(blocks) == len(set(blocks))


def test_the_default_preset_is_the_one_that_was_promised() -> None:
    """All backends out of the box, one per framework for the machine's questions; b1 and b8, s32 and s128, and b1 s512."""
    out_of_the_box = expanded("out_of_the_box", axes())
    scaling = expanded("core_count_scaling", axes())
    assert {str(benchmark.problem_size) for benchmark in out_of_the_box} == {"1x32", "1x128", "8x32", "8x128", "1x512"}
    assert len({benchmark.backend for benchmark in out_of_the_box}) == 7
    assert {benchmark.backend for benchmark in scaling} == {"pytorch", "tensorflow_xla", "onnxruntime"}


def test_named_axes_make_a_grid() -> None:
    """Naming one axis keeps the preset's values of the other."""
    preset = PRESETS["default"]
    sizes = matrix.problem_sizes(preset, None, [64])
    assert sizes == (ProblemSize(batch_size=1, sequence_length=64), ProblemSize(batch_size=8, sequence_length=64))
    assert matrix.problem_sizes(preset, None, None) == preset.problem_sizes
    assert len(matrix.problem_sizes(preset, [1, 2, 3], [4, 5])) == 6


def test_parameters_are_plain() -> None:
    """pytest-benchmark writes them into its JSON as they are."""
    for benchmark in expanded("core_count_scaling", axes()):
        assert all(type(value) in (str, int) for value in benchmark.parameters.values())


def test_an_impossible_benchmark_keeps_its_place_and_says_why() -> None:
    """It becomes a skip, never a hole."""
    reasons = matrix.expand(
        QUESTIONS["core_count_scaling"], axes(), lambda backend, threads, size: f"no {backend}" if threads == 2 else None
    )
    assert {benchmark.skip for benchmark in reasons if benchmark.threads == 2} == {
        "no pytorch",
        "no tensorflow_xla",
        "no onnxruntime",
    }
    assert {benchmark.skip for benchmark in reasons if benchmark.threads == 1} == {None}
