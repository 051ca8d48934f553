"""docs/adding-a-backend.md, followed to the letter in a checkout of its own: one new file in it, and one outside of it."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from fixtures.model.prepared import PreparedModel
from tests.builders import git
from tests.suite import INHERITED_CACHE, NO_REPORT, OURS_ALONE, REPOSITORY
from tests.test_story_of_a_baseline import Checkout

RECIPE = REPOSITORY / "docs" / "adding-a-backend.md"
SECTION = re.compile(r"^## .*?`([^`]+\.py)`.*?^```python\n(.*?)^```$.*?^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SOONER = (*OURS_ALONE, *NO_REPORT, "-p", "no:cacheprovider", "--no-limit", "--benchmark-max-time=0.05")
"""Options that a reader does not give: what they leave out, other tests are about."""


def follow(checkout: Checkout, file: str, card: str, commands: str) -> list[str]:
    """Does what a section says: writes its file, runs its two commands; what they print."""
    path = checkout.root / file
    path.parent.mkdir(exist_ok=True)
    with path.open("x") as new:
        new.write(card)
    printed = []
    for command in commands.splitlines():
        words = shlex.split(command)
        done = subprocess.run(
            [sys.executable, "-m", *(words if words[0] == "pytest" else words[2:])],
            cwd=checkout.root,
            env={**checkout.environment, "PYTEST_ADDOPTS": " ".join(SOONER)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        printed.append(done.stdout)
    return printed


def runs_of(checkout: Checkout) -> list[dict[str, Any]]:
    """The runs that are kept in a checkout, oldest first."""
    return [json.loads(path.read_text()) for path in sorted(checkout.root.glob("runs/*/run.json"))]


def test_the_recipe(tmp_path: Path, cache_home: Path, bert_tiny: PreparedModel) -> None:
    """Each backend is one new file, measured and compared; nothing else changes in the checkout, nor beside the other.

    With real frameworks, as the recipe says: the cards derive from theirs.
    """
    checkout = Checkout(tmp_path, cache_home)
    checkout.environment[INHERITED_CACHE] = str(cache_home)
    inside, outside = SECTION.findall(RECIPE.read_text())

    measured, asked = follow(checkout, *inside)
    assert "2 measured" in measured
    assert re.search(r"= \d+ passed", asked), asked
    (run,) = runs_of(checkout)
    words = {one["params"]["backend"]: one["extra_info"]["configuration"] for one in run["benchmarks"]}
    assert set(words) == {"pytorch", "pytorch_eager_attention"}
    assert "backend_file_sha256" not in words["pytorch_eager_attention"]

    measured, recommended = follow(checkout, *outside)
    assert re.search(r"= \d+ measured", measured), measured
    run = runs_of(checkout)[-1]
    words = {one["params"]["backend"]: one["extra_info"]["configuration"] for one in run["benchmarks"]}
    file = (checkout.root / outside[0]).resolve()
    assert words["our_service"]["backend_file_sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert "backend_file_sha256" not in words["onnxruntime"]
    assert run["run"]["backends"]["our_service"]["file"] == str(file)
    assert "onnxruntime fp32" in recommended
    assert "our_service fp32" in recommended

    changed = git(checkout.root, "status", "--porcelain", "--untracked-files=all").splitlines()
    assert changed == [f"?? {inside[0]}"]
    assert list(file.parent.iterdir()) == [file]
