"""The study of tune: what it records in pieces, what it replays on recorded launches and launch pairs, and what it says."""

from __future__ import annotations

import itertools
import json
import math
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from baselines.requesting.session import Wrong
from baselines.tuning.space import Candidate
from studies import loop, tune, tune_record
from studies.loop import StudyError
from studies.tune import main
from studies.tune_data import Data, for_searches
from studies.tune_record import CONFIGURATIONS, EQUAL, space_of
from studies.tune_replay import NOTHING, Recorded, choosers, replayed, replayed_on_nothing
from studies.tune_tables import show

LAYOUTS = [(None, 1), (1, 1), (1, 2)]
POSSIBLE = {
    "deployments": [
        {
            "backend": "onnxruntime",
            "precision": precision,
            "threads": threads,
            "instances": instances,
            "knobs": {},
            "batch_size": 8,
            "sequence_length": 32,
        }
        for precision in ("fp32", "int8")
        for threads, instances in LAYOUTS
    ],
    "knobs": {
        "onnxruntime": [
            ["spinning", "off"],
            ["huge_pages", "off"],
            ["huge_pages", "madvise"],
            ["malloc_thresholds", "raised"],
        ]
    },
    "costs_s": {"onnxruntime": 2.0},
}
ORIGIN: dict[str, Any] = {"study": "2026-11-27 12:00", "machine": "m", "versions": {"onnxruntime": "1.32.0"}}
FIRST_LOADED = 0.002
"""What the side that is loaded first loses, as a log ratio."""
NONE: dict[str, int] = {}


def truth(one: Candidate) -> float:
    """Seconds of a forward pass: int8 as it comes with madvised huge pages is the fastest."""
    layout = {(None, 1): 1.0, (1, 1): 1.9, (1, 2): 1.05}[one.threads, one.instances]
    knobs = {"off": 1.03, "madvise": 0.96, "raised": 1.02}
    return 0.02 * layout * (0.6 if one.precision == "int8" else 1.0) * math.prod(knobs[value] for _, value in one.knobs)


def launch_of(one: Candidate, noise: float = 0.0) -> dict[str, Any]:
    """The numbers of a launch."""
    median_s = truth(one) * math.exp(noise)
    said = {"median_s": median_s, "p99_s": median_s, "throughput_per_s": 8 / median_s, "cpu_s_per_sample": median_s}
    return {**said, "peak_rss_bytes": 1e8, "cosine": 1.0, "disturbed": None, "wall_s": 2.5}


def recorded(passes: int, *, old: bool = False, **origin: str) -> list[dict[str, Any]]:
    """As a machine would give them whose launches lie 5 % apart, and launch pairs 1 %; `old` ones all with the default."""
    chance = random.Random(11)  # noqa: S311 - noise, no secret
    space, every = space_of(POSSIBLE)
    common = {**ORIGIN, **origin}
    records = [{**common, "kind": "ready", "wall_s": 20.0, "costs_s": POSSIBLE["costs_s"]}]

    def pair(one: Candidate, reference: Candidate, number: int) -> dict[str, Any]:
        order = FIRST_LOADED if number % 2 == 0 else -FIRST_LOADED
        ratio = math.log(truth(one) / truth(reference)) + order + chance.gauss(0, 0.01)
        return {"log_ratio": ratio, "wall_s": 5.0, "others_share": 0.02}

    for number in range(passes):
        for one in every:
            what = {**common, "pass": number, "candidate": one.as_json()}
            if for_searches(number):
                records.append({**what, "kind": "launch", "said": launch_of(one, chance.gauss(0, 0.05))})
            reference = one.plain if one.knobs and not old else space.default
            beside = {} if old else {"reference": reference.as_json()}
            records.append({**what, **beside, "kind": "pair", "said": pair(one, reference, number)})
        for place in range(EQUAL * number, EQUAL * (number + 1)):
            said = pair(space.default, space.default, place)
            records.append({**common, "pass": number, "kind": "equal", "number": place, "said": said})
        records.append({**common, "pass": number, "kind": "passed"})
    return records


def without(records: list[dict[str, Any]], lost: Candidate) -> list[dict[str, Any]]:
    """The same where every launch of a configuration failed, in a launch pair too."""
    failed = {"failed": "it died", "wall_s": 1.0}
    return [{**one, "said": failed} if one.get("candidate") == lost.as_json() else one for one in records]


def written(records: list[dict[str, Any]], folder: Path) -> Path:
    """A file with these lines."""
    data = folder / "tune.jsonl"
    for one in records:
        loop.append(data, one)
    return data


@pytest.fixture
def origin(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What this machine is called; a test may change it."""
    mine = dict(ORIGIN)
    monkeypatch.setattr(tune, "origin_of", lambda _: dict(mine))
    return mine


class Session:
    """In place of the session that measures: it says what is asked of it, until Ctrl-C after so many requests."""

    def __init__(self, possible: dict[str, Any], most: float) -> None:
        self.possible = possible
        self.most = most
        self.closed = False

    def ask(self, do: str, **words: Any) -> Any:
        if do == "possible":
            return self.possible
        self.most -= 1
        if self.most < 0:
            raise KeyboardInterrupt
        if do == "launch":
            return [{**launch_of(Candidate.from_json(words["deployments"][0])), "disturbed": "by others", "cpus": [[0]]}]
        if words["measured"]["knobs"] == {"huge_pages": "off"}:
            raise Wrong("it died", "measured")
        return {"log_ratio": 0.01, "order": "measured first", "wall_s": 5.0, "others_share": 0.07, "threads_held": [2, 2]}

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch, origin: dict[str, Any]) -> list[Session]:
    """Those that `record` gets, one after the other."""
    waiting: list[Session] = []
    monkeypatch.setattr(tune_record, "started", lambda *_, **__: waiting.pop(0))
    return waiting


def test_the_space_is_all_that_a_search_may_choose() -> None:
    """48 configurations, each knob in each setting; with one thread nobody waits for another, and no knob says how."""
    space, every = space_of(POSSIBLE)
    assert len(every) == len(set(every)) == CONFIGURATIONS
    assert all(set(one.knobs) <= set(space.settings(one)) for one in every)
    assert not any("spinning" in dict(one.knobs) for one in every if one.threads == 1)
    assert (space.default.threads, space.default.precision) == (None, "fp32")


def test_each_half_has_either_order() -> None:
    """Of four passes one of each half loads the configuration first, of eight passes each half has either leader too."""
    for passes, cycle in ((4, 2), (8, 4), (12, 2)):
        for half in (True, False):
            numbers = [number % cycle for number in range(passes) if for_searches(number) is half]
            assert {numbers.count(one) for one in range(cycle)} == {passes // 2 // cycle}


def test_a_record_is_made_in_pieces(
    tmp_path: Path, sessions: list[Session], origin: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Cut off in its second pass, it goes on there: nothing is measured twice, and nothing that was measured is lost."""
    data = tmp_path / "tune.jsonl"
    command = ["record", "--data", str(data), "--passes", "4"]
    first, second = Session(POSSIBLE, 48 * 2 + EQUAL + 30), Session(POSSIBLE, math.inf)
    sessions += [first, Session(POSSIBLE, math.inf), second]
    assert main(command) == 130
    assert first.closed
    assert "go on: python -m studies.tune record --go-on --passes 4" in capsys.readouterr().err
    before = loop.records_in(data)
    assert [one["kind"] for one in before].count("passed") == 1
    origin["study"] = "2026-11-27 13:00"
    assert main([*command, "--go-on", "--minutes", "0"]) == 0
    assert "0 minutes are over, in pass 2 of 4; go on: " in capsys.readouterr().err
    assert main([*command, "--go-on"]) == 0
    records = loop.records_in(data)
    assert records[: len(before)] == before
    assert {one["study"] for one in records} == {"2026-11-27 12:00"}
    pairs = [(one["pass"], json.dumps(one["candidate"])) for one in records if one["kind"] == "pair"]
    assert len(pairs) == len(set(pairs)) == 4 * CONFIGURATIONS
    assert [one["number"] for one in records if one["kind"] == "equal"] == list(range(4 * EQUAL))
    assert {one["pass"] for one in records if one["kind"] == "launch"} == {0, 1}
    assert Data.of(records).passes == 4
    assert len(Data.of(records).failed) == 6
    assert {one["said"].get("disturbed") for one in records if one["kind"] == "launch"} == {"by others"}
    assert main([*command, "--go-on"]) == 2
    assert "has 4 passes; more of them: python -m studies.tune record --go-on --passes 8" in capsys.readouterr().err


def test_what_is_not_recorded(
    tmp_path: Path, sessions: list[Session], origin: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Another number of configurations than it says; another release goes on with nothing; passes come in fours."""
    data = tmp_path / "tune.jsonl"
    command = ["record", "--data", str(data), "--go-on"]
    fewer = {**POSSIBLE, "knobs": {"onnxruntime": POSSIBLE["knobs"]["onnxruntime"][:3]}}  # type: ignore[index]
    sessions += [Session(fewer, 0), Session(fewer, 0), Session(POSSIBLE, math.inf)]
    assert main(command) == 2
    assert "24 configurations are possible here and not 48" in capsys.readouterr().err
    assert not data.exists()
    assert main([*command, "--configurations", "24"]) == 130
    assert "--configurations 24" in capsys.readouterr().err
    origin |= {"study": "2026-11-27 13:00", "versions": {"onnxruntime": "1.33.0"}}
    assert main([*command, "--passes", "4"]) == 0
    assert "nothing was recorded on this machine with these versions" in capsys.readouterr().err
    assert {one["study"] for one in loop.records_in(data) if one["kind"] == "passed"} == {"2026-11-27 13:00"}
    assert main(["record", "--passes", "6"]) == 2
    assert "passes come in fours" in capsys.readouterr().err


def test_searches_are_replayed_on_what_was_recorded() -> None:
    """They lose less than random launches, at two fifths of the cost; where nothing helps, nothing is chosen."""
    data = Data.of(recorded(8))
    assert min(data.truth, key=lambda one: data.truth[one]).precision == "int8"
    assert data.cost_s == pytest.approx(4 * 48 * 5.0), "the launch pairs that tell the best"
    assert data.budget_s == pytest.approx(0.4 * 960 - 30 - 20), "less what a session takes to begin and to end"
    assert 0.008 < data.spread < 0.012
    found = list(replayed(data, 6, NONE))
    assert all(one["share"] <= 0.4 for one in found if one["how"] == "tune")
    lost = {how: sum(one["regret"] for one in found if one["how"] == how) / 6 for how in choosers()}
    assert lost["tune"] < 0.03
    assert lost["tune"] <= lost["random launches"]
    nothing = list(replayed_on_nothing(data, 6, NONE))
    ended = {how: sum(one["default"] for one in nothing if one["how"] == how + NOTHING) for how in choosers()}
    assert ended["tune"] >= 5
    assert ended["random launches"] <= 3, "the luckiest launch"


def test_a_study_that_measured_all_beside_the_default_is_read(
    tmp_path: Path, sessions: list[Session], capsys: pytest.CaptureFixture[str]
) -> None:
    """As the first ones did: what is on record stays of use, and no other study goes on with it."""
    data = Data.of(recorded(8, old=True))
    assert set(data.references.values()) == {data.space.default}
    assert all(
        data.truth[one] == pytest.approx(math.log(truth(one) / truth(data.space.default)), abs=0.02) for one in data.truth
    )
    assert len(list(replayed(data, 1, NONE))) == len(choosers())
    file = written(recorded(4, old=True), tmp_path)
    sessions.append(Session(POSSIBLE, math.inf))
    assert main(["record", "--data", str(file), "--go-on", "--passes", "4", "--minutes", "0"]) == 0
    assert "nothing was recorded on this machine" in capsys.readouterr().err


def test_where_knobs_do_nothing_it_is_real_launch_pairs_that_are_seen() -> None:
    """Were the default 5 % faster than itself, as it can be where something is wrong, a search would end with a knob."""
    records = [
        {**one, "said": {**one["said"], "log_ratio": one["said"]["log_ratio"] - 0.05}} if one["kind"] == "equal" else one
        for one in recorded(8)
    ]
    found = [one for one in replayed_on_nothing(Data.of(records), 3, NONE) if one["how"] == "tune" + NOTHING]
    assert len(found) == 3
    assert not any(one["default"] for one in found)


def test_launch_pairs_are_loaded_in_the_order_that_was_asked_for() -> None:
    """An even number has the measured side loaded first, also where on record it is the reference."""
    exact = [
        {**one, "said": {**one["said"], "log_ratio": 0.3 + (0.02 if one["pass"] % 2 == 0 else -0.02)}}
        if one["kind"] == "pair"
        else one
        for one in recorded(8)
    ]
    data = Data.of(exact)
    measurer = Recorded(data=data, chance=random.Random(1))  # noqa: S311
    default, other = data.space.default, next(one for one in data.space.plain if one != data.space.default)
    for number in range(8):
        sign = 1 if number % 2 == 0 else -1
        turned = other.turned(("huge_pages", "madvise"))
        assert measurer.pair(turned, other, number, "latency")["log_ratio"] == pytest.approx(0.3 + sign * 0.02)
        assert measurer.pair(other, turned, number, "latency")["log_ratio"] == pytest.approx(-0.3 + sign * 0.02)
        assert measurer.pair(turned, default, number, "latency")["log_ratio"] == pytest.approx(0.6 + sign * 0.04)
        assert measurer.pair(other, default, number, "latency")["log_ratio"] == pytest.approx(0.3 + sign * 0.02)
        assert measurer.pair(default, other, number, "latency")["log_ratio"] == pytest.approx(-0.3 + sign * 0.02)
    assert data.spread == pytest.approx(0, abs=1e-12), "the order of loading is no spread"


def test_what_failed_in_the_record_fails_again() -> None:
    """A launch says so, a launch pair raises; no search ends with it, and none ends with a traceback."""
    lost = Candidate.from_json({**POSSIBLE["deployments"][3], "knobs": {"huge_pages": "madvise"}})  # type: ignore[index]
    data = Data.of(without(recorded(8), lost))
    assert list(data.failed) == [lost]
    measurer = Recorded(data=data, chance=random.Random(1))  # noqa: S311
    assert measurer.launch([lost]) == [{"failed": "it died", "wall_s": 1.0, "number": 0}]
    with pytest.raises(Wrong, match="it died"):
        measurer.pair(lost, lost.plain, 0, "latency")
    assert measurer.elapsed_s == 2.0
    assert lost.as_json() not in [one["chosen"] for one in replayed(data, 3, NONE)]
    with pytest.raises(StudyError, match="the default, onnxruntime fp32, default threads, batch 8: it died"):
        Data.of(without(recorded(4), data.space.default))


def test_replays_are_on_record_once(
    tmp_path: Path, origin: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second replay adds the searches that there were not; a study that is too short is told, and stops no other."""
    monkeypatch.setattr("studies.tune.replayed", lambda _, searches, done: fakes("tune", searches, done))
    monkeypatch.setattr("studies.tune.replayed_on_nothing", lambda _, searches, done: fakes("nothing", searches, done))
    data = written([*recorded(3, study="2026-11-26 12:00"), *recorded(4)], tmp_path)
    for searches, there in ((2, 4), (2, 4), (3, 6)):
        assert main(["replay", "--data", str(data), "--searches", str(searches)]) == 0
        assert "study 2026-11-26 12:00: 3 whole passes are on record; a half needs two" in capsys.readouterr().err
        assert len([one for one in loop.records_in(data) if one["kind"] == "replay"]) == there
    assert main(["show", "--data", str(data)]) == 0
    shown = capsys.readouterr().out
    assert "Recorded 2026-11-26 12:00 on m, onnxruntime 1.32.0: 3 whole passes" in shown
    assert "| tune | 3 |" in shown
    short = written(recorded(3), tmp_path / "short")
    for file in (short, tmp_path / "none.jsonl"):
        assert main(["replay", "--data", str(file)]) == 2
        assert "measure the space first: python -m studies.tune record" in capsys.readouterr().err


def fakes(how: str, searches: int, done: dict[str, int]) -> list[dict[str, Any]]:
    """Searches that nobody ran."""
    return [{"how": how, "chosen": {}, "regret": 0.01, "share": 0.3}] * (searches - done.get(how, 0))


def test_a_search_that_crashed_has_no_answer(
    tmp_path: Path, origin: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 1 with a traceback is no answer, and least of all that of the search before it."""
    data, asked = written(recorded(4), tmp_path), list[list[str]]()
    best = {**POSSIBLE["deployments"][3], "knobs": {"huge_pages": "madvise"}}  # type: ignore[index]

    def run(command: list[str], **_: Any) -> Any:
        asked.append(command)
        if len(asked) == 1:
            run_folder = Path(command[command.index("--runs") + 1]) / "20261127T120000Z_abc"
            run_folder.mkdir(parents=True)
            answer = {"answers": [{"best": best, "settled": False}]}
            (run_folder / "tuning.json").write_text(json.dumps(answer))
        return SimpleNamespace(returncode=1, stdout="what it printed")

    monkeypatch.setattr(loop, "FOLDER", tmp_path)
    monkeypatch.setattr(tune.subprocess, "run", run)
    assert main(["whole", "--data", str(data)]) == 2
    assert "a search ended with 1 and left 0 answers:\nwhat it printed" in capsys.readouterr().err
    (ended,) = [one for one in loop.records_in(data) if one["kind"] == "whole"]
    assert (ended["chosen"], ended["settled"], ended["passes"]) == (best, False, 4)
    assert asked[0][asked[0].index("--budget") + 1] == "192s"
    assert "| no | 0.00% |" in "\n".join(show(loop.records_in(data)))
    origin["machine"] = "another"
    assert main(["whole", "--data", str(data)]) == 2
    assert "no four passes are on record of this machine with onnxruntime 1.32.0" in capsys.readouterr().err


def test_what_is_shown() -> None:
    """The record and what disturbed it, a row for each way of searching and one for all launch pairs, and the others."""
    records = recorded(4)
    data = Data.of(records)
    origin = {**ORIGIN, "study": "2026-11-27 13:00", "of": "2026-11-27 12:00", "passes": 4}
    best = min(data.truth, key=lambda one: data.truth[one]).as_json()
    records += [{**origin, "kind": "replay", **one} for one in replayed_on_nothing(data, 2, NONE)]
    one = {**origin, "kind": "replay", "how": "tune", "chosen": best, "regret": 0.02, "share": 0.4}
    records += [one, {**one, "share": 0.2}, {**one, "passes": 8, "share": 0.9}]
    records.append({**origin, "kind": "whole", "chosen": best, "regret": 0.0, "share": 0.38, "settled": True})
    launches, pairs = ([one for one in records if one["kind"] == kind] for kind in ("launch", "pair"))
    launches[0]["said"]["disturbed"] = "other processes kept 9% of its CPUs' time from it (limit 5%)"
    pairs[7]["said"]["others_share"] = 0.31
    text = "\n".join(show(records))
    assert "48 configurations, 4 passes" in text
    assert "The cost is what the launch pairs of the other two took, by which the best of all can be told: 8 min." in text
    assert "Launches: 96, of which 1 were disturbed and 0 failed. Launch pairs: 216, of which 0 failed. In 1 of them" in text
    assert "for more than 5% of the time, and for 31% at the most." in text
    assert "| tune | 2 | 2.02% | 2.02% to 2.02% | 2.02% | 0 | 30% | 40% |" in text
    (everything,) = [line for line in text.splitlines() if line.startswith("| everything, at the full cost | 1 | ")]
    assert everything.endswith("| 100% | 100% |")
    assert "| where the knobs do nothing | searches | end with the default |" in text
    assert "the same 24 launch pairs" in text
    assert "| yes | 0.00% | 38% |" in text
    with pytest.raises(StudyError, match="a half needs two"):
        Data.of(recorded(2))


def test_the_best_of_all_launch_pairs() -> None:
    """By their means over the passes for searches alone."""
    data = Data.of(recorded(8))
    alone = {one: sum(said["log_ratio"] for said in pairs) for one, pairs in data.pairs.items()}
    means = {one: sum(alone[step] for step in data.steps(one)) for one in data.pairs}
    assert all(len(pairs) == 4 for pairs in data.pairs.values())
    assert data.by_everything == min(means, key=lambda one: means[one])
    assert len(list(itertools.chain(*data.launches.values()))) == 4 * CONFIGURATIONS
