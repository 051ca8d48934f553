"""CPU limits: made in a control group of its own, read back, counted as the kernel counts, and no disturbance."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from baselines.accepting.refusals import unstable_because
from baselines.comparing.disturbance import OTHERS_SHARE_LIMIT, disturbed_because
from baselines.files import accepted_file
from baselines.files.reading_benchmarks import result_of
from baselines.files.result import judged_values, slowdown
from baselines.report.figures.questions import figures_of
from baselines.report.view import View
from fixtures.asked.configuration import Configuration
from fixtures.asked.cost import cpus_of
from fixtures.asked.layouts import limit_layouts
from fixtures.machine import cpu_limit
from fixtures.machine.cgroup import quota_periods
from fixtures.machine.cpu_limit import PREFIX, CpuLimit, CpuLimitError, Group, check, made, why_not
from fixtures.measurement.watch import Watch
from fixtures.run.run import Run
from tests.builders import answer, view_of_runs
from tests.suite import Suite
from tests.test_matrix import FOUR_CORES
from tests.test_recommend import ONE, measured

LIMITS = "benchmarks/test_cpu_limits.py"
SPINNING = (sys.executable, "-S", "-c", "while True: pass")
makes_groups = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
makes_cpusets = pytest.mark.skipif(why_not(cpuset=True) is not None, reason=str(why_not(cpuset=True)))


def in_force(limit: CpuLimit) -> Iterator[tuple[subprocess.Popen[bytes], Group]]:
    """A process that computes under a limit, and its groups."""
    group = made(limit)
    process = subprocess.Popen([*group.launcher, *SPINNING])
    try:
        time.sleep(0.3)  # until the launcher has become the process
        yield process, group
    finally:
        process.kill()
        process.wait()
        group.remove()


@makes_groups
def test_a_quota_is_read_back_and_counted_as_the_kernel_does() -> None:
    """The group that was made limits that process; its periods and stops are those of its cpu.stat."""
    for process, group in in_force(CpuLimit(quota=0.2)):
        check(process.pid, CpuLimit(quota=0.2))
        with pytest.raises(CpuLimitError, match=re.escape("asked for a quota of 0.5 CPUs, the kernel has 0.2 for it")):
            check(process.pid, CpuLimit(quota=0.5))
        watch = Watch({process.pid: (0,)})
        before = quota_periods(pid=process.pid)
        with watch.stretch():
            time.sleep(1.0)
        after = quota_periods(pid=process.pid)
        (counted,) = [
            (after[one][0] - before[one][0], after[one][1] - before[one][1]) for one in after if PREFIX in one.name
        ]
        periods, throttled = watch.throttled
        assert abs(periods - counted[0]) <= 1  # a period may end between two readings
        assert abs(throttled - counted[1]) <= 1
        assert throttled >= 8, "a fifth of a CPU stops who wants all of it in each of ten periods"
        assert watch.as_json()["throttled_share"] == throttled / periods
        folders = group.folders
    assert not any(folder.exists() for folder in folders)


@makes_cpusets
def test_a_cpuset_is_read_back_and_cannot_be_left() -> None:
    """Whoever is in it sees its CPUs alone."""
    first = min(os.sched_getaffinity(0))
    for process, _ in in_force(CpuLimit(cpuset=(first,))):
        check(process.pid, CpuLimit(cpuset=(first,)))
        assert os.sched_getaffinity(process.pid) == {first}
        if len(others := os.sched_getaffinity(0) - {first}):
            with pytest.raises(OSError, match="Invalid argument"):
                os.sched_setaffinity(process.pid, others)
            with pytest.raises(CpuLimitError, match="asked for a cpuset of CPUs"):
                check(process.pid, CpuLimit(cpuset=tuple(others)))


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="a mask of one CPU of several needs two")
def test_a_mask_is_no_cpuset() -> None:
    """Threads that stay on one CPU because somebody set their mask are in no cpuset of it: they could leave."""
    first = min(os.sched_getaffinity(0))
    with subprocess.Popen(["taskset", "-c", str(first), *SPINNING]) as process:
        time.sleep(0.3)
        try:
            assert os.sched_getaffinity(process.pid) == {first}
            with pytest.raises(CpuLimitError, match=f"asked for a cpuset of CPUs {first}, the kernel has "):
                check(process.pid, CpuLimit(cpuset=(first,)))
        finally:
            process.kill()


def test_no_limit_needs_no_group() -> None:
    """Every other benchmark starts as before."""
    assert made(CpuLimit()) == Group()
    assert Configuration(backend="pytorch", precision="fp32", threads=1, cpus=(0,)).limit == CpuLimit()


def test_where_none_can_be_made_the_reason_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hierarchy without the controller: the empty group goes again, and systemd-run is named as what was tried too."""
    monkeypatch.setattr(cpu_limit.shutil, "which", lambda _: None)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/\n")
    (tmp_path / "proc/self/mountinfo").write_text("30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    with pytest.raises(CpuLimitError, match=r"sys/fs/cgroup: its groups have no controller cpu\); and systemd-run"):
        made(CpuLimit(quota=1.0), tmp_path)
    assert list((tmp_path / "sys/fs/cgroup").iterdir()) == []


def test_quotas_of_a_machine() -> None:
    """Half a CPU, one, one and a half, and the thread counts; cpusets of whole ones; one skip where none can be made."""
    found = limit_layouts((1, 2, 4), FOUR_CORES, why_none=lambda **_: None)
    ways = ("default_threads", "quota_threads")
    assert [one.name for one in found] == [
        *(f"quota0.5-{way}" for way in ways),
        *(f"quota1-{way}" for way in (*ways, "cpuset")),
        *(f"quota1.5-{way}" for way in ways),
        *(f"quota2-{way}" for way in (*ways, "cpuset")),
        *(f"quota4-{way}" for way in (*ways, "cpuset")),
    ]
    assert not any(one.skip for one in found)
    none = limit_layouts((1, 2, 4), FOUR_CORES, why_none=lambda **_: "no cgroup")
    assert [one.skip for one in none] == ["no cgroup"]


def test_no_quota_beyond_this_process_own() -> None:
    """With half a CPU of its own the larger ones are skips, and so is what needs a whole one."""
    found = limit_layouts((1, 2), replace(FOUR_CORES, cpu_quota=0.5), why_none=lambda **_: None)
    assert [one.name for one in found if one.skip is None] == ["quota0.5-default_threads", "quota0.5-quota_threads"]
    of_one = {one.skip for one in found if one.values["quota"] == "1"}
    assert of_one == {"a quota of 1 CPUs limits nothing here: its mask has 4 CPUs, a quota of 0.5 CPUs"}


@pytest.mark.parametrize("quota", ["max 100000", "50000 100000"])
def test_no_group_is_made_above_this_process_quota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str) -> None:
    """Where its own group takes none: the one above would let the worker leave the quota."""
    monkeypatch.setattr(cpu_limit.shutil, "which", lambda _: None)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/a/b\n")
    (tmp_path / "proc/self/mountinfo").write_text("30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
    own = tmp_path / "sys/fs/cgroup/a/b"
    own.mkdir(parents=True)
    (own / "cpu.max").write_text(quota)
    with pytest.raises(CpuLimitError) as raised:
        made(CpuLimit(quota=0.5), tmp_path)
    assert (f"{tmp_path / 'sys/fs/cgroup'}: its groups" in str(raised.value)) is quota.startswith("max")
    assert (f"{own}: its groups" in str(raised.value)) is not quota.startswith("max")


def test_a_users_systemd_is_told_where_it_is_and_the_worker_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bus of the session is in no worker's environment; systemd-run finds nothing without."""
    monkeypatch.setattr(cpu_limit.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(cpu_limit.shutil, "which", lambda _: "/usr/bin/systemd-run")
    monkeypatch.setattr(cpu_limit.Path, "is_dir", lambda _: True)
    monkeypatch.setattr(cpu_limit, "_works", lambda _: True)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1000")
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    launcher = cpu_limit._scope(CpuLimit(quota=0.5))
    assert launcher[:3] == ("env", "XDG_RUNTIME_DIR=/run/user/1000", "systemd-run")
    assert launcher[-3:] == ("env", "--unset=XDG_RUNTIME_DIR", "--unset=DBUS_SESSION_BUS_ADDRESS")


def test_half_a_cpu_is_planned_as_half(tmp_path: Path) -> None:
    """A benchmark under a quota costs as much more; it recommends nothing, for it had less than the machine."""
    assert cpus_of({"quota": "0.5"}, FOUR_CORES) == 0.5
    assert cpus_of({"quota": "8"}, FOUR_CORES) == 4
    fast = measured("onnxruntime-fp32-quota2", 0.001, question="cpu_limits", threads=None, cpu_quota=2.0)
    view = view_of_runs(tmp_path, [ONE, fast])
    assert view.told is not None
    assert "16.0 ms" in view.told.lines[0].text


def test_what_a_quota_stops_is_a_disturbance_where_nobody_asked_for_it() -> None:
    """The same launch without the quota in its configuration was disturbed."""
    throttled = {"throttled_share": 0.9}
    asked = measured("a", 0.1, question="cpu_limits", threads=None, extra=throttled, cpu_quota=0.5)
    assert disturbed_because(result_of(asked)) is None
    assert "a CPU quota stopped it" in str(disturbed_because(result_of(measured("a", 0.1, extra=throttled))))
    assert result_of(asked).key != result_of(measured("a", 0.1, question="cpu_limits", threads=None, cpu_quota=1.0)).key


@pytest.mark.parametrize(
    ("at_one", "at_four", "in_cpuset", "said"),
    [
        (1, 4, 1, "takes threads by the quota (1 at a quota of 1, 4 at a quota of 4)"),
        (
            1,
            1,
            1,
            "never has too many threads: whether it reads the quota is not seen (1 at a quota of 1, 1 at a quota of 4)",
        ),
        (4, 4, 1, "reads the mask and not the quota (4 at a quota of 1; 1 in a cpuset of 1)"),
        (4, 4, 4, "reads neither the quota nor the mask: it goes by the host (4 at a quota of 1; 4 in a cpuset of 1)"),
    ],
)
def test_which_number_a_runtime_goes_by(tmp_path: Path, at_one: int, at_four: int, in_cpuset: int, said: str) -> None:
    """Read off the threads that it has under quotas, where the mask has four CPUs, and in a cpuset of one."""

    def limited(way: str, threads: int, cpus: list[int], quota: str = "1") -> dict[str, Any]:
        worker = {"cpus": cpus, "thread_masks": [[cpus, threads]], "threads_observed": threads, "pool": {"intra_op": 0}}
        extra = {"per_instance": [worker], "throttled_share": 0.25}
        return answer("cpu_limits", 0.1, quota=quota, way=way, extra_info=extra)

    default = [limited("default_threads", count, [0, 1, 2, 3], quota) for count, quota in ((at_one, "1"), (at_four, "4"))]
    figure = figure_of(view_of_runs(tmp_path, [*default, limited("cpuset", in_cpuset, [0])]))
    assert figure.notes == (f"pytorch: {said}",)
    assert figure.table.rows[0][1] == "cpuset of 1"
    assert figure.table.rows[1][7] == "25%"


def test_many_quotas_are_drawn_to_the_last(tmp_path: Path) -> None:
    """Of more rows than fit some are drawn, the largest quota among them, and a note says so."""
    many = [
        answer("cpu_limits", 0.01, throughput_per_s=100.0, quota=str(count), way="default_threads") for count in range(1, 20)
    ]
    figure = figure_of(view_of_runs(tmp_path, many))
    (panel,) = figure.panels
    assert [text for _, text in panel.ticks][:: len(panel.ticks) - 1] == [
        "1 CPUs, default threads",
        "19 CPUs, default threads",
    ]
    assert f"{len(panel.ticks)} of 19 rows are drawn" in " ".join(figure.notes)


def test_a_quota_is_judged_by_throughput(tmp_path: Path) -> None:
    """Forty per cent of the rounds are stopped: the median is what it was, and samples per second are a quarter."""
    before, after = (
        result_of(measured("a", 0.01, question="cpu_limits", threads=None, cpu_quota=0.5, extra={"throughput_per_s": rate}))
        for rate in (100.0, 25.0)
    )
    assert slowdown(before, after) == pytest.approx(4)
    assert before.value_text == "100 samples/s"


def test_an_accepted_quota_is_judged_by_the_same() -> None:
    """Each launch keeps its throughput in the accepted file: an unchanged run is no slower and no faster."""
    words = {"throughput_per_s": 200.0, "launches": [{"median_s": 0.01, "throughput_per_s": 200.0, "rounds": 9}] * 3}
    one = measured("a", 0.01, question="cpu_limits", threads=None, cpu_quota=0.5, extra=words)
    result = result_of(one)
    addition: Any = SimpleNamespace(anchors=(), accepted_as={})
    stored = accepted_file._stored_benchmark(one, result, addition)
    assert judged_values(result_of(stored)) == judged_values(result) == pytest.approx([-math.log(200)] * 3)
    for launch in stored["extra_info"]["launches"]:
        launch.pop("throughput_per_s")
    assert judged_values(result_of(stored)) == pytest.approx([-math.log(200)] * 3), "never the median beside a throughput"


def test_what_the_stops_cost_is_drawn(tmp_path: Path) -> None:
    """A quota that stops a third of the rounds leaves the median as it is: the dots are samples over samples per second."""
    half = answer("cpu_limits", 0.010, throughput_per_s=25.0, quota="0.5", way="default_threads")
    whole = answer("cpu_limits", 0.010, throughput_per_s=100.0, quota="2", way="default_threads")
    figure = figure_of(view_of_runs(tmp_path, [half, whole]))
    (panel,) = figure.panels
    assert panel.x_label == "mean latency, ms"
    assert [one.value for series in panel.series for one in series.dots] == pytest.approx([40.0, 10.0])
    assert [row[3:5] for row in figure.table.rows] == [("40.0 ms", "10.0 ms"), ("10.0 ms", "10.0 ms")]


@pytest.mark.parametrize("words", [{"cpuset": True}, {"cpu_quota": 0.5}])
def test_neither_way_has_a_share_of_the_limit(words: dict[str, Any]) -> None:
    """A framework may have a thread for each CPU of the host, a product on fewer CPUs would have been its limit."""
    run: Any = SimpleNamespace(settings=SimpleNamespace(limit=True))
    extra = {"configuration": {"precision": "fp32", **words}, "work": {"flop": 1e9}}
    extra |= {"cpu_limit": {}} if "cpu_quota" in words else {}
    assert str(Run._why_no_limit(run, extra)).startswith(("not measured in a cpuset", "not measured under a CPU quota"))
    assert Run._why_no_limit(run, {"configuration": {"precision": "fp32"}, "work": {"flop": 1e9}}) is None


def figure_of(view: View) -> Any:
    """The one about CPU limits."""
    (found,) = [one for one in figures_of(view) if one.question == "cpu_limits"]
    return found


def test_quick_leaves_it_out_and_says_who_asks(suite: Suite) -> None:
    """A skip with its reason, however the problem size is named."""
    ended = suite(LIMITS, "--preset=quick", "--benchmark-only", "-rs")
    assert ended.code == 0, ended.text
    assert "preset quick leaves this question out: --preset default asks it" in ended.text


@makes_groups
@makes_cpusets
@pytest.mark.every_cpu
def test_a_run_of_it(suite: Suite) -> None:
    """Each has its quota in its identity and the kernel's counts; it is no disturbance, and nothing is left behind."""
    asked = ("--preset=default", "--model=bert-tiny", "--backends=onnxruntime", "--benchmark-max-time=0.5")
    ended = suite(LIMITS, "--benchmark-only", *asked, "-k", "quota0.5 or quota1-cpuset")
    assert ended.code == 0, ended.text
    half = ended.benchmarks["onnxruntime-fp32-quota0.5-quota_threads-batch1-seq32"]
    words = half["extra_info"]
    assert (words["configuration"]["cpu_quota"], words["configuration"]["threads"]) == (0.5, 1)
    (worker,) = words["per_instance"]
    assert worker["cpu_time_s"] <= 0.5 * (worker["wall_s"] + 0.1), "a quota gives no more, but for the rest of a period"
    if words["others_share"] < OTHERS_SHARE_LIMIT:  # beside others a thread may never get half a CPU
        assert words["cpu_limit"]["throttled"] >= 3, "one thread at work uses half a CPU up in every period"
    assert words["throttled_share"] == words["cpu_limit"]["throttled"] / words["cpu_limit"]["periods"]
    assert not str(unstable_because(result_of(half))).startswith("a CPU quota stopped it")
    alone = ended.benchmarks["onnxruntime-fp32-quota1-cpuset-batch1-seq32"]["extra_info"]
    assert alone["configuration"]["cpuset"] is True
    assert "cpu_quota" not in alone["configuration"]
    assert len(alone["per_instance"][0]["cpus"]) == 1
    assert alone["per_instance"][0]["strayed_threads"] == 0
    groups = [path for path in Path("/sys/fs/cgroup").glob(f"*/{PREFIX}-*-*") if re.search(r"-\d+-\d+$", path.name)]
    assert [path for path in groups if not Path(f"/proc/{path.name.split('-')[3]}").exists()] == []
