"""README and docs/: what they name exists, and every page begins with something to type."""

from __future__ import annotations

import importlib.util
import itertools
import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
DOCS: Final = sorted((ROOT / "docs").glob("*.md"))
PAGES: Final = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "baselines" / "README.md", *DOCS]
FOLDERS: Final = ("benchmarks", "fixtures", "baselines", "studies", "tests", "docs", ".ci", ".github")
CODE: Final = [
    ROOT / "tox.ini",
    *(
        path
        for name in FOLDERS
        for path in (ROOT / name).rglob("*")
        if path.suffix in (".py", ".yml") and ROOT / "studies/runs" not in path.parents  # environments of studies
    ),
]
WRITTEN: Final = "fixtures/backends/pytorch_eager_attention.py"
"""What docs/adding-a-backend.md has its reader write; tests/test_adding_a_backend.py does what it says."""
SCREEN: Final = 25
"""Lines of a page that are seen before scrolling."""


def name_of(path: Path) -> str:
    """A page or module as it is written in the docs."""
    return path.relative_to(ROOT).as_posix()


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return re.sub(r"^( *)```.*?^\1```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """What GitHub makes of the page's headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
class TestPage:
    """A page on its own."""

    def test_links(self, page: Path) -> None:
        """Every relative link leads to a file, and its anchor to a heading there."""
        for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", prose(page)):
            path, _, anchor = target.partition("#")
            file = (page.parent / path).resolve() if path else page
            assert file.exists(), target
            assert not anchor or anchor in anchors(file), target

    def test_paths(self, page: Path) -> None:
        """Every file and folder of ours that is named in the text is there."""
        for path in re.findall(rf"`((?:{'|'.join(map(re.escape, FOLDERS))})/[\w./-]*)`", prose(page)):
            assert (ROOT / path).exists() or path == WRITTEN, path

    def test_modules(self, page: Path) -> None:
        """Every module of ours that is to be run with `python -m` is there."""
        text = page.read_text(encoding="utf-8")
        for module in re.findall(r"python3? -m ((?:fixtures|baselines|studies|tests)[\w.]*\w)", text):
            assert importlib.util.find_spec(module) is not None, module

    def test_words(self, page: Path) -> None:
        """Those of docs/glossary.md: a suspect is cleared or turns red, a duet is run, a benchmark re-measured."""
        assert not re.findall(r"acquit|convict|duet is played|plays a duet|measured again", page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", DOCS, ids=name_of)
def test_begins_with_a_command(page: Path) -> None:
    """A page of docs/ has a command on its first screen."""
    lines = page.read_text(encoding="utf-8").splitlines()[:SCREEN]
    assert any(re.fullmatch(r" *```(sh|console)", line) for line in lines)


def test_readme() -> None:
    """It is short, and its first two commands are those that measure and that pass the tests."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 90
    first, second = itertools.islice(re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL), 2)
    assert first.endswith("/tox run -e bench\n")
    assert second.endswith("/tox run -e lint,types,tests\n")


def test_every_page_is_found() -> None:
    """From README.md, by links, as a reader would."""
    seen, ahead = set(), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page not in seen:
            seen.add(page)
            ahead += [(page.parent / link).resolve() for link in re.findall(r"\]\((?!https?:)([^)#\s]+\.md)", prose(page))]
    assert set(PAGES) <= seen


def test_architecture_has_every_room() -> None:
    """docs/architecture.md has a row for each room, and for no other."""
    rows = set(re.findall(r"^\| `([\w/]+)` \|", prose(ROOT / "docs" / "architecture.md"), re.MULTILINE))
    rooms = {path.name for path in (ROOT / "fixtures").iterdir() if (path / "__init__.py").exists()}
    rooms |= {path.stem for path in (ROOT / "fixtures").glob("*.py")} - {"__init__"}
    for folder in (path.parent for path in (ROOT / "baselines").rglob("__init__.py")):
        rooms.add(folder.relative_to(ROOT / "baselines").as_posix())
    assert rows == rooms - {"."} | {"machines"}


def test_what_the_code_says_of_the_docs() -> None:
    """Every page that a message or a docstring points to is there, with its section."""
    for file in CODE:
        for page, anchor in re.findall(r"\b(docs/[\w-]+\.md)(?:#([\w-]+))?", file.read_text(encoding="utf-8")):
            assert (ROOT / page).exists(), f"{file}: {page}"
            assert not anchor or anchor in anchors(ROOT / page), f"{file}: {page}#{anchor}"
