"""Padding: what does it cost that the texts of a batch are not equally long, and how are they best put into batches?

`none`, `one` and `half` are masks of one batch: no padded position, one, half of them. The others serve the same real
passages, four batches' worth: `one_by_one`, padded to the `longest` of a batch, `sorted` by length first, or as many to a
batch as a `token_budget` holds. Every row has to be answered as it is alone. docs/measuring.md says what is counted.
"""

from fixtures.asked.configuration import Deployment
from fixtures.asked.problem_size import ProblemSize
from fixtures.conditions.measure import Measure


def test_padding(deployment: Deployment, problem_size: ProblemSize, measure: Measure) -> None:
    """Latency of one instance, as it comes, by which positions are padded."""
    measure(deployment, problem_size)
