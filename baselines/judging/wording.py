"""Numbers and paths in words, the same everywhere."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable
from pathlib import Path


def percent(ratio: float) -> str:
    """`measured / baseline` of a time as a change: `+14.2 %` is slower; from ten times on the factor itself says more."""
    if ratio < 10:
        return f"{100 * (ratio - 1):+.1f} %"
    return f"x {ratio:.3g}" if ratio < 999.5 else "over x 1000"


def change_text(ratio: float | None, interval: tuple[float, float] | None) -> str:
    """`+3.1 % [+2.4 %, +3.8 %]`; empty where nothing was compared."""
    if ratio is None or interval is None:
        return ""
    return f"{percent(ratio)} [{percent(interval[0])}, {percent(interval[1])}]"


def interval_text(interval: tuple[float, float]) -> str:
    """`+12.0 % to +16.5 %`."""
    return " to ".join(map(percent, interval))


def counted(count: int, noun: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{count} {noun}{'s' * (count != 1)}"


def listed(words: Iterable[str], most: int) -> str:
    """`a, b and 3 more`: different words in a row, cut after a few."""
    words = list(dict.fromkeys(words))
    return ", ".join(words[:most]) + (f" and {len(words) - most} more" if len(words) > most else "")


def one_line(text: str) -> str:
    r"""A text of a file or of somebody as it can be printed anywhere: what does not print becomes `\n`, `\x1b`, `\u202e`.

    So no name of a benchmark breaks a line, moves the cursor of a terminal, or turns the direction of what follows.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def duration_text(seconds: float) -> str:
    """Three significant digits with the unit that suits: `8.31 ms`."""
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("us", 1e6), ("ns", 1e9)):
        if seconds * scale >= 0.9995 or unit == "ns":
            return f"{three_digits(seconds * scale)} {unit}"
    raise AssertionError("unreachable")


def three_digits(value: float) -> str:
    """A positive number with three significant digits and no exponent: `8.31`, `120`, `1234`."""
    decimals = 2 - math.floor(math.log10(float(f"{value:.2e}")))
    return f"{value:.{max(0, decimals)}f}"


def typed(path: Path) -> str:
    """A path in a command that is to be copied."""
    return shlex.quote(shown(path))


def shown(path: Path) -> str:
    """A path as one would type it from here."""
    here = Path.cwd()
    return str(path.absolute().relative_to(here)) if path.absolute().is_relative_to(here) else str(path)
