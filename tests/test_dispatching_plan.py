"""Plans: what is one, how its shares become whole cores, and what the three policies make of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.asked.dispatch_plan import Plan, PlanError, PoolShare
from fixtures.asked.dispatch_pools import POLICIES, handed_out, placed, sizes_of, why_not
from fixtures.asked.presets import PRESETS, study_plan
from fixtures.machine.topology import Topology

PLANS = st.lists(st.integers(1, 100), min_size=1, max_size=6).map(
    lambda weights: Plan(
        pools=tuple(
            PoolShare(lengths=(16 * (number + 1),), share=weight / sum(weights)) for number, weight in enumerate(weights)
        )
    )
)


def machine(cores: int) -> Topology:
    """A machine of one node with so many cores."""
    cpus = tuple(range(cores))
    return Topology(sockets=1, numa_nodes={0: cpus}, cores=tuple((cpu,) for cpu in cpus), usable_cpus=cpus, cpu_quota=None)


def test_the_studys_machine_gets_the_studys_pools() -> None:
    """8 cores for short, 16 for medium, 24 for long requests, one instance each, the first two on one socket."""
    pools = placed("pools", study_plan(512), machine(48))
    assert [pool.lengths for pool in pools] == [(32,), (128, 384), (512,)]
    assert [pool.cpus for pool in pools] == [(tuple(range(8)),), (tuple(range(8, 24)),), (tuple(range(24, 48)),)]


def test_two_cores_merge_the_pools_of_one_socket() -> None:
    """Short and medium together, as on the study's first socket; long alone, as on its second."""
    pools = placed("pools", study_plan(512), machine(2))
    assert [(pool.lengths, pool.cpus) for pool in pools] == [((32, 128, 384), ((0,),)), ((512,), ((1,),))]


def test_the_three_policies() -> None:
    """`one` pads to the longest on all cores, `equal` has as many instances as `pools`, equally large, for all lengths."""
    one, equal, pools = (placed(policy, study_plan(512), machine(6)) for policy in POLICIES)
    assert [(pool.lengths, pool.cpus) for pool in one] == [((512,), ((0, 1, 2, 3, 4, 5),))]
    assert [(pool.lengths, pool.cpus) for pool in equal] == [((32, 128, 384, 512), ((0, 1), (2, 3), (4, 5)))]
    assert [pool.cpus for pool in pools] == [((0,),), ((1, 2),), ((3, 4, 5),)]


def test_one_core_has_one_policy() -> None:
    """The others are impossible, and say so."""
    assert why_not("one", machine(1)) is None
    for policy in ("equal", "pools"):
        assert why_not(policy, machine(1)) == (
            f"{policy} needs at least 2 instances with a physical core each, this process may use 1"
        )
    with pytest.raises(ValueError, match="this process may use 1"):
        placed("pools", study_plan(512), machine(1))


def test_threads_make_several_instances_of_a_pool() -> None:
    """A pool of 5 cores and 2 threads has two instances; the fifth core stays idle."""
    plan = Plan(pools=(PoolShare(lengths=(32,), share=0.5, threads=2), PoolShare(lengths=(128,), share=0.5, threads=64)))
    assert [sizes for _, sizes in sizes_of(plan, 10)] == [(2, 2), (5,)]


@given(plan=PLANS, cores=st.integers(2, 300))
def test_every_core_once_and_every_length_somewhere(plan: Plan, cores: int) -> None:
    """No CPU serves two instances, each pool has a core, shares are kept to within a core, no length is lost."""
    for policy in POLICIES:
        pools = placed(policy, plan, machine(cores))
        cpus = [cpu for pool in pools for one in pool.cpus for cpu in one]
        assert len(cpus) == len(set(cpus)) <= cores
        assert all(one for pool in pools for one in pool.cpus)
        lengths = [length for pool in pools for length in pool.lengths]
        assert lengths == ([plan.longest] if policy == "one" else list(plan.lengths))
        assert policy == "equal" or len(cpus) == cores  # equal instances leave a remainder idle


@given(weights=st.lists(st.floats(0.001, 1), min_size=1, max_size=8), cores=st.integers(8, 500))
def test_cores_are_handed_out_by_largest_remainder(weights: list[float], cores: int) -> None:
    """All of them, at least one each, and where no pool needed its one core given to it, within one of the exact share."""
    counts = handed_out(weights, cores)
    assert sum(counts) == cores
    assert min(counts) >= 1
    quotas = [weight / sum(weights) * cores for weight in weights]
    if min(quotas) >= 1:
        assert all(abs(count - quota) < 1 for count, quota in zip(counts, quotas, strict=True))


def test_the_hash_is_of_what_a_plan_says() -> None:
    """Not of where it came from; every preset has one."""
    plan = study_plan(512)
    assert plan == Plan(pools=plan.pools, source="elsewhere")
    assert plan.sha256 == Plan(pools=plan.pools, source="elsewhere").sha256 != study_plan(128).sha256
    assert all(preset.dispatching.plan.longest in (128, 512) for preset in PRESETS.values())


def test_a_plan_is_read_back(tmp_path: Path) -> None:
    """What a file says, apart from keys that are for people."""
    pools = [{"lengths": [32, 64], "share": 0.33, "threads": None}, {"lengths": [512], "share": 0.67, "threads": 4}]
    path = tmp_path / "plan.json"
    path.write_text(json.dumps({"schema": 1, "made_from": {"run": "x"}, "pools": pools}))
    plan = Plan.from_file(path)
    assert [pool.as_json() for pool in plan.pools] == pools
    assert plan.source == str(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", ":1: not JSON: Expecting value"),
        ("[" * 100_000, ": not a plan: "),
        ("[]", ': not a plan: it has no list of "pools"; python -m baselines recommend --plan FILE writes one'),
        ({"schema": 2, "pools": []}, ": schema is 2, and this checkout reads 1"),
        ({"schema": 1, "pools": []}, ": a plan has at least one pool"),
        ({"schema": 1, "pools": [7]}, ": pools[0] is 7, no object"),
        (("lengths", "32"), ': pools[0].lengths is "32", no list of whole numbers'),
        (("lengths", [32.5]), ": pools[0].lengths is [32.5], no list of whole numbers"),
        (("lengths", [64, 32]), ": its lengths are [[64, 32]]: whole numbers from 1 up, ascending"),
        (("lengths", [0]), ": its lengths are [[0]]: whole numbers from 1 up"),
        (("share", "half"), ': pools[0].share is "half", no number'),
        (("share", 0.5), ": its shares are [0.5], 0.5 together: each above 0, and 1 together"),
        (("share", -1), ": its shares are [-1.0], -1 together"),
        (("threads", 0), ": its threads are [0]: whole numbers from 1 up, or null"),
        (("threads", True), ": pools[0].threads is true, neither a whole number nor null"),
        (("cores", 3), ": pools[0].cores is not known; a pool has lengths, share and threads"),
    ],
)
def test_what_is_no_plan_is_refused_in_a_line(tmp_path: Path, content: Any, said: str) -> None:
    """The path, the place, what stands there, and the rule."""
    if isinstance(content, tuple):
        content = {"schema": 1, "pools": [{"lengths": [32], "share": 1, "threads": None, content[0]: content[1]}]}
    path = tmp_path / "plan.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(PlanError) as refused:
        Plan.from_file(path)
    assert str(refused.value).startswith(f"{path}{said}")
    assert len(str(refused.value).splitlines()) == 1


def test_a_plan_that_is_not_there(tmp_path: Path) -> None:
    """In the kernel's words; and what is no text says where."""
    with pytest.raises(PlanError, match="No such file or directory"):
        Plan.from_file(tmp_path / "none")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(PlanError, match=r"not text: .* at byte 0"):
        Plan.from_file(tmp_path / "binary")
