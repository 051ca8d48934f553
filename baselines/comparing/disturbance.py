"""When a launch says more about its neighbours than about itself: it is not used for a verdict, nor for a baseline."""

from __future__ import annotations

from typing import Final

from baselines.files.result import Result

STEAL_SHARE_LIMIT: Final = 0.10
"""A hypervisor took more than this share of its CPUs' time: its rounds are then 11 % too long.

Generous on purpose: on guests with two CPUs where this suite is developed, undisturbed runs show up to 8 %, and the
accepted runs themselves tell the judge of that spread. Beyond a tenth, somebody else's load was measured.
"""

OTHERS_SHARE_LIMIT: Final = 0.05
"""Other processes had its CPUs for more than this share of the time, and its threads waited for as long.

Both have to say so: threads of one framework also wait for each other, and the share of others is counted in ticks.

The cost is not in proportion: threads that meet at a barrier all wait for the one that was put aside. Half a CPU taken away
made rounds of PyTorch with two spinning OpenMP threads 20 to 50 times as long (docs/measuring.md).
"""

THROTTLED_SHARE_LIMIT: Final = 0.01
"""A CPU quota stopped it in more than this share of the quota's periods (usually 100 ms each): all its threads stood still.

A stop lasts to the end of its period. At this limit it costs the mean 1 % at the most; what is judged begins at 3 %.
"""


def disturbed_because(result: Result) -> str | None:
    """What took CPU time away from a launch; None when nothing did, or the file does not say."""
    if result.steal_share is not None and result.steal_share > STEAL_SHARE_LIMIT:
        return f"a hypervisor took {result.steal_share:.0%} of its CPUs' time (limit {STEAL_SHARE_LIMIT:.0%})"
    asked_for = result.configuration.get("cpu_quota") is not None  # what it stops is what is measured, and compared with it
    if not asked_for and result.throttled_share is not None and result.throttled_share > THROTTLED_SHARE_LIMIT:
        periods = f"{result.throttled_share:.0%} of the quota's periods (limit {THROTTLED_SHARE_LIMIT:.0%})"
        return f"a CPU quota stopped it in {periods}; lift the quota, or use fewer threads"
    if result.wait_share is not None and result.others_share is not None:
        share = min(result.wait_share, result.others_share)
        if share > OTHERS_SHARE_LIMIT:
            return f"other processes kept {share:.0%} of its CPUs' time from it (limit {OTHERS_SHARE_LIMIT:.0%})"
    return None
