"""Launches of a search, measured by a session of pytest and kept in a log: what is in it already is not measured again."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from baselines.files.run_folder import RunFileError
from baselines.judging.wording import shown
from baselines.requesting.log import Log
from baselines.requesting.session import Measurer, Session
from baselines.tuning.objective import Said
from baselines.tuning.space import Candidate

QUESTION: Final = "benchmarks/test_best_deployment.py"
EFFORT: Final = "--benchmark-max-time=0.3"
"""Many short launches: the launch is the evidence, and more rounds of one make it no more than one."""


@dataclass(kw_only=True)
class Measuring:
    """As `search.Measurer`."""

    session: Measurer
    log: Log
    began_s: float
    """Of the command, on CLOCK_MONOTONIC: its budget counts from there."""
    _launches: dict[Candidate, deque[Said]] = field(default_factory=lambda: defaultdict(deque))
    _pairs: dict[tuple[Candidate, Candidate, int, str], Said] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for entry in self.log.entries:
            if "launch" in entry:
                if any("failed" in said for said in entry["launch"]["said"]):
                    continue  # it may have passed: once more
                for words, said in zip(entry["launch"]["candidates"], entry["launch"]["said"], strict=True):
                    self._launches[Candidate.from_json(words)].append(said)
            elif "pair" in entry:
                pair = entry["pair"]
                sides = (Candidate.from_json(pair["measured"]), Candidate.from_json(pair["reference"]))
                self._pairs[(*sides, pair["number"], pair["quantity"])] = pair["said"]

    @property
    def elapsed_s(self) -> float:
        """What everything took so far, getting ready as well."""
        return time.monotonic() - self.began_s

    def launch(self, candidates: Sequence[Candidate]) -> Sequence[Said]:
        """One fresh launch of candidates that differ in their batch alone."""
        if all(self._launches[one] for one in candidates):
            return [self._launches[one].popleft() for one in candidates]
        words = [one.as_json() for one in candidates]
        said: Sequence[Said] = self.session.ask("launch", deployments=words)
        self.log.add({"launch": {"candidates": words, "said": said}})
        return said

    def pair(self, measured: Candidate, reference: Candidate, number: int, quantity: str) -> Said:
        """A launch pair; raises Wrong where a side failed."""
        if (known := self._pairs.pop((measured, reference, number, quantity), None)) is not None:
            return known
        words = {"measured": measured.as_json(), "reference": reference.as_json(), "number": number, "quantity": quantity}
        said: Said = self.session.ask("pair", **words)
        self.log.add({"pair": {**words, "said": said}})
        return said


def arguments(
    *, model: str, batch_sizes: Sequence[int], sequence_lengths: Sequence[int], axes: Mapping[str, str], extra: Sequence[str]
) -> list[str]:
    """Of the session of pytest that measures.

    Args:
        model: which.
        batch_sizes: that it may be asked for.
        sequence_lengths: likewise.
        axes: of `--backends`, `--precisions`, `--threads` and `--instances`, those that were named, without dashes.
        extra: more options for pytest.
    """
    sizes = {"batch-sizes": ",".join(map(str, batch_sizes)), "sequence-lengths": ",".join(map(str, sequence_lengths))}
    named = [f"--{name}={value}" for name, value in {**sizes, **axes}.items()]
    plain = ["--benchmark-only", "--budget=none", "--no-limit", "-p", "no:cacheprovider", EFFORT]
    return [QUESTION, *plain, "--model", model, *named, *extra]


def started(words: Sequence[str], printed: Path, checkout: Path, *, until_s: float | None) -> Session:
    """The session, ready for requests; as `Session`."""
    return Session(words, "--launches-on-request", printed, checkout, until_s=until_s)


def earlier_folder(log: Log) -> str | None:
    """The folder of the last session of a search that was interrupted."""
    folders = [str(entry["session"]) for entry in log.entries if "session" in entry]
    return folders[-1] if folders else None


def demand_the_same(log: Log, about: Mapping[str, Any]) -> None:
    """What only a session knows of what it measures has to be as in the sessions before it.

    Raises:
        RunFileError: it is not.
    """
    for before in (entry["about"] for entry in log.entries if "about" in entry):
        if other := [f"{word} {before.get(word)}, now {here}" for word, here in about.items() if before.get(word) != here]:
            raise RunFileError(f"{shown(log.path)}: it was measured with {'; '.join(other)}: put it aside: --anew")


def is_answered(path: Path) -> bool:
    """Whether a log is of a search that came to its end: the same command begins another."""
    try:
        return b'\n{"answer":' in path.read_bytes()
    except OSError:
        return False


def space_words(possible: Mapping[str, Any]) -> list[Candidate]:
    """What a session says that there is to choose among."""
    return [Candidate.from_json(words) for words in possible["deployments"]]
