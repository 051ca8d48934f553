"""The cache on disk: nothing incomplete is ever in it."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from fixtures.model import cache


def safetensors(*, values: bytes = b"\0" * 8, claimed: int = 8) -> bytes:
    """A safetensors file of one tensor, which its header may describe wrongly."""
    entry = {"x": {"dtype": "F32", "shape": [claimed // 4], "data_offsets": [0, claimed]}}
    header = json.dumps(entry).encode()
    return struct.pack("<Q", len(header)) + header + values


def test_a_complete_file_shows_its_header(tmp_path: Path) -> None:
    """The header is read without any library."""
    file = tmp_path / "x.safetensors"
    file.write_bytes(safetensors())
    header = cache.safetensors_header(file)
    assert header is not None
    assert header["x"]["shape"] == [2]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x01\x02",
        safetensors()[:-1],
        safetensors() + b"\0",
        safetensors(claimed=4096),
        safetensors()[:20],
        b"\xff" * 64,
        struct.pack("<Q", 4) + b"[1]\n",
        struct.pack("<Q", 7) + b'{"x":1}',
    ],
    ids=["empty", "two-bytes", "short", "long", "overclaimed", "half-header", "garbage", "no-object", "no-tensor"],
)
def test_a_damaged_file_is_no_file(tmp_path: Path, content: bytes) -> None:
    """Whatever is truncated, padded or garbage counts as missing, without an exception."""
    file = tmp_path / "x.safetensors"
    file.write_bytes(content)
    assert cache.safetensors_header(file) is None
    assert cache.safetensors_header(tmp_path / "missing") is None


def test_a_failed_build_leaves_nothing(tmp_path: Path) -> None:
    """The folder of a build is gone after an exception."""

    def build() -> None:
        with cache.building(tmp_path) as folder:
            (folder / "half").write_text("x")
            raise RuntimeError("disk on fire")

    with pytest.raises(RuntimeError, match="disk on fire"):
        build()
    assert list(tmp_path.iterdir()) == []


def test_only_abandoned_builds_are_swept(tmp_path: Path) -> None:
    """A second builder removes what a killed one left, and nothing that a running one holds."""
    abandoned = tmp_path / ".building-1-dead"
    abandoned.mkdir()
    (abandoned / "model.safetensors").write_bytes(b"half")
    with cache.building(tmp_path) as first, cache.building(tmp_path) as second:
        assert not abandoned.exists()
        assert first.is_dir()
        assert second.is_dir()


def test_the_first_to_finish_wins(tmp_path: Path) -> None:
    """Of two builds of one thing the first stays, so that paths already handed out keep their content."""
    target = tmp_path / "thing"
    for author in ("first", "second"):
        with cache.building(tmp_path) as folder:
            (folder / "it").mkdir()
            (folder / "it" / "author").write_text(author)
            cache.publish_folder(folder / "it", target, complete=lambda _: True)
    assert (target / "author").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["thing"]


def test_a_broken_winner_is_replaced(tmp_path: Path) -> None:
    """A folder that does not pass the check gives way to the new one."""
    target = tmp_path / "thing"
    target.mkdir()
    with cache.building(tmp_path) as folder:
        (folder / "it").mkdir()
        (folder / "it" / "author").write_text("second")
        cache.publish_folder(folder / "it", target, complete=lambda path: (path / "author").is_file())
    assert (target / "author").read_text() == "second"
    assert [path.name for path in tmp_path.iterdir()] == ["thing"]


def test_the_cache_follows_xdg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """XDG_CACHE_HOME is obeyed when it is absolute, and ~/.cache is used when it is not or not set."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    assert cache.root() == Path("/elsewhere/bert-cpu-benchmarks")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache.root() == tmp_path / ".cache" / "bert-cpu-benchmarks"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.root() == tmp_path / ".cache" / "bert-cpu-benchmarks"
