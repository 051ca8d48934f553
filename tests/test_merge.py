"""`baselines merge`: one run of several parts, what it keeps of them, what it refuses; and the machine in a verdict."""

from __future__ import annotations

import json
import math
import statistics
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.__main__ import main
from baselines.comparing.comparison import compare
from baselines.comparing.confirmation_file import SUITE, Finding, read_findings, write_findings
from baselines.comparing.machines import policy_of
from baselines.files.reading_runs import read_run
from baselines.files.run_folder import RunFileError, newest_run
from baselines.judging.history import History
from baselines.judging.judgement import Verdict
from baselines.judging.policy import Policy
from baselines.judging.spread import spreads_of
from baselines.merging.merge import without_shard
from tests.builders import ONE, THREE, TWO, Checkout, benchmark, run_folder

FULLNAME = "benchmarks/test_out_of_the_box.py::test_out_of_the_box[{}]"
PLAN = "5a" * 32


def shard(index: int, of: int = 2, plan: str = PLAN) -> dict[str, Any]:
    """`run.shard`."""
    return {"index": index, "of": of, "plan_sha256": plan, "bridges": [FULLNAME.format(ONE)]}


def part(runs: Path, index: int, *benchmarks: dict[str, Any], of: int = 2, **changes: Any) -> Path:
    """A run that measured a part; parts began a day apart."""
    run = {"shard": shard(index, of), "arguments": f"benchmarks/ --shard {index}/{of}", **changes.pop("run", {})}
    return run_folder(runs, *benchmarks, run=run, started_day=changes.pop("started_day", index), **changes)


@pytest.fixture
def checkout(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Checkout:
    """A checkout and an empty store; comparisons of tests do not belong in the summary of a job."""
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    return Checkout(tmp_path / "checkout", capsys)


def merge(checkout: Checkout, *runs: Path) -> tuple[int, str, str]:
    """`python -m baselines merge`, into the runs of the checkout: exit code, output, errors."""
    checkout._capsys.readouterr()
    code = main(["merge", *map(str, runs), "--runs", str(checkout.runs)])
    printed = checkout._capsys.readouterr()
    return code, printed.out, printed.err


def two_parts(checkout: Checkout, *, ratio: float = 1.02, **changes: Any) -> tuple[Path, Path]:
    """ONE is a bridge, slower on the second machine; TWO and THREE are each in one part."""
    launches = {"extra_info": {"launches": [{"median_s": 0.01}, {"median_s": 0.01}]}}
    return (
        part(checkout.folder.parent / "a", 1, benchmark(ONE, 0.01, **launches), benchmark(TWO), **changes),
        part(checkout.folder.parent / "b", 2, benchmark(ONE, 0.01 * ratio), benchmark(THREE), **changes),
    )


def test_one_run_of_two_parts(checkout: Checkout) -> None:
    """Each benchmark once, with its part; a bridge with all launches; how far the machines lie apart, in file and words."""
    first, second = two_parts(checkout)
    code, out, err = merge(checkout, second, first)
    assert (code, err) == (0, "")
    folder = newest_run(checkout.runs)
    content = json.loads((folder / "run.json").read_text())
    assert {one["param"]: one["extra_info"]["part"] for one in content["benchmarks"]} == {ONE: 1, TWO: 1, THREE: 2}
    launches = content["benchmarks"][0]["extra_info"]["launches"]
    assert [(one["part"], one["median_s"]) for one in launches] == [(1, 0.01), (1, 0.01), (2, 0.0102)]
    run = content["run"]
    assert [(one["index"], one["run"], one["machine"]["kernel"]) for one in run["parts"]] == [
        (1, first.name, "6.1.0"),
        (2, second.name, "6.1.0"),
    ]
    assert "shard" not in run
    assert (run["arguments"], run["partial"], run["missing_parts"]) == ("benchmarks/", False, [])
    assert content["datetime"] == json.loads((first / "run.json").read_text())["datetime"]
    sd = statistics.stdev([math.log(0.01), math.log(0.0102)])
    assert run["bridges"]["pooled_sd"] == pytest.approx(sd)
    assert run["bridges"]["benchmarks"][FULLNAME.format(ONE)] == {
        "backend": "onnxruntime",
        "parts": [1, 2],
        "sd": pytest.approx(sd),
    }
    told = "bridges differ by 1.4 % (onnxruntime 1.4 %)"
    assert told in out
    for command in ("report", "compare", "accept"):
        assert f"python -m baselines {command} {folder}" in out
    assert [path.name for path in checkout.runs.iterdir()] == [folder.name], "nothing half-written is left"
    reported = checkout.baselines("report", folder)
    assert reported.code == 0, reported.err
    assert told in (folder / "report" / "report.md").read_text()


def test_a_merged_run_is_accepted_and_judges(checkout: Checkout) -> None:
    """It is one run of the baseline: later merged runs are compared with it benchmark by benchmark; a part alone is not."""
    first, second = two_parts(checkout)
    refused = checkout.accept(first)
    assert refused.code == 2
    assert "it is part 1 of 2, and the whole is accepted; make it: python -m baselines merge" in refused.err
    merge(checkout, first, second)
    accepted = checkout.accept(newest_run(checkout.runs))
    assert accepted.code == 0, accepted.err
    (stored,) = checkout.store.rglob("*.json")
    assert read_run(stored).bridges["degrees_of_freedom"] == 1
    compared = checkout.baselines("compare", second)
    assert compared.code == 0, compared.err
    assert "this is part 2 of 2 of a run" in compared.out
    later = merge(checkout, *two_parts_later(checkout))
    assert later[0] == 0, later[2]
    compared = checkout.baselines("compare", newest_run(checkout.runs))
    assert (compared.code, compared.err) == (0, "")
    assert "3 inconclusive" in compared.out


def two_parts_later(checkout: Checkout) -> list[Path]:
    """The same a week later."""
    return [
        part(checkout.folder.parent / str(index), index, benchmark(ONE, 0.01), benchmark(other), started_day=7)
        for index, other in ((1, TWO), (2, THREE))
    ]


def test_a_part_that_is_missing_is_named(checkout: Checkout) -> None:
    """What there is is merged; it is partial, says why, is not accepted whole, and never green: missing is red."""
    merge(checkout, *two_parts(checkout))
    assert checkout.accept(newest_run(checkout.runs)).code == 0
    runs = [part(checkout.folder.parent / f"of3-{index}", index, benchmark(ONE, 0.01), of=3) for index in (1, 3)]
    code, out, _ = merge(checkout, *runs)
    assert code == 0
    assert "part 2 of 3 is missing" in out
    merged = read_run(newest_run(checkout.runs) / "run.json")
    assert (merged.partial, merged.missing_parts) == (True, (2,))
    assert compare(merged.path, [], checkout.store).exit_code(strict=False) == 1
    assert "it was cut off" in checkout.accept(merged.path.parent).err
    checkout.baselines("report", merged.path.parent)
    assert "part 2 of 3 is missing" in (merged.path.parent / "report" / "report.md").read_text()


def test_a_plan_of_one_part_is_whole(checkout: Checkout) -> None:
    """A night on one machine takes the same steps: nothing is written."""
    run = part(checkout.folder.parent / "a", 1, benchmark(ONE), of=1)
    code, out, _ = merge(checkout, run)
    assert code == 0
    assert "this is the whole plan: nothing to merge" in out
    assert not checkout.runs.exists()
    assert checkout.accept(run).code == 0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"run": {"model": "bert-mini"}},
            "the parts are of different models: {a} has bert-tiny e5e226, {b} has bert-tiny c0ffee",
        ),
        ({"run": {"inputs": "text"}}, "the parts are of different inputs: {a} has seeded, {b} has text"),
        ({"run": {"preset": "default"}}, "the parts are of different presets: {a} has quick, {b} has default"),
        ({"commit_info": {"id": "f00d"}}, "the parts are of different commits: {a} has 1a2b3c4d5e6f7a8b9c0d, {b} has f00d"),
        ({"commit_info": {"dirty": True}}, "{b}: measured with uncommitted changes, so that nothing says"),
        (
            {"environment": {"python": "3.11.7", "packages": {"torch": {"version": "2.14.0"}}}},
            "the parts are of different environments: {a} and {b} have torch 2.13.0+cpu and 2.14.0",
        ),
        (
            {"machine_info": {"machine_id": "amd-1", "hard": {}, "soft": {}}},
            "the parts are of different machine types: {a} has amd-25-1-2c-0a1b2c3d, {b} has amd-1",
        ),
        (
            {"run": {"shard": shard(2, plan="77" * 32)}},
            "the parts are of different plans: {a} has 5a5a5a5a5a5a in 2 parts, {b} has 777777777777 in 2 parts",
        ),
        (
            {"run": {"shard": shard(2, of=3)}},
            "the parts are of different plans: {a} has 5a5a5a5a5a5a in 2 parts, {b} has 5a5a5a5a5a5a in 3 parts",
        ),
        ({"run": {"shard": shard(1)}}, "part 1 of 2 is there twice, as {a} and {b}, and one part is one piece of evidence"),
        ({"run": {"shard": {}}}, "{b}: it is no part of a run, it was measured without --shard; measure parts: pytest"),
        ({"run": {"parts": [{"index": 1}]}}, "{b}: it is merged already; name the parts that are to be one run"),
    ],
)
def test_what_is_refused(checkout: Checkout, changes: dict[str, Any], said: str) -> None:
    """One message with both values, the rule and what to type; nothing is written."""
    first = part(checkout.folder.parent / "a", 1, benchmark(ONE))
    model = {"model": {"name": "bert-tiny", "config_sha256": "c0ffee"}} if "bert-mini" in str(changes) else {}
    second = part(checkout.folder.parent / "b", 2, benchmark(ONE, extra_info=model), **changes)
    code, out, err = merge(checkout, first, second)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {said.format(a=first.name, b=second.name)}")
    assert len(err.splitlines()) == 1
    assert (
        ": pytest " in err or ", pytest " in err or "pytest benchmarks/ --shard" in err or "python -m baselines merge" in err
    )
    assert not checkout.runs.exists()


def test_one_part_is_not_merged(checkout: Checkout) -> None:
    """Nor is a bridge that was another benchmark elsewhere, apart from the CPUs that a machine gave to it."""
    first = part(checkout.folder.parent / "a", 1, benchmark(ONE))
    code, _, err = merge(checkout, first)
    assert code == 2
    assert err == "error: 1 part, and it takes two to merge; name all of them: python -m baselines merge RUN RUN ...\n"
    other = part(checkout.folder.parent / "b", 2, benchmark(ONE, configuration={"threads": 4}))
    code, _, err = merge(checkout, first, other)
    assert code == 2
    assert "is another benchmark in part 2 than in part 1: configuration.threads" in err
    elsewhere = part(checkout.folder.parent / "c", 2, benchmark(ONE, configuration={"cpus": [2, 3]}))
    assert merge(checkout, first, elsewhere)[0] == 0


def test_what_the_parts_said_of_their_ends(checkout: Checkout) -> None:
    """Left out, missing, failed and found by a duet: all of it is the whole run's; verdicts of parts are not."""
    bridge, two, three = (FULLNAME.format(one) for one in (ONE, TWO, THREE))
    verdicts = {
        "baseline": ["0001.json"],
        "judgements": {bridge: {"verdict": "regressed"}},
        "missing": {"gone": "not collected"},
    }
    first = part(
        checkout.folder.parent / "a",
        1,
        benchmark(ONE),
        run={"plan": {"budget_s": 60, "predicted_s": 50, "left_out": {two: 9.0, bridge: 1.0}}, "verdicts": verdicts},
    )
    second = part(
        checkout.folder.parent / "b",
        2,
        benchmark(ONE),
        run={
            "plan": {"budget_s": 60, "predicted_s": 40, "left_out": {bridge: 1.0}},
            "not_passed": {three: {"outcome": "failed", "reason": "x"}},
        },
    )
    write_findings(read_run(first / "run.json"), [Finding(fullname=bridge, cleared=True, reason="not slower beside it")])
    write_findings(read_run(second / "run.json"), [Finding(fullname=bridge, cleared=False, reason="slower beside it")])
    assert merge(checkout, first, second)[0] == 0
    merged = read_run(newest_run(checkout.runs) / "run.json")
    assert merged.left_out == {two: 9.0}
    assert merged.missing == {"gone": "not collected"}
    assert merged.judgements == {}
    assert merged.not_measured == {three: {"outcome": "failed", "reason": "x"}}
    found = read_findings(merged)[bridge]
    assert (found.cleared, found.reason) == (False, "part 1: not slower beside it; part 2: slower beside it")
    assert json.loads(merged.path.read_text())["run"]["plan"]["predicted_s"] == 90


def test_what_parts_compared_side_by_side_stays(checkout: Checkout) -> None:
    """A red of a part's own comparison is red in the whole; the suite is cleared only where every part cleared it."""
    name = benchmark(ONE)["fullname"]
    said = {"verdict": "regressed", "reason": "side by side", "evidence": "duet"}
    verdicts = {"baseline": ["0001.json"], "judgements": {name: said}}
    first = part(checkout.folder.parent / "a", 1, benchmark(ONE), run={"verdicts": verdicts})
    second = part(checkout.folder.parent / "b", 2, benchmark(TWO))
    write_findings(read_run(second / "run.json"), [Finding(fullname=SUITE, cleared=True, reason="all cleared")])
    assert merge(checkout, first, second)[0] == 0
    found = read_findings(read_run(newest_run(checkout.runs) / "run.json"))
    assert (found[name].slower, found[name].cleared) == (True, False)
    assert not found[SUITE].cleared


def test_a_machine_that_cannot_be_written_to(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    """One message, and nothing half-written."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("baselines.merging.merge.write_run", full)
    code, _, err = merge(checkout, *two_parts(checkout))
    assert code == 2
    assert "the merged run cannot be written: No space left on device; make room" in err
    assert list(checkout.runs.iterdir()) == []


@pytest.mark.parametrize("arguments", ["benchmarks/ --shard 1/2 -q", "benchmarks/ --shard=1/2 -q"])
def test_the_command_of_the_whole(arguments: str) -> None:
    """A printed command measures all of it."""
    assert without_shard(arguments) == "benchmarks/ -q"


# The machine as a level of variation


@given(
    st.lists(st.lists(st.floats(-0.2, 0.2), min_size=1, max_size=9), min_size=1, max_size=9),
    st.floats(0, 0.3),
)
def test_no_spread_is_below_what_bridges_show(benchmarks: list[list[float]], machine_sd: float) -> None:
    """However still the accepted runs lie; and where they spread more, nothing changes."""
    histories = {str(number): History(runs=tuple((value,) for value in runs)) for number, runs in enumerate(benchmarks)}
    before, after = spreads_of(histories, Policy()), spreads_of(histories, Policy(machine_sd=machine_sd))
    for name, spread in after.items():
        assert spread.run_variance == max(before[name].run_variance, machine_sd**2)
        assert spread.run_degrees_of_freedom == before[name].run_degrees_of_freedom


def test_machines_that_differ_turn_nothing_red(tmp_path: Path) -> None:
    """Seven per cent slower beside five runs that agree is red; not where a bridge says that machines lie 6 % apart."""
    accepted = [
        run_folder(tmp_path / "accepted", benchmark(ONE, 0.01 * (1 + 0.001 * day)), started_day=day) for day in range(5)
    ]
    alone = run_folder(tmp_path / "alone", benchmark(ONE, 0.0107), started_day=9)
    bridges = {"bridges": {"pooled_sd": 0.06, "degrees_of_freedom": 2}}
    merged = run_folder(tmp_path / "merged", benchmark(ONE, 0.0107), started_day=9, run=bridges)

    def verdict(run: Path) -> Verdict:
        ((_, judgement),) = compare(run, accepted, tmp_path / "no store").judgements.values()
        return judgement.verdict

    assert verdict(alone) is Verdict.REGRESSED
    assert verdict(merged) is Verdict.INCONCLUSIVE


def test_bridges_of_several_runs_are_pooled(tmp_path: Path) -> None:
    """By their degrees of freedom; runs of one machine have none."""
    words = [{"pooled_sd": 0.02, "degrees_of_freedom": 3}, {"pooled_sd": 0.06, "degrees_of_freedom": 1}, {"pooled_sd": None}]
    runs = [
        read_run(run_folder(tmp_path, run={"bridges": one}, started_day=day) / "run.json") for day, one in enumerate(words)
    ]
    assert policy_of(runs).machine_sd == pytest.approx(math.sqrt((3 * 0.02**2 + 0.06**2) / 4))
    assert policy_of(runs[2:]) == policy_of([]) == Policy()
    with pytest.raises(ValueError, match="machine_sd is -1"):
        Policy(machine_sd=-1)
    with pytest.raises(RunFileError):
        newest_run(tmp_path / "nothing")
