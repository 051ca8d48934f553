"""Smart dispatching: how is a mixed stream of requests served best? One instance, several equal ones, or pools by length?

Requests arrive at random moments and wait for nobody, as those of many users do; most are short, a few as long as the model
allows. `one`: one instance on all cores, every request padded to the longest length. `equal`: as many instances as `pools`
has, equally large, each request padded to the least length that holds it. `pools`: pools of instances by length, as the
study suggests; a request goes to the pool of its length. So `equal` against `pools` is the effect of routing by length, and
`one` against `equal` that of several instances and of less padding together.

All three are offered the same schedule, at a rate that follows from the model and the cores (fixtures/dispatching/load.py).
A round is a request; its latency counts from its scheduled arrival to the end of its forward pass, and what is judged is
its median, as of one instance: the throughput of a service that keeps up is what it is offered, whatever it is worth. What
it could take is `dispatching.sustained`, the highest rate that keeps the tail under a bound.
"""

from fixtures.asked.configuration import Deployment
from fixtures.conditions.measure import Measure
from fixtures.dispatching.load import Stream


def test_smart_dispatching(service: Deployment, stream: Stream, measure: Measure) -> None:
    """Latency of a request from its arrival, at a fixed offered rate, and the highest rate with a bounded tail."""
    measure(service, stream)
