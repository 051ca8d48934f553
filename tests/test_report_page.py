"""The HTML page: one file that needs nothing else, in which everything that comes from a file is text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from baselines.report.formats.page import MOST_STRIPS, page
from baselines.report.rows import HEADS
from baselines.report.strip import HEIGHT, WIDTH, strip_of
from tests.builders import ONE, TWO, benchmark, view_of_runs

HOSTILE = """<script>alert(1)</script>"><img src=x onerror=alert(1)> {{ 7 * 7 }} {% raw %} & ' " \u2028 @a"""
VOID = {"meta", "path", "circle", "br"}


class Page(HTMLParser):
    """The page as a browser sees it: open tags are closed, and text is in cells."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.cells: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "td" in self.open or "th" in self.open:
            self.cells[-1] += data


def test_what_comes_from_files_is_text(tmp_path: Path) -> None:
    """A name or a reason with tags, quotes and template braces in it is shown as it is, and adds no element."""
    how = {"outcome": "failed", "reason": HOSTILE}
    gone = benchmark("gone")["fullname"]
    accepted = [[benchmark(name, 0.01) for name in (HOSTILE, "gone")]] * 3
    hostile = Page(page(view_of_runs(tmp_path / "a", [benchmark(HOSTILE, 0.05)], accepted, run={"not_passed": {gone: how}})))
    harmless = [[benchmark(name, 0.01) for name in ("harmless", "gone")]] * 3
    how["reason"] = "harmless"
    other = Page(
        page(view_of_runs(tmp_path / "b", [benchmark("harmless", 0.05)], harmless, run={"not_passed": {gone: how}}))
    )
    assert hostile.tags == other.tags
    assert [name for name, _ in hostile.attributes] == [name for name, _ in other.attributes]
    shown = HOSTILE.replace("\u2028", r"\u2028")
    assert any(cell.startswith(shown) for cell in hostile.cells)
    assert f"gonefailed: {shown}" in hostile.cells


def test_the_page_needs_nothing_else(tmp_path: Path) -> None:
    """No script, no address to fetch, and a policy that forbids both; both colour schemes, a phone and a printer are met."""
    text = page(view_of_runs(tmp_path, [benchmark(ONE, 0.02)], [[benchmark(ONE, 0.01)]] * 3))
    seen = Page(text)
    assert not {"script", "link", "img", "iframe", "object"} & set(seen.tags)
    assert not [name for name, _ in seen.attributes if name in ("src", "action") or name.startswith("on")]
    assert all((value or "").startswith("#") for name, value in seen.attributes if name == "href")
    assert not re.search(r"url\((?!#)|@import|https?:", text)
    assert "default-src 'none'" in text
    for words in ("prefers-color-scheme: dark", "@media print", 'name="viewport"', "overflow-x: auto", '<html lang="en">'):
        assert words in text


def test_each_row_has_a_cell_under_each_head(tmp_path: Path) -> None:
    """Also rows with nothing to compare."""
    text = page(view_of_runs(tmp_path, [benchmark(ONE, 0.02), benchmark(TWO, 0.01)], [[benchmark(ONE, 0.01)]] * 3))
    tables = re.findall(r'(?s)<table class="verdicts">.*?</table>', text)
    assert len(tables) == 2, "what needs a look, and what does not"
    for table in map(Page, tables):
        assert table.cells[: len(HEADS)] == list(HEADS)
        assert len(table.cells) == 2 * (len(HEADS) + 1)


def test_a_strip_shows_every_accepted_run_and_this_one(tmp_path: Path) -> None:
    """Dots in time order, higher is more, this run with its interval at the right; all inside, and told in words."""
    medians = [0.010, 0.012, 0.011]
    view = view_of_runs(tmp_path, [benchmark(ONE, 0.02)], [[benchmark(ONE, median)] for median in medians])
    strip = strip_of(view.rows[0])
    assert strip is not None
    across, heights, marks = zip(*strip.dots, strict=True)
    assert set(marks) == {None}
    assert list(across) == sorted(across)
    assert across[-1] < strip.here[0]
    assert heights[0] > heights[2] > heights[1] > strip.here[1], "pixels count downwards"
    assert strip.interval[0] <= strip.here[1] <= strip.interval[1]
    assert heights[1] < strip.level < heights[0]
    assert all(0 <= y <= HEIGHT for y in (*heights, *strip.here[1:], *strip.interval, strip.level))
    assert all(0 <= x <= WIDTH for x in across)
    assert strip.text.startswith("median of the accepted runs, oldest first: 10.0 ms, 12.0 ms, 11.0 ms; this run: 20.0 ms, ")
    assert f"<title>{strip.text}</title>" in page(view)


@pytest.mark.parametrize("measured", [0.01, 0.0100001, 10.0], ids=["all the same", "nearly", "far away"])
def test_a_strip_of_extremes_stays_inside(tmp_path: Path, measured: float) -> None:
    """Values that agree exactly, and an interval that would be a thousand times as wide as all values."""
    strip = strip_of(view_of_runs(tmp_path, [benchmark(ONE, measured)], [[benchmark(ONE, 0.01)]] * 2).rows[0])
    assert strip is not None
    assert all(0 <= y <= HEIGHT for y in (*(y for _, y, _ in strip.dots), *strip.here[1:], *strip.interval, strip.level))


def test_a_large_page_draws_the_worst(tmp_path: Path) -> None:
    """No more strips than a page can bear, and the slow one among them."""
    names = [f"one{number}" for number in range(MOST_STRIPS + 50)]
    measured = [benchmark(name, 0.01) for name in names[:-1]] + [benchmark(names[-1], 0.05)]
    text = page(view_of_runs(tmp_path, measured, [[benchmark(name, 0.01) for name in names]] * 6))
    assert text.count('<svg class="strip') == MOST_STRIPS
    assert text.index('<svg class="strip regressed"') < text.index('<svg class="strip passed"')
