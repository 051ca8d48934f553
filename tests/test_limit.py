"""What CPUs reach on a large matrix product: under which mask, by which library, and what becomes of those that fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from baselines.comparing.instructions import INSTRUCTIONS
from fixtures.backends.interface import PRECISIONS
from fixtures.instance.handle import Instance
from fixtures.machine.fingerprint import isa_flags
from fixtures.measurement import limit as limit_module
from fixtures.measurement.limit import Limit, Limits, multiplied_as, worth_trying
from fixtures.worker.products import LONGEST_S, PRODUCTS, SIZES, size_for, timed
from tests.brief_products import BRIEF
from tests.suite import REPOSITORY, SCALING, SHORT, Suite, python_m

CPUS = sorted(os.sched_getaffinity(0))
HOSTILE = "tests.hostile_products"
NUMPY = {"numpy.matmul": "tests.brief_products:numpy_matmul"}


def limits_of(monkeypatch: pytest.MonkeyPatch, folder: Path, *libraries: Mapping[str, str], **words: Any) -> Limits:
    """Limits that know these libraries alone, at fp32."""
    monkeypatch.setitem(PRODUCTS, "fp32", libraries)
    return Limits(folder=folder, **words)


def limit_of(cpus: tuple[int, ...] = (0, 1), **reached: float) -> Limit:
    """A limit that these libraries reached, in GFLOP/s."""
    answers = {name: {"gflop_per_s": rate, "size": 2048, "cpu_share": 1.0} for name, rate in reached.items()}
    return Limit(precision="fp32", cpus=cpus, threads=len(cpus), reached=answers, left_out={})


@pytest.mark.every_cpu
@pytest.mark.parametrize("count", [count for count in (1, 2) if count <= len(CPUS)])
def test_the_probe_keeps_to_the_mask(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, count: int) -> None:
    """It reads back the mask that it was given, and this process has its own again."""
    cpus = tuple(CPUS[-count:])
    limits = limits_of(monkeypatch, tmp_path, NUMPY)
    found = limits.measure("fp32", cpus, count)
    assert found.reached["numpy.matmul"]["cpus"] == list(cpus)
    assert found.gflop_per_s is not None
    assert found.gflop_per_s > 0
    assert sorted(os.sched_getaffinity(0)) == CPUS
    assert limits.known("fp32", cpus[::-1], count) is found
    assert limits.known("fp32", cpus, count + 1) is None


def why_emulated(precision: str) -> str | None:
    """Why this CPU has no kernel for a format, or none that ends soon."""
    needed = INSTRUCTIONS.get(precision, ())
    missing = needed and not set(needed).intersection(isa_flags())
    return f"this CPU has none of the instruction sets {', '.join(needed)}" if missing else None


class Shared:
    """In the place of a limit's worker: one for each framework and all precisions, started when it is first asked."""

    started: ClassVar[dict[tuple[str, ...], Instance]] = {}

    def __init__(self, **words: Any) -> None:
        self.words = words
        self.instance: Instance | None = None

    def ask(self, do: str, **fields: Any) -> dict[str, Any]:
        framework = fields["location"].rpartition(":")[2].partition("_")[0], str(sorted(os.sched_getaffinity(0)))
        if framework not in self.started:
            self.started[framework] = Instance(**self.words)
        self.instance = self.started[framework]
        return self.instance.ask(do, **fields)

    @property
    def pid(self) -> int:
        assert self.instance is not None
        return self.instance.pid

    def close(self) -> None:
        """Not yet."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[type[Shared]]:
    """Workers that outlive a limit; importing a framework is what takes most of its time."""
    yield Shared
    for instance in Shared.started.values():
        instance.close()
    Shared.started.clear()


@pytest.mark.every_cpu
@pytest.mark.parametrize("precision", PRODUCTS)
def test_every_precision_has_a_limit_and_it_is_the_best_librarys(
    precision: str,
    shared: type[Shared],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The command prints the largest rate of those listed, with its library; what failed is listed with its reason.

    By the real libraries: only they can say which formats they multiply.
    """
    if reason := why_emulated(precision):
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("limits")
    monkeypatch.setitem(PRODUCTS, precision, BRIEF[precision])
    monkeypatch.setattr(limit_module, "Instance", lambda **words: shared(**{**words, "stderr_path": folder / "stderr.txt"}))
    assert limit_module.main(["--precision", precision, "--threads", "1"]) == 0
    found = json.loads(capsys.readouterr().out)
    rates = found["libraries"]
    assert found["precision"] == precision
    assert found["gflop_per_s"] == rates[found["library"]] == max(rates.values()) > 0
    known = {name for libraries in PRODUCTS[found["precision"]] for name in libraries}
    assert {*rates, *found["left_out"]} == known
    assert found["size"] in SIZES
    assert found["reason"] is None
    assert found["cpus"] == CPUS


def test_the_command() -> None:
    """In a process of its own, with workers of its own: prints JSON and ends with 0. Numpy, the quickest to start."""
    code = (
        "import sys\n"
        "from fixtures.measurement import limit\n"
        f"limit.PRODUCTS['fp32'] = ({NUMPY!r},)\n"
        "sys.exit(limit.main())\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["library"] == "numpy.matmul"


def test_every_number_format_has_libraries() -> None:
    """Each is multiplied in a format that some library has; int4 as int8, to which its weights are unpacked."""
    assert {multiplied_as(precision) for precision in PRECISIONS} == set(PRODUCTS)
    assert multiplied_as("int4") == "int8"


def test_impossible_threads_are_refused() -> None:
    """More threads than CPUs: one message with what is possible."""
    ended = python_m("fixtures.measurement.limit", "--threads", "4096")
    assert ended.returncode == 2
    assert "--threads 4096: 1 to " in ended.stderr


@pytest.mark.every_cpu
def test_a_library_that_fails_is_left_out_and_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One raises, its neighbour in the same process still counts; one dies, one strays, one hangs: each is named."""
    bad = {name: {name: f"{HOSTILE}:{name}"} for name in ("dies", "leaves_its_mask")}
    limits = limits_of(monkeypatch, tmp_path, {"raises": f"{HOSTILE}:raises", **NUMPY}, *bad.values())
    found = limits.measure("fp32", CPUS[:1], 1)
    assert list(found.reached) == ["numpy.matmul"] if len(CPUS) > 1 else "numpy.matmul" in found.reached
    assert found.left_out["raises"] == "RuntimeError: no kernel for fp32 on 1 threads"
    assert "died: killed by SIGILL" in found.left_out["dies"]
    if len(CPUS) > 1:
        assert "outside the granted CPUs" in found.left_out["leaves_its_mask"]
    hanging = limits_of(monkeypatch, tmp_path, {"hangs": f"{HOSTILE}:hangs"}, time_out_s=0.5)
    assert "gave no answer within 0.5 s" in hanging.measure("fp32", CPUS[:1], 1).left_out["hangs"]


def test_none_that_works_is_a_reason_and_is_not_tried_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No limit: null, the reason of every library, and no second attempt on other CPUs of the same run."""
    limits = limits_of(monkeypatch, tmp_path, {"raises": f"{HOSTILE}:raises"})
    found = limits.measure("fp32", CPUS[:1], 1)
    assert (found.gflop_per_s, found.best, found.share(10.0)) == (None, None, None)
    assert "raises: RuntimeError: no kernel for fp32" in str(found.reason)
    assert found.as_json()["gflop_per_s"] is None
    assert "none, no library multiplied fp32 matrices on CPUs" in str(found)
    monkeypatch.setattr(limit_module, "Instance", None)  # a worker could not be started any more
    again = limits.measure("fp32", CPUS[:1], 2)
    assert "raises: RuntimeError: no kernel for fp32" in str(again.reason)
    unknown = Limits(folder=tmp_path).measure("fp8", CPUS[:1], 1)
    assert str(unknown.reason).endswith(": none is known")


def test_other_cpus_are_asked_of_the_best_libraries_alone() -> None:
    """Those that reached four fifths of the best one on the first CPUs."""
    libraries = {"torch.mm": 100.0, "torch.mkldnn": 81.0, "numpy.matmul": 79.0, "onnxruntime.MatMul": 80.0}
    first = limit_of(**libraries)
    assert [list(one) for one in worth_trying("fp32", first)] == [["torch.mm", "torch.mkldnn"], ["onnxruntime.MatMul"]]
    assert worth_trying("int8", None) == list(PRODUCTS["int8"])


def test_a_share_may_be_above_one_and_a_disturbed_limit_says_so() -> None:
    """Shares are reported as they come; a product that had less than its threads' time is marked in its line."""
    limit = limit_of(slow=50.0, fast=200.0)
    assert limit.share(100.0) == 0.5
    assert limit.share(250.0) == 1.25
    assert str(limit) == "limit of fp32, 2 threads on CPUs 0-1: 200 GFLOP/s (fast, 2048 x 2048)"
    answer = {"gflop_per_s": 90.0, "size": 1024, "cpu_share": 0.6}
    disturbed = Limit(precision="fp32", cpus=(3,), threads=1, reached={"one": answer}, left_out={})
    assert str(disturbed).endswith("(one, 1024 x 1024, DISTURBED: it had 60% of its threads' time)")


def test_the_size_follows_the_rate() -> None:
    """The largest matrices whose product takes no longer than it should; the smallest there are for a slow library."""
    for gflop_per_s in (10, 100, 1_000, 10_000):
        size = size_for(1e9 * gflop_per_s)
        assert 2 * size**3 <= LONGEST_S * 1e9 * gflop_per_s
        assert all(2 * larger**3 > LONGEST_S * 1e9 * gflop_per_s for larger in SIZES if larger > size)
    assert size_for(1.0) == SIZES[0]


def test_rounds_are_timed_after_one_that_is_not() -> None:
    """At least so many, and for at least so long; the first is a warm-up."""
    calls: list[float] = []
    assert len(timed(lambda: calls.append(0.0), rounds=7, least_s=0.0)) == 7
    assert len(calls) == 8
    assert sum(timed(lambda: time.sleep(0.001), rounds=1, least_s=0.02)) >= 0.02


def test_a_benchmark_records_its_share(suite: Suite) -> None:
    """Share = rate / limit; one limit per CPUs, threads and precision of a run; said per benchmark and at the end."""
    suite.limit = True
    brief = ("-p", "tests.brief_products")
    ended = suite(SCALING, *SHORT, "--backends=onnxruntime", "--threads=1", "--batch-sizes=1,8", *brief)
    assert ended.code == 0
    assert len(ended.benchmarks) == 2
    for benchmark in ended.benchmarks.values():
        work, limit = benchmark["extra_info"]["work"], benchmark["extra_info"]["limit"]
        assert work["share_of_limit"] == pytest.approx(work["gflop_per_s"] / limit["gflop_per_s"])
        assert limit["gflop_per_s"] == max(limit["libraries"].values())
        assert (limit["precision"], limit["threads"], limit["reason"]) == ("fp32", 1, None)
        assert f"{work['share_of_limit']:.0%} of the limit" in ended.text
    first, second = (benchmark["extra_info"]["limit"] for benchmark in ended.benchmarks.values())
    assert first == second
    assert ended.text.count("limit of fp32, 1 thread on CPUs") == 1
    assert ended.run["run"]["spending"]["limit_s"] > 0
    assert "s of measuring the limit" in ended.text
    unmeasured = suite(SCALING, "--preset=quick", "--backends=onnxruntime", "--threads=1", "--benchmark-disable")
    assert unmeasured.code == 0
    assert "of the limit" not in unmeasured.text


def test_a_limit_that_cannot_be_measured_costs_no_benchmark(suite: Suite) -> None:
    """Its only library dies: the benchmark is green, its share null with the reason, and the run says so."""
    suite.limit = True
    ended = suite(SCALING, *SHORT, "--backends=onnxruntime", "--threads=1", "-p", HOSTILE, PRODUCT="dies")
    assert ended.code == 0
    (benchmark,) = ended.benchmarks.values()
    assert benchmark["extra_info"]["work"]["share_of_limit"] is None
    assert benchmark["extra_info"]["limit"]["gflop_per_s"] is None
    assert "the only one: the limit's worker (pid" in benchmark["extra_info"]["limit"]["reason"]
    assert "killed by SIGILL" in benchmark["extra_info"]["limit"]["reason"]
    assert "limit of fp32, 1 thread on CPUs" in ended.text
    suite.limit = False
    suite.runs = suite.folder / "without"
    without = suite(SCALING, *SHORT, "--backends=onnxruntime", "--threads=1")
    (benchmark,) = without.benchmarks.values()
    assert benchmark["extra_info"]["limit"]["reason"] == "not measured: --no-limit"
    assert benchmark["extra_info"]["work"]["share_of_limit"] is None


def test_everything_else_is_stopped_meanwhile(suite: Suite) -> None:
    """The instance that serves waits under SIGSTOP; afterwards it serves again."""
    suite.limit = True
    launches = (SCALING, *SHORT, "--backends=onnxruntime", "--threads=1", "--launches=2", "--sequence-lengths=16,32")
    ended = suite(*launches, "-p", HOSTILE, PRODUCT="is_alone")
    assert ended.code == 0
    assert len(ended.benchmarks) == 2
    for benchmark in ended.benchmarks.values():
        assert benchmark["extra_info"]["limit"]["reason"] is None
        assert benchmark["extra_info"]["limit"]["library"] == "the only one"
