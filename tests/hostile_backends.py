"""Backends that go wrong on purpose, each in one way; `--backend-file=tests/hostile_backends.py` makes their names known."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fixtures.backends.interface import Backend, Forward
from fixtures.backends.onnxruntime import OnnxRuntime
from fixtures.backends.pytorch import PyTorch
from fixtures.profiling.profiler import Profiler


class AnswersNan(OnnxRuntime):
    """Computes, and then loses the answer."""

    name = "answers_nan"

    def last_hidden_state(self, outputs: Any) -> np.ndarray:
        return np.full_like(super().last_hidden_state(outputs), np.nan)


class TellsNothing(OnnxRuntime):
    """Has no profiler."""

    name = "tells_nothing"

    def profiler(self, inputs: Any, folder: Path) -> Profiler:
        return Backend.profiler(self, inputs, folder)


class SleepsForEver(OnnxRuntime):
    """Never comes back from its first forward pass."""

    name = "sleeps_for_ever"

    def compile(self, inputs: Any) -> Forward:
        del inputs
        return lambda: time.sleep(1_000_000)


class LeavesItsMask(OnnxRuntime):
    """A framework that gives itself more CPUs than it was granted."""

    name = "leaves_its_mask"

    def load(self, checkpoint: Any, artefact: Any) -> None:
        super().load(checkpoint, artefact)
        os.sched_setaffinity(0, range(os.cpu_count() or 1))


class LeavesItsMaskLater(LeavesItsMask):
    """Does so only while it is being timed."""

    name = "leaves_its_mask_later"

    def load(self, checkpoint: Any, artefact: Any) -> None:
        OnnxRuntime.load(self, checkpoint, artefact)

    def compile(self, inputs: Any) -> Forward:
        forward = super().compile(inputs)

        def straying() -> Any:
            os.sched_setaffinity(0, range(os.cpu_count() or 1))
            return forward()

        return straying


class Crashes(OnnxRuntime):
    """Dies of a segmentation fault, with something to say before."""

    name = "crashes"

    def compile(self, inputs: Any) -> Forward:
        print("about to touch address zero", flush=True)
        os.kill(os.getpid(), signal.SIGSEGV)
        return super().compile(inputs)


class KilledWhileTiming(OnnxRuntime):
    """The first of its processes to get there is killed in its 150th pass at 32 tokens: a warm-up has a tenth of that."""

    name = "killed_while_timing"

    def compile(self, inputs: Any) -> Forward:
        forward, calls = super().compile(inputs), iter(range(1, 1_000_000))
        if inputs["input_ids"].shape[1] != 32:
            return forward

        def counting() -> Any:
            if next(calls) == 150:
                with contextlib.suppress(FileExistsError):
                    (Path(os.environ["TMPDIR"]) / "killed").touch(exist_ok=False)
                    os.kill(os.getpid(), signal.SIGKILL)
            return forward()

        return counting


class AnswersNonsense(OnnxRuntime):
    """Writes into the pipe of the replies."""

    name = "answers_nonsense"

    def load(self, checkpoint: Any, artefact: Any) -> None:
        super().load(checkpoint, artefact)
        os.write(int(sys.argv[sys.argv.index("--replies") + 1]), b"I am a framework and I print where I please\n")


class CannotBeImported(OnnxRuntime):
    """Its framework is broken."""

    name = "cannot_be_imported"

    def import_framework(self, threads: int | None) -> None:
        raise ImportError("libbroken.so.1: cannot open shared object file")


class StartsOnce(OnnxRuntime):
    """Works in its first process, and in none after it."""

    name = "starts_once"

    def load(self, checkpoint: Any, artefact: Any) -> None:
        try:
            (Path(os.environ["TMPDIR"]) / "started").touch(exist_ok=False)
        except FileExistsError:
            raise RuntimeError("this model starts only once") from None
        super().load(checkpoint, artefact)


class StandsStillOnce(OnnxRuntime):
    """Sleeps for a second in its sixtieth forward pass, as a server does that swaps or collects garbage."""

    name = "stands_still_once"

    def compile(self, inputs: Any) -> Forward:
        forward, calls = super().compile(inputs), iter(range(1, 1_000_000))

        def standing_still() -> Any:
            if next(calls) == 60:
                time.sleep(1.0)
            return forward()

        return standing_still


def repeated(forward: Forward, times: int) -> Forward:
    """A forward pass that takes so many times as long."""

    def several() -> Any:
        for _ in range(times - 1):
            forward()
        return forward()

    return several


TWIN = "TESTED_AS_TWIN"
"""Variable that a test's own interpreter sets, so that a worker knows on which side of a duet it is."""


class SlowerThanItsTwin(OnnxRuntime):
    """Does every forward pass twice, unless it is the reference of a duet."""

    name = "slower_than_its_twin"

    def compile(self, inputs: Any) -> Forward:
        forward = super().compile(inputs)
        return forward if TWIN in os.environ else repeated(forward, 2)


class AnotherSpeedEachLaunch(OnnxRuntime):
    """Beside a twin that does every forward pass twice, its launches do one or four: they scatter, their turns do not.

    At 32 tokens it cannot be had a fifth time on a side; at 96 it takes sixteen times as long as its twin in every launch.
    """

    name = "another_speed_each_launch"

    def load(self, checkpoint: Any, artefact: Any) -> None:
        super().load(checkpoint, artefact)
        side = Path(os.environ["TMPDIR"]) / f"launches_of_{os.environ.get(TWIN, 'measured')}"
        self.launches = 1 + (len(side.read_text()) if side.exists() else 0)
        side.write_text("x" * self.launches)

    def compile(self, inputs: Any) -> Forward:
        tokens = inputs["input_ids"].shape[1]
        if self.launches == 5 and tokens == 32:
            raise RuntimeError("this launch was one too many")
        scattered = 4 if (self.launches - 1) // 2 % 2 else 1  # by twos: each order of loading sees both
        measured, reference = (16, 1) if tokens == 96 else (scattered, 2)
        return repeated(super().compile(inputs), reference if TWIN in os.environ else measured)


class WrongAsTwin(AnswersNan):
    """Answers NaN as the reference of a duet."""

    name = "wrong_as_twin"

    def last_hidden_state(self, outputs: Any) -> np.ndarray:
        whose = AnswersNan if TWIN in os.environ else OnnxRuntime
        return whose.last_hidden_state(self, outputs)


class NotInstalled(OnnxRuntime):
    """Needs what nobody has."""

    name = "not_installed"
    distributions = ("framework-of-the-future",)


class DoublesItsScales(OnnxRuntime):
    """At int8 its weights are dequantised with twice their scales."""

    name = "doubles_its_scales"

    def load(self, checkpoint: Any, artefact: Any) -> None:
        import onnx as onnx_format
        from onnx import numpy_helper

        model = onnx_format.load(artefact)
        for weight in model.graph.initializer:
            if weight.name.endswith("_scale"):
                doubled = numpy_helper.from_array(2 * numpy_helper.to_array(weight), weight.name)
                weight.CopyFrom(doubled)
        folder = Path(os.environ["TMPDIR"]) / "doubled"
        folder.mkdir(exist_ok=True)
        onnx_format.save(model, folder / "model.onnx")
        (folder / "fusions.json").write_bytes((artefact.parent / "fusions.json").read_bytes())
        super().load(checkpoint, folder / "model.onnx")


class StaysAtFp32(OnnxRuntime):
    """Takes the fp32 file whatever it is asked for."""

    name = "stays_at_fp32"

    @classmethod
    def artefact(cls, precision: str) -> str | None:
        return "onnx"


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


class IgnoresMask(OnnxRuntime):
    """Attends to what pads a row."""

    name = "ignores_mask"

    def compile(self, inputs: Any) -> Forward:
        return super().compile({**inputs, "attention_mask": np.ones_like(inputs["attention_mask"])})
