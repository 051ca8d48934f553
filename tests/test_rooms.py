"""The contracts of import-linter in pyproject.toml, each seen to fail in a copy of the tree; and who says where it runs."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.suite import REPOSITORY

CONTRACTS = [
    str(contract["name"])
    for contract in tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
]
BREACHES = {
    "fixtures/: each room needs only those below it": ("fixtures/instance/handle.py", "import fixtures.run.session"),
    "baselines/: each room needs only those below it": ("baselines/files/store.py", "import baselines.accepting.accept"),
    "No two folders, and no two modules of a folder, need each other": (
        "baselines/report/view.py",
        "import baselines.report.formats.page",
    ),
    "A worker, the dispatcher and the preparation import nothing of the test process": (
        "fixtures/worker/rounds.py",
        "import pytest",
    ),
    "The test process imports no framework, no numpy and no plotting": ("fixtures/measurement/effort.py", "import torch"),
    "baselines/ needs no pytest, no framework and nothing of fixtures/": (
        "baselines/files/result.py",
        "import fixtures.process",
    ),
}
"""Contract to the file and the line that break it."""


def broken_in(root: Path) -> set[str]:
    """The contracts that a tree breaks."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    done = subprocess.run(
        [*command, "--no-cache", "--no-logo"], cwd=root, capture_output=True, text=True, check=False, env={"COLUMNS": "200"}
    )
    told = {line.partition(" (")[0].rpartition(" ") for line in done.stdout.splitlines()}
    names = {name for name, _, how in told if how == "BROKEN"}
    assert (done.returncode != 0) == bool(names), done.stdout + done.stderr
    return names


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The modules of this checkout, to be broken."""
    root = tmp_path_factory.mktemp("tree")
    for folder in ("benchmarks", "fixtures", "baselines"):
        shutil.copytree(REPOSITORY / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__", "*.json"))
    shutil.copy(REPOSITORY / "pyproject.toml", root)
    return root


def test_every_contract_has_a_breach() -> None:
    """A contract that nobody has seen fail may say nothing."""
    assert set(BREACHES) == set(CONTRACTS)


def test_the_tree_keeps_them(tree: Path) -> None:
    """As it is, nothing is broken."""
    assert broken_in(tree) == set()


@pytest.mark.parametrize("contract", BREACHES)
def test_a_breach_is_found(tree: Path, contract: str) -> None:
    """One import too many breaks the contract that speaks of it."""
    file, line = BREACHES[contract]
    path = tree / file
    before = path.read_text()
    path.write_text(f"{before}\n\n{line}\n")
    try:
        assert contract in broken_in(tree)
    finally:
        path.write_text(before)


ELSEWHERE = {"worker": "a worker", "dispatcher": "the dispatcher", "model": "the preparation"}
"""The rooms with a process of their own, and what a docstring calls it."""


def runs_in(module: Path) -> str:
    """The processes that a module's docstring names; empty where it names none: the test process. (One file is frozen.)"""
    docstring = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
    found = re.search(r"(?:[Rr]uns in|timed inside) ([^.;:]+)", " ".join(docstring.split()))
    return found[1] if found else ""


def imported_by(modules: set[Path]) -> set[Path]:
    """The modules of fixtures/ that these import, at the top or in a function."""
    nodes = (node for module in modules for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))))
    froms = [node for node in nodes if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fixtures")]
    names = {name for node in froms for name in (node.module, *(f"{node.module}.{one.name}" for one in node.names))}
    paths = {REPOSITORY / str(name).replace(".", "/") for name in names}
    return {one for path in paths for one in (path.with_suffix(".py"), path / "__init__.py") if one.is_file()}


@pytest.mark.parametrize(("room", "process"), ELSEWHERE.items(), ids=ELSEWHERE)
def test_what_runs_elsewhere_says_so(room: str, process: str) -> None:
    """Every module that another process than the test process imports names it; of a card its room does."""
    rooms = REPOSITORY / "fixtures"
    loaded = {rooms / room / "__main__.py"}
    while more := imported_by(loaded) - loaded:
        loaded |= more
    silent = [str(one) for one in loaded if process not in (said := runs_in(one)) and "every process" not in said]
    assert sorted(silent) == []
    assert [one.name for one in (rooms / room).glob("*.py") if not runs_in(one)] == []
