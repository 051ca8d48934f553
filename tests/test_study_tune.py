"""The study of tune: what it replays on recorded launches and launch pairs, and what it says of them."""

from __future__ import annotations

import itertools
import math
import random
from typing import Any

import pytest

from baselines.tuning.space import Candidate
from studies.loop import StudyError
from studies.tune import CONFIGURATIONS, show, space_of
from studies.tune_replay import Data, choosers, replayed, replayed_on_nothing

LAYOUTS = [(None, 1), (1, 1), (2, 1), (1, 2)]
POSSIBLE = {
    "deployments": [
        {
            "backend": "onnxruntime",
            "precision": precision,
            "threads": threads,
            "instances": instances,
            "knobs": {},
            "batch_size": 8,
            "sequence_length": 32,
        }
        for precision in ("fp32", "int8")
        for threads, instances in LAYOUTS
    ],
    "knobs": {
        "onnxruntime": [
            ["spinning", "off"],
            ["huge_pages", "off"],
            ["huge_pages", "madvise"],
            ["allocator", "jemalloc"],
        ]
    },
}


def truth(one: Candidate) -> float:
    """Seconds of a forward pass: int8 on two threads with madvised huge pages is the fastest."""
    layout = {(None, 1): 1.01, (1, 1): 1.9, (2, 1): 1.0, (1, 2): 1.05}[one.threads, one.instances]
    knobs = {"off": 1.03, "madvise": 0.96}
    return 0.02 * layout * (0.6 if one.precision == "int8" else 1.0) * math.prod(knobs[value] for _, value in one.knobs)


def recorded(passes: int) -> list[dict[str, Any]]:
    """As a machine would give them whose launches lie 5 % apart, and launch pairs 1 %."""
    chance = random.Random(11)  # noqa: S311 - noise, no secret
    space, every = space_of(POSSIBLE)
    records: list[dict[str, Any]] = []
    for number, one in itertools.product(range(passes), every):
        common = {"study": "2026-11-27 12:00", "machine": "m", "pass": number, "candidate": one.as_json()}
        median_s = truth(one) * math.exp(chance.gauss(0, 0.05))
        said = {"median_s": median_s, "p99_s": median_s, "throughput_per_s": 8 / median_s, "cpu_s_per_sample": median_s}
        said |= {"peak_rss_bytes": 1e8, "cosine": 1.0, "wall_s": 2.5}
        ratio = math.log(truth(one) / truth(space.default)) + chance.gauss(0, 0.01)
        records.append({**common, "kind": "launch", "said": said})
        records.append({**common, "kind": "pair", "said": {"log_ratio": ratio, "wall_s": 5.0}})
    return records


def test_the_space_has_48_configurations() -> None:
    """Knobs are taken as long as there are no more."""
    space, every = space_of(POSSIBLE)
    assert len(every) == len(set(every)) == CONFIGURATIONS
    assert [setting for setting, _ in space.knobs["onnxruntime"]] == ["spinning", "huge_pages", "huge_pages"]
    assert space.default.threads is None
    assert space.default.precision == "fp32"


def test_searches_are_replayed_on_what_was_recorded() -> None:
    """They lose less than random launches, at two fifths of the cost; where nothing helps, nothing is chosen."""
    data = Data.of(recorded(6))
    assert min(data.truth, key=lambda one: data.truth[one]).precision == "int8"
    assert data.cost_s == pytest.approx(3 * 48 * 7.5)
    assert 0.008 < data.spread < 0.012
    found = list(replayed(data, 6))
    assert all(one["share"] <= 0.4 for one in found if one["how"] == "tune")
    lost = {how: sum(one["regret"] for one in found if one["how"] == how) / 6 for how in choosers()}
    assert lost["tune"] < 0.03
    assert lost["tune"] <= lost["random launches"]
    nothing = list(replayed_on_nothing(data, 6))
    assert sum(one["default"] for one in nothing) >= 5


def test_what_is_shown() -> None:
    """The record, a row for each way of searching, the space where nothing helps, and searches that ran whole."""
    records = recorded(4)
    data = Data.of(records)
    origin = {"study": "2026-11-27 13:00", "machine": "m", "of": "2026-11-27 12:00"}
    best = min(data.truth, key=lambda one: data.truth[one]).as_json()
    records += [{**origin, "kind": "replay", **one} for one in replayed_on_nothing(data, 2)]
    records += [{**origin, "kind": "replay", "how": "tune", "chosen": best, "regret": 0.02, "share": 0.4}] * 2
    records.append({**origin, "kind": "whole", "chosen": best, "regret": 0.0, "share": 0.38, "settled": True})
    text = "\n".join(show(records))
    assert "48 configurations, 4 passes" in text
    assert "| tune | 2 | 2.02% | 2.02% to 2.02% | 2.02% | 0 | 40% |" in text
    assert "Where the knobs do nothing, " in text
    assert "| 0.00% | 38% |" in text
    with pytest.raises(StudyError, match="a half needs two"):
        Data.of(recorded(2))
