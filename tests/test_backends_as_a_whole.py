"""A backend that became slower as a whole: red beside the others, whatever mood the machine is in; else its level holds."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baselines.commands.confirm import confirm
from baselines.comparing.comparison import Comparison, compare
from baselines.confirming import duet_run
from baselines.files.store import accepted_runs
from baselines.judging.history import History
from baselines.judging.judgement import Against, Evidence, Judgement, SuiteShift, Verdict
from baselines.judging.policy import Policy
from baselines.judging.stored import judge_run
from baselines.judging.suite import backend_shifts, suite_shift
from baselines.report.view import view_of
from fixtures.gate.stored_verdicts import StoredVerdicts
from tests.builders import MACHINE, Checkout, benchmark

POLICY = Policy()
BACKENDS = ("onnxruntime", "openvino", "pytorch")
SIZES = (32, 64, 128)

Data = tuple[dict[str, tuple[float, ...]], dict[str, History], dict[str, str]]


def drawn(
    generator: np.random.Generator,
    *,
    shared: float,
    of_backend: tuple[float, ...],
    slower: float = 0.0,
    all_slower: float = 0.0,
    accepted: int = 8,
) -> Data:
    """A run and accepted runs of benchmarks of each backend, as logarithms.

    `shared` is how far runs differ by mood, `of_backend` what each backend has for itself, 1 % each benchmark; the first
    backend is `slower`, or all are.
    """
    count, each = len(of_backend), len(SIZES)
    y = generator.normal(0, shared, accepted + 1) + generator.normal(0, 0.01, (count, each, accepted + 1))
    y += np.array([generator.normal(0, sd, accepted + 1) for sd in of_backend])[:, None, :]
    y[0, :, -1] += math.log1p(slower)
    y[:, :, -1] += math.log1p(all_slower)
    names = {f"{backend} {size}": (backend, size) for backend in range(count) for size in range(each)}
    values = {name: y[place].tolist() for name, place in names.items()}
    histories = {name: History(runs=tuple((value,) for value in runs[:-1])) for name, runs in values.items()}
    return (
        {name: (runs[-1],) for name, runs in values.items()},
        histories,
        {name: str(one) for name, (one, _) in names.items()},
    )


def red(shifts: dict[str, SuiteShift]) -> set[str]:
    """The backends that are called slower."""
    return {name for name, shift in shifts.items() if shift.verdict is Verdict.REGRESSED}


@pytest.mark.parametrize("accepted", [5, 8])
@pytest.mark.parametrize(
    "words",
    [
        {"shared": 0.08, "of_backend": (0.02, 0.02, 0.02)},
        {"shared": 0.08, "of_backend": (0.02, 0.02)},
        {"shared": 0.08, "of_backend": (0.04, 0.005, 0.005)},
        {"shared": 0.08, "of_backend": (0.02, 0.02, 0.02), "all_slower": 0.2},
    ],
    ids=["three backends", "two", "one restless", "all became slower"],
)
def test_the_level(words: dict[str, Any], accepted: int) -> None:
    """With no minimum effect at all, unchanged backends of a moody machine are red one time in forty at 2.5 %."""
    policy = Policy(level=0.1, backend_level=0.025, suite_min_effect=0.0)
    generator = np.random.default_rng(5)
    alarms = sum(bool(red(backend_shifts(*used(drawn(generator, accepted=accepted, **words), policy)))) for _ in range(800))
    assert alarms <= 32  # 20 are expected at most; 32 or more have a chance of less than 1 %


def used(data: Data, policy: Policy) -> tuple[Any, Any, Policy, dict[str, str]]:
    """In the order of arguments."""
    measured, histories, backends = data
    return measured, histories, policy, backends


def test_everything_that_may_be_red_shares_one_level() -> None:
    """Benchmarks, backends and the suite together: at a level of 10 % and no minimum effects, runs of a moody machine."""
    policy = Policy(level=0.1, suite_level=0.025, backend_level=0.025, min_effect=0.0, suite_min_effect=0.0)
    assert policy.benchmark_level == pytest.approx(0.05)
    generator = np.random.default_rng(6)
    alarms = 0
    for _ in range(400):
        measured, histories, backends = drawn(generator, shared=0.03, of_backend=(0.01, 0.01, 0.01))
        said = judge_run(measured, histories, policy)
        alarms += (
            any(one.verdict is Verdict.REGRESSED for one in said.values())
            or suite_shift(measured, histories, policy).verdict is Verdict.REGRESSED
            or bool(red(backend_shifts(measured, histories, policy, backends)))
        )
    assert alarms <= 54  # 40 are expected at most


def test_found_where_no_benchmark_is() -> None:
    """A machine whose runs lie 8 % apart and whose backends share that: 8 % are found, and in no benchmark by itself."""
    generator = np.random.default_rng(7)
    found = single = others = 0
    for _ in range(100):
        measured, histories, backends = drawn(generator, shared=0.08, of_backend=(0.003,) * 3, slower=0.08)
        shifts = red(backend_shifts(measured, histories, POLICY, backends))
        found, others = found + ("0" in shifts), others + bool(shifts - {"0"})
        single += any(one.verdict is Verdict.REGRESSED for one in judge_run(measured, histories, POLICY).values())
    assert found >= 80
    assert single <= 5
    assert others == 0


@pytest.mark.parametrize(
    ("sizes", "backends", "accepted"), [((1, 3, 3), 3, 8), ((3,), 1, 8), ((3, 3), 2, 2)], ids=["one each", "alone", "2 runs"]
)
def test_what_cannot_be_compared(sizes: tuple[int, ...], backends: int, accepted: int) -> None:
    """A backend of one benchmark, a backend by itself, too few runs."""
    names = {f"{backend} {size}": str(backend) for backend in range(backends) for size in range(sizes[backend])}
    histories = {name: History(runs=((0.0,),) * accepted) for name in names}
    shifts = backend_shifts(dict.fromkeys(names, (0.0,)), histories, POLICY, names)
    assert set(shifts) == ({"1", "2"} if len(sizes) == 3 else set())


class Whole:
    """A checkout with eight accepted runs of changing mood."""

    MOODS = (1.0, 1.1, 0.92, 1.15, 0.9, 1.05, 0.95, 1.12)

    def __init__(self, checkout: Checkout) -> None:
        self.checkout = checkout
        for day, mood in enumerate(self.MOODS):
            ended = checkout.accept(self.run(day, {"onnxruntime": 1 + 0.002 * (day % 3)}, mood=mood), "--accept-regression")
            assert ended.code == 0, ended.err

    def benchmarks(self, slower: dict[str, float], mood: float) -> list[dict[str, Any]]:
        """Of every backend and size."""
        return [
            benchmark(f"{backend}-fp32-batch1-seq{size}", 0.01 * mood * slower.get(backend, 1.0))
            for backend in BACKENDS
            for size in SIZES
        ]

    def run(self, day: int, slower: dict[str, float], *, mood: float = 1.0) -> Path:
        """All benchmarks, those of some backends slower."""
        return self.checkout.run(
            *self.benchmarks(slower, mood), started_day=day, commit_info={"id": f"{day:02}a2b3c4d5e6f7"}
        )

    def compared(self, run: Path) -> Comparison:
        """With the accepted runs."""
        return compare(run, [], self.checkout.store)


@pytest.fixture
def whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Whole:
    """Eight accepted runs."""
    return Whole(Checkout(tmp_path / "checkout", capsys))


def test_a_backend_is_red(whole: Whole) -> None:
    """None of its benchmarks is, nor the suite; exit code, report and verdicts say so."""
    run = whole.run(20, {"pytorch": 1.08}, mood=1.05)
    comparison = whole.compared(run)
    assert {one.verdict for _, one in comparison.judgements.values()} == {Verdict.INCONCLUSIVE}
    assert comparison.shift.verdict is Verdict.INCONCLUSIVE
    assert comparison.slower_backends == ["pytorch"]
    (notice,) = [one for one in view_of(comparison).notices if "backend" in one]
    assert notice.startswith("a backend as a whole is slower: pytorch beside the other backends, the typical of its 3 bench")
    ended = whole.checkout.baselines("compare", run, "--format", "json")
    assert ended.code == 1
    assert '"backend_shifts": {' in ended.out


def test_a_slower_machine_is_no_backend(whole: Whole) -> None:
    """All of them twice as slow is the suite's finding alone."""
    comparison = whole.compared(whole.run(20, {}, mood=2.0))
    assert comparison.slower_backends == []
    assert comparison.shift.verdict is Verdict.REGRESSED


def test_in_a_session(whole: Whole) -> None:
    """At its end, when all benchmarks are known."""
    measured = whole.benchmarks({"pytorch": 1.08}, 1.05)
    accepted = accepted_runs(MACHINE, "bert-tiny", whole.checkout.store)
    gate = StoredVerdicts(accepted=accepted, selected=[one["fullname"] for one in measured])
    for one in measured:
        gate.judge(one, None, list)
    assert gate.slower_backends == []
    gate.finish()
    assert [one.reason[:29] for one in gate.slower_backends] == ["pytorch beside the other back"]
    assert gate.as_json()["backend_shifts"]["pytorch"]["verdict"] == "regressed"


@pytest.mark.parametrize(("verdict", "interval", "code"), [("passed", [0.99, 1.01], 0), ("regressed", [1.06, 1.1], 1)])
def test_a_duet_confirms_it(
    whole: Whole, monkeypatch: pytest.MonkeyPatch, verdict: str, interval: list[float], code: int
) -> None:
    """Its quickest benchmark speaks for its packages and code."""
    asked: list[str] = []
    reference = {"versions": {"torch": "2.13.0"}, "commit": "07a2b3c4d5e6f7"}

    def duet(names: list[str], *_: Any, **__: Any) -> dict[str, Any]:
        asked.extend(names)
        return {
            name: {"verdict": verdict, "ratio": interval[0] + 0.01, "interval": interval, "reference": reference}
            for name in names
        }

    monkeypatch.setattr(duet_run, "measured_in_a_duet", duet)
    run = whole.run(20, {"pytorch": 1.08}, mood=1.05)
    text, exit_code = confirm(run, whole.checkout.store, reference="accepted", checkout=whole.checkout.folder)
    assert (exit_code, len(asked)) == (code, 1)
    assert "pytorch" in asked[0]
    assert f"{'stays red' if code else 'cleared'}  pytorch as a whole: " in text.replace("cleared    ", "cleared  ")
    assert bool(whole.compared(run).slower_backends) == bool(code)


@pytest.fixture
def checkout_of_creep(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> StoredVerdicts:
    """Accepted runs of which all but the first, the anchor, are 8 % slower."""
    checkout, name = Checkout(tmp_path / "checkout", capsys), "onnxruntime-fp32-batch1-seq32"
    for day in range(9):
        run = checkout.run(
            benchmark(name, 0.0108 + day % 3 * 1e-5 if day else 0.01),
            started_day=day,
            commit_info={"id": f"{day:02}a2b3c4d5e6f7"},
        )
        assert checkout.accept(run, "--accept-regression").code == 0
    return StoredVerdicts(accepted=accepted_runs(MACHINE, "bert-tiny", checkout.store), selected=())


PASSED = Judgement(verdict=Verdict.PASSED, reason="as fast", evidence=Evidence.DUET, ratio=1.0, interval=(0.99, 1.01))


@pytest.mark.parametrize("left", [0, 1], ids=["all of it compared", "one of it not reached"])
def test_what_a_comparison_clears(whole: Whole, left: int) -> None:
    """A backend that is slower by stored numbers, where all that waited of it passed side by side; and not otherwise."""
    measured = whole.benchmarks({"pytorch": 1.08}, 1.05)
    gate = StoredVerdicts(accepted=accepted_runs(MACHINE, "bert-tiny", whole.checkout.store), selected=())
    for number, one in enumerate(measured):
        pytorch = "pytorch" in one["fullname"]
        gate.judge(one, None, list, "no time" if number == len(measured) - left else PASSED if pytorch else None)
    gate.finish()
    assert gate.backends["pytorch"].verdict is (Verdict.REGRESSED if left else Verdict.INCONCLUSIVE)
    assert [one.cleared for one in gate.findings] == [not left]


def test_creep_from_the_anchor_is_not_cleared_by_the_newest_state(checkout_of_creep: StoredVerdicts) -> None:
    """A comparison with the newest accepted run knows nothing of it: fresh launches decide."""
    asked: list[str] = []
    slow = benchmark("onnxruntime-fp32-batch1-seq32", 0.0108)
    judgement = checkout_of_creep.judge(slow, None, lambda: asked.append("fresh") or [slow, slow, slow], PASSED)
    assert asked == ["fresh"]
    assert (judgement.verdict, judgement.against) == (Verdict.REGRESSED, Against.ANCHOR), judgement.reason


def test_another_benchmark_of_the_same_name_is_not_compared(whole: Whole) -> None:
    """Whatever a comparison says of it, it is another one; and what is said of the whole does not fall over it."""
    measured = whole.benchmarks({}, 2.0)
    measured[0]["extra_info"]["configuration"]["cpus"] = [7]
    gate = StoredVerdicts(accepted=accepted_runs(MACHINE, "bert-tiny", whole.checkout.store), selected=())
    assert not gate.is_newest_of(measured[0], gate.accepted[-1])
    assert gate.is_newest_of(measured[1], gate.accepted[-1])
    assert not gate.is_newest_of(measured[1], gate.accepted[-2])
    said = [gate.judge(one, None, list, PASSED).verdict for one in measured]
    assert said[0] is Verdict.INCOMPARABLE
    gate.finish()
    assert gate.shift is not None
