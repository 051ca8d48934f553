"""Best deployment: which backend, number format, threads, instances, batch and knobs together are the fastest here?

`python -m baselines tune` asks it, launch by launch, and says which to run and by how much it is faster. There are too many
to measure them all, so that pytest collects only those that are named by their ids: the line with which one of them is
measured again. docs/tune.md says how the search goes.
"""

from fixtures.asked.configuration import Deployment
from fixtures.asked.problem_size import ProblemSize
from fixtures.conditions.measure import Measure


def test_best_deployment(chosen_deployment: Deployment, problem_size: ProblemSize, measure: Measure) -> None:
    """Latency and throughput of one way of running the model."""
    measure(chosen_deployment, problem_size)
