"""A parent that imports a framework once and forks a worker for each launch; `studies.forked` starts it.

It imports and does nothing else, so that no pool of threads exists when it forks: where one does, it refuses, because of
the threads of a process only the one that forks is in the child. Runs in a process of its own, what it forks in a worker.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import pkgutil
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from fixtures.backends import pytorch, tensorflow
from fixtures.backends.importing import not_installed, nothing_collected
from fixtures.backends.loading import load_backend_class
from fixtures.process.ending import die_with
from fixtures.worker.__main__ import serve

IMPORTED: Final[Mapping[str, Sequence[str]]] = {
    "torch": ("torch", "transformers:AutoModel", "transformers:PreTrainedModel", "transformers:BertModel"),
    "onnxruntime": ("onnxruntime",),
    "openvino": ("openvino",),
    "tensorflow": ("tensorflow", "keras_hub"),
}
"""Distribution to what a worker that needs it imports, as names of `pkgutil.resolve_name`."""
BY_ALL: Final = ("parity", "peak_memory", "warm_up", "hold", "rounds")
"""What every worker imports, of `fixtures.worker`."""
LARGEST: Final = 1 << 16
"""Bytes of a message."""
DESCRIPTORS: Final = 3
"""What a worker is given: where requests come from, where answers go to, and where it prints."""


class Parent:
    """Answers one message after another, on a socket that keeps them apart."""

    def __init__(self, control: socket.socket) -> None:
        self.control = control

    def serve(self) -> None:
        """Until the other side closes the socket."""
        while True:
            data, descriptors, _, _ = socket.recv_fds(self.control, LARGEST, DESCRIPTORS)
            if not data:
                return
            words = json.loads(data)
            try:
                answer = getattr(self, f"do_{words.pop('do')}")(descriptors, **words)
            except Exception as error:  # the study falls back on a fresh process, and says why
                answer = {"refused": f"{type(error).__name__}: {error}"}
            self.control.send(json.dumps(answer).encode())

    def do_import(self, _: Sequence[int], *, backend: str) -> dict[str, Any]:
        """Imports what a worker imports, and calls nothing of it."""
        with nothing_collected(), not_installed(*pytorch.UNUSED, *tensorflow.UNUSED):
            wanted = [f"fixtures.worker.{name}" for name in BY_ALL]
            for distribution in load_backend_class(backend).distributions:
                wanted += IMPORTED.get(distribution, ())
            for name in wanted:
                pkgutil.resolve_name(name)
        gc.collect()
        gc.freeze()
        fork_and_end()
        return {"threads": threads_here()}

    def do_fork(self, descriptors: Sequence[int]) -> dict[str, Any]:
        """A worker, in a process group of its own."""
        if (threads := threads_here()) != 1:
            raise RuntimeError(f"{threads} threads after the import: only one of them would be in a child")
        child = os.fork()
        if child == 0:
            self.become_worker(*descriptors)
        os.setpgid(child, child)
        for descriptor in descriptors:
            os.close(descriptor)
        return {"pid": child}

    def become_worker(self, requests: int, replies: int, printed: int) -> NoReturn:
        """Serves as `fixtures.worker` does."""
        try:
            os.setpgid(0, 0)
            self.control.close()
            os.dup2(printed, 1)
            os.dup2(printed, 2)
            os.close(printed)
            die_with(os.getppid())
            serve(requests, replies)
        finally:
            os._exit(0)

    def do_ended(self, _: Sequence[int], *, pid: int) -> dict[str, Any]:
        """Its exit code as subprocess gives it; None while it runs."""
        found, status = os.waitpid(pid, os.WNOHANG)
        return {"code": os.waitstatus_to_exitcode(status) if found else None}


def fork_and_end() -> None:
    """Forks a child that ends at once: OpenBLAS, which numpy brings, has a pool from its import on, and ends it for a fork.

    What is left afterwards are threads that nobody ends; the pool comes again when it is used.
    """
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def threads_here() -> int:
    """How many threads this process has."""
    return len(list(Path("/proc/self/task").iterdir()))


def main() -> None:
    """Serves on the socket that it is given."""
    parser = argparse.ArgumentParser(prog="python -m studies.forked_worker", description=__doc__)
    parser.add_argument("--control", type=int, required=True, help="file descriptor of the socket")
    parser.add_argument("--parent", type=int, required=True, help="process id of the parent, with which to die")
    arguments = parser.parse_args()
    die_with(arguments.parent)
    with socket.socket(fileno=arguments.control) as control:
        Parent(control).serve()


if __name__ == "__main__":
    main()
    os._exit(0)
