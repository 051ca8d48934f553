"""A plugin that gives every benchmark a minimum effect from the environment, as an author would in a benchmark's file."""

from __future__ import annotations

import os

import pytest


def pytest_itemcollected(item: pytest.Item) -> None:
    """Marks it."""
    item.add_marker(pytest.mark.regression(min_effect=float(os.environ["MIN_EFFECT"])))
