"""Tests of streamer.studio.files: uploads on a real disk."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from streamer.studio import files as module
from streamer.studio.errors import FileRefusedError
from streamer.studio.files import AudioFacts, FileLibrary, FileLimits

LIMITS = FileLimits(max_bytes=1000, max_duration_s=60, max_files=3)


def probe(path: Path) -> AudioFacts:
    """Tell the duration that the file's text names."""
    text = path.read_bytes()
    if not text.startswith(b"audio "):
        raise FileRefusedError("unsupported-audio", "not audio")
    return AudioFacts(float(text.split()[1]), "opus", 48_000, 1)


def names(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


def library(directory: Path, **changes: Any) -> FileLibrary:
    return FileLibrary(directory, probe=probe, limits=LIMITS)


async def test_an_upload_is_kept_across_a_restart(tmp_path: Path) -> None:
    async with library(tmp_path) as files:
        added = await files.add("a.ogg", chunks(b"audio ", b"12.5"), added_by="t1")
        assert files.path(added.id).read_bytes() == b"audio 12.5"
    async with library(tmp_path) as files:
        assert files.all() == [added]
        assert (added.name, added.duration_s, added.added_by) == ("a.ogg", 12.5, "t1")


@pytest.mark.parametrize(
    ("content", "slug"),
    [
        ([b"text"], "unsupported-audio"),
        ([], "unsupported-audio"),
        ([b"audio 61"], "file-too-long"),
        ([b"audio 1 ", b"x" * 993], "file-too-large"),
    ],
)
async def test_what_is_refused_leaves_nothing(
    tmp_path: Path, content: list[bytes], slug: str
) -> None:
    async with library(tmp_path) as files:
        with pytest.raises(FileRefusedError) as refused:
            await files.add("a.ogg", chunks(*content), added_by="t1")
        assert refused.value.slug == slug
        assert (files.all(), names(tmp_path)) == ([], [])


async def test_as_many_bytes_as_allowed_are_taken(tmp_path: Path) -> None:
    async with library(tmp_path) as files:
        content = b"audio 1 ".ljust(LIMITS.max_bytes)
        added = await files.add("a.ogg", chunks(content), added_by="t1")
        assert files.path(added.id).stat().st_size == LIMITS.max_bytes


async def test_a_sender_that_goes_away_leaves_nothing(tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"audio"
        raise ConnectionResetError

    async with library(tmp_path) as files:
        with pytest.raises(ConnectionResetError):
            await files.add("a.ogg", broken(), added_by="t1")
        assert names(tmp_path) == []


async def test_a_full_disk_is_said_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "_finish", full)
    async with library(tmp_path) as files:
        with pytest.raises(FileRefusedError) as refused:
            await files.add("a.ogg", chunks(b"audio 1"), added_by="t1")
        assert refused.value.slug == "disk-full"
        assert names(tmp_path) == []


async def test_the_number_of_files_is_bounded(tmp_path: Path) -> None:
    async with library(tmp_path) as files:
        for _ in range(LIMITS.max_files):
            await files.add("a.ogg", chunks(b"audio 1"), added_by="t1")
        with pytest.raises(FileRefusedError) as refused:
            await files.add("a.ogg", chunks(b"audio 1"), added_by="t1")
        assert refused.value.slug == "too-many-files"


async def test_a_deleted_file_is_gone(tmp_path: Path) -> None:
    async with library(tmp_path) as files:
        added = await files.add("a.ogg", chunks(b"audio 1"), added_by="t1")
        await files.delete(added.id)
        assert (files.get(added.id), names(tmp_path)) == (None, [])


async def test_leavings_of_a_crash_are_cleared_or_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.part").write_bytes(b"half")
    (tmp_path / "b.json").write_text("{")
    (tmp_path / "c.json").write_text("{}")
    async with library(tmp_path) as files:
        assert files.all() == []
        assert not (tmp_path / "a.part").exists()
