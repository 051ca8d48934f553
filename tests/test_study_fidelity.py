"""The study of fidelity: when an instance measures what a bare loop measures."""

from __future__ import annotations

import pytest

from studies.fidelity import judged


def test_whoever_starts_first_is_slower_and_that_is_no_bias() -> None:
    """Launches by twos cancel it, and it is told beside the ratio."""
    cells, holds = judged("onnxruntime", [0.021, -0.019, 0.019, -0.021, 0.020, -0.020], 0.0339)
    assert holds
    assert cells == ["onnxruntime", "6", "33.9 ms", "1.0000", "[0.9975, 1.0025]", "0.25% (aim 1%)", "+2.02%", "holds"]


@pytest.mark.parametrize(
    ("launches", "holds"), [([0.02, 0.021] * 3, False), ([0.05, -0.04, -0.05, 0.04], False), ([0.009] * 4, True)]
)
def test_what_does_not_hold(launches: list[float], holds: bool) -> None:
    """A bias of 2 %, and an interval that is too wide to say; a bias within 1 % holds."""
    assert judged("tensorflow_xla", launches, 0.06)[1] is holds
