"""Memory binding: does it matter on which NUMA node the memory is, and does a second socket help?

`local`, `interleave` and `remote` run on all physical cores of one node and differ in their memory alone: bound to that
node, dealt out over all nodes, bound to the farthest node. `one_socket` has all cores of one socket and its own memory,
`both_sockets` all cores of all sockets and memory dealt out over their nodes. Where a socket is one node, `one_socket` is
`local` measured a second time: how far the two differ is what a difference must exceed to mean something.

numactl sets the policy before the worker's interpreter starts; the kernel says where the pages are, after loading and again
after measuring, and a benchmark whose memory is elsewhere fails. fixtures/machine/placement.py has the table.
"""

from fixtures.asked.configuration import Deployment
from fixtures.asked.problem_size import ProblemSize
from fixtures.conditions.measure import Measure


def test_memory_binding(deployment: Deployment, problem_size: ProblemSize, measure: Measure) -> None:
    """Latency of one instance by where its threads run and where its memory is."""
    measure(deployment, problem_size)
