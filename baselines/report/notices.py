"""What a reader must not miss, and what to type next."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from baselines.comparing.comparison import JUDGED, Comparison
from baselines.comparing.differences import memory_moved
from baselines.comparing.disturbance import disturbed_because
from baselines.comparing.instructions import emulated_formats, int8_without_vnni
from baselines.files.machine_id import MEMORY
from baselines.files.past import moments_of
from baselines.files.reading_values import mapping
from baselines.files.run import Run
from baselines.judging.judgement import Verdict
from baselines.judging.policy import Policy
from baselines.judging.sittings import one_sitting
from baselines.judging.wording import percent, shown
from baselines.report.rows import Row

_NAMED: Final = 5  # benchmarks that a command spells out


def notices_of(comparison: Comparison, counts: Counter[Verdict]) -> Iterable[str]:
    """Sentences; `counts` is how many benchmarks have each verdict."""
    run, shift = comparison.run, comparison.shift
    here = run.machine_soft.get("cpu_model_name")
    others = {str(cpu) for one in comparison.baseline if (cpu := one.machine_soft.get("cpu_model_name")) not in (None, here)}
    if comparison.elsewhere:
        yield (
            f"measured on another machine than the baseline ({comparison.elsewhere}): a difference between two machines is "
            "none of the code, so nothing was judged; to judge all the same: --any-machine"
        )
    elif here and others:
        there = ", ".join(sorted(others))
        yield f"measured on {here}, the baseline on {there}: a difference may be the machine's, not the code's"
    for name, why in comparison.left_out.items():
        yield f"{name} is left out of the baseline, it was measured on another machine: {why}"
    if not comparison.elsewhere and (moved := memory_moved(comparison.baseline, run.machine_soft.get(MEMORY))):
        yield moved
    if not run.results:
        yield "this run holds no benchmark"
    if not comparison.past:
        yield "nothing was judged: there is no accepted run of this machine and model, or none was named"
    elif not comparison.elsewhere and not counts.keys() & JUDGED:
        yield "nothing could be compared: no benchmark of the run is in the baseline as the same one"
    if near := one_sitting(moments_of([one for one in comparison.baseline if one.accepted]), Policy()):
        yield f"no benchmark turns red by this baseline yet: {near}"
    same = [
        one
        for one in comparison.baseline
        if one.accepted and one.datetime == run.datetime and one.by_key.keys() & run.by_key
    ]
    if same:
        yield f"this run is part of the baseline, as {same[0].path.name}: it is compared with itself among others"
    for one in (run, *comparison.baseline):
        if one.unusable:
            name, why = next(iter(one.unusable.items()))
            yield f"{len(one.unusable)} benchmarks of {one.name} are left out, the first is {name}: {why}"
    if run.partial:
        count = len(run.not_reached)
        yield "this run was cut off before its end" + f"; {count} benchmarks were not reached" * bool(count)
    yield from merged_notices(run)
    if run.left_out:
        yield (
            f"the budget left out {len(run.left_out)} benchmarks, which would have taken "
            f"{sum(run.left_out.values()) / 60:.0f} min: --budget none measures them"
        )
    if passed := {f"{name}={value}" for one in run.results for name, value in one.passed_env.items()}:
        yield f"measured with {' '.join(sorted(passed))}, let through from the shell (--pass-env)"
    if slow_int8 := int8_without_vnni(run):
        yield slow_int8
    yield from emulated_formats(run)
    if strayed := [one for one in run.results if one.strayed_threads]:
        yield (
            f"{len(strayed)} benchmarks out of the box have threads that may run outside the CPUs of this run "
            f"({strayed[0].id}: {strayed[0].strayed_threads}): their framework gave them CPUs by itself"
        )
    if run.dirty:
        yield "this run was measured with uncommitted changes"
    disturbed = sum(disturbed_because(result) is not None for result in run.results)
    if disturbed:
        why = next(filter(None, map(disturbed_because, run.results)))
        yield f"{disturbed} of {len(run.results)} benchmarks were disturbed: read their numbers with care. The first: {why}"
    outcomes = Counter(str(how.get("outcome")) for how in run.not_measured.values())
    if outcomes:
        yield "not measured: " + ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
    if shift.verdict is Verdict.REGRESSED and shift.ratio is not None:
        yield f"the suite as a whole is slower: {percent(shift.ratio)}"
    for name in comparison.slower_backends:
        yield f"a backend as a whole is slower: {comparison.backends[name].reason}"


def merged_notices(run: Run) -> Iterable[str]:
    """Of a merged run how many parts it is of, which are missing, how far apart they lie; of a part, that it is one."""
    if run.is_one_of_several:
        yield (
            f"this is part {run.shard.get('index')} of {run.shard.get('of')} of a run; "
            "to make one of all parts: python -m baselines merge RUN RUN ..."
        )
    for index in run.missing_parts:
        yield f"part {index} of {run.parts[0].get('of')} is missing: what it was to measure is not in this run"
    if run.parts:
        sd, bridges = run.bridges.get("pooled_sd"), mapping(run.bridges.get("benchmarks"))
        each = ", ".join(f"{one['backend']} {100 * one['sd']:.1f} %" for one in bridges.values())
        apart = "no benchmark was measured by two of them" if sd is None else f"bridges differ by {100 * sd:.1f} % ({each})"
        yield (
            f"merged from {len(run.parts)} parts, each of a machine of this type; between them {apart}, standard deviation. "
            "Nothing was corrected"
        )


def next_steps(comparison: Comparison, rows: Sequence[Row]) -> Iterable[tuple[str, str]]:
    """What for, and the command."""
    run = comparison.run
    command = ["python", "-m", "baselines"]
    elsewhere = run.store_options
    path = shown(run.path.parent if run.ours and run.accepted is None else run.path)
    if not comparison.past and run.results:
        if run.ours:
            yield "make it the baseline", shlex.join([*command, "accept", path, *elsewhere, "--reason", "..."])
        else:
            yield "name a baseline", f"{shlex.join([*command, 'report', path])} --against BASELINE"
    slow = [row.result for row in rows if row.judgement.verdict is Verdict.REGRESSED]
    if slow and run.ours:
        model = ["--model", run.model] if run.model else []
        named = [result.fullname for result in slow] if len(slow) <= _NAMED else ["benchmarks/"]
        yield (
            "measure again",
            shlex.join(["pytest", *named, "--benchmark-only", *model, *run.options, *run.options_of(slow)]),
        )
        yield (
            "accept as it is",
            shlex.join([*command, "accept", path, *elsewhere, "--accept-regression", "--reason", "..."]),
        )
