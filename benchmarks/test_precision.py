"""Precision: what does a smaller number format give, and what does it cost in exactness?

fp32, bf16, fp16, int8 and int4, each on the backends that have a maintained path to it, on all physical cores;
a backend's card in fixtures/backends/ has the reasons for the rest. The answer is compared with fp32 PyTorch's first;
the error and the cosine are in `parity`, and the format that is in force is read back from the framework.
"""

from fixtures.asked.configuration import Deployment
from fixtures.asked.problem_size import ProblemSize
from fixtures.conditions.measure import Measure


def test_precision(deployment: Deployment, problem_size: ProblemSize, measure: Measure) -> None:
    """Latency of one instance on all physical cores, by number format."""
    measure(deployment, problem_size)
