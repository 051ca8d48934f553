"""Of thousands of verdicts a person is shown some: nothing that did not pass is shown or counted twice, or not at all."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.comparing.comparison import WORST_FIRST
from baselines.comparing.worst import LEAST_OF_EACH, counted_verdicts, shown
from baselines.files.reading_benchmarks import result_of
from baselines.judging.judgement import Judgement, Verdict
from baselines.report.duet_section import DuetSection
from baselines.report.formats.github_issue import LIMIT_BYTES, body_of
from baselines.report.formats.markdown import markdown
from baselines.report.formats.terminal import terminal
from baselines.report.formats.verdicts_json import document
from baselines.report.view import View
from fixtures.gate import duet, stored
from tests.builders import benchmark, view_of_runs

VERDICTS = st.lists(st.sampled_from(Verdict), max_size=80).map(lambda drawn: sorted(drawn, key=WORST_FIRST.index))


@given(VERDICTS, st.integers(0, 100), st.booleans())
def test_which_are_shown(verdicts: list[Verdict], most: int, double: bool) -> None:
    """All where they fit; never more than fit, nothing that passed beside what is left out, and some of each verdict."""
    costs = [2 if double and verdict is not Verdict.PASSED else 1 for verdict in verdicts]
    places = shown(verdicts, most, costs)
    assert sum(costs[place] for place in places) <= most
    if sum(costs) <= most:
        assert places == set(range(len(verdicts)))
        return
    assert not any(verdicts[place] is Verdict.PASSED for place in places)
    there, all_of = Counter(verdicts[place] for place in places), Counter(verdicts)
    kinds = set(all_of) - {Verdict.PASSED}
    if most >= max(costs, default=1) * LEAST_OF_EACH * len(kinds):
        assert all(there[kind] >= min(LEAST_OF_EACH, all_of[kind]) for kind in kinds)
    for kind in kinds:  # within a verdict the first ones
        of_kind = [place for place, verdict in enumerate(verdicts) if verdict is kind]
        assert {place for place in of_kind if place in places} == set(of_kind[: there[kind]])


def counts_in(text: str) -> Counter[str]:
    """`12 regressed, 4 passed` as numbers."""
    return Counter({word: int(number) for number, word in re.findall(r"(\d+) ([a-z]+)", text)})


@given(VERDICTS)
def test_counts(verdicts: list[Verdict]) -> None:
    """Each verdict once."""
    assert counts_in(counted_verdicts(verdicts)) == Counter(verdict.value for verdict in verdicts)


def many(folder: Path, count: int) -> View:
    """A run of which a fifth each is slower, new, unclear, missing and the same."""
    names = [f"one{number}" for number in range(count)]
    factors = {name: (2.0, 1.0, 1.04, 1.0, 1.0)[number % 5] for number, name in enumerate(names)}
    measured = [benchmark(name, 0.01 * factors[name]) for number, name in enumerate(names) if number % 5 != 3]
    held = [name for number, name in enumerate(names) if number % 5 != 1]
    accepted = [[benchmark(name, 0.01 * (1 + 0.004 * (day % 3 - 1))) for name in held] for day in range(6)]
    return view_of_runs(folder, measured, accepted)


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> View:
    """Of 250 benchmarks."""
    made = many(tmp_path_factory.mktemp("many"), 250)
    assert {verdict.value for verdict, _ in made.counts} == {"regressed", "missing", "new", "inconclusive", "passed"}
    return made


def shown_in(text: str, pattern: str) -> Counter[str]:
    """Rows by verdict."""
    return Counter(found.lower() for found in re.findall(pattern, text, re.MULTILINE))


@pytest.mark.parametrize("most", [60, 100, 200, 10_000])
def test_a_terminal_has_so_many_lines(view: View, most: int) -> None:
    """What is shown and what is counted is everything; JSON has all of it."""
    text = terminal(view, most=most)
    assert len(text.splitlines()) <= most
    (*_, left) = ["", *re.findall("^not shown: (.*);", text, re.MULTILINE)]
    rows = shown_in(text, r"^([A-Z]{3,}) .*one\d")
    assert rows + counts_in(left) == Counter({verdict.value: count for verdict, count in view.counts})
    assert ("the same command with --format json" in text) is bool(left)
    assert (rows["passed"] > 0) is not bool(left)
    assert min(rows[word] for word in ("regressed", "missing", "new", "inconclusive")) >= LEAST_OF_EACH
    assert len(document(view)["judgements"]) == 250


@pytest.mark.parametrize("most", [40, 100, 10_000])
def test_markdown_has_so_many_rows(view: View, most: int) -> None:
    """The same, and a reason for each row that needs one."""
    text = markdown(view, most=most)
    (*_, left) = ["", *re.findall(r"^Not in these tables: (.*)\. All of them are in verdicts.json\.$", text, re.MULTILINE)]
    rows = shown_in(text, r"^\| \*\*(\w+)\*\*")
    assert sum(rows.values()) <= most
    assert rows + counts_in(left) == Counter({verdict.value: count for verdict, count in view.counts})
    assert shown_in(text, r"^- \*\*(regressed|missing|inconclusive|improved)\*\*") == rows - Counter(
        {"passed": rows["passed"], "new": rows["new"]}
    )


def test_an_issue_has_fewer_rows_before_it_has_none(tmp_path: Path) -> None:
    """Names so long that 200 rows do not fit."""
    names = [f"{number}{'x' * 150}" for number in range(300)]
    view = view_of_runs(tmp_path, [benchmark(name, 0.05) for name in names], [[benchmark(name, 0.01) for name in names]] * 2)
    body = body_of(view)
    assert len(body.encode()) < LIMIT_BYTES + 1000
    assert body.count("| **") >= 10
    assert "Not in these tables: " in body


def test_lines_about_packages_are_cut(tmp_path: Path) -> None:
    """An environment of which everything changed is no screenful."""
    packages = {f"package{number}": {"version": "1.0"} for number in range(100)}
    view = view_of_runs(tmp_path, [benchmark()], [[benchmark()]], environment={"python": "3.11.7", "packages": packages})
    text = terminal(view)
    changed = [line for line in text.splitlines() if line.startswith("changed: ")]
    (more,) = re.findall(r"^\.\.\. and (\d+) more such lines; --format json has all$", text, re.MULTILINE)
    assert len(changed) + int(more) == len(document(view)["differences"]) > 90


@pytest.mark.parametrize("most", [10, 100])
def test_a_duet_has_so_many_rows(most: int) -> None:
    """Those that passed are counted where not all fit."""
    verdicts = ["regressed"] * 3 + ["passed"] * 40 + ["inconclusive"] * 9
    rows = tuple((verdict, f"one{number}", "+1 %", "10", "why") for number, verdict in enumerate(verdicts))
    section = DuetSection(reference="python", changes=(), rows=rows)
    lines = section.lines(most)
    told = Counter(line.split()[0].lower() for line in lines[1:] if not line.startswith("  not shown"))
    assert sum(told.values()) <= most
    (*_, left) = ["", *(line for line in lines if line.startswith("  not shown"))]
    assert told + counts_in(left.partition(";")[0].removeprefix("  not shown")) == Counter(verdicts)


def gate_of(verdicts: list[Verdict], missing: int) -> Any:
    """A gate that has judged so."""
    judged = {}
    for number, verdict in enumerate(verdicts):
        result = result_of(benchmark(f"one{number}"))
        judged[result.fullname] = (result, Judgement(verdict=verdict, reason="because", ratio=1.0 + number / 1000))
    return SimpleNamespace(judged=judged, unmeasured={f"a::test_b[gone{number}]": "failed" for number in range(missing)})


@pytest.mark.parametrize("most", [12, 30, 200])
def test_a_session_ends_with_so_many_lines(most: int) -> None:
    """What did not pass is there or counted, in the order of the run; what passed or is new has no line, as ever."""
    verdicts = [Verdict.PASSED, Verdict.REGRESSED, Verdict.NEW, Verdict.INCONCLUSIVE] * 20
    lines = [line for line, _ in stored.verdict_lines(gate_of(verdicts, 15), most)]
    (*_, left) = ["", *(line for line in lines if line.startswith("not shown"))]
    told = Counter(line.split()[0].lower() for line in lines if line != left)
    assert sum(told.values()) <= most
    assert told + counts_in(left.partition(";")[0].removeprefix("not shown")) == Counter(
        {"regressed": 20, "inconclusive": 20, "missing": 15}
    )
    numbers = [int(found[1]) for line in lines if (found := re.search(r"\bone(\d+)", line))]
    assert numbers == sorted(numbers)


@pytest.mark.parametrize("most", [12, 200])
def test_a_duet_ends_with_so_many_lines(most: int) -> None:
    """The same."""
    verdicts = [Verdict.PASSED] * 30 + [Verdict.REGRESSED, Verdict.INCONCLUSIVE] * 10
    rows: Any = [SimpleNamespace(judgement=SimpleNamespace(verdict=one), line=f"{one.value.upper()} x") for one in verdicts]
    lines = [line for line, _ in duet.verdict_lines(rows, most)]
    (*_, left) = ["", *(line for line in lines if line.startswith("not shown"))]
    told = Counter(line.split()[0].lower() for line in lines if line != left)
    assert sum(told.values()) <= most
    assert told + counts_in(left.partition(";")[0].removeprefix("not shown")) == Counter(one.value for one in verdicts)
