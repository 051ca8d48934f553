"""Backends that do a known amount of extra work; `-p studies.extra_work` puts them in the place of the real ones.

The work is executed, not slept: steps of arithmetic on one core after each forward pass, as many as the plan in the
environment says for a benchmark, or that of a wider model, on every thread (studies/wider_model.py). Or what users do to
themselves: a thread fewer, another implementation of attention. The names stay those of the real backends, so that the
accepted runs of the real ones are what they are judged by.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from fixtures.backends import BACKENDS
from fixtures.backends.interface import Backend, Forward
from fixtures.backends.onnxruntime import OnnxRuntime
from fixtures.backends.pytorch import PyTorch
from fixtures.backends.tensorflow_xla import TensorFlowXla
from studies.wider_model import WIDER

PLAN: Final = "STUDY_EXTRA_WORK"
"""Environment variable: JSON, `benchmark_key` to the steps after each of its forward passes."""
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


def drawn_plan(
    benchmarks: Sequence[Mapping[str, Any]],
    forward_s: Callable[[Mapping[str, Any]], float],
    shares: Sequence[float],
    one_step_s: float,
    chance_of_some: float = DRAWN,
) -> tuple[dict[str, int], dict[str, float]]:
    """Draws which benchmarks of a run get extra work, and which share each.

    Args:
        benchmarks: of a run.json in which nothing was changed.
        forward_s: what a forward pass of one took there; shares are of that.
        shares: each as likely as the others.
        one_step_s: `step_s`.
        chance_of_some: that a benchmark gets any.

    Returns:
        Steps by `benchmark_key` for the workers, and shares by node id for the record.
    """
    chance = random.SystemRandom()
    steps, drawn = {}, {}
    for benchmark in benchmarks:
        if chance.random() < chance_of_some:
            words, size = benchmark["extra_info"]["configuration"], benchmark["extra_info"]["problem_size"]
            share = chance.choice(shares)
            key = benchmark_key(words["backend"], words["threads"], size["batch_size"], size["sequence_length"])
            steps[key] = max(1, round(share * forward_s(benchmark) / one_step_s))
            drawn[benchmark["fullname"]] = share
    return steps, drawn


class ExtraWork(Backend):
    """What the slowed backends share; their own class comes behind it in the order of bases."""

    threads: int | None = None

    def import_framework(self, threads: int | None) -> None:
        """Remembers the configuration, and has a thread fewer where that is the change."""
        self.threads = threads
        if os.environ.get(CHANGE) == THREAD_FEWER:
            threads = (threads or len(os.sched_getaffinity(0))) - 1
            if not threads:
                raise ValueError("a single thread cannot become a thread fewer")
        super().import_framework(threads)  # type: ignore[safe-super]

    def load(self, checkpoint: Path, onnx: Path | None) -> None:
        """The model, or the wider one that the environment names for this backend."""
        if wider := json.loads(os.environ.get(WIDER, "{}")).get(self.name):
            checkpoint, onnx = Path(wider["checkpoint"]), Path(wider["onnx"]) if wider["onnx"] else None
        super().load(checkpoint, onnx)  # type: ignore[safe-super]

    def compile(self, inputs: Mapping[str, np.ndarray]) -> Forward:
        """The forward pass, and behind it the steps that the plan has for this benchmark."""
        forward: Forward = super().compile(inputs)  # type: ignore[safe-super]
        plan: dict[str, int] = json.loads(os.environ.get(PLAN, "{}"))
        batch_size, sequence_length = inputs["input_ids"].shape
        steps = plan.get(benchmark_key(self.name, self.threads, batch_size, sequence_length), 0)
        if not steps:
            return forward
        work = step()

        def slowed() -> Any:
            outputs = forward()
            for _ in range(steps):
                work()
            return outputs

        return slowed


class SlowedOnnxRuntime(ExtraWork, OnnxRuntime):
    """ONNX Runtime with extra work."""


class SlowedPyTorch(ExtraWork, PyTorch):
    """PyTorch with extra work."""

    def load(self, checkpoint: Path, onnx: Path | None) -> None:
        """The model, with another implementation of attention where that is the change."""
        super().load(checkpoint, onnx)
        if os.environ.get(CHANGE) == EAGER_ATTENTION:
            self.model.set_attn_implementation("eager")


class SlowedTensorFlowXla(ExtraWork, TensorFlowXla):
    """TensorFlow under XLA with extra work."""


SLOWED = (SlowedOnnxRuntime, SlowedPyTorch, SlowedTensorFlowXla)
BACKENDS.update({backend.name: f"{__name__}:{backend.__name__}" for backend in SLOWED})
