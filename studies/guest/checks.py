"""What has to come back from the guest: values in, complaints out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from fixtures.machine.cpu_limit import PERIOD_US
from fixtures.machine.memory import INTERLEAVED_PART, LEAST_SHARE
from studies.guest.machine import CORES, CPUS, SOCKETS, THREADS

QUESTIONS: Final = ("core_count_scaling", "simultaneous_multithreading", "memory_binding", "instance_scaling")
PERIOD_S: Final = PERIOD_US / 1e6
LEAST_PAGES: Final = 10_000
"""Anonymous base pages of a worker with the smallest model: fewer, and something else was counted."""


def topology_complaints(machine: Mapping[str, Any]) -> Iterator[str]:
    """What `python -m fixtures.machine` printed against what qemu was told."""
    topology = machine["topology"]
    cores = [list(range(first, first + THREADS)) for first in range(0, CPUS, THREADS)]
    per_node = CORES * THREADS
    nodes = {str(node): list(range(node * per_node, (node + 1) * per_node)) for node in range(SOCKETS)}
    expected = {"sockets": SOCKETS, "cores": cores, "numa_nodes": nodes, "usable_cpus": list(range(CPUS))}
    for name, value in expected.items():
        if topology[name] != value:
            yield f"topology.{name} is {topology[name]}, and the guest has {value}"


def run_complaints(run: Mapping[str, Any]) -> Iterator[str]:
    """The run.json of the questions: all measured, every mask inside its grant, every page where it should be."""
    counts = Counter(one["extra_info"]["question"] for one in run["benchmarks"])
    for question in QUESTIONS:
        if not counts[question]:
            yield f"{question}: nothing was measured"
    for name, how in run["run"]["not_passed"].items():
        yield f"{name}: {how['outcome']}: {how['reason']}"
    if run["run"]["speed_guards"]:
        yield "the run does not say that its speed guards were off"
    for one in run["benchmarks"]:
        for complaint in benchmark_complaints(one["extra_info"]):
            yield f"{one['name']}: {complaint}"


def benchmark_complaints(extra: Mapping[str, Any]) -> Iterator[str]:
    """One benchmark by the kernel's view of its instances."""
    configuration = extra["configuration"]
    granted = [cpu for instance in extra["per_instance"] for cpu in instance["cpus"]]
    if len(granted) != len(set(granted)):
        yield f"instances share CPUs: {granted}"
    for instance in extra["per_instance"]:
        outside = {cpu for mask, _ in instance["thread_masks"] for cpu in mask} - set(instance["cpus"])
        if outside:
            yield f"threads may run on CPUs {sorted(outside)}, outside {instance['cpus']}"
        nodes = own_nodes(configuration, instance, len(extra["per_instance"]))
        yield from page_complaints(instance["memory_pages"], configuration["memory_policy"], nodes)


def own_nodes(configuration: Mapping[str, Any], instance: Mapping[str, Any], instances: int) -> list[int]:
    """The nodes that an instance's memory should be on; several instances have that of their own CPUs each."""
    if instances == 1:
        return list(configuration["memory_nodes"] or [])
    return sorted({cpu // (CORES * THREADS) for cpu in instance["cpus"]})


def page_complaints(pages: Mapping[str, int] | None, policy: str, nodes: Sequence[int]) -> Iterator[str]:
    """The pages of one instance; of policy `default` they may be anywhere."""
    if policy == "default":
        return
    total = sum((pages or {}).values())
    if not pages or total < LEAST_PAGES:
        yield f"memory_pages is {pages}: at least {LEAST_PAGES} were expected"
        return
    shares = {node: pages.get(str(node), 0) / total for node in nodes}
    if policy == "bind" and sum(shares.values()) < LEAST_SHARE:
        yield f"{sum(shares.values()):.2%} of {total} pages are on nodes {list(nodes)}, less than {LEAST_SHARE:.0%}"
    if policy == "interleave" and min(shares.values()) < INTERLEAVED_PART / len(nodes):
        yield f"interleaved pages are shared out {pages}"


def limit_complaints(run: Mapping[str, Any]) -> Iterator[str]:
    """The run.json of the CPU limits: each quota and cpuset held, by what the kernel counted of each worker."""
    ways = {one["params"]["way"] for one in run["benchmarks"]}
    if lost := {"default_threads", "quota_threads", "cpuset"} - ways:
        yield f"cpu_limits: nothing was measured of {', '.join(sorted(lost))}"
    for name, how in run["run"]["not_passed"].items():
        yield f"{name}: {how['outcome']}: {how['reason']}"
    for one in run["benchmarks"]:
        extra, cpus = one["extra_info"], float(one["params"]["quota"])
        (worker,) = extra["per_instance"]
        cpuset = one["params"]["way"] == "cpuset"
        told = set_complaints(worker, cpus) if cpuset else quota_complaints(extra.get("cpu_limit"), worker, cpus)
        yield from (f"{one['name']}: {complaint}" for complaint in told)


def set_complaints(worker: Mapping[str, Any], cpus: float) -> Iterator[str]:
    """A worker in a cpuset: so many CPUs, and no thread outside."""
    masks = {cpu for mask, _ in worker["thread_masks"] for cpu in mask}
    if len(worker["cpus"]) != cpus or not masks <= set(worker["cpus"]):
        yield f"threads may run on CPUs {sorted(masks)}, and its cpuset of {cpus:g} has {worker['cpus']}"


def quota_complaints(limit: Mapping[str, Any] | None, worker: Mapping[str, Any], cpus: float) -> Iterator[str]:
    """A worker under a quota: stopped as often as it has to be, and never longer at work than it may be."""
    if not limit or limit["quota"] != cpus or not 0 <= limit["throttled"] <= limit["periods"]:
        yield f"cpu_limit is {limit}, asked for was a quota of {cpus:g}"
        return
    most_s = cpus * (worker["wall_s"] + PERIOD_S)  # what is left of the period in which the rounds began
    if worker["cpu_time_s"] > most_s:
        yield f"it had {worker['cpu_time_s']:.2f} s of the CPUs, more than the {most_s:.2f} s of a quota of {cpus:g}"
    if not limit["periods"]:
        yield f"the kernel counted no period of the quota in {worker['wall_s']:.2f} s"
    if cpus < 1 and limit["throttled"] < limit["periods"] / 2:  # a thread at work wants a whole CPU
        yield f"it was stopped in {limit['throttled']} of {limit['periods']} periods, and works all the time"


def sibling_complaints(run: Mapping[str, Any]) -> Iterator[str]:
    """Two threads on one core are on its two siblings, one node's cores before another's."""
    for one in run["benchmarks"]:
        extra = one["extra_info"]
        if extra["question"] != "simultaneous_multithreading":
            continue
        cores, threads = one["params"]["cores"], one["params"]["threads"]
        (instance,) = extra["per_instance"]
        used = sorted({cpu // THREADS for cpu in instance["cpus"]})
        if used != list(range(cores)) or len(instance["cpus"]) != threads:
            yield f"{one['name']}: CPUs {instance['cpus']} are not {threads} threads on cores {list(range(cores))}"


def wrong_node_complaints(text: str, code: int, run: Mapping[str, Any]) -> Iterator[str]:
    """A session in which memory that was to be on node 0 was put on node 1: `local` is red and says so, `remote` is not."""
    if code != 1:
        yield f"memory on the wrong node: exit code {code}, and 1 was expected"
    if "memory was to be bound to node 0: of " not in text or "100.0% are on node 1" not in text:
        yield "memory on the wrong node: the message does not say on which node the pages are"
    measured = [one["name"] for one in run["benchmarks"]]
    if len(measured) != 1 or "-remote-" not in measured[0]:
        yield f"memory on the wrong node: measured were {measured}, and only remote was expected"
