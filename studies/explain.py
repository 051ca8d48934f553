"""Does `explain` name what is there, and nothing where there is nothing? Known truths, and an environment with itself.

Usage: `python -m studies.explain measure [--clean N] [--slowed N]`, which appends a line per comparison to
studies/data/explain.jsonl, and `python -m studies.explain show`, which prints Markdown of all there is.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from baselines.explaining.explanation import Explanation, explained
from baselines.explaining.profile_run import PAIRS
from baselines.explaining.profiles import FILE_NAME, read_profile
from fixtures.machine.fingerprint import Fingerprint
from fixtures.process.environment import REPOSITORY
from studies import loop
from studies.loop import Record, StudyError
from studies.planted import EAGER, OPERATOR, PYTHON, TRUTH, TRUTHS, WIDER, WIDER_LAYERS

EXPECTED: Final[Mapping[str, str]] = {
    EAGER: "attention",
    WIDER: "matrix products",
    OPERATOR: "matrix products",
    PYTHON: "framework between the kernels",
}
TOKENS: Final[Mapping[str, int]] = {EAGER: 512}
"""Where a truth needs another sequence length: at 128 tokens eager attention is worth 0.5 % of bert-mini."""
OF_A_KIND: Final = ("model", "threads", "launches")
FAILURES: Final = 3
"""So many comparisons without a result end the study."""
LAYERS: Final[Mapping[str, set[str]]] = {
    WIDER: {f"layer {number}" for number in WIDER_LAYERS},
    OPERATOR: {"layer 1"},  # the operator is behind the last normalisation of layer 0
}
"""The layers that have to be named first, where a truth is in some of them."""


def compare(folder: Path, options: argparse.Namespace, truth: str | None, backend: str) -> tuple[Explanation, float]:
    """One comparison with the same environment without the truth; what is explained, and how long it took.

    Raises:
        StudyError: pytest left no profile.
    """
    folder.mkdir(parents=True)
    twin = folder / "twin-python"
    twin.write_text(f'#!/bin/sh\nunset {TRUTH}\nexec {shlex.quote(sys.executable)} "$@"\n', encoding="utf-8")
    twin.chmod(0o755)
    command = [sys.executable, "-m", "pytest", "benchmarks/test_core_count_scaling.py", "--benchmark-disable"]
    command += ["-p", "no:cacheprovider", "-p", "studies.planted", "--preset=quick", "--budget=none", "--no-limit"]
    command += ["--model", options.model, "--backends", backend, "--threads", str(options.threads)]
    command += ["--precisions", "fp32", "--batch-sizes", "1", "--sequence-lengths", str(tokens_of(truth, options))]
    command += ["--profile", str(folder / "profiles"), "--runs", str(folder / "runs"), "--store", str(folder / "store")]
    pairs = str(options.launches)
    command += ["--reference", str(twin), "--launches", pairs, "--most-launches", pairs]
    environment = {name: value for name, value in os.environ.items() if name != TRUTH}
    environment |= {TRUTH: truth} if truth else {}
    began = time.monotonic()
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    found = list(folder.glob(f"profiles/*/{FILE_NAME}"))
    if len(found) != 1 or done.returncode:
        raise StudyError(f"pytest ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return explained(read_profile(found[0]), str(found[0].parent)), time.monotonic() - began


def tokens_of(truth: str | None, options: argparse.Namespace) -> int:
    """The sequence length of a comparison."""
    return TOKENS.get(truth or "", int(options.tokens))


def right(truth: str | None, said: Explanation) -> bool:
    """Whether the truth's class (and layers) is named first, as slower; without a truth, whether nothing is."""
    if truth is None:
        return not said.named and not said.named_layers
    layers = LAYERS.get(truth, set())
    first = {row.name for row in said.named_layers[: len(layers)]}
    named = [row.name for row in said.named[:1] if row.difference is not None and row.difference.seconds > 0]
    return named == [EXPECTED[truth]] and first == layers


def record_of(truth: str | None, backend: str, said: Explanation, wall_s: float, options: argparse.Namespace) -> Record:
    """A line of the data."""
    assert said.whole is not None, "not told"  # noqa: S101 - `explained` raises before
    assert said.whole.difference is not None, "one side"  # noqa: S101
    difference = said.whole.difference
    return {
        "machine": Fingerprint.of_this_machine().machine_id,
        "model": options.model,
        "tokens": tokens_of(truth, options),
        "threads": options.threads,
        "launches": said.launches,
        "truth": truth,
        "backend": backend,
        "right": right(truth, said),
        "named": [row.name for row in said.named],
        "layers": [row.name for row in said.named_layers],
        "adds_up": said.adds_up,
        "reference_s": said.whole.reference_s,
        "whole": [difference.seconds, difference.low, difference.high],
        "classes": {row.name: row.difference.seconds for row in said.classes if row.difference},
        "not_explained": said.not_explained.seconds if said.not_explained else None,
        "cost": said.cost,
        "wall_s": wall_s,
    }


def cases(options: argparse.Namespace) -> list[tuple[str | None, str]]:
    """Truths, and comparisons with itself on both backends, in turns."""
    backends = sorted(set(TRUTHS.values()))
    found: list[tuple[str | None, str]] = []
    for number in range(max(options.slowed, options.clean)):
        if number < options.slowed:
            found.append(list(TRUTHS.items())[number % len(TRUTHS)])
        if number < options.clean:
            found.append((None, backends[number % len(backends)]))
    return found


def measure(options: argparse.Namespace) -> int:
    """Each comparison is on disk as soon as it has ended; how many have no result."""
    now = time.strftime("%Y-%m-%d %H:%M", time.gmtime())
    folder = loop.FOLDER / f"runs/explain-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
    chosen, failed = cases(options), 0
    for number, (truth, backend) in enumerate(chosen, start=1):
        try:
            said, wall_s = compare(folder / str(number), options, truth, backend)
        except StudyError as error:
            failed += 1
            if failed == FAILURES:
                raise
            loop.tell(f"{number} of {len(chosen)}, {truth or 'itself'}: left out: {error}")
            continue
        record = record_of(truth, backend, said, wall_s, options)
        loop.append(options.data, {"study": now, **record})
        loop.tell(f"{number} of {len(chosen)}, {truth or 'itself'}: {record['named']} after {wall_s:.0f} s")
    return failed


def show(records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A row per truth."""
    what = lambda one: (one["truth"] or "itself", one["backend"], one["tokens"])  # noqa: E731
    kinds = loop.grouped(records, lambda one: (one["machine"], one["study"][:10], *(one[name] for name in OF_A_KIND)))
    for (machine, day, model, threads, launches), mine in kinds.items():
        yield f"{machine}, {day}, {model}, batch size 1, threads {threads}, {launches} launch pairs:"
        yield ""
        rows = []
        for (truth, backend, tokens), group in loop.grouped(mine, what).items():
            shares = [one["whole"][0] / one["reference_s"] for one in group]
            rest = [abs(one["not_explained"] / one["reference_s"]) for one in group]
            count = sum(one["right"] for one in group)
            adds = sum(one["adds_up"] for one in group)
            took = sum(one["wall_s"] for one in group) / len(group)
            between = f"{min(shares):+.1%} to {max(shares):+.1%}"
            cells = (
                truth,
                backend,
                tokens,
                f"{count} of {len(group)}",
                between,
                f"{adds} of {len(group)}",
                f"{max(rest):.1%}",
                f"{took:.0f} s",
            )
            rows.append(cells)
        yield from loop.table(
            "planted | backend | tokens | right | whole difference | adds up | most not explained | takes", rows
        )
        yield ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; 1 where a comparison has no result, 2 when the study cannot go on."""
    parser = loop.parser("explain", __doc__, "comparisons", clean=20, slowed=20)
    parser.add_argument("--model", default="bert-mini", help="%(default)s")
    parser.add_argument("--tokens", type=int, default=128, help="sequence length (%(default)s; eager attention takes 512)")
    parser.add_argument("--threads", type=int, default=1, help="%(default)s")
    parser.add_argument("--launches", type=int, default=PAIRS, help="launch pairs of a comparison (%(default)s)")
    options = parser.parse_args(arguments)
    try:
        if options.command == "measure":
            return int(measure(options) > 0)
        if not (records := loop.records_in(options.data)):
            raise StudyError(f"{options.data} has no line; measure some: python -m studies.explain measure")
        print("\n".join(show(records)).rstrip())
    except StudyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
