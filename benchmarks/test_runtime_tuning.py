"""Runtime tuning: how much do allocator, OpenMP runtime, waiting, huge pages, oneDNN and instruction sets matter?

One instance on all usable physical cores, pinned. `tuning_none` is how framework, packages and system come; every other
benchmark differs from it in one knob. A knob is there for the backends to which it means something, and a benchmark whose
knob did not take effect fails: the kernel and the runtimes say what they do. docs/tuning.md has the knobs, their proofs and
what each backend leaves out.
"""

from fixtures.asked.configuration import Deployment
from fixtures.asked.problem_size import ProblemSize
from fixtures.conditions.measure import Measure


def test_runtime_tuning(tuned: Deployment, problem_size: ProblemSize, measure: Measure) -> None:
    """Latency of one instance, by the one knob that is turned."""
    measure(tuned, problem_size)
