"""What `studies.ort_attention` shows: a fused operator of attention beside the graph that the suite serves, as Markdown."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from baselines.comparing.disturbance import OTHERS_SHARE_LIMIT
from baselines.judging.difference import Difference
from baselines.judging.launch_pairs import fit_of
from studies import loop

LEVEL: Final = 0.95
HEADS: Final = "model | format | size | way | its operator | launch pairs | without | with it | difference, 95 % interval"


def show(records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A table per machine and release, a row per model, number format, problem size and way."""
    for (machine, busy, threads, versions), mine in loop.grouped(
        records, lambda one: (one["machine"], one["busy"], one["threads"], tuple(sorted(one["versions"].items())))
    ).items():
        days = sorted({one["study"][:10] for one in mine})
        beside = ", other work beside it" if busy else ""
        named = ", ".join(f"{name} {version}" for name, version in versions)
        yield f"`{machine}`, {' and '.join(days)}, {threads} threads{beside}; {named}:"
        yield ""
        quiet = mine if busy else [undisturbed(one) for one in mine]
        yield from loop.table(HEADS, rows(quiet))
        yield ""
        of, kept = (sum(len(one["sizes"]) for one in some) for some in (mine, quiet))
        if left_out := of - kept:
            yield f"Left out: {left_out} of {of}: others had the CPUs for more than {OTHERS_SHARE_LIMIT:.0%} of the time."
            yield ""


def undisturbed(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """A launch pair with those problem sizes alone in which others left it the CPUs."""
    sizes = record["sizes"].items()
    return {**record, "sizes": {size: one for size, one in sizes if (one.get("others_share") or 0.0) <= OTHERS_SHARE_LIMIT}}


def rows(records: Sequence[Mapping[str, Any]]) -> Iterator[tuple[object, ...]]:
    """Rows of the table, of what has launch pairs enough for an interval; sizes in the order in which they were measured."""
    sizes = list(dict.fromkeys(size for one in records for size in one["sizes"]))
    for (model, precision, place, way), pairs in loop.grouped(
        [
            {**one, "size": place, "gave": one["sizes"][size]}
            for one in records
            for place, size in enumerate(sizes)
            if size in one["sizes"]
        ],
        lambda one: (one["model"], one["precision"], one["size"], one["way"]),
    ).items():
        gave = [one["gave"] for one in pairs]
        if (ratio := against_plain(gave)) is not None:
            times = (f"{statistics.median(one[side] for one in gave) * 1e3:.3g} ms" for side in ("plain_s", "fused_s"))
            operators = " and ".join(name for name in pairs[-1]["graph"] if name.endswith("Attention"))
            yield model, precision, sizes[place], way, operators, len(gave), *times, ratio


def against_plain(pairs: Sequence[Mapping[str, Any]]) -> str | None:
    """The ratio of times with its interval, the effect of the order of loading taken off; None of too few launch pairs."""
    found = fit_of([(pair["log_ratio"], pair["first"]) for pair in pairs])
    if found is None:
        return None
    error = math.sqrt(found.variance * found.share)
    whole = Difference(estimate=found.estimate, standard_error=error, degrees_of_freedom=found.degrees_of_freedom)
    low, high = whole.interval((1 - LEVEL) / 2)
    return f"{whole.ratio - 1:+.1%} [{low - 1:+.1%}, {high - 1:+.1%}]"
