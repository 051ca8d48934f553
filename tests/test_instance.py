"""The handle of a worker and what passes over its pipes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fixtures.instance.handle import Instance, InstanceFailure, RequestRefused, asked, exit_text, tail_of
from fixtures.machine.affinity import granted, thread_masks
from fixtures.worker.protocol import Lines, ProtocolError, decoded, send
from tests.suite import REPOSITORY, is_instance, parents, wait_until


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    """A worker that has been asked nothing yet."""
    instance = Instance(stderr_path=tmp_path / "stderr.txt")
    yield instance
    instance.close()
    assert not instance.alive


def test_a_worker_refuses_and_lives(instance: Instance) -> None:
    """What it cannot do is an error with its kind and trace; the next request is answered as if nothing had been."""
    for _ in range(2):
        with pytest.raises(RequestRefused, match="asked for a model before `import`") as refused:
            instance.ask("load", checkpoint="x", artefact=None, time_out_s=60)
        assert refused.value.kind == "RuntimeError"
        assert "do_load" in refused.value.trace
    with pytest.raises(RequestRefused, match="do_dance"):
        instance.ask("dance", time_out_s=60)
    with pytest.raises(RequestRefused, match="not checked"):
        instance.ask("time", min_rounds=1, max_time_s=0, time_out_s=60)
    assert instance.alive


def test_a_worker_inherits_the_mask_in_force(tmp_path: Path) -> None:
    """The mask is there before its first instruction, and the parent's own comes back."""
    before = os.sched_getaffinity(0)
    cpu = max(before)
    with granted([cpu]):
        instance = Instance(stderr_path=tmp_path / "stderr.txt")
    try:
        assert set(thread_masks(instance.pid).values()) == {frozenset([cpu])}
    finally:
        instance.close()
    assert os.sched_getaffinity(0) == before


def test_a_worker_dies_with_its_parent(tmp_path: Path) -> None:
    """Kill -9 of the parent takes the worker with it, even a stopped one."""
    script = (
        "import sys, time, pathlib; from fixtures.instance.handle import Instance;"
        "i = Instance(stderr_path=pathlib.Path(sys.argv[1]));"
        "time.sleep(1); i.pause(); print(i.pid, flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "stderr.txt")]
    parent = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    assert is_instance(worker)
    parent.kill()
    parent.communicate()
    wait_until(lambda: worker not in dict(parents()), "the worker to die", 10)


def test_a_paused_worker_is_ended_and_a_resumed_one_answers(instance: Instance) -> None:
    """Paused it gives no answer and uses no CPU; resumed it answers what it was asked meanwhile."""
    with pytest.raises(RequestRefused):
        instance.ask("dance", time_out_s=60)
    instance.pause()
    instance.begin("dance")
    time.sleep(0.2)
    instance.resume()
    with pytest.raises(RequestRefused):
        instance.answer(time_out_s=60)
    instance.pause()


def test_a_death_is_explained(instance: Instance) -> None:
    """The signal, the last request, and what it had printed."""
    with pytest.raises(RequestRefused):
        instance.ask("dance", time_out_s=60)
    instance.stderr_path.write_text("one\ntwo\n")
    os.kill(instance.pid, signal.SIGKILL)
    with pytest.raises(InstanceFailure) as failure:
        instance.ask("sing", words="la", time_out_s=60)
    message = str(failure.value)
    assert f"instance (pid {instance.pid}) died" in message
    assert ": killed by SIGKILL" in message
    assert 'last request: {"do": "sing", "words": "la"}' in message
    assert "    one\n    two" in message


def test_a_time_out_is_explained(instance: Instance) -> None:
    """A worker that says nothing is killed after the time-out."""
    instance.pause()
    started = time.monotonic()
    with pytest.raises(InstanceFailure, match=r"gave no answer within 0\.5 s and was killed"):
        instance.ask("dance", time_out_s=0.5)
    assert time.monotonic() - started < 10
    assert not instance.alive


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Callable[[float], Instance]]:
    """Workers that compute for so many seconds before they answer."""
    script = (
        "import sys, time\n"
        "from fixtures.worker.protocol import send\n"
        "end = time.monotonic() + {seconds}\n"
        "while time.monotonic() < end: pass\n"
        "send(int(sys.argv[sys.argv.index('--replies') + 1]), {{'number': 1, 'result': {{'late': True}}}})\n"
        "time.sleep(60)\n"
    )
    made: list[Instance] = []

    def start(seconds: float) -> Instance:
        (tmp_path / "slow.py").write_text(script.format(seconds=seconds))
        python = tmp_path / "python"
        python.write_text(f'#!/bin/sh\nPYTHONPATH={REPOSITORY} exec {sys.executable} {tmp_path / "slow.py"} "$@"\n')
        python.chmod(0o755)
        made.append(Instance(stderr_path=tmp_path / "stderr.txt", python=str(python)))
        return made[-1]

    yield start
    for instance in made:
        instance.close()


def test_a_slow_worker_is_not_hung(slow: Callable[[float], Instance]) -> None:
    """While its CPU time advances it is waited for beyond the time-out, and that is said."""
    with pytest.warns(UserWarning, match=r"gave no answer within 0\.8 s and is computing: it is waited for, at most 3\.2 s"):
        assert slow(2.2).ask("sing", time_out_s=0.8) == {"late": True}
    with pytest.warns(UserWarning, match="is computing"):
        assert asked([slow(2.2)], "sing", [{}], time_out_s=0.8) == [{"late": True}]


def test_a_worker_that_spins_for_ever_ends(slow: Callable[[float], Instance]) -> None:
    """A busy one is waited for four time-outs and no longer."""
    instance = slow(1_000)
    started = time.monotonic()
    with (
        pytest.warns(UserWarning, match="is computing"),
        pytest.raises(InstanceFailure, match=r"within 2\.4 s, though it was computing, and was killed"),
    ):
        instance.ask("sing", time_out_s=0.6)
    assert 2 < time.monotonic() - started < 15
    assert not instance.alive


def test_no_time_out_while_it_is_stopped(instance: Instance) -> None:
    """One that waited under SIGSTOP for longer than a time-out answers the next request in time."""
    with pytest.raises(RequestRefused):
        instance.ask("dance", time_out_s=60)
    instance.pause()
    time.sleep(1.2)
    assert instance.alive
    instance.resume()
    with pytest.raises(RequestRefused):
        instance.ask("dance", time_out_s=1.0)


def test_an_interpreter_that_is_not_there(tmp_path: Path) -> None:
    """A clear failure, and no descriptor left open."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(InstanceFailure, match=r"could not be started with /no/such/python: .*No such file"):
        Instance(stderr_path=tmp_path / "stderr.txt", python="/no/such/python")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_an_interpreter_without_the_packages(tmp_path: Path) -> None:
    """A worker that ends before it answers says with which exit code, and what it printed."""
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho no module named anything >&2\nexit 3\n")
    python.chmod(0o755)
    instance = Instance(stderr_path=tmp_path / "stderr.txt", python=str(python))
    with pytest.raises(InstanceFailure, match=r"exit code 3(.|\n)*no module named anything"):
        instance.ask("dance", time_out_s=30)


def test_closing_twice_is_closing(tmp_path: Path) -> None:
    """The second time touches neither a process nor a descriptor that may be somebody else's by now."""
    instance = Instance(stderr_path=tmp_path / "stderr.txt")
    instance.close()
    instance.close()
    assert not instance.alive


def test_messages_are_whole_lines() -> None:
    """A message that arrives in pieces is one message; two at once are two; the end of the stream is None."""
    read, write = os.pipe()
    lines = Lines(read)
    os.write(write, b'{"a": 1')
    assert lines.next_buffered() is None
    assert lines.fill()
    assert lines.next_buffered() is None
    os.write(write, b'}\n{"b": 2}\n')
    assert lines.next() == {"a": 1}
    assert lines.next() == {"b": 2}
    send(write, {"c": [0.1]})
    os.close(write)
    assert lines.next() == {"c": [0.1]}
    assert lines.next() is None
    os.close(read)


@pytest.mark.parametrize("line", [b"Loading weights: 100%", b"[1, 2]", b"", b"\xff\xfe"])
def test_nonsense_is_quoted(line: bytes) -> None:
    """What is no message is an error that shows its beginning."""
    with pytest.raises(ProtocolError):
        decoded(line)


def test_endings_in_words() -> None:
    """Signals by name, exit codes by number."""
    assert exit_text(-signal.SIGSEGV) == ": killed by SIGSEGV"
    assert exit_text(3) == ": exit code 3"
    assert exit_text(None) == ""


def test_the_tail_of_a_long_file(tmp_path: Path) -> None:
    """The last lines only, whatever bytes they are."""
    path = tmp_path / "log"
    path.write_bytes(b"\xff\n" * 100_000 + b"last\n")
    assert tail_of(path)[-1] == "last"
    assert len(tail_of(path)) <= 15
    assert tail_of(tmp_path / "none") == []
