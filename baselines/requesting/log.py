"""The log of a search, a file NAME.jsonl: every launch and launch pair is on disk before the next one begins.

A line is one entry; a torn last line, of a process that died while it wrote, is left out. The first is the header: what the
search is about. A search that goes on reads what is there and measures the rest.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from baselines.files.atomic import sync, sync_folder
from baselines.files.run_folder import RunFileError
from baselines.judging.wording import shown

Entry = Mapping[str, Any]


class Log:
    """The log of one search."""

    def __init__(self, path: Path, header: Entry, *, anew: bool = False) -> None:
        """Opens it, and reads what an earlier search left that was about the same.

        Args:
            path: its file; folders above it are made.
            header: what the search is about: the same words mean the same search.
            anew: whether an earlier one is put aside.

        Raises:
            RunFileError: it cannot be read or written, or is of another search.
        """
        self.path = path
        self.entries: list[Entry] = []
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if anew and path.exists():
                aside = (path.with_name(f"{path.stem}.{number}{path.suffix}") for number in itertools.count(1))
                path.rename(next(one for one in aside if not one.exists()))
            lines = path.read_bytes().split(b"\n") if path.is_file() else []
            whole = b"\n".join([*lines[:-1], b""])
            if lines and lines[-1]:  # torn
                with path.open("r+b") as file:
                    file.truncate(len(whole) if lines[:-1] else 0)
        except OSError as error:
            raise RunFileError(f"{path}: {error.strerror}") from None
        for number, line in enumerate(lines[:-1], start=1):
            try:
                self.entries.append(dict(json.loads(line)))
            except (ValueError, TypeError) as error:
                raise RunFileError(f"{path}:{number}: {error}; put it aside: --anew") from None
        if not self.entries:
            self.add({"header": header})
        elif (before := self.entries[0].get("header")) != json.loads(json.dumps(header)):
            named = [key for key in {**header, **(before or {})} if (before or {}).get(key) != header.get(key)]
            raise RunFileError(f"{path}: it is of another search ({', '.join(named)} differ); put it aside: --anew")

    def add(self, entry: Entry) -> None:
        """Puts an entry on disk, whole.

        Raises:
            RunFileError: it cannot be written; what was there before is still there.
        """
        line = json.dumps(entry, allow_nan=False).encode() + b"\n"
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise RunFileError(f"{self.path}: {error.strerror}") from None
        before = os.fstat(descriptor).st_size
        try:
            written = os.write(descriptor, line)
            if written < len(line):
                raise OSError(0, "the disk is full")
            sync(descriptor)
            sync_folder(self.path.parent)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, before)
            kept = f"{len(self.entries)} entries before it are kept in {shown(self.path)}"
            raise RunFileError(f"{self.path}: {error.strerror}; {kept}") from None
        finally:
            os.close(descriptor)
        self.entries.append(entry)
