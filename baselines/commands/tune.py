"""`python -m baselines tune`: which backend, number format, threads, instances, batch and knobs are the best here."""

from __future__ import annotations

import argparse
import contextlib
import math
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from baselines.commands import pytest_options, take_pytest
from baselines.comparing.tuning_file import write_answers
from baselines.files.run_folder import RUNS, RunFileError
from baselines.judging.durations import clock, duration, duration_words, seconds
from baselines.judging.wording import one_line, shown
from baselines.requesting.log import Log
from baselines.requesting.session import OutOfTime
from baselines.requesting.today import word_of
from baselines.tuning.asked import (
    AXES,
    SEVERAL,
    again_of,
    asked_text,
    axes_of,
    default_of,
    header_of,
    knobs_of,
    nothing_measured,
    nothing_possible,
    question_of,
    questions_of,
)
from baselines.tuning.objective import OBJECTIVES, Limits, Objective
from baselines.tuning.space import Space

if TYPE_CHECKING:
    from baselines.tuning.measuring import Measuring

HELP = "searches for the best deployment of a model on this machine; 0 answered, 1 undecided"
CHECKOUT: Final = Path(__file__).resolve().parents[2]
FOLDER_NAME: Final = "tuning"
"""In the folder of runs: logs of searches, and what their sessions print."""
NOT_PYTESTS: Final = (
    "--shard",
    "--launches",
    "--most-launches",
    "--confirm",
    "--confirm-by",
    "--reference",
    "--budget",
    "--lf",
)
"""Options of pytest that would narrow a search without its knowing, or mean nothing in it."""
SEARCHES: Final = frozenset({"--model", "--batch-sizes", "--sequence-lengths", "--runs", *(f"--{axis}" for axis in AXES)})
"""Options of pytest that are the search's own."""
ENDING_S: Final = 30.0
"""Of the budget, kept for the run's file and its report; a tenth at the most."""


def declare(command: argparse.ArgumentParser) -> None:
    """What it takes."""
    command.add_argument("--model", metavar="NAME|DIR|HUB_ID", default="bert-base-cased", help="default: %(default)s")
    command.add_argument(
        "--for", dest="objective", choices=tuple(OBJECTIVES), default="latency", help="default: %(default)s"
    )
    command.add_argument(
        "--batch-sizes", type=sizes, metavar="1,8", help="each a question of its own for latency, else chosen"
    )
    command.add_argument("--sequence-lengths", type=sizes, metavar="32,128", default=(128,), help="default: 128")
    command.add_argument("--p99", type=seconds, metavar="50ms", help="99 of 100 rounds have to be as fast as this")
    command.add_argument("--cosine", type=cosine, metavar="0.999", help="answers have to be as near to fp32 PyTorch's")
    command.add_argument("--budget", type=duration, default="15m", metavar="DURATION", help="default: 15m")
    for axis in AXES:
        command.add_argument(f"--{axis}", metavar="A,B", help=AXES[axis])
    command.add_argument("--runs", type=Path, default=RUNS, metavar="DIR", help="where runs are kept (default: runs)")
    command.add_argument("--anew", action="store_true", help="put an interrupted search aside in place of going on with it")
    take_pytest(command, "the pytest that measures")


def sizes(text: str) -> tuple[int, ...]:
    """`1,8` as numbers from 1 up."""
    words = text.split(",")
    if not all(word.strip().isdecimal() and int(word) > 0 for word in words):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of sizes from 1 up, such as 1,8")
    return tuple(sorted({int(word) for word in words}))


def cosine(text: str) -> float:
    """A cosine similarity above 0, up to 1."""
    with contextlib.suppress(ValueError):
        if 0 < (value := float(text)) <= 1:
            return value
    raise argparse.ArgumentTypeError(f"{text!r} is not a cosine above 0, up to 1, such as 0.999")


def run(arguments: argparse.Namespace) -> tuple[str, int]:
    """Searches; 0 where every question has an answer, 1 where one has none yet, 130 after Ctrl-C.

    Raises:
        RunFileError: nothing can be measured, or a file cannot be read or written.
    """
    from baselines.tuning.measuring import Measuring, demand_the_same, earlier_folder, is_answered, started
    from baselines.tuning.measuring import arguments as of_pytest

    began_s, objective = time.monotonic(), OBJECTIVES[arguments.objective]
    for word in arguments.pytest or ():
        if (option := word.partition("=")[0]) in NOT_PYTESTS:
            raise RunFileError(f"--pytest {word}: what is launched, and how often, is the search's to say; leave it out")
        if option in SEARCHES:
            raise RunFileError(f"--pytest {word}: the search has to know it: put it before --pytest")
    if math.isinf(arguments.budget):
        raise RunFileError("--budget none: a search goes on for as long as it is given; give a duration, such as 15m")
    if arguments.batch_sizes is None:
        arguments.batch_sizes = SEVERAL if objective.chooses_batch else (1,)
    extra, folder = pytest_options(arguments), arguments.runs / FOLDER_NAME
    header = header_of(arguments, extra, CHECKOUT)
    path = folder / f"{Path(arguments.model).name}-{objective.name}-{word_of(header)}.jsonl"
    log = Log(path, header, anew=arguments.anew or is_answered(path))
    again = again_of(arguments)
    until_s = began_s + arguments.budget - min(ENDING_S, 0.1 * arguments.budget)
    tell(f"{question_of(arguments)}\nlog: {shown(path)}")
    words = of_pytest(
        model=arguments.model,
        batch_sizes=arguments.batch_sizes,
        sequence_lengths=arguments.sequence_lengths,
        axes=axes_of(arguments),
        extra=[f"--runs={arguments.runs.absolute()}", *extra],
    )
    texts: list[str] = []
    code, session, run_folder = 0, None, Path()
    try:
        session = started(words, folder / "session.txt", CHECKOUT, until_s=until_s)
        measuring = Measuring(session=session, log=log, began_s=began_s)
        possible = session.ask("possible")
        run_folder = Path(possible["folder"])
        demand_the_same(log, possible["about"])
        if (earlier := earlier_folder(log)) is not None:
            session.ask("earlier", folder=earlier)
        log.add({"session": possible["folder"], "about": possible["about"]})
        answers = []
        for text, answer, undecided in answered(arguments, objective, possible, measuring, until_s - began_s):
            texts.append(text)
            answers.append(answer)
            code = max(code, int(undecided))
            write_answers(run_folder, answers)  # hours may lie between two questions
        if all(one["best"] is None for one in answers):
            raise RunFileError("nothing can be chosen")
        left = any(one["unmeasured"] or one["unturned"] for one in answers)
        if not code and not left:  # else a longer budget goes on with it
            log.add({"answer": {"run": possible["folder"]}})
        session.finish(max(5.0, began_s + arguments.budget - time.monotonic()))
    except OutOfTime:
        raise RunFileError(
            f"--budget {duration_words(arguments.budget)}: it was over while the model was prepared. Go on: {again}"
        ) from None
    except KeyboardInterrupt:
        texts.append(f"interrupted; what was measured is in {shown(path)}. Go on: {again}")
        return "\n\n".join(texts), 130
    except (OSError, RunFileError) as error:
        kept = f"\nWhat was measured is in {shown(path)}. Go on: {again}" if len(log.entries) > 1 else ""
        raise RunFileError("\n".join((f"{error}{kept}", *texts))) from None
    finally:
        with contextlib.suppress(KeyboardInterrupt):
            if session is not None:
                session.close()
    report = run_folder / "report" / "report.html"
    texts.append(f"took {clock(time.monotonic() - began_s)}; run: {shown(run_folder)}")
    if report.exists():
        texts[-1] += f"; report: {shown(report)}"
    return "\n\n".join(texts), code


def answered(
    arguments: argparse.Namespace,
    objective: Objective,
    possible: Mapping[str, Any],
    measuring: Measuring,
    budget_s: float,
) -> Iterator[tuple[str, dict[str, Any], bool]]:
    """The answer to each question: text, the same for programs, and whether it is undecided or has none."""
    from baselines.tuning.answer import answer_json, answer_lines  # scipy, which the other commands need not wait for
    from baselines.tuning.beside import finish
    from baselines.tuning.measuring import space_words
    from baselines.tuning.search import Search

    everything = space_words(possible)
    questions = questions_of(arguments, objective)
    for number, (batches, length) in enumerate(questions):
        plain = [one for one in everything if one.batch_size in batches and one.sequence_length == length]
        what = {"model": arguments.model, "for": objective.name, "batch_sizes": batches, "sequence_length": length}
        asked = asked_text(arguments, batches, length)
        if not plain:
            yield none_of(what, asked, nothing_possible(possible))
            continue
        search = Search(
            space=Space(plain=plain, knobs=knobs_of(possible), default=default_of(plain), costs_s=possible["costs_s"]),
            objective=objective,
            limits=Limits(p99_s=arguments.p99, cosine=arguments.cosine),
            measurer=measuring,
            began_s=measuring.elapsed_s,
            budget_s=(budget_s - measuring.elapsed_s) / (len(questions) - number),
            tell=tell,
        )
        found = search.run()
        outcome = finish(search, found) if found else None
        if outcome is None or outcome.best in search.out:
            yield none_of(what, asked, nothing_measured(search.out, arguments.budget))
            continue
        lines = list(answer_lines(asked, search, outcome, possible["cards"]))
        yield "\n".join(lines), answer_json(what, search, outcome, lines), not outcome.settled


def none_of(what: Mapping[str, Any], asked: str, why: str) -> tuple[str, dict[str, Any], bool]:
    """The answer to a question that has none, as `answered` gives it."""
    lines = [one_line(asked), one_line(f"  no answer: {why}")]
    return "\n".join(lines), {**what, "best": None, "unmeasured": [], "unturned": [], "lines": lines}, True


def tell(line: str) -> None:
    """Progress, which is not the answer."""
    print(line, file=sys.stderr, flush=True)
