"""Figures: one per question, drawn from records alone, in words and numbers too, and unharmed by what files may hold."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from baselines.report.figures.draw import HEXES, draw, drawing
from baselines.report.figures.questions import QUESTIONS, figures_of
from baselines.report.figures.values import MOST_PANELS, MOST_ROWS, MOST_SERIES, Figure
from baselines.report.formats.page import page
from baselines.report.view import View
from fixtures.asked.matrix import QUESTIONS as MEASURED
from tests.builders import ONE, answer, benchmark, run_folder, view_of_runs
from tests.test_report_page import HOSTILE, Page

Record = dict[str, Any]

EVERYTHING: list[Record] = [
    *(
        answer("out_of_the_box", 0.001 * batch * length, backend=backend, batch=batch, length=length)
        for backend in ("pytorch", "tensorflow")
        for batch in (1, 8)
        for length in (32, 128, 512)
    ),
    *(answer("simultaneous_multithreading", 0.01 * threads, cores=2, threads=threads) for threads in (2, 4)),
    *(answer("core_count_scaling", 0.08 / threads**0.9, threads=threads) for threads in (1, 2, 4)),
    *(answer("memory_binding", seconds, memory=place) for place, seconds in (("local", 0.01), ("remote", 0.02))),
    *(answer("instance_scaling", 0.1, batch=8, instances=count, throughput_per_s=80.0 * count) for count in (1, 2, 4)),
    *(
        answer(
            "smart_dispatching",
            0.01,
            length=128,
            policy=policy,
            extra_info={
                "latency_s": {"median": 0.01, "p90": 0.02, "p99": 0.05, "max": 0.06},
                "dispatching": {
                    "offered_per_s": 20.0,
                    "sustained": {"rate_per_s": 40.0, "broken_at_per_s": 47.6},
                    "padding_share": 0.4,
                },
            },
        )
        for policy in ("one", "equal", "pools")
    ),
    *(answer("pipeline", seconds, backend=name, text="passages") for name, seconds in (("ours", 0.01), ("theirs", 0.02))),
    *(answer("precision", seconds, kind=kind) for kind, seconds in (("fp32", 0.02), ("int8", 0.005))),
    *(answer("cpu_limits", 0.02, quota="1", way=way) for way in ("default_threads", "quota_threads", "cpuset")),
    *(answer("padding", 0.02, batch=8, padding=word) for word in ("none", "half", "sorted")),
    *(
        answer("runtime_tuning", 0.01, knob=knob, setting=setting)
        for knob, setting in (("none", "default"), ("allocator", "jemalloc"))
    ),
    answer("core_count_scaling", 0.01, threads=8, extra_info={"work": {"flop": 1e9, "share_of_limit": 0.61}}),
]


def figures_by_title(view: View) -> dict[str, Figure]:
    """The figures of a page."""
    return {figure.title: figure for figure in figures_of(view)}


def drawn(view: View) -> list[ElementTree.Element]:
    """Every drawing of a page, parsed."""
    with drawing():
        return [
            ElementTree.fromstring(draw(panel, f"{figure.name}-{number}"))  # noqa: S314 - we wrote it
            for figure in figures_of(view)
            for number, panel in enumerate(figure.panels)
        ]


def test_each_question_of_the_suite_has_its_figure() -> None:
    """A question that is measured and not shown would be forgotten."""
    assert set(MEASURED) <= {question.name for question in QUESTIONS}


def test_every_question_is_drawn_with_its_table(tmp_path: Path) -> None:
    """Panels, the numbers behind them, and a row for every benchmark of the question."""
    view = view_of_runs(tmp_path, EVERYTHING, [EVERYTHING] * 3)
    figures = figures_of(view)
    assert [figure.title for figure in figures if figure.reason] == []
    assert len(figures) == len(QUESTIONS) + 3, "affinity, share of the limit, history"
    for figure in figures:
        assert figure.panels
        assert figure.table is not None
        assert figure.table.rows
        assert all(len(row) == len(figure.table.heads) for row in figure.table.rows)
    rows = {figure.title: len(figure.table.rows) for figure in figures if figure.table}
    assert rows["Out of the box"] == 12
    assert rows["Core count scaling"] == 4
    assert rows["History of the accepted runs"] == len(EVERYTHING)
    text = page(view)
    seen = Page(text)
    assert seen.tags.count("svg") == sum(len(figure.panels) for figure in figures) + len(EVERYTHING), (
        "and a strip per benchmark"
    )


def test_what_was_not_measured_has_its_reason(tmp_path: Path) -> None:
    """Skipped, failed, not reached, or not asked: a sentence in place of an empty figure."""
    run = {
        "skipped": [
            {"reason": "no siblings <b>", "benchmarks": ["benchmarks/test_simultaneous_multithreading.py::test_x[a]"]}
        ],
        "not_passed": {"benchmarks/test_precision.py::test_precision[a]": {"outcome": "failed", "reason": "wrong answer"}},
        "not_reached": ["benchmarks/test_instance_scaling.py::test_instance_scaling[a]"],
    }
    view = view_of_runs(tmp_path, [answer("out_of_the_box")], run=run)
    reasons = {title: figure.reason for title, figure in figures_by_title(view).items()}
    assert reasons["Simultaneous multithreading"] == "skipped, 1 benchmark: no siblings <b>"
    assert reasons["Precision"] == "1 failed, the first with: wrong answer"
    assert reasons["Instance scaling"] == "the run ended before its 1 benchmark"
    assert (
        reasons["Memory binding"] == "this run did not ask: pytest benchmarks/test_memory_binding.py --benchmark-only does"
    )
    assert "work.share_of_limit is null" in str(reasons["Share of the machine's limit"])
    assert reasons["Out of the box"] is None
    text = page(view)
    assert "No figure: skipped, 1 benchmark: no siblings &lt;b&gt;" in text
    assert all(figure.panels or figure.reason for figure in figures_of(view))


def test_a_question_that_nobody_knows_yet_is_shown(tmp_path: Path) -> None:
    """By its parameters, whatever they are called."""
    view = view_of_runs(tmp_path, [answer("moon_phase", 0.01, phase="full"), answer("moon_phase", 0.02, phase="new")])
    figure = figures_by_title(view)["Moon phase"]
    assert [text for _, text in figure.panels[0].ticks] == ["full", "new"]


def test_precisions_of_one_backend_are_two_lines(tmp_path: Path) -> None:
    """Where --precisions adds one to another question."""
    records = [answer("out_of_the_box", 0.01, length=length) for length in (32, 128)]
    other = [answer("out_of_the_box", 0.004, length=length, extra_info={"throughput_per_s": 250.0}) for length in (32, 128)]
    for record in other:
        record["extra_info"]["configuration"]["precision"] = "int8"
        record["name"] = record["fullname"] = f"{record['fullname']}int8"
    figure = figures_by_title(view_of_runs(tmp_path, [*records, *other]))["Out of the box"]
    assert [one.label for one in figure.panels[0].series] == ["pytorch", "pytorch int8"]


def test_speed_up_is_a_ratio_with_the_ideal_line(tmp_path: Path) -> None:
    """Against the fewest threads, each with the interval of a ratio; a single number of threads is a reason."""
    records = [answer("core_count_scaling", 0.08 / threads, threads=threads) for threads in (1, 2, 4)]
    (panel,) = figures_by_title(view_of_runs(tmp_path / "a", records))["Core count scaling"].panels
    values = [dot.value for dot in panel.series[0].dots]
    assert values == pytest.approx([1, 2, 4])
    assert panel.ideal
    assert panel.log_x
    assert panel.log_values, "else y = x is no straight line"
    first, *others = panel.series[0].dots
    assert (first.low, first.high) == (1, 1), "it is compared with itself"
    assert all(dot.low < dot.value < dot.high for dot in others)
    alone = figures_by_title(view_of_runs(tmp_path / "b", records[:1]))["Core count scaling"]
    assert alone.reason is not None
    assert alone.panels == ()


def test_cpus_show_grant_and_work(tmp_path: Path) -> None:
    """Each instance's CPUs in its colour, as high as they were busy; work outside the grant belongs to nobody."""
    workers = [
        {"cpus": [cpu], "thread_masks": [[[cpu], 3]], "threads_observed": 1, "cpu_time_s": 0.5, "wall_s": 1.0}
        for cpu in (0, 1)
    ]
    told = {"per_instance": workers, "cpu_busy": {"0": 0.98, "1": 0.52, "2": 0.31, "3": 0.0}}
    record = answer("instance_scaling", 0.1, batch=8, instances=2, throughput_per_s=80.0, extra_info=told)
    figure = next(one for title, one in figures_by_title(view_of_runs(tmp_path, [record])).items() if "Affinity" in title)
    bands = [(band.first, band.count, band.busy, band.colour) for band in figure.panels[0].bands]
    assert [one.colour for one in figure.panels[0].series] == ["s0", "s1", "quiet"], "a legend for each"
    assert bands == [(0, 1, 1.0, "s0"), (1, 1, 0.5, "s1"), (2, 1, 0.3, None)]
    assert figure.table is not None
    assert figure.table.rows[0][3:] == ("0", "3 on 0", "1", "0.50 of 1", "")


def test_a_large_run_stays_readable(tmp_path: Path) -> None:
    """Of a whole grid so much is drawn as a figure can bear, a note says what is left out, and the table has all."""
    backends = [f"backend{number}" for number in range(12)]
    records = [
        answer("out_of_the_box", 0.001 * batch, backend=backend, batch=batch, length=length)
        for backend in backends
        for batch in range(1, 12)
        for length in (32, 128)
    ]
    records += [answer("moon_phase", 0.01, phase=f"{number}") for number in range(40)]
    by_title = figures_by_title(view_of_runs(tmp_path, records))
    figure = by_title["Out of the box"]
    assert len(figure.panels) == MOST_PANELS
    assert "6 of 11 batch sizes are drawn; the table has all." in figure.notes
    assert figure.table is not None
    assert len(figure.table.rows) == 12 * 11 * 2
    assert len(by_title["Moon phase"].panels[0].ticks) == MOST_ROWS
    assert len({one.colour for one in figure.panels[0].series}) == MOST_SERIES


def test_a_drawing_is_text_and_themed_and_alone(tmp_path: Path) -> None:
    """Title and description for a screen reader, text as text, colours of the page, ids that no other drawing has."""
    drawings = drawn(view_of_runs(tmp_path, EVERYTHING, [EVERYTHING] * 3))
    ids = [one.get("id") for drawing_ in drawings for one in drawing_.iter() if one.get("id")]
    assert len(ids) == len(set(ids))
    for one in drawings:
        assert one.get("role") == "img"
        title, words = one[0], one[1]
        assert one.get("aria-labelledby") == f"{title.get('id')} {words.get('id')}"
        assert title.text
        assert words.text
        assert one.find(".//text") is not None
        assert one.find(".//style") is None
        text = ElementTree.tostring(one, encoding="unicode")
        assert "var(--" in text
        assert not any(hex_ in text for hex_ in HEXES.values())
        assert not re.search(r"#(?!figure-)[0-9a-f]{6}", text), "no colour of its own"


def test_the_words_hold_the_values(tmp_path: Path) -> None:
    """Whoever does not see the drawing hears its numbers."""
    drawings = drawn(view_of_runs(tmp_path, [answer("memory_binding", 0.0123, memory="local")]))
    assert any("pytorch: local: 12.3" in str(one[1].text) for one in drawings)


NASTY = ("NaN", "-1e999", '"text"', "null", "[]")


@pytest.mark.parametrize("value", NASTY)
def test_numbers_that_are_none_break_nothing(value: str, tmp_path: Path) -> None:
    """Whatever stands where a number should: the page is written, without NaN, and the benchmark is still in it."""
    folder = run_folder(tmp_path, *EVERYTHING)
    text = (folder / "run.json").read_text()
    wounded = (
        "cpu_time_s",
        "wall_s",
        "share_of_limit",
        "p99",
        "max_abs_error",
        "offered_per_s",
        "rate_per_s",
        "threads_observed",
        "padding_share",
    )
    content = json.loads(text)
    for record in content["benchmarks"]:
        extra = record["extra_info"]
        extra |= {"cpu_busy": {"0": "?", "x": "?", "-1": 1.0}, "parity": {"max_abs_error": "?"}, "latency_s": {"p99": "?"}}
    text = json.dumps(content).replace('"?"', value)
    for word in wounded:
        text = re.sub(rf'("{word}": )[-\w."]+', lambda found: found[1] + value, text)
    text = re.sub(r'("thread_masks": )\[\[\[.*?\]\]', lambda found: found[1] + value, text)
    (folder / "run.json").write_text(text)
    view = _view(folder)
    shown = page(view)
    assert not re.search(r"\bnan\b|\binf\b|None", re.sub(r"(?s)<style>.*?</style>", "", shown))
    assert all(
        math.isfinite(dot.value)
        for figure in figures_of(view)
        for panel in figure.panels
        for one in panel.series
        for dot in one.dots
    )


def _view(folder: Path) -> View:
    from baselines.comparing.comparison import compare
    from baselines.report.view import view_of

    return view_of(compare(folder, [], folder / "no store", demand_baseline=False))


def test_names_are_text_in_drawings_and_claims(tmp_path: Path) -> None:
    """Tags, line breaks, mathematics, braces, and ten thousand characters, in parameters, backends and models."""
    names = [HOSTILE, "a\nb\x1b[2J\u202e", "$\\frac{1}{2}$", "x" * 10_000, "模型"]
    records = [answer("moon_phase", 0.01 + 0.01 * place, backend=name, phase=name) for place, name in enumerate(names)]
    records += [answer("out_of_the_box", 0.01, backend=name, length=length) for name in names for length in (32, 512)]
    for record in records:
        record["extra_info"]["model"]["name"] = HOSTILE
    view = view_of_runs(tmp_path, records, [records] * 3)
    text = page(view)
    seen = Page(text)
    assert not {"script", "img"} & set(seen.tags)
    assert "<script" not in text
    assert "\x1b" not in text
    assert "x" * 400 not in re.sub(r"<pre>.*?</pre>", "", text, flags=re.S), "a name is cut where it is shown"
    assert "$\\frac{1}{2}$" in text, "and not set as mathematics"
    harmless = [f"name{place}" for place in range(len(names))]
    swapped = [answer("moon_phase", 0.01 + 0.01 * place, backend=name, phase=name) for place, name in enumerate(harmless)]
    swapped += [answer("out_of_the_box", 0.01, backend=name, length=length) for name in harmless for length in (32, 512)]
    other = Page(page(view_of_runs(tmp_path / "other", swapped, [swapped] * 3)))
    assert sorted(set(seen.tags)) == sorted(set(other.tags))


def test_a_file_of_another_project_has_no_figures_and_says_so(tmp_path: Path) -> None:
    """It does not say what was configured."""
    record = {**benchmark(ONE), "extra_info": {}}
    folder = tmp_path / "other.json"
    folder.write_text(json.dumps({"benchmarks": [record], "version": "5.3.1"}))
    view = _view(folder)
    assert view.claims == ()
    assert all(figure.reason for figure in figures_of(view))
    assert "this file was not written by this suite" in page(view)
