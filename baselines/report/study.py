"""The claims of the study's first part: what it saw, and the rule by which a run is asked; study_part_two.py has the rest.

study_cases.py says what is compared, compared.py how far apart it is, claims.py decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from baselines.files.run import Run
from baselines.report import study_cases
from baselines.report.asking import Asked, answered
from baselines.report.claims import Claim, above, within
from baselines.report.points import Point
from baselines.report.study_cases import LINEAR, LONG
from baselines.report.study_part_two import PART_TWO

MANY_CORES: Final = 16
"""The study's small problems wanted 8 to 16 of 48 cores: with fewer than this, all cores being best says nothing."""


CLAIMS: Final = (
    Asked(
        name="ranking",
        question="out_of_the_box",
        compared=study_cases.ranking,
        statement="Out of the box PyTorch is faster than TensorFlow at every problem size.",
        study="TensorFlow took 1.2 to 8.0 times as long.",
        rule="Both eager, the same problem size. For it: TensorFlow is slower; against it: faster.",
        found="TensorFlow takes {} times as long",
        lacking="no problem size with both pytorch and tensorflow",
    ),
    Asked(
        name="sequence_length",
        question="out_of_the_box",
        compared=study_cases.sequence_length,
        says=lambda case: above(case, 1.0),
        statement="Attention makes long sequences cost more than in proportion to their length (the study: quadratic).",
        study="PyTorch from 128 to 512 tokens: exponent 0.2 at batch 1, 1.7 at batch 128; TensorFlow 0.4 and 1.3. No case "
        "was quadratic.",
        rule=f"The longest length (from {LONG} tokens) against the next that is at most half of it, out of the box. For "
        "it: an exponent above 1; against it: below 1. Quadratic would be 2.",
        found="time grows as the length to the power of {}",
        lacking=f"no two lengths of which the longer has {LONG} tokens or more",
    ),
    Asked(
        name="batch_size",
        question="out_of_the_box",
        compared=study_cases.batch_size,
        says=lambda case: within(case, *LINEAR),
        statement="Batch size has a linear impact on latency.",
        study="PyTorch from batch 1 to 128: exponent 0.2 at 20 tokens, 0.5 at 128, 0.9 at 512; TensorFlow 0.4, 0.6, 0.9.",
        rule=f"The largest batch against the smallest, out of the box. For it: an exponent from {LINEAR[0]} to "
        f"{LINEAR[1]}; against it: outside. (Below, the batch fills cores that one sample leaves idle.)",
        found="time grows as the batch size to the power of {}",
        lacking="no two batch sizes of one length",
    ),
    Asked(
        name="physical_cores",
        question="simultaneous_multithreading",
        compared=study_cases.physical_cores,
        statement="Physical cores are better than logical ones.",
        study="24 threads on 12 cores and their siblings: PyTorch 1.19 to 1.35 times as long, TensorFlow 0.74 to 1.15 "
        "times.",
        rule="n threads on n/2 cores and their siblings against n threads on n cores. For it: slower; against it: faster.",
        found="on half the cores and their siblings it takes {} times as long",
        lacking="no n threads both on n cores and on n/2",
    ),
    Asked(
        name="pinning",
        question="core_count_scaling",
        compared=study_cases.pinning,
        statement="Binding the threads to physical cores makes a model faster.",
        study="PyTorch at batch 1, out of the box against 24 cores of one socket: 151 against 26 ms at 128 tokens, 196 "
        "against 85 at 512.",
        rule="Out of the box against a thread on each physical core, pinned. For it: out of the box is slower; against it: "
        "faster.",
        found="out of the box it takes {} times as long as pinned",
        lacking="no problem size both out of the box and pinned to all cores",
    ),
    Asked(
        name="few_threads",
        question="core_count_scaling",
        compared=study_cases.few_threads,
        statement="Small problems want few threads.",
        study="Of 48 cores, 32 tokens at batch 1 were fastest on 8 or 16.",
        rule="The smallest problem on all cores against every smaller number. For it: some smaller number is faster; "
        f"against it: all cores are faster than each. Against it counts from {MANY_CORES} cores on only: the study's "
        "optimum was 8 to 16.",
        found="all cores take {} times as long as the best smaller number",
        lacking="one number of threads",
        least_cores=MANY_CORES,
    ),
    Asked(
        name="local_memory",
        question="memory_binding",
        compared=study_cases.local_memory,
        statement="Memory belongs on the node of the threads.",
        study="It bound memory so and explained why; it published no number without.",
        rule="The same cores, their memory bound to the farthest node against their own. For it: slower; against it: "
        "faster.",
        found="with remote memory it takes {} times as long",
        lacking="no placement both local and remote",
    ),
    Asked(
        name="several_instances",
        question="instance_scaling",
        compared=study_cases.several_instances,
        statement="Several instances beside each other serve more than one on all cores.",
        study="In samples per second the best number of instances served 1.31 to 3.92 times as much as one with PyTorch, "
        "1.3 to 4.3 times with TensorFlow; four were often better than eight. (Its figure counts batches, which shrink "
        "with more instances.)",
        rule="Throughput of every number of instances against one, the same samples shared. For it: some number serves "
        "more; against it: each serves less.",
        found="the best number of instances serves {} times as much as one",
        lacking="one number of instances",
    ),
    Asked(
        name="dispatching",
        question="smart_dispatching",
        compared=study_cases.dispatching,
        statement="Pools by length answer a mixed stream faster.",
        study="Proposed (8, 16 and 24 cores for short, medium and long requests), not measured.",
        rule="Median latency of a request under the same stream: one instance, and equal instances, against pools by "
        "length. For it: pools are faster; against it: slower. Equal instances against pools is the effect of routing "
        "alone.",
        found="the alternatives take {} times as long for the median request",
        lacking="no pools and no alternative",
    ),
)


def claims_of(points: Sequence[Point], run: Run) -> tuple[Claim, ...]:
    """Every claim of the study with what a run says about it."""
    return tuple(answered(one, points, run) for one in (*CLAIMS, *PART_TWO))
