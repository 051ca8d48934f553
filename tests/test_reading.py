"""Reading files of results: ours, those of other projects, and everything that is wrong with a file."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from baselines.comparing.differences import environment_differences, identity_differences
from baselines.files.reading_benchmarks import result_of
from baselines.files.reading_runs import read_run
from baselines.files.result import judged_values
from baselines.files.run import Run
from baselines.files.run_folder import RunFileError, run_path
from baselines.judging.wording import duration_text, percent
from tests.builders import ONE, TWO, benchmark, rounds_around, run_content, run_folder, stats_of


def read(folder: Path, *benchmarks: dict[str, Any], **changes: Any) -> Run:
    """Writes a run and reads it."""
    return read_run(run_folder(folder, *benchmarks, **changes) / "run.json")


def written(path: Path, content: object) -> Path:
    """A file with this JSON."""
    path.write_text(json.dumps(content))
    return path


def foreign(*names: str, **changes: Any) -> dict[str, Any]:
    """A file of another project in the documented schema of pytest-benchmark 4.x: built by hand, not written by a 4.x."""
    return {
        "machine_info": {
            "node": "somewhere",
            "release": "5.15.0",
            "system": "Linux",
            "python_version": "3.9.7",
            "cpu": {"brand_raw": "Some CPU", "hz_actual": [3_000_000_000, 0]},
        },
        "commit_info": {"id": "abc", "time": None, "dirty": True, "project": "theirs", "branch": "main"},
        "benchmarks": [
            {
                "group": None,
                "name": name,
                "fullname": f"tests/test_speed.py::{name}",
                "params": None,
                "param": None,
                "extra_info": {},
                "options": {"disable_gc": False, "timer": "perf_counter", "min_rounds": 5, "max_time": 1.0, "warmup": False},
                "stats": stats_of(rounds_around(0.002), data=False),
            }
            for name in names or ("test_fast",)
        ],
        "datetime": "2022-05-01T10:00:00.123456",
        "version": "4.0.0",
        **changes,
    }


def test_our_own_file(tmp_path: Path) -> None:
    """Every word that is judged, shown or refused comes out as it was written."""
    run = read(tmp_path, benchmark(ONE, 0.01), benchmark(TWO, 0.02, extra_info={"steal_share": 0.25}))
    one, two = run.results
    assert (one.id, one.name, one.median_s) == (ONE, f"test_out_of_the_box[{ONE}]", 0.01)
    assert one.fullname == f"benchmarks/test_out_of_the_box.py::test_out_of_the_box[{ONE}]"
    assert (one.rounds_s, one.instances) == (tuple(rounds_around(0.01)), 1)
    assert (one.model, one.configuration["cpus"], one.problem_size["batch_size"]) == ("bert-tiny", [0, 1], 1)
    assert (one.warmed_up, one.steal_share, two.steal_share) == (True, 0.0, 0.25)
    assert (run.ours, run.machine_id, run.machine_soft["kernel"]) == (True, "amd-25-1-2c-0a1b2c3d", "6.1.0")
    assert (run.commit, run.dirty, run.preset, run.model) == ("1a2b3c4d5e6f7a8b9c0d", False, "quick", "bert-tiny")
    assert (run.partial, run.accepted, run.packages) == (False, None, {"torch": "2.13.0+cpu"})
    assert str(run.datetime) == "2026-03-01 12:00:00+00:00"
    assert run.by_key[two.key] is two


def test_a_cut_off_run_says_what_it_lacks(tmp_path: Path) -> None:
    """What failed, what was skipped and what was not reached are told apart."""
    skipped = {"a::b": {"outcome": "skipped", "reason": "no tensorflow"}}
    run = read(tmp_path, run={"partial": True, "not_reached": ["c::d"], "not_passed": skipped})
    assert (run.partial, run.not_reached, run.not_measured) == (True, ("c::d",), skipped)


@pytest.mark.parametrize("key", ["not_passed", "not_measured"])
def test_a_measured_benchmark_that_is_red_was_measured(tmp_path: Path, key: str) -> None:
    """Its test failed, and its result is there; older runs have the same list under another name."""
    name = benchmark(ONE)["fullname"]
    how = {name: {"outcome": "failed", "reason": "+7 %"}, "a::b": {"outcome": "failed", "reason": "wrong answer"}}
    run = read(tmp_path, benchmark(ONE), run={key: how})
    assert (set(run.not_passed), set(run.not_measured)) == ({name, "a::b"}, {"a::b"})


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        pytest.param({"configuration": {"cpus": [1]}}, "configuration.cpus [0, 1] -> [1]", id="other CPUs"),
        pytest.param(
            {"configuration": {"huge_pages": True}}, "configuration.huge_pages true added", id="a new asked-for key"
        ),
        pytest.param({"extra_info": {"inputs": "text"}}, "inputs seeded -> text", id="other inputs"),
        pytest.param(
            {"extra_info": {"model": {"name": "bert-tiny", "config_sha256": "f00"}}},
            "model.config_sha256 e5e226 -> f00",
            id="another model of that name",
        ),
    ],
)
def test_what_was_asked_for_is_identity(tmp_path: Path, changes: dict[str, Any], difference: str) -> None:
    """A node id alone is not enough: another configuration, model or input is another benchmark, and it says why."""
    (before,) = read(tmp_path, benchmark()).results
    (after,) = read(tmp_path, benchmark(**changes), started_day=1).results
    assert before.fullname == after.fullname
    assert before.key != after.key
    assert identity_differences(before, after) == [difference]


def test_what_was_observed_is_no_identity(tmp_path: Path) -> None:
    """Versions, numbers and the model's name may change: they are what is compared."""
    observed = {
        "versions": {"torch": "9"},
        "steal_share": 0.5,
        "model": {"name": "elsewhere/bert", "config_sha256": "e5e226"},
    }
    (before,) = read(tmp_path, benchmark()).results
    (after,) = read(tmp_path, benchmark(ONE, 0.5, extra_info=observed), started_day=1).results
    assert before.key == after.key
    assert identity_differences(before, after) == []


def test_judged_is_latency_or_throughput(tmp_path: Path) -> None:
    """Log median latency for one instance, minus log throughput for several; larger is slower in both."""
    several = {"instances": 2, "throughput_per_s": 120.0}
    run = read(tmp_path, benchmark(ONE, 0.00831), benchmark(TWO, 0.02, extra_info=several))
    one, two = run.results
    assert judged_values(one) == (math.log(0.00831),)
    assert judged_values(two) == (-math.log(120.0),)
    assert (one.quantity, one.value_text) == ("median", "8.31 ms")
    assert (two.quantity, two.value_text) == ("throughput", "120 samples/s")


def test_ratios_and_durations_as_one_would_say_them() -> None:
    """Three digits with a unit; a ratio as a signed percentage."""
    texts = [duration_text(seconds) for seconds in (12.34, 0.99996, 0.831, 0.00831, 0.000722, 3.21e-7)]
    assert texts == ["12.3 s", "1.00 s", "831 ms", "8.31 ms", "722 us", "321 ns"]
    assert percent(1.142) == "+14.2 %"
    assert percent(0.5) == "-50.0 %"


def test_environment_differences(tmp_path: Path) -> None:
    """What changed around the benchmarks is said with both versions; a file that says nothing has lost nothing."""
    packages = {"torch": {"version": "2.14.1", "local": None}, "scipy": {"version": "1.17.1", "local": None}}
    before = read(tmp_path, machine_info={"machine_id": "m", "hard": {}, "soft": {"kernel": "6.1.0", "boost": None}})
    after = read(
        tmp_path,
        started_day=1,
        machine_info={"machine_id": "m", "hard": {}, "soft": {"kernel": "6.2.0", "boost": True}},
        environment={"packages": packages},
    )
    assert environment_differences(before, after) == [
        "torch 2.13.0+cpu -> 2.14.1",
        "scipy 1.17.1 added",
        "boost null -> true",
        "kernel 6.1.0 -> 6.2.0",
    ]
    theirs = read_run(written(tmp_path / "theirs.json", foreign()))
    assert environment_differences(before, theirs) == ["kernel 6.1.0 -> 5.15.0"]


def test_a_file_of_pytest_benchmark_4(tmp_path: Path) -> None:
    """Node ids and statistics are all there is: they are read, and the rest is honestly unknown."""
    run = read_run(written(tmp_path / "0001_theirs.json", foreign("test_fast", "test_slow")))
    assert [result.key for result in run.results] == ["tests/test_speed.py::test_fast", "tests/test_speed.py::test_slow"]
    fast = run.results[0]
    assert (fast.median_s, fast.rounds_s, fast.id) == (0.002, (), "test_fast")
    assert (fast.warmed_up, fast.steal_share, fast.throughput_per_s, fast.model) == (None, None, None, None)
    assert (run.ours, run.machine_id, run.model, run.exit_status) == (False, None, None, 0)
    assert run.machine_soft == {"cpu_model_name": "Some CPU", "kernel": "5.15.0", "os": "Linux", "python": "3.9.7"}
    assert str(run.datetime) == "2022-05-01 10:00:00.123456+00:00"


def test_one_that_cannot_be_judged_spoils_no_file_of_others(tmp_path: Path) -> None:
    """A median of zero, below the clock's resolution: that benchmark is left out with its reason; alone it is an error."""
    content = foreign("test_fast", "test_slow")
    content["benchmarks"][0]["stats"] |= {"median": 0.0, "data": [0.0, 0.0]}
    run = read_run(written(tmp_path / "theirs.json", content))
    assert [one.name for one in run.results] == ["test_slow"]
    ((name, why),) = run.unusable.items()
    assert name.endswith("test_fast")
    assert "not a" in why
    del content["benchmarks"][1]
    with pytest.raises(RunFileError, match=r"test_fast: "):
        read_run(written(tmp_path / "alone.json", content))


def test_a_file_of_pytest_benchmark_5(tmp_path: Path) -> None:
    """A real one, written by the installed version on a trivial test, with rounds and with parameters of every kind."""
    (tmp_path / "test_trivial.py").write_text(
        "import pytest\n"
        "@pytest.mark.parametrize('what', [[1, 2], object()])\n"
        "def test_sum(benchmark, what):\n"
        "    benchmark.pedantic(sum, args=([1, 2, 3],), rounds=7, iterations=3)\n"
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        ".",
        "--benchmark-json=out.json",
        ".",
    ]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    run = read_run(tmp_path / "out.json")
    first, second = run.results
    assert (first.fullname, second.fullname) == ("test_trivial.py::test_sum[what0]", "test_trivial.py::test_sum[what1]")
    assert first.identity == {"params": {"what": [1, 2]}}
    assert second.identity == {}  # UNSERIALIZABLE[<object object at 0x...>] would differ in every run
    assert len(first.rounds_s) == 7
    assert first.median_s == sorted(first.rounds_s)[3]
    assert run.ours is False


def test_our_benchmarks_in_a_file_of_the_plugin(tmp_path: Path) -> None:
    """`--benchmark-json` of this suite has no key `run`, and its benchmarks are the same ones nevertheless."""
    ours = read(tmp_path, benchmark())
    content = {key: value for key, value in run_content(benchmark()).items() if key not in ("run", "environment")}
    plain = read_run(written(tmp_path / "plain.json", content))
    assert (plain.ours, plain.preset) == (False, None)
    assert plain.results[0].key == ours.results[0].key


def test_one_record_is_the_same_result(tmp_path: Path) -> None:
    """What is judged while the run goes on is what is read from its file later; what cannot be judged has a name."""
    assert result_of(benchmark(ONE, 0.01)) == read(tmp_path, benchmark(ONE, 0.01)).results[0]
    with pytest.raises(RunFileError, match=rf"{NODE}: stats.median is 0, not a positive number"):
        result_of(benchmark(TWO, stats={"median": 0}))


def test_zero_rounds_of_a_coarse_clock(tmp_path: Path) -> None:
    """A round of 0 s is what a coarse clock says of a fast function: usable while the median is not 0."""
    content = foreign()
    content["benchmarks"][0]["stats"] = stats_of([0.0, 1e-7, 1e-7])
    assert read_run(written(tmp_path / "file.json", content)).results[0].median_s == 1e-7


def broken(**stats: Any) -> dict[str, Any]:
    """A run whose second benchmark has these statistics."""
    return run_content(benchmark(ONE), benchmark(TWO, stats=stats))


def without(content: dict[str, Any], *keys: str) -> dict[str, Any]:
    """A run whose only benchmark lacks words of extra_info."""
    for key in keys:
        del content["benchmarks"][0]["extra_info"][key]
    return content


NODE = rf"benchmarks/test_out_of_the_box\.py::test_out_of_the_box\[{TWO}\]"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(broken(data=[]), rf":\d+: {NODE}: stats.data is empty", id="no round"),
        pytest.param(broken(data=[0.1, math.nan]), rf":\d+: {NODE}: stats.data\[1\] is NaN, not a duration", id="NaN round"),
        pytest.param(
            broken(data=[0.1, -0.1]), rf":\d+: {NODE}: stats.data\[1\] is -0.1, not a duration", id="negative round"
        ),
        pytest.param(broken(data=[0.1, math.inf]), r"stats.data\[1\] is Infinity", id="infinite round"),
        pytest.param(broken(data=[0.1, "fast"]), r'stats.data\[1\] is "fast"', id="a word for a round"),
        pytest.param(broken(median=math.nan), "stats.median is NaN, not a positive number", id="NaN median"),
        pytest.param(broken(median=0), "stats.median is 0, not a positive number", id="median of 0"),
        pytest.param(broken(median=10**400), "stats.median is 1000", id="median beyond floats"),
        pytest.param(broken(median=None), "stats.median is null", id="no median"),
        pytest.param(
            broken(median=0.009), "stats.median is 0.009 and the median of stats.data 0.01: edited", id="edited median"
        ),
        pytest.param(
            run_content(benchmark(ONE), benchmark(ONE)),
            r":\d+: .*it is there twice, first as number 1",
            id="benchmark twice",
        ),
        pytest.param(
            without(run_content(benchmark()), "configuration"),
            "extra_info has no model.config_sha256 or no conf",
            id="no identity",
        ),
        pytest.param(
            without(run_content(benchmark(extra_info={"instances": 2})), "throughput_per_s"),
            "it ran 2 instances and extra_info has no throughput_per_s",
            id="several instances, no throughput",
        ),
        pytest.param(run_content(benchmark(extra_info={"instances": 0})), "extra_info.instances is 0", id="no instance"),
        pytest.param(
            run_content(benchmark(extra_info={"throughput_per_s": -1.0})),
            "throughput_per_s is -1.0",
            id="negative throughput",
        ),
        pytest.param(
            run_content(run={"schema": 2}), "run.schema is 2 and this checkout reads up to 1; use a checkout", id="future"
        ),
        pytest.param(run_content(run={"schema": "1"}), 'run.schema is "1", not a positive integer', id="schema in words"),
        pytest.param(run_content(machine_info=[]), '"machine_info" is no object', id="machine_info a list"),
        pytest.param([1, 2], "not a file of pytest-benchmark", id="a list"),
        pytest.param({"results": []}, "not a file of pytest-benchmark", id="another JSON"),
        pytest.param({"benchmarks": [3]}, r"benchmarks\[0\]: not an object", id="a number for a benchmark"),
        pytest.param(
            {"benchmarks": [{"name": "BM_Sort", "real_time": 5.0}]},
            "pytest-benchmark did not write it",
            id="google benchmark",
        ),
    ],
)
def test_an_unusable_file_is_one_sentence(tmp_path: Path, content: object, message: str) -> None:
    """Which file, where in it, and why; whatever is wrong, no traceback and no half-read run."""
    path = tmp_path / "run.json"
    path.write_text(json.dumps(content, indent=1))
    with pytest.raises(RunFileError, match=message) as caught:
        read_run(path)
    assert str(caught.value).startswith(f"{path}:")


def test_the_line_of_a_benchmark(tmp_path: Path) -> None:
    """An editor can go where the message points."""
    path = run_folder(tmp_path, benchmark(ONE), benchmark(TWO, stats={"median": -1})) / "run.json"
    with pytest.raises(RunFileError) as caught:
        read_run(path)
    line = int(str(caught.value).removeprefix(f"{path}:").split(":")[0])
    assert TWO in path.read_text().splitlines()[line - 1]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "the file is empty", id="empty"),
        pytest.param(
            b'{"benchmarks": [\n{"fullname": "a', ":2: the file ends in the middle: it is truncated", id="in a word"
        ),
        pytest.param(b'{"benchmarks": [\n{"fullname": "a"},\n', ":3: .*truncated", id="between benchmarks"),
        pytest.param(b'{"benchmarks": [\n<<<<<<< HEAD\n]}', ":2: not JSON: Expecting value, column 1", id="merge conflict"),
        pytest.param(b"\xff\xfe\x00", "not text", id="binary"),
        pytest.param(b"[" * 100_000, "not a file of pytest-benchmark: ", id="nested"),
        pytest.param(b'{"benchmarks": [' + b"1" * 5000 + b"]}", "not a file of pytest-benchmark: ", id="endless number"),
    ],
)
def test_damaged_text(tmp_path: Path, data: bytes, message: str) -> None:
    """A file that is no JSON says where it stops being it."""
    path = tmp_path / "run.json"
    path.write_bytes(data)
    with pytest.raises(RunFileError, match=message):
        read_run(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_truncated_anywhere(tmp_path: Path, share: float) -> None:
    """Cut wherever a full disk or a broken copy cuts it: truncated is what it is called."""
    path = run_folder(tmp_path, benchmark(ONE), benchmark(TWO)) / "run.json"
    text = path.read_text().rstrip()
    path.write_text(text[: int(len(text) * share)])
    with pytest.raises(RunFileError, match=r"run\.json:\d+: .*truncated"):
        read_run(path)


def test_where_the_file_of_a_run_is(tmp_path: Path) -> None:
    """Its file, its folder, or the newest run; a run that was cut off says how to make its file."""
    older = run_folder(tmp_path, benchmark(), started_day=0)
    newer = tmp_path / "20270101T000000Z_abc"
    older.rename(tmp_path / "20260101T000000Z_abc")
    older = tmp_path / "20260101T000000Z_abc"
    newer.mkdir()
    assert run_path(older) == older / "run.json"
    assert run_path(older / "run.json") == older / "run.json"
    (newer / "journal.jsonl").write_text("")
    with pytest.raises(RunFileError, match=r"cut off, or still runs; make its file: python -m baselines recover .*20270101"):
        run_path(None, tmp_path)
    (newer / "run.json").write_text("")
    assert run_path(None, tmp_path) == newer / "run.json"
    with pytest.raises(RunFileError, match="No such file"):
        read_run(run_path(tmp_path / "nowhere"))
    with pytest.raises(RunFileError, match="no run there; make one"):
        run_path(None, tmp_path / "nowhere")
