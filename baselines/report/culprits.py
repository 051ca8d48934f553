"""What searches found (`python -m baselines bisect`), for reports and the issue on GitHub."""

from __future__ import annotations

from baselines.comparing.bisection_file import read_answers
from baselines.files.run import Run


def culprit_notices(run: Run) -> list[str]:
    """A notice per benchmark that was searched: the answer in one line, and what is beside it."""
    return [f"what made {name.rpartition('::')[2]} slower: {'; '.join(lines)}" for name, lines in read_answers(run).items()]
