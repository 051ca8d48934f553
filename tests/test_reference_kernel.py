"""The reference kernel: frozen, pinned, stopped between turns; and used only where accepted runs prove that it helps."""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
import math
import os
import random
import signal
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from baselines.comparing.comparison import Comparison, compare
from baselines.comparing.kernel_movement import movements
from baselines.comparing.reference_kernel import PROVING_RUNS, kernel_in
from baselines.files.reading_benchmarks import result_of
from baselines.files.reading_runs import read_run
from baselines.files.result import KERNEL_PARTS, KernelTimes
from baselines.files.run_folder import RunFileError
from baselines.judging.judgement import Verdict
from baselines.report.view import view_of
from fixtures.gate.stored_verdicts import StoredVerdicts
from fixtures.instance.handle import InstanceFailure
from fixtures.machine.topology import Topology
from fixtures.measurement.effort import MOST_SLICES
from fixtures.measurement.reference_kernel import ReferenceKernel
from fixtures.worker import frozen_work
from fixtures.worker.frozen_work import FrozenWork
from tests.builders import ONE, TWO, Checkout, benchmark, run_folder
from tests.suite import OUT_OF_THE_BOX, SHORT, Suite, instances_of, orphans, wait_until

TURN = {"gemm": 0.007, "copy": 0.02}
CPUS = Topology.of_this_process().usable_cpus
FROZEN = {2: "3158641830e82752"}
"""The beginning of the SHA-256 of frozen_work.py's text, by version of the kernel."""


class TestFrozenWork:
    """What the kernel's process does."""

    def test_no_change_without_a_new_version(self) -> None:
        """Accepted runs hold its times for years: whoever changes the file raises VERSION and adds a line to FROZEN."""
        digest = hashlib.sha256(Path(frozen_work.__file__).read_bytes()).hexdigest()
        assert digest.startswith(FROZEN[frozen_work.VERSION]), digest

    def test_the_products_are_those_of_a_layer(self) -> None:
        """2 x tokens x weights of one layer of BERT-base in FLOP, and the results are those of the products."""
        work = FrozenWork()
        shapes = [(left.shape, right.shape) for left, right, _ in work._products]
        assert sum(2 * rows * inner * columns for (rows, inner), (_, columns) in shapes) == 2 * 128 * 12 * 768**2
        work.layer()
        left, right, found = work._products[-1]
        assert float(abs(found[0, 0] - left[0] @ right[:, 0])) < 1e-3 * abs(float(left[0] @ right[:, 0])) + 1e-3

    def test_a_turn_times_each_part(self) -> None:
        """Seconds of a round, for the parts that results and reports know."""
        turn = FrozenWork().turn(0.05)
        assert tuple(turn) == KERNEL_PARTS
        assert all(0 < seconds < 10 for seconds in turn.values())

    @pytest.mark.parametrize(("beside_s", "gemm_s"), [(0.01, 0.04), (0.1, 0.1), (7.0, 0.25)])
    def test_it_is_timed_for_as_long_as_the_slices(
        self, monkeypatch: pytest.MonkeyPatch, beside_s: float, gemm_s: float
    ) -> None:
        """Within bounds: less would be noise of its own, more would take too long."""
        asked: list[float] = []
        monkeypatch.setattr(frozen_work, "timed", lambda _, for_s: asked.append(for_s) or 1.0)
        FrozenWork().turn(beside_s)
        assert asked == [gemm_s, frozen_work.COPY_S]


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[ReferenceKernel]:
    """A reference kernel, ended at last."""
    made = ReferenceKernel(folder=tmp_path)
    yield made
    made.close()


class TestProcess:
    """The kernel's own process."""

    def test_pinned_and_stopped(self, kernel: ReferenceKernel, tmp_path: Path) -> None:
        """Its threads keep to the CPUs that are measured, and it is stopped from one turn to the next."""
        first = kernel.turn(CPUS[:1], 0.05)
        (pid,) = instances_of(os.getpid())
        assert os.sched_getaffinity(pid) == {CPUS[0]}
        state = Path(f"/proc/{pid}/stat")
        wait_until(lambda: state.read_text().rpartition(")")[2].split()[0] == "T", "SIGSTOP to arrive")
        turns = [first, kernel.turn(CPUS[:1], 0.05)]
        words = kernel.as_json(turns, [0.01])
        assert (words["cpus"], words["turns_s"], words["slices_s"]) == (1, turns, [0.01])
        assert {"version", "numpy", "blas"} <= set(words)
        kernel.close()
        assert not orphans(tmp_path)

    def test_its_end_is_a_failure_that_names_it(self, kernel: ReferenceKernel, tmp_path: Path) -> None:
        """Killed between two turns it is no result, and the next turn starts another one."""
        kernel.turn(CPUS[:1], 0.05)
        (pid,) = instances_of(os.getpid())
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not instances_of(os.getpid()), "the kernel's end")
        try:
            kernel.turn(CPUS[:1], 0.05)
        except InstanceFailure as failure:
            assert "the reference kernel" in str(failure)  # noqa: PT017 - either is right: it may have been seen already
        assert kernel.turn(CPUS[:1], 0.05)["gemm"] > 0
        kernel.close()
        assert not orphans(tmp_path)


def with_kernel(benchmark_id: str, median_s: float, gemm_s: float, *, numpy: str = "2.4.6", steady: bool = True) -> Any:
    """A benchmark with one launch, in one slice between two turns of the kernel."""
    turns = [{"gemm": gemm_s * (1 if steady else 1.5) ** number, "copy": 0.02} for number in (0, 1)]
    words = {"version": 2, "numpy": numpy, "blas": "openblas 0.3", "cpus": 2, "turns_s": turns, "slices_s": [median_s]}
    launch = {"median_s": median_s, "throughput_per_s": 1 / median_s, "rounds": 5, "reference_kernel": words}
    return benchmark(benchmark_id, median_s, extra_info={"launches": [launch]})


def moody(seed: int, count: int, *, of_kernel: float = 1.0) -> list[tuple[float, float, float]]:
    """Per run what a machine of changing mood makes of two benchmarks and of the kernel, as factors."""
    chance = random.Random(seed)  # noqa: S311 - chance, not secrecy
    found = []
    for _ in range(count):
        mood = chance.gauss(0, 0.10)
        own = [chance.gauss(0, 0.005) for _ in range(3)]
        found.append((math.exp(mood + own[0]), math.exp(mood + own[1]), math.exp(of_kernel * mood + own[2])))
    return found


def compared(folder: Path, accepted: Sequence[tuple[float, float, float]], measured: Sequence[Any]) -> Comparison:
    """A run of benchmarks judged against runs of ONE and TWO at 10 and 20 ms, the kernel at 7 ms, times those factors."""
    baseline = [
        run_folder(
            folder / "accepted",
            *(with_kernel(ONE, 0.01 * one, 0.007 * kernel), with_kernel(TWO, 0.02 * two, 0.007 * kernel)),
            started_day=day,
        )
        for day, (one, two, kernel) in enumerate(accepted)
    ]
    return compare(run_folder(folder / "runs", *measured, started_day=40), baseline, folder / "none")


def verdicts(comparison: Comparison) -> dict[str, tuple[Verdict, str | None]]:
    """By id, the verdict and the part of the kernel behind it."""
    return {result.id: (one.verdict, one.reference_kernel) for result, one in comparison.judgements.values()}


def test_each_slice_is_compared_with_the_turns_beside_it() -> None:
    """A mood that comes and goes within a launch leaves the ratio as it was; so does a slice that was hit alone."""
    moods = [1.0, 1.0, 3.0, 3.0, 3.0, 1.0]
    turns = tuple({"gemm": 0.007 * mood, "copy": 0.02} for mood in moods)
    slices_s = [0.014 * math.sqrt(before * after) for before, after in itertools.pairwise(moods)]
    slices_s[0] *= 20
    times = KernelTimes(identity="", turns_s=turns, slices_s=tuple(slices_s))
    assert math.exp(times.log_ratio("gemm")) == pytest.approx(2.0)
    middle_three = sorted(map(math.log, slices_s))[1:-1]
    assert times.log_ratio("copy") == pytest.approx(statistics.fmean(middle_three) - math.log(0.02))


class TestProof:
    """Whether the ratio is used."""

    def test_a_shared_mood_is_taken_off(self, tmp_path: Path) -> None:
        """A machine 15 % slower is no regression, a benchmark 20 % slower beside it is one; both say how they know."""
        found = compared(tmp_path, moody(1, 6), [with_kernel(ONE, 0.0115, 0.00805), with_kernel(TWO, 0.0276, 0.00805)])
        assert verdicts(found) == {ONE: (Verdict.PASSED, "gemm"), TWO: (Verdict.REGRESSED, "gemm")}
        reasons = [one.reason for _, one in found.judgements.values()]
        assert all("as a ratio to the reference kernel (gemm)" in reason for reason in reasons)
        said = dict(view_of(found).facts)
        assert "reference kernel" not in said, "four turns say nothing of the machine"

    def test_without_it_the_same_runs_cannot_tell(self, tmp_path: Path) -> None:
        """A run that carries no kernel is compared by its times."""
        bare = [benchmark(ONE, 0.0115), benchmark(TWO, 0.0276)]
        found = verdicts(compared(tmp_path, moody(1, 6), bare))
        assert {part for _, part in found.values()} == {None}
        assert found[TWO][0] is Verdict.INCONCLUSIVE

    def test_another_kernel_is_not_compared(self, tmp_path: Path) -> None:
        """With another numpy its times mean something else."""
        found = verdicts(compared(tmp_path, moody(1, 6), [with_kernel(ONE, 0.01, 0.007, numpy="3.0.0")]))
        assert found[ONE][1] is None

    @pytest.mark.parametrize(("runs", "of_kernel"), [(PROVING_RUNS - 1, 1.0), (6, 0.0)], ids=["too few runs", "of no help"])
    def test_not_proven(self, tmp_path: Path, runs: int, of_kernel: float) -> None:
        """Too few runs prove nothing, and a kernel that knows nothing of the benchmarks' mood is left out."""
        found = compared(tmp_path, moody(2, runs, of_kernel=of_kernel), [with_kernel(ONE, 0.01, 0.007)])
        assert verdicts(found)[ONE][1] is None

    def test_one_run_does_not_decide(self, tmp_path: Path) -> None:
        """A single slow day that the kernel shared makes no proof: without that day nothing is left of it."""
        quiet = moody(3, 6, of_kernel=0.0)
        calm = [(one**0.05, two**0.05, kernel) for one, two, kernel in quiet]
        found = compared(tmp_path, [*calm, (2.0, 2.0, 2.0)], [with_kernel(ONE, 0.01, 0.007)])
        assert verdicts(found)[ONE][1] is None
        proofs = {proof.backend: proof for proof in kernel_in(found.past).proofs}
        assert proofs["onnxruntime"].ratio_sd < 0.5 * proofs["onnxruntime"].alone_sd

    def test_the_false_alarms_stay_within_the_level(self, tmp_path: Path) -> None:
        """Of 30 runs of such a machine, each judged against six others, hardly any has a regressed benchmark."""
        red = 0
        for seed in range(30):
            *accepted, (one, two, kernel) = moody(100 + seed, 7)
            measured = [with_kernel(ONE, 0.01 * one, 0.007 * kernel), with_kernel(TWO, 0.02 * two, 0.007 * kernel)]
            found = compared(tmp_path / str(seed), accepted, measured)
            red += any(verdict is Verdict.REGRESSED for verdict, _ in verdicts(found).values())
        assert red <= 1


class TestGate:
    """The same within a session."""

    def accepted(self, folder: Path) -> list[Any]:
        """Six accepted runs of a machine of changing mood."""
        return [
            read_run(
                run_folder(folder, with_kernel(ONE, 0.01 * one, 0.007 * kernel), started_day=day, run={"partial": False})
                / "run.json"
            )
            for day, (one, _, kernel) in enumerate(moody(1, 6))
        ]

    def test_fresh_launches_are_ratios_too(self, tmp_path: Path) -> None:
        """A suspect and its fresh launches are divided by the kernel of their own launch."""
        name = benchmark(ONE)["fullname"]
        gate = StoredVerdicts(accepted=self.accepted(tmp_path), selected=[name])
        slow = with_kernel(ONE, 0.018, 0.0105)
        judgement = gate.judge(slow, None, lambda: [slow, slow])
        assert (judgement.verdict, judgement.reference_kernel) == (Verdict.REGRESSED, "gemm")
        assert judgement.ratio == pytest.approx(1.2, rel=0.05)
        assert gate.as_json()["reference_kernel"][0].startswith("onnxruntime: ")

    def test_fresh_launches_without_it_turn_nothing_red(self, tmp_path: Path) -> None:
        """They cannot be put beside ratios."""
        gate = StoredVerdicts(accepted=self.accepted(tmp_path), selected=[benchmark(ONE)["fullname"]])
        slow = with_kernel(ONE, 0.018, 0.0105)
        judgement = gate.judge(slow, None, lambda: [benchmark(ONE, 0.018)])
        assert judgement.verdict is Verdict.INCONCLUSIVE


class TestHealth:
    """The kernel's own movement says how steady the machine was."""

    def test_an_unsteady_run_is_no_baseline(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Refused with the numbers, while the same run on a steady machine is accepted; the report says it too."""
        checkout = Checkout(tmp_path / "checkout", capsys)
        ids = [f"onnxruntime-fp32-batch1-seq{length}" for length in (32, 64, 128, 256, 512)]
        steady = checkout.run(*(with_kernel(one, 0.01, 0.007) for one in ids))
        assert checkout.accept(steady).code == 0
        unsteady = checkout.run(*(with_kernel(one, 0.01, 0.007, steady=False) for one in ids), started_day=1)
        ended = checkout.accept(unsteady)
        assert ended.code == 2
        assert "the machine was not steady, by the reference kernel: gemm 8.75 ms" in ended.err
        assert "its slow turns 50% above its quick ones (limit 25%)" in ended.err
        view = view_of(compare(unsteady, [], checkout.store))
        assert any("the machine was not steady in this run" in notice for notice in view.notices)
        assert "gemm 8.75 ms" in dict(view.facts)["reference kernel"]

    def test_few_turns_say_nothing(self, tmp_path: Path) -> None:
        """Quartiles of a handful are single turns."""
        run = read_run(run_folder(tmp_path, with_kernel(ONE, 0.01, 0.007, steady=False)) / "run.json")
        assert movements(run.results) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (7, "reference_kernel is no object with slices_s and turns_s, of which there is one more"),
        ({"turns_s": [{}], "slices_s": []}, "reference_kernel is no object with slices_s and turns_s"),
        ({"turns_s": [{}], "slices_s": [1.0]}, "reference_kernel is no object with slices_s and turns_s"),
        ({"turns_s": [TURN, TURN], "slices_s": [-1]}, "reference_kernel.slices_s.0 is -1, not a positive"),
        ({"turns_s": [TURN, {**TURN, "copy": "x"}], "slices_s": [1.0]}, 'turns_s.copy is "x", not a positive'),
    ],
)
def test_what_is_wrong_with_a_file(tmp_path: Path, words: object, said: str) -> None:
    """Named with its place, as everywhere."""
    made = copy.deepcopy(with_kernel(ONE, 0.01, 0.007))
    made["extra_info"]["launches"][0]["reference_kernel"] = words
    with pytest.raises(RunFileError, match="launches"):
        read_run(run_folder(tmp_path / "a", made) / "run.json")
    try:
        read_run(run_folder(tmp_path / "b", made) / "run.json")
    except RunFileError as error:
        assert said in str(error)  # noqa: PT017 - raised above


@pytest.mark.every_cpu
def test_a_run_with_it(suite: Suite) -> None:
    """Every launch carries the kernel's turns on its CPUs, results read back, and no process is left."""
    arguments = ("--model=bert-tiny", "--backends=onnxruntime", "--batch-sizes=1", "--sequence-lengths=32,64")
    ended = suite(OUT_OF_THE_BOX, *SHORT, *arguments, "--reference-kernel", "--benchmark-max-time=0.3")
    assert ended.code == 0, ended.text
    for one in ended.benchmarks.values():
        (launch,) = one["extra_info"]["launches"]
        words = launch["reference_kernel"]
        assert 1 < len(words["slices_s"]) <= MOST_SLICES
        assert len(words["turns_s"]) == len(words["slices_s"]) + 1
        assert words["cpus"] == len(one["extra_info"]["configuration"]["cpus"])
        kernel = result_of(one).launches[0].kernel
        assert kernel is not None
        assert kernel.slices_s == tuple(words["slices_s"])
    assert json.dumps(words)
    assert not orphans(suite.runs)


@pytest.mark.every_cpu
def test_beside_several_instances(suite: Suite) -> None:
    """Its turns are on the CPUs of all of them, and the slices' windows hold rounds of each."""
    if len(CPUS) < 2:
        pytest.skip(f"{len(CPUS)} usable CPU: two instances take one each")
    arguments = ("--model=bert-tiny", "--backends=onnxruntime", "--batch-sizes=2", "--sequence-lengths=32")
    ended = suite(
        "benchmarks/test_instance_scaling.py",
        *SHORT,
        *arguments,
        "--instances=2",
        "--reference-kernel",
        "--benchmark-max-time=0.6",
    )
    assert ended.code == 0, ended.text
    several = [one["extra_info"] for one in ended.benchmarks.values() if one["extra_info"]["instances"] == 2]
    assert several
    for words in several:
        (launch,) = words["launches"]
        assert launch["reference_kernel"]["cpus"] == sum(len(one["cpus"]) for one in words["per_instance"])
        slices_s = launch["reference_kernel"]["slices_s"]
        assert all(one["rounds"] >= len(slices_s) for one in words["per_instance"])
        assert len(slices_s) > 1
        assert 0.9 * min(slices_s) <= 1 / launch["throughput_per_s"] <= 1.1 * max(slices_s)
    assert not orphans(suite.runs)


def test_not_in_a_duet(suite: Suite) -> None:
    """There both sides share the moment, and nothing is carried over days."""
    ended = suite(OUT_OF_THE_BOX, *SHORT, "--reference-kernel", "--reference=self")
    assert ended.code == 4
    assert "--reference-kernel cannot apply with --reference" in ended.text
