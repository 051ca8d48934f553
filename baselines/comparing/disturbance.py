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
    asked_for = result.configuration.get("cpu_quota") is not None  # what it stops is what is measured, and compared with it
    return why_disturbed(
        steal_share=result.steal_share,
        throttled_share=None if asked_for else result.throttled_share,
        wait_share=result.wait_share,
        others_share=result.others_share,
    )


def why_disturbed(
    *, steal_share: float | None, throttled_share: float | None, wait_share: float | None, others_share: float | None
) -> str | None:
    """The same of what a launch says of its machine; None for what is not known."""
    if steal_share is not None and steal_share > STEAL_SHARE_LIMIT:
        return f"a hypervisor took {steal_share:.0%} of its CPUs' time (limit {STEAL_SHARE_LIMIT:.0%})"
    if throttled_share is not None and throttled_share > THROTTLED_SHARE_LIMIT:
        periods = f"{throttled_share:.0%} of the quota's periods (limit {THROTTLED_SHARE_LIMIT:.0%})"
        return f"a CPU quota stopped it in {periods}; lift the quota, or use fewer threads"
    if wait_share is not None and others_share is not None:
        share = min(wait_share, others_share)
        if share > OTHERS_SHARE_LIMIT:
            return f"other processes kept {share:.0%} of its CPUs' time from it (limit {OTHERS_SHARE_LIMIT:.0%})"
    return None
