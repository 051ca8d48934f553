"""Real work hidden in the installed packages of an environment, for studies: versions stay, forward passes take longer.

A copy of the environment is made of hard links, so that it takes no room and the original stays as it is; a file that is
edited becomes one of the copy's own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Final

PLACES: Final = {
    "onnxruntime/capi/onnxruntime_inference_collection.py": "Session.run",
    "openvino/_ov_api.py": "InferRequest.infer",
    "transformers/models/bert/modeling_bert.py": "BertModel.forward",
}
"""By file of site-packages, what a forward pass of a backend calls in it."""
CODE: Final = '''

def _with_hidden_work(call, share):
    """Steps of arithmetic behind a call, as many as take this share of it; each shape of inputs has its own number."""
    import statistics
    import time

    import numpy

    numbers = numpy.linspace(1.0, 2.0, 4096, dtype="float32")
    roots = numpy.empty_like(numbers)
    seen, steps = {{}}, {{}}

    def work(count):
        for _ in range(count):
            numpy.sqrt(numbers, out=roots)

    def step_s():
        taken = []
        for _ in range(20):
            started = time.perf_counter()
            work(200)
            taken.append((time.perf_counter() - started) / 200)
        return statistics.median(taken)

    def slowed(*args, **kwargs):
        given = [*args[1:], *kwargs.values()]
        given += [value for one in given if isinstance(one, dict) for value in one.values()]
        key = str(next((one.shape for one in given if hasattr(one, "shape")), None))
        if key in steps:
            result = call(*args, **kwargs)
            work(steps[key])
            return result
        started = time.perf_counter()
        result = call(*args, **kwargs)
        seen.setdefault(key, []).append(time.perf_counter() - started)
        if len(seen[key]) == 24:
            steps[key] = round(share * statistics.median(seen[key][4:]) / step_s())
        return result

    return slowed


{place} = _with_hidden_work({place}, {share})
'''


def copied_environment(folder: Path) -> Path:
    """A virtual environment with this one's packages, by hard links; its interpreter."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    ours = Path(sysconfig.get_path("purelib"))
    (theirs,) = folder.glob("lib/python*/site-packages")
    shutil.rmtree(theirs)
    shutil.copytree(ours, theirs, copy_function=linked, symlinks=True)
    return folder / "bin" / "python"


def linked(source: str, target: str) -> str:
    """A hard link, or a copy where the file system has none between the two."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target


def hide(environment: Path, share: float) -> None:
    """Hides work of a share of each forward pass in an environment of `copied_environment`; 0 takes it away again."""
    (packages,) = environment.glob("lib/python*/site-packages")
    for name, place in PLACES.items():
        path, original = packages / name, packages / f"{name}.original"
        if not original.exists():
            path.rename(original)
        path.unlink(missing_ok=True)
        if share:
            path.write_text(original.read_text(encoding="utf-8") + CODE.format(place=place, share=share), encoding="utf-8")
        else:
            shutil.copy2(original, path)
