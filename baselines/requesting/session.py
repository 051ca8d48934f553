"""A session of pytest that measures launches on request: its handle, and what it answers as values.

What a request is, fixtures/run/on_request.py and fixtures/run/launches_on_request.py say, on the other side of two pipes.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from baselines.files.run_folder import RunFileError
from baselines.judging.wording import shown

END_S: Final = 30.0
_TAIL: Final = 12
_LONGEST: Final = 400


class Unavailable(Exception):
    """What was asked for cannot be had; the message says why."""


class Wrong(Unavailable):
    """One side of a launch pair failed: a wrong answer, a worker that died."""

    def __init__(self, why: str, side: str) -> None:
        super().__init__(why)
        self.side = side
        """`measured`, `reference`, or `neither` where two cannot be had beside each other."""


class OutOfTime(Exception):
    """No answer came before the moment that was given; the session may be ended."""


class Measurer(Protocol):
    """Whatever measures launches."""

    def ask(self, do: str, **words: Any) -> Any:
        """The result of a request.

        Raises:
            Unavailable: what it is about cannot be had, or does not measure up.
            RunFileError: nothing can go on.
        """


class Session:
    """A session of pytest that waits for requests."""

    def __init__(
        self, arguments: Sequence[str], option: str, printed: Path, checkout: Path, *, until_s: float | None = None
    ) -> None:
        """Starts it and waits until it is ready.

        Args:
            arguments: of pytest.
            option: how it is told the descriptors of its pipes: `--pairs-on-request`.
            printed: the file that takes what it prints.
            checkout: of whose benchmarks it is.
            until_s: when it has to be ready, on CLOCK_MONOTONIC; None: whenever.

        Raises:
            RunFileError: it did not get ready, with what it printed last.
            OutOfTime: it is not ready in time; it has been ended.
        """
        self.printed = printed
        self.until_s = until_s
        """When the next answer has to be there."""
        self._late = False
        printed.parent.mkdir(parents=True, exist_ok=True)
        asked_read, self._asked = os.pipe()
        answers_read, answers = os.pipe()
        command = [sys.executable, "-m", "pytest", *arguments, f"{option}={asked_read},{answers}"]
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
        """As `Measurer.ask`; OutOfTime where the answer is not there at `until_s`, or one before it never came."""
        if self._late:  # the next answer would be that one's
            raise OutOfTime
        try:
            os.write(self._asked, json.dumps({"do": do, **words}).encode() + b"\n")
        except OSError:
            raise RunFileError(self._ended()) from None
        return self._answer()

    def finish(self, wait_s: float) -> None:
        """Lets it make its file and its report of what was measured; ends it where that takes longer.

        What it is measuring at an answer that came too late is interrupted.
        """
        self._close_asked()
        if self._late and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(wait_s)
        self.close()

    def close(self) -> None:
        """Ends it and everything that it started; safe to call twice."""
        if self._answers.closed:
            return
        self._close_asked()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(END_S)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        self._answers.close()

    def _close_asked(self) -> None:
        if self._asked >= 0:  # by now another file may have its number
            os.close(self._asked)
            self._asked = -1

    def _answer(self) -> Any:
        if self.until_s is not None:
            ready, _, _ = select.select([self._answers], [], [], max(0.0, self.until_s - time.monotonic()))
            if not ready:
                self._late = True
                raise OutOfTime
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
