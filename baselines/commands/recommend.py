"""`python -m baselines recommend [RUN]`: what to run, from what was measured, and what it promises and costs."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from baselines.commands import take_store
from baselines.comparing.instructions import emulated_formats, int8_without_vnni
from baselines.comparing.tuning_file import FILE_NAME, read_answers
from baselines.deploying import machines_beside
from baselines.deploying.best_configurations import Candidate, Recommendation, recommendations
from baselines.deploying.command_line import command_lines, in_code
from baselines.deploying.cost import cost_per_million, price_of, prices
from baselines.deploying.dispatch_plan import plan_of, write_plan
from baselines.deploying.promise import LEVEL, reaches
from baselines.deploying.told import fewer_formats, remarks
from baselines.deploying.words import configuration_text, promise_text, samples_text
from baselines.files.past import pasts
from baselines.files.reading_runs import read_with_content
from baselines.files.result import Result
from baselines.files.run import Run
from baselines.files.run_folder import RunFileError, run_path
from baselines.files.store import accepted_runs
from baselines.judging.policy import Policy
from baselines.judging.wording import duration_text, one_line, shown, three_digits

HELP = "the best configuration of every problem size of a run, what it promises and how to run it; or of several machines"
_NAMED: Final = 3  # others that a line names
_LINES: Final = 8  # command lines that are spelt out

Cards = Mapping[str, Mapping[str, Any]]
"""What a run says of its backends, by name."""
Results = Sequence[tuple[Result, Mapping[str, Any]]]
"""Of a run, each with its record in the file."""


def declare(command: argparse.ArgumentParser) -> None:
    """What it takes."""
    command.add_argument(
        "run",
        nargs="*",
        type=Path,
        help="file or folder (default: the newest under runs/); several: their machines beside each other",
    )
    command.add_argument(
        "--price",
        type=prices,
        default={},
        metavar="PER_HOUR",
        help="of the whole machine: prints the cost of a million samples; of several runs A=4.85,B=0.81, in their order",
    )
    command.add_argument(
        "--plan", type=Path, metavar="FILE", help="write a plan for smart dispatching, for pytest --dispatch-plan FILE"
    )
    take_store(command)


def run(arguments: argparse.Namespace) -> str:
    """The best configuration of every problem size of a run, or of several; accepted runs say how far runs lie apart.

    Raises:
        RunFileError: one cannot be read, this suite did not write it, it holds nothing to recommend from, or several are
            not to be compared.
    """
    if len(arguments.run) > 1:
        return "\n".join(map(one_line, beside(arguments)))
    (path,) = arguments.run or [None]
    read, results, found, cores = best_of(path, arguments.store)
    price = price_of(read, arguments.price)
    lines = list(head(read, found))
    for one in found:
        lines += ["", *section(one, price, cores, read.backends)]
    if arguments.plan is not None:
        write_plan(made := plan_of(results, read.name), arguments.plan)
        served = [one for one in read.results if one.configuration.get("backend") == made["made_from"]["backend"]]
        lines += ["", *plan_lines(made, arguments.plan, read.options_of(served))]
    return "\n".join(map(one_line, lines))


def beside(arguments: argparse.Namespace) -> Iterable[str]:
    """Several machines beside each other.

    Raises:
        RunFileError: as `run`.
    """
    if arguments.plan is not None:
        raise RunFileError(f"--plan {arguments.plan}: a plan is made of one run, and {len(arguments.run)} were named")
    read = [best_of(path, arguments.store) for path in arguments.run]
    machines = machines_beside.machines_of([(one, found) for one, _, found, _ in read], arguments.price)
    yield from machines_beside.head(machines)
    yield from intervals([one for _, _, found, _ in read for one in found])
    yield from machines_beside.lines_of(machines)


def best_of(path: Path | None, store: Path) -> tuple[Run, Results, list[Recommendation], int | None]:
    """A run, its results with their records, what to run for each problem size, and the machine's physical cores.

    Raises:
        RunFileError: as `run`.
    """
    read, content = read_with_content(run_path(path))
    if not read.ours:
        raise RunFileError(f"{read.path}: not a run of this suite: it does not say what was configured")
    if not read.results:
        raise RunFileError(f"{read.path}: it holds no benchmark: there is nothing to recommend from")
    results = list(zip(read.results, content["benchmarks"], strict=True))
    physical = read.machine_hard.get("physical_cores")
    cores = physical if isinstance(physical, int) and physical > 0 else None
    past = pasts(accepted_runs(read.machine_id, read.model, store)) if read.machine_id and read.model else {}
    found = recommendations(results, reaches(read.by_key, past), cores)
    if not found:
        raise RunFileError(f"{read.path}: it holds only other questions: streams, CPU limits, padding or texts")
    return read, results, found, cores


def head(run: Run, found: Sequence[Recommendation]) -> Iterable[str]:
    """Which run it is, and what its intervals are."""
    when = run.datetime.strftime("%Y-%m-%d %H:%M UTC") if run.datetime else "at an unknown time"
    yield f"{run.model} on {run.machine_id}, measured {when} in {shown(run.path)}"
    yield from intervals(found)
    if read_answers(run):
        answer = shown(run.path.parent / FILE_NAME)
        yield f"Note: a search measured these. Its own answer keeps its limits and was proven side by side: {answer}."
    if slow_int8 := int8_without_vnni(run):
        yield f"Note: {slow_int8}."
    for slow in emulated_formats(run):
        yield f"Note: {slow}."
    if fewer := fewer_formats(run, found):
        yield f"Note: {fewer}"
    for remark in remarks(run, found):
        yield f"Note: {remark}."


def intervals(found: Sequence[Recommendation]) -> Iterable[str]:
    """What the numbers in brackets are."""
    seen = [candidate.accepted_runs for one in found for candidate in (one.fastest, one.most) if candidate]
    yield f"In brackets: where {LEVEL:.0%} of new runs lie,"
    if min(seen):
        yield f"by the spread of {min(seen)} or more accepted runs of this machine and model."
    else:
        sd, enough = Policy().prior_run_sd, Policy().enough_runs
        yield f"if runs lie {sd:.1%} apart, which is assumed until {enough} accepted runs say it."


def section(one: Recommendation, price: float | None, cores: int | None, cards: Cards) -> Iterable[str]:
    """What is said of one problem size."""
    yield f"batch {one.batch_size}, sequence {one.sequence_length}"
    yield f"  latency     {promise_text(one.fastest.latency, duration_text)}"
    yield from how(one.fastest, one.as_fast, one.batch_size, cards)
    if one.most is not None and one.most.throughput is not None:
        yield f"  throughput  {promise_text(one.most.throughput, samples_text)}"
        if one.most is one.fastest:
            yield "              the same configuration"
        else:
            yield from how(one.most, one.as_much, one.batch_size, cards)
    if price is not None:
        yield from costs(one, price, cores)


def how(candidate: Candidate, others: Sequence[Candidate], batch_size: int, cards: Cards) -> Iterable[str]:
    """A configuration, what cannot be told apart from it, and how to run it."""
    margin = " " * 14
    yield f"{margin}{configuration_text(candidate)}"
    texts = [text for text in dict.fromkeys(map(configuration_text, others)) if text != configuration_text(candidate)]
    if texts:
        more = f"; and {len(texts) - _NAMED} more" if len(texts) > _NAMED else ""
        yield f"{margin}not told apart by the intervals: {'; '.join(texts[:_NAMED])}{more}"
    if (share := candidate.result.share_of_limit) is not None:
        yield f"{margin}{share:.0%} of what its CPUs reach on a large matrix product"
    if (seconds := candidate.cpu_s_per_sample) is not None:
        yield f"{margin}{three_digits(1e6 * seconds)} CPU-seconds per million samples"
    configuration = candidate.result.configuration
    card = cards.get(str(configuration.get("backend")), {})
    lines = command_lines(configuration, candidate.instances, card)
    for line in lines[:_LINES]:
        yield f"{margin}$ {line}"
    if len(lines) > _LINES:
        yield f"{margin}and {len(lines) - _LINES} more, on the CPUs of per_instance"
    if len(lines) > 1:
        yield f"{margin}each with {batch_size // len(lines)} of the {batch_size} samples"
    if code := in_code(configuration, card):
        yield f"{margin}in the program: {code}"


def costs(one: Recommendation, price: float, cores: int | None) -> Iterable[str]:
    """What a million samples cost: of the configuration with the highest throughput, and per core.

    price / 3600 / throughput x 10^6. The second line is the study's claim: whoever needs 8 of 48 cores and can rent 8 at the
    same price per core pays a sixth.
    """
    if one.most is None or one.most.throughput is None:
        yield "  cost        unknown: the run does not say what the throughput was"
        return
    whole = cost_per_million(price, one.most.throughput)
    yield f"  cost        {promise_text(whole, three_digits)} per million samples"
    reference = one.pytorch.throughput if one.pytorch else None
    usual = cost_per_million(price, reference) if reference else None
    if usual:
        ratio = three_digits(usual.value / whole.value)
        yield f"              PyTorch out of the box: {promise_text(usual, three_digits)}, {ratio} times as much"
    else:
        yield "              PyTorch out of the box was not measured at this problem size"
    cheapest = one.cheapest
    if cheapest and cheapest.throughput and cores and cheapest.cores and cheapest.cores < cores:
        part = cost_per_million(price * cheapest.cores / cores, cheapest.throughput)
        on = f"on {cheapest.cores} of {cores} cores at the same price per core:"
        yield f"              {promise_text(part, three_digits)} {on}"
        yield f"              {configuration_text(cheapest)}"
        if usual:
            ratio = three_digits(usual.value / part.value)
            yield f"              PyTorch out of the box on all of them: {ratio} times as much"


def plan_lines(plan: Mapping[str, Any], path: Path, options: Sequence[str]) -> Iterable[str]:
    """What the plan says, and how to measure it: with these options, which make its backend known."""
    made = plan["made_from"]
    yield f"dispatch plan for {made['backend']} {made['precision']}, requests by length {made['requests_by_length']}"
    for pool in plan["pools"]:
        lengths = ", ".join(map(str, pool["lengths"]))
        yield f"  up to {lengths} tokens: {pool['share']:.0%} of the cores, instances of {pool['threads']} thread(s)"
    yield f"  written  {shown(path)}"
    command = ["pytest", "benchmarks/test_smart_dispatching.py", "--benchmark-only", *options, "--dispatch-plan"]
    yield f"  $ {shlex.join([*command, shown(path)])}"
