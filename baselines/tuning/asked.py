"""What a search is asked: its questions, what it may choose among, and the words of its command."""

from __future__ import annotations

import argparse
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from baselines.files.run_folder import RUNS
from baselines.judging.durations import duration_words
from baselines.judging.wording import shown
from baselines.requesting.commits import code_now
from baselines.requesting.today import installed, word_of
from baselines.tuning.objective import Objective
from baselines.tuning.space import Candidate

AXES: Final = {
    "backends": "search among these alone (default: all)",
    "precisions": "search among these number formats alone (default: all)",
    "threads": "numbers of threads of one instance; as it comes is always tried (default: 1, 2, 4, ... all cores)",
    "instances": "how many instances may share the cores; one is always tried (default: 1, 2, 4, ... one per core)",
}
SEVERAL: Final = (1, 8, 32)
"""Batch sizes to choose among where none is named."""
DEFAULT_BACKEND: Final = "pytorch"
_DIGITS: Final = 12
"""Of a limit in seconds: the command that goes on says the same one."""


def questions_of(arguments: argparse.Namespace, objective: Objective) -> list[tuple[tuple[int, ...], int]]:
    """(batch sizes to choose among, sequence length) of each question."""
    batches = [arguments.batch_sizes] if objective.chooses_batch else [(one,) for one in arguments.batch_sizes]
    return [(some, length) for length in arguments.sequence_lengths for some in batches]


def knobs_of(possible: Mapping[str, Any]) -> dict[str, list[tuple[str, str]]]:
    """By backend, the settings that can be had here."""
    return {backend: [(knob, setting) for knob, setting in settings] for backend, settings in possible["knobs"].items()}


def default_of(plain: Sequence[Candidate]) -> Candidate:
    """As it comes: PyTorch's, else the first backend's, with its own threads, in fp32 where it may be."""
    as_it_comes = [one for one in plain if one.threads is None and one.instances == 1] or list(plain)
    first = [one for one in as_it_comes if one.backend == DEFAULT_BACKEND] or as_it_comes
    mine = [one for one in first if one.backend == first[0].backend]
    formats = [one.precision for one in mine]
    precision = "fp32" if "fp32" in formats else formats[0]
    return min((one for one in mine if one.precision == precision), key=lambda one: one.batch_size)


def nothing_possible(possible: Mapping[str, Any]) -> str:
    """Why there is nothing to choose among."""
    reasons = "; ".join(f"{one['reason']} ({len(one['benchmarks'])})" for one in possible["out"])
    return f"nothing can run here of what was asked for: {reasons or 'nothing was collected'}"


def nothing_measured(out: Mapping[Candidate, str], budget_s: float) -> str:
    """Why a search has no answer at all."""
    if out:
        one, why = next(iter(out.items()))
        return f"{len(out)} configurations were measured and none can be chosen; the first, {one}: {why}"
    return f"--budget {duration_words(budget_s)}: there was no time for a single launch. Give more"


def header_of(arguments: argparse.Namespace, extra: Sequence[str], checkout: Path) -> dict[str, Any]:
    """What a search is about: with other words it is another search."""
    return {
        "schema": 1,
        "model": str(arguments.model),
        "for": arguments.objective,
        "batch_sizes": list(arguments.batch_sizes),
        "sequence_lengths": list(arguments.sequence_lengths),
        "p99_s": arguments.p99 and round(arguments.p99, _DIGITS),
        "cosine": arguments.cosine,
        "axes": axes_of(arguments),
        "pytest": list(extra),
        "packages": word_of(installed()),
        "code": code_now(checkout),
        "cpus": sorted(os.sched_getaffinity(0)),
        "cpu": cpu_name(),
    }


def cpu_name(file: Path = Path("/proc/cpuinfo")) -> str:
    """What the kernel calls this CPU; empty where it does not say."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", file.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
    except OSError:
        return ""
    return found[1] if found else ""


def axes_of(arguments: argparse.Namespace) -> dict[str, str]:
    """The axes that were named."""
    return {axis: getattr(arguments, axis) for axis in AXES if getattr(arguments, axis)}


def question_of(arguments: argparse.Namespace) -> str:
    """What is searched, for the first line."""
    return f"{arguments.model}: the best for {arguments.objective}, within {duration_words(arguments.budget)}"


def asked_text(arguments: argparse.Namespace, batches: Sequence[int], length: int) -> str:
    """`bert-mini, batch 1, sequence 128: the best for latency`."""
    return f"{arguments.model}, batch {', '.join(map(str, batches))}, sequence {length}: the best for {arguments.objective}"


def again_of(arguments: argparse.Namespace) -> str:
    """The command that goes on with this search."""
    words = ["python", "-m", "baselines", "tune", "--model", str(arguments.model), "--for", arguments.objective]
    words += ["--batch-sizes", ",".join(map(str, arguments.batch_sizes))]
    words += ["--sequence-lengths", ",".join(map(str, arguments.sequence_lengths))]
    words += ["--p99", f"{arguments.p99:.{_DIGITS}f}".rstrip("0").rstrip(".") + "s"] if arguments.p99 else []
    words += ["--cosine", repr(arguments.cosine)] if arguments.cosine else []
    words += ["--budget", duration_words(arguments.budget)]
    words += [word for axis, value in axes_of(arguments).items() for word in (f"--{axis}", value)]
    words += ["--runs", shown(arguments.runs)] if arguments.runs != RUNS else []
    words += ["--pytest", *arguments.pytest] if arguments.pytest else []
    return shlex.join(words)
