"""All knobs, two of them without effect; `-p tests.hostile_knobs` makes them a session's.

`jemalloc` is a library that has no malloc, `tcmalloc` one that is not installed.
"""

from __future__ import annotations

from dataclasses import replace

from fixtures.asked.presets import PRESETS
from fixtures.tuning.libraries import ALLOCATORS

PRESETS["quick"] = replace(PRESETS["quick"], knobs=None)
ALLOCATORS["jemalloc"] = replace(ALLOCATORS["jemalloc"], soname="libm.so.6")  # type: ignore[index]
ALLOCATORS["tcmalloc"] = replace(ALLOCATORS["tcmalloc"], soname="libnot-there.so.9")  # type: ignore[index]
