"""The schedule of a stream: bit-identical, Poisson, heavy-tailed, and the same at every rate."""

from __future__ import annotations

import math
import statistics
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.dispatcher.arrivals import UNITS, shape_of
from fixtures.dispatcher.lengths import LEAST, LogNormal, Observed, lengths_from
from fixtures.dispatching.load import BOUND_FACTOR, load_of, nominal_s
from tests.suite import REPOSITORY

LENGTHS = LogNormal.up_to(128)


def test_the_schedule_is_the_same_in_every_process() -> None:
    """Another process, whatever it has in its hash seed, makes the same requests: this hash is in every result."""
    script = (
        "from fixtures.dispatcher.arrivals import shape_of; from fixtures.dispatcher.lengths import LogNormal;"
        "print(shape_of(300, LogNormal.up_to(128)).sha256)"
    )
    command = [sys.executable, "-c", script]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == shape_of(300, LENGTHS).sha256 == "69e2be227c2c01d2"


@given(requests=st.integers(1, 200), seed=st.integers(0, 1_000), rate=st.floats(0.01, 10_000))
def test_a_rate_only_moves_requests_closer_together(requests: int, seed: int, rate: float) -> None:
    """Nothing but the seed, the number and the lengths decides on a schedule: it knows no server, and no rate."""
    shape = shape_of(requests, LENGTHS, seed)
    assert shape == shape_of(requests, LENGTHS, seed)
    arrivals = shape.arrivals_s(rate)
    assert arrivals == sorted(arrivals)
    assert arrivals[-1] == shape.span_s(rate) == pytest.approx(requests / rate)
    assert arrivals == pytest.approx([one / rate for one in shape.arrivals_s(1.0)])
    assert len(shape.lengths) == requests


def test_other_lengths_do_not_move_the_arrivals() -> None:
    """Real text and drawn lengths are offered at the same moments."""
    text = Observed(tokens=(5, 9, 200), longest=128)
    drawn, real = shape_of(500, LENGTHS), shape_of(500, text)
    assert drawn.units == real.units
    assert drawn.sha256 != real.sha256
    assert set(real.lengths) == {5, 9, 128}


def test_gaps_are_exponential() -> None:
    """Mean 1, standard deviation 1, and a share of 1/e longer than the mean."""
    units = shape_of(20_000, LENGTHS).units
    gaps = [(after - before) / UNITS for before, after in zip((0, *units), units, strict=False)]
    assert statistics.fmean(gaps) == pytest.approx(1.0)
    assert statistics.stdev(gaps) == pytest.approx(1.0, rel=0.03)
    assert sum(gap > 1 for gap in gaps) / len(gaps) == pytest.approx(math.exp(-1), abs=0.01)


def test_lengths_are_those_that_the_docstring_promises() -> None:
    """Of requests up to 512 tokens 24 % are within 32, 76 % within 128, 96 % within 384, 1.9 % are cut."""
    lengths = shape_of(20_000, LogNormal.up_to(512)).lengths
    shares = [sum(one <= limit for one in lengths) / len(lengths) for limit in (32, 128, 384)]
    assert shares == pytest.approx([0.244, 0.755, 0.963], abs=0.012)
    assert sum(one == 512 for one in lengths) / len(lengths) == pytest.approx(0.019, abs=0.004)


@given(uniform=st.floats(1e-15, 1 - 1e-15), longest=st.integers(LEAST, 4_096))
def test_a_length_fits(uniform: float, longest: int) -> None:
    """Whatever is drawn is at least the two tokens of an empty text, and no longer than the longest."""
    for lengths in (LogNormal.up_to(longest), Observed(tokens=(1, 10, 9_999), longest=longest)):
        assert LEAST <= lengths.length(uniform) <= longest
        assert lengths_from(lengths.as_json()) == lengths


def test_the_load_follows_from_the_model_and_the_cores() -> None:
    """Twice the cores are offered nearly twice as much, within a bound that is nearly half; nothing is measured."""
    flop = 22_348_431_360  # of bert-base-cased at 1x128
    one, two = (load_of(flop, cores, stream_s=15) for cores in (2, 4))
    assert one == load_of(flop, 2, stream_s=15)
    assert two.rate_per_s / one.rate_per_s == pytest.approx(2, rel=0.02)
    assert one.bound_s == pytest.approx(BOUND_FACTOR * nominal_s(flop, 2))
    assert one.rate_per_s * nominal_s(flop, 2) == pytest.approx(0.5)
    assert (one.requests, load_of(flop, 2, stream_s=60).requests) == (40, round(60 * one.rate_per_s))
    assert load_of(117_473_280, 64, stream_s=60).requests == 1_000
