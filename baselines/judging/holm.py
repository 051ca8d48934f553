"""Holm's correction: several tests together err no more often than one."""

from __future__ import annotations

from collections.abc import Mapping


def holm(p_values: Mapping[str, float], *, comparisons: int | None = None) -> dict[str, float]:
    """Holm's adjusted p values: those at or below a level may be rejected together, with that chance of any error.

    Args:
        p_values: of the tests that were made.
        comparisons: how many could have been made, when those given were picked by their data; the others count as 1.

    Raises:
        ValueError: a p value is not between 0 and 1, or fewer comparisons than p values.
    """
    comparisons = len(p_values) if comparisons is None else comparisons
    if comparisons < len(p_values):
        raise ValueError(f"{len(p_values)} p values among {comparisons} comparisons")
    adjusted: dict[str, float] = {}
    largest = 0.0
    for position, (name, p_value) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        if not 0 <= p_value <= 1:
            raise ValueError(f"{name}: a p value of {p_value}")
        largest = max(largest, min(1.0, p_value * (comparisons - position)))
        adjusted[name] = largest
    return {name: adjusted[name] for name in p_values}
