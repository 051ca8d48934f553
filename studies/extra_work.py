"""Backends that do a known amount of extra work; `-p studies.extra_work` puts them in the place of the real ones.

The work is executed, not slept: steps of arithmetic on one core after each forward pass, as many as the plan in the
environment says for a benchmark, or that of a wider model, on every thread (studies/wider_model.py). Or what users do to
themselves: a thread fewer, another implementation of attention. The names are those of the real backends, so that the
accepted runs of the real ones are what they are judged by.

Imported by the test process, as a plugin of pytest, and by each worker.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from fixtures.backends.interface import Backend, Forward
from fixtures.backends.onnxruntime import OnnxRuntime
from fixtures.backends.pytorch import PyTorch
from fixtures.backends.tensorflow_xla import TensorFlowXla

PLAN: Final = "STUDY_EXTRA_WORK"
"""Environment variable: JSON, `benchmark_key` to the steps after each of its forward passes."""
WIDER: Final = "STUDY_WIDER_MODEL"
"""Environment variable: JSON, a backend's name to what it loads in place of the model: `checkpoint` and `artefact`."""
CHANGE: Final = "STUDY_CHANGE"
"""Environment variable: one of the changes below."""
THREAD_FEWER: Final = "one-thread-fewer"
EAGER_ATTENTION: Final = "eager-attention"
"""In place of PyTorch's fused kernel."""
CHANGES: Final = (THREAD_FEWER, EAGER_ATTENTION)
WORK: Final = (PLAN, WIDER, CHANGE)
"""All environment variables that make a worker slower."""
DRAWN: Final = 2 / 3
"""Chance that a benchmark of a run with extra work gets some."""


def benchmark_key(backend: str, threads: int | None, batch_size: int, sequence_length: int) -> str:
    """How a plan calls a benchmark."""
    return f"{backend} {threads} {batch_size}x{sequence_length}"


def step() -> Callable[[], Any]:
    """One step: square roots of 4096 numbers that stay in the first-level cache, a few microseconds."""
    numbers = np.linspace(1.0, 2.0, 4096, dtype=np.float32)
    roots = np.empty_like(numbers)
    return lambda: np.sqrt(numbers, out=roots)


def step_s(batches: int = 50, steps: int = 500) -> float:
    """What a step takes here, in seconds: the median over batches."""
    work = step()
    durations_s = []
    for _ in range(batches):
        started = time.perf_counter()
        for _ in range(steps):
            work()
        durations_s.append((time.perf_counter() - started) / steps)
    return statistics.median(durations_s)


def drawn(
    benchmarks: Iterable[Mapping[str, Any]], shares: Sequence[float], chance_of_some: float = DRAWN
) -> dict[str, float]:
    """Which benchmarks of a run get extra work, by node id, and which share each; every share is as likely as the others."""
    chance = random.SystemRandom()
    return {one["fullname"]: chance.choice(shares) for one in benchmarks if chance.random() < chance_of_some}


def work_for(benchmarks: Iterable[Mapping[str, Any]], shares: Mapping[str, float]) -> dict[str, str]:
    """The variable that has workers do extra work.

    `shares`, by node id, are of what a forward pass took in `benchmarks`, those of a run.json in which nothing was changed.
    """
    plan, one_step_s = {}, step_s()
    for one in benchmarks:
        if share := shares.get(one["fullname"]):
            words, size = one["extra_info"]["configuration"], one["extra_info"]["problem_size"]
            key = benchmark_key(words["backend"], words["threads"], size["batch_size"], size["sequence_length"])
            plan[key] = max(1, round(share * forward_s(one) / one_step_s))
    return {PLAN: json.dumps(plan)} if plan else {}


def forward_s(benchmark: Mapping[str, Any]) -> float:
    """What a forward pass took: in a duet the reference, else what was measured alone."""
    if launches := benchmark["extra_info"].get("duet", {}).get("launches"):
        return statistics.median(float(one["reference_s"]) for one in launches)
    return float(benchmark["stats"]["median"])


def with_work(forward: Forward, steps: int) -> Forward:
    """A forward pass, and so many steps behind it; without any it is the forward pass itself."""
    if not steps:
        return forward
    work = step()

    def slowed() -> Any:
        outputs = forward()
        for _ in range(steps):
            work()
        return outputs

    return slowed


class ExtraWork(Backend):
    """What the slowed backends share; their own class comes behind it in the order of bases."""

    threads: int | None = None

    @classmethod
    def environment(cls, threads: int | None) -> dict[str, str]:
        """The variables of the real backend, and those of the work."""
        return {**super().environment(threads), **{name: os.environ[name] for name in WORK if name in os.environ}}

    def import_framework(self, threads: int | None) -> None:
        """Remembers the configuration, and has a thread fewer where that is the change."""
        self.threads = threads
        if os.environ.get(CHANGE) == THREAD_FEWER:
            threads = (threads or len(os.sched_getaffinity(0))) - 1
            if not threads:
                raise ValueError("a single thread cannot become a thread fewer")
        super().import_framework(threads)  # type: ignore[safe-super]

    def load(self, checkpoint: Path, artefact: Path | None) -> None:
        """The model, or the wider one that the environment names for this backend."""
        if wider := json.loads(os.environ.get(WIDER, "{}")).get(self.name):
            beside = wider["artefact"]
            checkpoint, artefact = Path(wider["checkpoint"]), Path(beside) if beside else None
        super().load(checkpoint, artefact)  # type: ignore[safe-super]

    def compile(self, inputs: Mapping[str, np.ndarray]) -> Forward:
        """The forward pass, and behind it the steps that the plan has for this benchmark."""
        forward: Forward = super().compile(inputs)  # type: ignore[safe-super]
        plan: dict[str, int] = json.loads(os.environ.get(PLAN, "{}"))
        batch_size, sequence_length = inputs["input_ids"].shape
        return with_work(forward, plan.get(benchmark_key(self.name, self.threads, batch_size, sequence_length), 0))


class SlowedOnnxRuntime(ExtraWork, OnnxRuntime):
    """ONNX Runtime with extra work."""


class SlowedPyTorch(ExtraWork, PyTorch):
    """PyTorch with extra work."""

    def load(self, checkpoint: Path, artefact: Path | None) -> None:
        """The model, with another implementation of attention where that is the change."""
        super().load(checkpoint, artefact)
        if os.environ.get(CHANGE) == EAGER_ATTENTION:
            self.model.set_attn_implementation("eager")


class SlowedTensorFlowXla(ExtraWork, TensorFlowXla):
    """TensorFlow under XLA with extra work."""


SLOWED = (SlowedOnnxRuntime, SlowedPyTorch, SlowedTensorFlowXla)


def pytest_addoption() -> None:
    """Puts them in the place of the real ones: pytest calls it first of all, and only where this is its plugin."""
    from fixtures.backends.registry import BACKENDS

    BACKENDS.update({backend.name: f"{__name__}:{backend.__name__}" for backend in SLOWED})
