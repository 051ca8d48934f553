"""The only writer of baselines: it refuses first, all at once, and writes afterwards."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from baselines.accepting import refusals
from baselines.accepting.refusals import Candidate
from baselines.comparing.differences import environment_differences
from baselines.comparing.machines import policy_of
from baselines.files.accepted_file import Addition
from baselines.files.checkout import clean_commit
from baselines.files.past import Past, pasts
from baselines.files.reading_runs import read_with_content
from baselines.files.result import judged_values, slowdown
from baselines.files.run import Run
from baselines.files.run_folder import run_path
from baselines.files.store import StoreChange, accepted_runs, add, locked
from baselines.judging.spread import spreads_of
from baselines.judging.stored import judge_run
from baselines.judging.wording import percent, shown


class Refused(Exception):
    """Nothing was accepted; each reason is a line."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("\n".join(reasons))
        self.reasons = tuple(reasons)


def accept(
    runs: Sequence[Path], *, reason: str, only: Sequence[str], accept_regression: bool, anchor: bool, machines: Path
) -> str:
    """Accepts runs and says what changed.

    Args:
        runs: files or folders of runs; none for the newest under runs/.
        reason: why; kept with the runs.
        only: node ids, names or ids of the benchmarks to accept, or `steady`; none for all.
        accept_regression: even benchmarks that became slower.
        anchor: whether slow creep is measured from these runs on.
        machines: the store.

    Raises:
        Refused: a rule of baselines/README.md forbids it; nothing was written.
        RunFileError: a file cannot be read or written, or the checkout is not clean; nothing was written.
    """
    reason = " ".join(reason.split())
    if not reason:
        raise Refused(["a baseline needs a reason, for whoever asks why it moved; add: --reason 'what changed, and why'"])
    commit = clean_commit(machines)
    candidates = sorted((candidate_of(path, only) for path in runs or (None,)), key=lambda one: str(one.run.datetime))
    refuse(refusals.unknown_words(candidates, only))
    refuse(
        [why for candidate in candidates for why in refusals.unfit(candidate, narrowed=bool(only))]
        + refusals.given_twice(candidates)
    )
    with locked(machines):
        places = {candidate.place for candidate in candidates}
        known = {place: accepted_runs(*place, machines=machines) for place in sorted(places)}
        past = {place: pasts(accepted) for place, accepted in known.items()}
        refuse([why for candidate in candidates for why in refusals.accepted_before(candidate, known[candidate.place])])
        if not anchor:
            refuse([why for place, accepted in known.items() for why in refusals.lost_anchors(accepted, past[place])])
        verdicts = [verdicts_of(one, known[one.place], past[one.place]) for one in candidates]
        if not accept_regression:
            pairs = zip(candidates, verdicts, strict=True)
            refuse([why for candidate, by_key in pairs for why in refusals.regressed(candidate, by_key)])
        additions = additions_of(candidates, verdicts, known, only=only, anchor=anchor)
        change = add(additions, reason=reason, commit=commit, machines=machines)
    told = [line for one in candidates for line in what_changes(one, known[one.place], past[one.place])]
    return "\n".join(
        [*told, *what_to_commit(change), *([] if anchor else what_stays(verdicts)), *what_is_near(places, machines)]
    )


def refuse(reasons: Sequence[str]) -> None:
    """Raises Refused when there is a reason to."""
    if reasons:
        raise Refused(list(dict.fromkeys(reasons)))


def candidate_of(path: Path | None, only: Sequence[str]) -> Candidate:
    """Reads a run, the newest for None, and picks out the benchmarks that were asked for."""
    run, content = read_with_content(run_path(path))
    chosen = tuple(one for one in run.results if not only or any(refusals.is_called(one, word) for word in only))
    return Candidate(run=run, content=content, chosen=chosen)


def verdicts_of(candidate: Candidate, known: Sequence[Run], past: Mapping[str, Past]) -> dict[str, str]:
    """The verdicts on the chosen benchmarks, by key.

    Those that the run itself came to, when it was judged against these accepted runs: suspects were re-measured then.
    Otherwise the judge is asked now, with what is in the file.
    """
    said = candidate.run.judgements_against(known)
    if said:
        return {one.key: said[one.fullname].verdict.value for one in candidate.chosen if one.fullname in said}
    measured = {result.key: judged_values(result) for result in candidate.chosen}
    histories = {key: one.history() for key, one in past.items()}
    judgements = judge_run(measured, histories, policy_of([candidate.run, *known]), expected={})
    return {key: judgement.verdict.value for key, judgement in judgements.items()}


def additions_of(
    candidates: Sequence[Candidate],
    verdicts: Sequence[Mapping[str, str]],
    known: Mapping[tuple[str, str], Sequence[Run]],
    *,
    only: Sequence[str],
    anchor: bool,
) -> list[Addition]:
    """The runs as the store is to hold them.

    The anchor of a benchmark is the first run that it was accepted in; with `--anchor`, the first of these.
    """
    anchored = {
        place: set() if anchor else {result.key for run in accepted for result in run.results if result.anchor}
        for place, accepted in known.items()
    }
    additions = []
    for candidate, by_key in zip(candidates, verdicts, strict=True):
        keys = frozenset(result.key for result in candidate.chosen)
        additions.append(
            Addition(
                run=candidate.run,
                content=candidate.content,
                keys=keys,
                anchors=keys - anchored[candidate.place],
                accepted_as={key: by_key[key] for key in keys if by_key.get(key) in ("regressed", "improved")},
                whole=not only,
            )
        )
        anchored[candidate.place] |= keys
    return additions


def what_changes(candidate: Candidate, known: Sequence[Run], past: Mapping[str, Past]) -> list[str]:
    """Benchmark by benchmark what a run says, and what the newest accepted run that holds it said."""
    run, chosen = candidate.run, candidate.chosen
    where = f"machine {run.machine_id}, model {run.model}, commit {(run.commit or 'unknown')[:12]}"
    lines = [f"{run.name}: {len(chosen)} of {len(run.results)} benchmarks, {where}"]
    if known:
        lines += [f"  environment: {difference}" for difference in environment_differences(known[-1], run)]
    width = max(len(result.id) for result in chosen)
    for result in chosen:
        if result.key in past:
            old = past[result.key].recent[-1]
            change = percent(slowdown(old, result))
            lines.append(f"  {result.id:{width}}  {old.value_text} -> {result.value_text}  {change}")
        else:
            lines.append(f"  {result.id:{width}}  new, {result.value_text}")
    keys = {result.key for result in chosen}
    left_out = [result for result in run.results if result.key not in keys]
    if left_out:
        lines.append(f"  left out: {refusals.ids(left_out)}")
    here = {result.fullname for result in run.results}
    absent = [one.recent[-1] for one in past.values() if one.recent[-1].fullname not in here]
    if absent:
        lines.append(f"  in the baseline and not in this run: {refusals.ids(absent)}")
    return lines


def what_to_commit(change: StoreChange) -> list[str]:
    """The files that changed."""
    return [
        *(f"written  {shown(path)}" for path in change.written),
        *(f"removed  {shown(path)}" for path in change.removed),
        *(f"no longer in the baseline: {node_id}" for node_id in change.retired),
        "next: commit them; git log of their folder is the history of the baseline",
    ]


def what_is_near(places: Collection[tuple[str, str]], machines: Path) -> list[str]:
    """Of the baselines as they are now, why those whose runs were measured too near in time can convict nobody."""
    found = []
    for place in sorted(places):
        runs = accepted_runs(*place, machines=machines)
        spreads = spreads_of({key: past.history() for key, past in pasts(runs).items()}, policy_of(runs))
        found += [one.one_sitting for one in spreads.values() if one.one_sitting is not None][:1]
    return [f"note: no benchmark turns red by this baseline yet: {why}" for why in found]


def what_stays(verdicts: Sequence[Mapping[str, str]]) -> list[str]:
    """What an accepted regression leaves as it was."""
    if not any("regressed" in by_key.values() for by_key in verdicts):
        return []
    return ["note: slow creep is still measured from the anchor; to measure it from here on, accept with --anchor"]
