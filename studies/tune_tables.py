"""What `studies.tune` shows: the record, the searches that were replayed on it, and those that ran whole, as Markdown."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from baselines.comparing.disturbance import OTHERS_SHARE_LIMIT
from baselines.tuning.space import Candidate
from studies import loop
from studies.tune_data import KINDS, SHARE, Data, each
from studies.tune_replay import NOTHING

NEAR: Final = 0.01
"""As a log ratio: a choice that loses no more is as good as the best."""
RESAMPLES: Final = 2000


def show(records: Sequence[loop.Record]) -> Iterator[str]:
    """What was recorded, the searches that were replayed on it, and those that ran whole."""
    members = loop.grouped([one for one in records if one["kind"] in KINDS], lambda one: one["study"])
    for study, data in each(records).items():
        mine = members[study]
        versions = ", ".join(f"{name} {version}" for name, version in mine[0]["versions"].items())
        begins = f"Recorded {study} on {mine[0]['machine']}, {versions}: "
        if not isinstance(data, Data):
            yield f"{begins}{data}"
            yield ""
            continue
        yield begins + said_of(data)
        yield disturbances(mine)
        yield ""
        yield from tables(data, [one for one in records if one.get("of") == study])


def said_of(data: Data) -> str:
    """What a record says of its space, and what it took."""
    best = min(data.truth, key=lambda one: data.truth[one])
    worst = max(data.truth.values()) - data.truth[best]
    lost = f" ({len(data.failed)} failed)" if data.failed else ""
    return (
        f"{len(data.launches) + len(data.failed)} configurations{lost}, {data.passes} passes. "
        f"By two of every four passes `{best}` is the best, "
        f"{math.exp(-data.truth[best]):.2f} times as fast as the default, and the worst loses {math.expm1(worst):.0%}; a "
        f"launch pair spreads by {data.spread:.1%}. The cost is what the launch pairs of the other two took, by which the "
        f"best of all can be told: {data.cost_s / 60:.0f} min. A search gets {SHARE:.0%} of it; its session begins in "
        f"{data.ready_s:.0f} s of that."
    )


def disturbances(members: Sequence[loop.Record]) -> str:
    """How much of what was measured was disturbed, and how much failed."""
    launches = [one["said"] for one in members if one["kind"] == "launch"]
    pairs = [one["said"] for one in members if one["kind"] in ("pair", "equal")]
    disturbed = sum(bool(said.get("disturbed")) for said in launches)
    failed = [sum("failed" in said for said in some) for some in (launches, pairs)]
    others = [float(said.get("others_share") or 0.0) for said in pairs]
    beside = sum(share > OTHERS_SHARE_LIMIT for share in others)
    return (
        f"Launches: {len(launches)}, of which {disturbed} were disturbed and {failed[0]} failed. Launch pairs: "
        f"{len(pairs)}, of which {failed[1]} failed. In {beside} of them others had the CPUs for more than "
        f"{OTHERS_SHARE_LIMIT:.0%} of the time, and for {max(others, default=0.0):.0%} at the most."
    )


def tables(data: Data, records: Sequence[loop.Record]) -> Iterator[str]:
    """What searches on one record came to; of replayed ones those on as many passes as it has now."""
    replays = [one for one in records if one["kind"] == "replay" and one["passes"] == data.passes]
    rows = loop.grouped([one for one in replays if "regret" in one], lambda one: one["how"])
    if rows:
        yield from loop.table(
            "search | searches | loses to the best, mean | 95 % interval | most | within 1 % | of the cost, mean | most",
            [*(row_of(how, members) for how, members in rows.items()), everything(data)],
        )
        yield ""
        order = sorted(rows, key=lambda how: statistics.fmean(one["regret"] for one in rows[how]))
        yield f"The least lost, on average: {', then '.join(order)}. The intervals are over searches of this one record:"
        yield "what another record would say is not in them. The last row is what half of the passes can tell at all."
        yield ""
    if nothing := [one for one in replays if "default" in one]:
        yield from loop.table(
            "where the knobs do nothing | searches | end with the default", map(nothing_row, by_how(nothing))
        )
        yield ""
        yield f"All see the same launches of the default, and the same {len(data.equal)} launch pairs of it with itself. The"
        yield "intervals are those of independent searches."
        yield ""
    if ended := [one for one in records if one["kind"] == "whole"]:
        yield from loop.table(
            "run whole | chosen | settled | loses to the best | of the cost",
            (
                [
                    one["study"],
                    str(Candidate.from_json(one["chosen"])),
                    "yes" if one["settled"] else "no",
                    "not on record" if one["regret"] is None else f"{math.expm1(one['regret']):.2%}",
                    f"{one['share']:.0%}",
                ]
                for one in ended
            ),
        )
        yield ""


def by_how(replays: Sequence[loop.Record]) -> list[tuple[str, Sequence[loop.Record]]]:
    """The searches of each kind."""
    return list(loop.grouped(replays, lambda one: str(one["how"]).removesuffix(NOTHING)).items())


def nothing_row(members: tuple[str, Sequence[loop.Record]]) -> list[object]:
    """How many searches of a kind chose no knob where none does anything."""
    how, searches = members
    kept = sum(bool(one["default"]) for one in searches)
    return [how, len(searches), f"{kept} ({loop.interval(kept, len(searches))})"]


def row_of(how: str, members: Sequence[loop.Record]) -> list[object]:
    """Searches of a kind."""
    regrets, shares = ([float(one[word]) for one in members] for word in ("regret", "share"))
    return [
        how,
        len(members),
        f"{math.expm1(statistics.fmean(regrets)):.2%}",
        resampled(regrets),
        f"{math.expm1(max(regrets)):.2%}",
        sum(regret <= NEAR for regret in regrets),
        f"{statistics.fmean(shares):.0%}",
        f"{max(shares):.0%}",
    ]


def everything(data: Data) -> list[object]:
    """What all launch pairs of the passes for searches choose: no search can be expected to lose less."""
    regret = data.regret(data.by_everything)
    lost = f"{math.expm1(regret):.2%}"
    return ["everything, at the full cost", 1, lost, "", lost, int(regret <= NEAR), "100%", "100%"]


def resampled(values: Iterable[float]) -> str:
    """The 95 % interval of a mean log ratio, by the bootstrap's percentiles, as shares."""
    values, chance = list(values), random.Random(20261127)  # noqa: S311 - resampling, no secret
    means = sorted(statistics.fmean(chance.choices(values, k=len(values))) for _ in range(RESAMPLES))
    low, high = means[int(0.025 * RESAMPLES)], means[int(0.975 * RESAMPLES)]
    return f"{math.expm1(low):.2%} to {math.expm1(high):.2%}"
