"""Plugin: what plugins of other people do to a session, as REPEATS, ORDER and INTERRUPTS in the environment say."""

from __future__ import annotations

import os
import random

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """pytest-rerunfailures and pytest-repeat."""
    parser.addoption("--reruns", type=int, default=0)
    parser.addoption("--count", type=int, default=1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """pytest-randomly, pytest-random-order."""
    if seed := os.environ.get("ORDER"):
        random.Random(int(seed)).shuffle(items)  # noqa: S311 - an order
