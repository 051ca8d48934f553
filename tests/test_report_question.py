"""The page of a large run has room for so many rows and counts the others; the page of one question has all of it."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from baselines.__main__ import main
from baselines.report.figures.questions import HISTORY, figures_about, figures_of, names_of
from baselines.report.figures.values import MOST_PANELS
from baselines.report.formats.page import Room, page
from baselines.report.formats.report_files import page_name
from baselines.report.view import View
from tests.builders import answer, run_folder, view_of_runs
from tests.test_report_page import HOSTILE, Page

BACKENDS = [f"backend{number}" for number in range(5)]
SMALL = Room(opened=6, looked_at=8, rest=7, table=10)


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> View:
    """Two questions with more backends, sizes and choices than a figure can bear; some benchmarks of each verdict."""
    grid = [(backend, batch, length) for backend in BACKENDS for batch in (1, 2, 4, 8) for length in (32, 64)]
    records = [
        answer("core_count_scaling", batch * length / threads, backend=backend, batch=batch, length=length, threads=threads)
        for backend, batch, length in grid
        for threads in (1, 2, 4)
    ]
    records += [
        answer("moon_phase", batch * length, backend=backend, batch=batch, length=length, phase=f"phase{number}")
        for backend, batch, length in grid[:24]
        for number in range(16)
    ]
    before = [one for number, one in enumerate(records) if number % 7]
    after = []
    for number, one in enumerate(records):
        if number % 5 == 1:
            factor = 3.0 if number % 2 else 1 / 3
            stats = {key: one["stats"][key] * factor for key in ("median",)}
            data = [seconds * factor for seconds in one["stats"]["data"]]
            one = {**one, "stats": {**one["stats"], **stats, "data": data}}
        if number % 11:
            after.append(one)
    made = view_of_runs(tmp_path_factory.mktemp("question"), after, [before] * 6)
    assert {verdict.value for verdict, _ in made.counts} == {"regressed", "missing", "new", "improved", "passed"}
    return made


def test_the_slices_of_a_question_are_all_of_it(view: View) -> None:
    """Each row of its table is in one of them, nothing is left undrawn, and none is more than a figure can bear."""
    (whole,) = (figure for figure in figures_of(view) if figure.question == "moon_phase")
    assert any("are drawn" in note for note in whole.notes)
    slices = figures_about(view, "moon_phase")
    assert whole.table is not None
    rows = [row for one in slices if one.table for row in one.table.rows]
    assert Counter(rows) == Counter(whole.table.rows)
    assert not any("are drawn" in note for one in slices for note in one.notes)
    assert all(len(one.panels) <= MOST_PANELS for one in slices)
    drawn = {(panel.title, series.label, panel.ticks[int(dot.x)][1])
             for one in slices for panel in one.panels for series in panel.series for dot in series.dots}  # fmt: skip
    assert len(drawn) == len(whole.table.rows)
    assert len({one.name for one in slices}) == len({one.title for one in slices}) == len(slices)


@pytest.mark.parametrize("name", ["core_count_scaling", "share_of_limit", "affinity", HISTORY, "memory_binding"])
def test_every_question_has_a_page(view: View, name: str) -> None:
    """Also one that the run has no answer to: with the reason."""
    assert name in names_of(view)
    text = page(view, name)
    Page(text)
    figures = figures_about(view, name)
    assert figures
    assert all(f'id="{figure.name}"' in text for figure in figures)
    assert f"This page is about {name} alone" in text


def counts_in(text: str) -> Counter[str]:
    """`12 regressed, 4 passed` as numbers."""
    return Counter({word: int(number) for number, word in re.findall(r"(\d+) ([a-z]+)", text)})


def test_rows_are_there_or_counted(view: View) -> None:
    """On a page with little room; each kind of verdict is seen without unfolding anything."""
    text = page(view, room=SMALL)
    Page(text)
    rows = Counter(re.findall(r'<tr><td class="verdict (\w+)">', text))
    assert sum(rows.values()) <= SMALL.opened + SMALL.looked_at + SMALL.rest
    for left in re.findall(r"Not on this page: (.*?)\. verdicts\.json has all", text):
        rows += counts_in(left)
    assert rows == Counter({verdict.value: count for verdict, count in view.counts})
    opened = text[text.index('id="verdicts"') : text.index("<details>", text.index('id="verdicts"'))]
    assert {"regressed", "missing"} <= set(re.findall(r'class="verdict (\w+)"', opened))
    assert "report RUN --question core_count_scaling" in text
    for table in re.findall(r'(?s)<table class="numbers">.*?</table>', text):
        assert table.count("<tr>") <= SMALL.table + 1
    assert "10 of 109 rows of numbers" in text
    assert "the table has all" not in text.partition('<section id="machine">')[0].partition('id="figure-1"')[2]


def test_a_page_of_one_question_leaves_nothing_out(view: View) -> None:
    """Its verdicts, all of them, and those of no other."""
    text = page(view, "core_count_scaling")
    labels = [row.label for row in view.rows if row.result.fullname.startswith("benchmarks/test_core_count_scaling")]
    assert text.count('<tr><td class="verdict ') == len(labels)
    assert all(f">{label}<" in text for label in labels)
    assert "Not on this page" not in text
    assert "phase3" not in text


def test_the_command_writes_a_page_for_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Beside the usual files; a question that there is not is refused, and nothing is written then."""
    run = run_folder(tmp_path, answer("core_count_scaling", 0.1, threads=1), answer("core_count_scaling", 0.06, threads=2))
    none = ["--store", str(tmp_path / "none")]
    assert main(["report", str(run), *none, "--question", "moon"]) == 2
    assert "--question moon: this run has no such question; possible: out_of_the_box, " in capsys.readouterr().err
    assert not (run / "report").exists()
    assert main(["report", str(run), *none, "--question", "core_count_scaling", "--question", "history"]) == 0
    names = {path.name for path in (run / "report").iterdir()}
    assert names == {
        *("report.html", "report.md", "verdicts.json", "report-core_count_scaling.html", "report-history.html"),
    }


def test_a_question_out_of_a_file_is_text(tmp_path: Path) -> None:
    """Its name is no path and no markup."""
    view = view_of_runs(tmp_path, [answer(HOSTILE, 0.1, phase=HOSTILE)])
    (name,) = (name for name in names_of(view) if "alert" in name)
    assert re.fullmatch(r"report-[A-Za-z0-9_-]+\.html", page_name("../../" + name))
    assert not {"script", "img"} & set(Page(page(view, name)).tags)
