"""A preset expanded on a machine that is known by its topology alone, as candidates of a plan."""

from __future__ import annotations

from pathlib import Path

from fixtures.asked import matrix
from fixtures.asked.cost import HowMuch, config_of, cost_of, cpus_of, encoder_flop
from fixtures.asked.layouts import layouts_of, limit_layouts
from fixtures.asked.matrix import QUESTIONS, Axes
from fixtures.asked.plan import Candidate
from fixtures.asked.possible import why_no_texts
from fixtures.asked.precisions import has_path
from fixtures.asked.presets import PRESETS
from fixtures.asked.tuning_layouts import tuning_layouts
from fixtures.machine.memory import NodeMemory
from fixtures.machine.topology import Topology
from fixtures.run.items import SIZE_PARAMETERS
from tests.kernel_trees import Machine, write_sysfs

AS_IT_COMES = HowMuch(min_rounds=3, max_time_s=1.0, warm_up=True)


def night(preset_name: str, machine: Machine, folder: Path) -> list[Candidate]:
    """The benchmarks that can run there, priced by arithmetic: 42 GFLOP/s per core."""
    topology = Topology.from_sysfs(write_sysfs(folder, machine))
    preset = PRESETS[preset_name]
    axes = Axes.of(preset, topology)
    nodes = tuple(topology.numa_nodes)
    distances = {node: {other: 10 if node == other else 21 for other in nodes} for node in nodes}
    memory = NodeMemory(with_memory=nodes, allowed=nodes, distances=distances, balancing=None)
    config, found = config_of(preset.model), []
    for question in QUESTIONS.values():
        if question.texts and why_no_texts(preset.model):
            continue
        layouts = layouts_of(question.name, axes, topology, memory)
        if question.name == "cpu_limits":  # whether a control group can be made is this machine's, not that one's
            layouts = limit_layouts(axes.threads, topology, why_none=lambda **_: None)
        if question.name == "runtime_tuning":  # and so is which libraries are installed
            layouts = tuning_layouts(axes, topology, why=lambda *turned: "default" if "on" in turned else None)
        for one in matrix.expand(question, axes, layouts, lambda *_: None):
            values = one.parameters
            instances = int(values.get("instances") or 1)
            if one.skip or not (one.precision == "fp32" or has_path(one.backend, one.precision)):
                continue
            flop = instances * encoder_flop(config, one.problem_size.share(instances))
            cost = cost_of(values, AS_IT_COMES, topology, flop=flop, dispatching=preset.dispatching)
            found.append(
                Candidate(
                    name=f"{question.name}[{one.id}]",
                    question=question.name,
                    backend=one.backend,
                    deployment=(
                        question.name,
                        one.backend,
                        one.precision,
                        *(item for item in one.layout.values.items() if item[0] not in SIZE_PARAMETERS),
                    ),
                    cost=cost,
                    work=flop / cpus_of(values, topology),
                    of_the_study=question.study is None or one.problem_size in question.study,
                    knob=str(values.get("knob", "")),
                )
            )
    return found
