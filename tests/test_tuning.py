"""The knobs of runtime tuning: what is compared, what is skipped, and what counts as proof."""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from baselines.deploying.tuning_variables import KNOBS as RECOMMENDED_KNOBS
from baselines.deploying.tuning_variables import tuning_in_code, tuning_variables
from fixtures.asked import matrix
from fixtures.asked.configuration import Configuration
from fixtures.asked.matrix import QUESTIONS
from fixtures.asked.presets import PRESETS
from fixtures.asked.problem_size import grid
from fixtures.asked.tuning_layouts import (
    glibc_version,
    tuning_layouts,
    why_not,
    why_not_huge_pages,
    why_not_isa,
    why_not_tf_onednn,
    why_not_thresholds,
)
from fixtures.backends.registry import BACKENDS, backend_class
from fixtures.machine.topology import Topology
from fixtures.tuning.effect import IDLE_MS, Seen, TuningError, check, file_at, variables_in
from fixtures.tuning.knobs import DEFAULT, KNOBS, RAISED, card_settings, launcher_of, libraries_of, variables_of
from fixtures.tuning.libraries import ALLOCATORS, OPENMP_RUNTIMES, Library, found
from fixtures.worker.runtime_view import IDLE_S, behind_jump, idle_shares, is_mapped, symbol_addresses, vm_flags_at
from tests.suite import REPOSITORY
from tests.test_matrix import FOUR_CORES, axes

SETTINGS = [(knob, setting) for knob, settings in KNOBS.items() for setting in settings]
PLAIN = Configuration(backend="pytorch", precision="fp32", threads=2, cpus=(0, 1), knobs_proven=True)
LIBRARY = "/usr/lib/lib-of-the-knob.so"


@pytest.fixture
def _libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every library is installed, at LIBRARY."""
    for module in ("effect", "knobs", "libraries"):
        monkeypatch.setattr(f"fixtures.tuning.{module}.found", lambda soname: LIBRARY)


def turned(knob: str, setting: str) -> Configuration:
    """The plain configuration with one knob turned."""
    words: dict[str, Any] = {knob: setting}
    return replace(PLAIN, **words)


def seen(knob: str, setting: str, **changes: Any) -> Seen:
    """A worker in which a knob took effect, or all but what is changed."""
    everything: dict[str, Any] = {
        "environment": variables_of(turned(knob, setting).knobs),
        "resolved": dict.fromkeys(("malloc", "free", "posix_memalign", "GOMP_parallel", "omp_get_max_threads"), LIBRARY),
        "openmp_libraries": (LIBRARY,),
        "thp_enabled": setting != "off",
        "anon_huge_bytes": 0 if setting == "off" else 2 << 20,
        "malloc_advised": setting == "madvise",
        "malloc_keeps": setting == "raised",
        "blocktime_ms": int(setting) if knob == "kmp_blocktime" else None,
        "idle": {"least": 0.9, "median": 1.0} if setting == "active" else {"least": 0.0, "median": 0.01},
        "framework": {"spinning": "off", "tf_onednn": setting},
        "onednn_isa": "Intel AVX2",
        "onednn_kernels": () if (knob, setting) == ("tf_onednn", "off") else ("eltwise,jit:avx2", "matmul,gemm:jit:f32"),
    }
    return Seen(**{**everything, **changes})


class TestWhatIsCompared:
    """Each setting alone against none, for the backends to which it means something."""

    def expanded(self, preset: str) -> list[matrix.Benchmark]:
        """The benchmarks of a preset where everything is possible."""
        chosen = axes(preset)
        layouts = tuning_layouts(chosen, FOUR_CORES)
        return matrix.expand(QUESTIONS["runtime_tuning"], chosen, layouts, lambda *_: None)

    def test_a_pair_that_makes_no_sense_is_not_there(self) -> None:
        """OpenMP's knobs are PyTorch's, spinning is ONNX Runtime's, and what compiles itself runs nothing through oneDNN."""
        knobs: dict[str, set[str]] = {}
        for one in self.expanded("nightly"):
            knobs.setdefault(one.backend, set()).add(str(one.layout.values["knob"]))
        everywhere = {"none", "allocator", "huge_pages", "malloc_thresholds"}
        expected = {
            "pytorch": {"openmp", "wait_policy", "kmp_blocktime", "onednn_isa"},
            "torchscript": {"openmp", "wait_policy", "kmp_blocktime", "onednn_isa"},
            "torch_compile": {"openmp", "wait_policy", "kmp_blocktime"},
            "tensorflow": {"onednn_isa", "tf_onednn"},
            "tensorflow_graph": {"onednn_isa", "tf_onednn"},
            "tensorflow_xla": set(),
            "onnxruntime": {"spinning"},
        }
        assert {name: knobs[name] for name in expected} == {name: {*everywhere, *own} for name, own in expected.items()}

    @pytest.mark.parametrize("backend", BACKENDS)
    def test_what_is_left_out_has_a_reason(self, backend: str) -> None:
        """In words, and for knobs that exist; docs/tuning.md repeats none of them by hand."""
        reasons = backend_class(backend).knobs_without_meaning
        assert set(reasons) <= set(KNOBS)
        assert all(len(reason.split()) > 3 for reason in reasons.values())

    def test_ids_and_parameters(self) -> None:
        """Plain words that `-k` takes, and plain values."""
        benchmarks = {one.id: one for one in self.expanded("default")}
        one = benchmarks["onnxruntime-fp32-tuning_allocator-jemalloc-batch1-seq128"]
        assert (one.parameters["knob"], one.parameters["setting"]) == ("allocator", "jemalloc")
        assert "onnxruntime-fp32-tuning_none-default-batch1-seq128" in benchmarks
        assert not any("=" in name for name in benchmarks)

    def test_presets_grow(self) -> None:
        """Quick and default choose, default one problem size of one backend; nightly has everything."""
        quick, default, nightly, full = (
            {(one.backend, *one.layout.values.values()) for one in self.expanded(name)} for name in PRESETS
        )
        assert nightly == full
        assert quick < nightly
        assert default < nightly
        assert {one.problem_size for one in self.expanded("default")} == set(grid([1], [128]))
        assert {(knob, setting) for _, knob, setting in nightly} == {("none", DEFAULT), *SETTINGS}

    def test_presets_name_settings_that_exist(self) -> None:
        """A word that is misspelt would leave its knob out without a sound."""
        for preset in PRESETS.values():
            for knob, settings in (preset.knobs or {}).items():
                assert set(settings) <= set(KNOBS[knob])


class TestIdentity:
    """What other questions store does not change."""

    def test_existing_configurations_say_what_they_said(self) -> None:
        """The words of a configuration without knobs, none more."""
        assert list(PLAIN.as_json()) == [
            *("backend", "precision", "threads", "cpus", "memory_policy", "memory_nodes", "allocator", "openmp"),
        ]
        assert str(PLAIN) == "pytorch-fp32-threads2"

    @pytest.mark.parametrize(("knob", "setting"), SETTINGS)
    def test_a_knob_is_one_word(self, knob: str, setting: str) -> None:
        """Under its own name, and in the name that messages use."""
        configuration = turned(knob, setting)
        assert configuration.as_json() == {**PLAIN.as_json(), knob: setting}
        assert str(configuration) == f"pytorch-fp32-threads2-{knob}_{setting}"

    def test_every_knob_is_a_field(self) -> None:
        """And the other way round: what a configuration calls its knobs is what there is to turn."""
        assert set(PLAIN.knobs) == set(KNOBS) <= {field.name for field in fields(Configuration)}


@pytest.mark.usefixtures("_libraries")
class TestProof:
    """A knob took effect when kernel and runtimes say so."""

    @pytest.mark.parametrize(("knob", "setting"), SETTINGS)
    def test_what_is_seen_is_accepted(self, knob: str, setting: str) -> None:
        """Every setting has a proof that can be given."""
        check(turned(knob, setting).knobs, seen(knob, setting))

    @pytest.mark.parametrize(("knob", "setting"), SETTINGS)
    def test_a_machine_on_which_nothing_was_turned_convinces_nobody(self, knob: str, setting: str) -> None:
        """Whatever was asked for, a worker as it comes is a failure that names the knob."""
        untouched = seen(
            knob,
            setting,
            resolved={"malloc": "/usr/lib/libc.so.6", "GOMP_parallel": "/usr/lib/libgomp.so.1"},
            thp_enabled=True,
            anon_huge_bytes=4096 * 1024,
            malloc_advised=False,
            malloc_keeps=False,
            blocktime_ms=200,
            idle={"least": 0.4, "median": 0.4},
            framework={"tf_onednn": "as it comes"},
            onednn_isa="Intel AVX-512",
            onednn_kernels=("matmul,brg:avx512_core",),
        )
        with pytest.raises(TuningError, match=f"{knob} was to be {setting}, and it did not take effect: "):
            check(turned(knob, setting).knobs, untouched)

    @pytest.mark.parametrize(
        ("knob", "setting", "changes", "said"),
        [
            ("allocator", "jemalloc", {"environment": {}}, "started with LD_PRELOAD=.*, /proc/PID/environ does not have it"),
            ("allocator", "jemalloc", {"environment": {"LD_PRELOAD": "/x"}}, "/proc/PID/environ has '/x'"),
            ("allocator", "tcmalloc", {"resolved": {}}, "malloc comes from nowhere, free comes from nowhere"),
            (
                "openmp",
                "llvm",
                {"resolved": {"GOMP_parallel": LIBRARY, "omp_get_max_threads": "/usr/lib/libgomp.so.1"}},
                f"omp_get_max_threads comes from /usr/lib/libgomp.so.1, not from {LIBRARY}",
            ),
            ("wait_policy", "passive", {"idle": None}, "the kernel keeps no /proc/PID/task/TID/schedstat"),
            ("wait_policy", "active", {"idle": {"least": 0, "median": 0.04}}, r"for more than 4% .*; the rule is 50%"),
            ("wait_policy", "passive", {"idle": {"least": 0.4, "median": 1}}, r"ready to run for 40% .*at most 10%"),
            ("spinning", "off", {"framework": {"spinning": "on"}}, "the session's options say on"),
            ("huge_pages", "off", {"thp_enabled": None}, "has no THP_enabled or no AnonHugePages"),
            ("huge_pages", "off", {"thp_enabled": True}, "THP_enabled 1 and AnonHugePages 0 kB"),
            ("huge_pages", "madvise", {"anon_huge_bytes": 0}, "AnonHugePages of /proc/PID/smaps_rollup is 0 kB"),
            ("huge_pages", "madvise", {"malloc_advised": False}, "has no `hg` among its VmFlags"),
            ("onednn_isa", "avx2", {"onednn_isa": None}, "no operator of this model ran through it"),
            ("onednn_isa", "avx2", {"onednn_kernels": ()}, "no operator of this model ran through it"),
            ("onednn_isa", "avx2", {"onednn_kernels": ("softmax,jit:avx512_core",)}, "oneDNN ran softmax,jit:avx512_core"),
            ("onednn_isa", "avx2", {"onednn_isa": "Intel AVX-512"}, "oneDNN says that it may use Intel AVX-512"),
            ("malloc_thresholds", "raised", {"malloc_keeps": None}, "no longer in /proc/self/maps"),
            ("tf_onednn", "off", {"framework": {}}, "TensorFlow says nothing of oneDNN's operators"),
            ("tf_onednn", "off", {"onednn_kernels": ("softmax,jit:avx2",)}, "oneDNN made softmax,jit:avx2"),
            ("tf_onednn", "on", {"onednn_kernels": ()}, "oneDNN made no kernel"),
            ("kmp_blocktime", "0", {"resolved": {}}, "GOMP_parallel comes from nowhere"),
            ("kmp_blocktime", "0", {"blocktime_ms": None}, r"kmp_get_blocktime\(\) .*: no runtime answers"),
            ("kmp_blocktime", "0", {"blocktime_ms": 1}, r"kmp_get_blocktime\(\) .*: 1 ms"),
            ("kmp_blocktime", "0", {"idle": {"least": 0.15, "median": 0.2}}, "ready to run for 15% .*at most 10%"),
            ("kmp_blocktime", "1", {"idle": {"least": 0.25, "median": 0.3}}, "ready to run for 25% .*at most 20%"),
        ],
    )
    def test_what_is_missing_is_said(self, knob: str, setting: str, changes: dict[str, Any], said: str) -> None:
        """What was asked, what the kernel or the runtime shows, and the rule."""
        with pytest.raises(TuningError, match=said):
            check(turned(knob, setting).knobs, seen(knob, setting, **changes))

    def test_where_nothing_is_turned_nothing_is_demanded(self) -> None:
        """The system may come with anything; it is recorded."""
        changes: dict[str, Any] = {"environment": {}, "resolved": {}, "idle": None, "thp_enabled": None, "onednn_isa": None}
        check(PLAIN.knobs, seen("allocator", "jemalloc", **changes))


def test_tunables_of_glibc_share_a_variable() -> None:
    """Two knobs that glibc reads from one variable are both in it, here and in the line that is recommended."""
    both = replace(PLAIN, huge_pages="madvise", malloc_thresholds="raised")
    expected = ["glibc.malloc.hugetlb=1", "glibc.malloc.mmap_threshold=1073741824", "glibc.malloc.trim_threshold=4294967296"]
    assert variables_of(both.knobs) == {"GLIBC_TUNABLES": ":".join(expected)} == tuning_variables(both.as_json())


def test_a_blocktime_comes_with_the_runtime_that_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """LLVM's is preloaded, once, whether it was asked for too or not, here and in the line that is recommended."""
    monkeypatch.setattr("fixtures.tuning.knobs.found", lambda soname: None)
    expected = {"LD_PRELOAD": "libjemalloc.so.2:libomp.so.5", "KMP_BLOCKTIME": "0"}
    alone = replace(PLAIN, kmp_blocktime="0", allocator="jemalloc")
    for one in (alone, replace(alone, openmp="llvm")):
        assert variables_of(one.knobs) == expected == tuning_variables(one.as_json())


def test_only_one_knob_goes_each_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every setting reaches the worker: by a variable, by what starts it, or by its card."""
    monkeypatch.setattr("fixtures.tuning.knobs.found", lambda soname: LIBRARY)
    assert (variables_of(PLAIN.knobs), launcher_of(PLAIN.knobs), card_settings(PLAIN.knobs)) == ({}, (), {})
    for knob, setting in SETTINGS:
        one = turned(knob, setting)
        assert variables_of(one.knobs) or launcher_of(one.knobs) or card_settings(one.knobs), (knob, setting)


def test_recommend_turns_the_same_knobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line that is recommended sets what a worker was given, libraries by name; the rest stands with the program."""
    monkeypatch.setattr("fixtures.tuning.knobs.found", lambda soname: None)
    assert set(RECOMMENDED_KNOBS) == set(KNOBS)
    for knob, setting in SETTINGS:
        one = turned(knob, setting)
        assert tuning_variables(one.as_json()) == variables_of(one.knobs)
        assert bool(tuning_in_code(one.as_json())) == (not variables_of(one.knobs))
        assert not any("docs/tuning.md" in line for line in tuning_in_code(one.as_json()))
    both = replace(PLAIN, allocator="jemalloc", openmp="llvm")
    assert tuning_variables(both.as_json()) == {"LD_PRELOAD": "libjemalloc.so.2:libomp.so.5"} == variables_of(both.knobs)


class TestLibraries:
    """Where the loader would find what is preloaded."""

    def test_the_loader_is_asked(self) -> None:
        """A library that every process has is found where it is mapped; one that nobody has is not."""
        name = "libc.so.6"
        assert str(Path(found(name) or "").name).startswith("libc")
        assert found("libnot-there.so.9") is None

    def test_a_missing_library_names_its_package(self) -> None:
        """What to type is in the reason."""
        missing = Library(soname="libnot-there.so.9", package="libnot-there9")
        assert missing.why_not() == (
            "libnot-there.so.9 is not among the loader's libraries: sudo apt-get install libnot-there9"
        )

    def test_each_setting_has_its_own(self) -> None:
        """No two settings are the same library."""
        every = [*ALLOCATORS.values(), *OPENMP_RUNTIMES.values()]
        assert len({one.soname for one in every}) == len({one.package for one in every}) == len(every)
        assert set(libraries_of(replace(PLAIN, allocator="jemalloc", openmp="llvm").knobs)) == {"allocator", "openmp"}


class TestSkips:
    """What cannot be had or shown here is a skip."""

    def tree(self, root: Path, mode: str | None, status: str = "THP_enabled:\t1\n", flags: str = "avx2 avx512f") -> Path:
        """A root directory with a mode of huge pages and a CPU."""
        (root / "proc/self").mkdir(parents=True)
        (root / "proc/self/status").write_text(f"Name:\tx\n{status}")
        (root / "proc/cpuinfo").write_text(f"processor\t: 0\nflags\t\t: {flags}\n")
        if mode is not None:
            (root / "sys/kernel/mm/transparent_hugepage").mkdir(parents=True)
            (root / "sys/kernel/mm/transparent_hugepage/enabled").write_text(mode)
        return root

    @pytest.mark.parametrize(
        ("setting", "mode", "said"),
        [
            ("off", "always [madvise] never", None),
            ("off", "[always] madvise never", None),
            ("off", "always madvise [never]", "are `never` given here: echo madvise >"),
            ("madvise", "[always] madvise never", "are `always` given here: nobody has to ask for them"),
            ("off", None, "the kernel has no transparent huge pages"),
        ],
    )
    def test_the_systems_mode_decides(self, tmp_path: Path, setting: str, mode: str | None, said: str | None) -> None:
        """Where the mode leaves nothing to choose the reason names it."""
        reason = why_not_huge_pages(setting, self.tree(tmp_path, mode))
        assert reason is None if said is None else said in str(reason)

    def test_an_old_kernel_shows_nothing(self, tmp_path: Path) -> None:
        """Without a proof there is no benchmark."""
        reason = why_not_huge_pages("off", self.tree(tmp_path, "always [madvise] never", status=""))
        assert "does not show THP_enabled" in str(reason)

    def test_an_old_c_library(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The tunable has to be there; glibc ignores what it does not know."""
        root = self.tree(tmp_path, "always [madvise] never")
        monkeypatch.setattr("fixtures.asked.tuning_layouts.glibc_version", lambda: (2, 31))
        assert str(why_not_huge_pages("madvise", root)).endswith("came with glibc 2.35, here is glibc 2.31")
        monkeypatch.setattr("fixtures.asked.tuning_layouts.glibc_version", lambda: ())
        assert str(why_not_huge_pages("madvise", root)).endswith("here is no glibc")

    def test_a_cpu_without_avx512(self, tmp_path: Path) -> None:
        """There a limit at AVX2 is none."""
        assert why_not_isa("avx2", self.tree(tmp_path / "a", None)) is None
        assert "this CPU has no AVX-512" in str(why_not_isa("avx2", self.tree(tmp_path / "b", None, flags="avx avx2")))

    @pytest.mark.parametrize(
        ("flags", "off", "on"),
        [("avx avx512_vnni", None, "on by default"), ("avx avx2", "off by default", None), ("asimd", "x86", "x86")],
    )
    def test_what_tensorflow_comes_with(self, tmp_path: Path, flags: str, off: str | None, on: str | None) -> None:
        """The setting that this CPU has anyway is no benchmark of its own."""
        root = self.tree(tmp_path, None, flags=flags)
        for setting, said in (("off", off), ("on", on)):
            reason = why_not_tf_onednn(setting, root)
            assert reason is None if said is None else said in str(reason)

    def test_a_c_library_that_ignores_thresholds(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is asked, not known by its version: what comes of it with tunables of another name is a skip."""
        why_not_thresholds.cache_clear()
        monkeypatch.setattr("fixtures.asked.tuning_layouts.RAISED", ("glibc.malloc.mmap_threshold=33554432",))
        assert "ignores GLIBC_TUNABLES=glibc.malloc.mmap_threshold=33554432" in str(why_not_thresholds())
        why_not_thresholds.cache_clear()

    def test_one_core(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nobody waits for another thread there."""
        one = Topology(sockets=1, numa_nodes={0: (0,)}, cores=((0,),), usable_cpus=(0,), cpu_quota=None)
        for knob, setting in (("wait_policy", "active"), ("spinning", "off")):
            assert "1 physical core" in str(why_not(knob, setting, one))
        monkeypatch.setattr("fixtures.tuning.libraries.found", lambda soname: LIBRARY)
        assert "1 physical core" in str(why_not("kmp_blocktime", "0", one))


MAPS = """\
55d0c0000000-55d0c0001000 r--p 00000000 fe:00 12 /usr/bin/with blank
7f0000000000-7f0000002000 r-xp 00000000 fe:00 34                         /usr/lib/liba.so.1
7f0000002000-7f0000003000 rw-p 00000000 00:00 0
"""
SMAPS = """\
7f0000000000-7f0000002000 r-xp 00000000 fe:00 34                         /usr/lib/liba.so.1
Rss:                   4 kB
VmFlags: rd ex mr mw me
7f0000002000-7f0000003000 rw-p 00000000 00:00 0
VmFlags: rd wr mr mw me ac hg
"""


def test_addresses_and_files() -> None:
    """An address belongs to the file that is mapped there, anonymous memory to none."""
    assert file_at(0x55D0C0000FFF, MAPS) == "/usr/bin/with blank"
    assert file_at(0x7F0000001000, MAPS) == "/usr/lib/liba.so.1"
    assert file_at(0x7F0000002000, MAPS) is None
    assert file_at(0x1000, MAPS) is None
    assert vm_flags_at(0x7F0000002000, SMAPS) == ["rd", "wr", "mr", "mw", "me", "ac", "hg"]
    assert "hg" not in (vm_flags_at(0x7F0000000000, SMAPS) or [])
    assert vm_flags_at(0x1000, SMAPS) is None
    assert is_mapped(0x7F0000002FFF, MAPS)
    assert not is_mapped(0x7F0000003000, MAPS)


def test_a_process_is_read() -> None:
    """This process's own malloc is that of its C library, and its variables are those it was started with."""
    answer = {"symbols": symbol_addresses(), "idle": None, "framework": {}, "malloc_advised": None}
    printed = (
        "onednn_verbose,v1,info,cpu,isa:Intel AVX2\nonednn_verbose,v1,primitive,create:cache_miss,cpu,softmax,jit:avx2,x\n"
    )
    here = Seen.of(os.getpid(), answer, printed)
    assert Path(here.resolved["malloc"]).is_file()
    assert here.resolved["malloc"] == here.resolved["free"]
    assert (here.onednn_isa, here.onednn_kernels) == ("Intel AVX2", ("softmax,jit:avx2",))
    assert set(here.environment) <= {"LD_PRELOAD", "OMP_WAIT_POLICY", "GLIBC_TUNABLES", "ONEDNN_MAX_CPU_ISA"}


def test_tunables_are_read_as_they_were_given(tmp_path: Path) -> None:
    """Glibc's parser may have put a NUL byte in place of a colon; what comes before and after is nobody's."""
    given = b"A=1\0GLIBC_TUNABLES=glibc.malloc.mmap_threshold=1\0glibc.malloc.trim_threshold=2\0KMP_BLOCKTIME=0\0B=3\0"
    (tmp_path / "environ").write_bytes(given)
    assert variables_in(tmp_path / "environ") == {
        "GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=1:glibc.malloc.trim_threshold=2",
        "KMP_BLOCKTIME": "0",
    }


def test_a_process_without_other_threads_is_idle() -> None:
    """Nobody is ready when nobody is there: the shares are zero, or the kernel tells none."""
    assert IDLE_MS == 1000 * IDLE_S, "what a blocktime is a share of"
    script = "from fixtures.worker.runtime_view import idle_shares; print(idle_shares(lambda: None))"
    printed = subprocess.check_output([sys.executable, "-c", script], cwd=REPOSITORY, text=True)
    assert printed.strip() in ("{'least': 0.0, 'median': 0.0}", "None")
    assert callable(idle_shares)


@pytest.mark.skipif(
    why_not("huge_pages", "off", FOUR_CORES) is not None, reason=str(why_not("huge_pages", "off", FOUR_CORES))
)
def test_huge_pages_are_taken_and_given() -> None:
    """The launcher's flag outlives exec, and malloc advises its blocks when the C library is told to."""
    script = (
        "from fixtures.worker.runtime_view import malloc_is_advised; from fixtures.machine.kernel_files import read_fields;"
        "from pathlib import Path; print(malloc_is_advised(), read_fields(Path('/proc/self/status'))['THP_enabled'])"
    )
    command = [sys.executable, "-c", script]
    plain = {name: value for name, value in os.environ.items() if name != "GLIBC_TUNABLES"}

    def printed(*before: str, **variables: str) -> str:
        environment = {**plain, **variables}
        return subprocess.check_output([*before, *command], cwd=REPOSITORY, text=True, env=environment).strip()

    assert printed() == "False 1"
    assert printed(*launcher_of(turned("huge_pages", "off").knobs)) == "False 0"
    if why_not("huge_pages", "madvise", FOUR_CORES) is None:
        assert printed(**variables_of(turned("huge_pages", "madvise").knobs)) == "True 1"
    assert glibc_version() == () or len(glibc_version()) >= 2


@pytest.mark.skipif(why_not_thresholds() is not None, reason=str(why_not_thresholds()))
def test_raised_thresholds_keep_what_was_freed() -> None:
    """Both are needed: glibc as it comes, and with either alone, gives the block back to the kernel."""
    script = "from fixtures.worker.runtime_view import freed_is_kept; print(freed_is_kept())"
    plain = {name: value for name, value in os.environ.items() if name not in ("GLIBC_TUNABLES", "LD_PRELOAD")}

    def kept(*tunables: str) -> str:
        environment = {**plain, "GLIBC_TUNABLES": ":".join(tunables)}
        return subprocess.check_output([sys.executable, "-c", script], cwd=REPOSITORY, text=True, env=environment).strip()

    assert [kept(*tunables) for tunables in (RAISED, RAISED[:1], RAISED[1:], ())] == ["True", "False", "False", "False"]


def test_a_jump_at_the_start_of_a_function_is_followed() -> None:
    """As the entries of a program at a fixed address are, which is where all the process then finds malloc."""
    if platform.machine() != "x86_64":
        pytest.skip("the entries are those of x86-64")
    for prefix in (b"", b"\xf3\x0f\x1e\xfa", b"\xf3\x0f\x1e\xfa\xf2"):
        length = len(prefix) + 6
        memory = ctypes.create_string_buffer(prefix + b"\xff\x25" + (2).to_bytes(4, "little") + b"\x90\x90" + b"\0" * 8)
        place = ctypes.addressof(memory)
        ctypes.c_void_p.from_address(place + length + 2).value = 0x1234
        assert behind_jump(place, memory.raw) == 0x1234
    assert behind_jump(4096, b"\x55\x48\x89\xe5" * 4) == 4096
