"""Parts of a forward pass on two sides: which of them differ, with intervals. In prose: docs/explain.md.

Each launch pair gives a number for each part, the seconds of the measured side less those of the reference, and they are
fitted as a duet's log ratios are (launch_pairs.py). A part is *named* where its difference is not zero at a level that all
parts share by Holm's rule, so that of two equal environments none is, with that level's chance of an error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from baselines.judging.difference import Difference
from baselines.judging.holm import holm
from baselines.judging.launch_pairs import fit_of


@dataclass(frozen=True, kw_only=True)
class PartsPolicy:
    """The constants; docs/explain.md says where each comes from."""

    level: float = 0.01
    """Chance that any part is named where the sides are equal."""
    interval_level: float = 0.025
    """On each side of an interval that is printed, which is for its part alone."""
    smallest_sd: float = 0.001
    """No spread between launch pairs is believed below this share of the whole."""
    least_launches: int = 4
    """Launch pairs below which nothing is said."""


@dataclass(frozen=True, kw_only=True)
class PartDifference:
    """What one part differs by, in seconds of a forward pass; above 0 the measured side takes longer."""

    seconds: float
    low: float
    high: float
    p_value: float
    """Two-sided, of "it does not differ"; adjusted by Holm's rule where several parts were asked together."""
    named: bool

    @property
    def excludes_zero(self) -> bool:
        """Whether its own interval does."""
        return self.low > 0 or self.high < 0


def differences(
    parts: Mapping[str, Sequence[float]], measured_first: Sequence[bool], *, whole_s: float, policy: PartsPolicy
) -> dict[str, PartDifference]:
    """What each part differs by.

    Args:
        parts: by name, the seconds of measured less reference, of each launch pair.
        measured_first: of each launch pair, whether the measured side was loaded first.
        whole_s: seconds of a forward pass, for the smallest spread.
        policy: the constants.

    Raises:
        ValueError: launch pairs are too few, or all in one order.
    """
    if len(measured_first) < policy.least_launches or len(set(measured_first)) < 2:
        raise ValueError(
            f"{len(measured_first)} launch pairs are too few to know how far they spread: it takes {policy.least_launches}, "
            "in both orders"
        )
    found: dict[str, Difference] = {}
    for name, values in parts.items():
        fitted = fit_of(list(zip(values, measured_first, strict=True)))
        if fitted is None:
            raise ValueError("launch pairs are all in one order")
        variance = max(fitted.variance, (policy.smallest_sd * whole_s) ** 2)
        found[name] = Difference(
            estimate=fitted.estimate,
            standard_error=math.sqrt(variance * fitted.share),
            degrees_of_freedom=float(fitted.degrees_of_freedom),
        )
    adjusted = holm({name: min(1.0, 2 * min(one.p_above(0), one.p_below(0))) for name, one in found.items()})
    return {
        name: PartDifference(
            seconds=one.estimate,
            low=one.estimate - one.reach(policy.interval_level),
            high=one.estimate + one.reach(policy.interval_level),
            p_value=adjusted[name],
            named=adjusted[name] <= policy.level,
        )
        for name, one in found.items()
    }
