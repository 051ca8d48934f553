"""The window of several instances: which rounds count, and when they did not run beside each other."""

from __future__ import annotations

from typing import Any

import pytest

from fixtures.measurement.window import LEAST_OVERLAP, OverlapError, common_window


def answer(first_s: float, *durations_s: float) -> dict[str, Any]:
    """What an instance answers that worked without a pause."""
    starts = [first_s + sum(durations_s[:number]) for number in range(len(durations_s))]
    return {"starts_s": starts, "durations_s": list(durations_s), "wall_s": sum(durations_s)}


def test_one_instance_counts_all_its_rounds() -> None:
    """There is nobody to wait for."""
    window = common_window(["one"], [answer(5.0, 1.0, 2.0)], start_s=None, length_s=1.0)
    assert window.rounds[0].durations_s == (1.0, 2.0)
    assert window.rounds[0].wall_s == 3.0
    assert window.overlap == 1.0


def test_only_whole_rounds_inside_the_window_count() -> None:
    """A round that reaches beyond the end is left out, and its time with it, so that the rate is not biased."""
    quick, slow = answer(100.0, *[1.0] * 11), answer(100.0, *[3.0] * 4)
    window = common_window(["quick", "slow"], [quick, slow], start_s=100.0, length_s=10.5)
    assert [len(one.durations_s) for one in window.rounds] == [10, 3]
    assert [one.wall_s for one in window.rounds] == [10.0, 9.0]
    assert window.overlap == 1.0


def test_a_late_start_lowers_the_overlap() -> None:
    """What was not busy is not counted as such."""
    window = common_window(["one", "late"], [answer(0.0, *[1.0] * 11), answer(0.5, *[1.0] * 10)], start_s=0.0, length_s=10.0)
    assert window.overlap == pytest.approx(0.95)
    assert len(window.rounds[1].durations_s) == 9


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(answer(10.0 * (1 - LEAST_OVERLAP) + 0.1, *[1.0] * 10), id="late"),
        pytest.param(answer(0.0, 1.0, 1.0), id="gave up"),
        pytest.param(answer(0.0, 12.0), id="stalled"),
        pytest.param(answer(20.0, 1.0, 1.0), id="afterwards"),
    ],
)
def test_instances_that_were_not_busy_together_have_no_result(other: dict[str, Any]) -> None:
    """The message names the instance, when it was busy, and the window."""
    with pytest.raises(OverlapError, match=r"bad was busy from \+.* of a window of 10\.000 s, with \d+ whole rounds in it"):
        common_window(["good", "bad"], [answer(0.0, *[1.0] * 11), other], start_s=0.0, length_s=10.0)
