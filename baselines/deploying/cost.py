"""What a million samples cost, and how prices are said: of a machine, or of several by their letters."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Final

from baselines.deploying.promise import Promise
from baselines.files.run import Run
from baselines.files.run_folder import RunFileError
from baselines.judging.wording import shown

LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""What several runs are called, in the order in which they were named."""
PLAIN: Final = ""
"""The name of a price that was given without one."""


def cost_per_million(price: float, throughput: Promise) -> Promise:
    """What a million samples cost, with the throughput's interval: the other way round.

    price / 3600 / throughput x 10^6, `price` per hour, `throughput` in samples per second.
    """
    cost, low, high = (1e6 * price / 3600 / one for one in (throughput.value, throughput.high, throughput.low))
    return Promise(value=cost, low=low, high=high)


def positive_price(text: str) -> float:
    """A number above 0."""
    try:
        price = float(text)
    except ValueError:
        price = 0.0
    if not 0 < price < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a price per hour above 0, such as 4.848")
    return price


def prices(text: str) -> dict[str, float]:
    """`4.85`, or `A=4.85,B=0.81`: what each is for, PLAIN where nobody says it."""
    if "=" not in text:
        return {PLAIN: positive_price(text)}
    found: dict[str, float] = {}
    for part in text.split(","):
        name, _, price = part.partition("=")
        if not name.strip() or name.strip() in found:
            raise argparse.ArgumentTypeError(f"{part!r} in {text!r} is not a run and its price, such as A=4.85")
        found[name.strip()] = positive_price(price)
    return found


def price_of(read: Run, given: Mapping[str, float]) -> float | None:
    """The price of the only run, whichever way it was named.

    Raises:
        RunFileError: it was given for another one.
    """
    for name, price in given.items():
        if name not in (PLAIN, LETTERS[0], read.machine_id) or len(given) > 1:
            raise RunFileError(f"--price {name}={price:g}: one run was named: {shown(read.path)}")
        return price
    return None
