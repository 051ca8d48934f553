"""`-p tests.brief_search`: the search for the highest rate takes half a second; nobody looks at what it finds."""

from __future__ import annotations

from dataclasses import replace

from fixtures.asked.presets import PRESETS

QUICK = PRESETS["quick"]
PRESETS["quick"] = replace(QUICK, dispatching=replace(QUICK.dispatching, search_s=0.5))
