"""What tests/test_backends.py asks of every backend, of those that compile for long.

Only the compiler itself can show that. A file of its own, because it takes as long as all other backends together.
"""

from __future__ import annotations

import pytest

from tests.parity import COMPILED, models, parametrize, test_parity, test_parity_of_smaller_formats

__all__ = ["models", "test_parity", "test_parity_of_smaller_formats"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Which backends."""
    parametrize(metafunc, COMPILED)
