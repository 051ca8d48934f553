"""Out of the box: what does a plain install give? No pinning, and the framework's own number of threads.

The study's first figure: latency by backend, batch size and sequence length on the whole machine.
"""

from fixtures.asked.configuration import Deployment
from fixtures.asked.problem_size import ProblemSize
from fixtures.conditions.measure import Measure


def test_out_of_the_box(deployment: Deployment, problem_size: ProblemSize, measure: Measure) -> None:
    """Latency of one instance on the whole mask, with the framework's defaults."""
    measure(deployment, problem_size)
