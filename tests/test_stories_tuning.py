"""Stories of runtime tuning: knobs that are turned, and knobs that only look as if they were."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.asked.tuning_layouts import why_not
from fixtures.backends.onnxruntime import OnnxRuntime
from fixtures.backends.openvino import OpenVino
from fixtures.backends.tensorflow import TensorFlow
from fixtures.machine.topology import Topology
from tests.suite import SHORT, Ended, Suite

TUNING = "benchmarks/test_runtime_tuning.py"
HERE = Topology.of_this_process()
ALL_KNOBS = (TUNING, *SHORT, "--confirm=0", "-p", "tests.hostile_knobs")
"""With jemalloc and tcmalloc that are none; the other knobs are real."""

runs_onnxruntime = pytest.mark.skipif(OnnxRuntime.unavailable() is not None, reason=str(OnnxRuntime.unavailable()))
shows_waiting = pytest.mark.skipif(
    why_not("spinning", "off", HERE) is not None, reason=str(why_not("spinning", "off", HERE))
)


def tuning_of(ended: Ended, name: str) -> dict[str, object]:
    """What was seen of the knobs in a benchmark."""
    (instance,) = ended.benchmarks[name]["extra_info"]["per_instance"]
    found: dict[str, object] = instance["tuning"]
    return found


@pytest.mark.every_cpu
@runs_onnxruntime
@shows_waiting
def test_each_knob_does_something_or_fails(suite: Suite) -> None:
    """A knob in force is measured and recorded; one that is ignored fails with what was asked and seen; none is silent."""
    selected = ("--backends=onnxruntime,ignores_spinning", "-k", "not ignores_spinning or spinning-off")
    ended = suite(*ALL_KNOBS, *selected, hostile=True)
    assert ended.code == 1, ended.text
    measured = {name: one["extra_info"]["configuration"] for name, one in ended.benchmarks.items()}
    untuned = measured["onnxruntime-fp32-tuning_none-default-batch1-seq32"]
    assert (untuned["threads"], untuned["allocator"]) == (HERE.usable_physical_cores, "default")
    assert "spinning" not in untuned
    spinning = "onnxruntime-fp32-tuning_spinning-off-batch1-seq32"
    assert measured[spinning] == {**untuned, "spinning": "off"}
    assert ended.benchmarks[spinning]["params"]["setting"] == "off"
    assert tuning_of(ended, spinning)["framework"] == {"spinning": "off"}
    if why_not("huge_pages", "madvise", HERE) is None:
        huge = tuning_of(ended, "onnxruntime-fp32-tuning_huge_pages-madvise-batch1-seq32")
        assert huge["environment"] == {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
        assert int(str(huge["anon_huge_bytes"])) > 0
        none = tuning_of(ended, "onnxruntime-fp32-tuning_huge_pages-off-batch1-seq32")
        assert (none["thp_enabled"], none["anon_huge_bytes"]) == (False, 0)
    if why_not("malloc_thresholds", "raised", HERE) is None:
        assert tuning_of(ended, "onnxruntime-fp32-tuning_malloc_thresholds-raised-batch1-seq32")["malloc_keeps"]
        assert not tuning_of(ended, "onnxruntime-fp32-tuning_none-default-batch1-seq32")["malloc_keeps"]

    assert "onnxruntime-fp32-threads" in ended.text
    assert (
        "-allocator_jemalloc: allocator was to be jemalloc, and it did not take effect: in /proc/PID/maps malloc "
        in ended.text
    )
    assert (
        "-spinning_off: spinning was to be off, and it did not take effect: a waiting thread was ready to run" in ended.text
    )
    assert "2 failed" in ended.text
    reason = "libnot-there.so.9 is not among the loader's libraries: sudo apt-get install libtcmalloc-minimal4"
    assert f"SKIPPED [1] {TUNING}: {reason}" in ended.text
    assert "openmp" not in " ".join(measured)


@pytest.mark.every_cpu
@pytest.mark.skipif(OpenVino.unavailable() is not None, reason=str(OpenVino.unavailable()))
@pytest.mark.skipif(why_not("allocator", "jemalloc", HERE) is not None, reason=str(why_not("allocator", "jemalloc", HERE)))
def test_openvino_runs_beside_another_allocator(suite: Suite) -> None:
    """It dies of freeing what the other one gave it, unless oneTBB is told not to look past it."""
    ended = suite(TUNING, *SHORT, "--confirm=0", "--backends=openvino", "-k", "jemalloc")
    assert ended.code == 0, ended.text
    (only,) = ended.benchmarks.values()
    assert only["extra_info"]["configuration"]["allocator"] == "jemalloc"


@pytest.mark.slow  # whether a lost policy shows depends on how long threads get to spin: not on a busy machine
@shows_waiting
def test_a_policy_of_waiting_shows_in_the_threads(suite: Suite) -> None:
    """Threads that are to wait actively do; where the variable was lost on the way to OpenMP, the benchmark fails."""
    selected = ("--backends=pytorch,loses_variables", "-k", "wait_policy-active")
    ended = suite(*ALL_KNOBS, *selected, hostile=True, OMP_WAIT_POLICY="PASSIVE")
    assert ended.code == 1, ended.text
    (measured,) = ended.benchmarks
    assert measured == "pytorch-fp32-tuning_wait_policy-active-batch1-seq32"
    seen = tuning_of(ended, measured)
    assert seen["environment"] == {"OMP_WAIT_POLICY": "ACTIVE"}
    assert [Path(one).name.partition(".")[0] for one in seen["openmp_libraries"]] == ["libgomp"]  # type: ignore[attr-defined]
    assert seen["openmp"] == seen["openmp_libraries"][0]  # type: ignore[index]
    assert "-wait_policy_active: wait_policy was to be active, and it did not take effect: no waiting thread " in ended.text


@runs_onnxruntime
@pytest.mark.skipif(why_not("openmp", "llvm", HERE) is not None, reason=str(why_not("openmp", "llvm", HERE)))
@pytest.mark.skipif(why_not("allocator", "jemalloc", HERE) is not None, reason=str(why_not("allocator", "jemalloc", HERE)))
def test_preloaded_libraries_take_over(suite: Suite) -> None:
    """Another OpenMP runtime answers PyTorch's calls, another allocator ONNX Runtime's, each turned alone."""
    names = "openmp-llvm or (onnxruntime and allocator-jemalloc)"
    ended = suite(TUNING, *SHORT, "--confirm=0", "--backends=pytorch,onnxruntime", "-k", names)
    assert ended.code == 0, ended.text
    openmp = tuning_of(ended, "pytorch-fp32-tuning_openmp-llvm-batch1-seq32")
    assert "libomp" in str(openmp["openmp"])
    assert "jemalloc" not in str(openmp["malloc"])
    assert "libjemalloc" in str(tuning_of(ended, "onnxruntime-fp32-tuning_allocator-jemalloc-batch1-seq32")["malloc"])


@pytest.mark.slow  # three launches of TensorFlow or more
@pytest.mark.skipif(TensorFlow.unavailable() is not None, reason=str(TensorFlow.unavailable()))
def test_onednn_is_off_where_it_was_turned_off(suite: Suite) -> None:
    """By TensorFlow's own word and by the kernels that oneDNN makes; what this CPU has anyway is a skip."""
    ended = suite(*ALL_KNOBS, "--backends=tensorflow_graph", "-k", "tf_onednn or onednn_isa or none-default")
    assert ended.code == 0, ended.text
    seen = {one["params"]["knob"]: tuning_of(ended, name) for name, one in ended.benchmarks.items()}
    by_default = "off" if why_not("tf_onednn", "off", HERE) else "on"
    other = "on" if by_default == "off" else "off"
    assert seen["none"]["framework"] == {"tf_onednn": by_default}
    assert seen["tf_onednn"]["framework"] == {"tf_onednn": other}
    assert seen["tf_onednn"]["environment"] == {"TF_ENABLE_ONEDNN_OPTS": {"off": "0", "on": "1"}[other]}
    assert bool(seen["tf_onednn"]["onednn_kernels"]) == (other == "on")
    if "onednn_isa" in seen:  # asked in the same way, so that silence is an answer and not a lost voice
        assert seen["onednn_isa"]["onednn_kernels"]


@pytest.mark.slow  # whether a thread sleeps is seen only where there is a CPU for it
@shows_waiting
@pytest.mark.skipif(why_not("openmp", "llvm", HERE) is not None, reason=str(why_not("openmp", "llvm", HERE)))
def test_a_blocktime_is_what_llvms_runtime_says(suite: Suite) -> None:
    """Each setting with the runtime that reads it, and 200 ms where none was set."""
    ended = suite(*ALL_KNOBS, "--backends=pytorch", "-k", "kmp_blocktime or openmp-llvm")
    assert ended.code == 0, ended.text
    said = {tuple(one["params"][word] for word in ("knob", "setting")): tuning_of(ended, name) for name, one in
            ended.benchmarks.items()}  # fmt: skip
    blocktimes = {knob: seen["blocktime_ms"] for knob, seen in said.items()}
    assert blocktimes == {("openmp", "llvm"): 200, ("kmp_blocktime", "0"): 0, ("kmp_blocktime", "1"): 1}
    assert all("libomp" in str(seen["openmp"]) for seen in said.values())
