"""CPU limits: what does a container's quota do to latency, and who sizes its threads by it?

A control group of its own allows the instance so many CPUs' worth of time in each period of 100 ms; when that is used up all
its threads stand still. `default_threads` is what the framework takes by itself, `quota_threads` a thread for each whole CPU
of the quota, `cpuset` so many CPUs of its own in place of the quota. docs/measuring.md says how it is made and read back.
"""

from fixtures.asked.configuration import Deployment
from fixtures.asked.problem_size import ProblemSize
from fixtures.conditions.measure import Measure


def test_cpu_limits(limited: Deployment, problem_size: ProblemSize, measure: Measure) -> None:
    """Latency of one instance under a CPU quota, or in a cpuset."""
    measure(limited, problem_size)
