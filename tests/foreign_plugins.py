"""Plugin: what plugins of other people do to a session, as ORDER and REPEATS in the environment say."""

from __future__ import annotations

import os
import random

import pytest
from _pytest.runner import runtestprotocol


def pytest_addoption(parser: pytest.Parser) -> None:
    """pytest-rerunfailures and pytest-repeat."""
    parser.addoption("--reruns", type=int, default=0)
    parser.addoption("--count", type=int, default=1)
    parser.addini("reruns", "of pytest-rerunfailures")


def pytest_configure(config: pytest.Config) -> None:
    """Theirs too."""
    config.addinivalue_line("markers", "flaky: of pytest-rerunfailures")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """pytest-repeat's marker, pytest-flakefinder."""
    if os.environ.get("REPEATS") == "parameter":
        metafunc.fixturenames.append("__step")
        metafunc.parametrize("__step", range(2))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A conftest.py that marks all tests; pytest-randomly, pytest-random-order."""
    if os.environ.get("REPEATS") == "marker":
        for item in items:
            item.add_marker(pytest.mark.flaky(reruns=1))
    if seed := os.environ.get("ORDER"):
        random.Random(int(seed)).shuffle(items)  # noqa: S311 - an order


def pytest_runtest_call() -> None:
    """A conftest.py that skips when the test's turn has come."""
    if os.environ.get("REPEATS") == "never":
        pytest.skip("not on a Friday")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """One that nobody has heard of: each test twice."""
    if os.environ.get("REPEATS") == "protocol":
        runtestprotocol(item, nextitem=item, log=True)
