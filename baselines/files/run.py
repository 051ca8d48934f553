"""One run as a value: its results, and what its file says of machine, environment and options. reading_runs.py makes it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from baselines.files.result import Result
from baselines.files.run_folder import RUN_NAME
from baselines.judging.judgement import Judgement


@dataclass(frozen=True, kw_only=True)
class Acceptance:
    """How a run became part of the baseline."""

    number: int
    """Its place in the history, from the name of its file."""
    reason: str
    accepted: str
    """When, ISO 8601 in UTC."""
    commit: str
    """The commit that was checked out when it was accepted."""
    run: str
    """The folder of the run."""
    whole: bool
    """False when `--only` picked benchmarks out of the run."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One file of results."""

    path: Path
    results: tuple[Result, ...]
    """In the order of the file."""
    unusable: Mapping[str, str]
    """Of another suite's file: by name, why a benchmark cannot be judged."""
    ours: bool
    """Whether this suite wrote it; the words that only this suite writes are empty otherwise."""
    machine_id: str | None
    filed_as: str | None
    """The machine id as the file has it: another one where that still had the amount of memory in it."""
    machine_hard: Mapping[str, Any]
    machine_soft: Mapping[str, Any]
    """Of a foreign file the few words of pytest-benchmark's machine_info that keep still."""
    commit: str | None
    commit_error: str | None
    """Why it is not known."""
    dirty: bool
    """Whether tracked files had changes when it was measured."""
    datetime: dt.datetime | None
    """When it began, in UTC."""
    packages: Mapping[str, str]
    """Version by distribution, `2.13.0+cpu` with its local label; empty where the file does not say."""
    requires: Mapping[str, tuple[str, ...]]
    """By distribution, what it requires itself, as far as a worker of a backend needs it."""
    altered: Mapping[str, str] | None
    """By path in site-packages, files that are not as pip installed them, and how; None where the file does not say."""
    preset: str | None
    model: str | None
    inputs: str | None
    backends: Mapping[str, Mapping[str, Any]]
    """By name, what the cards said: `thread_variables`, `thread_code`, `needs`, `remark`, and `file` of one from outside."""
    options: tuple[str, ...]
    """Of its command line: those that say which benchmarks there are and what judges them, as one word each."""
    arguments: str | None
    speed_guards: bool
    """False when it was measured with --no-speed-guards: its times mean nothing."""
    partial: bool
    """Whether it was cut off before its last benchmark."""
    not_passed: Mapping[str, Mapping[str, str]]
    """Outcome and reason by node id, of benchmarks that were failed or skipped; one that was measured may be red."""
    not_reached: tuple[str, ...]
    left_out: Mapping[str, float]
    """Predicted seconds by node id, of benchmarks that did not fit into its budget."""
    judgements: Mapping[str, Judgement]
    """By node id what was said while it ran, with fresh launches of suspects; empty where nothing was judged."""
    missing: Mapping[str, str]
    """By node id, benchmarks of the baseline that it should have measured and did not, and what became of them."""
    judged_against: tuple[str, ...]
    """The files of the accepted runs behind `verdicts`."""
    exit_status: int
    """What pytest ended with; 0 where the file does not say."""
    accepted: Acceptance | None = None
    skipped: Mapping[str, str] = field(default_factory=dict)
    """Reason by node id, of benchmarks that were skipped before anything started."""
    shard: Mapping[str, Any] = field(default_factory=dict)
    """Of a part: `index`, `of`, `plan_sha256`, `bridges`; empty where it is a run by itself."""
    parts: tuple[Mapping[str, Any], ...] = ()
    """Of a merged run, from which parts and machines it is; empty where one machine measured it."""
    missing_parts: tuple[int, ...] = ()
    """Of a merged run, the parts that were not there."""
    bridges: Mapping[str, Any] = field(default_factory=dict)
    """Of a merged run, how far its parts lie apart in what all of them measured."""
    by_key: Mapping[str, Result] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_key", {result.key: result for result in self.results})

    @property
    def is_one_of_several(self) -> bool:
        """Whether it is a part, and the others of its plan are elsewhere."""
        return bool(self.shard.get("of", 1) != 1)

    @property
    def not_measured(self) -> dict[str, Mapping[str, str]]:
        """Of those that did not pass, those that left no result."""
        measured = {result.fullname for result in self.results}
        return {name: how for name, how in self.not_passed.items() if name not in measured}

    @property
    def name(self) -> str:
        """How one would call it: the run's folder, else its file."""
        return self.path.parent.name if self.path.name == RUN_NAME else self.path.name

    def options_of(self, results: Iterable[Result]) -> list[str]:
        """What pytest is told to measure these again: files of cards from outside, variables that were let through."""
        options = []
        for one in results:
            card = self.backends.get(str(one.configuration.get("backend")), {})
            options += [f"--backend-file={card['file']}"] if "file" in card else []
            options += [f"--pass-env={name}" for name in one.passed_env]
        return list(dict.fromkeys(options))

    @property
    def store_options(self) -> list[str]:
        """What `python -m baselines` has to be told so that it means the accepted runs of this run's session."""
        return [option for option in self.options if option.startswith("--store=")]

    def judgements_against(self, baseline: Sequence[Run]) -> Mapping[str, Judgement]:
        """What was said while it ran, if it was judged against these very runs; else nothing."""
        return self.judgements if self.judged_against == tuple(run.path.name for run in baseline) else {}

    @property
    def anchor(self) -> bool:
        """Whether creep of any benchmark is measured from this run."""
        return any(result.anchor for result in self.results)
