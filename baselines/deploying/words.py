"""A measured configuration and what it promises, in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from baselines.deploying.best_configurations import Candidate
from baselines.deploying.promise import Promise
from baselines.judging.wording import counted, three_digits

_KNOWN: Final = {
    "backend",
    "precision",
    "threads",
    "cpus",
    "memory_policy",
    "memory_nodes",
    "backend_file_sha256",
    "passed_env",
}


def configuration_text(candidate: Candidate) -> str:
    """`onnxruntime fp32, 2 threads, 1 instance`; whatever else is not as it comes."""
    words = candidate.result.configuration
    threads = words.get("threads")
    parts = [
        f"{words.get('backend')} {words.get('precision')}",
        "default threads" if threads is None else counted(threads, "thread"),
        counted(len(candidate.instances), "instance"),
    ]
    if words.get("memory_nodes"):
        parts.append(f"memory {words.get('memory_policy')} on nodes {words['memory_nodes']}")
    parts += [f"{name} {value}" for name, value in words.items() if name not in _KNOWN and value not in (None, "default")]
    parts += [f"{name}={value}" for name, value in candidate.result.passed_env.items()]
    return ", ".join(parts)


def promise_text(promise: Promise, unit: Callable[[float], str]) -> str:
    """`25.1 ms (24.0 ms to 26.2 ms)`; of a cost `0.331 (0.321 to 0.342)`."""
    return f"{unit(promise.value)} ({unit(promise.low)} to {unit(promise.high)})"


def samples_text(value: float) -> str:
    """`120 samples/s`."""
    return f"{three_digits(value)} samples/s"
