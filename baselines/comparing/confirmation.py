"""`python -m baselines confirm`: what was slower than stored runs is measured in a duet before it stays red.

The machine drifts between nights, and a stored number cannot tell that from a slower package; a duet with the environment of
the accepted run can. It sees packages only, both sides run the code of this checkout. So a benchmark is acquitted when the
duet excludes a slowdown by the stored rule's minimum effect, *and* the code that measures is that of its accepted run.
What was found stands in the run's folder, and `compare`, `report` and `issue` abide by it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from baselines.comparing.duet_words import numbers_text
from baselines.files.checkout import code_changed
from baselines.files.results import Result, Run
from baselines.files.run_file import RUN_NAME, RunFileError, put_in_place
from baselines.judging.judgement import Against, Judgement, Policy, SuiteShift, Verdict

FILE_NAME: Final = "confirmation.json"
FOLDER_NAME: Final = "confirmation"
"""In the folder of the confirmed run: the duet's own run, which so is never the newest run of anything."""
SCHEMA: Final = 1
LAUNCHES: Final = 16
"""Launch pairs, in a single look: more than a first look has otherwise, because suspects are few, and a wide interval
acquits nobody. Options for the duet's pytest may say otherwise."""
SUITE: Final = "the suite as a whole"
"""In place of a node id."""


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """A benchmark that a duet shall confirm or acquit."""

    judgement: Judgement
    """Of the comparison with accepted runs."""
    run: Run
    """The newest accepted run of it."""
    result: Result
    """What that run holds of it."""


@dataclass(frozen=True, kw_only=True)
class Confirmed:
    """What a duet said of one suspect."""

    fullname: str
    acquitted: bool
    reason: str


def why_not_acquitted(said: Mapping[str, Any] | None, suspect: Suspect, changed: str | None) -> str | None:
    """Why a suspect stays red; None when it does not.

    Args:
        said: `extra_info.duet` of the suspect; None where the duet did not measure it.
        suspect: with the accepted run that it is about.
        changed: how the code differs from that of the accepted run; None where it does not.
    """
    if said is None:
        return "the duet could not measure it"
    ratio, interval = said.get("ratio"), said.get("interval")
    if ratio is None or interval is None:
        return "the duet has too few launch pairs"
    numbers = numbers_text(ratio, (interval[0], interval[1]))
    if said.get("verdict") == Verdict.REGRESSED:
        return f"the duet finds it slower than the accepted run's environment as well: {numbers}"
    versions = (said.get("reference") or {}).get("versions")
    if versions != dict(suspect.result.versions):
        there, recorded = versions_text(versions or {}), versions_text(suspect.result.versions)
        return f"the reference has {there}, and the accepted run had {recorded}: build it, tox run -e reference"
    if suspect.judgement.against is Against.ANCHOR:
        return f"it crept away from its anchor, of which the newest accepted environment knows nothing ({numbers})"
    margin = min(suspect.judgement.allowance or Policy().min_effect, Policy().min_effect)
    if interval[1] > 1 + margin:
        return f"the duet cannot exclude {margin:.1%}: {numbers}"
    if changed is not None:
        return f"the packages are not it ({numbers}), but {changed}"
    return None


def versions_text(versions: Mapping[str, str]) -> str:
    """`onnxruntime 1.32.0, numpy 2.4.6`."""
    return ", ".join(f"{name} {version}" for name, version in sorted(versions.items())) or "none of its packages"


def confirmed_of(
    suspects: Mapping[str, Suspect], duet: Mapping[str, Mapping[str, Any]], run: Run, checkout: Path
) -> list[Confirmed]:
    """What the duet's results say of each suspect.

    Args:
        suspects: by node id.
        duet: by node id, `extra_info.duet` of what the duet measured.
        run: the one that is confirmed.
        checkout: a folder of the repository.
    """
    found = []
    for name, suspect in suspects.items():
        changed = code_changed(checkout, suspect.run.commit, run.commit) or (
            "it had uncommitted changes" if run.dirty else None
        )
        why = why_not_acquitted(duet.get(name), suspect, changed)
        said = duet.get(name) or {}
        numbers = numbers_text(said.get("ratio"), tuple(said["interval"]) if said.get("interval") else None)
        reason = why or f"a duet with the accepted run's environment, same code, same CPUs: {numbers}: the machine changed"
        found.append(Confirmed(fullname=name, acquitted=why is None, reason=reason))
    return found


def played(
    names: Sequence[str], run: Run, *, python: str, extra: Sequence[str], folder: Path, checkout: Path
) -> dict[str, Mapping[str, Any]]:
    """Plays the duet, pytest's words on this terminal; `extra_info.duet` of each benchmark that it measured, by node id.

    Raises:
        RunFileError: it left no result.
    """
    command = [sys.executable, "-m", "pytest", *names, "--benchmark-only", "--reference-python", python]
    command += ["--runs", str(folder)]
    if not any(word.partition("=")[0] in ("--launches", "--most-launches") for word in extra):
        command += ["--launches", str(LAUNCHES), "--most-launches", str(LAUNCHES)]
    for option, value in (("--model", run.model), ("--preset", run.preset)):
        command += [option, value] if value else []
    before = set(folder.glob("*Z_*"))
    code = subprocess.run([*command, *extra], cwd=checkout, check=False, env=_without_summary()).returncode
    new = [path / RUN_NAME for path in sorted(set(folder.glob("*Z_*")) - before) if (path / RUN_NAME).exists()]
    if not new:
        raise RunFileError(f"the duet ended with exit code {code} and left no result; its words stand above")
    content = json.loads(new[-1].read_text(encoding="utf-8"))
    return {one["fullname"]: one["extra_info"]["duet"] for one in content["benchmarks"] if "duet" in one["extra_info"]}


def _without_summary() -> dict[str, str]:
    """The environment for a session whose report is not the job's."""
    return {name: value for name, value in os.environ.items() if name != "GITHUB_STEP_SUMMARY"}


def store(folder: Path, run: Run, confirmed: Sequence[Confirmed]) -> Path:
    """Writes what was found beside the run, for `compare` and the report."""
    content = {
        "schema": SCHEMA,
        "run": None if run.datetime is None else run.datetime.isoformat(),
        "benchmarks": {one.fullname: {"acquitted": one.acquitted, "reason": one.reason} for one in confirmed},
    }
    return put_in_place(folder / FILE_NAME, json.dumps(content, indent=1) + "\n")


def confirmation_of(run: Run) -> dict[str, Confirmed]:
    """What was found of a run's suspects, by node id; empty where nothing was confirmed.

    Raises:
        RunFileError: the file cannot be read, or is another run's.
    """
    path = run.path.parent / FILE_NAME
    if run.path.name != RUN_NAME or not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        moment = None if run.datetime is None else run.datetime.isoformat()
        if content["schema"] != SCHEMA or content["run"] != moment:
            raise RunFileError(
                f"{path}: it is not about this run; confirm it: python -m baselines confirm {run.path.parent}"
            )
        return {
            name: Confirmed(fullname=name, acquitted=words["acquitted"] is True, reason=str(words["reason"]))
            for name, words in content["benchmarks"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunFileError(f"{path}: not what `python -m baselines confirm` writes: {error!r}; remove it") from None


def of_the_suite(confirmed: Sequence[Confirmed]) -> Confirmed:
    """What the benchmarks of a duet, some of each backend, say of a suite that became slower as a whole."""
    red = [one.fullname.rpartition("::")[2] for one in confirmed if not one.acquitted]
    if red or not confirmed:
        return Confirmed(
            fullname=SUITE, acquitted=False, reason=f"not acquitted with it: {', '.join(red) or 'nothing measured'}"
        )
    count = len(confirmed)
    reason = f"{count} benchmark{'s' * (count != 1)} in a duet, of every backend, all acquitted: the machine changed"
    return Confirmed(fullname=SUITE, acquitted=True, reason=reason)


def suite_abides_by(shift: SuiteShift, confirmed: Confirmed | None) -> SuiteShift:
    """The suite's shift after its confirmation, as `abide_by`."""
    if confirmed is None or shift.verdict is not Verdict.REGRESSED:
        return shift
    words = "acquitted: " if confirmed.acquitted else ""
    verdict = Verdict.INCONCLUSIVE if confirmed.acquitted else shift.verdict
    return replace(shift, verdict=verdict, reason=f"{shift.reason}; {words}{confirmed.reason}")


def abide_by(judgement: Judgement, confirmed: Confirmed | None) -> Judgement:
    """A judgement after its confirmation: an acquitted benchmark is inconclusive and says why, any other says it as well."""
    if confirmed is None or judgement.verdict is not Verdict.REGRESSED:
        return judgement
    if confirmed.acquitted:
        return replace(
            judgement,
            verdict=Verdict.INCONCLUSIVE,
            reason=f"{judgement.reason}; acquitted: {confirmed.reason}",
        )
    return replace(judgement, reason=f"{judgement.reason}; {confirmed.reason}")
