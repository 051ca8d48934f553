"""What pip needs to build the environment again that a run was measured in: only what its workers need.

It needs nothing but the standard library: an environment that is still empty asks what to install.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from baselines.files.reading_values import texts_of
from baselines.files.run import Run
from baselines.files.run_folder import RunFileError
from baselines.judging.wording import listed

LEFT_OUT: Final = frozenset({"bert-cpu-benchmarks", "pip", "setuptools", "wheel"})
"""Of a run that does not say what it needed: this project, which is run from a checkout, and what pip brings along."""
INDEX: Final = "PIP_EXTRA_INDEX_URL"
_NAMED: Final = 3
_NOT_REACHED: Final = re.compile(
    r"connection broken by|Max retries exceeded|NewConnectionError|NameResolutionError|Temporary failure in name resolution"
    r"|ConnectTimeoutError|ReadTimeoutError|ProxyError|Connection timed out|Connection refused|Network is unreachable"
    r"|problem confirming the ssl certificate|\b50[0-4] Server Error|HTTP error 50[0-4]"
)
"""What pip and the library under it say of a connection."""
_NIGHTLY: Final = re.compile(r"\.?dev\d+$")


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """One package at the version that was recorded."""

    name: str
    version: str
    """The public one. The local label names a build that only its own index has; pip takes it where that index is named."""
    local: str | None
    needed_by: tuple[str, ...]
    """Backends; empty where the run does not say."""

    @property
    def pinned(self) -> str:
        """As pip reads it."""
        return f"{self.name}=={self.version}"

    @property
    def index(self) -> str | None:
        """What has to be told of the index that has it; None for what every index has."""
        if self.local:
            return f"measured with the build +{self.local}: {INDEX} names the index that has it"
        if _NIGHTLY.search(self.version):
            return f"a nightly build: {INDEX} names the index that has it, for as long as it keeps it"
        return None

    def __str__(self) -> str:
        return self.pinned + (f"  # {self.index}" if self.index else "")


def requirements_of(run: Run, backends: Collection[str] | None = None, *, also: Collection[str] = ()) -> list[Requirement]:
    """What the workers of a run's backends need, at the recorded versions, by name.

    Args:
        run: of a file that says what each backend needs; of an older one it is everything that was installed.
        backends: which of them; None for all that were measured.
        also: further distributions that are needed, such as those that make the files that workers load.

    Raises:
        RunFileError: the run does not say what was installed, or did not measure such a backend.
    """
    if not run.packages:
        raise RunFileError(f"{run.path}: it does not say which packages were installed")
    chosen = run.backends if backends is None else backends
    if unknown := sorted(set(chosen) - run.backends.keys()):
        measured = ", ".join(run.backends) or "none"
        raise RunFileError(f"{run.path}: no backend {listed(unknown, _NAMED)} was measured in it; possible: {measured}")
    needs = {name: _needs_of(run, name, also) for name in chosen}
    if not run.requires or not all(needs.values()):
        needs = {}
    found = []
    for name, recorded in sorted(run.packages.items(), key=lambda item: item[0].lower()):
        needed_by = tuple(backend for backend, names in needs.items() if canonical(name) in names)
        if needed_by if needs else name.lower() not in LEFT_OUT:
            version, _, local = recorded.partition("+")
            found.append(Requirement(name=name, version=version, local=local or None, needed_by=needed_by))
    if not found:
        raise RunFileError(f"{run.path}: it does not say which packages were installed")
    return found


def needed(roots: Collection[str], requires: Mapping[str, Collection[str]]) -> set[str]:
    """Distributions and all that they require, by their canonical names; `requires` is what each asks for."""
    requires = {canonical(name): names for name, names in requires.items()}
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = canonical(waiting.pop())
        if name not in found:
            found.add(name)
            waiting += requires.get(name, ())
    return found


def _needs_of(run: Run, backend: str, also: Collection[str]) -> set[str]:
    needs = texts_of(run.backends[backend].get("needs"))
    return needed([*needs, *also], run.requires) if needs else set()


def why_not_installed(said: str, requirements: Collection[Requirement]) -> str:
    """One sentence on what pip said when it failed: the package that no index has, and the variable that names another."""
    missing = re.search(r"No matching distribution found for ([\w.-]+)", said)
    if missing is None:
        errors = [line.removeprefix("ERROR: ") for line in said.splitlines() if line.startswith("ERROR: ")]
        last = (errors or said.strip().splitlines() or ["it said nothing"])[-1]
        return f"pip could not install it: {last}"
    one = next((one for one in requirements if canonical(one.name) == canonical(missing[1].partition("==")[0])), None)
    if one is None:
        return f"no index that pip was told of has {missing[1]}"
    who = f", which {listed(one.needed_by, _NAMED)} needs" if one.needed_by else ""
    label = f" (measured with the build +{one.local})" if one.local else ""
    return f"no index that pip was told of has {one.pinned}{label}{who}. Name the one that does: export {INDEX}=URL"


def not_reached(said: str) -> str | None:
    """The line in which pip said that an index cannot be reached; None where it said no such thing."""
    return next((line.strip() for line in said.splitlines() if _NOT_REACHED.search(line)), None)


def canonical(name: str) -> str:
    """The name of a distribution as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()
