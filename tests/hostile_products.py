"""Libraries of matrix products that go wrong on purpose; `-p tests.hostile_products` leaves a session with one of them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from fixtures.worker.products import PRODUCTS, Product
from tests.suite import instances_of


def raises(precision: str, threads: int) -> Callable[[int], Product]:
    """Has no kernel."""
    raise RuntimeError(f"no kernel for {precision} on {threads} threads\nand a second line")


def dies(precision: str, threads: int) -> Callable[[int], Product]:
    """Meets an instruction that the CPU does not have."""
    del precision, threads
    os.kill(os.getpid(), signal.SIGILL)
    raise AssertionError


def hangs(precision: str, threads: int) -> Callable[[int], Product]:
    """Never comes back."""
    del precision, threads
    return lambda _size: lambda: time.sleep(1_000_000)


def leaves_its_mask(precision: str, threads: int) -> Callable[[int], Product]:
    """Takes more CPUs than it was granted."""
    del precision, threads
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    return lambda _size: lambda: time.sleep(0.05)


def is_alone(precision: str, threads: int) -> Callable[[int], Product]:
    """Works where one other worker of its run is there and stopped, and raises where it is not."""
    del precision, threads
    others = [pid for pid in instances_of(os.getppid()) if pid != os.getpid()]
    states = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] for pid in others]
    if states != ["T"]:
        raise RuntimeError(f"the other workers of this run: {states}")
    return lambda _size: lambda: time.sleep(0.05)


def pytest_configure() -> None:
    """Of fp32 there is only the one that the environment names."""
    PRODUCTS["fp32"] = ({"the only one": f"{__name__}:{os.environ['PRODUCT']}"},)
