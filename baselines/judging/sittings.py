"""Whether runs lie far enough apart in time to say how runs differ: those of one sitting all saw the machine in one mood."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from baselines.judging.policy import Policy
from baselines.judging.wording import counted

DAY_S: Final = 86400
INSTEAD: Final = "compare side by side: pytest ... --reference accepted"


def one_sitting(moments: Sequence[float], policy: Policy) -> str | None:
    """Why these runs can convict nobody; None where they are of enough different days, or it is not known when they began.

    Args:
        moments: when each began, in seconds of Unix time; a day is one of UTC.
        policy: the constants.
    """
    days = len({moment // DAY_S for moment in moments})
    if not moments or days >= policy.least_days:
        return None
    apart_s = max(moments) - min(moments)
    if len(moments) == 1:
        what = "there is one accepted run: it knows one mood of this machine"
    elif days == 1 or apart_s < DAY_S / 2:
        what = f"the {len(moments)} accepted runs were measured within {span_text(apart_s)} of one another: "
        what += "they know one mood of this machine"
    else:
        what = f"the {len(moments)} accepted runs are of {days} different days: they know too few moods of this machine"
    return f"{what}. Accept runs of {policy.least_days} different days, or {INSTEAD}"


def span_text(seconds: float) -> str:
    """`8 minutes`, `3 hours`: rounded up."""
    minutes = max(1, -int(-seconds // 60))
    return counted(minutes, "minute") if minutes < 120 else counted(-(-minutes // 60), "hour")
