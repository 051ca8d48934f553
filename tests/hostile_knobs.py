"""Knobs that do nothing, each in its own way; `-p tests.hostile_knobs` makes them known to a session, with all knobs.

`jemalloc` is a library that has no malloc, `tcmalloc` one that is not installed; two backends ignore what they are told.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

from fixtures.asked import matrix
from fixtures.backends import BACKENDS
from fixtures.backends.interface import Forward
from fixtures.backends.onnxruntime import OnnxRuntime
from fixtures.backends.pytorch import PyTorch
from fixtures.tuning.libraries import ALLOCATORS


class IgnoresSpinning(OnnxRuntime):
    """Says that it does not spin, and spins."""

    name = "ignores_spinning"

    def tune(self, settings: Mapping[str, str]) -> None:
        self.said = dict(settings)

    def knobs(self, forward: Forward) -> dict[str, str]:
        return self.said


class LosesVariables(PyTorch):
    """Loses a variable between its start, of which the kernel tells, and the import of its framework."""

    name = "loses_variables"

    def import_framework(self, threads: int | None) -> None:
        os.environ.pop("OMP_WAIT_POLICY", None)
        super().import_framework(threads)


BACKENDS.update({one.name: f"{__name__}:{one.__name__}" for one in (IgnoresSpinning, LosesVariables)})
matrix.PRESETS["quick"] = replace(matrix.PRESETS["quick"], knobs=None)
ALLOCATORS["jemalloc"] = replace(ALLOCATORS["jemalloc"], soname="libm.so.6")  # type: ignore[index]
ALLOCATORS["tcmalloc"] = replace(ALLOCATORS["tcmalloc"], soname="libnot-there.so.9")  # type: ignore[index]
