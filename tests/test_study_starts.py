"""The study of starts: what it says of records, and that a forked worker is what a fresh one is, as far as a handle sees."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures.backends.registry import BACKENDS, backend_class
from fixtures.instance.handle import InstanceFailure
from fixtures.machine.affinity import granted, thread_masks
from fixtures.model.prepared import PreparedModel
from studies import forked
from studies.forked import ForkedInstance
from studies.starts_tables import Spread, show


def block(chance: random.Random, *, fresh: float, within: float, parents: float) -> dict[str, Any]:
    """A block in which launch pairs have these spreads, a forked worker is 1 % slower, and order matters by 2 %."""
    parent = chance.gauss(0, parents)

    def pair(kind: str, first: bool) -> dict[str, Any]:
        noise = parent + chance.gauss(0, within) if kind == "forked" else chance.gauss(0, fresh)
        log_ratio = (0.02 if first else -0.02) + noise if kind != "mixed" else 0.01 + chance.gauss(0, 0.001)
        starting_s = 5.0 if kind == "fresh" else 1.0
        return {"kind": kind, "log_ratio": log_ratio, "measured_first": first, "starting_s": starting_s}

    pairs = [pair(kind, first) for kind in ("fresh", "forked") for first in (True, False)]
    words = {"machine": "m", "study": "2026-01-01 00:00", "busy": False, "backend": "b", "threads": 2, "refused": {}}
    return {**words, "pairs": [*pairs, pair("mixed", first=True)]}


def test_spreads_are_free_of_the_order() -> None:
    """Half the difference within a block is noise, the mean of a block is noise and parents; the order is in neither."""
    chance = random.Random(1)  # noqa: S311
    blocks = [block(chance, fresh=0.010, within=0.005, parents=0.02) for _ in range(2_000)]
    assert Spread.of(blocks, "fresh").within == pytest.approx(0.010, rel=0.1)
    assert Spread.of(blocks, "fresh").between == pytest.approx(0.010, rel=0.1)
    assert Spread.of(blocks, "forked").within == pytest.approx(0.005, rel=0.1)
    assert Spread.of(blocks, "forked").between == pytest.approx((2 * 0.02**2 + 0.005**2) ** 0.5, rel=0.1)


def row_of(blocks: list[dict[str, Any]]) -> list[str]:
    """The cells of the only row of launch pairs."""
    return [cell.strip() for cell in list(show(blocks))[2].split("|")[1:-1]]


def interval_in(cell: str) -> tuple[float, float]:
    """The interval behind an estimate."""
    low, high = (float(word) for word in cell.partition("[")[2].rstrip("]").split(","))
    return low, high


def test_a_row_says_what_was_measured() -> None:
    """How many blocks, what starts take, and the ratio of medians; one block says nothing."""
    chance = random.Random(2)  # noqa: S311
    blocks = [block(chance, fresh=0.010, within=0.010, parents=0.0) for _ in range(400)]
    row = row_of(blocks)
    assert row[:5] == ["m", "b, 2", "400", "5.0 s", "1.0 s"]
    assert row[5].startswith("+1.0% [+1.0%, +1.0%]")
    assert not any("| b, 2 |" in line for line in show(blocks[:1]))


def test_intervals_hold_the_truth() -> None:
    """Nineteen of twenty have 1 in them where forked workers are fresh ones in all but name; few where parents differ."""
    chance = random.Random(3)  # noqa: S311
    same = [row_of([block(chance, fresh=0.01, within=0.01, parents=0.0) for _ in range(8)]) for _ in range(300)]
    for column in (8, 9):
        held = [low <= 1 <= high for low, high in (interval_in(row[column]) for row in same)]
        assert 0.91 < sum(held) / len(held) < 0.985
    other = [row_of([block(chance, fresh=0.01, within=0.002, parents=0.01) for _ in range(8)]) for _ in range(50)]
    assert sum(interval_in(row[8])[1] < 1 for row in other) > 45
    assert sum(interval_in(row[9])[0] > 1 for row in other) > 45


def test_what_was_not_forked_is_named_and_not_counted() -> None:
    """A block whose workers were fresh after all is in no row."""
    chance = random.Random(4)  # noqa: S311
    blocks = [block(chance, fresh=0.01, within=0.01, parents=0.0) | {"refused": {"b": "3 threads"}} for _ in range(3)]
    lines = list(show(blocks))
    assert not any("| b, 2 |" in line for line in lines)
    assert lines[-1] == "* b: 3 threads"


@pytest.fixture
def parents(tmp_path: Path) -> Iterator[Path]:
    """A folder; afterwards no parent is left."""
    yield tmp_path
    processes = [parent.process for parent in forked.PARENTS.values()]
    forked.close_parents()
    assert all(process.poll() is not None for process in processes)


def started(folder: Path, backend: str) -> ForkedInstance:
    """An instance on one CPU that has imported."""
    with granted([max(os.sched_getaffinity(0))]):
        instance = ForkedInstance(
            stderr_path=folder / "stderr.txt", environment=backend_class(backend).environment(1), name=f"{backend} of a test"
        )
        instance.ask("import", backend=BACKENDS[backend], threads=1, time_out_s=60)
    return instance


def test_a_forked_worker_is_a_worker(parents: Path, bert_tiny: PreparedModel) -> None:
    """It loads and answers, on its CPU alone; the second has the same parent; a death is explained."""
    one, two = started(parents, "onnxruntime"), started(parents, "onnxruntime")
    try:
        assert forked.REFUSED == {}
        assert len(forked.PARENTS) == 1
        assert one.pid != two.pid
        assert set(thread_masks(two.pid).values()) == {frozenset([max(os.sched_getaffinity(0))])}
        two.ask("load", checkpoint=str(bert_tiny.checkpoint), artefact=str(bert_tiny.onnx), time_out_s=60)
        two.ask("check", case=str(bert_tiny.cases["1x32"]), time_out_s=60)
        timed = two.ask("time", min_rounds=3, max_time_s=0.0, time_out_s=60)
        assert len(timed["durations_s"]) == 3
        one.pause()
        os.kill(two.pid, signal.SIGKILL)
        with pytest.raises(InstanceFailure, match="killed by SIGKILL"):
            two.ask("time", min_rounds=1, max_time_s=0.0, time_out_s=60)
        assert one.alive
    finally:
        one.close()
        two.close()
    assert not one.alive
