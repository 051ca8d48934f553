"""What a search says in the end: what to run, by how much it is better, what each knob was worth, and what was ruled out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from baselines.deploying.command_line import command_lines, in_code
from baselines.judging.wording import duration_text, listed, one_line, three_digits
from baselines.tuning.beside import LEVEL, Compared, Outcome, ratio_text, said
from baselines.tuning.knobs import Worth
from baselines.tuning.objective import Said, numbers_of
from baselines.tuning.search import Search
from baselines.tuning.space import Candidate

MOST_ROWS: Final = 12
_NAMED: Final = 4
_LINES: Final = 8

Cards = Mapping[str, Mapping[str, Any]]
"""What the session says of backends, by name."""


def answer_lines(question: str, search: Search, outcome: Outcome, cards: Cards) -> Iterator[str]:
    """What a search found; `question` names model, problem and objective."""
    best = outcome.best
    yield one_line(question)
    if outcome.nothing_to_gain:
        yield f"  nothing to gain here: run the default, {best}"
    elif not outcome.settled and best == search.space.default:
        yield f"  not everything had its turn; so far nothing is told from the default, {best}"
    elif not outcome.settled:
        yield f"  by launches alone, not compared side by side with the default: {best}"
    else:
        yield f"  run {best}"
    if launches := search.launches.get(best):
        yield f"    {numbers_text(numbers_of(launches))}; launches: {len(launches)}"
    for one in outcome.compared:
        yield f"  {compared_text(one, search)}"
    yield from run_lines(search.launches.get(best), best, cards)
    yield from worth_lines(search.worths)
    yield from front_lines(search)
    yield from ruled_out(search)
    every = [one for launches_of in search.launches.values() for one in launches_of]
    if disturbed := [str(one["disturbed"]) for one in every if one.get("disturbed")]:
        counts = f"{len(disturbed)} of {len(every)} launches"
        yield one_line(
            f"  {counts} decided nothing where their configuration had another: disturbed, the first because {disturbed[0]}"
        )


def compared_text(one: Compared, search: Search) -> str:
    """A comparison, in words of the objective."""
    if one.difference is None:
        return f"{one.measured} beside {one.reference}: {said(one)}"
    who = {search.space.default: "the default", one.measured.plain: "the same without it"}.get(
        one.reference, "the runner-up"
    )
    verdict = "" if one.better else "; it is worse" if one.worse else "; not told apart"
    times = f"{ratio_text(one.difference)} {search.objective.than} {who}, {one.reference}"
    quota = f"; {one.throttled}, which makes the two more alike" if one.throttled else ""
    return f"{one.measured}: {times} ({one.pairs} launch pairs side by side){verdict}{quota}"


def numbers_text(numbers: Said) -> str:
    """`median 1.2 ms, p99 1.4 ms, 812 samples/s, 1.9 CPU-seconds per thousand samples, 231 MB`."""
    return ", ".join(
        (
            f"median {duration_text(float(numbers['median_s']))}",
            f"99 % of rounds within {duration_text(float(numbers['p99_s']))}",
            f"{three_digits(float(numbers['throughput_per_s']))} samples/s",
            f"{three_digits(1e6 * float(numbers['cpu_s_per_sample']))} CPU-seconds per million samples",
            megabytes(numbers),
        )
    )


def megabytes(numbers: Said) -> str:
    """Of the peak of all instances."""
    return f"{float(numbers['peak_rss_bytes']) / 1e6:.0f} MB"


def run_lines(launches: Sequence[Said] | None, best: Candidate, cards: Cards) -> Iterator[str]:
    """The lines to type."""
    if not launches:
        return
    configuration, card = launches[-1]["configuration"], cards.get(best.backend, {})
    lines = command_lines(configuration, launches[-1]["cpus"], card)
    yield from (f"  $ {line}" for line in lines[:_LINES])
    if len(lines) > _LINES:
        yield f"  and {len(lines) - _LINES} more, on the other cores"
    if len(lines) > 1:
        yield f"  each with {best.batch_size // best.instances} of the {best.batch_size} samples"
    if code := in_code(configuration, card):
        yield f"  in the program: {code}"


def worth_lines(worths: Sequence[Worth]) -> Iterator[str]:
    """What each knob was worth, with its interval."""
    if not worths:
        return
    yield f"  what each knob was worth, beside the same without it ({1 - 2 * LEVEL:.0%} intervals, above 1 is better)"
    wide = max(len(_settings(one)) for one in worths)
    for one in worths:
        found = f"{ratio_text(one.difference)}, {one.pairs} launch pairs" if one.difference else one.why or "not measured"
        yield f"    {_settings(one):<{wide}}  {found}  ({one.base})"


def front_lines(search: Search) -> Iterator[str]:
    """What nothing else is better than in latency, samples per second and memory at once."""
    front = pareto_front({one: numbers_of(search.launches[one]) for one in search.launches if one not in search.out})
    if not front:
        return
    yield "  nothing measured is better at once in latency, samples/s and memory than these"
    rows = sorted(front.items(), key=lambda pair: float(pair[1]["median_s"]))
    wide = max(len(str(one)) for one, _ in rows[:MOST_ROWS])
    for one, numbers in rows[:MOST_ROWS]:
        latency, rate = duration_text(float(numbers["median_s"])), three_digits(float(numbers["throughput_per_s"]))
        yield f"    {one!s:<{wide}}  {latency:>8}  {rate:>6} samples/s  {megabytes(numbers):>8}"
    if len(rows) > MOST_ROWS:
        yield f"    and {len(rows) - MOST_ROWS} more"


def pareto_front(numbers: Mapping[Candidate, Said]) -> dict[Candidate, Said]:
    """Those that no other equals or betters in median latency, samples per second and peak memory, and betters in one."""
    points = {
        one: (float(words["median_s"]), -float(words["throughput_per_s"]), float(words["peak_rss_bytes"]))
        for one, words in numbers.items()
    }
    return {
        one: numbers[one]
        for one, point in points.items()
        if not any(
            other != point and all(theirs <= mine for theirs, mine in zip(other, point, strict=True))
            for other in points.values()
        )
    }


def ruled_out(search: Search) -> Iterator[str]:
    """What cannot be chosen, with the reason, and what nobody had time for."""
    reasons: dict[str, list[str]] = {}
    for one, why in search.out.items():
        reasons.setdefault(why, []).append(str(one))
    for why, names in reasons.items():
        yield one_line(f"  out: {listed(names, _NAMED)}: {why}")
    if left := search.unmeasured:
        launched = {(one.backend, one.precision) for one in (*search.launches, *search.out)}
        counts = Counter((one.backend, one.precision) for one in left)
        names = [f"{f'{count} of ' if of in launched else ''}{' '.join(of)}" for of, count in counts.items()]
        yield f"  no time for: {listed(names, _NAMED)}; give a longer --budget"


def answer_json(question: Mapping[str, Any], search: Search, outcome: Outcome, lines: Sequence[str]) -> dict[str, Any]:
    """The same for other programs."""
    return {
        **question,
        "best": outcome.best.as_json(),
        "default": search.space.default.as_json(),
        "nothing_to_gain": outcome.nothing_to_gain,
        "settled": outcome.settled,
        "unmeasured": [one.as_json() for one in search.unmeasured],
        "unturned": [{"base": one.base.as_json(), "settings": dict(one.settings)} for one in search.unturned],
        "compared": [
            {
                "measured": one.measured.as_json(),
                "reference": one.reference.as_json(),
                "log_ratio": one.difference and one.difference.estimate,
                "times_better": one.interval and list(one.interval),
                "pairs": one.pairs,
                "why": one.why,
            }
            for one in outcome.compared
        ],
        "knobs": [
            {
                "base": one.base.as_json(),
                "settings": dict(one.settings),
                "times_better": one.difference and [1 / bound for bound in reversed(one.difference.interval(LEVEL))],
                "pairs": one.pairs,
                "why": one.why,
            }
            for one in search.worths
        ],
        "out": [{"candidate": one.as_json(), "why": why} for one, why in search.out.items()],
        "launches": sum(map(len, search.launches.values())),
        "pairs": sum(map(len, search.pairs.values())),
        "lines": list(lines),
    }


def _settings(one: Worth) -> str:
    return ", ".join(f"{knob} {setting}" for knob, setting in one.settings)
