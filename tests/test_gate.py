"""The gate in pytest: real sessions against accepted runs of our making; each verdict has its words, exit and file."""

from __future__ import annotations

import copy
import hashlib
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from baselines.comparing.disturbance import OTHERS_SHARE_LIMIT
from baselines.files.accepted_file import Addition
from baselines.files.reading_runs import read_run
from baselines.files.store import add
from fixtures.gate.stored import why_nothing_judged
from fixtures.machine.topology import Topology
from fixtures.model.prepared import PreparedModel
from tests.builders import git
from tests.suite import REPOSITORY, SCALING, Ended, Suite, python_m

SESSION = (SCALING, "--benchmark-only", "--preset=quick", "--threads=1", "--benchmark-max-time=0.05", "--confirm=1")
ONE = "onnxruntime-fp32-threads1-batch1-seq32"
TWO = "onnxruntime-fp32-threads1-batch1-seq64"
NODE = f"{SCALING}::test_core_count_scaling"

Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory, cache_home: Path, bert_tiny: PreparedModel) -> dict[str, Any]:
    """The run.json of two benchmarks that were really measured here."""
    suite = Suite(tmp_path_factory.mktemp("measured"), cache_home)
    ended = suite(*SESSION, "--backends=onnxruntime", "--sequence-lengths=32,64")
    assert ended.code == 0, ended.text
    assert "2 measured in" in last_line(ended), "without a baseline nothing passes"
    return ended.run


class Gated:
    """Sessions judged against accepted runs that a test makes from what was measured."""

    def __init__(self, suite: Suite, measured: Mapping[str, Any]) -> None:
        self.suite = suite
        self.measured = measured
        self.store = suite.folder / "store"

    def accept(self, change: Change = lambda content: None, *, slower: float = 1.0, wobble: float = 0.01) -> list[Path]:
        """Six accepted runs: what was measured, `slower` times as slow, give or take a wobble."""
        written: list[Path] = []
        for day in range(6):
            content = copy.deepcopy(dict(self.measured))
            content["datetime"] = f"2026-03-{day + 1:02}T12:00:00+00:00"
            content["commit_info"]["dirty"] = False
            change(content)
            for benchmark in content["benchmarks"]:
                scale(benchmark, slower * (1 + wobble * (day % 3 - 1)))
            path = self.suite.folder / f"accepted-{day}.json"
            path.write_text(json.dumps(content))
            run = read_run(path)
            keys = frozenset(run.by_key)
            addition = Addition(
                run=run, content=content, keys=keys, anchors=keys if not day else frozenset(), accepted_as={}, whole=True
            )
            written += add([addition], reason="a test", commit="c0ffee", machines=self.store).written
        return written

    def __call__(self, *arguments: str, hostile: bool = False, **variables: str) -> Ended:
        """A session of the two benchmarks, or of what the arguments say."""
        selection = ("--backends=onnxruntime", "--sequence-lengths=32,64")
        return self.suite(*SESSION, *selection, "--store", str(self.store), *arguments, hostile=hostile, **variables)


@pytest.fixture
def gated(suite: Suite, measured: dict[str, Any]) -> Gated:
    """An empty store, and sessions on it."""
    return Gated(suite, measured)


def scale(benchmark: dict[str, Any], factor: float) -> None:
    """Makes a record that much slower."""
    stats, extra = benchmark["stats"], benchmark["extra_info"]
    stats["data"] = [value * factor for value in stats["data"]]
    for key in ("min", "max", "mean", "median", "stddev", "iqr", "q1", "q3", "total"):
        stats[key] *= factor
    for launch in (extra["latency_s"], *extra["launches"]):
        launch.update({key: value * factor for key, value in launch.items() if key in ("median", "median_s") and value})


def verdicts_of(ended: Ended) -> dict[str, str]:
    """Verdict by id, from run.json."""
    judgements = ended.run["run"]["verdicts"]["judgements"]
    return {name.partition("[")[2].rstrip("]"): judgement["verdict"] for name, judgement in judgements.items()}


def last_line(ended: Ended) -> str:
    """Pytest's own summary."""
    return ended.text.rstrip().splitlines()[-1]


def test_a_regression_is_a_red_test(gated: Gated) -> None:
    """The message has both numbers, ratio, interval, allowance, how sure, which baseline, and the next two commands.

    A red run ends with its report like any other.
    """

    def first_only(content: dict[str, Any]) -> None:
        scale(content["benchmarks"][0], 0.2)
        scale(content["benchmarks"][1], 5.0)

    *_, newest = gated.accept(first_only)
    junit = gated.suite.folder / "junit.xml"
    gated.suite.report = True
    ended = gated(f"--junitxml={junit}")
    assert ended.code == 1
    assert verdicts_of(ended) == {ONE: "regressed", TWO: "improved"}
    assert next(line for line in ended.text.splitlines() if line.startswith("FAILED")).startswith(f"FAILED {NODE}[{ONE}]")
    (message,) = {line for line in ended.text.splitlines() if line.startswith(f"REGRESSED {ONE}: median ")}
    for word in ("s, baseline ", "s, +", "[+", "(red above +"):
        assert word in message
    assert "1 fresh launches against 6 accepted runs" in ended.text
    assert f"{newest}, accepted" in ended.text
    assert '"a test"' in ended.text
    assert f"pytest '{NODE}[{ONE}]' --benchmark-only --model bert-tiny" in ended.text
    assert f"--only {ONE} --accept-regression --anchor --reason" in ended.text
    assert "against 6 accepted runs of" in ended.text
    *lines, report = ended.text.rstrip().splitlines()
    summary = max(place for place, line in enumerate(lines) if line.startswith("==="))
    assert "1 failed" in lines[summary]
    assert lines[summary + 1].startswith("What to run here: "), "verdicts first, this second"
    assert report.startswith("report: ")
    assert f"REGRESSED {ONE}" in junit.read_text()
    (kept,) = [one for one in ended.run["benchmarks"] if one["param"] == ONE]
    assert kept["stats"]["data"], "what was measured is kept, red or not"


def test_every_printed_command_can_be_pasted(gated: Gated) -> None:
    """Made from the run's own arguments and quoted: `rerun` finds that benchmark, `accept` writes into that store."""
    folder = gated.suite.folder
    gated.store = gated.suite.store = folder / "my store"
    gated.accept(slower=0.2)
    ended = gated("--sequence-lengths=32", "--preset=quick")
    assert ended.code == 1
    commands = dict(re.findall(r"^  (rerun|accept) +(.*)$", ended.text, re.MULTILINE))
    for option in ("--preset=quick", "--threads=1", "--sequence-lengths=32", "--backends=onnxruntime"):
        assert option in shlex.split(commands["rerun"])
    collected = python_m(*shlex.split(commands["rerun"]), "--collect-only", "-q", "-p", "no:cacheprovider")
    assert f"{NODE}[{ONE}]" in collected.stdout, collected.stdout + collected.stderr

    path = max(gated.suite.runs.glob("*/run.json"))
    path.write_text(path.read_text().replace('"dirty": true', '"dirty": false'))
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "all that a test has left")
    python, dash_m, *words = shlex.split(commands["accept"])
    assert (python, dash_m) == ("python", "-m")
    accepted = python_m(*words)
    assert accepted.returncode == 0, accepted.stderr
    assert len(list(gated.store.glob("*/*/*.json"))) == 7


def test_the_last_failed_again(gated: Gated) -> None:
    """Of a folder --lf leaves benchmarks out and tells no hook: they are not selected, not missing."""

    def one_regressed(content: dict[str, Any]) -> None:
        """The other one is far from it, however unsteady this machine is."""
        scale(content["benchmarks"][0], 0.2)
        scale(content["benchmarks"][1], 3.0)

    gated.accept(one_regressed)
    arguments = ("benchmarks", *SESSION[1:], "--backends=onnxruntime", "--sequence-lengths=32,64", "-k=core_count_scaling")
    cache = ("-p", "cacheprovider", "-o", f"cache_dir={gated.suite.folder / 'pytest_cache'}")
    assert gated.suite(*arguments, *cache).code == 1
    again = gated.suite(*arguments, *cache, "--lf")
    assert again.code == 1
    assert "run-last-failure: rerun previous 1 failure (skipped" in again.text
    assert "1 regressed\n" in again.text
    assert "MISSING" not in again.text


def test_an_improvement_fails_nothing(gated: Gated) -> None:
    """It is counted and listed."""
    gated.accept(slower=5.0)
    ended = gated()
    assert ended.code == 0
    assert set(verdicts_of(ended).values()) == {"improved"}
    assert "2 improved in" in last_line(ended)
    assert f"IMPROVED {ONE}: -" in ended.text


def test_what_the_data_cannot_tell_is_no_pass(gated: Gated) -> None:
    """Against accepted runs that lie far apart everything stays green and inconclusive, with what could have been seen."""
    gated.accept(wobble=0.45)
    ended = gated()
    assert ended.code == 0
    assert set(verdicts_of(ended).values()) == {"inconclusive"}
    assert "2 inconclusive in" in last_line(ended)
    assert f"INCONCLUSIVE {ONE}: " in ended.text


def test_a_new_benchmark(gated: Gated) -> None:
    """No accepted run has it: said, and green."""
    gated.accept(lambda content: content["benchmarks"].pop(), slower=5.0)
    ended = gated()
    assert ended.code == 0
    assert verdicts_of(ended) == {ONE: "improved", TWO: "new"}


def test_an_incomparable_benchmark(gated: Gated) -> None:
    """The same name measured on another CPU is another benchmark, never judged against this one."""

    def elsewhere(content: dict[str, Any]) -> None:
        for benchmark in content["benchmarks"]:
            benchmark["extra_info"]["configuration"]["cpus"] = [4095]

    gated.accept(elsewhere, slower=0.2)
    ended = gated()
    assert ended.code == 0
    assert set(verdicts_of(ended).values()) == {"incomparable"}
    assert "configuration.cpus [4095] -> [" in ended.text
    gated.suite.runs = gated.suite.folder / "second"
    required = gated("--require-baseline")
    assert required.code == 4
    assert "--require-baseline: nothing was judged: no benchmark is in the baseline as the same one" in required.text


def another(content: dict[str, Any], name: str, **configuration: Any) -> None:
    """Adds a benchmark that no session here measures."""
    benchmark = copy.deepcopy(content["benchmarks"][0])
    benchmark["name"] = f"test_core_count_scaling[{name}]"
    benchmark["fullname"] = f"{NODE}[{name}]"
    benchmark["param"] = name
    benchmark["extra_info"]["configuration"].update(configuration)
    content["benchmarks"].append(benchmark)


def test_a_renamed_benchmark_is_missing(gated: Gated) -> None:
    """A benchmark of the baseline that is gone fails the session; what was deselected or named by node id does not."""
    gated.accept(lambda content: another(content, "onnxruntime-fp32-threads1-batch1-seq32-renamed"), slower=5.0)
    ended = gated()
    assert ended.code == 1
    assert "1 missing" in ended.text
    assert f"MISSING test_core_count_scaling[{ONE}-renamed]: not collected: renamed or removed?" in ended.text
    assert list(ended.run["run"]["verdicts"]["missing"]) == [f"{NODE}[{ONE}-renamed]"]
    gated.suite.runs = gated.suite.folder / "second"
    node = gated.suite(f"{NODE}[{ONE}]", *SESSION[1:], "--backends=onnxruntime", "--store", str(gated.store))
    assert node.code == 0


def test_another_preset_or_axis_is_not_missing(gated: Gated) -> None:
    """What this session was not asked for is not missing from it."""

    def other_preset(content: dict[str, Any]) -> None:
        content["run"]["preset"] = "default"
        another(content, "onnxruntime-fp32-threads1-batch1-seq48")

    gated.accept(other_preset, slower=5.0)
    ended = gated("-k", "seq32")
    assert ended.code == 0
    assert verdicts_of(ended) == {ONE: "improved"}


def test_a_failed_benchmark_is_missing(gated: Gated) -> None:
    """A benchmark of the baseline that gives no number is red itself, and counted as missing."""
    name = "answers_nan-fp32-threads1-batch1-seq32"
    gated.accept(lambda content: another(content, name, backend="answers_nan"), slower=5.0)
    ended = gated("--backends=answers_nan", "--sequence-lengths=32", hostile=True)
    assert ended.code == 1
    assert f"MISSING test_core_count_scaling[{name}]: failed: wrong answer" in ended.text


def test_everything_skipped_is_no_pass(gated: Gated) -> None:
    """When the framework of an accepted benchmark is no longer installed, the session is red though nothing ran.

    A card that was accepted from a file, and whose file this session was not given, is nothing that it was asked for.
    """

    def not_installed(content: dict[str, Any]) -> None:
        for backend, card in (("not_installed", {}), ("of_another_file", {"backend_file_sha256": "c0ffee"})):
            name = f"{backend}-fp32-batch1-seq32"
            another(content, name, backend=backend, threads=None, **card)
            content["benchmarks"][-1]["fullname"] = f"benchmarks/test_out_of_the_box.py::test_out_of_the_box[{name}]"

    gated.accept(not_installed)
    ended = gated.suite(
        *("benchmarks/test_out_of_the_box.py", "--benchmark-only", "--preset=quick", "-k", "not_installed"),
        *("--store", str(gated.store)),
        hostile=True,
    )
    assert ended.code == 1
    assert "not_installed-fp32-batch1-seq32]: skipped: framework-of-the-future is not installed" in ended.text
    assert "of_another_file" not in ended.text


def test_a_suspect_that_fails_when_re_measured(gated: Gated) -> None:
    """A launch that dies is a red test, also when it was only to confirm."""
    name = "starts_once-fp32-threads1-batch1-seq32"
    card = hashlib.sha256((REPOSITORY / "tests" / "hostile_backends.py").read_bytes()).hexdigest()
    gated.accept(lambda content: another(content, name, backend="starts_once", backend_file_sha256=card), slower=0.2)
    ended = gated("--backends=starts_once", "--sequence-lengths=32", hostile=True)
    assert ended.code == 1
    assert "it measured slow, and failed when it was re-measured" in ended.text
    assert "this model starts only once" in ended.text


def test_disturbed_launches_turn_nothing_red(gated: Gated) -> None:
    """When another process runs on the same CPU the kernel says so, and a suspect stays inconclusive with that reason."""
    gated.accept(slower=0.2)
    (cpu,) = Topology.of_this_process().pick_cpus(1)
    busy = subprocess.Popen(
        [sys.executable, "-c", f"import os\nos.sched_setaffinity(0, [{cpu}])\nwhile True: pass"], stdin=subprocess.DEVNULL
    )
    try:
        ended = gated("--sequence-lengths=32", "--benchmark-max-time=0.5")
    finally:
        busy.kill()
        busy.wait()
    (benchmark,) = ended.benchmarks.values()
    assert min(benchmark["extra_info"][share] for share in ("wait_share", "others_share")) > OTHERS_SHARE_LIMIT
    assert ended.code == 0
    assert verdicts_of(ended) == {ONE: "inconclusive"}
    assert "re-measured, but other processes kept " in ended.text


def test_nothing_turns_red_without_fresh_launches(gated: Gated) -> None:
    """--confirm 0 leaves a suspect inconclusive, and green."""
    gated.accept(slower=0.2)
    ended = gated("--confirm=0", "--sequence-lengths=32")
    assert ended.code == 0
    assert verdicts_of(ended) == {ONE: "inconclusive"}


def test_a_larger_minimum_effect(gated: Gated) -> None:
    """`@pytest.mark.regression(min_effect=...)` on a benchmark replaces the 3 %; anything else in it is refused."""
    gated.accept(slower=0.2)
    ended = gated("--sequence-lengths=32", "-p", "tests.lenient_marker", MIN_EFFECT="1000")
    assert ended.code == 0
    assert verdicts_of(ended) == {ONE: "passed"} or verdicts_of(ended) == {ONE: "inconclusive"}
    gated.suite.runs = gated.suite.folder / "second"
    refused = gated("--sequence-lengths=32", "-p", "tests.lenient_marker", MIN_EFFECT="-1")
    assert refused.code != 0
    assert "@pytest.mark.regression takes min_effect=SHARE (0.03 is 3 %) and nothing else" in refused.text


def test_several_launches(gated: Gated) -> None:
    """--launches 3 measures in three processes; the middle one is the result, and all three are judged."""
    gated.accept(slower=5.0)
    ended = gated("--launches=3", "--sequence-lengths=32")
    assert ended.code == 0
    (benchmark,) = ended.benchmarks.values()
    launches = [launch["median_s"] for launch in benchmark["extra_info"]["launches"]]
    assert len(launches) == 3
    assert benchmark["stats"]["median"] == sorted(launches)[1]
    (judgement,) = ended.run["run"]["verdicts"]["judgements"].values()
    assert judgement["launches"] == 3


def test_another_amount_of_memory(gated: Gated) -> None:
    """It is the same machine: its runs judge, and the header says what moved."""
    gib = gated.measured["machine_info"]["soft"]["memory_gib"]

    def of_more_memory(content: dict[str, Any]) -> None:
        content["machine_info"]["soft"]["memory_gib"] += 8

    gated.accept(of_more_memory, slower=5.0)
    ended = gated("--sequence-lengths=32", "--require-baseline")
    assert ended.code == 0, ended.text
    assert f"this machine: {gib} GiB of memory, {gib + 8} when the baseline was measured" in ended.text


def test_another_machine_and_another_model(gated: Gated) -> None:
    """Their accepted runs judge nothing here; the session says so with the accept command, or is refused on request."""

    def of_another_machine(content: dict[str, Any]) -> None:
        content["machine_info"]["machine_id"] = "elsewhere-1-2-3"
        content["machine_info"]["hard"]["numa_nodes"] += 4

    def of_another_model(content: dict[str, Any]) -> None:
        content["run"]["model"] = "bert-mini"
        for benchmark in content["benchmarks"]:
            benchmark["extra_info"]["model"]["name"] = "bert-mini"

    nodes = gated.measured["machine_info"]["hard"]["numa_nodes"]
    gated.accept(of_another_model)
    refused = gated("--require-baseline")
    assert refused.code == 4
    assert "; of this machine the store holds bert-mini. " in refused.text
    gated.accept(of_another_machine)
    ended = gated("--sequence-lengths=32")
    assert ended.code == 0
    assert "no accepted run of bert-tiny on this machine: nothing was judged" in ended.text
    differs = f"elsewhere-1-2-3, which differs in numa_nodes {nodes + 4} -> {nodes}"
    assert f"The nearest machine with runs of it is {differs}" in ended.text
    assert f"python -m baselines accept {gated.suite.runs}" in ended.text
    assert "1 measured in" in last_line(ended)
    refused = gated("--require-baseline")
    assert refused.code == 4
    assert "--require-baseline: no accepted run of bert-tiny on this machine" in refused.text
    assert f"; the nearest machine with runs of it is {differs}. Make one: pytest " in refused.text


@pytest.mark.parametrize("option", ["--benchmark-disable", "--benchmark-skip"])
def test_a_baseline_that_is_required_and_not_asked(gated: Gated, option: str) -> None:
    """Refused before anything starts: the run would be green and say nothing."""
    gated.accept()
    arguments = (SCALING, "--preset=quick", "--threads=1", "--backends=onnxruntime", "--store", str(gated.store))
    refused = gated.suite(*arguments, option, "--require-baseline")
    assert refused.code == 4
    assert f"--require-baseline: with {option} nothing is judged; leave one of them out" in refused.text


REQUIRED = "--require-baseline: nothing was judged: "


@pytest.mark.parametrize(
    ("arguments", "variables", "code", "why"),
    [
        (["--sequence-lengths=96"], {}, 4, "no benchmark is in the baseline as the same one (1 new)"),
        (["-p", "tests.foreign_plugins"], {"REPEATS": "never"}, 4, "no benchmark was measured (2 skipped)"),
        (["--backends=answers_nan"], {}, 1, "no benchmark was measured (2 failed)"),
    ],
    ids=["new", "skipped at its turn", "failed"],
)
def test_nothing_is_judged_in_silence(
    gated: Gated, arguments: list[str], variables: dict[str, str], code: int, why: str
) -> None:
    """The store has accepted runs, and none of them judged: one sentence says why; what failed is red anyway."""

    def of_another_preset(content: dict[str, Any]) -> None:
        """None of them is missing."""
        content["run"]["preset"] = "default"

    gated.accept(of_another_preset)
    ended = gated(*arguments, "--require-baseline", hostile=code == 1, **variables)
    assert ended.code == code, ended.text
    assert f"{REQUIRED}{why}" in ended.text.splitlines()
    gated.suite.runs = gated.suite.folder / "second"
    if code == 4:
        plain = gated(*arguments, **variables)
        assert plain.code == 0, plain.text
        assert f"nothing was judged: {why}" in plain.text.splitlines()


def test_other_inputs_and_another_model_of_that_name(gated: Gated) -> None:
    """Each names what differs, and nothing is judged."""

    def other(content: dict[str, Any]) -> None:
        one, two = content["benchmarks"]
        one["extra_info"]["inputs"] = "text"
        two["extra_info"]["model"]["config_sha256"] = "c0ffee"

    gated.accept(other, slower=0.2)
    required = gated("--require-baseline")
    assert required.code == 4
    assert f"{REQUIRED}no benchmark is in the baseline as the same one (2 incomparable)" in required.text.splitlines()
    assert re.search(rf"INCOMPARABLE {ONE}: .*inputs text -> seeded", required.text), required.text
    assert re.search(rf"INCOMPARABLE {TWO}: .*config_sha256 c0ffee -> ", required.text), required.text


def test_nothing_that_could_be_judged_is_selected(gated: Gated) -> None:
    """All deselected, all skipped: said, and refused where a baseline is required."""
    gated.accept()
    refused = gated("-k", "no_such_benchmark", "--require-baseline")
    assert refused.code == 4
    assert "ERROR: --require-baseline: no benchmark is selected, so that nothing would be judged" in refused.text
    arguments = ("benchmarks/test_out_of_the_box.py", "--preset=quick", "--store", str(gated.store))
    for skipping in (["--benchmark-only", "-k", "not_installed"], ["--benchmark-skip", "--backends=onnxruntime"]):
        ended = gated.suite(*arguments, *skipping, hostile=True)
        assert ended.code == 0, ended.text
        assert "nothing was judged: every benchmark is skipped (-rs says why)" in ended.text.splitlines()


def test_what_cannot_be_read_is_refused(gated: Gated) -> None:
    """A folder in the place of a file: named, before anything starts."""
    path = gated.accept()[2]
    path.unlink()
    path.mkdir()
    ended = gated()
    assert ended.code == 4
    assert f"{path}: Is a directory" in ended.text
    assert "Traceback" not in ended.text


def test_a_run_that_no_backend_can_serve() -> None:
    """What the prepared model rules out has no turn, and is no run of nothing."""
    gate: Any = SimpleNamespace(judged={}, accepted=["one"])
    run: Any = SimpleNamespace(outcomes={})
    assert why_nothing_judged(gate, run) == "every benchmark is skipped (-rs says why)"
    gate.accepted = []
    assert why_nothing_judged(gate, run) is None


def truncated(text: str) -> str:
    """Cut off in the middle."""
    return text[: len(text) // 2]


def edited(text: str) -> str:
    """A median made larger by hand."""
    before, word, after = text.partition('"median":')
    return f"{before}{word}9{after}"


def of_the_future(text: str) -> str:
    """A schema that this checkout does not know."""
    return text.replace('"baseline": {"schema": 1', '"baseline": {"schema": 99')


def not_a_number(text: str) -> str:
    """A median that is none."""
    before, word, after = text.partition('"median":')
    return f"{before}{word}NaN{after[after.index(',') :]}"


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (truncated, "truncated"),
        (edited, "not as it was accepted"),
        (of_the_future, "schema"),
        (not_a_number, "not as it was accepted"),
        (lambda _: "", "the file is empty"),
        (lambda _: '{"benchmarks": []}', "not written by accept"),
    ],
    ids=["truncated", "edited", "future", "nan", "empty", "foreign"],
)
def test_a_damaged_baseline_is_refused(gated: Gated, damage: Callable[[str], str], words: str) -> None:
    """Exit 4 before anything starts, naming the file; nothing is measured and the file stays as it is."""
    path = gated.accept()[2]
    damaged = damage(path.read_text())
    assert damaged != path.read_text()
    path.write_text(damaged)
    ended = gated()
    assert ended.code == 4
    assert str(path) in ended.text
    assert words in ended.text
    assert "Traceback" not in ended.text
    assert not gated.suite.runs.exists()
    assert path.read_text() == damaged


def test_nothing_selected_and_nothing_measured(gated: Gated) -> None:
    """An empty selection exits with 5; --benchmark-disable says that nothing was judged, and its last line has no pass."""
    gated.accept()
    assert gated("-k", "no_such_benchmark").code == 5
    shutil.rmtree(gated.suite.runs, ignore_errors=True)
    disabled = gated.suite(
        *(SCALING, "--preset=quick", "--threads=1", "--backends=onnxruntime", "--benchmark-disable"),
        *("--store", str(gated.store)),
    )
    assert disabled.code == 0
    assert "nothing measured, nothing judged" in disabled.text
    assert "1 checked in" in last_line(disabled)


def test_stopped_at_the_first_failure(gated: Gated) -> None:
    """After -x what was not reached is not missing, and the run is partial."""
    gated.accept(slower=0.2)
    ended = gated("-x")
    assert ended.code == 1
    assert verdicts_of(ended) == {ONE: "regressed"}
    assert ended.run["run"]["partial"] is True
    assert "missing" not in last_line(ended)
    assert ended.run["run"]["verdicts"]["missing"] == {}
