"""Files that are put in place whole: a reader sees all of one or none of it."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final

TEMPORARY: Final = ".new-"
"""How the name of a file begins while it is being written; one that stays was left by a process that was killed."""


def put_in_place(path: Path, text: str) -> Path:
    """Puts a whole file in place: a reader sees it all or not at all, and so does one after a loss of power."""
    temporary = path.with_name(f"{TEMPORARY}{os.getpid()}-{path.name}")
    try:
        with temporary.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            sync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return path


def sync(descriptor: int) -> None:
    """Waits until the disk has a file or folder; where the file system cannot say (WSL, FUSE, 9p), nothing is waited for."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
            raise


def sync_folder(folder: Path) -> None:
    """Waits until the disk has the names in a folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)
