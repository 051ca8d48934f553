"""The machine as a level of variation: runs that were merged of parts are never closer to each other than their machines."""

from __future__ import annotations

import math
from collections.abc import Iterable

from baselines.files.reading_values import number_of
from baselines.files.run import Run
from baselines.judging.policy import Policy


def policy_of(runs: Iterable[Run]) -> Policy:
    """The judge's constants for a comparison of these runs, with what the bridges of the merged ones show, pooled."""
    shown = [(number_of(one.bridges.get("pooled_sd")), number_of(one.bridges.get("degrees_of_freedom"))) for one in runs]
    known = [(sd, freedom) for sd, freedom in shown if sd is not None and freedom]
    if not known:
        return Policy()
    squares = math.fsum(freedom * sd**2 for sd, freedom in known)
    return Policy(machine_sd=math.sqrt(squares / math.fsum(freedom for _, freedom in known)))
