"""Instance scaling: one instance on all cores, or several beside each other on a part of them each? (Weak scaling.)

The samples of a problem are shared equally by 1, 2, 4, ... instances, each on as many physical cores of its own, of one
NUMA node where possible. They start at one agreed time. Latency is the worst instance's, throughput the sum over the common
window.
"""

from fixtures.asked.configuration import Deployment
from fixtures.asked.problem_size import ProblemSize
from fixtures.conditions.measure import Measure


def test_instance_scaling(deployment: Deployment, problem_size: ProblemSize, measure: Measure) -> None:
    """Throughput of several instances beside each other, and the latency of the worst."""
    measure(deployment, problem_size)
