"""The machine and the environment of a run in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from baselines.files.run import Run
from baselines.judging.wording import one_line

LEADING: Final = ("torch", "tensorflow", "onnxruntime", "openvino", "transformers", "keras-hub", "numpy")
"""Packages that every reader wants to know of."""

HARD: Final = (
    ("sockets", "sockets"),
    ("physical cores", "physical_cores"),
    ("SMT", "smt"),
    ("NUMA nodes", "numa_nodes"),
    ("instruction sets", "isa"),
    ("virtual machine", "virtualised"),
)
SOFT: Final = (
    ("CPU", "cpu_model_name"),
    ("memory, GiB", "memory_gib"),
    ("usable CPUs", "usable_cpus"),
    ("CPU quota", "cpu_quota"),
    ("governors", "governors"),
    ("boost", "boost"),
    ("huge pages", "transparent_hugepage"),
    ("NUMA balancing", "numa_balancing"),
    ("kernel", "kernel"),
    ("system", "os"),
    ("C library", "libc"),
    ("Python", "python"),
)


def machine_facts(run: Run) -> list[tuple[str, str]]:
    """A word and its value, of what the run knows."""
    return [*_facts(run.machine_soft, SOFT[:1]), *_facts(run.machine_hard, HARD), *_facts(run.machine_soft, SOFT[1:])]


def leading_packages(run: Run) -> list[tuple[str, str]]:
    """Name and version of those that decide latencies."""
    return [(name, one_line(run.packages[name])) for name in LEADING if name in run.packages]


def all_packages(run: Run) -> list[tuple[str, str]]:
    """Name and version of everything that was installed."""
    return [(one_line(name), one_line(version)) for name, version in sorted(run.packages.items())]


def _facts(words: Mapping[str, Any], names: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(label, text) for label, key in names if (text := _text(words.get(key)))]


def _text(value: object) -> str:
    """One line; empty for what is not known."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return one_line(" ".join(map(str, value)) if isinstance(value, list) else str(value))
