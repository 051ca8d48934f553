"""Markdown: nothing out of a file becomes a cell, a tag, emphasis or a mention; and the summary of a job."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from baselines.__main__ import main
from baselines.judging.judgement import Judgement, Verdict
from baselines.report.formats.github_summary import LIMIT_BYTES, append_summary
from baselines.report.formats.markdown import escaped, markdown
from baselines.report.rows import HEADS
from tests.builders import ONE, benchmark, run_folder, view_of_runs

HOSTILE = "<script>alert(1)</script>|a\\|b`c`\n# d @someone #12 **bold** [x](javascript:1) ![y](z) ~~no~~ &lt; __f__ $g$"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("onnxruntime-fp32-batch1-seq32", "onnxruntime-fp32-batch1-seq32"),
        ("test_out_of_the_box[a]", r"test_out_of_the_box\[a\]"),
        ("torch 2.13.0 -> 2.14.1", "torch 2.13.0 -> 2.14.1"),
        ("a|b", "a&#124;b"),
        ("a\\|b", "a\\\\&#124;b"),
        ("`a`", r"\`a\`"),
        ("<b>", "&lt;b>"),
        ("&lt;", "&amp;lt;"),
        ("*a* _a_ __a__ ~a~", r"\*a\* \_a\_ \_\_a\_\_ \~a\~"),
        ("[a](b)", r"\[a\](b)"),
        ("@someone and #12", "@&#8203;someone and #&#8203;12"),
        ("a @ b", "a @ b"),
        ("$a$", "&#36;a&#36;"),
        ("C:\\dir", "C:\\\\dir"),
    ],
)
def test_escaping(text: str, written: str) -> None:
    """What would be read as Markdown, HTML or a reference is written so that it reads as it is."""
    assert escaped(text) == written


def test_hostile_names_and_reasons_stay_in_their_cells(tmp_path: Path) -> None:
    """Every row has as many cells as the head, every line begins with what this suite wrote, and no tag is a stranger's."""
    how = {"outcome": "failed", "reason": HOSTILE}
    name = benchmark("gone")["fullname"]
    baseline = [[benchmark(HOSTILE, 0.01), benchmark("gone", 0.01)]] * 3
    text = markdown(view_of_runs(tmp_path, [benchmark(HOSTILE, 0.05)], baseline, run={"not_passed": {name: how}}))
    lines = text.splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 4
    assert {line.count("|") for line in rows} == {len(HEADS) + 1}
    assert not re.search("@some|(?<!&)#12|<(?!/?(details|summary)>)", re.sub("(?m)^    .*$", "", text))
    assert all(
        re.match(
            r"$|## \d|### What the study claimed|### What to run here$|The fastest with answers |- |\||Suite: |"
            r"Measure again:|Accept as it is:|    p|      python your_program",
            line,
        )
        for line in lines
    )
    assert sum("alert(1)" in line for line in lines) == 6  # row, reason, what is missing, two of what to run, the command
    reason = next(line for line in lines if line.startswith("- **missing** gone: failed: "))
    assert r"\\n# d @&#8203;someone #&#8203;12 \*\*bold\*\* \[x\](javascript:1)" in reason


def many(tmp_path: Path, *, slow: int, count: int) -> Any:
    """The view of a run with so many benchmarks, the first of them slow."""
    names = [f"{'x' * 80}{number}" for number in range(count)]
    measured = [benchmark(name, 0.02 if number < slow else 0.01) for number, name in enumerate(names)]
    accepted = [[benchmark(name, 0.01) for name in names[: -count // 10]]] * 6
    return view_of_runs(tmp_path, measured, accepted)


def left_out(text: str, verdict: str) -> int:
    """How many rows of a verdict it says are left out."""
    found = re.search(rf"(\d+) {verdict}[^|]* left out", text)
    return int(found[1]) if found else 0


def test_a_summary_has_room_for_what_is_bad(tmp_path: Path) -> None:
    """Below the limit passed rows go first, then new ones, then reasons; it says how many, and no bad row goes."""
    view = many(tmp_path, slow=10, count=100)
    whole = markdown(view)
    assert markdown(view, limit=len(whole)) == whole
    sizes = {}
    for limit in (len(whole) - 1, len(whole) // 2, len(whole) // 3, 3600):
        text = markdown(view, limit=limit)
        assert len(text.encode()) <= limit
        assert text.count("| **regressed** |") == 10
        sizes[limit] = [text.count(f"**{verdict}** |") for verdict in ("passed", "new")]
        passed, new = (
            int(found[1]) if (found := re.search(rf"(\d+) {word}[^|]* left out", text)) else 0 for word in ("passed", "new")
        )
        assert (sizes[limit][0] + passed, sizes[limit][1] + new) == (80, 10)
        assert (new > 0) <= (sizes[limit][0] == 0), "new ones only go when no passed one is left"
    assert sizes[len(whole) - 1][0] >= 78
    assert "10 reasons were left out" in markdown(view, limit=3600)


def test_both_commands_add_to_the_summary_of_a_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once each, after what stands there already; nothing without the variable."""
    old, new = (run_folder(tmp_path / name, benchmark(ONE)) for name in ("old", "new"))
    summary = tmp_path / "summary.md"
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    assert main(["compare", str(new), str(old)]) == 0
    assert not summary.exists()
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    assert main(["compare", str(new), str(old)]) == 0
    assert main(["report", str(new), "--against", str(old)]) == 0
    text = summary.read_text()
    assert text.startswith("before\n")
    assert text.count("| verdict |") == 2
    assert text == "before\n" + 2 * (new / "report" / "report.md").read_text()
    assert capsys.readouterr().err == ""


def test_a_summary_that_cannot_be_written_fails_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One warning, and the exit code of the verdict."""
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "absent" / "summary.md"))
    old, new = run_folder(tmp_path / "old", benchmark(ONE, 0.01)), run_folder(tmp_path / "new", benchmark(ONE, 0.03))
    assert main(["compare", str(new), str(old)]) == 1
    ended = capsys.readouterr()
    assert "REGRESSED" in ended.out
    assert re.fullmatch(r"warning: GITHUB_STEP_SUMMARY: .*summary.md: No such .*; the verdicts are as before\n", ended.err)


def test_a_full_summary_gets_no_more_than_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is that of the file, with what other commands of the step wrote."""
    summary = tmp_path / "summary.md"
    summary.write_text("x" * (LIMIT_BYTES - 6000))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    assert append_summary(many(tmp_path, slow=1, count=100)) is None
    assert LIMIT_BYTES - 400 < summary.stat().st_size <= LIMIT_BYTES
    assert "left out" in summary.read_text()
    full = summary.stat().st_size
    warning = append_summary(many(tmp_path / "again", slow=1, count=100))
    assert warning is not None
    assert "no room for all that needs a look" in warning
    assert summary.stat().st_size == full


def test_a_reason_is_escaped_wherever_it_comes_from(tmp_path: Path) -> None:
    """Judgements are words of this suite, with words of files in them."""
    view = view_of_runs(tmp_path, [benchmark(ONE)])
    row = view.rows[0]
    object.__setattr__(row, "judgement", Judgement(verdict=Verdict.INCOMPARABLE, reason="<img src=x>\n| a |"))
    assert r"- **incomparable** onnxruntime-fp32-batch1-seq32: &lt;img src=x>\\n&#124; a &#124;" in markdown(view)
