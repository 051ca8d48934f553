"""What a duet says of each suspect: cleared, or why it stays red."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from baselines.comparing.confirmation_file import SUITE, Finding, as_a_whole
from baselines.confirming.suspects import Suspect
from baselines.files.checkout import code_changed
from baselines.files.run import Run
from baselines.judging.judgement import Against, Verdict
from baselines.judging.policy import Policy
from baselines.judging.wording import change_text, counted


def findings_of(
    suspects: Mapping[str, Suspect], duet: Mapping[str, Mapping[str, Any]], run: Run, checkout: Path
) -> list[Finding]:
    """What the duet's results say of each suspect; both by node id.

    `duet` has `extra_info.duet` of what the duet measured, `run` is the one that is confirmed.
    """
    found = []
    for name, suspect in suspects.items():
        said = duet.get(name) or {}
        measured_again = (said.get("reference") or {}).get("commit") == suspect.run.commit
        changed = None if measured_again else code_changed(checkout, suspect.run.commit, run.commit)
        changed = changed or ("it had uncommitted changes" if run.dirty else None)
        why = why_not_cleared(duet.get(name), suspect, changed)
        code = "its code" if measured_again else "same code"
        same = f"a duet with the accepted run's environment, {code}, same CPUs: {_numbers(said)}: the machine changed"
        same_state = (said.get("reference") or {}).get("versions") == dict(suspect.result.versions)
        slower = said.get("verdict") == Verdict.REGRESSED and same_state
        found.append(Finding(fullname=name, cleared=why is None, reason=why or same, slower=slower))
    return found


def why_not_cleared(said: Mapping[str, Any] | None, suspect: Suspect, changed: str | None) -> str | None:
    """Why a suspect stays red; None when it does not.

    `said` is its `extra_info.duet`, None where the duet did not measure it; `changed` is how the code differs from the
    accepted run's.
    """
    if said is None:
        return "the duet could not measure it"
    numbers = _numbers(said)
    if not numbers:
        return "the duet has too few launch pairs"
    if said.get("verdict") == Verdict.REGRESSED:
        return f"the duet finds it slower than the accepted run's environment as well: {numbers}"
    versions = (said.get("reference") or {}).get("versions")
    if versions != dict(suspect.result.versions):
        there, recorded = _installed(versions or {}), _installed(suspect.result.versions)
        return f"the reference has {there}, and the accepted run had {recorded}: compare with it: --reference accepted"
    if suspect.judgement.against is Against.ANCHOR:
        return f"it crept away from its anchor, of which the newest accepted environment knows nothing ({numbers})"
    margin = min(suspect.judgement.allowance or Policy().min_effect, Policy().min_effect)
    if said["interval"][1] > 1 + margin:
        return f"the duet cannot exclude {margin:.1%}: {numbers}"
    return None if changed is None else f"the packages are not the cause ({numbers}), but {changed}"


def finding_of_the_suite(findings: Sequence[Finding]) -> Finding:
    """What the benchmarks of a duet, some of each backend, say of a suite that became slower as a whole."""
    red = [one.fullname.rpartition("::")[2] for one in findings if not one.cleared]
    if red or not findings:
        return Finding(fullname=SUITE, cleared=False, reason=f"not cleared with it: {', '.join(red) or 'nothing measured'}")
    reason = f"{counted(len(findings), 'benchmark')} in a duet, of every backend, all cleared: the machine changed"
    return Finding(fullname=SUITE, cleared=True, reason=reason)


def finding_of_a_backend(backend: str, findings: Sequence[Finding]) -> Finding:
    """What a backend's own benchmarks in a duet say of it when it became slower as a whole."""
    name, red = as_a_whole(backend), [one.fullname.rpartition("::")[2] for one in findings if not one.cleared]
    if red or not findings:
        return Finding(fullname=name, cleared=False, reason=f"not cleared with it: {', '.join(red) or 'nothing measured'}")
    reason = f"{counted(len(findings), 'benchmark')} of it in a duet, all cleared: the machine changed"
    return Finding(fullname=name, cleared=True, reason=reason)


def _numbers(said: Mapping[str, Any]) -> str:
    """`+3.1 % [+2.4 %, +3.8 %]`; empty where launch pairs were too few."""
    return change_text(said.get("ratio"), tuple(said["interval"]) if said.get("interval") else None)


def _installed(versions: Mapping[str, str]) -> str:
    """`numpy 2.4.6, onnxruntime 1.32.0`."""
    return ", ".join(f"{name} {version}" for name, version in sorted(versions.items())) or "none of its packages"
