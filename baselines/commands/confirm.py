"""`python -m baselines confirm`: picks the suspects of a red run, measures them in a duet, and says what stays red."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from baselines.commands import pytest_options, take_pytest, take_run, take_store
from baselines.comparing.comparison import compare
from baselines.comparing.confirmation_file import Finding, write_findings
from baselines.confirming import duet_run
from baselines.confirming.findings import finding_of_a_backend, finding_of_the_suite, findings_of
from baselines.confirming.suspects import (
    backend_of_suspect,
    reasons_beside,
    sentinels_of,
    suspects_of,
    why_code_unknown,
    witnesses_of,
)
from baselines.judging.judgement import Verdict

HELP = "measure what regressed side by side with the accepted run's code and packages: 0 all cleared, 1 something red"
CHECKOUT: Final = Path(__file__).resolve().parents[2]
"""Where the duet's pytest is started."""


def declare(command: argparse.ArgumentParser) -> None:
    """What it takes."""
    take_run(command)
    command.add_argument(
        "--reference",
        default="accepted",
        metavar="WHAT",
        help="compare with this side, as pytest takes it (default: accepted)",
    )
    take_pytest(command, "the duet's pytest")
    take_store(command)


def run(arguments: argparse.Namespace) -> tuple[str, int]:
    """Confirms a red run; the exit code is what stays red."""
    extra = pytest_options(arguments)
    return confirm(arguments.run, arguments.store, reference=arguments.reference, extra=extra)


def confirm(
    run: Path | None, machines: Path, *, reference: str, extra: Sequence[str] = (), checkout: Path = CHECKOUT
) -> tuple[str, int]:
    """Confirms a red run, the newest for None.

    Returns:
        What was found, and the exit code: 0 when every reason to be red was a benchmark that the duet clears, else 1. What
        was inconclusive because its accepted runs are of one sitting is red only where the duet calls it slower, and so are
        sentinels: where packages or code changed, the quickest benchmark of each backend and number format is asked as well.

    Raises:
        RunFileError: a file cannot be read, or the duet left no result.
    """
    comparison = compare(run, [], machines, confirmed=False)
    red = comparison.run
    suspects, shifted = suspects_of(comparison), comparison.shift.verdict is Verdict.REGRESSED
    beside = reasons_beside(comparison, set(suspects))
    explaining = {**suspects, **witnesses_of(comparison, suspects)}
    sentinels = sentinels_of(comparison, checkout)
    asked = {**sentinels, **explaining}
    if red.exit_status not in (0, 1) or (red.exit_status == 1 and not explaining and not beside):
        beside = [*beside, f"pytest ended with exit code {red.exit_status}, and no benchmark says why"]
    if not asked and not beside:
        unknown = why_code_unknown(comparison, checkout)
        beside_it = f"; whether its code changed cannot be told: {unknown}" if unknown else ""
        return f"{red.name}: nothing regressed, so that there is nothing to confirm{beside_it}", 0
    findings: list[Finding] = []
    if asked:
        duet = duet_run.measured_in_a_duet(list(asked), red, reference=reference, extra=extra, checkout=checkout)
        findings = findings_of(asked, duet, red, checkout)
        if shifted:
            findings.append(finding_of_the_suite(findings))
        for backend in comparison.slower_backends:
            own = [one for one in findings if one.fullname in asked and backend_of_suspect(asked[one.fullname]) == backend]
            findings.append(finding_of_a_backend(backend, own))
        write_findings(red, findings)
    # Nothing but the duet can turn these red.
    withheld = {name for name, one in asked.items() if one.judgement.withheld or name not in explaining}
    open_still = {one.fullname for one in findings if one.fullname in withheld and not one.slower}
    lines = [
        f"{'cleared' if one.cleared else 'undecided' if one.fullname in open_still else 'stays red':9}  "
        f"{one.fullname}: {one.reason}"
        for one in findings
    ]
    lines += [f"stays red  {reason}" for reason in beside]
    return "\n".join(lines), int(bool(beside) or any(not (one.cleared or one.fullname in open_still) for one in findings))
