"""Tests of streamer.studio.files: uploads on a real disk."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from streamer.store.database import sqlite_url
from streamer.store.errors import NotFoundError, StoreUnavailableError
from streamer.store.records import AudioFile
from streamer.store.store import Store
from streamer.studio import files as module
from streamer.studio.errors import FileRefusedError
from streamer.studio.files import AudioFacts, FileLibrary, FileLimits

LIMITS = FileLimits(max_bytes=1000, max_files=3)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store(sqlite_url(tmp_path / "loacast.db")) as store:
        yield store


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "files"


def probe(path: Path) -> AudioFacts:
    """Tell the duration that the file's text names."""
    text = path.read_bytes()
    if not text.startswith(b"audio "):
        raise FileRefusedError("unsupported-audio", "not audio")
    return AudioFacts(float(text.split()[1]), "opus", 48_000, 1)


def library(directory: Path, store: Store) -> FileLibrary:
    return FileLibrary(directory, store.files, probe=probe, limits=LIMITS)


def names(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_an_upload_is_kept_across_a_restart(
    directory: Path, store: Store
) -> None:
    async with library(directory, store) as files:
        added = await files.add("a.ogg", chunks(b"audio ", b"12.5"))
        assert content(files, added) == b"audio 12.5"
    async with library(directory, store) as files:
        assert files.all() == [added]
        assert (added.name, added.duration_ms, added.size_bytes) == ("a.ogg", 12500, 10)


@pytest.mark.parametrize(
    ("parts", "slug"),
    [
        ([b"text"], "unsupported-audio"),
        ([], "unsupported-audio"),
        ([b"audio 1 ", b"x" * 993], "file-too-large"),
    ],
)
async def test_what_is_refused_leaves_nothing(
    directory: Path, store: Store, parts: list[bytes], slug: str
) -> None:
    async with library(directory, store) as files:
        with pytest.raises(FileRefusedError) as refused:
            await files.add("a.ogg", chunks(*parts))
        assert refused.value.slug == slug
        assert (files.all(), names(directory)) == ([], [])
        assert await store.files.all() == []


async def test_as_many_bytes_as_allowed_are_taken(
    directory: Path, store: Store
) -> None:
    async with library(directory, store) as files:
        added = await files.add("a", chunks(b"audio 1 ".ljust(LIMITS.max_bytes)))
        assert added.size_bytes == len(content(files, added)) == LIMITS.max_bytes


async def test_a_sender_that_goes_away_leaves_nothing(
    directory: Path, store: Store
) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"audio"
        raise ConnectionResetError

    async with library(directory, store) as files:
        with pytest.raises(ConnectionResetError):
            await files.add("a.ogg", broken())
        assert names(directory) == []


async def test_a_full_disk_is_said_and_leaves_nothing(
    directory: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "_finish", full)
    async with library(directory, store) as files:
        with pytest.raises(FileRefusedError) as refused:
            await files.add("a.ogg", chunks(b"audio 1"))
        assert refused.value.slug == "disk-full"
        assert names(directory) == []


async def test_an_absent_database_leaves_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "files"
    async with Store(sqlite_url(tmp_path / "loacast.db")) as store:
        files = await library(directory, store).__aenter__()
    with pytest.raises(StoreUnavailableError):
        await files.add("a.ogg", chunks(b"audio 1"))
    assert (files.all(), names(directory)) == ([], [])


async def test_the_number_of_files_is_bounded(directory: Path, store: Store) -> None:
    async with library(directory, store) as files:
        for _ in range(LIMITS.max_files):
            await files.add("a.ogg", chunks(b"audio 1"))
        with pytest.raises(FileRefusedError) as refused:
            await files.add("a.ogg", chunks(b"audio 1"))
        assert refused.value.slug == "too-many-files"


async def test_the_number_of_uploads_at_once_is_bounded(
    directory: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_UPLOADS", 1)
    slugs: list[str] = []

    async def other_upload_meanwhile() -> AsyncIterator[bytes]:
        yield b"audio 1"
        with pytest.raises(FileRefusedError) as refused:
            await files.add("b.ogg", chunks(b"audio 1"))
        slugs.append(refused.value.slug)

    async with library(directory, store) as files:
        await files.add("a.ogg", other_upload_meanwhile())
        await files.add("c.ogg", chunks(b"audio 1"))
    assert slugs == ["too-many-uploads"]


async def test_a_deleted_file_is_gone(directory: Path, store: Store) -> None:
    async with library(directory, store) as files:
        added = await files.add("a.ogg", chunks(b"audio 1"))
        await files.delete(added.id)
        assert (files.path(added.id), names(directory)) == (None, [])
        with pytest.raises(NotFoundError):
            await files.delete(added.id)


async def test_leavings_of_a_crash_are_cleared_or_passed_over(
    directory: Path, store: Store
) -> None:
    async with library(directory, store) as files:
        added = await files.add("a.ogg", chunks(b"audio 1"))
    (directory / added.path).rename(directory / "a.part")
    async with library(directory, store) as files:
        assert (files.all(), names(directory)) == ([], [])


def content(files: FileLibrary, file: AudioFile) -> bytes:
    path = files.path(file.id)
    assert path is not None
    return path.read_bytes()
