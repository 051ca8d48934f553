"""Simultaneous multithreading: do threads on the siblings of busy cores help? (The study: 24 cores, or 12 and 12 siblings?)

n threads on n physical cores, against n threads on n/2 cores and their siblings, and against 2n threads on n cores and
their siblings: the first says what a sibling is worth as a core, the second what it adds to one. All on cores that have a
usable sibling, one NUMA node first, so that the same cores serve both sides. `--threads` names the n.
"""

from fixtures.asked.configuration import Deployment
from fixtures.asked.problem_size import ProblemSize
from fixtures.conditions.measure import Measure


def test_simultaneous_multithreading(deployment: Deployment, problem_size: ProblemSize, measure: Measure) -> None:
    """Latency of one instance with one thread or two on each physical core."""
    measure(deployment, problem_size)
