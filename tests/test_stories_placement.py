"""Stories of siblings and memory: what a session does on this machine, and on one that it takes for another."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from fixtures.backends.onnxruntime import OnnxRuntime
from fixtures.machine.affinity import granted
from fixtures.machine.memory import NodeMemory, why_not_numactl
from tests.kernel_trees import Core, Machine, write_sysfs
from tests.suite import SHORT, Suite

SIBLINGS = "benchmarks/test_simultaneous_multithreading.py"
MEMORY = "benchmarks/test_memory_binding.py"
INSTANCES = "benchmarks/test_instance_scaling.py"
CPUS = tuple(sorted(os.sched_getaffinity(0)))[:2]
PRETENDED = (*SHORT, "-p", "tests.pretended_machine", "--backends=onnxruntime", "--confirm=0")

pytestmark = pytest.mark.every_cpu
two_cpus = pytest.mark.skipif(len(CPUS) < 2, reason="two threads need two CPUs")
runs_onnxruntime = pytest.mark.skipif(OnnxRuntime.unavailable() is not None, reason=str(OnnxRuntime.unavailable()))


def fake_numactl(folder: Path, script: str) -> str:
    """A PATH on which numactl is a shell script."""
    folder.mkdir()
    (folder / "numactl").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "numactl").chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def two_nodes(root: Path) -> str:
    """Two sockets of a core each, each a node, whose CPUs are this machine's; all memory is on node 0 in truth."""
    first, second = CPUS
    cores = (Core(cpus=(first,), core_id=0, package=0), Core(cpus=(second,), core_id=0, package=1))
    write_sysfs(root / "sys", Machine(cores=cores, nodes={0: (first,), 1: (second,)}))
    return str(root)


def test_without_siblings_or_nodes(suite: Suite) -> None:
    """On one CPU both questions are skips with their reasons, and the session is no failure."""
    with granted(CPUS[:1]):
        ended = suite(SIBLINGS, MEMORY, "--benchmark-only", "--preset=quick", PATH="/usr/bin:/bin")
    assert ended.code == 0, ended.text
    assert "siblings are switched off or absent" in ended.text or "leaves one CPU of each core" in ended.text
    if len(NodeMemory.from_root().with_memory) == 1:
        assert "this machine has one NUMA node" in ended.text
        assert "4 skipped" in ended.text


@two_cpus
@runs_onnxruntime
def test_two_threads_on_one_core(suite: Suite, tmp_path: Path) -> None:
    """Where two CPUs are siblings, one core is measured with one thread and with two, each on the CPUs that it says."""
    write_sysfs(tmp_path / "sys", Machine(cores=(Core(cpus=CPUS, core_id=0),)))
    ended = suite(SIBLINGS, *PRETENDED, PRETENDED_ROOT=str(tmp_path))
    assert ended.code == 0, ended.text
    configurations = {name: one["extra_info"]["configuration"] for name, one in ended.benchmarks.items()}
    assert {name: (one["threads"], tuple(one["cpus"])) for name, one in configurations.items()} == {
        "onnxruntime-fp32-cores1-threads1-batch1-seq32": (1, CPUS[:1]),
        "onnxruntime-fp32-cores1-threads2-batch1-seq32": (2, CPUS),
    }
    both = ended.benchmarks["onnxruntime-fp32-cores1-threads2-batch1-seq32"]
    assert both["params"]["cores"] == 1
    assert {cpu for mask, _ in both["extra_info"]["per_instance"][0]["thread_masks"] for cpu in mask} == set(CPUS)


@two_cpus
@runs_onnxruntime
@pytest.mark.skipif(NodeMemory.from_root().with_memory != (0,), reason="node 1 has to be an invention")
def test_memory_that_is_elsewhere_is_found_out(suite: Suite, tmp_path: Path) -> None:
    """A policy that does not hold fails the benchmark with each node's share; one that holds is measured and recorded.

    Node 1 is an invention: numactl is asked for node 0 in truth, and does nothing where it is asked for another.
    """
    works = why_not_numactl((0,)) is None
    real = f'case "$1" in --membind=0) exec {shutil.which("numactl")} "$@";; esac' if works else ""
    path = fake_numactl(tmp_path / "bin", f'{real}\nshift\nexec "$@"')
    root = two_nodes(tmp_path)
    ended = suite(MEMORY, *PRETENDED, "-k", "local or remote", PRETENDED_ROOT=root, PATH=path)
    assert ended.code == 1, ended.text
    (local,) = ended.benchmarks.values()
    assert local["param"] == "onnxruntime-fp32-local-batch1-seq32"
    configuration, (instance,) = local["extra_info"]["configuration"], local["extra_info"]["per_instance"]
    assert (configuration["memory_policy"], configuration["memory_nodes"]) == ("bind", [0])
    assert (configuration["threads"], configuration["cpus"]) == (1, [CPUS[0]])
    assert instance["memory_pages"]["0"] > 10_000
    assert "onnxruntime-fp32-threads1-bind1: memory was to be bound to node 1: of " in ended.text
    assert "pages 100.0% are on node 0, 0.0% are on node 1; the rule is at least 99% there" in ended.text


@two_cpus
@runs_onnxruntime
def test_instances_that_are_not_bound_say_so(suite: Suite, tmp_path: Path) -> None:
    """Without permission instances beside each other are measured unbound, and the result has the reason."""
    path = fake_numactl(tmp_path / "bin", "echo 'set_mempolicy: Operation not permitted' >&2\nexit 1")
    root = two_nodes(tmp_path)
    ended = suite(INSTANCES, MEMORY, *PRETENDED, "--instances=2", "--batch-sizes=2", PRETENDED_ROOT=root, PATH=path)
    assert ended.code == 0, ended.text
    (two,) = ended.benchmarks.values()
    assert two["extra_info"]["configuration"]["memory_policy"] == "default"
    assert two["extra_info"]["configuration"]["memory_nodes"] is None
    reason = "numactl cannot bind memory to nodes 0-1 (set_mempolicy: Operation not permitted)"
    assert two["extra_info"]["memory_not_bound"].startswith(reason)
    assert f"SKIPPED [1] {MEMORY}: {reason}" in ended.text
