"""Several machines beside each other: what each is best at with one model, and what a million samples cost on it.

Values and lines; recommend.py reads the runs and prints. Nothing is judged: two machines differ by more than code.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from baselines.comparing.disturbance import disturbed_because
from baselines.deploying.best_configurations import Candidate, Recommendation
from baselines.deploying.cost import LETTERS, PLAIN, cost_per_million
from baselines.deploying.promise import Promise
from baselines.deploying.told import ratio_of
from baselines.deploying.words import configuration_text, promise_text, samples_text
from baselines.files.run import Run
from baselines.files.run_folder import RunFileError
from baselines.judging.wording import duration_text, listed, shown, three_digits


@dataclass(frozen=True, kw_only=True)
class Machine:
    """One run, which stands for its machine."""

    letter: str
    """What it is called: A is the first run that was named."""
    run: Run
    found: Sequence[Recommendation]
    price: float | None
    """Per hour; None: nobody said it."""

    def of(self, size: tuple[int, int]) -> Recommendation | None:
        """What to run for a problem size; None where it was not measured."""
        return next((one for one in self.found if (one.batch_size, one.sequence_length) == size), None)


def machines_of(runs: Sequence[tuple[Run, Sequence[Recommendation]]], prices: Mapping[str, float]) -> tuple[Machine, ...]:
    """The runs as machines, each with its price, by its letter or by its machine id.

    Raises:
        RunFileError: they are not of one model and its inputs, there are too many, or a price is for none of them.
    """
    if len(runs) > len(LETTERS):
        raise RunFileError(f"{len(runs)} runs: at most {len(LETTERS)} are compared")
    first = runs[0][0]
    for run, _ in runs[1:]:
        for what, mine, other in zip(("model", "inputs"), _measured_with(run), _measured_with(first), strict=True):
            if mine != other:
                raise RunFileError(
                    f"{run.path}: measured with {what} {mine}, and {first.path} with {other}: nothing to compare"
                )
    names = dict.fromkeys([*LETTERS[: len(runs)], *(str(run.machine_id) for run, _ in runs)])
    if PLAIN in prices:
        raise RunFileError(
            f"one price for {len(runs)} runs: say whose each is, --price A={three_digits(prices[PLAIN])},B=..."
        )
    if unknown := [name for name in prices if name not in names]:
        raise RunFileError(f"--price {unknown[0]}: there are {listed(names, len(names))}")
    return tuple(
        Machine(letter=letter, run=run, found=found, price=prices.get(letter, prices.get(str(run.machine_id))))
        for letter, (run, found) in zip(LETTERS, runs, strict=False)
    )


def _measured_with(run: Run) -> tuple[str, str]:
    """The model, which its name alone does not say, and where its inputs come from."""
    return f"{run.model} {str(run.results[0].identity.get('model.config_sha256'))[:12]}", str(run.inputs)


def lines_of(machines: Sequence[Machine]) -> Iterator[str]:
    """All that is said of them, but for what the intervals are.

    Raises:
        RunFileError: no problem size was measured in all runs.
    """
    sizes = sorted({(one.batch_size, one.sequence_length) for machine in machines for one in machine.found})
    shared = [size for size in sizes if all(machine.of(size) for machine in machines)]
    if not shared:
        raise RunFileError(f"no problem size was measured in all {len(machines)} runs")
    for size in shared:
        yield from ("", *section(machines, size))
    if left := [size for size in sizes if size not in shared]:
        words = (f"{batch}x{length}" for batch, length in left)
        yield from ("", f"not measured in every run, and left out: {listed(words, len(left))}")


def head(machines: Sequence[Machine]) -> Iterator[str]:
    """Which machine each letter is."""
    for one in machines:
        when = one.run.datetime.strftime("%Y-%m-%d %H:%M UTC") if one.run.datetime else "at an unknown time"
        price = "no price" if one.price is None else f"{one.price:g} an hour"
        yield f"{one.letter}  {one.run.model} on {one.run.machine_id}, {price}, measured {when} in {shown(one.run.path)}"


def section(machines: Sequence[Machine], size: tuple[int, int]) -> Iterator[str]:
    """One problem size: each machine, then which is fastest and which is cheapest."""
    yield f"batch {size[0]}, sequence {size[1]}"
    latencies: dict[str, Promise] = {}
    costs: dict[str, Promise] = {}
    for machine, one in ((machine, one) for machine in machines if (one := machine.of(size))):
        latencies[machine.letter] = one.fastest.latency
        latency = promise_text(one.fastest.latency, duration_text)
        yield f"  {machine.letter}  latency     {latency}: {configuration_text(one.fastest)}"
        if one.most is not None and one.most.throughput is not None:
            yield f"     throughput  {promise_text(one.most.throughput, samples_text)}: {configuration_text(one.most)}"
            if machine.price is not None:
                costs[machine.letter] = cost_per_million(machine.price, one.most.throughput)
            if parts := list(per_million(one.most, costs.get(machine.letter))):
                yield f"     a million   {', '.join(parts)}"
        if any(disturbed_because(side.result) for side in (one.fastest, one.most) if side):
            yield "     read it with care: disturbed while measured"
    yield from ranked("fastest ", latencies, "takes", "as long")
    if len(costs) > 1:
        yield from ranked("cheapest", costs, "costs", "as much")


def per_million(candidate: Candidate, cost: Promise | None) -> Iterable[str]:
    """What a million samples take and cost, as far as it is known."""
    if cost is not None:
        yield f"costs {promise_text(cost, three_digits)}"
    if candidate.cpu_s_per_sample is not None:
        yield f"{three_digits(1e6 * candidate.cpu_s_per_sample)} CPU-seconds"


def ranked(word: str, values: Mapping[str, Promise], does: str, as_what: str) -> Iterator[str]:
    """The least of some values, and how many times as much each other is; or that it cannot be told apart."""
    best, *others = sorted(values, key=lambda letter: values[letter].value)
    said = []
    for letter in others:
        if values[letter].overlaps(values[best]):
            said.append(f"{letter} is not told apart from it")
        else:
            ratio = ratio_of(values[letter], values[best])
            said.append(f"{letter} {does} {promise_text(ratio, three_digits)} times {as_what}")
    yield f"  {word}       {best}; {'; '.join(said)}"
