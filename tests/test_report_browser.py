"""The page in a real browser: it fetches nothing, complains of nothing, and fits a phone. tests/chromium.py drives it."""

from __future__ import annotations

from pathlib import Path

import pytest

from baselines.report.figures.questions import figures_of
from baselines.report.formats.page import page
from tests.builders import view_of_runs
from tests.chromium import DESKTOP, PHONE, browser, program
from tests.test_report_figures import EVERYTHING
from tests.test_report_page import HOSTILE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(program() is None, reason="no chromium: sudo apt-get install chromium"),
]

HIDDEN = "[...document.querySelectorAll('svg text')].filter(one => one.getBoundingClientRect().height < 7).length"
UNNAMED = "[...document.querySelectorAll('svg, [role=region]')].filter(one => !one.getAttribute('aria-labelledby') && "
UNNAMED += "!one.getAttribute('aria-label') && !one.querySelector('title')).length"
PAINT = "getComputedStyle(document.querySelector('.panels svg path[style*=--s0]')).stroke"


@pytest.mark.parametrize("names", ["plain", "hostile"])
def test_the_page_in_a_browser(names: str, tmp_path: Path) -> None:
    """Light and dark, on a desk, on a phone, and on paper."""
    records = EVERYTHING
    if names == "hostile":
        long = "x" * 10_000
        records = [
            {**one, "name": f"{one['name']}{HOSTILE}", "param": f"{one['param']}{HOSTILE}{long}"} for one in EVERYTHING
        ]
    view = view_of_runs(
        tmp_path, records, [records] * 3, run={"not_passed": {"x": {"outcome": "failed", "reason": HOSTILE}}}
    )
    path = tmp_path / "report.html"
    path.write_text(page(view))
    panels = sum(len(figure.panels) for figure in figures_of(view))
    colours = set()
    with browser() as tab:
        for size, dark in ((DESKTOP, False), (DESKTOP, True), (PHONE, False)):
            tab.open(path, size, dark=dark)
            assert tab.value("document.querySelectorAll('.panels svg[role=img]').length") == panels
            assert tab.value("document.documentElement.scrollWidth") <= size[0], "nothing sticks out at the side"
            assert tab.value(HIDDEN) == 0, "text in drawings is large enough to read"
            assert tab.value(UNNAMED) == 0
            colours.add(tab.value(PAINT))
        printed = tmp_path / "printed.pdf"
        tab.pdf(printed)
        assert printed.read_bytes().startswith(b"%PDF")
        assert tab.complaints == []
        assert set(tab.requests) == {path.as_uri()}
    assert len(colours) == 2, "another colour in the dark"


def test_the_browser_sees_what_is_wrong(tmp_path: Path) -> None:
    """A page that fetches, runs a script and sticks out is told from one that does not."""
    path = tmp_path / "bad.html"
    policy = "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'\">"
    path.write_text(
        f"{policy}<img src='http://127.0.0.1:9/x.png'><script>1</script><svg width='2000'></svg><pre>{'x' * 999}</pre>"
    )
    with browser() as tab:
        tab.open(path, PHONE)
        assert tab.value("document.documentElement.scrollWidth") > PHONE[0]
        assert tab.value(UNNAMED) == 1
        assert any("Content Security Policy" in text for text in tab.complaints)
    path.write_text("<img src='http://127.0.0.1:9/x.png'>")
    with browser() as tab:
        tab.open(path, PHONE)
        assert "http://127.0.0.1:9/x.png" in tab.requests
