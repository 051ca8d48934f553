"""The journal, the file of a run, recovery, the locks, and the arithmetic of progress."""

from __future__ import annotations

import errno
import fcntl
import json
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from baselines.__main__ import main
from baselines.files.run_folder import RunFileError, assemble, newest_run, read_journal, recover, write_run
from fixtures.machine import lock
from fixtures.machine.lock import CpusBusy, locked_cpus
from fixtures.run import progress
from fixtures.run.journal import Journal, JournalError, new_run_folder

HEADER = {"machine_info": {}, "commit_info": {}, "datetime": "now", "version": "5.3.1", "run": {"preset": "quick"}}
BENCHMARK = {"name": "one", "fullname": "file::one", "stats": {"median": 1.0, "data": [1.0]}}


def test_a_result_is_on_disk_before_the_next(tmp_path: Path) -> None:
    """What was added can be read back at once, and the ending makes run.json of it."""
    journal = Journal(tmp_path, HEADER)
    journal.add(BENCHMARK)
    assert read_journal(journal.path) == (HEADER, [BENCHMARK], None)
    path = journal.close({"partial": False})
    content = json.loads(path.read_text())
    assert content["benchmarks"] == [BENCHMARK]
    assert content["run"] == {"schema": 1, "preset": "quick", "partial": False}
    assert set(content) >= {"machine_info", "commit_info", "benchmarks", "datetime", "version"}


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    """A process killed while it wrote costs that one benchmark and no other."""
    journal = Journal(tmp_path, HEADER)
    journal.add(BENCHMARK)
    with journal.path.open("ab") as file:
        file.write(b'{"benchmark": {"name": "tw')
    assert recover(tmp_path) == (tmp_path / "run.json", 1)
    content = json.loads((tmp_path / "run.json").read_text())
    assert content["run"]["partial"] is True
    assert content["run"]["recovered"] is True


def test_damage_before_the_end_is_an_error_with_its_line(tmp_path: Path) -> None:
    """A journal edited by hand is refused, not half believed."""
    journal = Journal(tmp_path, HEADER)
    journal.add(BENCHMARK)
    lines = journal.path.read_bytes().splitlines(keepends=True)
    journal.path.write_bytes(lines[0] + b"garbage\n" + lines[1])
    with pytest.raises(RunFileError, match=r"journal\.jsonl:2: "):
        recover(tmp_path)
    journal.path.write_bytes(lines[1])
    with pytest.raises(RunFileError, match="no header"):
        recover(tmp_path)


def test_an_ended_run_is_recovered_with_its_ending(tmp_path: Path) -> None:
    """When only run.json could not be written, recovery gives the same file."""
    journal = Journal(tmp_path, HEADER)
    journal.add(BENCHMARK)
    path = journal.close({"partial": False, "exit_status": 0})
    before = path.read_text()
    path.unlink()
    recover(tmp_path)
    assert path.read_text() == before


def test_ctrl_c_while_a_result_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The result on its way to the disk is kept whole, in the journal and in run.json; then the run is interrupted."""
    journal = Journal(tmp_path, HEADER)
    sync = os.fsync

    def interrupted(descriptor: int) -> None:
        signal.raise_signal(signal.SIGINT)
        sync(descriptor)

    monkeypatch.setattr("os.fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        journal.add(BENCHMARK)
    monkeypatch.setattr("os.fsync", sync)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert journal.benchmarks == [BENCHMARK]
    assert json.loads(journal.close({}).read_text())["benchmarks"] == [BENCHMARK]


def test_recover_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0 with a count; 2 and one line when there is nothing to recover."""
    Journal(tmp_path, HEADER).add(BENCHMARK)
    assert main(["recover", str(tmp_path)]) == 0
    assert "1 finished benchmark" in capsys.readouterr().out
    assert main(["recover", str(tmp_path / "nowhere")]) == 2
    assert "journal.jsonl: No such file or directory" in capsys.readouterr().err
    empty = tmp_path / "empty"
    empty.mkdir()
    Journal(empty, HEADER)
    assert main(["recover", str(empty)]) == 2
    assert "no benchmark had finished" in capsys.readouterr().err


def test_a_run_file_is_whole_or_not_there(tmp_path: Path) -> None:
    """What cannot be written as JSON leaves the old file and no litter."""
    write_run(tmp_path, assemble(HEADER, [BENCHMARK], {}))
    before = (tmp_path / "run.json").read_bytes()
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_run(tmp_path, assemble(HEADER, [{"stats": {"median": float("nan")}}], {}))
    assert (tmp_path / "run.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_folders_of_runs(tmp_path: Path) -> None:
    """Two runs in one second get two folders, the newest is found, and a file in the way is an error."""
    first, second = new_run_folder(tmp_path, "abc" * 20), new_run_folder(tmp_path, "abc" * 20)
    assert first != second
    assert newest_run(tmp_path) == second
    with pytest.raises(RunFileError, match="no run there; make one"):
        newest_run(tmp_path / "elsewhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="no folder for this run"):
        new_run_folder(tmp_path / "file", "abc")


@pytest.fixture
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for locks of this test's own, which every user may write in."""
    tmp_path.chmod(0o1777)
    monkeypatch.setattr(lock, "FOLDERS", (tmp_path,))
    return tmp_path


def lock_of(locks: Path, cpu: int) -> Path:
    """Its file."""
    return locks / f"bert-cpu-benchmarks-cpu{cpu}.lock"


def test_a_cpu_is_measured_on_by_one(locks: Path) -> None:
    """A second holder is refused with the first one's pid and what to do; other CPUs stay free; the end frees it."""
    with locked_cpus([0, 1], wait=False, tell=print):
        with pytest.raises(CpusBusy, match=rf"CPU 1 is being measured on by process {os.getpid()}.*--wait"):
            locked_cpus([1], wait=False, tell=print).__enter__()
        with locked_cpus([2], wait=False, tell=print):
            pass
    with locked_cpus([1], wait=False, tell=print):
        assert lock_of(locks, 1).is_file()


def test_no_variable_moves_the_locks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two jobs with different TMPDIR find the same one."""
    before = lock.lock_folder()
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert lock.lock_folder() == before


def hold(path: str, ready: multiprocessing.synchronize.Event) -> None:
    """Holds the lock of CPU 0 until it is killed."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    ready.set()
    multiprocessing.Event().wait()


def test_death_frees_a_lock(locks: Path) -> None:
    """Kill -9 of the holder is enough: no stale lock, nothing to remove by hand."""
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    holder = context.Process(target=hold, args=(str(lock_of(locks, 0)), ready))
    holder.start()
    assert ready.wait(10)
    with pytest.raises(CpusBusy):
        locked_cpus([0], wait=False, tell=print).__enter__()
    holder.kill()
    holder.join()
    with locked_cpus([0], wait=False, tell=print):
        pass


def test_a_lock_is_not_followed_elsewhere(locks: Path) -> None:
    """A link in the shared folder does not make the suite write to another file, nor a pipe wait for ever."""
    victim = locks / "victim"
    victim.write_text("precious")
    lock_of(locks, 0).symlink_to(victim)
    with pytest.raises(CpusBusy, match=r"cpu0\.lock, .* cannot be used .*symbolic links.*; remove it"):
        locked_cpus([0], wait=False, tell=print).__enter__()
    assert victim.read_text() == "precious"
    os.mkfifo(lock_of(locks, 1))
    with pytest.raises(CpusBusy, match="it is no plain file"):
        locked_cpus([1], wait=False, tell=print).__enter__()


def test_another_users_lock_that_may_only_be_read(locks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It locks as well; only the process is not written into it."""
    lock_of(locks, 0).write_text("4711\n")

    def may_read(path: Path, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_RDWR:
            raise PermissionError(13, "Permission denied")
        return opened(path, flags, mode)

    opened = os.open
    monkeypatch.setattr(lock.os, "open", may_read)
    with locked_cpus([0], wait=False, tell=print), pytest.raises(CpusBusy, match="process 4711"):
        locked_cpus([0], wait=False, tell=print).__enter__()


@pytest.mark.parametrize("refused", ["flock", "no folder"])
def test_where_nothing_can_be_locked_it_is_said(locks: Path, monkeypatch: pytest.MonkeyPatch, refused: str) -> None:
    """NFS and WSL refuse flock, a read-only system has no folder: measured, and not in silence."""

    def refuses(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    if refused == "flock":
        monkeypatch.setattr(lock.fcntl, "flock", refuses)
    else:
        locks.chmod(0o755)
    told: list[str] = []
    with locked_cpus([0], wait=False, tell=told.append):
        (line,) = told
    assert "a second run on" in line
    assert "would not be noticed" in line


def test_efficiency_leaves_out_building_and_compiling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forward passes over the rest of the wall time; none where nothing was timed."""
    monkeypatch.setattr(progress.time, "monotonic", lambda: 100.0)
    spent = progress.Spending(started_s=0.0, preparing_s=10.0, compiling_s=40.0, forwards_s=25.0)
    assert spent.efficiency() == 0.5
    assert spent.line().startswith("efficiency 50%: 25 s of forward passes in 50 s, apart from 10 s of building and 40 s")
    assert progress.Spending(started_s=0.0).efficiency() is None
    limited = progress.Spending(started_s=0.0, preparing_s=10.0, compiling_s=40.0, forwards_s=25.0, limit_s=25.0)
    assert limited.efficiency() == 1.0
    assert limited.line().endswith("10 s of building, 40 s of compiling and 25 s of measuring the limit")


def test_baselines_needs_nothing_of_fixtures() -> None:
    """The commands on files run where neither pytest nor a framework is installed."""
    script = (
        "import sys, baselines.__main__; print(sorted(m for m in sys.modules if m.split('.')[0] in ('pytest', 'fixtures')))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
