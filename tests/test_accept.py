"""`python -m baselines accept` and `list`: what becomes a baseline, what is refused, and what is said about it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from baselines.comparing.disturbance import OTHERS_SHARE_LIMIT, STEAL_SHARE_LIMIT, THROTTLED_SHARE_LIMIT
from baselines.files.past import pasts
from baselines.files.run_folder import run_path
from baselines.files.store import accepted_runs
from tests.builders import MACHINE, ONE, THREE, TWO, Checkout, benchmark, git


@pytest.fixture
def checkout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Checkout:
    """A clean checkout with an empty store."""
    return Checkout(tmp_path / "checkout", capsys)


def refused(checkout: Checkout, *arguments: object, reason: str | None = "measured in a test") -> list[str]:
    """What accept says when it refuses, line by line; it has written nothing."""
    before = checkout.files
    ended = checkout.accept(*arguments, reason=reason)
    assert ended.code == 2, ended.out
    assert ended.out == ""
    assert checkout.files == before
    lines = ended.err.splitlines()
    assert all(line.startswith("error: ") for line in lines)
    return [line.removeprefix("error: ") for line in lines]


WHY = (
    "there is one accepted run: it knows one mood of this machine. Accept runs of 3 different days, or compare side by "
    "side: pytest ... --reference accepted"
)


def test_the_first_baseline(checkout: Checkout) -> None:
    """Every benchmark is new, and the file to commit is named."""
    run = checkout.run(benchmark(ONE, 0.00831), benchmark(TWO, 0.02, extra_info={"instances": 2, "throughput_per_s": 120.0}))
    ended = checkout.accept(run)
    (name,) = checkout.files
    assert ended.code == 0
    assert ended.out.splitlines() == [
        f"{run.name}: 2 of 2 benchmarks, machine {MACHINE}, model bert-tiny, commit 1a2b3c4d5e6f",
        f"  {ONE}  new, 8.31 ms",
        f"  {TWO}      new, 120 samples/s",
        f"written  {checkout.store / name}",
        "next: commit them; git log of their folder is the history of the baseline",
        f"note: no benchmark turns red by this baseline yet: {WHY}",
    ]


def test_what_changes_is_said(checkout: Checkout) -> None:
    """Old and new number with their ratio, what is new, what is absent, and the packages that changed."""
    checkout.accept(checkout.run(benchmark(ONE, 0.0100), benchmark(TWO, 0.02)))
    torch = {"packages": {"torch": {"version": "2.14.1", "local": "cpu"}}}
    out = checkout.accept(checkout.run(benchmark(ONE, 0.0102), benchmark(THREE, 0.03), started_day=1, environment=torch)).out
    assert "  environment: torch 2.13.0+cpu -> 2.14.1+cpu\n" in out
    assert re.search(rf"  {ONE} +10\.0 ms -> 10\.2 ms  \+2\.0 %\n", out)
    assert re.search(rf"  {THREE} +new, 30\.0 ms\n", out)
    assert f"  in the baseline and not in this run: {TWO}\n" in out


def test_throughput_that_falls_is_slower(checkout: Checkout) -> None:
    """One ratio everywhere: of time, here per sample."""
    for day, throughput in enumerate((120.0, 100.0)):
        several = benchmark(extra_info={"instances": 2, "throughput_per_s": throughput})
        out = checkout.accept(checkout.run(several, started_day=day)).out
    assert "120 samples/s -> 100 samples/s  +20.0 %" in out


@pytest.mark.parametrize("reason", [None, "", "  \n "])
def test_a_reason_is_needed(checkout: Checkout, reason: str | None) -> None:
    """Whoever asks in a year why the baseline moved gets an answer."""
    (line,) = refused(checkout, checkout.run(), reason=reason)
    assert line == "a baseline needs a reason, for whoever asks why it moved; add: --reason 'what changed, and why'"


def test_a_partial_run_is_accepted_by_name_only(checkout: Checkout) -> None:
    """A run that was cut off is no whole baseline; what it measured may be taken out of it, with the command as printed."""
    run = checkout.run(benchmark(ONE), benchmark(TWO), run={"partial": True, "not_reached": ["a", "b", "c"]})
    (line,) = refused(checkout, run)
    assert line == f"{run.name}: it was cut off, 3 benchmarks before its end; accept what it has: --only steady"
    assert checkout.accept(run, "--only", "steady").code == 0
    (accepted,) = accepted_runs(MACHINE, "bert-tiny", checkout.store)
    assert [result.id for result in accepted.results] == [ONE, TWO]


@pytest.mark.parametrize(
    ("extra_info", "why"),
    [
        pytest.param({"warm_up": {"steady": False}}, "its rounds still became faster when warm-up ended", id="warm-up"),
        pytest.param({"throttled_share": 0.99}, r"a CPU quota stopped it in 99% of the quota's periods", id="throttled"),
        pytest.param({"steal_share": 0.2}, r"a hypervisor took 20% of its CPUs' time \(limit 10%\)", id="stolen time"),
    ],
)
def test_an_unstable_run_is_refused(checkout: Checkout, extra_info: dict[str, Any], why: str) -> None:
    """Each unstable benchmark is named with its reason; the steady ones may be taken, with the command as printed."""
    run = checkout.run(benchmark(ONE), benchmark(TWO, extra_info=extra_info), benchmark(THREE))
    listed, way_out = refused(checkout, run)
    assert re.fullmatch(rf"{run.name}: {TWO} is unstable, {why}.*", listed)
    assert way_out == f"{run.name}: measure it again when the machine is quiet, or accept the others: --only steady"
    assert refused(checkout, run, "--only", TWO) == [listed, way_out.split(", or")[0]]
    ended = checkout.accept(run, "--only", "steady")
    assert f"  left out: {TWO}\n" in ended.out
    (accepted,) = accepted_runs(MACHINE, "bert-tiny", checkout.store)
    assert [result.id for result in accepted.results] == [ONE, THREE]


@pytest.mark.parametrize(
    ("extra_info", "code"),
    [
        pytest.param({"steal_share": STEAL_SHARE_LIMIT}, 0, id="exactly at the limit"),
        pytest.param({"steal_share": STEAL_SHARE_LIMIT + 1e-6}, 2, id="just above"),
        pytest.param({"throttled_share": THROTTLED_SHARE_LIMIT}, 0, id="throttled, at the limit"),
        pytest.param({"throttled_share": THROTTLED_SHARE_LIMIT + 1e-6}, 2, id="throttled, just above"),
        pytest.param({"wait_share": 0.9, "others_share": OTHERS_SHARE_LIMIT}, 0, id="others, at the limit"),
        pytest.param({"wait_share": 0.9, "others_share": OTHERS_SHARE_LIMIT + 1e-6}, 2, id="others, just above"),
        pytest.param({"wait_share": OTHERS_SHARE_LIMIT, "others_share": 0.9}, 0, id="others were there, nothing waited"),
        pytest.param({"wait_share": 0.9, "others_share": None}, 0, id="others not known"),
        pytest.param({"steal_share": None, "warm_up": {}}, 0, id="not known"),
    ],
)
def test_the_edges_of_unstable(checkout: Checkout, extra_info: dict[str, Any], code: int) -> None:
    """The limit itself is allowed, and what a machine does not tell is no reason to refuse."""
    assert checkout.accept(checkout.run(benchmark(extra_info=extra_info))).code == code


def test_a_dirty_tree_is_refused(checkout: Checkout) -> None:
    """Neither a change nor an untracked file: no commit would say what was accepted."""
    run = checkout.run()
    (checkout.folder / "notes.txt").write_text("x")
    (line,) = refused(checkout, run)
    assert line.startswith("the checkout has changes outside the baseline (notes.txt), so that no commit would say")
    assert line.endswith(f"commit or stash them: git -C {checkout.folder} status")
    (checkout.folder / "notes.txt").unlink()
    (checkout.folder / "code.py").write_text("VERSION = 2\n")
    assert "(code.py)" in refused(checkout, run)[0]
    git(checkout.folder, "rm", "--quiet", "--force", "code.py")
    assert "(code.py)" in refused(checkout, run)[0]
    git(checkout.folder, "reset", "--quiet", "--hard")
    assert checkout.accept(run).code == 0


def test_many_changes_are_counted(checkout: Checkout) -> None:
    """Three are named, the rest counted, also where names are not plain."""
    for name in ("a b", "c", "d", "e", "ü"):
        (checkout.folder / name).write_text("")
    assert "(a b, c, d and 2 more)" in refused(checkout, checkout.run())[0]


def test_runs_and_baselines_are_no_dirt(checkout: Checkout) -> None:
    """Accepting five runs one after the other needs no commit in between; runs need not be ignored."""
    checkout.accepted(2)
    assert git(checkout.folder, "status", "--porcelain").split() == ["??", "baselines/", "??", "runs/"]
    git(checkout.folder, "add", ".")
    git(checkout.folder, "commit", "--quiet", "--message", "baseline")
    checkout.accepted(8, first_day=2)  # removes a file that is committed
    assert " D baselines" in git(checkout.folder, "status", "--porcelain")


def test_a_neighbour_of_the_store_is_dirt(checkout: Checkout) -> None:
    """Only machines/ is left out, not what lies beside it, and only the runs/ at the top."""
    (checkout.folder / "baselines").mkdir()
    (checkout.folder / "baselines" / "judge.py").write_text("")
    assert "(baselines/judge.py)" in refused(checkout, checkout.run())[0]
    (checkout.folder / "baselines" / "judge.py").unlink()
    (checkout.folder / "other" / "runs").mkdir(parents=True)
    (checkout.folder / "other" / "runs" / "x").write_text("")
    assert "(other/runs/x)" in refused(checkout, checkout.run(started_day=1))[0]


def test_outside_of_git(checkout: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that nobody versions keeps no history; a checkout without a commit has none yet; and git must be there."""
    run = checkout.run()
    checkout.store = tmp_path / "elsewhere"
    assert "is no git checkout with a commit" in refused(checkout, run)[0]
    git(tmp_path, "init", "--quiet")
    assert "is no git checkout with a commit" in refused(checkout, run)[0]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "git is not installed" in refused(checkout, run)[0]


def test_variables_of_a_hook_do_not_mislead(checkout: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Called from a git hook of another repository, the store's own checkout is looked at."""
    run = checkout.run()
    (checkout.folder / "notes.txt").write_text("x")
    git(tmp_path, "init", "--quiet", "other")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))
    assert "(notes.txt)" in refused(checkout, run)[0]


def test_a_run_of_uncommitted_code_is_refused(checkout: Checkout) -> None:
    """A clean tree today does not help: the commit that the run names is not what it measured."""
    run = checkout.run(commit_info={"dirty": True}, run={"arguments": "benchmarks/ --preset quick"})
    (line,) = refused(checkout, run)
    assert line.startswith(f"{run.name}: measured with uncommitted changes")
    assert line.endswith("commit, then: pytest benchmarks/ --preset quick")


def test_a_run_whose_times_mean_nothing_is_refused(checkout: Checkout) -> None:
    """An emulator's numbers are nobody's baseline."""
    (line,) = refused(checkout, run := checkout.run(run={"speed_guards": False}))
    assert line.startswith(f"{run.name}: measured with --no-speed-guards, so that its times mean nothing; measure: ")


def test_an_empty_run_is_refused(checkout: Checkout) -> None:
    """A run in which everything was skipped is no baseline."""
    (line,) = refused(checkout, checkout.run(benchmarks=[]))
    assert line.endswith("nothing was measured in it; measure: pytest benchmarks/ --benchmark-only")


def test_a_run_of_nowhere_is_refused(checkout: Checkout) -> None:
    """No machine id, no model, no date: there is no place for it."""
    (line,) = refused(checkout, checkout.run(machine_info={"node": "x"}))
    assert "it has no machine id; only runs of this suite can be accepted" in line
    (line,) = refused(checkout, checkout.run(machine_info={"machine_id": "../x"}, started_day=1))
    assert "the machine id '../x' cannot name a folder" in line
    nameless = benchmark(extra_info={"model": {"config_sha256": "e5"}})
    (line,) = refused(checkout, checkout.run(nameless, run={"model": None}, started_day=2))
    assert "it names no model" in line
    dateless = checkout.run(started_day=3)
    content = json.loads((dateless / "run.json").read_text())
    (dateless / "run.json").write_text(json.dumps({**content, "datetime": "yesterday"}))
    assert "it does not say when it was measured" in refused(checkout, dateless)[0]


def test_one_run_is_one_piece_of_evidence(checkout: Checkout, tmp_path: Path) -> None:
    """Neither twice in one command, nor again later, nor under another name."""
    run = checkout.run(benchmark(ONE), benchmark(TWO))
    (line,) = refused(checkout, run, run / "run.json")
    assert line == f"{run.name}: given twice, and one run is one piece of evidence; name it once"
    assert checkout.accept(run, "--only", ONE).code == 0
    (line,) = refused(checkout, run)
    assert line.startswith(f"{run.name}: accepted already, as 0001_1a2b3c4d5e6f_2026-03-01.json")
    copy = checkout.runs / "copy"
    copy.mkdir()
    (copy / "run.json").write_bytes((run / "run.json").read_bytes())
    assert "accepted already" in refused(checkout, copy)[0]
    assert checkout.accept(run, "--only", TWO).code == 0  # the rest of it was not


def test_an_accepted_run_is_not_accepted(checkout: Checkout) -> None:
    """A file of the store is thinned: it is read as a baseline and never accepted again."""
    checkout.accepted(1)
    assert "is an accepted run already" in refused(checkout, next(checkout.store.rglob("*.json")))[0]


def test_a_regression_needs_its_flag(checkout: Checkout) -> None:
    """Twice as slow is refused with the command that shows it; with the flag it is accepted, and starts a new level."""
    checkout.accepted(5, benchmark(ONE, 0.01), benchmark(TWO, 0.02))
    slow = checkout.run(benchmark(ONE, 0.02), benchmark(TWO, 0.02), started_day=5)
    (line,) = refused(checkout, slow)
    assert line.startswith(f"{slow.name}: {ONE} regressed; see by how much: python -m baselines compare {slow}")
    assert line.endswith("or take it as it is: --accept-regression")
    assert checkout.accept(slow, "--only", TWO).code == 0
    ended = checkout.accept(slow, "--only", ONE, "--accept-regression")
    assert ended.code == 0
    assert "10.0 ms -> 20.0 ms  +100.0 %" in ended.out
    assert "note: slow creep is still measured from the anchor" in ended.out
    past = {one.recent[0].id: one for one in pasts(accepted_runs(MACHINE, "bert-tiny", checkout.store)).values()}
    assert [result.median_s for result in past[ONE].recent] == [0.02]
    assert len(past[TWO].recent) == 6
    anchor = past[ONE].anchor
    assert anchor is not None
    assert anchor.median_s == 0.01


def test_the_verdict_of_the_run_itself_counts(checkout: Checkout) -> None:
    """A small regression that fresh launches confirmed is one, unless the baseline has changed since."""
    checkout.accepted(2, benchmark(ONE, 0.01))
    names = [path.name for path in sorted(checkout.store.rglob("*.json"))]
    judgements = {benchmark(ONE)["fullname"]: {"verdict": "regressed"}}
    verdicts = {"baseline": names, "judgements": judgements}
    red = checkout.run(benchmark(ONE, 0.0105), started_day=2, run={"verdicts": verdicts})
    assert "regressed; see by how much" in refused(checkout, red)[0]
    older = checkout.run(benchmark(ONE, 0.0105), started_day=3, run={"verdicts": {**verdicts, "baseline": names[:1]}})
    assert checkout.accept(older).code == 0


def test_an_improvement_starts_a_level_too(checkout: Checkout) -> None:
    """Half the time is the new measure at once: falling back to the old one is a regression."""
    checkout.accepted(5, benchmark(ONE, 0.01), benchmark(TWO, 0.01))
    checkout.accept(checkout.run(benchmark(ONE, 0.005), benchmark(TWO, 0.01), started_day=5))
    past, _ = pasts(accepted_runs(MACHINE, "bert-tiny", checkout.store)).values()
    assert [result.median_s for result in past.recent] == [0.005]
    run = checkout.run(benchmark(ONE, 0.01), benchmark(TWO, 0.01), started_day=6)
    assert "regressed" in refused(checkout, run)[0]


def test_a_lost_anchor_is_not_replaced_by_chance(checkout: Checkout) -> None:
    """Deleting the file that shows the creep does not make it disappear: a new anchor is a decision."""
    checkout.accepted(9)
    next(checkout.store.rglob("0001_*")).unlink()
    run = checkout.run(started_day=9)
    (line,) = refused(checkout, run)
    assert f"no anchor is left for {ONE}; restore its file: git checkout --" in line
    assert checkout.accept(run, "--anchor").code == 0
    assert accepted_runs(MACHINE, "bert-tiny", checkout.store)[-1].anchor


def test_several_runs_at_once(checkout: Checkout) -> None:
    """In the order of measuring, whatever the order of typing; the first is the anchor."""
    runs = [checkout.run(started_day=day) for day in (2, 0, 1)]
    assert checkout.accept(*runs).code == 0
    accepted = accepted_runs(MACHINE, "bert-tiny", checkout.store)
    assert [run.datetime.day for run in accepted if run.datetime] == [1, 2, 3]
    assert [run.anchor for run in accepted] == [True, False, False]


def test_one_bad_run_among_several_refuses_all(checkout: Checkout) -> None:
    """Every reason of every run at once; nothing is half accepted."""
    good, empty = checkout.run(), checkout.run(benchmarks=[], started_day=1)
    partial = checkout.run(benchmark(extra_info={"steal_share": 0.5}), run={"partial": True}, started_day=2)
    lines = refused(checkout, good, empty, partial)
    assert [line.split(":")[0] for line in lines] == [empty.name] + 3 * [partial.name]


def test_machines_and_models_are_kept_apart(checkout: Checkout) -> None:
    """Each run goes to its own machine's and model's folder and is compared with nothing else."""
    other = benchmark(ONE, 0.5, extra_info={"model": {"name": "google/bert", "config_sha256": "a1"}})
    elsewhere = {"machine_id": "intel-6-85-24c-00c0ffee", "hard": {}, "soft": {}}
    checkout.accepted(5)
    ended = checkout.accept(
        checkout.run(other, started_day=5), checkout.run(benchmark(ONE, 0.9), started_day=6, machine_info=elsewhere)
    )
    assert ended.code == 0, ended.err
    assert " -> " not in ended.out
    assert {str(Path(name).parent) for name in checkout.files} == {
        f"{MACHINE}/bert-tiny",
        f"{MACHINE}/google--bert",
        "intel-6-85-24c-00c0ffee/bert-tiny",
    }


def test_only_takes_ids_and_node_ids(checkout: Checkout) -> None:
    """By id, by name or by node id, blanks allowed; only these are stored."""
    run = checkout.run(benchmark(ONE), benchmark(TWO), benchmark(THREE))
    node_id = f"benchmarks/test_out_of_the_box.py::test_out_of_the_box[{THREE}]"
    assert checkout.accept(run, "--only", f"{ONE}, {node_id}").code == 0
    (accepted,) = accepted_runs(MACHINE, "bert-tiny", checkout.store)
    assert [result.id for result in accepted.results] == [ONE, THREE]
    assert accepted.accepted is not None
    assert accepted.accepted.whole is False


def test_only_with_an_unknown_word(checkout: Checkout) -> None:
    """The nearest names are offered; with nothing near, what there is."""
    run = checkout.run(benchmark(ONE), benchmark(TWO))
    (line,) = refused(checkout, run, "--only", f"onnxruntime-fp32-batch1-seq23,{TWO}")
    assert line.startswith(f"--only onnxruntime-fp32-batch1-seq23: no such benchmark in {run.name}; did you mean {ONE}")
    (line,) = refused(checkout, run, "--only", "zzz")
    assert line.endswith(f"possible: {ONE}, {TWO}")
    (line,) = refused(checkout, run, "--only", " , ")
    assert line == "--only names no benchmark; name them by id: --only ID,ID"
    other = checkout.run(benchmark(THREE), started_day=1)
    (line,) = refused(checkout, run, other, "--only", ONE)
    assert line == f"{other.name}: it holds none of the benchmarks of --only; leave this run out"


def test_the_newest_run_is_the_default(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a run the newest under runs/ is meant."""
    for day, name in enumerate(("20260301T120000Z_1a2b3c4d5e6f", "20260302T120000Z_1a2b3c4d5e6f")):
        checkout.run(started_day=day).rename(checkout.runs / name)
    monkeypatch.setattr("baselines.accepting.accept.run_path", lambda run: run_path(run, checkout.runs))
    assert checkout.accept().out.startswith("20260302T120000Z_1a2b3c4d5e6f: 1 of 1")


def test_an_unreadable_run_or_baseline(checkout: Checkout, tmp_path: Path) -> None:
    """One line with the file, exit 2: for the run, and for a damaged file among those accepted."""
    (line,) = refused(checkout, tmp_path / "nowhere")
    assert line == f"{tmp_path / 'nowhere'}: No such file or directory"
    checkout.accepted(1)
    path = next(checkout.store.rglob("*.json"))
    path.write_text(path.read_text()[:-20])
    (line,) = refused(checkout, checkout.run(started_day=1))
    assert line.startswith(f"{path}:")
    listed = checkout.baselines("list")
    assert listed.code == 2
    assert listed.err.startswith(f"error: {path}:")


def test_list(checkout: Checkout) -> None:
    """Every machine and model with its runs: when, which commit, how many benchmarks, which is the anchor, and why."""
    assert checkout.baselines("list").out.endswith(
        "no accepted run; accept one: python -m baselines accept RUN --reason TEXT\n"
    )
    checkout.accept(checkout.run(benchmark(ONE), benchmark(TWO)), reason="first")
    checkout.accept(
        checkout.run(benchmark(TWO), benchmark(THREE), started_day=1), "--only", f"{TWO},{THREE}", reason="and more"
    )
    ended = checkout.baselines("list")
    assert ended.code == 0
    head, columns, first, second = ended.out.splitlines()
    assert head == f"{MACHINE}  bert-tiny  2 accepted runs"
    assert columns.split() == ["run", "measured", "commit", "preset", "benchmarks", "anchor", "accepted", "reason"]
    assert re.fullmatch(r"  0001  2026-03-01  1a2b3c4d5e6f  quick   2 +all +20\d\d-\d\d-\d\d  first", first)
    assert re.fullmatch(
        r"  0002  2026-03-02  1a2b3c4d5e6f  quick   2 \(--only\)  1 of them  20\d\d-\d\d-\d\d  and more", second
    )
