"""What an accepted file leaves out is nothing that anybody reads: all that is said of a later run is said as before."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from baselines.__main__ import main
from baselines.comparing.comparison import compare
from baselines.files.accepted_file import DROPPED, Addition, stored_content, to_text
from baselines.files.reading_runs import read_with_content
from baselines.report.formats.markdown import markdown
from baselines.report.formats.verdicts_json import document
from baselines.report.view import view_of
from studies import tables
from tests.builders import MACHINE, ONE, THREE, TWO, answer, benchmark, run_folder

COMPLETE: Mapping[str, Any] = {
    "per_instance": [
        {"cpus": [0, 1], "thread_masks": [[[0, 1], 4]], "threads_observed": 2, "memory_pages": {"0": 13958}, "pool": {},
         "pinned_by_framework": 0, "strayed_threads": 0, "tuning": {}, "cpu_time_s": 1.99, "wall_s": 1.0, "median_s": 0.01,
         "rounds": 168, "peak_rss_bytes": 113168384, "page_faults": 12.5}
    ],
    "latency_s": {"median": 0.01, "p90": 0.011, "p99": None, "max": 0.012},
    "overlap": 1.0,
    "parity": {"max_abs_error": 1.7e-06, "cosine": 0.99999, "tolerance": 0.001},
    "start_up_s": {"import": 0.1, "load": 0.03, "compile": 7.9e-06, "first_round": 0.01},
    "warm_up": {"rounds": 10, "wall_s": 0.1, "steady": True, "last_median_s": None},
    "graph": {"AFusedOperator": 16},
    "duet": {"verdict": "passed", "launches": []},
    "work": {"flop": 939786240, "gflop_per_s": 158.8, "share_of_limit": 0.31},
    "limit": {"gflop_per_s": 510.0, "library": "onednn", "reason": None},
    "frequency_mhz": 2600.0,
    "wait_share": 0.001,
    "others_share": 0.001,
    "throttled_share": 0.0,
    "test_process_cpu_share": 0.001,
    "cpu_busy": {"0": 1.0, "1": 0.9},
    "pipeline": {"stages_s": {"forward": 0.009}, "around_s": 0.001, "whole_s": 0.01, "apart": 0.0, "calls": 8, "tokens": 9},
}  # fmt: skip
"""All words of a benchmark that a session writes, beside those of tests/builders.py."""


def launches(chance: random.Random, median_s: float) -> list[dict[str, Any]]:
    """Three launches."""
    made = []
    for _ in range(3):
        took_s = median_s * chance.uniform(0.99, 1.01)
        made.append({"median_s": took_s, "throughput_per_s": 1 / took_s, "rounds": 5})
    return made


def benchmarks(chance: random.Random, *, slow: float = 1.0) -> list[dict[str, Any]]:
    """Three benchmarks of one instance, and one of two, as a session writes them."""
    made = []
    for name in (ONE, TWO, THREE):
        median_s = 0.01 * chance.uniform(0.98, 1.02) * slow
        words = {**COMPLETE, "launches": launches(chance, median_s)}
        made.append(benchmark(name, median_s, extra_info=copy.deepcopy(words)))
    several = answer("instance_scaling", 0.02 * chance.uniform(0.98, 1.02) * slow, batch=2, instances=2)
    each = [{**COMPLETE["per_instance"][0], "cpus": [cpu]} for cpu in (0, 1)]
    own = {"launches": launches(chance, 0.02 * slow), "per_instance": each}
    several["extra_info"] |= copy.deepcopy({**COMPLETE, **own})
    return [*made, several]


def accepted(run: Path, store: Path, number: int) -> Path:
    """The file that accept makes of a run."""
    read, content = read_with_content(run / "run.json")
    keys = frozenset(read.by_key)
    addition = Addition(run=read, content=content, keys=keys, anchors=keys, accepted_as={}, whole=True)
    path = store / MACHINE / "bert-tiny" / f"{number:04}_1a2b3c4d5e6f_2026-03-01.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(to_text(stored_content(addition, reason="a test", commit="0" * 40, accepted="2026-03-01")))
    return path


def runs_and_files(folder: Path, seed: int, count: int) -> tuple[list[Path], list[Path], Path]:
    """Runs, the files that accept makes of them, and a later run in which some benchmarks are slower."""
    chance = random.Random(seed)  # noqa: S311 - noise, no secret
    runs = [
        run_folder(folder / "runs", *benchmarks(chance), started_day=day, run={"verdicts": {"missing": {}}})
        for day in range(count)
    ]
    files = [accepted(run, folder / "store", number) for number, run in enumerate(runs, start=1)]
    later = benchmarks(chance, slow=chance.choice([1.0, 1.05, 1.3]))
    return runs, files, run_folder(folder / "runs", *later, started_day=count + 3)


def said(run: Path, baseline: Sequence[Path]) -> tuple[Any, str]:
    """Judgements, suite and claims, as numbers and in words, without the paths and words of what was accepted."""
    view = view_of(compare(run, baseline, run / "no store"))
    content = document(view)
    text = markdown(view)
    return {key: content[key] for key in ("counts", "suite_shift", "claims", "judgements")}, text[text.index("| verdict") :]


@pytest.mark.parametrize("count", [1, 2, 5, 8])
@pytest.mark.parametrize("seed", range(3))
def test_what_is_said_of_a_later_run_is_the_same(tmp_path: Path, seed: int, count: int) -> None:
    """Against accepted files and against the runs that they were made of, to the last digit."""
    runs, files, later = runs_and_files(tmp_path, seed, count)
    assert said(later, files) == said(later, runs)


def test_files_of_older_checkouts_count_as_before(tmp_path: Path) -> None:
    """They hold all words of the run, and some of its rounds."""
    runs, files, later = runs_and_files(tmp_path, 5, 6)
    older = []
    for run, file in zip(runs, files, strict=True):
        content, baseline = json.loads((run / "run.json").read_text()), json.loads(file.read_text())["baseline"]
        for one in content["benchmarks"]:
            one["stats"]["data"] = one["stats"]["data"][:2]
        path = tmp_path / "older" / file.name
        path.parent.mkdir(exist_ok=True)
        path.write_text(to_text({**content, "baseline": baseline}))
        older.append(path)
    assert said(later, older) == said(later, files)


def test_an_accepted_file_can_itself_be_judged(tmp_path: Path) -> None:
    """The same verdicts as its run gets, and no map of CPUs, because it does not say how busy they were."""
    runs, files, _ = runs_and_files(tmp_path, 1, 4)
    assert said(files[-1], runs[:3])[0] == said(runs[-1], runs[:3])[0]
    assert main(["report", str(files[-1]), "--against", str(runs[0]), "--output", str(tmp_path / "report")]) == 0
    text = (tmp_path / "report" / "report.html").read_text()
    assert "No figure: this file does not say how busy the CPUs of its instances were" in text


def test_a_recommendation_is_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Instances, CPUs and commands, of an accepted file and of its run."""
    runs, files, _ = runs_and_files(tmp_path, 2, 3)
    told = []
    for path in (files[-1], runs[-1]):
        assert main(["recommend", str(path), "--store", str(tmp_path / "none")]) == 0
        told.append(capsys.readouterr().out.replace(str(path), "RUN"))
    assert "samples/s" in told[0]
    assert told[0].splitlines()[1:] == told[1].splitlines()[1:]


def test_nothing_of_the_list_is_kept_and_all_else_is(tmp_path: Path) -> None:
    """Each key that is left out was there before; a word that nobody here knows stays; the run keeps all."""
    one = benchmark(extra_info={**copy.deepcopy(COMPLETE), "new_word": {"a": [1.5]}})
    one["extra_info"]["launches"] = [{"median_s": 0.01, "throughput_per_s": 100.0, "rounds": 5, "new": 1}]
    plan = {"benchmarks": [{"name": ONE, "predicted_s": 1.0}], "predicted_s": 1.0}
    run = run_folder(tmp_path, one, run={"verdicts": {"missing": {}}, "plan": plan, "new": 2})
    before = (run / "run.json").read_text()
    stored = json.loads(accepted(run, tmp_path / "store", 1).read_text())
    assert (run / "run.json").read_text() == before
    full = json.loads(before)
    (mine,), (theirs,) = stored["benchmarks"], full["benchmarks"]
    places: dict[str, tuple[Any, Any]] = {
        "run": (stored["run"], full["run"]),
        "plan": (stored["run"]["plan"], full["run"]["plan"]),
        "benchmark": (mine, theirs),
        "stats": (mine["stats"], theirs["stats"]),
        "extra_info": (mine["extra_info"], theirs["extra_info"]),
        "launches": (mine["extra_info"]["launches"][0], theirs["extra_info"]["launches"][0]),
        **{name: (mine["extra_info"][name], theirs["extra_info"][name]) for name in ("warm_up", "parity", "work")},
    }
    assert places.keys() == DROPPED.keys() - {"per_instance"}
    for name, (less, more) in places.items():
        gone = {"per_instance"} if name == "extra_info" else {"throughput_per_s"} if name == "launches" else set()
        assert more.keys() - less.keys() == DROPPED[name] | gone, name
        assert less.keys() - more.keys() <= {"baseline", "cpus_busy"}, name
    assert DROPPED["per_instance"] | {"cpus"} == theirs["extra_info"]["per_instance"][0].keys()
    assert (stored["run"]["new"], mine["extra_info"]["new_word"]) == (2, {"a": [1.5]})
    assert mine["extra_info"]["launches"] == [{"median_s": 0.01, "new": 1}]


def test_instances_on_other_cpus_are_kept(tmp_path: Path) -> None:
    """Of several instances, and of one whose CPUs are not those of its configuration, the file says where they were."""
    _, (file,), _ = runs_and_files(tmp_path, 3, 1)
    assert json.loads(file.read_text())["benchmarks"][-1]["extra_info"]["per_instance"] == [{"cpus": [0]}, {"cpus": [1]}]
    elsewhere = benchmark(extra_info={"per_instance": [{"cpus": [7], "rounds": 3}]})
    file = accepted(run_folder(tmp_path / "other", elsewhere), tmp_path / "other store", 1)
    assert json.loads(file.read_text())["benchmarks"][0]["extra_info"]["per_instance"] == [{"cpus": [7]}]


def test_tables_of_an_accepted_file_are_refused(tmp_path: Path) -> None:
    """They need more of a run than the file has."""
    _, (file,), _ = runs_and_files(tmp_path, 4, 1)
    with pytest.raises(ValueError, match="an accepted run holds too little for these tables; name the run: runs/"):
        tables.benchmarks_of(file)
