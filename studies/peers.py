"""What other rules say of data of ours: pytest-benchmark's --benchmark-compare-fail, and a Mann-Whitney test of the rounds.

Their own code is asked, not ours.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Final

THRESHOLDS: Final = ("mean:5%", "min:5%", "median:5%")
MANN_WHITNEY: Final = "Mann-Whitney 0.05"
PEERS: Final = (*THRESHOLDS, MANN_WHITNEY)


def label(rule: str) -> str:
    """A rule in a table: what one types stands as code."""
    return f"`{rule}`" if rule in THRESHOLDS else rule


def call_slower(
    rounds_s: Sequence[float],
    before_s: Sequence[float],
    *,
    stats: Mapping[str, float] | None = None,
    stats_before: Mapping[str, float] | None = None,
) -> list[str]:
    """The rules that call a benchmark slower than it was.

    Args:
        rounds_s: in seconds, as measured.
        before_s: those it is compared with.
        stats: pytest-benchmark's, where it wrote some of more rounds than are kept.
        stats_before: the same of what it is compared with.
    """
    from pytest_benchmark.utils import parse_compare_fail
    from scipy.stats import mannwhitneyu

    now, before = stats or stats_of(rounds_s), stats_before or stats_of(before_s)
    slower = [rule for rule in THRESHOLDS if parse_compare_fail(rule).fails(now, before)]
    if mannwhitneyu(rounds_s, before_s, alternative="greater").pvalue < 0.05:
        slower.append(MANN_WHITNEY)
    return slower


def stats_of(rounds_s: Sequence[float]) -> dict[str, float]:
    """The statistics that the thresholds ask for."""
    return {"mean": statistics.fmean(rounds_s), "min": min(rounds_s), "median": statistics.median(rounds_s)}
