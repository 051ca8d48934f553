"""How much is measured: in one piece or in slices, alone or beside others."""

from __future__ import annotations

import pytest

from fixtures.measurement.effort import MOST_SLICES, Effort, timing_limits


def effort(min_rounds: int) -> Effort:
    """Of a benchmark that takes a second."""
    return Effort(
        min_rounds=min_rounds,
        max_time_s=1.0,
        min_time_s=0.0,
        precision=None,
        confidence=0.95,
        warm_up_rounds=1,
        warm_up_time_s=0.0,
    )


@pytest.mark.parametrize(
    ("min_rounds", "round_s", "slices"),
    [(1, 0.001, MOST_SLICES), (5, 0.001, MOST_SLICES), (5, 0.1, 10), (5, 0.7, 5), (1, 7.0, 1)],
)
def test_slices_ask_for_no_less_than_the_whole(min_rounds: int, round_s: float, slices: int) -> None:
    """As many rounds and as much time; a slice has a round at least, and lasts as short as that allows."""
    parts = effort(min_rounds).in_slices(round_s, alone=True)
    assert len(parts) == slices
    assert sum(part.min_rounds for part in parts) >= min_rounds
    assert min(part.min_rounds for part in parts) >= 1
    assert sum(part.max_time_s for part in parts) == pytest.approx(1.0)


def test_slices_of_several_instances_are_longer() -> None:
    """Their window has to hold rounds of each, busy all of it."""
    assert len(effort(5).in_slices(0.001, alone=False)) == 4


def test_several_instances_start_after_their_lead_in() -> None:
    """The agreed moment leaves time for the round that is not counted."""
    plain = timing_limits(effort(5), [0.5, 0.1], alone=False)
    led = timing_limits(effort(5), [0.5, 0.1], alone=False, lead_in=True)
    assert (plain["lead_in"], led["lead_in"]) == (False, True)
    assert led["start_at_s"] - plain["start_at_s"] >= 0.5
