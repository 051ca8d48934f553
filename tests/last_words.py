"""`-p tests.last_words` prints at the very end what the test process itself became: its mask, and frameworks it imported."""

from __future__ import annotations

import os
import sys

import pytest

FRAMEWORKS = ("torch", "tensorflow", "transformers", "onnxruntime", "keras", "keras_hub", "openvino")


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """Says so."""
    imported = sorted(set(FRAMEWORKS) & set(sys.modules))
    print(f"\nat the end: mask {sorted(os.sched_getaffinity(0))}, frameworks {imported}")
