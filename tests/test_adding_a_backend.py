"""docs/adding-a-backend.md, followed to the letter in a checkout of its own."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path

from tests.builders import git
from tests.suite import REPOSITORY
from tests.test_story_of_a_baseline import Checkout

RECIPE = REPOSITORY / "docs" / "adding-a-backend.md"
STEP = re.compile(r"^\d+\. (.*?)(?=^\d+\. |^\S)", re.DOTALL | re.MULTILINE)
BLOCK = re.compile(r"^   ```(\w+)\n(.*?)^   ```$", re.DOTALL | re.MULTILINE)


def follow(recipe: str, root: Path) -> tuple[set[str], list[str]]:
    """Does what the steps say: writes each new file, adds each line to its table; the files, and the commands to run."""
    files, commands = set(), []
    for step in STEP.findall(recipe):
        for language, indented in BLOCK.findall(step):
            block = textwrap.dedent(indented) if language == "sh" else re.sub("^   ", "", indented, flags=re.MULTILINE)
            if language == "sh":
                commands += block.splitlines()
                continue
            file, *words = re.findall(r"`([^`]+)`", step.partition("```")[0])
            path = root / file
            files.add(file)
            if not path.exists():
                path.write_text(block)
                continue
            text = path.read_text()
            opening = re.search(rf"^{words[0]}: .*{{$\n", text, re.MULTILINE)
            assert opening is not None, f"{file} has no table {words[0]}"
            path.write_text(text[: opening.end()] + block + text[opening.end() :])
    return files, commands


def test_the_recipe(tmp_path: Path, cache_home: Path) -> None:
    """Every command succeeds, the backend was measured and compared, and no other file than the named ones was touched."""
    checkout = Checkout(tmp_path, cache_home)
    files, commands = follow(RECIPE.read_text(), checkout.root)
    assert len(files) == 4
    assert len(commands) == 2
    for command in commands:
        words = shlex.split(command)
        assert words[0] == "pytest"
        done = subprocess.run(
            [sys.executable, "-m", *words, "-p", "no:cacheprovider"],
            cwd=checkout.root,
            env=checkout.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        ran = re.search(r"(\d+) (measured|passed)", done.stdout)
        assert ran is not None, done.stdout
        assert int(ran[1]) > 0
    (run,) = (checkout.root / "runs").glob("*/run.json")
    assert "out_of_the_box[pytorch_eager_attention-fp32-batch1-seq32]" in run.read_text()
    changed = {line[3:] for line in git(checkout.root, "status", "--porcelain", "--untracked-files=all").splitlines()}
    assert changed == files
