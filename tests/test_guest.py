"""The guest study: what it demands of what comes back, and how the guest is put together; qemu is not started here."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from studies.guest import checks, image, machine

TOPOLOGY = {
    "topology": {
        "sockets": 2,
        "cores": [[0, 1], [2, 3], [4, 5], [6, 7]],
        "numa_nodes": {"0": [0, 1, 2, 3], "1": [4, 5, 6, 7]},
        "usable_cpus": [0, 1, 2, 3, 4, 5, 6, 7],
    }
}


def measured(
    question: str,
    cpus: list[list[int]],
    *,
    policy: str = "default",
    nodes: list[int] | None = None,
    pages: list[dict[str, int]] | None = None,
    **params: int,
) -> dict[str, Any]:
    """One benchmark, its threads where they were granted."""
    counted = pages or [{"0": 12_000}] * len(cpus)
    return {
        "name": f"test_{question}[x]",
        "params": params,
        "extra_info": {
            "question": question,
            "configuration": {"memory_policy": policy, "memory_nodes": nodes},
            "per_instance": [
                {"cpus": one, "thread_masks": [[one, 3]], "memory_pages": count}
                for one, count in zip(cpus, counted, strict=True)
            ],
        },
    }


def run() -> dict[str, Any]:
    """A run as it should come back."""
    return {
        "run": {"speed_guards": False, "not_passed": {}},
        "benchmarks": [
            measured("core_count_scaling", [[0, 2]]),
            measured("simultaneous_multithreading", [[0, 1]], cores=1, threads=2),
            measured("memory_binding", [[0, 2]], policy="bind", nodes=[1], pages=[{"0": 50, "1": 12_000}]),
            measured("memory_binding", [[0, 2]], policy="interleave", nodes=[0, 1], pages=[{"0": 6_100, "1": 5_900}]),
            measured(
                "instance_scaling",
                [[0, 2], [4, 6]],
                policy="bind",
                nodes=[0, 1],
                pages=[{"0": 12_000}, {"1": 12_000}],
            ),
        ],
    }


def complaints(content: dict[str, Any]) -> list[str]:
    """All that is wrong with a run."""
    return [*checks.run_complaints(content), *checks.sibling_complaints(content)]


def test_what_should_come_back_is_not_complained_about() -> None:
    """The guest as it was configured, and every page and mask in its place."""
    assert list(checks.topology_complaints(TOPOLOGY)) == []
    assert complaints(run()) == []


def test_another_topology_is_found_out() -> None:
    """One thread a core, which is what the guest's kernel sees of most processors that qemu knows."""
    seen = copy.deepcopy(TOPOLOGY)
    seen["topology"]["cores"] = [[cpu] for cpu in range(8)]
    (complaint,) = checks.topology_complaints(seen)
    assert complaint.startswith("topology.cores is [[0], [1], ")


@pytest.mark.parametrize(
    ("place", "change", "said"),
    [
        (0, {"thread_masks": [[[0, 2], 3], [[0, 1], 1]]}, "threads may run on CPUs [1], outside [0, 2]"),
        (1, {"cpus": [0, 2], "thread_masks": [[[0], 1]]}, "CPUs [0, 2] are not 2 threads on cores [0]"),
        (2, {"memory_pages": {"0": 150, "1": 12_000}}, "98.77% of 12150 pages are on nodes [1], less than 99%"),
        (2, {"memory_pages": None}, "memory_pages is None"),
        (3, {"memory_pages": {"0": 11_000, "1": 1_000}}, "interleaved pages are shared out"),
        (4, {"memory_pages": {"0": 6_000, "1": 6_000}}, "50.00% of 12000 pages are on nodes [0], less than 99%"),
    ],
)
def test_what_is_elsewhere_is_found_out(place: int, change: dict[str, Any], said: str) -> None:
    """A thread outside its grant, a core where a sibling was asked for, pages on another node."""
    content = run()
    content["benchmarks"][place]["extra_info"]["per_instance"][0].update(change)
    (complaint,) = complaints(content)
    assert said in complaint


def test_a_skip_is_no_proof() -> None:
    """A question without a benchmark, and one that was skipped or failed."""
    content = run()
    del content["benchmarks"][0]
    content["run"]["not_passed"] = {"test_x": {"outcome": "skipped", "reason": "one NUMA node"}}
    assert complaints(content) == ["core_count_scaling: nothing was measured", "test_x: skipped: one NUMA node"]


def limited(way: str, quota: str, threads: int, *, throttled: int | None = None, cpu_time_s: float = 1.0) -> dict[str, Any]:
    """Two seconds of rounds under a limit."""
    cpus = [0, 2] if way == "cpuset" else list(range(8))
    worker = {"cpus": cpus, "thread_masks": [[cpus, threads]], "threads_observed": threads}
    words = {"per_instance": [{**worker, "wall_s": 2.0, "cpu_time_s": cpu_time_s}]}
    if throttled is not None:
        words["cpu_limit"] = {"quota": float(quota), "periods": 20, "throttled": throttled}  # type: ignore[assignment]
    return {"name": f"{way} {quota}", "params": {"way": way, "quota": quota}, "extra_info": words}


def limits(*more: dict[str, Any]) -> list[str]:
    """What is wrong with limits of which three hold."""
    held = [limited("default_threads", "0.5", 4, throttled=20), limited("quota_threads", "1", 1, throttled=0)]
    return list(
        checks.limit_complaints(
            {"run": {"not_passed": {}}, "benchmarks": [*held, limited("cpuset", "2", 4, cpu_time_s=4.0), *more]}
        )
    )


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (limited("default_threads", "0.5", 4, throttled=3), "it was stopped in 3 of 20 periods"),
        (
            limited("default_threads", "0.5", 4, throttled=20, cpu_time_s=1.5),
            "it had 1.50 s of the CPUs, more than the 1.05 s",
        ),
        (limited("quota_threads", "1", 1), "cpu_limit is None, asked for was a quota of 1"),
        (limited("quota_threads", "1", 1, throttled=21), "asked for was a quota of 1"),
        (limited("cpuset", "1", 1), "threads may run on CPUs [0, 2], and its cpuset of 1 has [0, 2]"),
    ],
)
def test_a_limit_that_does_not_hold_is_found_out(wrong: dict[str, Any], said: str) -> None:
    """Stopped too rarely, at work too long, not counted, or in a wider cpuset."""
    assert limits() == []
    (complaint,) = limits(wrong)
    assert said in complaint


def test_limits_that_were_skipped_are_no_proof() -> None:
    """No cpuset, and what a skip says."""
    only = [limited("default_threads", "0.5", 4, throttled=20), limited("quota_threads", "1", 1, throttled=0)]
    run = {"run": {"not_passed": {"x": {"outcome": "skipped", "reason": "no cgroup"}}}, "benchmarks": only}
    assert list(checks.limit_complaints(run)) == ["cpu_limits: nothing was measured of cpuset", "x: skipped: no cgroup"]


def test_memory_on_the_wrong_node_has_to_be_red() -> None:
    """A green session, or a message without the node, is a complaint."""
    text = "memory was to be bound to node 0: of 12000 pages 0.0% are on node 0, 100.0% are on node 1; the rule is"
    remote = {"benchmarks": [{"name": "test_memory_binding[onnxruntime-fp32-remote-batch1-seq32]"}]}
    assert list(checks.wrong_node_complaints(text, 1, remote)) == []
    assert len(list(checks.wrong_node_complaints("17 passed", 0, {"benchmarks": []}))) == 3


def test_the_machine_is_what_the_checks_expect() -> None:
    """Every CPU in one node, both nodes with memory, and changes to the root image thrown away."""
    words = " ".join(machine.command(*(image.Path(name) for name in ("vmlinuz", "root", "job", "out", "console"))))
    assert "-smp 8,sockets=2,cores=2,threads=2" in words
    assert "node,nodeid=0,cpus=0-3,memdev=ram0" in words
    assert "node,nodeid=1,cpus=4-7,memdev=ram1" in words
    assert "file=root,if=none,id=disk0,format=raw,snapshot=on" in words
    assert "file=out,if=none,id=disk2,format=raw,snapshot=off" in words


def test_tools_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the line that installs them."""
    monkeypatch.setattr(image, "search_path", lambda: "/nowhere")
    said = image.missing_tools()
    assert said is not None
    assert said.startswith("sudo apt-get install --no-install-recommends ")
    assert "qemu-system-x86" in said
