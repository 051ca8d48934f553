"""A story of a claim: an allocator that really wastes time, and what the page of its run says."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from baselines.comparing.comparison import compare
from baselines.report.claims import Answer, Claim
from baselines.report.view import view_of
from tests.suite import SHORT, Suite

COMPILER: Final = next((one for one in ("g++", "clang++") if shutil.which(one)), None)
WASTED_NS: Final = 50_000
"""By each allocation of a page and more; a pass of bert-tiny takes 1 ms and makes about a hundred, its start thousands."""
SOURCE: Final = """
#include <cstddef>
#include <cerrno>
#include <ctime>
extern "C" {
void *__libc_malloc(size_t);
void *__libc_memalign(size_t, size_t);
void __libc_free(void *);
static long long now() {
    timespec moment;
    clock_gettime(CLOCK_MONOTONIC, &moment);
    return moment.tv_sec * 1000000000LL + moment.tv_nsec;
}
static void waste(size_t size) {
    if (size < 4096) return;
    for (long long until = now() + WASTED_NS; now() < until;) {}
}
void *malloc(size_t size) { waste(size); return __libc_malloc(size); }
void free(void *block) { __libc_free(block); }
int posix_memalign(void **block, size_t alignment, size_t size) {
    waste(size);
    *block = __libc_memalign(alignment, size);
    return *block ? 0 : ENOMEM;
}
}
"""


def library(folder: Path, wasted_ns: int) -> Path:
    """A folder with an allocator that the loader finds by jemalloc's name: glibc's, after so long."""
    folder.mkdir()
    source = folder / "malloc.cpp"
    source.write_text(SOURCE.replace("WASTED_NS", str(wasted_ns)))
    command = [str(COMPILER), "-O1", "-shared", "-fPIC", "-o", str(folder / "libjemalloc.so.2"), str(source)]
    subprocess.run(command, check=True)
    return folder


@pytest.mark.slow  # twenty launches of PyTorch; where other processes make one a hundred times as long, nothing is told
@pytest.mark.every_cpu
@pytest.mark.skipif(COMPILER is None, reason="no C++ compiler: sudo apt-get install g++")
def test_an_allocator_that_wastes_time_turns_its_claim(suite: Suite, tmp_path: Path) -> None:
    """The same benchmarks with glibc's malloc under another name, and with one that spins in each allocation."""

    def claim(name: str, wasted_ns: int) -> Claim:
        suite.runs = tmp_path / name
        named = ("--backends=pytorch", "--launches=5", "--confirm=0", "-k", "none-default or allocator-jemalloc")
        folder = library(tmp_path / f"{name}-library", wasted_ns)
        ended = suite("benchmarks/test_runtime_tuning.py", *SHORT, *named, LD_LIBRARY_PATH=str(folder))
        assert ended.code == 0, ended.text
        for one in ended.benchmarks.values():
            (instance,) = one["extra_info"]["per_instance"]
            assert instance["page_faults"] >= 0
        (run,) = suite.runs.glob("*/run.json")
        content = json.loads(run.read_text())
        for one in content["benchmarks"]:  # a busy machine is another story: there a claim says that it cannot tell
            one["extra_info"] |= {"others_share": 0.0, "wait_share": 0.0, "steal_share": 0.0}
        run.write_text(json.dumps(content))
        view = view_of(compare(run, [], tmp_path / "no store", demand_baseline=False))
        return next(one for one in view.claims if one.name == "allocator_at_short")

    honest, wasteful = claim("honest", 0), claim("wasteful", WASTED_NS)
    assert honest.answer is not Answer.FAILS, honest.why
    assert wasteful.answer is Answer.FAILS, wasteful.why
    (only,) = wasteful.cases
    assert only.estimate < -0.5, "with glibc's own it takes a small part of the time"
