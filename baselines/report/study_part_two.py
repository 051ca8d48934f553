"""The claims of the study's second part: its text, what its own figures say, and the rule by which a run is asked."""

from __future__ import annotations

import functools
import math
from typing import Final

from baselines.report import study_part_two_cases as cases
from baselines.report.asking import Asked
from baselines.report.claims import MARGIN, gains, no_effect
from baselines.report.study_part_two_cases import FEW_CORES, LIMITED, LONG, SHORT

_Claim = functools.partial(Asked, part=2)
_Tuned = functools.partial(_Claim, question="runtime_tuning", asks="docs/tuning.md has the line that asks it")
_MARGIN: Final = f"{math.expm1(MARGIN):.0%}".replace("%", " %")
_NO_EFFECT: Final = f"within {_MARGIN} either way"

PART_TWO: Final = (
    _Tuned(
        name="allocator_at_short",
        compared=cases.allocator_at_short,
        says=no_effect,
        statement="Short texts: in eager mode it makes no difference whose malloc it is.",
        study="Its text: tcmalloc generally best, glibc often behind. Its figures: at 32 and 128 tokens PyTorch within 1 "
        "ms or 1 % in 20 of 20 comparisons; TensorFlow on one core 17 and 27 % slower with jemalloc.",
        rule=f"PyTorch and TensorFlow eager, up to {SHORT} positions: glibc's malloc against tcmalloc and jemalloc. For "
        f"it: {_NO_EFFECT} (a test of equivalence); against it: outside.",
        found="with glibc's malloc it takes {} times as long",
        lacking=f"no allocator beside glibc's with pytorch or tensorflow at {SHORT} positions or fewer",
    ),
    _Tuned(
        name="allocator_at_long",
        compared=cases.allocator_at_long,
        says=gains,
        statement="Long texts: in eager mode tcmalloc or jemalloc is faster than glibc's malloc.",
        study="At 512 tokens PyTorch took 8 % less time on one core and 40 to 43 % less on 80; jemalloc as much as "
        "tcmalloc.",
        rule=f"PyTorch and TensorFlow eager, from {LONG} tokens: glibc's malloc against the better of the two. "
        f"Against it: each gains less than {_MARGIN}; else for it: glibc's is slower.",
        found="with glibc's malloc it takes {} times as long as with the best",
        lacking=f"no allocator beside glibc's with pytorch or tensorflow at {LONG} tokens or more",
    ),
    _Tuned(
        name="allocator_thresholds",
        compared=cases.thresholds,
        says=cases.no_faster,
        statement="Long texts: glibc's malloc is as fast as another one once it keeps what is freed.",
        study="Its figures do not show why. As it comes, glibc gives large blocks back to the kernel, whose pages are "
        "mapped anew in the next pass.",
        rule=f"From {LONG} tokens: each malloc that is surely faster than glibc's as it comes, against glibc's with raised "
        f"mmap and trim thresholds. For it: at most {_MARGIN} faster, or slower; against it: faster than that. Page faults "
        "stand beside each comparison.",
        found="another malloc takes {} times as long as glibc's with raised thresholds",
        lacking=f"no malloc that is surely faster than glibc's, and raised thresholds beside it, at {LONG} tokens or more",
    ),
    _Tuned(
        name="allocator_in_graphs",
        compared=cases.allocator_in_graphs,
        says=cases.smaller,
        statement="A graph gains less by another malloc than eager mode.",
        study="Its text: the margin is less significant. Its figures at 512 tokens: TorchScript 17 to 45 % less time, as "
        "much as eager; TensorFlow graphs at most 5 %.",
        rule=f"From {LONG} tokens: how much longer it takes with glibc's malloc, of a graph against the same framework"
        " in eager mode, by a malloc that surely gains something there. Against it: the graph's ratio is as large within "
        f"{_MARGIN}, or larger; else for it: smaller.",
        found="the gain in a graph is {} times that in eager mode",
        lacking=f"no allocator in a graph that surely gains something in eager mode, at {LONG} tokens or more",
    ),
    _Tuned(
        name="jemalloc_on_few_cores",
        compared=cases.jemalloc,
        statement="On few cores jemalloc is faster than glibc's malloc.",
        study="Its text: sometimes the fastest where concurrency is not that high. Its figures on one core: TensorFlow "
        "was slowest with it, by 15 to 27 % in eager mode and 3 to 16 % in a graph.",
        rule=f"TensorFlow eager and as a graph, up to {FEW_CORES} threads: glibc's malloc against jemalloc. For it: "
        "glibc's is slower; against it: faster. One core, the study's own case: taskset -c 0 pytest ...",
        found="with glibc's malloc it takes {} times as long as with jemalloc",
        lacking=f"no jemalloc with tensorflow or tensorflow_graph on {FEW_CORES} threads or fewer",
    ),
    _Tuned(
        name="openmp_on_few_cores",
        compared=cases.openmp_on_few,
        says=no_effect,
        statement="On few cores it makes no difference whose OpenMP runtime it is.",
        study="Its text: Intel's can bring a final speed-up. Its figures on 1 and 4 cores: within 3.4 % in 19 of 19 "
        "comparisons.",
        rule=f"GNU's runtime against LLVM's, the same code base as Intel's, up to {FEW_CORES} threads. For it: "
        f"{_NO_EFFECT} (a test of equivalence); against it: outside.",
        found="with GNU's runtime it takes {} times as long as with LLVM's",
        lacking=f"no LLVM runtime beside GNU's on {FEW_CORES} threads or fewer",
    ),
    _Tuned(
        name="openmp_on_many_cores",
        compared=cases.openmp_on_many,
        says=gains,
        statement="On many cores Intel's OpenMP runtime is faster than GNU's.",
        study="On 80 cores 2 to 29 % faster in 9 of 10 comparisons; but 14 % slower on 16 cores and 64 % slower on 40, "
        "both at 512 tokens.",
        rule=f"GNU's runtime against LLVM's on more than {FEW_CORES} threads. Against it: it takes less than "
        f"{_MARGIN} longer; else for it: GNU's is slower.",
        found="with GNU's runtime it takes {} times as long as with LLVM's",
        lacking=f"no LLVM runtime beside GNU's on more than {FEW_CORES} threads",
    ),
    _Tuned(
        name="openmp_users",
        facts=cases.openmp_users,
        statement="Of the frameworks only PyTorch, eager or compiled, uses OpenMP.",
        study="It tuned OpenMP for PyTorch and TorchScript alone.",
        rule="Where a worker as it comes finds GOMP_parallel, by /proc/PID/maps; a runtime that another package brings "
        "along for itself is not found. For it: PyTorch's finds one, another finds none; against it: the other way "
        "round. That PyTorch calls it is proven where it is exchanged (openmp).",
        found="GOMP_parallel is found in {}",
        lacking="not both PyTorch and another framework without a knob",
    ),
    _Claim(
        name="cores_matter_most",
        statement="The number of cores is by far the most important knob.",
        study="PyTorch: 12 times at 32 tokens and 35 times at 512, against at most 45 % by all other knobs; TensorFlow "
        "eager only 2.5 times at 32 tokens.",
        rule="The part of each knob in the spread of a search over cores and knobs at once, on tens of cores.",
        lacking="it needs every number of tens of cores with every setting of every knob; a run measures one at a time, "
        "core_count_scaling and runtime_tuning",
    ),
    _Claim(
        name="cores_for_short_texts",
        statement="20 tokens are fastest on 16 cores.",
        study="Its text says so; its figure 22 shows 8 ms on 40 cores and 13 on 16.",
        rule="The best number of threads at 20 tokens with its interval, on more than 16 cores and with the knobs that "
        "its search had turned.",
        lacking="it needs more than 16 cores, and each number of them with every knob; core_count_scaling turns none",
    ),
    _Claim(
        name="second_socket",
        question="memory_binding",
        compared=cases.second_socket,
        says=cases.no_faster,
        statement="The cores of a second socket gain little, or cost time.",
        study="From 40 to 80 cores at 32 and 128 tokens 8 of 8 comparisons were 12 to 58 % slower without oneDNN, and "
        "level with it; at 512 tokens both happened.",
        rule=f"All cores of both sockets against those of one. For it: at most {_MARGIN} faster, or slower; against it: "
        "faster than that.",
        found="on both sockets it takes {} times as long",
        lacking="no placement on both sockets and on one",
    ),
    _Claim(
        name="tensorflow_on_few_cores",
        question="core_count_scaling",
        compared=cases.tensorflow_on_few,
        statement="On few cores a TensorFlow graph is faster than TorchScript.",
        study="On one core true at 32 tokens (124 ms against 143), false at 512 (1548 against 1461); on 4 cores false "
        "everywhere (59 against 35).",
        rule=f"TorchScript against the better of TensorFlow's graph and XLA, up to {FEW_CORES} threads; out of the box "
        "too where the machine has no more cores. For it: TorchScript is slower; against it: faster than both.",
        found="TorchScript takes {} times as long",
        lacking=f"no torchscript beside a graph of TensorFlow on {FEW_CORES} cores or fewer",
    ),
    _Claim(
        name="graphs_are_close",
        question="out_of_the_box",
        compared=cases.graphs,
        says=cases.close,
        statement="Between graph backends the margin is very limited.",
        study="At 512 tokens they lay 1.3 to 9 times apart on 16 cores, and up to 22 times on 80.",
        rule="Every two of torchscript, torch_compile and TensorFlow's graph and XLA at one problem size. For it: within"
        f" {math.exp(LIMITED):.2f} times of each other; against it: further apart.",
        found="one takes {} times as long as another",
        lacking="no two graph backends at one problem size",
    ),
    _Tuned(
        name="onednn_in_tensorflow",
        compared=cases.onednn,
        statement="oneDNN's operators make TensorFlow faster.",
        study="On one core 16 to 23 % less time at 128 and 512 tokens; from 4 cores on it no longer scaled: 829 ms with "
        "it and 181 without on 16 cores at 512 tokens.",
        rule="TensorFlow eager and as a graph, TF_ENABLE_ONEDNN_OPTS 0 against 1. For it: slower without; against it: "
        "faster without.",
        found="without oneDNN it takes {} times as long",
        lacking="no tensorflow with oneDNN's operators both on and off",
    ),
    _Claim(
        name="search",
        statement="A search of 40 trials comes within 8.6 % of the best of all configurations.",
        study="Its five ratios to an exhaustive search were 1.000, 1.025, 1.022, 1.086 and 0.995, of single runs.",
        rule="Searches beside an exhaustive measurement of the same space, made twice: what the chosen one loses to the "
        "best of the second.",
        lacking="a run holds what it measured, and not every configuration that a search could have chosen, twice: python "
        "-m studies.tune asks it of this suite's own search (docs/tune.md)",
    ),
    _Tuned(
        name="huge_pages",
        compared=cases.huge_pages,
        says=gains,
        statement="Transparent huge pages are worth tuning.",
        study="Part of its search space; no figure.",
        rule="As it comes against the better of huge pages off and madvise, every backend and size. Against it: each gains "
        f"less than {_MARGIN}; else for it: as it comes is slower.",
        found="as it comes it takes {} times as long as with the best setting",
        lacking="no setting of huge pages beside what it comes with",
    ),
    _Tuned(
        name="blocktime",
        compared=cases.blocktime,
        says=gains,
        statement="KMP_BLOCKTIME is worth tuning.",
        study="Part of its search space, 0 or 1 ms; no figure. GNU's runtime does not read it.",
        rule="LLVM's runtime as it comes against the better of 0 and 1 ms, one instance alone. Against it: each "
        f"gains less than {_MARGIN}; else for it: as it comes is slower.",
        found="as it comes it takes {} times as long as with the best",
        lacking="no KMP_BLOCKTIME beside LLVM's runtime as it comes",
    ),
    _Claim(
        name="throughput",
        statement="Throughput is the number of forward passes in a second.",
        study="Its figures count forward passes, whatever the batch.",
        rule="A definition; no measurement is for it or against it.",
        lacking="it is a definition. Here throughput is samples in a second, so that batches can be compared",
    ),
    _Claim(
        name="ice_lake",
        statement="Ice Lake is up to 75 % faster than Cascade Lake.",
        study="Its table, of two machines.",
        rule="Two machines beside each other: python -m baselines recommend RUN_A RUN_B --price A=...,B=...",
        lacking="a run is of one machine",
    ),
)
