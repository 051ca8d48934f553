"""A CPU quota: the kernel counts how often it stopped what was measured; the run says so, and is no baseline."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from baselines.accepting.refusals import unstable_because
from baselines.comparing.disturbance import THROTTLED_SHARE_LIMIT
from baselines.files.reading_benchmarks import result_of
from baselines.judging.judgement import Judgement, Verdict
from fixtures.gate.duet_verdicts import DuetVerdicts
from tests.suite import SCALING, Suite

LONG_ENOUGH = "--benchmark-max-time=1"  # ten periods of the quota
V1, V2 = Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup")


def cgroup_with(*, quota_us: int) -> Iterator[Path]:
    """A cgroup with so much CPU time in 100 ms; only root can make one, and not in every container."""
    folder = (V1 if V1.is_dir() else V2) / f"bert-cpu-benchmarks-test-{os.getpid()}"
    try:
        folder.mkdir()
        if V1.is_dir():
            (folder / "cpu.cfs_quota_us").write_text(str(quota_us))
        else:
            (folder / "cpu.max").write_text(f"{quota_us} 100000")
    except OSError as error:
        if folder.is_dir():
            folder.rmdir()
        pytest.skip(f"no cgroup with a CPU quota can be made here: {error}")
    yield folder
    folder.rmdir()


@pytest.fixture
def group() -> Iterator[Path]:
    """A fifth of a CPU."""
    yield from cgroup_with(quota_us=20_000)


def test_a_run_under_a_quota(suite: Suite, group: Path) -> None:
    """Said before it starts, in the result and in the report; accept refuses it."""
    suite.report = True
    asked = ("--benchmark-only", "--preset=quick", "--backends=onnxruntime", "--threads=1", LONG_ENOUGH)
    command = suite.command(SCALING, *asked)
    ended = suite.end(suite.start_as(["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh", *command]))
    assert ended.code == 0, ended.text
    assert "CPU QUOTA: 0.2 CPUs" in ended.text.partition("collected")[0]
    (benchmark,) = ended.benchmarks.values()
    assert benchmark["extra_info"]["throttled_share"] > THROTTLED_SHARE_LIMIT
    (folder,) = suite.runs.iterdir()
    assert "a CPU quota stopped" in (folder / "report" / "report.md").read_text()
    assert str(unstable_because(result_of(benchmark))).startswith("a CPU quota stopped it in ")


def test_a_throttled_duet_convicts_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the limit a regression is inconclusive, with the way out; below it the verdict stands."""
    verdicts = DuetVerdicts(reference=None, comparisons=1, looks=[4])  # type: ignore[arg-type]
    regressed = Judgement(verdict=Verdict.REGRESSED, reason="slower", launches=4, p_value=1e-9)
    monkeypatch.setattr(verdicts, "verdict_on", lambda key, min_effect: regressed)
    monkeypatch.setattr("fixtures.gate.duet_verdicts.DuetRow", lambda **words: SimpleNamespace(**words))
    verdicts.duets["a b"] = None  # type: ignore[assignment]
    measured: Any = SimpleNamespace(
        reference_versions={}, reference_graph={}, measured=SimpleNamespace(extra_info={"versions": {}, "graph": {}})
    )
    for share, verdict in ((None, "regressed"), (THROTTLED_SHARE_LIMIT, "regressed"), (0.3, "inconclusive")):
        measured.launches = [SimpleNamespace(throttled_share=share), SimpleNamespace(throttled_share=0.0)]
        verdicts.judge("id", "label", measured, key="a b", min_effect=None)
        judgement = verdicts.rows["id"].judgement
        assert judgement.verdict.value == verdict
    assert judgement == replace(regressed, verdict=Verdict.INCONCLUSIVE, reason=judgement.reason, p_value=None)
    verdicts.finish()
    assert verdicts.together == [], "nor together with others"
    assert judgement.reason.startswith("a CPU quota stopped both sides in 30% of its periods")
