"""Stories of several instances beside each other: disjoint CPUs, one window, and what happens when one of them dies."""

from __future__ import annotations

import signal
import time

import pytest

from fixtures.machine.topology import Topology
from tests.suite import Suite, instances_of, wait_until

INSTANCES = "benchmarks/test_instance_scaling.py"
TWO = (INSTANCES, "--benchmark-only", "--preset=quick", "--backends=onnxruntime", "--instances=2", "--batch-sizes=2")

pytestmark = [
    pytest.mark.every_cpu,
    pytest.mark.skipif(Topology.of_this_process().usable_physical_cores < 2, reason="two instances need two cores"),
]


def test_two_instances_beside_each_other(suite: Suite) -> None:
    """Each keeps to a core of its own, all are busy together, latency is the worst one's, throughput the sum."""
    ended = suite(*TWO, "--sequence-lengths=32", "--benchmark-max-time=0.5")
    assert ended.code == 0, ended.text
    (benchmark,) = ended.benchmarks.values()
    extra, stats = benchmark["extra_info"], benchmark["stats"]
    assert benchmark["param"] == "onnxruntime-fp32-instances2-batch2-seq32"
    assert extra["instances"] == len(extra["per_instance"]) == 2
    assert extra["problem_size"] == {"batch_size": 2, "sequence_length": 32}
    cpus = [instance["cpus"] for instance in extra["per_instance"]]
    assert len({cpu for share in cpus for cpu in share}) == sum(map(len, cpus)) == len(extra["configuration"]["cpus"])
    for instance in extra["per_instance"]:
        assert {cpu for mask, _ in instance["thread_masks"] for cpu in mask} == set(instance["cpus"])
    assert extra["overlap"] >= 0.9
    assert extra["latency_s"]["median"] == stats["median"] == max(one["median_s"] for one in extra["per_instance"])
    assert extra["throughput_per_s"] == pytest.approx(
        sum(one["rounds"] / one["wall_s"] for one in extra["per_instance"]), rel=1e-6
    )


def test_an_instance_on_one_cpu_takes_no_more_cpu_time_than_there_is(suite: Suite) -> None:
    """Of few long rounds too, of which one reaches beyond the window that is counted."""
    ended = suite(*TWO, "--batch-sizes=32", "--sequence-lengths=512", "--benchmark-max-time=0.3")
    assert ended.code == 0, ended.text
    (benchmark,) = ended.benchmarks.values()
    for instance in benchmark["extra_info"]["per_instance"]:
        assert 0 < instance["cpu_time_s"] / instance["wall_s"] < len(instance["cpus"]) + 0.05


def test_one_of_two_instances_is_killed(suite: Suite) -> None:
    """The benchmark fails by the instance's name within seconds, the other is ended too, and the run goes on."""
    process = suite.start(
        *(*TWO, "--backends=killed_while_timing", "--sequence-lengths=32,64", "--benchmark-max-time=40", "--maxfail=2"),
        hostile=True,
    )
    workers = wait_until(lambda: sorted(found) if len(found := instances_of(process.pid)) == 2 else None, "two workers")
    wait_until(lambda: (suite.folder / "killed").exists(), "one of them to be killed")
    killed_s = time.monotonic()
    wait_until(lambda: not set(workers) & set(instances_of(process.pid)), "the other one to be ended", 20)
    assert time.monotonic() - killed_s < 20
    wait_until(lambda: len(instances_of(process.pid)) == 2, "the next benchmark's workers")
    process.send_signal(signal.SIGINT)
    ended = suite.end(process)
    assert "killed_while_timing-fp32-threads1 instance " in ended.text
    assert "of 2 (pid" in ended.text
    assert "died: killed by SIGKILL" in ended.text
    assert '"do": "time"' in ended.text
    assert ended.benchmarks == {}


def test_a_machine_whose_times_mean_nothing(suite: Suite) -> None:
    """An emulator's: said at the top and in the file, and nothing is judged."""
    ended = suite(*TWO, "--sequence-lengths=32", "--benchmark-max-time=0.05", "--no-speed-guards")
    assert ended.code == 0, ended.text
    assert "SPEED GUARDS ARE OFF (--no-speed-guards): the times of this run mean nothing." in ended.text
    assert "--no-speed-guards: the times of this run mean nothing, and nothing was judged" in ended.text
    assert ended.run["run"]["speed_guards"] is False
    both = suite(*TWO, "--no-speed-guards", "--require-baseline")
    assert both.code == 4
    assert "with --no-speed-guards nothing is judged; leave one of them out" in both.text


def test_what_cannot_be_shared(suite: Suite) -> None:
    """More instances than cores are refused with the numbers; samples that cannot be shared equally are a skip."""
    refused = suite(INSTANCES, "--benchmark-only", "--preset=quick", "--instances=4096")
    assert refused.code == 4
    assert "--instances 4096: 4096 instances need 4096 physical cores, this process may use" in refused.text
    skipped = suite(*TWO, "--batch-sizes=3")
    assert skipped.code == 0
    assert "3 samples cannot be shared equally by 2 instances" in skipped.text
