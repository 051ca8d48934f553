"""`python -m baselines recommend`: the best configuration, its interval, its command line, its cost, and a plan."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baselines.__main__ import main
from baselines.deploying.command_line import command_lines, cpu_list, in_code
from baselines.deploying.dispatch_plan import fewest_threads
from baselines.deploying.promise import reaches
from baselines.files.reading_runs import read_run
from baselines.files.run_folder import run_path
from fixtures.asked.dispatch_plan import Plan
from fixtures.backends.registry import BACKENDS
from fixtures.run.provenance import backend_words
from tests.builders import Checkout, benchmark, rounds_around, run_folder


def measured(
    name: str,
    median_s: float,
    *,
    size: tuple[int, int] = (1, 32),
    question: str = "core_count_scaling",
    threads: int | None = 1,
    instances: Sequence[Sequence[int]] = ((0,),),
    extra: Mapping[str, Any] | None = None,
    **configuration: Any,
) -> dict[str, Any]:
    """One benchmark of a configuration, its rounds within a percent."""
    return benchmark(
        f"{name}-batch{size[0]}-seq{size[1]}",
        median_s,
        rounds=rounds_around(median_s, 11),
        question=question,
        configuration={"threads": threads, "cpus": [cpu for one in instances for cpu in one], **configuration},
        extra_info={
            "question": question,
            "problem_size": {"batch_size": size[0], "sequence_length": size[1]},
            "throughput_per_s": size[0] / median_s,
            "instances": len(instances),
            "per_instance": [{"cpus": list(one)} for one in instances],
            **(extra or {}),
        },
    )


PYTORCH = measured("pytorch-fp32", 0.040, question="out_of_the_box", threads=None, instances=[(0, 1)])
ONE = measured("onnxruntime-fp32-threads1", 0.016)
TWO = measured("onnxruntime-fp32-threads2", 0.010, threads=2, instances=[(0, 1)])


def recommended(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit code and both streams of the command."""
    capsys.readouterr()
    code = main(["recommend", *map(str, arguments), "--store", "no store"])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_the_fastest_with_what_it_promises_and_how_to_run_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The lowest median, where new runs lie if runs are 6.5 % apart (e^(1.96 sqrt(2) 0.065) = 1.197), CPUs and threads."""
    code, out, _ = recommended(capsys, run_folder(tmp_path, PYTORCH, ONE, TWO))
    assert code == 0
    assert out.startswith("bert-tiny on amd-25-1-2c-0a1b2c3d, measured 2026-03-01 12:00 UTC in ")
    assert (
        "In brackets: where 95% of new runs lie,\nif runs lie 6.5% apart, which is assumed until 5 accepted runs say it."
        in out
    )
    assert out.partition("\n\n")[2].splitlines() == [
        "batch 1, sequence 32",
        "  latency     10.0 ms (8.35 ms to 12.0 ms)",
        "              onnxruntime fp32, 2 threads, 1 instance",
        "              $ taskset -c 0-1 python your_program.py",
        "              in the program: SessionOptions: intra_op_num_threads = 2, inter_op_num_threads = 1",
        "  throughput  100 samples/s (83.5 samples/s to 120 samples/s)",
        "              the same configuration",
    ]


def test_cost_and_the_studys_claim(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """3.6 an hour at 100 samples/s is 10 per million; PyTorch's 25 samples/s cost four times as much; a core costs half."""
    run = run_folder(
        tmp_path, PYTORCH, ONE, TWO, machine_info={"machine_id": "m", "hard": {"physical_cores": 2}, "soft": {}}
    )
    code, out, _ = recommended(capsys, run, "--price", "3.6")
    assert code == 0
    assert out.splitlines()[-5:] == [
        "  cost        10.0 (8.35 to 12.0) per million samples",
        "              PyTorch out of the box: 40.0 (33.4 to 47.9), 4.00 times as much",
        "              8.00 (6.68 to 9.58) on 1 of 2 cores at the same price per core:",
        "              onnxruntime fp32, 1 thread, 1 instance",
        "              PyTorch out of the box on all of them: 5.00 times as much",
    ]


def test_cpu_seconds_of_a_million_samples(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two instances that keep 1.5 and 0.5 CPUs busy and answer 100 samples a second: 20 ms of CPU time for each."""
    workers = [{"cpus": [0], "cpu_time_s": 1.5, "wall_s": 1.0}, {"cpus": [1], "cpu_time_s": 1.0, "wall_s": 2.0}]
    two = measured("pytorch-fp32-instances2", 0.02, size=(2, 32), instances=[(0,), (1,)], extra={"per_instance": workers})
    _, out, _ = recommended(capsys, run_folder(tmp_path / "a", two))
    assert "              20000 CPU-seconds per million samples" in out.splitlines()
    _, out, _ = recommended(capsys, run_folder(tmp_path / "b", ONE))
    assert "CPU-seconds" not in out


def test_no_cost_is_made_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without PyTorch out of the box there is no ratio, without the number of cores no price per core."""
    run = run_folder(tmp_path, ONE, machine_info={"machine_id": "m", "hard": {}, "soft": {}})
    _, out, _ = recommended(capsys, run, "--price", "1")
    assert out.splitlines()[-1] == "              PyTorch out of the box was not measured at this problem size"


def test_several_instances_have_a_line_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Throughput may ask for another configuration than latency: each instance on its own CPUs with its share."""
    one = measured("pytorch-fp32-instances1", 0.080, size=(8, 32), threads=4, instances=[(0, 1, 2, 3)])
    many = measured("pytorch-fp32-instances2", 0.090, size=(8, 32), threads=2, instances=[(0, 1), (2, 3)])
    many["extra_info"]["throughput_per_s"] = 150.0
    _, out, _ = recommended(capsys, run_folder(tmp_path, one, many))
    throughput = out[out.index("  throughput") :].splitlines()
    assert throughput[1:] == [
        "              pytorch fp32, 2 threads, 2 instances",
        "              $ OMP_NUM_THREADS=2 MKL_NUM_THREADS=2 taskset -c 0-1 python your_program.py",
        "              $ OMP_NUM_THREADS=2 MKL_NUM_THREADS=2 taskset -c 2-3 python your_program.py",
        "              each with 4 of the 8 samples",
        "              in the program: torch.set_num_threads(2); torch.set_num_interop_threads(1)",
    ]


def test_a_tuned_winner_has_its_knobs_in_the_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Libraries by name, variables, and what only the program can do; what is as it comes is not mentioned."""
    words = {"threads": 2, "instances": [(0, 1)], "question": "runtime_tuning"}
    tuned = measured("pytorch-fp32-tuning_allocator-jemalloc", 0.005, allocator="jemalloc", openmp="default", **words)
    _, out, _ = recommended(capsys, run_folder(tmp_path / "a", ONE, tuned))
    variables = "OMP_NUM_THREADS=2 MKL_NUM_THREADS=2 LD_PRELOAD=libjemalloc.so.2"
    assert "              pytorch fp32, 2 threads, 1 instance, allocator jemalloc" in out.splitlines()
    assert f"              $ {variables} taskset -c 0-1 python your_program.py" in out.splitlines()
    quiet = measured("onnxruntime-fp32-tuning_spinning-off", 0.004, spinning="off", **words)
    _, out, _ = recommended(capsys, run_folder(tmp_path / "b", ONE, quiet))
    assert "              $ taskset -c 0-1 python your_program.py" in out.splitlines()
    assert 'add_session_config_entry("session.intra_op.allow_spinning", "0")' in out
    beside = measured("openvino-fp32-tuning_allocator-jemalloc", 0.003, allocator="jemalloc", **words)
    _, out, _ = recommended(capsys, run_folder(tmp_path / "d", ONE, beside))
    line = "TBB_ENABLE_SANITIZERS=1 LD_PRELOAD=libjemalloc.so.2 taskset -c 0-1 python your_program.py"
    assert f"              $ {line}" in out.splitlines()
    odd = measured("onnxruntime-fp32-tuning_allocator-new", 0.003, allocator="new", **words)
    _, out, _ = recommended(capsys, run_folder(tmp_path / "c", ONE, odd))
    assert "allocator new, as docs/tuning.md says" in out


def test_what_cannot_be_told_apart_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A winner by less than its interval is one of several."""
    close = measured("pytorch-fp32-threads2", 0.01001, threads=2, instances=[(0, 1)], precision="bf16", allocator="tcmalloc")
    _, out, _ = recommended(capsys, run_folder(tmp_path, ONE, TWO, close))
    line = "              not told apart by the intervals: pytorch bf16, 2 threads, 1 instance, allocator tcmalloc"
    assert line in out.splitlines()


def test_accepted_runs_say_how_far_a_new_one_may_lie(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Five accepted runs within a percent promise a few percent, not twenty, and are named."""
    checkout = Checkout(tmp_path / "checkout", capsys)
    for day, factor in enumerate((0.99, 1.0, 1.01, 1.0, 1.0)):
        ended = checkout.accept(checkout.run(measured("onnxruntime-fp32-threads1", 0.010 * factor), started_day=day))
        assert ended.code == 0, ended.err
    run = checkout.run(measured("onnxruntime-fp32-threads1", 0.010), started_day=9)
    out = checkout.baselines("recommend", run).out
    assert "by the spread of 5 or more accepted runs of this machine and model." in out
    low, high = (float(word) for word in out.partition("latency     10.0 ms (")[2].partition(" ms)")[0].split(" ms to "))
    assert 9.6 < low < 9.9
    assert low * high == pytest.approx(100, rel=0.01)


def test_a_promise_is_kept_as_often_as_it_says(tmp_path: Path) -> None:
    """With launches 6.5 % apart, and nothing else known: of 2,000 new runs 95 % lie in the interval."""
    generator = np.random.default_rng(7)
    (result,) = read_run(run_path(run_folder(tmp_path, ONE))).results
    factor = reaches({"a": result}, {})["a"].factor
    first, second = generator.normal(scale=0.065, size=(2, 2_000))
    assert 0.935 < np.mean(np.abs(first - second) < np.log(factor)) < 0.965


def test_a_stream_is_no_problem_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its median counts waiting: it wins nothing, and alone it is nothing to recommend from."""
    stream = measured("onnxruntime-fp32-one", 0.001, question="smart_dispatching", dispatch_policy="one")
    _, out, _ = recommended(capsys, run_folder(tmp_path / "a", stream, ONE))
    assert "latency     16.0 ms" in out
    code, out, err = recommended(capsys, run_folder(tmp_path / "b", stream))
    assert (code, out) == (2, "")
    assert err.endswith("run.json: it holds only other questions: streams, CPU limits, padding or texts\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "the file ends in the middle: it is truncated"),
        ('{"benchmarks": []}', "not a run of this suite: it does not say what was configured"),
        ('{"run": {"schema": 1}, "benchmarks": []}', "it holds no benchmark: there is nothing to recommend from"),
    ],
)
def test_what_is_no_run_is_refused_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    """Exit 2, with the file and the reason."""
    path = tmp_path / "run.json"
    path.write_text(text)
    code, out, err = recommended(capsys, path)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {path}:")
    assert err.endswith(f"{said}\n")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("price", ["0", "-1", "nan", "inf", "cheap"])
def test_a_price_is_a_number_above_zero(capsys: pytest.CaptureFixture[str], price: str) -> None:
    """Anything else is refused with what it was."""
    with pytest.raises(SystemExit) as ended:
        main(["recommend", f"--price={price}"])
    assert ended.value.code == 2
    assert f"'{price}' is not a price per hour above 0" in capsys.readouterr().err


def scaling(*medians: tuple[int, int, float], backend: str = "onnxruntime") -> list[dict[str, Any]]:
    """Core count scaling at batch size 1: (threads, sequence length, median)."""
    return [
        measured(
            f"{backend}-fp32-threads{threads}",
            median_s,
            size=(1, length),
            threads=threads,
            instances=[tuple(range(threads))],
        )
        for threads, length, median_s in medians
    ]


def test_a_plan_from_measured_scaling(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Per length the fewest threads that pay, and the share of the core-seconds; `--dispatch-plan` reads it."""
    results = scaling((1, 32, 0.010), (2, 32, 0.0099), (1, 128, 0.040), (2, 128, 0.020))
    path = tmp_path / "plan.json"
    code, out, _ = recommended(capsys, run_folder(tmp_path / "runs", *results), "--plan", path)
    assert code == 0
    plan = Plan.from_file(path)
    assert [pool.lengths for pool in plan.pools] == [(32,), (128,)]
    assert [pool.threads for pool in plan.pools] == [1, 2]
    assert [pool.share for pool in plan.pools] == [0.2, 0.8]  # 1 x 10 ms against 2 x 20 ms, equally many of each
    assert "requests by length equally many: the run has no stream" in out
    assert out.splitlines()[-1].endswith(f"--dispatch-plan {path}")
    made_from = json.loads(path.read_text())["made_from"]
    assert (made_from["backend"], made_from["precision"]) == ("onnxruntime", "fp32")


def test_a_plan_weighs_lengths_as_the_runs_own_stream_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """97 short requests for every 1 long one, and one more of each."""
    stream = measured(
        "onnxruntime-fp32-equal",
        0.001,
        question="smart_dispatching",
        dispatch_policy="equal",
        extra={"dispatching": {"padded": {"16": 90, "32": 8, "512": 0, "128": 0}}},
    )
    path = tmp_path / "plan.json"
    run = run_folder(tmp_path / "runs", stream, *scaling((1, 32, 0.010), (1, 128, 0.040)))
    code, out, _ = recommended(capsys, run, "--plan", path)
    assert code == 0
    assert [pool.share for pool in Plan.from_file(path).pools] == pytest.approx([0.9612, 0.0388])  # 99 x 10 : 1 x 40
    assert "requests by length as in test_smart_dispatching[onnxruntime-fp32-equal-batch1-seq32]" in out


def test_a_plan_is_for_the_backend_that_answers_the_longest_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of those that were measured at the most lengths."""
    results = [
        *scaling((1, 32, 0.010), (1, 128, 0.040), backend="pytorch"),
        *scaling((1, 32, 0.011), (1, 128, 0.030), backend="onnxruntime"),
        *scaling((1, 128, 0.001), backend="tensorflow"),
    ]
    path = tmp_path / "plan.json"
    recommended(capsys, run_folder(tmp_path / "runs", *results), "--plan", path)
    assert json.loads(path.read_text())["made_from"]["backend"] == "onnxruntime"


def test_a_plan_needs_core_count_scaling(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without it exit 2 says what to measure, and nothing is written; neither is it where nobody can write."""
    code, _, err = recommended(capsys, run_folder(tmp_path / "a", PYTORCH), "--plan", tmp_path / "plan.json")
    assert code == 2
    assert "it has no core count scaling at batch size 1, which a plan is made from; measure it: pytest " in err
    assert not (tmp_path / "plan.json").exists()
    run = run_folder(tmp_path / "b", *scaling((1, 32, 0.01)))
    code, _, err = recommended(capsys, run, "--plan", tmp_path / "no folder" / "plan.json")
    assert code == 2
    assert "No such file or directory" in err


def test_a_thread_more_has_to_pay() -> None:
    """5 % is what launches differ by."""
    assert fewest_threads({1: 1.00, 2: 0.96, 4: 0.97}) == 1
    assert fewest_threads({1: 1.00, 2: 0.51, 4: 0.50, 8: 0.70}) == 2


@pytest.mark.parametrize(
    ("configuration", "instances", "expected"),
    [
        ({"backend": "pytorch", "threads": None}, [(0, 1)], ["python your_program.py"]),
        (
            {"backend": "pytorch", "threads": None, "passed_env": {"MKL_CBWR": "AVX2", "A": "b c"}},
            [(0, 1)],
            ["MKL_CBWR=AVX2 A='b c' python your_program.py"],
        ),
        (
            {"backend": "tensorflow_xla", "threads": 4},
            [(0, 1, 2, 8)],
            [
                (
                    "TF_NUM_INTRAOP_THREADS=4 OMP_NUM_THREADS=4 TF_NUM_INTEROP_THREADS=1 "
                    "taskset -c 0-2,8 python your_program.py"
                ),
            ],
        ),
        (
            {"backend": "onnxruntime", "threads": 2, "memory_policy": "bind", "memory_nodes": [1]},
            [(4, 5)],
            ["numactl --physcpubind=4-5 --membind=1 python your_program.py"],
        ),
        (
            {"backend": "onnxruntime", "threads": 2, "memory_policy": "interleave", "memory_nodes": [0, 1]},
            [(0, 4)],
            ["numactl --physcpubind=0,4 --interleave=0-1 python your_program.py"],
        ),
        (
            {"backend": "onnxruntime", "threads": 1, "memory_policy": "bind", "memory_nodes": [0, 1]},
            [(0,), (4,)],
            [
                "numactl --physcpubind=0 --localalloc python your_program.py",
                "numactl --physcpubind=4 --localalloc python your_program.py",
            ],
        ),
        ({"backend": "new", "threads": 3}, [(0, 1, 2)], ["taskset -c 0-2 python your_program.py"]),
    ],
)
def test_command_lines(configuration: dict[str, Any], instances: list[tuple[int, ...]], expected: list[str]) -> None:
    """Only where the memory policy was chosen there is numactl; where the framework chose everything there is nothing."""
    card = backend_words(configuration["backend"]) if configuration["backend"] in BACKENDS else {}
    assert command_lines(configuration, instances, card) == expected


def test_a_program_is_told_its_threads_as_the_card_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One whose card says nothing, and a run from before cards said it, name the documentation."""
    assert in_code({"backend": "new", "threads": 3}, {}) == "3 threads, as the documentation of new says"
    assert in_code({"backend": "pytorch", "threads": None}, backend_words("pytorch")) is None
    assert in_code({"backend": "openvino", "threads": 2}, backend_words("openvino")) == (
        'compile_model(..., {"INFERENCE_NUM_THREADS": 2, "ENABLE_CPU_PINNING": False})'
    )
    for words in (None, [], {"onnxruntime": "?"}, {"onnxruntime": {"thread_code": None}}):
        old = run_folder(tmp_path / str(words), TWO, run={"backends": words})
        _, out, _ = recommended(capsys, old)
        assert "              in the program: 2 threads, as the documentation of onnxruntime says" in out.splitlines()


def test_cpu_lists() -> None:
    """As taskset reads them."""
    assert cpu_list([3, 0, 1, 2, 8, 10, 11]) == "0-3,8,10-11"


def test_the_share_of_the_limit_is_said_where_it_was_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In a line of its own below the configuration; a run that does not say it has no such line."""
    shared = measured("onnxruntime-fp32-threads2", 0.010, threads=2, extra={"work": {"share_of_limit": 0.613}})
    _, out, _ = recommended(capsys, run_folder(tmp_path, shared))
    assert "              61% of what its CPUs reach on a large matrix product\n" in out
    _, without, _ = recommended(capsys, run_folder(tmp_path / "without", TWO))
    assert "of what its CPUs reach" not in without
