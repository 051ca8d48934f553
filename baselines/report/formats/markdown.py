"""A comparison as GitHub's Markdown: what needs a look, the reasons for it, and the rest folded away.

Names and reasons come from files, so everything is escaped: nothing in them becomes a cell, a tag, an image or a mention.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from baselines.deploying.told import TITLE, Told
from baselines.explaining.wording import headline, label_of
from baselines.report.chosen import chosen, counted_rows
from baselines.report.duet_section import HEADS as DUET_HEADS
from baselines.report.duet_section import DuetSection
from baselines.report.figures.values import short
from baselines.report.rows import HEADS, Row
from baselines.report.view import View

MOST_ROWS: Final = 200
"""As many as a person may go through."""

_ESCAPES: Final = str.maketrans(
    {
        **{one: f"\\{one}" for one in "\\`*[]~"},
        # A table is cut at every | that has no backslash before it, and a backslash may come before one: not here.
        **{one: f"&#{ord(one)};" for one in "|$"},
        "&": "&amp;",
        "<": "&lt;",
        "\u200b": "&#8203;",
    }
)
_UNDERSCORE: Final = re.compile(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")  # one inside a word emphasises nothing
_LONGEST: Final = 400  # characters of an answer; a reason in it may quote what a backend printed
_REFERENCE: Final = re.compile(r"[@#](?=\w)")


def escaped(text: str) -> str:
    """A printable line (see `wording.one_line`) so that it reads as it is, in a cell and after other words.

    After `@` and `#` comes a space of no width: GitHub looks for mentions and issues when all escapes are resolved.
    """
    text = _REFERENCE.sub("\\g<0>\u200b", text).translate(_ESCAPES)
    return _UNDERSCORE.sub(r"\\_", text)


def markdown(view: View, *, limit: int | None = None, most: int = MOST_ROWS) -> str:
    """The text of report.md; `limit` is of its length in bytes as UTF-8, `most` the rows that it has.

    Of more rows those that passed are not there, and of the others the worst are, some of each verdict; a line counts what
    is not. For the limit rows that passed are left out first, then new ones, then what to run and claims, then reasons; a
    line says so.
    Rows that need a look and are among the `most` never are: the text is longer where they alone are.
    """
    rows = chosen(view.rows, most)
    looked_at = [row for row in rows.shown if row.needs_reason]
    rest = [row for row in rows.shown if not row.needs_reason]
    reasons = [f"- **{row.judgement.verdict.value}** {escaped(row.label)}: {escaped(row.reason)}" for row in looked_at]
    top, bottom = [*_top(view), *(["", *table(looked_at)] if looked_at else [])], [*_told_second(view), *_claims(view)]
    top += ["", f"Not in these tables: {rows.left_out_text}. All of them are in verdicts.json."] if rows.left_out else []
    text = _joined(top, reasons, rest, view, bottom)
    if limit is None or _size(text) <= limit:
        return text

    def least_size() -> int:
        return _size(_joined(top, reasons, [], view, bottom, cut=rest))

    if bottom and least_size() > limit:
        bottom = ["", f"{TITLE}, and what the study claimed: left out, the summary has no room. It is in the report."]
    if least_size() > limit:
        reasons = [f"{len(reasons)} reasons were left out: the summary has no room for them. They are in the report."]
    room = limit - least_size()
    lines = [_size(line) + 1 for line in table(rest)[2:]]
    # The first row counts twice: that leaves room for the digits of the counts.
    room -= _size(_joined([], [], rest[:1], view)) - _size(_joined([], [], [], view))
    kept = 0
    while kept < len(rest) and lines[kept] <= room:
        room -= lines[kept]
        kept += 1
    return _joined(top, reasons, rest[:kept], view, bottom, cut=rest[kept:])


def duet_lines(section: DuetSection) -> list[str]:
    """The section of a duet: a line per change of versions, a row per benchmark."""
    shown, left_out = section.cut(MOST_ROWS)
    rows = [" | ".join([f"**{verdict}**", *map(escaped, cells)]) for verdict, *cells in shown]
    heads = [" | ".join(DUET_HEADS), " | ".join([":--"] * len(DUET_HEADS))]
    changes = [f"- {escaped(change)}" for change in section.changes]
    over = ["", f"Not in this table: {left_out}. report.html has all of them."] if left_out else []
    return ["", f"### {escaped(section.title)}", "", *changes, "", *(f"| {line} |" for line in (*heads, *rows)), *over]


def table(rows: Sequence[Row]) -> list[str]:
    """Heads, a line that says how columns are aligned, and a line per row."""
    lines = [" | ".join(HEADS), " | ".join([":--", ":--"] + ["--:"] * (len(HEADS) - 2))]
    lines += [" | ".join([f"**{row.cells[0]}**", *map(escaped, row.cells[1:])]) for row in rows]
    return [f"| {line} |" for line in lines]


def _top(view: View) -> list[str]:
    lines = [f"## {view.title}", ""]
    lines += [*told_lines(view.told), "", f"### {view.headline}", ""] if view.told and view.told_first else []
    lines += [f"- {word}: {escaped(text)}" for word, text in view.facts]
    lines += [f"- **changed**: {escaped(change.text)}" for change in view.changes]
    lines += [f"- **explained** {escaped(label_of(one))}: {escaped(headline(one))}" for one in view.explained]
    lines += [f"- **note**: {escaped(notice)}" for notice in view.notices]
    return lines


def told_lines(told: Told) -> list[str]:
    """What to run here: a point for each line, with what is typed indented below it, which needs no fence."""
    lines = [f"{escaped(told.head).capitalize()}:", ""]
    for line in told.lines:
        if line.kind == "typed":
            lines += ["", f"      {line.text}", ""]
        else:
            lines.append(f"{'  - ' if line.kind == 'under' else '- '}{escaped(line.text)}")
    return [*lines, f"- {escaped(told.more)}"]


def _told_second(view: View) -> list[str]:
    """What to run here, of a run that has verdicts."""
    return ["", f"### {TITLE}", "", *told_lines(view.told)] if view.told and not view.told_first else []


def _joined(
    top: Sequence[str],
    reasons: Sequence[str],
    rest: Sequence[Row],
    view: View,
    bottom: Sequence[str] = (),
    *,
    cut: Sequence[Row] = (),
) -> str:
    lines = [*top]
    if reasons:
        lines += ["", *reasons]
    if rest:
        lines += ["", f"<details><summary>{counted_rows(rest)}</summary>", "", *table(rest), "", "</details>"]
    if cut:
        lines += ["", f"{counted_rows(cut)} left out: the summary has no room for these rows. They are in the report."]
    lines += ["", f"Suite: {escaped(view.suite)}"]
    lines += duet_lines(view.duet) if view.duet else []
    lines += bottom
    for what, command in view.next_steps:
        lines += ["", f"{what.capitalize()}:", "", f"    {command}"]  # an indented block needs no fence to be kept out of
    return "\n".join([*lines, ""])


def _claims(view: View) -> list[str]:
    """What the study claimed and what this run says: a line each."""
    if not view.claims:
        return []
    lines = ["", "### What the study claimed, what this machine says", ""]
    return lines + [
        f"- {escaped(claim.statement)} **{claim.answer.value}**: {escaped(short(claim.why, _LONGEST))}"
        for claim in view.claims
    ]


def _size(text: str) -> int:
    return len(text.encode())
