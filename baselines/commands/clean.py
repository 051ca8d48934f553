"""`python -m baselines clean`: removes old code and environments of references from the cache."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Final

HELP = "remove what --reference built in the cache and has not used for long"
CHECKOUT: Final = Path(__file__).resolve().parents[2]


def declare(command: argparse.ArgumentParser) -> None:
    """What it takes."""
    command.add_argument("--days", type=float, default=30.0, help="not used for so many days (default: %(default)g)")


def run(arguments: argparse.Namespace) -> tuple[str, int]:
    """What was removed. The cache is another room's, and so another process: nothing here needs fixtures/."""
    command = [sys.executable, "-m", "fixtures.asked.reference_state", "--days", str(arguments.days)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).strip(), done.returncode
