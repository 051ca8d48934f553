"""How the knobs of runtime tuning are turned elsewhere: variables, and what only the program itself can do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

KNOBS: Final = (
    *("allocator", "openmp", "wait_policy", "spinning", "huge_pages", "onednn_isa"),
    *("malloc_thresholds", "tf_onednn", "kmp_blocktime"),
)
"""Words of a configuration; what is not there or `default` is as it comes."""

_PRELOADED: Final = {
    ("allocator", "tcmalloc"): "libtcmalloc_minimal.so.4",
    ("allocator", "jemalloc"): "libjemalloc.so.2",
    ("openmp", "llvm"): "libomp.so.5",
    ("kmp_blocktime", "0"): "libomp.so.5",
    ("kmp_blocktime", "1"): "libomp.so.5",
}
"""The loader finds a library without a slash in its name on its own paths."""
_VARIABLES: Final = {
    ("wait_policy", "active"): ("OMP_WAIT_POLICY", "ACTIVE"),
    ("wait_policy", "passive"): ("OMP_WAIT_POLICY", "PASSIVE"),
    ("huge_pages", "madvise"): ("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1"),
    ("onednn_isa", "avx2"): ("ONEDNN_MAX_CPU_ISA", "AVX2"),
    ("malloc_thresholds", "raised"): (
        "GLIBC_TUNABLES",
        "glibc.malloc.mmap_threshold=1073741824:glibc.malloc.trim_threshold=4294967296",
    ),
    ("tf_onednn", "off"): ("TF_ENABLE_ONEDNN_OPTS", "0"),
    ("tf_onednn", "on"): ("TF_ENABLE_ONEDNN_OPTS", "1"),
    ("kmp_blocktime", "0"): ("KMP_BLOCKTIME", "0"),
    ("kmp_blocktime", "1"): ("KMP_BLOCKTIME", "1"),
}
_IN_CODE: Final = {
    ("spinning", "off"): 'SessionOptions.add_session_config_entry("session.intra_op.allow_spinning", "0")',
    ("huge_pages", "off"): "first of all ctypes.CDLL(None).prctl(41, 1, 0, 0, 0), which is PR_SET_THP_DISABLE",
}


def turned(configuration: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(knob, setting) of what is not as it comes."""
    return [(knob, str(configuration[knob])) for knob in KNOBS if configuration.get(knob, "default") != "default"]


def tuning_variables(configuration: Mapping[str, Any]) -> dict[str, str]:
    """The environment variables that turn the knobs of a configuration."""
    chosen = turned(configuration)
    libraries = dict.fromkeys(_PRELOADED[one] for one in chosen if one in _PRELOADED)
    variables = {"LD_PRELOAD": ":".join(libraries)} if libraries else {}
    for name, value in (_VARIABLES[one] for one in chosen if one in _VARIABLES):
        variables[name] = f"{variables[name]}:{value}" if name in variables else value  # GLIBC_TUNABLES takes several
    return variables


def tuning_in_code(configuration: Mapping[str, Any]) -> list[str]:
    """What the program itself has to do; a setting that nobody here knows is named, never left out."""
    known = {*_PRELOADED, *_VARIABLES}
    left = [one for one in turned(configuration) if one not in known]
    return [_IN_CODE.get((knob, setting), f"{knob} {setting}, as docs/tuning.md says") for knob, setting in left]
