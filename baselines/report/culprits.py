"""What searches found (`python -m baselines bisect`, `python -m baselines tune`), for reports and the issue on GitHub."""

from __future__ import annotations

from itertools import takewhile
from typing import Final

from baselines.comparing import tuning_file
from baselines.comparing.bisection_file import read_answers
from baselines.files.run import Run

_TYPED: Final = "$"
"""Before the lines to type, which follow what to run and what it was compared with."""


def culprit_notices(run: Run) -> list[str]:
    """A notice per benchmark that was searched: the answer in one line, and what is beside it."""
    return [f"what made {name.rpartition('::')[2]} slower: {'; '.join(lines)}" for name, lines in read_answers(run).items()]


def tuning_notices(run: Run) -> list[str]:
    """A notice per question that a search for the best deployment answered: what to run, and what it was compared with."""
    return ["; ".join(takewhile(lambda line: not line.startswith(_TYPED), lines)) for lines in tuning_file.read_answers(run)]
