"""Stories of a stream: three ways of serving one schedule, a server that stands still, one that dies, another plan."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from fixtures.machine.topology import Topology
from fixtures.model.prepared import PreparedModel
from tests.builders import benchmark, run_folder
from tests.suite import Ended, Suite, cpu_time_s, instances_of, orphans, python_m, wait_until

DISPATCHING = "benchmarks/test_smart_dispatching.py"
QUICK = (DISPATCHING, "--benchmark-only", "--preset=quick", "--backends=onnxruntime")
CORES = Topology.of_this_process().usable_physical_cores

two_cores = pytest.mark.skipif(CORES < 2, reason="equal instances and pools need two cores")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, cache_home: Path, bert_tiny: PreparedModel) -> Ended:
    """One session that serves the schedule: ONNX Runtime by all policies, and a server that stands still once, by one."""
    suite = Suite(tmp_path_factory.mktemp("served"), cache_home)
    both = (*QUICK[:-1], "--backends=onnxruntime,stands_still_once", "-k=onnxruntime or one", "-p", "tests.brief_search")
    ended = suite(*both, "--benchmark-warmup=off", hostile=True)
    assert orphans(suite.runs) == []
    assert ended.code == 0, ended.text
    return ended


def of_backend(ended: Ended, name: str) -> dict[str, dict[str, Any]]:
    """The streams that a backend served, by policy."""
    params = {one["params"]["policy"]: one for one in ended.benchmarks.values() if one["params"]["backend"] == name}
    assert params
    return params


@pytest.mark.every_cpu
@two_cores
def test_three_policies_serve_one_schedule(served: Ended) -> None:
    """The same requests at the same moments; each policy answers all of them, and pads as it should.

    By ONNX Runtime, the quickest to start: who serves has to be there.
    """
    assert "frameworks []" in served.text
    by_policy = of_backend(served, "onnxruntime")
    assert list(by_policy) == ["one", "equal", "pools"]
    configurations = [one["extra_info"]["configuration"] for one in by_policy.values()]
    for word in ("schedule", "dispatch_plan", "offered_per_s", "requests", "cpus", "threads"):
        assert len({str(one[word]) for one in configurations}) == 1, word
    assert configurations[0]["schedule"] == "69e2be227c2c01d2" or CORES > 4  # more cores are offered more requests
    for policy, one in by_policy.items():
        extra, stats, words = one["extra_info"], one["stats"], one["extra_info"]["dispatching"]
        requests = extra["configuration"]["requests"]
        assert stats["rounds"] == len(stats["data"]) == requests == sum(words["padded"].values()) >= 300
        assert stats["median"] == extra["latency_s"]["median"]
        assert extra["latency_s"]["p99"] is not None
        assert extra["instances"] == 1
        assert sum(instance["rounds"] for instance in extra["per_instance"]) == requests
        assert sum(pool["requests"] for pool in words["pools"]) == requests
        assert words["unserved"] == 0
        assert words["sustained"]["percentile"] == "p99"
        assert extra["parity"]["max_abs_error"] < 1e-3
        for instance in extra["per_instance"]:
            assert {cpu for mask, _ in instance["thread_masks"] for cpu in mask} == set(instance["cpus"])
            assert (instance["page_faults"] is None) == (instance["rounds"] == 0)
        assert set(words["padded"]) == ({"128"} if policy == "one" else {"8", "32", "96", "128"})
    padding = {policy: one["extra_info"]["dispatching"]["padding_share"] for policy, one in by_policy.items()}
    assert padding["one"] > padding["equal"] == padding["pools"]
    assert len(by_policy["one"]["extra_info"]["per_instance"]) == 1
    assert len(by_policy["equal"]["extra_info"]["per_instance"]) == len(by_policy["pools"]["extra_info"]["per_instance"]) > 1


@pytest.mark.every_cpu
def test_a_server_that_stands_still_is_seen_by_everybody_behind_it(served: Ended) -> None:
    """No coordinated omission: one forward pass of a second makes p99 a second, though 299 forward passes were fast."""
    (one,) = of_backend(served, "stands_still_once").values()
    latencies_s, words = one["stats"]["data"], one["extra_info"]["dispatching"]
    assert one["extra_info"]["latency_s"]["p99"] > 0.9
    assert max(latencies_s) >= 1.0
    behind = sum(latency_s > 0.5 for latency_s in latencies_s)
    assert behind >= 0.4 * words["offered_per_s"]  # those who arrived in the first half of that second
    assert words["service_s"]["max"] >= 1.0
    assert words["service_s"]["p99"] < 0.5


@pytest.mark.every_cpu
@two_cores
def test_an_instance_that_dies_while_it_serves(suite: Suite, tmp_path: Path) -> None:
    """The benchmark fails by the instance's name and says how it died; nothing is left behind, and nothing was measured."""
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps({"schema": 1, "pools": [{"lengths": [512], "share": 1, "threads": 1}]}))
    process = suite.start(*QUICK, "-k=equal", f"--dispatch-plan={plan}")
    workers = wait_until(lambda: found if len(found := instances_of(process.pid)) >= 2 else None, "the workers")
    wait_until(lambda: dispatcher_of(process.pid), "the dispatcher")
    wait_until(lambda: all(cpu_time_s(worker) > 0.5 for worker in workers), "both to be serving")
    os.kill(workers[1], signal.SIGKILL)
    ended = suite.end(process)
    assert ended.code == 1
    assert "onnxruntime-fp32-threads1 instance 2 of" in ended.text
    assert "died while it served: killed by SIGKILL" in ended.text
    assert ended.benchmarks == {}


def dispatcher_of(pid: int) -> bool:
    """Whether a process has a dispatcher at work."""
    for folder in Path("/proc").iterdir():
        try:
            if b"fixtures.dispatcher" in (folder / "cmdline").read_bytes():
                return f"PPid:\t{pid}\n" in (folder / "status").read_text()
        except OSError:
            continue
    return False


def test_a_plan_that_is_none(suite: Suite, tmp_path: Path) -> None:
    """Refused before anything starts, in a line that says what and where; and so is one that the model is too short for."""
    plan = tmp_path / "plan.json"
    plan.write_text('{"schema": 1, "pools": [{"lengths": [32], "share": 2}]}')
    ended = suite(*QUICK, f"--dispatch-plan={plan}")
    assert ended.code == 4
    assert f"--dispatch-plan {plan}: its shares are [2.0], 2 together: each above 0, and 1 together" in ended.text
    plan.write_text('{"schema": 1, "pools": [{"lengths": [4096], "share": 1}]}')
    ended = suite(*QUICK, f"--dispatch-plan={plan}")
    assert ended.code == 4
    assert f"--dispatch-plan {plan}: bert-tiny has 512 positions, a sequence of 4096 does not fit" in ended.text
    assert not suite.runs.exists()


@pytest.mark.every_cpu
@two_cores
def test_a_recommended_plan_is_measured(suite: Suite, tmp_path: Path) -> None:
    """`recommend --plan` writes what `--dispatch-plan` reads: the problem is then as long as the plan's longest request."""
    measured = [
        benchmark(
            f"onnxruntime-fp32-threads{threads}-batch1-seq{length}",
            median_s,
            question="core_count_scaling",
            configuration={"threads": threads},
            extra_info={"problem_size": {"batch_size": 1, "sequence_length": length}},
        )
        for threads, length, median_s in ((1, 16, 0.001), (2, 16, 0.001), (1, 64, 0.004), (2, 64, 0.002))
    ]
    plan = tmp_path / "plan.json"
    recommended = python_m("baselines", "recommend", str(run_folder(tmp_path / "built", *measured)), "--plan", str(plan))
    assert recommended.returncode == 0, recommended.stderr
    checked = (DISPATCHING, "--preset=quick", "--backends=onnxruntime", "--benchmark-disable", "-k=pools")
    ended = suite(*checked, f"--dispatch-plan={plan}")
    assert ended.code == 0, ended.text
    assert "onnxruntime-fp32-pools-batch1-seq64" in ended.text
