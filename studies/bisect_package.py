"""Releases of a small package, of which some make ONNX Runtime's forward passes longer by a known amount of work.

A release has a `.pth`, which Python runs at every start, and which has a worker do steps of arithmetic behind each forward
pass (studies/extra_work.py): nothing imports the package, and nothing but its release differs.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from studies.wheels import write_wheel

NAME: Final = "bench-study-work"
_CODE: Final = """
import importlib.util
import sys

STEPS = {steps}
SLOWED = "fixtures.backends.onnxruntime"


class Finder:
    def find_spec(self, name, path=None, target=None):
        if name != SLOWED:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        run = spec.loader.exec_module

        def exec_module(module):
            run(module)
            slow(module.OnnxRuntime)

        spec.loader.exec_module = exec_module
        return spec


def slow(backend):
    before = backend.compile

    def compile(self, inputs):
        from studies.extra_work import with_work

        return with_work(before(self, inputs), STEPS)

    backend.compile = compile


def install():
    if STEPS and not any(type(one).__name__ == "Finder" and one.__module__ == __name__ for one in sys.meta_path):
        sys.meta_path.insert(0, Finder())
"""


def write_releases(folder: Path, steps: Mapping[str, int]) -> None:
    """Writes a wheel per release; `steps`, by version, is the work behind each forward pass."""
    folder.mkdir(parents=True, exist_ok=True)
    for version, count in steps.items():
        files = {
            "bench_study_work.py": _CODE.replace("{steps}", str(count)),
            "bench_study_work.pth": "import bench_study_work; bench_study_work.install()\n",
        }
        write_wheel(folder, NAME, version, files)
