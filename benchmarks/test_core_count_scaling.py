"""Core count scaling: does giving one instance more cores make it faster? (Strong scaling.)

1, 2, 4, ... threads, each on a physical core of its own, one NUMA node first; the problem stays the same.
"""

from fixtures.asked.configuration import Deployment
from fixtures.asked.problem_size import ProblemSize
from fixtures.conditions.measure import Measure


def test_core_count_scaling(deployment: Deployment, problem_size: ProblemSize, measure: Measure) -> None:
    """Latency of one instance on as many physical cores as it has threads."""
    measure(deployment, problem_size)
