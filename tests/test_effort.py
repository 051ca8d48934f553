"""How much is measured, alone or beside others."""

from __future__ import annotations

from fixtures.measurement.effort import Effort, timing_limits


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


def test_several_instances_start_after_their_lead_in() -> None:
    """The agreed moment leaves time for the round that is not counted."""
    plain = timing_limits(effort(5), [0.5, 0.1], alone=False)
    led = timing_limits(effort(5), [0.5, 0.1], alone=False, lead_in=True)
    assert (plain["lead_in"], led["lead_in"]) == (False, True)
    assert led["start_at_s"] - plain["start_at_s"] >= 0.5
