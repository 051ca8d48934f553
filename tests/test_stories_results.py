"""Stories of what goes well: what was asked for is what the kernel saw, and pytest-benchmark behaves as its users expect."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from fixtures.asked.presets import PRESETS
from fixtures.backends.registry import backend_class
from fixtures.machine.topology import Topology
from fixtures.model.prepared import PreparedModel
from fixtures.process.environment import NO_TELEMETRY, passes
from tests.last_words import FRAMEWORKS
from tests.suite import OUT_OF_THE_BOX, REPOSITORY, SCALING, SHORT, Ended, Suite, environments, orphans

DISPATCHING = "benchmarks/test_smart_dispatching.py"
TOPOLOGY = Topology.of_this_process()
THREADS = [count for count in (1, 2) if count <= TOPOLOGY.usable_physical_cores]
EVERY_BACKEND = PRESETS["quick"].backends_of("out_of_the_box")


EXPORTED = {
    "ATEN_CPU_CAPABILITY": "default",
    "BLIS_NUM_THREADS": "7",
    "COVERAGE_PROCESS_START": "/nowhere/.coveragerc",
    "COV_CORE_SOURCE": ".",
    "CXX": "/bin/false",
    "DNNL_PRIMITIVE_CACHE_CAPACITY": "1",
    "GLIBC_TUNABLES": "glibc.malloc.arena_max=1",
    "GOMP_SPINCOUNT": "0",
    "KERAS_BACKEND": "torch",
    "KMP_AFFINITY": "compact",
    "KMP_BLOCKTIME": "0",
    "LD_BIND_NOW": "1",
    "LRU_CACHE_CAPACITY": "1",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "1024",
    "MALLOC_TOP_PAD_": "0",
    "MALLOC_TRIM_THRESHOLD_": "0",
    "MKL_DYNAMIC": "TRUE",
    "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
    "NUMBA_NUM_THREADS": "7",
    "NUMEXPR_NUM_THREADS": "7",
    "NUMPY_MADVISE_HUGEPAGE": "0",
    "OMP_NUM_THREADS": "7",
    "OMP_PLACES": "cores",
    "OMP_PROC_BIND": "true",
    "OMP_WAIT_POLICY": "PASSIVE",
    "ONEDNN_DEFAULT_FPMATH_MODE": "BF16",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "OPENBLAS_CORETYPE": "Nehalem",
    "ORT_INTRA_OP_NUM_THREADS": "7",
    "OV_CPU_LEGACY_ATTN": "1",
    "PYTHONHASHSEED": "1",
    "PYTHONMALLOC": "malloc",
    "PYTORCH_JIT": "0",
    "TBB_MALLOC_USE_HUGE_PAGES": "1",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "TF_NUM_INTRAOP_THREADS": "7",
    "THP_MEM_ALLOC_ENABLE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TORCHDYNAMO_DISABLE": "1",
    "TORCHINDUCTOR_FREEZING": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
}
"""Variables that change speed, two more than forty; none of them disturbs pytest."""


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A session that was watched from outside."""

    ended: Ended
    given: Mapping[str, str]
    """What it was started with, without the variables of EXPORTED."""
    seen: Mapping[str, list[dict[str, str]]]
    """The environments of what it started, as `environments` finds them."""


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory, cache_home: Path, bert_tiny: PreparedModel) -> Watched:
    """Two backends with one and two threads, and a stream, from a shell full of variables."""
    suite = Suite(tmp_path_factory.mktemp("watched"), cache_home)
    session = suite.start(
        *(SCALING, DISPATCHING, "--benchmark-only", "--preset=quick", "--benchmark-max-time=0.5"),
        *("--backends=pytorch,onnxruntime", f"--threads={','.join(map(str, THREADS))}", "--batch-sizes=8"),
        *("--sequence-lengths=128", "-k", "core_count_scaling or (smart_dispatching and onnxruntime and one)"),
        *("--pass-env=MKL_CBWR", "--pass-env=MKL_CBWR"),
        hostile=True,
        **EXPORTED,
        MKL_CBWR="COMPATIBLE",
    )
    seen = environments(session)
    ended = suite.end(session)
    assert ended.code == 0, ended.text
    assert orphans(suite.runs) == []
    return Watched(ended=ended, given=suite.environment, seen=seen)


@pytest.mark.every_cpu
@pytest.mark.parametrize("threads", THREADS)
def test_the_affinity_asked_for_is_the_affinity_observed(watched: Watched, threads: int) -> None:
    """Every thread's mask lies in the granted CPUs, together they cover them, and so many threads were on a CPU."""
    granted = list(TOPOLOGY.pick_cpus(threads))
    for backend in ("onnxruntime", "pytorch"):
        benchmark = watched.ended.benchmarks[f"{backend}-fp32-threads{threads}-batch8-seq128"]
        assert benchmark["params"]["threads"] == threads
        extra = benchmark["extra_info"]
        assert extra["configuration"]["cpus"] == granted
        (instance,) = extra["per_instance"]
        seen = {cpu for mask, _ in instance["thread_masks"] for cpu in mask}
        assert seen == set(granted)
        assert instance["threads_observed"] == threads
        assert instance["pool"]["intra_op"] == threads


def test_a_result_has_the_words_of_the_design(suite: Suite) -> None:
    """The record of a benchmark carries every stable word, and its numbers agree with each other."""
    ended = suite(OUT_OF_THE_BOX, *SHORT, "--backends=onnxruntime", "--batch-sizes=2", "--benchmark-min-rounds=31")
    assert ended.code == 0
    benchmark = ended.benchmarks["onnxruntime-fp32-batch2-seq32"]
    extra, stats = benchmark["extra_info"], benchmark["stats"]
    assert extra["question"] == "out_of_the_box"
    assert extra["preset"] == "quick"
    assert extra["model"]["name"] == "bert-tiny"
    assert extra["inputs"] == "seeded"
    assert extra["configuration"]["threads"] is None
    assert extra["problem_size"] == {"batch_size": 2, "sequence_length": 32}
    assert extra["instances"] == len(extra["per_instance"]) == 1
    assert extra["overlap"] == 1.0
    assert extra["latency_s"]["median"] == stats["median"]
    assert extra["latency_s"]["max"] == stats["max"]
    assert extra["latency_s"]["p90"] is not None
    if stats["rounds"] < 300:
        assert extra["latency_s"]["p99"] is None
    (instance,) = extra["per_instance"]
    assert instance["rounds"] == stats["rounds"] == len(stats["data"]) >= 31
    assert extra["throughput_per_s"] == pytest.approx(2 * instance["rounds"] / instance["wall_s"])
    assert instance["wall_s"] >= stats["total"]
    assert instance["peak_rss_bytes"] is None or instance["peak_rss_bytes"] > 10_000_000
    assert instance["page_faults"] >= 0
    assert 0 < instance["cpu_time_s"] <= instance["wall_s"] * (os.cpu_count() or 1) * 1.1
    assert extra["parity"]["max_abs_error"] <= extra["parity"]["tolerance"]
    assert extra["parity"]["cosine"] > 0.999
    assert set(extra["start_up_s"]) == {"import", "load", "compile", "first_round"}
    assert extra["work"]["gflop_per_s"] == pytest.approx(extra["work"]["flop"] / stats["median"] / 1e9)
    assert 0 <= extra["steal_share"] <= 1
    assert extra["graph"]["SkipLayerNormalization"] == 4
    assert benchmark["options"]["timer"] == "worker_monotonic_clock"
    assert ended.run["run"]["schema"] == 1
    assert ended.run["run"]["partial"] is False
    assert ended.run["environment"]["packages"]["onnxruntime"]["version"]
    assert ended.run["machine_info"]["machine_id"]
    assert "efficiency" in ended.text
    assert f"1 of 1 benchmarks measured, in {ended.runs}" in ended.text


@pytest.mark.every_cpu
def test_the_test_process_keeps_out_of_the_way(watched: Watched) -> None:
    """It imports no framework, sleeps while workers measure, and has its own mask back at the end."""
    assert f"at the end: mask {sorted(os.sched_getaffinity(0))}, frameworks []" in watched.ended.text
    scaling = [one for one in watched.ended.benchmarks.values() if one["extra_info"]["question"] == "core_count_scaling"]
    assert len(scaling) == 2 * len(THREADS)
    for benchmark in scaling:
        assert benchmark["extra_info"]["test_process_cpu_share"] < 0.05


def test_collecting_imports_no_framework(suite: Suite) -> None:
    """The whole grid of the study is listed without a framework, a worker or a folder."""
    ended = suite("benchmarks", "--collect-only", "-q", "--preset=nightly", hostile=True)
    assert ended.code == 0
    assert "frameworks []" in ended.text
    assert "test_out_of_the_box.py::test_out_of_the_box[tensorflow_xla-fp32-batch128-seq512]" in ended.text
    assert not suite.runs.exists()


def test_the_quick_preset_asks_every_backend_once(suite: Suite) -> None:
    """Out of the box every backend that is installed answers, and where one is not, its skip says why."""
    ended = suite(OUT_OF_THE_BOX, "--collect-only", "-q", "--preset=quick")
    assert len(EVERY_BACKEND) == 8
    for backend in EVERY_BACKEND:
        assert f"[{backend}-fp32-batch1-seq32]" in ended.text


def test_files_and_tables_of_pytest_benchmark(suite: Suite) -> None:
    """Its JSON, its storage, its comparison, its histogram and its table see the rounds that workers measured."""
    storage, histogram = suite.folder / "storage", suite.folder / "histogram"
    common = (OUT_OF_THE_BOX, *SHORT, "--backends=onnxruntime", f"--benchmark-storage={storage}")
    saved = suite(*common, "--benchmark-save=first", f"--benchmark-json={suite.folder / 'out.json'}")
    assert saved.code == 0
    written = json.loads((suite.folder / "out.json").read_text())
    (benchmark,) = written["benchmarks"]
    assert benchmark["stats"]["data"] == saved.run["benchmarks"][0]["stats"]["data"]
    assert written["machine_info"] == saved.run["machine_info"]
    assert len(list(storage.rglob("0001_first.json"))) == 1
    suite.runs = suite.folder / "second"
    compared = suite(
        *(*common, "--benchmark-compare", "--benchmark-autosave", f"--benchmark-histogram={histogram}"),
        *("--benchmark-group-by=param:backend", "--benchmark-sort=name", "--benchmark-columns=median,rounds"),
    )
    assert compared.code == 0
    assert "benchmark 'backend=onnxruntime': 2 tests" in compared.text
    assert "(0001_first)" in compared.text
    assert "machine_info is different" not in compared.text
    assert len(list(storage.rglob("*.json"))) == 2
    assert list(suite.folder.glob("histogram*.svg"))


def test_disabled(suite: Suite) -> None:
    """--benchmark-disable runs one forward pass with its parity check, and says that nothing was measured."""
    ended = suite(OUT_OF_THE_BOX, "--preset=quick", "--backends=onnxruntime", "--benchmark-disable")
    assert ended.code == 0
    assert "nothing measured, nothing judged" in ended.text
    assert not list(suite.runs.glob("*"))
    wrong = suite(OUT_OF_THE_BOX, "--preset=quick", "--backends=answers_nan", "--benchmark-disable", hostile=True)
    assert wrong.code == 1
    assert "wrong answer" in wrong.text


def test_rounds_are_those_that_were_asked_for(suite: Suite) -> None:
    """Min rounds, max time, min time, warm-up and precision reach the worker."""
    few = suite(
        *(OUT_OF_THE_BOX, "--benchmark-only", "--preset=quick", "--backends=onnxruntime", "--benchmark-min-rounds=7"),
        *("--benchmark-max-time=0.000001", "--benchmark-warmup=off", "--benchmark-min-time=0.02"),
    )
    (benchmark,) = few.benchmarks.values()
    assert benchmark["stats"]["rounds"] == 7
    assert benchmark["stats"]["iterations"] > 1
    assert benchmark["extra_info"]["warm_up"]["rounds"] == 0
    suite.runs = suite.folder / "second"
    precise = suite(
        *(OUT_OF_THE_BOX, "--benchmark-only", "--preset=quick", "--backends=onnxruntime", "--benchmark-min-rounds=5"),
        *("--benchmark-max-time=20", "--benchmark-precision=0.9", "--benchmark-warmup-iterations=3"),
    )
    (benchmark,) = precise.benchmarks.values()
    assert benchmark["stats"]["total"] < 5
    assert benchmark["extra_info"]["warm_up"]["rounds"] <= 3


def test_ini_gives_way(suite: Suite) -> None:
    """The ini file fills open axes; a named preset and then the command line go over it; what it cannot have is a skip."""

    def collected(*arguments: str) -> str:
        return suite("benchmarks", "--collect-only", "-q", *arguments).text

    ini = ("-o", "bench_backends=onnxruntime", "-o", "bench_sequence_lengths=64", "-o", "bench_batch_sizes=2")
    assert "out_of_the_box[onnxruntime-fp32-batch2-seq64]" in collected(*ini)
    assert "out_of_the_box[pytorch" not in collected(*ini)
    assert "seq64" not in collected(*ini, "--preset=quick")
    assert "out_of_the_box[onnxruntime-fp32-batch4-seq64]" in collected(*ini, "--batch-sizes=4")
    skipped = suite(SCALING, "--benchmark-only", "-o", "bench_threads=4096", "-o", "bench_backends=onnxruntime")
    assert skipped.code == 0
    assert "4096 threads need 4096 physical cores" in skipped.text


@pytest.mark.every_cpu
def test_shell_variables_do_not_reach_a_process(watched: Watched) -> None:
    """None of the exported ones is in /proc/PID/environ; the header names them; --pass-env lets one through to workers."""
    ended = watched.ended
    named = " ".join(f"{name}={value}" for name, value in sorted(EXPORTED.items()))
    header = next(line for line in ended.text.splitlines() if line.startswith("not passed on to workers"))
    assert set(named.split()) <= set(header.split())
    assert "MKL_CBWR" not in header
    assert "passed on to workers, and part of the configuration (--pass-env): MKL_CBWR=COMPATIBLE" in ended.text
    counts = (*THREADS, TOPOLOGY.usable_physical_cores)
    passed = {"MKL_CBWR": "COMPATIBLE"}
    configured = {
        **{
            f"fixtures.worker pytorch-fp32-threads{count}": [
                {"OMP_NUM_THREADS": str(count), "MKL_NUM_THREADS": str(count), **passed}
            ]
            for count in THREADS
        },
        **{f"fixtures.worker onnxruntime-fp32-threads{count}": [passed] for count in counts},
        "fixtures.dispatcher dispatcher": [{"OPENBLAS_NUM_THREADS": "1"}],
        "fixtures.model pipe:[": [{}],
    }
    for label, expected in configured.items():
        found = [one for seen, all_of_it in watched.seen.items() if seen.startswith(label) for one in all_of_it]
        assert found, label
        for environment in found:
            beyond = {name: value for name, value in environment.items() if not passes(name) and name not in NO_TELEMETRY}
            frameworks = "dispatcher" not in label  # which has numpy alone
            assert not frameworks or NO_TELEMETRY.items() <= environment.items(), label
            assert beyond in expected, label
            assert not EXPORTED.keys() & environment.keys() - beyond.keys()
            assert {name: environment[name] for name in ("PATH", "TMPDIR", "XDG_CACHE_HOME")} == {
                name: watched.given[name] for name in ("PATH", "TMPDIR", "XDG_CACHE_HOME")
            }
    assert len(watched.seen) == len(configured)
    for benchmark in ended.benchmarks.values():
        assert benchmark["extra_info"]["configuration"]["passed_env"] == {"MKL_CBWR": "COMPATIBLE"}


def test_a_backend_that_is_not_installed(suite: Suite) -> None:
    """From a preset it is a skip with its reason and the command that installs it; named, it is refused."""
    reason = "framework-of-the-future is not installed: pip install '.[onnxruntime]'"
    skipped = suite(OUT_OF_THE_BOX, "--benchmark-only", "--preset=quick", "-k", "not_installed", hostile=True)
    assert skipped.code == 0
    assert "1 skipped" in skipped.text
    assert reason in skipped.text
    assert not suite.runs.exists()
    gated = ("--benchmark-only", "--preset=quick", "-k", "not_installed", "--require-baseline")
    nothing = suite(OUT_OF_THE_BOX, *gated, hostile=True)
    assert nothing.code == 4
    assert "all 1 benchmarks are skipped, so that nothing would be judged" in nothing.text
    refused = suite(OUT_OF_THE_BOX, *SHORT, "--backends=not_installed", hostile=True)
    assert refused.code == 4
    assert f"--backends not_installed: {reason}. Possible here: pytorch" in refused.text


def test_plain_selection(suite: Suite) -> None:
    """-k selects by the ids, which have no `=` in them; nothing selected is not a pass."""
    ended = suite("benchmarks", *SHORT, "-k", "out_of_the_box and onnxruntime and batch1-seq32")
    assert ended.code == 0
    assert list(ended.benchmarks) == ["onnxruntime-fp32-batch1-seq32"]
    assert suite("benchmarks", *SHORT, "-k", "no_such_benchmark").code == 5


def test_conftest_stays_wiring() -> None:
    """The root conftest is a table of contents."""
    assert len((REPOSITORY / "conftest.py").read_text().splitlines()) < 80


def test_the_frameworks_are_the_known_ones() -> None:
    """The list of frameworks that the test process must not import covers every backend's distributions."""
    wanted = {name.replace("-", "_") for backend in EVERY_BACKEND for name in backend_class(backend).distributions}
    assert wanted <= set(FRAMEWORKS)
