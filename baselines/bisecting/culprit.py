"""From packages to a release, and to a commit: the searches of one benchmark, one after another, and what they came to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from baselines.bisecting.along import Bisecting, BudgetOver, Found, NoEnd, Path
from baselines.bisecting.measuring import State
from baselines.bisecting.search import SURE, Change
from baselines.judging.difference import Difference
from baselines.judging.wording import change_text, counted, listed
from baselines.requesting.session import Unavailable

CODE: Final = "code of this checkout"
_NAMED: Final = 4


@dataclass(frozen=True, kw_only=True)
class Before:
    """The accepted state, between which and today's the search is."""

    packages: Mapping[str, str]
    requires: Mapping[str, Sequence[str]]
    commit: str | None
    """None: its code is not looked at."""
    commits: Sequence[str] = ()
    """After that one, those that changed what a worker runs, oldest first; "" is what is not committed."""
    unseen: str = ""
    """Why its code cannot be looked at, which may differ; empty where it can, or is today's."""
    since: Mapping[str, str] = field(default_factory=dict)
    """Versions that were named in place of an accepted run: what they require in other versions than today's moves too."""


@dataclass(frozen=True, kw_only=True)
class Culprit:
    """One change that was found: two neighbours, side by side."""

    name: str
    """Of a package, or CODE."""
    older: str
    newer: str
    difference: Difference
    launches: int
    note: str = ""
    """What keeps it from being narrower, or what moved with it."""
    interpreters: tuple[str, str] = ("", "")
    """Of the older and the newer side; empty where one runs other code, made its own files, or cannot be had any more."""

    @property
    def line(self) -> str:
        """`transformers 5.17.0 -> 5.18.0: +3.6 % [+2.8 %, +4.4 %], 12 launch pairs side by side`."""
        numbers = change_text(self.difference.ratio, self.difference.interval(1 - SURE))
        pairs = f"{counted(self.launches, 'launch pair')} side by side"
        what = f"{self.name} {self.older} -> {self.newer}".strip()
        return f"{what}: {numbers}, {pairs}" + (f"; {self.note}" if self.note else "")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What was found of a benchmark."""

    culprits: tuple[Culprit, ...]
    whole: Difference | None
    """The accepted state and today's, side by side."""
    whole_launches: int
    undecided: tuple[str, ...]
    """What could not be decided, a line each."""
    notes: tuple[str, ...]
    """What was left out, and why."""
    is_over: bool = True
    """False where the budget ended before all was searched: the same command goes on."""

    @property
    def headline(self) -> str:
        """The answer in a line."""
        if self.undecided and not self.culprits:
            return "undecided"
        if not self.culprits:
            return "nothing to find"
        if len(self.culprits) == 1:
            return self.culprits[0].line
        sizes = " and ".join(f"{100 * (one.difference.ratio - 1):+.1f}" for one in self.culprits)
        return f"no single one: {counted(len(self.culprits), 'change')}, {sizes} %"

    @property
    def lines(self) -> list[str]:
        """All of it."""
        lines = [self.headline]
        if self.whole is not None:
            numbers = change_text(self.whole.ratio, self.whole.interval(1 - SURE))
            lines.append(f"from accepted to today: {numbers}, {counted(self.whole_launches, 'launch pair')} side by side")
        lines += [one.line for one in self.culprits] if len(self.culprits) > 1 else []
        return [*lines, *self.undecided, *self.notes]


def find(bisecting: Bisecting, before: Before, also: Sequence[str], subject: Callable[[str], str]) -> Outcome:
    """Searches what made a benchmark slower since `before`; `subject` names a commit.

    Raises:
        BudgetOver: before anything was found.
        RunFileError: as `Bisecting.along`.
        NoEnd: what was named in place of an accepted run cannot be had.
    """
    moved = _moved_with(bisecting, before.since)
    bisecting.tell("which packages differ, and what they required before ...")
    packages = {**before.packages, **moved}
    answer = bisecting.measurer.ask("groups", packages=packages, requires=before.requires, also=[*also, *moved])
    groups, others = answer["groups"], answer["others"]
    notes = [f"not searched, because no worker needs them (--also NAME): {listed(others, _NAMED)}"] if others else []
    commits, commit, unseen = list(before.commits), before.commit, before.unseen
    if commits:
        try:
            bisecting.measurer.ask("prepare", state=State(packages={}, commit=commit).as_json())
        except Unavailable as error:
            commits, commit, unseen = [], None, str(error)
    not_looked_at = f"the {CODE} is not looked at: {unseen}" if unseen else ""
    if not groups and not commits:
        differs = "no package that its workers need differs" + ("" if unseen else ", and no code that they run")
        open_still = (not_looked_at,) if unseen else ()
        return Outcome(culprits=(), whole=None, whole_launches=0, undecided=open_still, notes=(differs, *notes))
    first = bisecting.along(_of_packages(groups, commit if commits else None))
    outcome = _Outcome(first, notes)
    for change in first.answer.changes or ():
        steps = range(change.older, change.newer)
        if len(steps) > 1:
            ends = _of_several([groups[one] for one in steps if one < len(groups)], steps[-1] == len(groups) and commit)
            outcome.add(first, change, "several at once: what is between cannot be measured", ends=ends)
        elif steps[0] == len(groups):
            outcome.narrowed(bisecting, first, change, _of_commits(str(commit), commits, subject), CODE)
        else:
            outcome.of_a_group(bisecting, first, change, groups[steps[0]])
    if unseen:  # what was not looked at may be the reason where nothing else is
        (outcome.notes if outcome.culprits else outcome.undecided).append(not_looked_at)
    return outcome.made()


def _moved_with(bisecting: Bisecting, since: Mapping[str, str]) -> Mapping[str, str]:
    """Versions that were named, with what they require in other versions than today's; later as it was found at first.

    Raises:
        NoEnd: they cannot be had.
    """
    if not since:
        return {}
    for entry in bisecting.log.entries:
        if "since" in entry:
            return dict(entry["since"])
    try:
        state = State(packages=since, complete=True)
        found: Mapping[str, str] = bisecting.measurer.ask("prepare", state=state.as_json())["packages"]
    except Unavailable as error:
        raise NoEnd(f"--since {' --since '.join(f'{name}=={one}' for name, one in since.items())}: {error}") from None
    bisecting.log.add({"since": dict(found)})
    return found


def _of_packages(groups: Sequence[Mapping[str, Any]], commit: str | None) -> Path:
    """From the accepted state to today's, a group of packages at a time, then the code."""
    states = []
    for done in range(len(groups) + 1):
        packages = {name: version for group in groups[done:] for name, version in group["before"].items()}
        states.append(State(packages=packages, commit=commit))
    names = ["accepted", *(f"with {_moved(group)}" for group in groups)]
    if commit is not None:
        states.append(State(packages={}))
        names.append(f"with the {CODE}")
    names[-1] = "today"
    return Path(what="packages", states=states, names=names, weights=[1.0] * (len(states) - 1))


def _of_releases(name: str, versions: Sequence[str], group: Mapping[str, Any]) -> Path:
    """From the accepted release of a package to today's, everything else as it is today."""
    states = [State(packages=group["before"])]
    states += [State(packages={name: version}, complete=True, older=group["before"]) for version in versions[1:-1]]
    states.append(State(packages={}))
    return Path(what=f"releases of {name}", states=states, names=versions, weights=[1.0] * (len(versions) - 1))


def _of_commits(older: str, commits: Sequence[str], subject: Callable[[str], str]) -> Path:
    """From the accepted commit to today's code, the packages as they are today."""
    states = [State(packages={}, commit=one) for one in (older, *commits[:-1])]
    names = [subject(one) for one in (older, *commits)]
    return Path(what="commits", states=[*states, State(packages={})], names=names, weights=[1.0] * len(commits))


class _Outcome:
    """An outcome that is being put together."""

    def __init__(self, first: Found, notes: Sequence[str]) -> None:
        self.first = first
        self.culprits: list[Culprit] = []
        self.undecided: list[str] = []
        self.notes = [*notes, *_skipped(first)]
        self.is_over = True
        if first.answer.changes is None:
            self.undecided.append(_undecided(first))

    def of_a_group(self, bisecting: Bisecting, found: Found, change: Change, group: Mapping[str, Any]) -> None:
        """Looks for the release of a group of packages."""
        name = group["leader"]
        older, newer = group["before"][name], group["after"][name]
        with_it = [_one(other, group) for other in group["before"] if other != name]
        note = f"moved with {', '.join(with_it)}" if with_it else ""
        versions: list[str] = []
        if older is not None and newer is not None:
            try:
                versions = bisecting.measurer.ask("releases", name=name, before=older, after=newer)
            except Unavailable as error:
                self.notes.append(str(error))
        if len(versions) <= 2:
            self.add(found, change, note, name=name, ends=(older or "none", newer or "none"))
            return
        self.narrowed(bisecting, found, change, _of_releases(name, versions, group), name, note)

    def narrowed(self, bisecting: Bisecting, found: Found, change: Change, path: Path, name: str, note: str = "") -> None:
        """Searches inside a step, and takes what that finds."""
        ends, wide = (path.names[0], path.names[-1]), "; ".join(text for text in (note, "not narrowed") if text)
        try:
            inside = bisecting.along(path)
        except NoEnd as error:
            self.notes.append(str(error))
            self.add(found, change, wide, name=name, ends=ends)
            return
        except BudgetOver as error:
            self.is_over = False
            self.undecided.append(f"{path.what}: the budget is over; by now {error}")
            self.add(found, change, wide, name=name, ends=ends)
            return
        self.notes += _skipped(inside)
        if inside.answer.changes:
            for one in inside.answer.changes:
                left = [inside.path.names[place] for place in range(one.older + 1, one.newer)]
                skipped = f"{listed(left, _NAMED)} between them cannot be measured" if left else ""
                there, here = (
                    {other: version for other, version in inside.moved[place].items() if other != name}
                    for place in (one.older, one.newer)
                )
                moved = [
                    f"{other} {there.get(other, 'as today')} -> {here.get(other, 'as today')}"
                    for other in sorted(there.keys() | here.keys())
                    if there.get(other) != here.get(other)
                ]
                said = "; ".join(text for text in (skipped, f"moved with {', '.join(moved)}" if moved else "") if text)
                self.add(inside, one, said, name=name, ends=(inside.path.names[one.older], inside.path.names[one.newer]))
            return
        if inside.answer.changes is None:
            self.undecided.append(_undecided(inside))
        else:
            self.notes.append(f"no {inside.path.what} between by itself, everything else as today")
        self.add(found, change, wide, name=name, ends=ends)

    def add(self, found: Found, change: Change, note: str, *, name: str = "", ends: tuple[str, str] | None = None) -> None:
        """A change as the search found it."""
        older, newer = ends or (found.path.names[change.older], found.path.names[change.newer])
        pythons = (found.interpreters.get(change.older, ""), found.interpreters.get(change.newer, ""))
        self.culprits.append(
            Culprit(
                name=name,
                older=older,
                newer=newer,
                difference=change.difference,
                launches=change.launches,
                note=note,
                interpreters=pythons,
            )
        )

    def made(self) -> Outcome:
        """All of it."""
        return Outcome(
            culprits=tuple(self.culprits),
            whole=self.first.answer.whole,
            whole_launches=self.first.answer.whole_launches,
            undecided=tuple(self.undecided),
            notes=tuple(self.notes),
            is_over=self.is_over,
        )


def _of_several(groups: Sequence[Mapping[str, Any]], commit: str | bool | None) -> tuple[str, str]:
    """`a 1.0, b 2.0` and `a 1.1, b 2.1`, of groups that were found together; with the code where its commit is named."""
    sides = [
        [f"{name} {version or 'none'}" for group in groups for name, version in group[side].items()]
        for side in ("before", "after")
    ]
    if commit:
        sides[0].append(f"code of {str(commit)[:12]}")
        sides[1].append("today's code")
    return ", ".join(sides[0]), ", ".join(sides[1])


def _skipped(found: Found) -> list[str]:
    return [f"{found.path.what}: {found.path.names[place]} left out: {why}" for place, why in sorted(found.skipped.items())]


def _undecided(found: Found) -> str:
    older, newer = (found.path.names[place] for place in found.likely)
    pairs = counted(found.answer.launches, "launch pair")
    return f"{found.path.what}: undecided after {pairs}; if anything changed, then between {older} and {newer}"


def _moved(group: Mapping[str, Any]) -> str:
    return ", ".join(_one(name, group) for name in group["before"])


def _one(name: str, group: Mapping[str, Any]) -> str:
    return f"{name} {group['before'][name] or 'none'} -> {group['after'][name] or 'none'}"
