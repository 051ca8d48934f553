"""Plugin: the locks of CPUs are in TMPDIR, a test's own: tests run beside each other, and beside a user's measurement."""

import os
from pathlib import Path

from fixtures.machine import lock

Path(os.environ["TMPDIR"]).chmod(0o1777)
lock.FOLDERS = (Path(os.environ["TMPDIR"]),)
