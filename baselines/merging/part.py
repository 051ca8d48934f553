"""The parts of a run that was divided, and why some parts are not those of one run."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Final

from baselines.files.reading_runs import read_with_content
from baselines.files.run import Run
from baselines.files.run_folder import RunFileError, run_path
from baselines.judging.wording import counted, listed

_MERGE: Final = "python -m baselines merge RUN RUN ..."
_NAMED: Final = 3  # differences that a message names


@dataclass(frozen=True, kw_only=True)
class Part:
    """One run that was measured with --shard."""

    run: Run
    content: Mapping[str, Any]
    """The JSON of its file."""

    @property
    def index(self) -> int:
        """Which part, from 1."""
        return int(self.run.shard["index"])

    @property
    def of(self) -> int:
        """How many there are."""
        return int(self.run.shard["of"])

    @property
    def again(self) -> str:
        """The command that measures it again."""
        return f"pytest {self.run.arguments or f'benchmarks/ --benchmark-only --shard {self.index}/{self.of}'}"


def read_parts(paths: Sequence[Path]) -> list[Part]:
    """The parts of one plan, by their number.

    Raises:
        RunFileError: a file cannot be read, or they are not parts of one run; the message says what, by which rule, and what
            to type.
    """
    parts = []
    for path in paths:
        run, content = read_with_content(run_path(path))
        if run.parts:
            raise RunFileError(f"{run.name}: it is merged already; name the parts that are to be one run: {_MERGE}")
        if not {"index", "of", "plan_sha256"} <= run.shard.keys():
            command = "pytest benchmarks/ --benchmark-only --shard 1/2"
            raise RunFileError(
                f"{run.name}: it is no part of a run, it was measured without --shard; measure parts: {command}"
            )
        parts.append(Part(run=run, content=content))
    if len(parts) < 2 and not (parts and parts[0].of == 1):
        raise RunFileError(f"{counted(len(parts), 'part')}, and it takes two to merge; name all of them: {_MERGE}")
    for reason in map(str, filter(None, _reasons(parts))):
        raise RunFileError(reason)
    return sorted(parts, key=lambda part: part.index)


def _reasons(parts: Sequence[Part]) -> list[str | None]:
    """Why these are no parts of one run, the plainest first."""
    same = "the parts of a run are measured by one command, the same but for --shard"
    reasons = [
        _differing(parts, "models", lambda part: str(part.run.model), same),
        _differing([part for part in parts if part.run.results], "models", _weights, same),
        _differing(parts, "inputs", lambda part: str(part.run.inputs), same),
        _differing(parts, "presets", lambda part: str(part.run.preset), same),
        _differing(
            parts, "commits", lambda part: part.run.commit or "unknown", "a run is of one commit", "check it out, then: "
        ),
    ]
    for part in parts:
        if part.run.dirty or part.run.commit is None:
            why = (
                "with uncommitted changes" if part.run.dirty else f"at no known commit ({part.run.commit_error or 'no git'})"
            )
            what = f"{part.run.name}: measured {why}, so that nothing says whether the parts had the same code"
            reasons.append(f"{what}; commit, then: {part.again}")
    reasons += [_packages(before, after) for before, after in combinations(parts, 2)]
    machine = "another type of machine is another baseline"
    reasons.append(
        _differing(parts, "machine types", lambda part: str(part.run.machine_id), machine, "on a machine of one type: ")
    )
    reasons += [
        f"part {one.index} of {one.of} is there twice, as {one.run.name} and {other.run.name}, and one part is one piece of "
        f"evidence; name one of them: {_MERGE}"
        for one, other in combinations(parts, 2)
        if (one.index, one.of) == (other.index, other.of)
    ]
    plan = "its benchmarks, launches and number of parts are the same on every machine"
    reasons.append(_differing(parts, "plans", lambda part: f"{part.run.shard['plan_sha256'][:12]} in {part.of} parts", plan))
    return reasons


def _weights(part: Part) -> str:
    """What its model is, whatever its name."""
    return f"{part.run.model} {str(part.run.results[0].identity.get('model.config_sha256'))[:12]}"


def _differing(parts: Sequence[Part], what: str, value: Callable[[Part], str], rule: str, how: str = "") -> str | None:
    """That two of the parts have not the same of something; None where all have."""
    for one, other in combinations(parts, 2):
        if (before := value(one)) != (after := value(other)):
            said = f"{one.run.name} has {before}, {other.run.name} has {after}"
            return f"the parts are of different {what}: {said}; {rule}; measure again, {how}{other.again}"
    return None


def _packages(one: Part, other: Part) -> str | None:
    """That two parts were measured with different packages."""
    before, after = ({"python": part.content["environment"].get("python"), **part.run.packages} for part in (one, other))
    names = [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
    if not names:
        return None
    differ = listed((f"{name} {before.get(name, 'none')} and {after.get(name, 'none')}" for name in names), _NAMED)
    install = shlex.join(["pip", "install", "-c", "constraints.txt", ".[all]"])
    return (
        f"the parts are of different environments: {one.run.name} and {other.run.name} have {differ}; what is measured is "
        f"the packages; install the same everywhere: {install}, then: {other.again}"
    )
