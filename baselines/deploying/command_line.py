"""How to run a measured configuration elsewhere: CPUs, memory and thread counts, as one would type them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from baselines.deploying.tuning_variables import tuning_in_code, tuning_variables

PROGRAM: Final = "python your_program.py"

_OPENMP = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
_TENSORFLOW = ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS")
_TORCH_CODE = "torch.set_num_threads({threads}); torch.set_num_interop_threads(1)"
_TENSORFLOW_CODE = "tf.config.threading.set_intra_op_parallelism_threads({threads}); set_inter_op_parallelism_threads(1)"


@dataclass(frozen=True, kw_only=True)
class Threads:
    """How a backend is told its number of threads."""

    variables: tuple[str, ...]
    """That carry it."""
    constants: Mapping[str, str]
    """Variables that go with them."""
    code: str
    """What the program itself has to say; `{threads}` stands for the number."""


_TORCH = Threads(variables=_OPENMP, constants={}, code=_TORCH_CODE)
_TF = Threads(variables=_TENSORFLOW, constants={"TF_NUM_INTEROP_THREADS": "1"}, code=_TENSORFLOW_CODE)

THREADS: Final[Mapping[str, Threads]] = {
    "pytorch": _TORCH,
    "torchscript": _TORCH,
    "torch_compile": _TORCH,
    "torch_compile_freezing": _TORCH,
    "tensorflow": _TF,
    "tensorflow_graph": _TF,
    "tensorflow_xla": _TF,
    "onnxruntime": Threads(
        variables=(),  # it reads none: its pool is sized by the session's options alone
        constants={},
        code="SessionOptions: intra_op_num_threads = {threads}, inter_op_num_threads = 1",
    ),
    "openvino": Threads(
        variables=(),
        constants={},
        code='compile_model(..., {{"INFERENCE_NUM_THREADS": {threads}, "ENABLE_CPU_PINNING": False}})',
    ),
}
"""By backend; of one that is not here a line says that its documentation knows."""


def command_lines(configuration: Mapping[str, Any], instances: Sequence[Sequence[int]]) -> list[str]:
    """One line per instance.

    `taskset` where the CPUs were chosen, `numactl` where the memory was too, thread counts and tuning as variables. A
    configuration that left the threads to the framework had neither. Of several instances each was bound to the nodes of
    its own CPUs, which is what --localalloc comes to.

    Args:
        configuration: as a result has it.
        instances: the CPUs of each.
    """
    threads = configuration.get("threads")
    if threads is None and configuration.get("memory_policy", "default") == "default":
        return [PROGRAM]
    variables = variables_of(configuration)
    return [" ".join([*variables, *_placed(configuration, cpus, len(instances)), PROGRAM]) for cpus in instances]


def variables_of(configuration: Mapping[str, Any]) -> list[str]:
    """`OMP_NUM_THREADS=8 LD_PRELOAD=libjemalloc.so.2`, for a shell."""
    known, threads = THREADS.get(str(configuration.get("backend"))), configuration.get("threads")
    values = {} if known is None or threads is None else {**dict.fromkeys(known.variables, str(threads)), **known.constants}
    values |= tuning_variables(configuration)
    return [f"{name}={shlex.quote(value)}" for name, value in values.items()]


def in_code(configuration: Mapping[str, Any]) -> str | None:
    """What the program itself has to set; None where the framework chooses its threads and nothing is tuned."""
    backend, threads = str(configuration.get("backend")), configuration.get("threads")
    known = THREADS.get(backend)
    parts = tuning_in_code(configuration)
    if threads is not None:
        own = known.code.format(threads=threads) if known else f"{threads} threads, as the documentation of {backend} says"
        parts = [own, *parts]
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
