"""How to run a measured configuration elsewhere: CPUs, memory and thread counts, as one would type them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Final

from baselines.deploying.tuning_variables import tuning_in_code, tuning_variables
from baselines.files.reading_values import mapping
from baselines.judging.wording import counted

PROGRAM: Final = "python your_program.py"


def command_lines(
    configuration: Mapping[str, Any], instances: Sequence[Sequence[int]], card: Mapping[str, Any]
) -> list[str]:
    """One line per instance.

    `taskset` where the CPUs were chosen, `numactl` where the memory was too, thread counts and tuning as variables. A
    configuration that left the threads to the framework had neither. Of several instances each was bound to the nodes of
    its own CPUs, which is what --localalloc comes to.

    `instances` has the CPUs of each, `card` what `run.backends` has of the backend; it is empty where the run says nothing.
    """
    threads, variables = configuration.get("threads"), variables_of(configuration, card)
    if threads is None and configuration.get("memory_policy", "default") == "default":
        return [" ".join([*variables, PROGRAM])]
    return [" ".join([*variables, *_placed(configuration, cpus, len(instances)), PROGRAM]) for cpus in instances]


def variables_of(configuration: Mapping[str, Any], card: Mapping[str, Any]) -> list[str]:
    """`OMP_NUM_THREADS=8 LD_PRELOAD=libjemalloc.so.2`, for a shell."""
    threads, named = configuration.get("threads"), card.get("thread_variables") or {}
    values = {} if threads is None else {name: _with(threads, value) for name, value in named.items()}
    if configuration.get("allocator", "default") != "default":
        values |= mapping(card.get("allocator_variables"))
    values |= {**tuning_variables(configuration), **mapping(configuration.get("passed_env"))}
    return [f"{name}={shlex.quote(str(value))}" for name, value in values.items()]


def in_code(configuration: Mapping[str, Any], card: Mapping[str, Any]) -> str | None:
    """What the program itself has to set; None where the framework chooses its threads and nothing is tuned."""
    threads, known = configuration.get("threads"), card.get("thread_code")
    parts = tuning_in_code(configuration)
    if threads is not None:
        documented = f"{counted(threads, 'thread')}, as the documentation of {configuration.get('backend')} says"
        parts = [_with(threads, known) if known else documented, *parts]
    return "; ".join(parts) or None


def cpu_list(cpus: Sequence[int]) -> str:
    """`0-3,8`, as taskset and numactl read it."""
    ranges: list[list[int]] = []
    for cpu in sorted(cpus):
        if ranges and cpu == ranges[-1][1] + 1:
            ranges[-1][1] = cpu
        else:
            ranges.append([cpu, cpu])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def _placed(configuration: Mapping[str, Any], cpus: Sequence[int], instances: int) -> list[str]:
    policy, nodes = configuration.get("memory_policy", "default"), configuration.get("memory_nodes")
    if policy == "default" or not nodes:
        return ["taskset", "-c", cpu_list(cpus)]
    option = {"bind": "--membind", "interleave": "--interleave"}.get(policy, f"--{policy}")
    memory = "--localalloc" if instances > 1 and policy == "bind" else f"{option}={cpu_list(nodes)}"
    return ["numactl", f"--physcpubind={cpu_list(cpus)}", memory]


def _with(threads: int, text: object) -> str:
    return str(text).replace("{threads}", str(threads))
