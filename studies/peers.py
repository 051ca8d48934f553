"""What other rules say of data of ours: pytest-benchmark's --benchmark-compare-fail, and a Mann-Whitney test of the rounds.

Their own code is asked, not ours.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from typing import Any, Final

THRESHOLDS: Final = ("mean:5%", "min:5%", "median:5%")
MANN_WHITNEY: Final = "Mann-Whitney 0.05"
PEERS: Final = (*THRESHOLDS, MANN_WHITNEY)


def label(rule: str) -> str:
    """A rule in a table: what one types is code."""
    return f"`{rule}`" if rule in THRESHOLDS else rule


def call_slower(now: Mapping[str, Any], before: Mapping[str, Any]) -> list[str]:
    """The rules that call a benchmark slower than it was.

    Args:
        now: pytest-benchmark's `stats`, of which only `data` has to be there, the rounds in seconds. Of statistics that are
            there too there may have been more rounds than were kept.
        before: the same of what it is compared with.
    """
    from pytest_benchmark.utils import parse_compare_fail
    from scipy.stats import mannwhitneyu

    kinds: dict[str, Callable[[Any], float]] = {"mean": statistics.fmean, "min": min, "median": statistics.median}
    both = [{word: of.get(word) or function(of["data"]) for word, function in kinds.items()} for of in (now, before)]
    slower = [rule for rule in THRESHOLDS if parse_compare_fail(rule).fails(*both)]
    if mannwhitneyu(now["data"], before["data"], alternative="greater").pvalue < 0.05:
        slower.append(MANN_WHITNEY)
    return slower
