"""Pipeline: what do users get who hand over texts and want vectors, by the libraries that they call for it?

Real passages, as many at once as the batch size, the longest of them as long in tokens as the sequence length. A round is
the library's own call: tokenise, pad, forward, pool, normalise. Each vector has to be that of fp32 PyTorch, mean-pooled and
of length 1. What the stages take is told beside it, as far as a library lets them be told apart. Out of the box, or pinned
with `--threads`. Only a model with a tokenizer can answer, as `--model minilm`; docs/pipelines.md has the pipelines.
"""

from fixtures.asked.configuration import Deployment
from fixtures.asked.problem_size import ProblemSize
from fixtures.conditions.measure import Measure


def test_pipeline(deployment: Deployment, problem_size: ProblemSize, measure: Measure) -> None:
    """Latency of the call that makes vectors of a batch of texts."""
    measure(deployment, problem_size)
