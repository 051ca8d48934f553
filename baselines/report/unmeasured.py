"""Why a run has no benchmark of a question."""

from __future__ import annotations

from collections import Counter

from baselines.files.run import Run
from baselines.judging.wording import counted, one_line


def why_not(run: Run, question: str) -> str:
    """Why a run measured no benchmark of a question, in a sentence."""
    if not run.ours:
        return "this file was not written by this suite: it does not say what was configured"
    prefix = f"benchmarks/test_{question}.py::"
    skipped = Counter(reason for name, reason in run.skipped.items() if name.startswith(prefix))
    how = [words for name, words in run.not_measured.items() if name.startswith(prefix)]
    skipped.update(str(words.get("reason")) for words in how if words.get("outcome") == "skipped")
    failed = [str(words.get("reason")) for words in how if words.get("outcome") != "skipped"]
    unreached = sum(name.startswith(prefix) for name in run.not_reached)
    parts = [f"skipped, {counted(count, 'benchmark')}: {reason}" for reason, count in skipped.items()]
    if failed:
        parts.append(f"{len(failed)} failed, the first with: {failed[0]}")
    if unreached:
        parts.append(f"the run ended before its {counted(unreached, 'benchmark')}")
    if left_out := sum(name.startswith(prefix) for name in run.left_out):
        parts.append(f"the budget left out its {counted(left_out, 'benchmark')}: --budget none measures them")
    nothing = f"this run did not ask: pytest benchmarks/test_{question}.py --benchmark-only does"
    return one_line("; ".join(parts) or nothing)
