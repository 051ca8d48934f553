"""How long something may take, as it is typed: `10m`, `8h`, `90s` or `1h30m`."""

from __future__ import annotations

import argparse
import math
import re


def duration(text: str) -> float:
    """`10m`, `8h`, `90s` or `1h30m` in seconds; `none` is as long as it takes."""
    if text == "none":
        return math.inf
    found = re.fullmatch(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?", text)
    seconds = (
        sum(float(part or 0) * unit for part, unit in zip(found.groups(), (3600, 60, 1), strict=True)) if found else 0.0
    )
    if not seconds:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration such as 10m, 8h, 90s or 1h30m, and not none")
    return seconds


def seconds(text: str) -> float:
    """`50ms` or `1.5s` in seconds: a latency, as it is typed."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(us|ms|s)", text)
    value = float(found[1]) * {"us": 1e-6, "ms": 1e-3, "s": 1.0}[found[2]] if found else 0.0
    if not value:
        raise argparse.ArgumentTypeError(f"{text!r} is not a latency such as 50ms, 800us or 1.5s")
    return value


def duration_words(seconds: float) -> str:
    """A duration as it is typed: `1h30m`, `10m`, `45s`, `0.5s`, `none`."""
    if math.isinf(seconds):
        return "none"
    if 0 < seconds < 10:
        return f"{seconds:.2g}s"
    whole = max(1, round(seconds))
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return "".join(f"{value}{unit}" for value, unit in ((hours, "h"), (minutes, "m"), (rest, "s")) if value)


def clock(seconds: float) -> str:
    """`4:10`, `1:02:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
