"""Plugin: workers that are forked from a parent which has imported their framework, in place of fresh processes.

For studies/starts.py; `-p studies.forked` makes a session of pytest use it. A parent belongs to one side, configuration,
interpreter, mask and environment: whatever libraries read at import is in it as in a fresh process. Where a parent has
threads a worker is a fresh process as ever, and `REFUSED` says so.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import fixtures.instance.keeper
from fixtures.instance.handle import Instance
from fixtures.machine.affinity import granted
from fixtures.process.environment import REPOSITORY, at_home, environment_of
from fixtures.process.folders import home
from fixtures.worker.protocol import Lines
from studies.forked_worker import LARGEST

REFUSED: Final[dict[str, str]] = {}
"""Instance to why its worker is a fresh process, since parents were closed last."""
BEGAN_S: Final[dict[str, float]] = {}
"""Instance to what starting its parent took, since parents were closed last."""


class ParentError(Exception):
    """A parent cannot fork."""


class Parent:
    """One parent; its workers die with it."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], root: Path, printed: Path) -> None:
        """Starts it under this process's present mask."""
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        words = ("--control", str(theirs.fileno()), "--parent", str(os.getpid()))
        with theirs, printed.open("ab") as stderr:
            self.process = subprocess.Popen(
                [*command, "-m", "studies.forked_worker", *words],
                cwd=root,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
                pass_fds=(theirs.fileno(),),
                process_group=0,
            )

    def ask(self, do: str, descriptors: Sequence[int] = (), **words: Any) -> dict[str, Any]:
        """Asks one thing and waits for the answer.

        Raises:
            ParentError: it refused, or is gone.
        """
        try:
            socket.send_fds(self.control, [json.dumps({"do": do, **words}).encode()], list(descriptors))
            data = self.control.recv(LARGEST)
        except OSError as error:
            raise ParentError(f"the parent is gone: {error}") from None
        answer: dict[str, Any] = json.loads(data or b'{"refused": "the parent is gone"}')
        if "refused" in answer:
            raise ParentError(answer["refused"])
        return answer

    def close(self) -> None:
        """Ends it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.control.close()


PARENTS: Final[dict[tuple[Any, ...], Parent]] = {}


def close_parents() -> None:
    """Ends all parents: the next worker of each kind has a new one."""
    for parent in PARENTS.values():
        parent.close()
    for told in (PARENTS, BEGAN_S, REFUSED):
        told.clear()


class ForkedProcess:
    """A worker that a parent has forked, with what a handle uses of `subprocess.Popen`."""

    def __init__(self, pid: int, parent: Parent) -> None:
        self.pid, self.parent = pid, parent
        self.returncode: int | None = None
        self._descriptor = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        if self.returncode is None:
            try:
                self.returncode = self.parent.ask("ended", pid=self.pid)["code"]
            except ParentError:  # it has died with its parent
                self.returncode = -signal.SIGKILL
            if self.returncode is not None:
                os.close(self._descriptor)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Waits for its end; raises TimeoutExpired."""
        if self.poll() is None and select.select([self._descriptor], [], [], timeout)[0]:
            while self.poll() is None:  # it is reaped a moment after its descriptor says so
                time.sleep(0.001)
        if self.returncode is None:
            raise subprocess.TimeoutExpired("forked worker", timeout or 0.0)
        return self.returncode


class ForkedInstance(Instance):
    """The handle of a worker that a parent forks when it is told to import; until then there is none."""

    def __init__(
        self,
        *,
        stderr_path: Path,
        environment: Mapping[str, str] | None = None,
        python: str = sys.executable,
        name: str = "instance",
        launcher: Sequence[str] = (),
        root: Path = REPOSITORY,
    ) -> None:
        """Remembers what `Instance` does, and the mask in force."""
        self._mask = os.sched_getaffinity(0)
        self._fresh: dict[str, Any] = {
            "stderr_path": stderr_path,
            "environment": environment,
            "python": python,
            "name": name,
            "launcher": launcher,
            "root": root,
        }
        self._command = (*launcher, python, "-X", "faulthandler")
        self._environment = {**at_home(environment_of(python), home()), **(environment or {})}
        self._root, self._started, self._group = root, False, None
        self.name, self.stderr_path = name, stderr_path

    def begin(self, do: str, **fields: Any) -> None:
        """Sends one request; before the first one the worker is forked, or started."""
        if not self._started:
            self._started = True
            with granted(self._mask):
                self._start(do, fields)
        super().begin(do, **fields)

    def _start(self, do: str, fields: Mapping[str, Any]) -> None:
        try:
            if do != "import":
                raise ParentError("asked for something else than an import first")
            parent = self._parent(fields)
            self._fork(parent)
        except ParentError as refused:
            REFUSED[self.name] = str(refused)
            super().__init__(**self._fresh)

    def _parent(self, fields: Mapping[str, Any]) -> Parent:
        """The parent for this request; a new one imports first. Raises ParentError."""
        environment = tuple(sorted(self._environment.items()))
        key = (self.name, self._command, environment, tuple(sorted(self._mask)), self._root, fields["backend"])
        if key not in PARENTS:
            printed = self.stderr_path.with_suffix(".parent.txt")
            began = time.monotonic()
            PARENTS[key] = parent = Parent(self._command, self._environment, self._root, printed)
            parent.ask("import", backend=fields["backend"])
            BEGAN_S[self.name] = time.monotonic() - began
        return PARENTS[key]

    def _fork(self, parent: Parent) -> None:
        self._last_request, self._number, self._closed = "none", 0, False
        self._printed_before = self.stderr_path.stat().st_size if self.stderr_path.exists() else 0
        request_read, self._request_write = os.pipe()
        self._reply_read, reply_write = os.pipe()
        self._lines = Lines(self._reply_read)
        try:
            with self.stderr_path.open("ab") as stderr:
                child = parent.ask("fork", (request_read, reply_write, stderr.fileno()))["pid"]
        except ParentError:
            os.close(self._request_write)
            os.close(self._reply_read)
            raise
        finally:
            os.close(request_read)
            os.close(reply_write)
        self.process = ForkedProcess(child, parent)  # type: ignore[assignment]

    def close(self) -> None:
        """Ends the worker, if there is one by now."""
        if self._started:
            super().close()


def pytest_addoption() -> None:
    """Puts it in the place of the real one: pytest calls it first of all, and only where this is its plugin."""
    use(measured=True, reference=True)


def use(*, measured: bool, reference: bool) -> None:
    """Whether the keeper's next instances are forked: those of the measured side, and those of a reference."""

    def made(*, name: str, **words: Any) -> Instance:
        chosen = reference if name.startswith("reference ") else measured
        return (ForkedInstance if chosen else Instance)(name=name, **words)

    vars(fixtures.instance.keeper)[Instance.__name__] = made
