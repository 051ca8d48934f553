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
    """Steps of arithmetic behind a call, as many as make it longer by this share; each shape of inputs has its own number.

    Timed where they are, with the caches as a forward pass leaves them, and less what it takes to find their number.
    """
    import functools
    import statistics
    import time

    import numpy

    numbers = numpy.linspace(1.0, 2.0, 4096, dtype="float32")
    roots = numpy.empty_like(numbers)
    seen, steps = {{}}, {{}}

    def work(count):
        for _ in range(count):
            numpy.sqrt(numbers, out=roots)

    @functools.wraps(call)  # transformers asks for its parameters
    def slowed(*args, **kwargs):
        entered = time.perf_counter()
        given = [*args[1:], *kwargs.values()]
        given += [value for one in given if isinstance(one, dict) for value in one.values()]
        key = str(next((one.shape for one in given if hasattr(one, "shape")), None))
        if key in steps:
            result = call(*args, **kwargs)
            work(steps[key])
            return result
        called = time.perf_counter()
        result = call(*args, **kwargs)
        returned = time.perf_counter()
        work(100)
        seen.setdefault(key, []).append((called - entered, returned - called, time.perf_counter() - returned))
        if len(seen[key]) == 24:
            finding_s, call_s, work_s = map(statistics.median, zip(*seen[key][4:]))
            steps[key] = max(0, round((share * call_s - finding_s) / work_s * 100))
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


def hide(environment: Path, share: float | None) -> None:
    """Hides work of a share of each forward pass in an environment of `copied_environment`.

    With 0 the files are others and do the same; with None they are as they were.
    """
    (packages,) = environment.glob("lib/python*/site-packages")
    for name, place in PLACES.items():
        path, original = packages / name, packages / f"{name}.original"
        if not original.exists():
            path.rename(original)
        path.unlink(missing_ok=True)
        if share is None:
            shutil.copy2(original, path)
        else:
            added = CODE.format(place=place, share=share) if share else "# no other code\n"
            path.write_text(original.read_text(encoding="utf-8") + added, encoding="utf-8")
