"""A plugin that lets a session believe that hardly any memory is left: `-p tests.little_memory`."""

from __future__ import annotations

import fixtures.run.start

fixtures.run.start.available_bytes = lambda: 2**20  # type: ignore[assignment]
