"""The loop between arrivals and instances, on a clock that only the test moves; what is made of it; the search."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.dispatcher import figures
from fixtures.dispatcher.arrivals import shape_of
from fixtures.dispatcher.lengths import LogNormal
from fixtures.dispatcher.queues import Assignment, Queues
from fixtures.dispatcher.search import Probe, highest_held, kept_up, lowest_broken, probed
from fixtures.dispatcher.stream import Limits, Streamed, streamed

Pools = Sequence[tuple[Sequence[int], int]]

TWO_POOLS: Pools = (((32, 96), 1), ((128,), 2))


class FakeInstances:
    """Instances that take as long as they are told, on a clock that moves when somebody waits."""

    def __init__(self, service_s: Callable[[Assignment], float], *, now_s: float = 100.0, late_s: float = 0.0) -> None:
        self.now_s = now_s
        self.sent: list[tuple[float, Assignment]] = []
        self._service_s, self._late_s = service_s, late_s
        self._busy: dict[int, tuple[float, float]] = {}

    def clock(self) -> float:
        return self.now_s

    def send(self, assignment: Assignment) -> None:
        assert assignment.instance not in self._busy, "one request at a time"
        self.sent.append((self.now_s, assignment))
        self._busy[assignment.instance] = (self.now_s, self.now_s + self._service_s(assignment))

    def wait(self, time_out_s: float | None) -> list[tuple[int, float, float]]:
        ends = [end_s for _, end_s in self._busy.values()]
        until = [] if time_out_s is None else [self.now_s + time_out_s]
        assert ends or until, "nobody will ever wake up"
        self.now_s = max(math.nextafter(self.now_s, math.inf), min([*ends, *until])) + self._late_s  # time goes on
        done = [(number, *span) for number, span in self._busy.items() if span[1] <= self.now_s]
        for number, _, _ in done:
            del self._busy[number]
        return done


def served(
    arrivals_s: Sequence[float],
    lengths: Sequence[int],
    pools: Pools,
    service_s: Callable[[Assignment], float],
    *,
    limits: Limits | None = None,
    late_s: float = 0.0,
) -> tuple[Streamed, FakeInstances]:
    """A stream on fake instances, from second 100 of their clock."""
    instances = FakeInstances(service_s, late_s=late_s)
    over = streamed(arrivals_s, lengths, Queues(pools), instances, instances.clock, start_s=100.0, limits=limits or Limits())
    return over, instances


def test_latencies_of_a_tiny_schedule_by_hand() -> None:
    """One instance, 2 s a request: who arrives while it is busy waits for its turn, and for those before."""
    over, _ = served([1.0, 2.0, 2.5, 9.0], [32] * 4, [((32,), 1)], lambda _: 2.0)
    assert [(one.start_s, one.end_s) for one in over.requests] == [(1, 3), (3, 5), (5, 7), (9, 11)]
    assert over.latencies_s == [2.0, 3.0, 4.5, 2.0]
    assert figures.throughput_per_s(over) == 4 / 10
    (pool,) = figures.pools_of(over, [0], span_s=9.0)
    assert pool["utilisation"] == pytest.approx(8 / 9)
    assert figures.handovers_s(over) == [0.0] * 4


def test_two_instances_share_a_queue_by_hand() -> None:
    """The second one takes the second request; the third waits for whoever is idle first."""
    over, _ = served([0.0, 0.5, 1.0], [32] * 3, [((32,), 2)], lambda one: 3.0 if one.instance == 0 else 1.0)
    assert [one.instance for one in over.requests] == [0, 1, 1]
    assert over.latencies_s == [3.0, 1.0, 1.5]


def test_a_stall_is_in_the_latency_of_everybody_behind_it() -> None:
    """A server that stands still for 10 s once shows in 10 requests, not in 1: arrivals do not wait for it."""
    over, _ = served(
        [float(second) for second in range(20)], [32] * 20, [((32,), 1)], lambda one: 10.0 if one.request == 5 else 0.1
    )
    assert sum(latency_s > 1 for latency_s in over.latencies_s) == 10
    assert sum(figures.service_s(one) > 1 for one in over.requests) == 1


def test_a_dispatcher_that_is_late_counts_too() -> None:
    """Latency is from the schedule, not from when the dispatcher woke up."""
    over, _ = served([1.0, 5.0], [32, 32], [((32,), 1)], lambda _: 1.0, late_s=0.25)
    assert over.latencies_s == [1.25, 1.25]
    assert figures.handovers_s(over) == [0.25, 0.25]


@pytest.mark.parametrize(
    ("length", "padded", "pool"), [(2, 32, 0), (32, 32, 0), (33, 96, 0), (97, 128, 1), (128, 128, 1), (999, 128, 1)]
)
def test_a_length_goes_to_its_pool(length: int, padded: int, pool: int) -> None:
    """Padded to the least length that holds it; what is too long is cut to the longest."""
    assert Queues(TWO_POOLS).route(length) == (padded, pool)


STREAMS = st.lists(st.tuples(st.integers(0, 5_000).map(lambda ms: ms / 1_000), st.integers(1, 140)), min_size=1, max_size=60)


@given(
    stream=STREAMS,
    pools=st.sampled_from([TWO_POOLS, (((128,), 1),), (((32, 96, 128), 3),), (((32,), 2), ((96,), 1), ((128,), 1))]),
    times=st.lists(st.floats(0.001, 2), min_size=1, max_size=10),
    late_s=st.sampled_from([0.0, 0.001, 0.5]),
)
def test_every_request_once_in_its_pool_and_in_order(
    stream: list[tuple[float, int]], pools: Pools, times: list[float], late_s: float
) -> None:
    """Conservation, routing, first come first served, one at a time, and no instance idle while its queue is not empty."""
    arrivals = sorted(arrival_s for arrival_s, _ in stream)
    lengths = [length for _, length in stream]
    over, instances = served(arrivals, lengths, pools, lambda one: times[one.request % len(times)], late_s=late_s)
    assert sorted(one.request for _, one in instances.sent) == list(range(len(stream)))
    assert over.served == len(stream)
    assert [one.arrival_s for one in over.requests] == arrivals
    queues = Queues(pools)
    pool_of = [number for number, (_, count) in enumerate(pools) for _ in range(count)]
    for request, length in zip(over.requests, lengths, strict=True):
        assert (request.padded, pool_of[request.instance or 0]) == queues.route(length)
        assert request.start_s is not None
        assert request.start_s >= request.arrival_s - 1e-9
        assert figures.service_s(request) == pytest.approx(times[over.requests.index(request) % len(times)])
    for pool in range(len(pools)):
        mine = [one.request for _, one in instances.sent if pool_of[one.instance] == pool]
        assert mine == sorted(mine)
    if late_s == 0:
        assert all(handover_s == pytest.approx(0, abs=1e-9) for handover_s in figures.handovers_s(over)) or len(pool_of) > 1


@given(times=st.lists(st.floats(0.001, 3), min_size=1, max_size=5), other=st.floats(0.001, 3))
def test_arrivals_do_not_depend_on_the_server(times: list[float], other: float) -> None:
    """Whatever the instances do, requests have the same scheduled arrivals: the loop is open."""
    shape = shape_of(40, LogNormal.up_to(128))
    arrivals = shape.arrivals_s(10.0)
    slow, _ = served(arrivals, shape.lengths, TWO_POOLS, lambda one: times[one.request % len(times)])
    fast, _ = served(arrivals, shape.lengths, TWO_POOLS, lambda _: other / 1_000)
    assert [one.arrival_s for one in slow.requests] == [one.arrival_s for one in fast.requests] == arrivals


def test_a_stream_that_is_cut_says_what_was_not_served() -> None:
    """What waits has waited at least until then; what is being served is finished; nothing is lost from the count."""
    over, _ = served([0.0, 1.0, 2.0, 3.0], [32] * 4, [((32,), 1)], lambda _: 4.0, limits=Limits(cut_s=6.0))
    assert over.gave_up
    assert over.served == 2
    assert over.end_s == 8.0
    assert over.latencies_s == [4.0, 7.0, 6.0, 5.0]
    said = figures.as_json(over, [0], span_s=3.0)
    assert (said["unserved"], said["saturated"], said["padded"]) == (2, True, {"32": 2})


def test_a_stream_is_given_up_when_too_many_are_late() -> None:
    """A search need not see the end of a stream whose bound is broken."""
    late = Limits(bound_s=1.0, most_late=2)
    over, _ = served([float(one) / 10 for one in range(50)], [32] * 50, [((32,), 1)], lambda _: 1.0, limits=late)
    assert over.gave_up
    assert over.served < 10


def test_too_much_work_is_seen() -> None:
    """Twice what an instance can do: utilisation 2, and saturated although all were served in the end."""
    said = figures.as_json(
        served([float(one) for one in range(1, 31)], [32] * 30, [((32,), 1)], lambda _: 2.0)[0], [0], span_s=30.0
    )
    assert said["pools"][0]["utilisation"] == pytest.approx(2.0)
    assert said["saturated"]
    assert said["unserved"] == 0


def test_percentiles_need_requests() -> None:
    """p90 from 30, p99 from 300; the tail of a search is the highest that there is."""
    few, many = ([float(one) for one in range(count)] for count in (30, 300))
    for arrivals, name, missing in ((few, "p90", "p99"), (many, "p99", None)):
        latency = figures.latency_of(served(arrivals, [32] * len(arrivals), [((32,), 1)], lambda _: 0.5)[0])
        assert figures.tail_name(len(arrivals)) == name
        assert latency[name] == 0.5
        assert missing is None or latency[missing] is None
    assert figures.tail_name(29) is None


def test_padding_is_told() -> None:
    """10 and 32 tokens, padded to 32 and 32: 22 of 64; what is cut has no padding."""
    over, _ = served([0.0, 1.0], [10, 32], [((32,), 1)], lambda _: 0.5)
    assert figures.padding_share(over) == 22 / 64
    cut, _ = served([0.0], [99], [((32,), 1)], lambda _: 0.5)
    assert figures.padding_share(cut) == 0


def test_a_burst_is_no_rate() -> None:
    """Thirty requests at once are over within a second, under any bound: that is not serving thousands in a second."""
    assert kept_up(span_s=0.914, end_s=1.0, unhurried_s=0.125)
    assert not kept_up(span_s=30 / 2100, end_s=0.86, unhurried_s=0.125)


def searched(holds_to: float, *, guess: float = 1.0, budget_s: float = math.inf, first_held: bool = True) -> list[Probe]:
    """A search from 1/s on a service that holds up to a rate; a stream at 1/s takes 8 s of the fake clock."""
    spent = [0.0]

    def probe(rate_per_s: float) -> Probe:
        spent[0] += 8 / rate_per_s
        return Probe(rate_per_s=rate_per_s, held=rate_per_s <= holds_to, tail_s=None)

    first = Probe(rate_per_s=1.0, held=first_held, tail_s=0.1)
    clock = lambda: spent[0]  # noqa: E731
    return probed(first, probe, capacity_per_s=guess, span_s=8.0, budget_s=budget_s, clock=clock)


@pytest.mark.parametrize("guess", [1.0, 3.0, 9.0, 40.0])
@pytest.mark.parametrize("holds_to", [1.1, 3.0, 9.9, 50.0])
def test_the_search_brackets_the_highest_rate(holds_to: float, guess: float) -> None:
    """What held is below it, what did not above, and they are a factor of 2^(1/4) apart at the most, wherever it begins."""
    probes = searched(holds_to, guess=guess)
    held, broken = highest_held(probes), lowest_broken(probes)
    assert held is not None
    assert broken is not None
    assert held <= holds_to < broken
    assert broken / held <= 2**0.25 * 1.000001


def test_a_good_guess_saves_streams() -> None:
    """Where the first guess breaks and half of it holds, four streams bracket the rate."""
    assert len(searched(9.9, guess=10.0)) == 1 + 4


def test_the_search_keeps_to_its_budget() -> None:
    """4 s are enough for the stream at twice the rate, and for nothing after it."""
    assert [one.rate_per_s for one in searched(100, guess=2.0, budget_s=4.5)] == [1.0, 2.0]
    assert [one.rate_per_s for one in searched(100, guess=2.0, budget_s=1)] == [1.0]


def test_a_search_that_finds_nothing_says_so() -> None:
    """The offered rate itself is too much: no rate; or whatever is tried holds: no rate that broke it."""
    assert highest_held(searched(0, first_held=False)) is None
    assert len(searched(0, first_held=False)) == 1
    endless = searched(1e9, guess=2.0)
    assert (highest_held(endless), lowest_broken(endless)) == (128.0, None)
