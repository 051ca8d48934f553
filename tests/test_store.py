"""The store of accepted runs: what a file looks like, how long it stays, and that no damage to it goes unnoticed."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from baselines.files.past import KEPT_RUNS, pasts, recent_runs
from baselines.files.reading_runs import read_run
from baselines.files.run_folder import RunFileError
from baselines.files.store import accepted_runs, folder_name, locked
from tests.builders import MACHINE, ONE, THREE, TWO, Checkout, benchmark, run_content
from tests.suite import REPOSITORY


@pytest.fixture
def checkout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Checkout:
    """A clean checkout with an empty store."""
    return Checkout(tmp_path / "checkout", capsys)


def stored(checkout: Checkout) -> list[Path]:
    """The files of the store, oldest first."""
    return sorted((checkout.store / MACHINE / "bert-tiny").glob("*.json"))


def test_one_benchmark_per_line(checkout: Checkout) -> None:
    """A diff of the store reads: each benchmark is a line, and the file is JSON for everybody else."""
    checkout.accepted(1, benchmark(ONE), benchmark(TWO))
    (path,) = stored(checkout)
    lines = path.read_text().splitlines()
    start = lines.index('"benchmarks": [')
    assert [json.loads(line.rstrip(","))["param"] for line in lines[start + 1 : start + 3]] == [ONE, TWO]
    assert lines[start + 3 :] == ["]", "}"]
    content = json.loads(path.read_text())
    assert [one["param"] for one in content["benchmarks"]] == [ONE, TWO]


def test_the_name_of_a_file(checkout: Checkout) -> None:
    """Number, commit and date of measuring; the folder says machine and model."""
    checkout.accepted(1)
    assert list(checkout.files) == [f"{MACHINE}/bert-tiny/0001_1a2b3c4d5e6f_2026-03-01.json"]


def test_a_commit_cannot_lead_out_of_the_store(checkout: Checkout) -> None:
    """What is in a file of results names a file in its folder and nothing else."""
    folder = checkout.runs / "hostile"
    folder.mkdir(parents=True)
    content = run_content(commit_info={"id": "0/../../../../x"}, started_day=1)
    (folder / "run.json").write_text(json.dumps(content))
    assert checkout.accept(folder).code == 0
    assert [path.name for path in stored(checkout)] == ["0001_0x_2026-03-02.json"]


def test_everything_else_is_kept_as_measured(checkout: Checkout) -> None:
    """Environment, machine, statistics are those of the run; what nobody reads is not there, `baseline` alone is added."""
    run = checkout.run(benchmark(ONE, 0.01))
    checkout.accept(run, reason="  the first\none ")
    before, after = json.loads((run / "run.json").read_text()), json.loads(stored(checkout)[0].read_text())
    baseline = after.pop("baseline")
    assert (baseline["schema"], baseline["reason"], baseline["run"]) == (1, "the first one", run.name)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", baseline["accepted"])
    assert re.fullmatch("[0-9a-f]{40}", baseline["commit"])
    assert after["benchmarks"][0]["extra_info"].pop("baseline") == {"anchor": True}
    one = before["benchmarks"][0]
    for words, key in ((one, "options"), (one["stats"], "data"), (one["extra_info"], "preset")):
        del words[key]
    del one["extra_info"]["warm_up"]["rounds"]
    assert after == before


def test_statistics_are_those_of_all_rounds(checkout: Checkout) -> None:
    """Of 1,001 rounds none stays in the file, and every statistic does, as measured."""
    rounds = [0.01 + 1e-6 * number for number in range(1001)]
    run = checkout.run(benchmark(ONE, rounds=rounds))
    checkout.accept(run)
    (before,), (after,) = (json.loads(path.read_text())["benchmarks"] for path in (run / "run.json", stored(checkout)[0]))
    assert before["stats"].pop("data") == rounds
    assert after["stats"] == before["stats"]
    (result,) = read_run(stored(checkout)[0]).results
    assert (result.median_s, after["stats"]["rounds"], result.rounds_s) == (rounds[500], 1001, ())


def test_pytest_benchmark_reads_the_store(checkout: Checkout, tmp_path: Path) -> None:
    """`pytest-benchmark compare` shows two accepted runs side by side, by file and by storage."""
    checkout.accept(checkout.run(benchmark(ONE, rounds=[0.01] * 200), benchmark(TWO, 0.02)))
    checkout.accept(checkout.run(benchmark(ONE, 0.0101), benchmark(TWO, 0.0202), started_day=1))
    storage = f"file://{checkout.store / MACHINE}"
    for arguments in ([*map(str, stored(checkout))], ["0001", "0002"]):
        command = [
            sys.executable,
            "-m",
            "pytest_benchmark",
            "--storage",
            storage,
            "compare",
            *arguments,
            "--columns=median,rounds",
        ]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        shown = done.stdout + done.stderr
        for name in (f"test_out_of_the_box[{ONE}] (", f"test_out_of_the_box[{TWO}] ("):
            assert shown.count(name) == 2, shown
        assert "200" in shown
        assert "Failed to load" not in shown


@pytest.mark.parametrize(
    ("model", "folder"),
    [
        ("bert-tiny", "bert-tiny"),
        ("google/bert_uncased_L-2", "google--bert_uncased_L-2"),
        ("/data/checkpoints/mine", "mine"),
        ("./mine/", "mine"),
        ("a/b/c", "c"),
        ("/data/with space", "with_space"),
        (".hidden", "_.hidden"),
    ],
)
def test_the_folder_of_a_model(model: str, folder: str) -> None:
    """A hub id keeps its owner, a directory its last part; none leaves the store or hides in it."""
    assert folder_name(model) == folder


@pytest.mark.parametrize("model", ["..", "../other", "a/../b", "/", "", "."])
def test_a_model_that_names_no_folder(model: str) -> None:
    """`..` is refused in place of being made into something."""
    with pytest.raises(RunFileError, match="cannot name a folder"):
        folder_name(model)


def test_a_machine_that_names_no_folder(tmp_path: Path) -> None:
    """An id that no fingerprint gives is refused."""
    for machine_id in ("", "../x", "a/b", ".x"):
        with pytest.raises(RunFileError, match="cannot name a folder"):
            accepted_runs(machine_id, "bert-tiny", tmp_path)


def test_a_directory_that_was_typed_with_two_parts(checkout: Checkout) -> None:
    """Its runs were kept as a hub id's once; under its absolute path they are found, and go on as one history."""
    model = "/data/models/mine"
    for day, name in enumerate(("models/mine", "models/mine", model)):
        one = benchmark(ONE)
        one["extra_info"]["model"]["name"] = name
        assert checkout.accept(checkout.run(one, started_day=day)).code == 0
    assert sorted(path.split("/")[1] for path in checkout.files) == ["mine", "models--mine", "models--mine"]
    assert [run.model for run in accepted_runs(MACHINE, model, checkout.store)] == ["models/mine", "models/mine", model]
    assert checkout.numbers == ["0001", "0002", "0003"]
    assert [run.anchor for run in accepted_runs(MACHINE, model, checkout.store)] == [True, False, False]
    assert accepted_runs(MACHINE, "/data/others/mine", checkout.store)[-1].model == model
    assert len(accepted_runs(MACHINE, "models/mine", checkout.store)) == 2


def test_nothing_accepted_is_an_empty_history(tmp_path: Path) -> None:
    """Neither a missing store nor a missing machine is an error."""
    assert accepted_runs(MACHINE, "bert-tiny", tmp_path / "nowhere") == []


def test_the_last_eight_and_the_anchor_stay(checkout: Checkout) -> None:
    """The oldest goes in the same accept that makes it the ninth; the first stays, as what creep is measured from."""
    checkout.accepted(KEPT_RUNS)
    assert checkout.numbers == [f"{number:04}" for number in range(1, 9)]
    checkout.accepted(1, first_day=8)
    assert checkout.numbers == [f"{number:04}" for number in range(1, 10)]  # eight, and the anchor
    ended = checkout.accept(checkout.run(started_day=9))
    assert checkout.numbers == ["0001", *(f"{number:04}" for number in range(3, 11))]
    assert re.search(r"^removed  .*/0002_\w+_2026-03-02\.json$", ended.out, re.MULTILINE)
    runs = accepted_runs(MACHINE, "bert-tiny", checkout.store)
    assert [run.accepted.number for run in runs if run.accepted] == [1, *range(3, 11)]
    assert [run.anchor for run in runs] == [True] + [False] * 8
    assert [run.accepted.number for run in recent_runs(runs) if run.accepted] == list(range(3, 11))


def test_an_anchor_is_moved_by_decision(checkout: Checkout) -> None:
    """With --anchor the old one becomes an ordinary run, which goes when its time has come."""
    checkout.accepted(9)
    assert checkout.accept(checkout.run(started_day=9), "--anchor").code == 0
    assert checkout.numbers == [f"{number:04}" for number in range(3, 11)]
    runs = accepted_runs(MACHINE, "bert-tiny", checkout.store)
    assert [run.anchor for run in runs] == [False] * 7 + [True]


def test_a_superseded_anchor_is_none(checkout: Checkout) -> None:
    """While both files are there, the newer is the anchor, benchmark by benchmark."""
    checkout.accepted(1, benchmark(ONE), benchmark(TWO))
    assert checkout.accept(checkout.run(benchmark(ONE), benchmark(TWO), started_day=1), "--anchor", "--only", ONE).code == 0
    first, second = accepted_runs(MACHINE, "bert-tiny", checkout.store)
    assert [result.anchor for result in first.results] == [False, True]
    assert [result.anchor for result in second.results] == [True]


def test_a_new_benchmark_gets_an_anchor_of_its_own(checkout: Checkout) -> None:
    """Creep of a benchmark that came later is measured from the first run that has it, and that file stays."""
    checkout.accepted(1, benchmark(ONE))
    checkout.accepted(10, benchmark(ONE), benchmark(TWO), first_day=1)
    runs = accepted_runs(MACHINE, "bert-tiny", checkout.store)
    anchors = {result.id: run.path.name[:4] for run in runs for result in run.results if result.anchor}
    assert anchors == {ONE: "0001", TWO: "0002"}
    assert len(runs) == KEPT_RUNS + 2


def test_accepting_a_few_pushes_out_nothing(checkout: Checkout) -> None:
    """A benchmark accepted ten times with --only uses up its own history, not that of the others."""
    checkout.accepted(3, benchmark(ONE), benchmark(TWO))
    for day in range(3, 13):
        assert checkout.accept(checkout.run(benchmark(ONE), benchmark(TWO), started_day=day), "--only", TWO).code == 0
    past = pasts(accepted_runs(MACHINE, "bert-tiny", checkout.store))
    history = {past.recent[0].id: len(past.recent) for past in past.values()}
    assert history == {ONE: 3, TWO: KEPT_RUNS}
    assert len(stored(checkout)) == 3 + KEPT_RUNS


def test_a_store_of_parts_does_not_grow(checkout: Checkout) -> None:
    """Runs that each left out another unsteady benchmark: each benchmark keeps its last eight, and what is older goes."""
    names = [ONE, TWO, THREE]
    for day in range(20):
        unsteady = {names[day % 3]: {"steal_share": 0.5}}
        run = checkout.run(*(benchmark(name, extra_info=unsteady.get(name)) for name in names), started_day=day)
        assert checkout.accept(run, "--only", "steady").code == 0
    runs = accepted_runs(MACHINE, "bert-tiny", checkout.store)
    assert [len(past.recent) for past in pasts(runs).values()] == [KEPT_RUNS] * 3
    assert len(recent_runs(runs)) == 12
    assert len(runs) == 12 + 2  # two runs hold the three anchors


def test_a_removed_benchmark_leaves_the_baseline(checkout: Checkout) -> None:
    """After eight whole runs without it a benchmark is gone, and the accept that ends it says so."""
    checkout.accepted(1, benchmark(ONE), benchmark(TWO))
    checkout.accepted(7, benchmark(ONE), first_day=1)
    runs = accepted_runs(MACHINE, "bert-tiny", checkout.store)
    assert {result.id for past in pasts(runs).values() for result in past.recent} == {ONE, TWO}
    assert checkout.accept(checkout.run(benchmark(ONE), started_day=8), "--anchor").out.count(f"[{TWO}]") == 1
    runs = accepted_runs(MACHINE, "bert-tiny", checkout.store)
    assert {result.id for past in pasts(runs).values() for result in past.recent} == {ONE}


def test_another_preset_pushes_out_nothing(checkout: Checkout) -> None:
    """Nightly runs of a model do not use up the history of its everyday runs."""
    checkout.accepted(2, benchmark(ONE))
    for day in range(2, 12):
        checkout.accept(checkout.run(benchmark(THREE), started_day=day, run={"preset": "nightly"}))
    runs = accepted_runs(MACHINE, "bert-tiny", checkout.store)
    assert [run.preset for run in runs] == ["quick"] * 2 + ["nightly"] * 9


def test_the_history_that_the_judge_gets(checkout: Checkout) -> None:
    """Values oldest first, an id per run, and the anchor apart once it is older than the recent runs."""
    checkout.accepted(9)
    (past,) = pasts(accepted_runs(MACHINE, "bert-tiny", checkout.store)).values()
    history = past.history()
    assert len(history.runs) == len(history.run_ids) == KEPT_RUNS
    assert (history.run_ids[0][:4], history.run_ids[-1][:4]) == ("0002", "0009")
    assert history.anchor == history.runs[0]  # the same median in every run
    (past,) = pasts(accepted_runs(MACHINE, "bert-tiny", checkout.store)[:3]).values()
    assert past.history().anchor is None  # it is one of the runs


def edit(path: Path, old: str, new: str) -> int:
    """Replaces a text in a file and returns the line where it stood."""
    text = path.read_text()
    assert text.count(old) == 1, f"{old} stands there {text.count(old)} times"
    path.write_text(text.replace(old, new))
    return text[: text.index(old)].count("\n") + 1


def test_an_edited_number_is_found(checkout: Checkout) -> None:
    """A hand that makes a baseline slower is named with file and line; nothing is judged against it."""
    checkout.accepted(1, benchmark(ONE, 0.01), benchmark(TWO, 0.02))
    (path,) = stored(checkout)
    line = edit(path, '"median":0.02,', '"median":0.04,')
    with pytest.raises(RunFileError) as caught:
        accepted_runs(MACHINE, "bert-tiny", checkout.store)
    assert str(caught.value).startswith(f"{path}:{line}: this line is not as it was accepted")
    assert f"git checkout -- {path}" in str(caught.value)


def test_a_removed_line_is_found(checkout: Checkout) -> None:
    """A benchmark that is taken out of a file is not silently no longer expected."""
    checkout.accepted(1, benchmark(ONE), benchmark(TWO))
    (path,) = stored(checkout)
    lines = path.read_text().splitlines(keepends=True)
    at = next(number for number, line in enumerate(lines) if TWO in line)
    lines[at - 1] = lines[at - 1].replace("},\n", "}\n")
    path.write_text("".join(lines[:at] + lines[at + 1 :]))
    with pytest.raises(RunFileError, match=rf"{re.escape(path.name)}:{at}: this line is not as it was accepted"):
        accepted_runs(MACHINE, "bert-tiny", checkout.store)


def test_a_reason_may_be_corrected(checkout: Checkout) -> None:
    """Words are the maintainer's; and line ends of another system change nothing."""
    checkout.accepted(1)
    (path,) = stored(checkout)
    edit(path, "measured in a test", "measured in a text")
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    (run,) = accepted_runs(MACHINE, "bert-tiny", checkout.store)
    assert run.accepted is not None
    assert run.accepted.reason == "measured in a text"


def test_a_reformatted_file_is_refused(checkout: Checkout) -> None:
    """A formatter of JSON takes the lines away, and with them what makes a diff readable."""
    checkout.accepted(1)
    (path,) = stored(checkout)
    path.write_text(json.dumps(json.loads(path.read_text()), indent=2))
    with pytest.raises(RunFileError, match=r":2: this line is not as it was accepted"):
        accepted_runs(MACHINE, "bert-tiny", checkout.store)


def test_a_future_baseline_says_what_it_needs(checkout: Checkout) -> None:
    """A file of a later version is not half understood."""
    checkout.accepted(1)
    edit(stored(checkout)[0], '"baseline": {"schema": 1', '"baseline": {"schema": 7')
    with pytest.raises(
        RunFileError, match=r"baseline\.schema is 7 and this checkout reads up to 1; use a checkout that reads"
    ):
        accepted_runs(MACHINE, "bert-tiny", checkout.store)


def test_a_truncated_baseline(checkout: Checkout) -> None:
    """A torn file is an error and no shorter baseline."""
    checkout.accepted(1, benchmark(ONE), benchmark(TWO))
    (path,) = stored(checkout)
    path.write_text(path.read_text()[:-40])
    with pytest.raises(RunFileError, match=rf"{path.name}:\d+: the file ends in the middle"):
        accepted_runs(MACHINE, "bert-tiny", checkout.store)


def test_a_foreign_file_in_the_store(checkout: Checkout) -> None:
    """A run that was copied there by hand was accepted by nobody."""
    folder = checkout.store / MACHINE / "bert-tiny"
    folder.mkdir(parents=True)
    (folder / "0001_abc_2026-03-01.json").write_text(json.dumps(run_content()))
    with pytest.raises(RunFileError, match=r"0001_abc_2026-03-01\.json:1: not written by accept"):
        accepted_runs(MACHINE, "bert-tiny", checkout.store)


def test_a_file_of_another_machine_or_model(checkout: Checkout) -> None:
    """A file moved to where it does not belong would compare apples with oranges."""
    checkout.accepted(1)
    (path,) = stored(checkout)
    for folder, message in (
        (checkout.store / "another-machine" / "bert-tiny", f"measured on {MACHINE} and stored under another-machine"),
        (checkout.store / MACHINE / "bert-base", "measured with the model bert-tiny and stored under bert-base"),
    ):
        folder.mkdir(parents=True)
        (folder / path.name).write_bytes(path.read_bytes())
        with pytest.raises(RunFileError, match=message):
            accepted_runs(folder.parent.name, folder.name, checkout.store)


STOPPED_ACCEPT = """
import os, sys, time
from pathlib import Path
import baselines.files.store
from baselines.__main__ import main

where, nth, *arguments = sys.argv[1:]
calls = 0

def stopping(function):
    def stopped(*given, **named):
        global calls
        calls += 1
        if calls == int(nth):
            print("stopped", flush=True)
            time.sleep(600)
        return function(*given, **named)
    return stopped

if where == "fsync":
    os.fsync = stopping(os.fsync)
else:
    setattr(Path, where, stopping(getattr(Path, where)))
main(arguments)
"""


@pytest.mark.parametrize(
    ("where", "nth", "written"),
    [
        pytest.param("fsync", 1, False, id="while the new file is written"),
        pytest.param("replace", 1, False, id="before the new file is put in place"),
        pytest.param("fsync", 2, True, id="after the new file is put in place"),
        pytest.param("unlink", 1, True, id="before the oldest is removed"),
        pytest.param("fsync", 3, True, id="after the oldest is removed"),
    ],
)
def test_kill_during_accept(checkout: Checkout, where: str, nth: int, written: bool) -> None:
    """Kill -9 anywhere leaves every old file as it was and a store that reads; the next accept tidies up."""
    checkout.accepted(9)
    before = checkout.files
    run = checkout.run(started_day=9)
    arguments = ["accept", str(run), "--reason", "killed", "--store", str(checkout.store)]
    process = subprocess.Popen(
        [sys.executable, "-c", STOPPED_ACCEPT, where, str(nth), *arguments],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "stopped\n"
    process.kill()
    assert process.wait() == -signal.SIGKILL
    process.stdout.close()
    after = {name: data for name, data in checkout.files.items() if "/." not in name}
    removed = set(before) - set(after)
    assert removed <= {f"{MACHINE}/bert-tiny/0002_1a2b3c4d5e6f_2026-03-02.json"}
    assert all(after[name] == before[name] for name in set(before) - removed)
    assert any(name.split("/")[-1].startswith("0010_") for name in after) is written
    runs = accepted_runs(MACHINE, "bert-tiny", checkout.store)
    assert len(runs) == len(after)
    ended = checkout.accept(checkout.run(started_day=10))
    assert ended.code == 0, ended.err
    assert len(checkout.files) == KEPT_RUNS + 1  # no temporary file, none too many
    assert len(accepted_runs(MACHINE, "bert-tiny", checkout.store)) == KEPT_RUNS + 1


def test_what_cannot_be_written_leaves_nothing(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk at the second of two runs takes the first back: all or nothing."""
    checkout.accepted(1)
    before = checkout.files
    replace, calls = Path.replace, []

    def full(path: Path, target: Path) -> Path:
        calls.append(path)
        if len(calls) == 2:
            raise OSError(28, "No space left on device", str(path))
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", full)
    ended = checkout.accept(checkout.run(started_day=1), checkout.run(started_day=2))
    assert ended.code == 2
    assert "No space left on device; nothing was accepted" in ended.err
    assert checkout.files == before


def test_a_number_that_json_has_not(checkout: Checkout) -> None:
    """NaN in a word that nobody judges is refused before anything is written: other readers choke on it."""
    ended = checkout.accept(checkout.run(benchmark(extra_info={"a_word": float("nan")})))
    assert ended.code == 2
    assert "run.json: Out of range float values are not JSON compliant" in ended.err
    assert checkout.files == {}


def test_accepts_wait_for_each_other(checkout: Checkout) -> None:
    """While one process decides what is in the store, another neither reads nor writes it."""
    run = checkout.run()
    command = [sys.executable, "-m", "baselines", "accept", "--store", str(checkout.store), "--reason", "at once", str(run)]
    with locked(checkout.store):
        process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(3)
        assert checkout.files == {}
    assert process.wait(60) == 0
    assert checkout.numbers == ["0001"]


def test_a_line_stays_short(checkout: Checkout) -> None:
    """Two runs of 200 benchmarks differ in as many lines as they have benchmarks, each of at most 3,000 characters."""
    names = [f"onnxruntime-fp32-batch{number}-seq32" for number in range(200)]
    for day in range(2):
        rounds = [0.01 + 1e-5 * day + 1e-7 * number for number in range(60)]
        checkout.accept(checkout.run(*(benchmark(name, rounds=rounds) for name in names), started_day=day))
    first, second = (path.read_text().splitlines() for path in stored(checkout))
    assert max(map(len, first)) <= 3_000
    assert len(first) == len(second)
    differing = [before for before, after in zip(first, second, strict=True) if before != after]
    assert len(differing) == 200 + len(["datetime", "baseline"])


@pytest.mark.parametrize("error", [errno.EINVAL, errno.ENOTSUP, errno.EIO])
def test_a_folder_that_cannot_be_synced(checkout: Checkout, monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    """Some file systems refuse to sync a folder: accepted. A disk that fails after the rename: nothing is accepted."""
    sync = os.fsync

    def refuses(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(error, os.strerror(error))
        sync(descriptor)

    run = checkout.run()
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", refuses)
        ended = checkout.accept(run)
    if error == errno.EIO:
        assert ended.code == 2
        assert "Input/output error; nothing was accepted" in ended.err
        assert checkout.files == {}
        ended = checkout.accept(run)
    assert ended.code == 0, ended.err
    assert len(checkout.files) == 1


def test_a_store_that_cannot_be_locked(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line that says where it can be."""

    def refuses(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    run = checkout.run()
    monkeypatch.setattr(fcntl, "flock", refuses)
    ended = checkout.accept(run)
    assert ended.code == 2
    assert "cannot be locked (No locks available); accept in a checkout on a local disk" in ended.err
