"""`python -m baselines compare RUN [BASELINE ...]`: the first is judged, the others are its baseline, or else the store is.

Reads files of pytest-benchmark, also of other projects. judging/stored.py says the verdicts, report/ prints them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from baselines.comparing.confirmation_file import SUITE, after_finding, as_a_whole, read_findings
from baselines.comparing.differences import another_machine, identity_differences, package_differences
from baselines.comparing.disturbance import disturbed_because
from baselines.comparing.machines import policy_of
from baselines.files.checkout import code_changed
from baselines.files.past import Past, pasts
from baselines.files.reading_runs import read_run, read_with_content
from baselines.files.result import Result, judged_values
from baselines.files.run import Run
from baselines.files.run_folder import RunFileError, run_path
from baselines.files.store import accepted_runs
from baselines.judging.judgement import Judgement, SuiteShift, Verdict
from baselines.judging.sittings import INSTEAD
from baselines.judging.stored import judge_run
from baselines.judging.suite import backend_shifts, suite_shift
from baselines.judging.wording import percent, shown

WORST_FIRST: Final = (
    Verdict.REGRESSED,
    Verdict.MISSING,
    Verdict.INCOMPARABLE,
    Verdict.INCONCLUSIVE,
    Verdict.NEW,
    Verdict.IMPROVED,
    Verdict.PASSED,
)
FAILING: Final = frozenset({Verdict.REGRESSED, Verdict.MISSING})
JUDGED: Final = frozenset({Verdict.PASSED, Verdict.REGRESSED, Verdict.IMPROVED, Verdict.INCONCLUSIVE})


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A run judged against a baseline."""

    run: Run
    baseline: tuple[Run, ...]
    """Oldest first; empty when there was none and none was demanded."""
    past: Mapping[str, Past]
    """What the baseline says of each of its benchmarks, by key."""
    judgements: Mapping[str, tuple[Result, Judgement]]
    """By key; the result is the run's own, of what is missing the baseline's newest."""
    records: Mapping[str, Mapping[str, Any]]
    """By key, the run's benchmarks as they are in its file: more than is judged."""
    shift: SuiteShift
    backends: Mapping[str, SuiteShift]
    """By backend that could be compared with the others, whether it became slower as a whole."""
    elsewhere: str | None = None
    """In what the machine of all the named runs differs; then nothing is judged."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """By path, named runs of another machine beside those of this one, and in what it differs."""

    def exit_code(self, *, strict: bool) -> int:
        """0: nothing regressed and something was judged; 1: regressed or missing; 2: nothing to compare, or `strict`."""
        verdicts = {judgement.verdict for _, judgement in self.judgements.values()}
        if verdicts & FAILING or self.shift.verdict is Verdict.REGRESSED or self.slower_backends:
            return 1
        if self.run.missing_parts:  # what nobody measured is not passed
            return 1
        if not verdicts & JUDGED or (strict and Verdict.INCONCLUSIVE in verdicts):
            return 2
        return 0

    @property
    def slower_backends(self) -> list[str]:
        """The backends that became slower as a whole."""
        return [name for name, shift in self.backends.items() if shift.verdict is Verdict.REGRESSED]


def order(pair: tuple[Result, Judgement]) -> tuple[int, float, str]:
    """The worst verdict first, within it the largest ratio."""
    result, judgement = pair
    return (WORST_FIRST.index(judgement.verdict), -(judgement.ratio or 0.0), result.fullname)


def compare(
    run: Path | None,
    baseline: Sequence[Path],
    machines: Path,
    *,
    demand_baseline: bool = True,
    confirmed: bool = True,
    any_machine: bool = False,
) -> Comparison:
    """Judges a run.

    What the run said of itself while it ran, against the same accepted runs, is kept: it could re-measure suspects. The
    rest is judged now, by what is in the files; a disturbed launch is not used for a verdict.

    Args:
        run: its file or folder; None for the newest.
        baseline: files or folders of the runs to judge against; none for the accepted ones of its machine and model.
        machines: the store.
        demand_baseline: whether it is an error to have nothing to judge against; otherwise all benchmarks are new.
        confirmed: whether what `python -m baselines confirm` found of this run counts.
        any_machine: whether named runs of another machine judge as well. A difference between two machines is none of the
            code: without it their ratios are shown and nothing is judged.

    Raises:
        RunFileError: a file cannot be read, or there is nothing to judge against.
    """
    judged, content = read_with_content(run_path(run))
    others: dict[Path, str] = {}
    if baseline:
        runs, past, others = _named(judged, baseline, any_machine=any_machine)
    else:
        runs, past = _accepted(judged, machines, demanded=demand_baseline)
    measured = {key: judged_values(result) for key, result in judged.by_key.items()}
    histories = {key: one.history() for key, one in past.items()}
    whose = {key: one.backend for key, one in past.items()}
    policy = policy_of([judged, *runs])
    if baseline:  # whoever names runs says that they judge
        policy = replace(policy, least_days=1)
    judgements = judge_run(
        measured,
        histories,
        policy,
        expected=expected_of(judged, past, everything=bool(baseline)),
        incomparable=incomparable_in(judged, past),
    )
    said = {} if baseline else judged.judgements_against(runs)
    found = read_findings(judged) if confirmed and not baseline else {}
    shift = suite_shift(measured, histories, policy)
    machine = not baseline and shift.verdict is Verdict.REGRESSED and nothing_but_time(runs[-1], judged, machines)
    for key, result in judged.by_key.items():
        own = said.get(result.fullname) or _told_now(judgements[key], result)
        if machine and own.verdict is Verdict.REGRESSED:
            beside = {one: values for one, values in measured.items() if whose.get(one, whose[key]) != whose[key]}
            own = _of_the_machine(own, suite_shift(beside, histories, policy))
        judgements[key] = after_finding(own, found.get(result.fullname))
    known = {key: one.recent[-1] for key, one in past.items()} | dict(judged.by_key)
    shift = after_finding(shift, found.get(SUITE))
    backends = {
        name: after_finding(one, found.get(as_a_whole(name)))
        for name, one in backend_shifts(measured, histories, policy, whose).items()
    }
    elsewhere = others.get(runs[-1].path) if runs else None
    if elsewhere is not None:
        judgements = {key: _of_two_machines(one, elsewhere) for key, one in judgements.items() if key in judged.by_key}
        shift, backends = SuiteShift(verdict=None, reason="not judged: the baseline is another machine's"), {}
    return Comparison(
        run=judged,
        baseline=tuple(runs),
        past=past,
        judgements={key: (known[key], judgement) for key, judgement in judgements.items()},
        records=dict(zip(judged.by_key, content["benchmarks"], strict=True)),
        shift=shift,
        backends=backends,
        elsewhere=elsewhere,
        left_out={} if elsewhere else {shown(path): why for path, why in others.items()},
    )


def _named(
    judged: Run, baseline: Sequence[Path], *, any_machine: bool
) -> tuple[list[Run], dict[str, Past], dict[Path, str]]:
    """The named runs of this machine, oldest first, or else of others; what they say of each benchmark; which are others."""
    runs = sorted((read_run(run_path(path)) for path in baseline), key=lambda one: str(one.datetime))
    others = {one.path: why for one in runs if not any_machine and (why := another_machine(one, judged))}
    runs = [one for one in runs if one.path not in others] or runs
    past = {key: past_in(runs, key) for key in {key: None for one in runs for key in one.by_key}}
    if not past:
        raise RunFileError(f"{judged.path}: the named baseline holds no benchmark: {', '.join(map(shown, baseline))}")
    return runs, past, others


def _of_two_machines(judgement: Judgement, differs: str) -> Judgement:
    """A comparison with another machine's runs: how much, and no verdict."""
    if judgement.ratio is None:
        return judgement
    return Judgement(
        verdict=Verdict.INCOMPARABLE,
        reason=f"measured on another machine: {differs}",
        ratio=judgement.ratio,
        runs=judgement.runs,
        launches=judgement.launches,
    )


def _accepted(judged: Run, machines: Path, *, demanded: bool) -> tuple[list[Run], dict[str, Past]]:
    """The accepted runs of a run's machine and model, oldest first, and what they say of each benchmark."""
    if judged.machine_id is None or judged.model is None:
        if demanded:
            raise RunFileError(f"{judged.path}: it names no machine and model; name its baseline: compare RUN BASELINE ...")
        return [], {}
    runs = accepted_runs(judged.machine_id, judged.model, machines)
    past = pasts(runs)
    if not past and demanded:
        raise RunFileError(
            f"{judged.path}: no accepted run of {judged.model} on {judged.machine_id} in {shown(machines)}; accept one, or "
            "name the baseline: python -m baselines compare RUN BASELINE ..."
        )
    return runs, past


def _told_now(judgement: Judgement, result: Result) -> Judgement:
    """What the judge says now; a disturbed launch turns nothing red."""
    if judgement.verdict is Verdict.REGRESSED and (why := disturbed_because(result)):
        reason = f"{judgement.reason}; but it was disturbed: {why}"
        return replace(judgement, verdict=Verdict.INCONCLUSIVE, reason=reason)
    return judgement


def nothing_but_time(before: Run, after: Run, machines: Path) -> bool:
    """Whether two runs have the same packages, and what measures is the same code; False where nobody can tell."""
    if after.dirty or not (before.packages and after.packages) or package_differences(before, after):
        return False
    return code_changed(machines, before.commit, after.commit) is None


def _of_the_machine(judgement: Judgement, others: SuiteShift) -> Judgement:
    """A red of a slower suite whose code and packages did not change: no red where the other backends are slower as well."""
    if others.verdict is not Verdict.REGRESSED or others.ratio is None:
        return judgement
    why = f"but the other backends are slower too ({percent(others.ratio)}), and the newest accepted run has "
    why += f"the same packages and code: the machine, not the code; to be sure, {INSTEAD}"
    return replace(judgement, verdict=Verdict.INCONCLUSIVE, withheld=True, reason=f"{judgement.reason}; {why}")


def past_in(runs: Sequence[Run], key: str) -> Past:
    """The past of a benchmark in runs that were named, whether accepted or not."""
    holders = tuple(run for run in runs if key in run.by_key)
    return Past(runs=holders, recent=tuple(run.by_key[key] for run in holders), anchor=None)


def incomparable_in(run: Run, past: Mapping[str, Past]) -> dict[str, str]:
    """Measured benchmarks whose node id the baseline has as another benchmark, and in what they differ."""
    by_name = {one.recent[-1].fullname: one.recent[-1] for one in past.values()}
    return {
        key: f"the accepted one is another: {'; '.join(identity_differences(by_name[result.fullname], result))}"
        for key, result in run.by_key.items()
        if key not in past and result.fullname in by_name
    }


def expected_of(run: Run, past: Mapping[str, Past], *, everything: bool) -> dict[str, str]:
    """Benchmarks of the baseline that the run should have, and what became of them.

    Named baselines are expected whole. Of the store, what the run itself failed or skipped, and what its own gate missed:
    only the run knew which axes it was given.
    """
    names = {result.fullname for result in run.results}
    expected, not_measured = {}, run.not_measured
    for key, one in past.items():
        name = one.recent[-1].fullname
        if name in names or name in run.not_reached or name in run.left_out:
            continue
        how = not_measured.get(name)
        if how is not None:
            expected[key] = f"{how.get('outcome')}: {how.get('reason')}"
        elif name in run.missing:
            expected[key] = run.missing[name]
        elif everything and not run.partial:
            expected[key] = "not in this run"
    return expected
