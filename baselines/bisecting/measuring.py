"""The session of pytest that measures launch pairs on request: its handle, and what it answers as values.

What a request is, fixtures/run/on_request.py says, which runs on the other side of two pipes.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from baselines.confirming.duet_run import OF_THE_BENCHMARKS
from baselines.files.passed_env import demand_passed_env
from baselines.files.run import Run
from baselines.files.run_folder import RunFileError
from baselines.judging.wording import shown

END_S: Final = 30.0
_TAIL: Final = 12
_LONGEST: Final = 400


class Unavailable(Exception):
    """A state cannot be had; the message says why."""


class Wrong(Unavailable):
    """One side of a launch pair failed: a wrong answer, a worker that died."""

    def __init__(self, why: str, side: str) -> None:
        super().__init__(why)
        self.side = side
        """`measured` or `reference`."""


@dataclass(frozen=True, kw_only=True)
class State:
    """What workers run in place of today's environment and code."""

    packages: Mapping[str, str | None]
    """Version by name; None: it is taken out."""
    complete: bool = False
    """Whether what these require moves with them, first to the accepted versions."""
    older: Mapping[str, str | None] | None = None
    """The accepted versions, for that."""
    commit: str | None = None
    """Whose workers and cards; None: this checkout's."""

    def as_json(self) -> dict[str, Any]:
        """The words of a request, and of the log."""
        older = dict(self.older or {}) if self.complete else {}
        return {"packages": dict(self.packages), "complete": self.complete, "older": older, "commit": self.commit}

    @property
    def key(self) -> str:
        """The same as one word."""
        return json.dumps(self.as_json(), sort_keys=True)


class Measurer(Protocol):
    """Whatever measures launch pairs."""

    def ask(self, do: str, **words: Any) -> Any:
        """The result of a request.

        Raises:
            Unavailable: a state cannot be had, or does not measure up.
            RunFileError: nothing can go on.
        """


class Session:
    """A session of pytest on one benchmark, which waits for requests."""

    def __init__(self, run: Run, name: str, folder: Path, extra: Sequence[str], checkout: Path) -> None:
        """Starts it; its runs and what it prints are in `folder`, `extra` are more options for pytest.

        Raises:
            RunFileError: a variable that the run let through is another here; or it did not get ready, with what it printed
                last.
        """
        subjects = [result for result in run.results if result.fullname == name]
        demand_passed_env(run, subjects)
        self.printed = folder / "session.txt"
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pytest", name, "--benchmark-only", "--reference", "self", "--no-limit"]
        command += ["--runs", str(folder), "-p", "no:cacheprovider", "-p", "no:fixtures.run.report", *run.store_options]
        for option, value in (("--model", run.model), ("--preset", run.preset)):
            command += [option, value] if value else []
        command += [option for option in run.options if option.partition("=")[0] in OF_THE_BENCHMARKS]
        command += run.options_of(subjects)
        asked_read, self._asked = os.pipe()
        answers_read, answers = os.pipe()
        command += [*extra, f"--pairs-on-request={asked_read},{answers}"]
        environment = {name: value for name, value in os.environ.items() if name != "GITHUB_STEP_SUMMARY"}
        with self.printed.open("w") as said:
            self.process = subprocess.Popen(
                command,
                cwd=checkout,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                pass_fds=(asked_read, answers),
                start_new_session=True,  # Ctrl-C is for whoever asks
            )
        os.close(asked_read)
        os.close(answers)
        self._answers = os.fdopen(answers_read, "rb")
        try:
            self._answer()
        except BaseException:
            self.close()
            raise

    def ask(self, do: str, **words: Any) -> Any:
        """As `Measurer.ask`."""
        try:
            os.write(self._asked, json.dumps({"do": do, **words}).encode() + b"\n")
        except OSError:
            raise RunFileError(self._ended()) from None
        return self._answer()

    def close(self) -> None:
        """Ends it and everything that it started."""
        with contextlib.suppress(OSError):
            os.close(self._asked)
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(END_S)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        self._answers.close()

    def _answer(self) -> Any:
        line = self._answers.readline()
        if not line:
            raise RunFileError(self._ended())
        answer = json.loads(line)
        if "over" in answer:
            raise RunFileError(str(answer["over"]))
        if "refused" in answer or "failed" in answer:
            text = str(answer.get("refused") or answer["failed"])
            if "failed" in answer and answer.get("of") is None:
                raise RunFileError(f"the launch pair could not be measured: {text}")
            text = " ".join(text.split())[:_LONGEST]
            raise Unavailable(text) if "refused" in answer else Wrong(text, str(answer["of"]))
        return answer["result"]

    def _ended(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(END_S)
        lines = self.printed.read_text(encoding="utf-8", errors="replace").rstrip().splitlines()[-_TAIL:]
        said = "\n".join(f"    {line}" for line in lines)
        return f"the session that measures ended (exit code {self.process.returncode}; {shown(self.printed)}):\n{said}"
