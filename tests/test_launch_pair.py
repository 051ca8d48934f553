"""A launch pair: when its two sides are started."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest

from fixtures.asked.configuration import Configuration, Deployment
from fixtures.asked.reference import SELF, reference_of
from fixtures.instance.keeper import Keeper, ModelFiles
from fixtures.machine.topology import Topology
from fixtures.measurement.benchmarking import Bench
from fixtures.measurement.launch_pair import launched
from fixtures.model.prepared import PreparedModel
from tests.suite import wait_until


def started_s(pid: int) -> float:
    """When a process was started, in seconds since boot (proc_pid_stat(5), field 22)."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")


def is_stopped(pid: int) -> bool:
    """Whether it waits for a SIGCONT."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


@pytest.mark.every_cpu
@pytest.mark.parametrize("threads", [1, 2])
def test_both_sides_import_at_once_where_they_have_cpus_for_it(
    threads: int, bert_tiny: PreparedModel, tmp_path: Path
) -> None:
    """On one CPU one after the other; with several the second is there before the first has imported. Both are stopped."""
    topology = Topology.of_this_process()
    if threads > topology.usable_physical_cores:
        pytest.skip(f"needs {threads} cores")
    configuration = Configuration(backend="onnxruntime", precision="fp32", threads=threads, cpus=topology.pick_cpus(threads))
    files = ModelFiles(checkpoint=bert_tiny.checkpoint, prepared=bert_tiny.artefacts)
    bench = Bench(keeper=Keeper(folder=tmp_path, time_out_s=60), files=files, cases=bert_tiny.cases)
    deployment = Deployment(configurations=(configuration,))
    with launched(bench, reference_of(SELF), topology, deployment, 0) as pair:
        (first,), (second,) = (side.serving for side in pair.sides)
        apart_s = started_s(second.instance.pid) - started_s(first.instance.pid)
        assert first.instance.name == "onnxruntime-fp32-threads" + str(threads)
        assert second.instance.name.startswith("reference ")
        assert (apart_s < first.import_s / 2) is (threads > 1)
        for one in (first, second):
            wait_until(partial(is_stopped, one.instance.pid), "both sides to be stopped", 5)
    assert not first.instance.alive
    assert not second.instance.alive
