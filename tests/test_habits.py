"""What users of pytest do: other plugins, their options, plugins switched off. Each works, or is refused in one line."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from baselines.files.reading_runs import read_run
from fixtures.instance.handle import Instance
from fixtures.run.repeats import OPTIONS, refuse_options
from tests.suite import OUT_OF_THE_BOX, SCALING, SHORT, Suite

FOREIGN = ("-p", "tests.foreign_plugins")


def test_grouped_by_a_parameter_that_not_all_have(suite: Suite) -> None:
    """`param:threads` over questions with and without threads: all are measured, kept, judged and printed."""
    arguments = ("--backends=onnxruntime", "--threads=1", "--benchmark-group-by=param:threads,func")
    ended = suite(SCALING, OUT_OF_THE_BOX, *SHORT, *arguments)
    assert ended.code == 0, ended.text
    assert len(ended.benchmarks) == 2
    assert "benchmark 'threads=1 test_core_count_scaling': 1 tests" in ended.text
    assert "benchmark 'threads=None test_out_of_the_box': 1 tests" in ended.text
    assert all("threads" in one["params"] or "out_of_the_box" in one["fullname"] for one in ended.benchmarks.values())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--benchmark-group-by=parm:threads"],
            "--benchmark-group-by: 'parm:threads' is not known. Possible, several with commas: group, name",
        ),
        ([*FOREIGN, "--reruns=1"], "--reruns cannot apply: a benchmark that is measured until it is fast enough"),
        ([*FOREIGN, "--reruns=2"], "--reruns cannot apply: a benchmark that is measured until it is fast enough"),
        ([*FOREIGN, "-o", "reruns=1"], "reruns of pytest's ini file cannot apply: a benchmark that is measured until"),
        ([*FOREIGN, "--count=3"], "--launches N measures each several times"),
        (["--setup-plan"], "--setup-only cannot apply: it runs no test"),
        (["--benchmark-max-time=nan"], "--benchmark-max-time NaN: give a number of seconds"),
        (["-p", "no:benchmark"], "pytest-benchmark is not loaded"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(suite: Suite, arguments: list[str], words: str) -> None:
    """Exit code 4 before anything starts."""
    selection = SHORT if "no:benchmark" not in arguments else ("--preset=quick",)
    ended = suite(OUT_OF_THE_BOX, *selection, *arguments)
    assert ended.code == 4, ended.text
    (line,) = (line for line in ended.text.splitlines() if words in line)
    assert line.startswith("ERROR: ")
    assert "Traceback" not in ended.text
    assert "INTERNALERROR" not in ended.text


@pytest.mark.parametrize(
    ("how", "words"),
    [("marker", "has the marker flaky, which cannot apply: "), ("parameter", "was collected 2 times, which cannot be: ")],
)
def test_what_other_plugins_repeat_is_refused(suite: Suite, how: str, words: str) -> None:
    """A marker that a conftest.py adds, or a parameter: found in what was collected, and nothing is measured."""
    ended = suite(OUT_OF_THE_BOX, *SHORT, "--backends=onnxruntime", *FOREIGN, REPEATS=how)
    assert ended.code == 4, ended.text
    (line,) = (line for line in ended.text.splitlines() if line.startswith("ERROR"))
    assert words in line
    assert not suite.runs.exists()


def test_what_runs_twice_is_kept_once(suite: Suite) -> None:
    """By a plugin that nobody knows: the first result stays and can be read, the second time fails in one line."""
    ended = suite(OUT_OF_THE_BOX, *SHORT, "--backends=onnxruntime", *FOREIGN, REPEATS="protocol")
    assert ended.code == 1, ended.text
    assert "this benchmark ran already in this run, and what came of it stays" in ended.text
    assert "Traceback" not in ended.text
    (path,) = suite.runs.glob("*/run.json")
    assert len(read_run(path).results) == 1
    assert len(ended.run["benchmarks"]) == 1


@pytest.mark.parametrize(("option", "name", "off"), [(option, name, off) for option, name, _, off in OPTIONS])
def test_options_of_other_plugins(option: str, name: str, off: object) -> None:
    """By the name that pytest keeps them under: refused where they are on, and nothing where their plugin is absent."""
    for value in (off, None):
        refuse_options(config_with({name: value}))
    with pytest.raises(pytest.UsageError, match=f"^{option} cannot apply: "):
        refuse_options(config_with({name: 3}))


def config_with(options: dict[str, object]) -> Any:
    """A configuration with these options, and no ini file."""

    def no_ini(name: str) -> object:
        raise ValueError(name)

    return SimpleNamespace(getoption=lambda name, default=None: options.get(name, default), getini=no_ini)


def test_without_autoload(suite: Suite) -> None:
    """Refused with the option that loads it; with that option it is measured."""
    refused = suite(OUT_OF_THE_BOX, "--preset=quick", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert refused.code == 4
    option = re.search(r"add (-p pytest_benchmark\.plugin)", refused.text)
    assert option, refused.text
    arguments = (*option[1].split(), "--backends=onnxruntime")
    ended = suite(OUT_OF_THE_BOX, *SHORT, *arguments, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert ended.code == 0, ended.text


def test_in_random_order_a_model_is_loaded_once(suite: Suite) -> None:
    """Deployments come in the order of the plugin, their problem sizes together."""
    sizes = ("--batch-sizes=1,2", "--sequence-lengths=16,24,32")
    ended = suite(SCALING, *sizes, "--preset=quick", "--threads=1", "--collect-only", "-q", *FOREIGN, ORDER="3")
    assert ended.code == 0, ended.text
    backends = re.findall(r"test_core_count_scaling\[(\w+)-", ended.text)
    changes = sum(one != other for one, other in itertools.pairwise(backends))
    assert changes == len(set(backends)) - 1
    plain = suite(SCALING, *sizes, "--preset=quick", "--threads=1", "--collect-only", "-q").text
    ids = re.compile(r"test_core_count_scaling\[(\S+)\]")
    assert ids.findall(plain) != ids.findall(ended.text)


def test_an_answer_that_nobody_waited_for_is_nobodys(tmp_path: Path) -> None:
    """pytest-timeout and --pdb leave a request behind: the next one gets its own answer."""
    instance = Instance(stderr_path=tmp_path / "stderr.txt")
    try:
        for left in ("frozen_identity", "dance"):  # one is answered, the other refused
            instance.begin(left)
            assert list(instance.ask("peak", time_out_s=60)) == ["peak_rss_bytes"]
    finally:
        instance.close()
