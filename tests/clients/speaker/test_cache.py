"""The cache: whatever happens to the power or the disk, only the genuine is played."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.speaker import durable
from clients.speaker.cache import Cache, CacheFullError

DATA = bytes(range(256)) * 40
SHA = hashlib.sha256(DATA).hexdigest()
CHUNK = 4_096


class PowerCut(BaseException):
    """The machine is off."""


def fetch(cache: Cache) -> None:
    """Do what a fetch does, from wherever the last one was cut off."""
    cache.make_room(len(DATA) - cache.partial_bytes(SHA), {SHA})
    while (offset := cache.partial_bytes(SHA)) < len(DATA):
        cache.append(SHA, offset, DATA[offset : offset + CHUNK])
    cache.finish(SHA)


def played(cache: Cache) -> bytes | None:
    file = cache.open(SHA)
    if file is None:
        return None
    with file:
        return file.read()


@contextmanager
def power_cut(after: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Cut the power at the *after*-th thing that changes the disk."""
    done = [0]

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            done[0] += 1
            if done[0] > after:
                raise PowerCut
            return real(*args, **options)

        return call

    with monkeypatch.context() as patch:
        for owner, names in (
            (Path, ("replace", "unlink", "mkdir")),
            (os, ("fsync", "utime")),
            (Cache, ("append",)),
        ):
            for name in names:
                patch.setattr(owner, name, counted(getattr(owner, name)))
        with suppress(PowerCut):
            yield done


@pytest.mark.parametrize("unwritten", [0, 1, 500, CHUNK])
def test_a_power_cut_at_any_point_leaves_a_playable_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unwritten: int
) -> None:
    """After each change of the disk, and with so many of the last bytes lost."""
    steps = 0
    for after in range(100):
        directory = tmp_path / f"{after}-{unwritten}"
        with power_cut(after, monkeypatch) as done:
            fetch(Cache(directory))
        lose_the_end_of_parts(directory, unwritten)
        cache = Cache(directory)
        assert played(cache) in (None, DATA)
        fetch(cache)  # what was there does no harm to going on
        if played(cache) is None:
            fetch(cache)
        assert played(cache) == DATA
        steps = max(steps, done[0])
        if done[0] <= after:
            break
    assert steps >= 5, "the power was never cut"


def lose_the_end_of_parts(directory: Path, count: int) -> None:
    """What was not forced to the disk may be gone after a power cut."""
    for part in directory.glob("*.part"):
        os.truncate(part, max(0, part.stat().st_size - count))


@settings(max_examples=60)
@given(bit=st.integers(0, len(DATA) * 8 - 1))
def test_law_a_flipped_bit_is_not_played_and_is_fetched_again(
    tmp_path_factory: pytest.TempPathFactory, bit: int
) -> None:
    directory = tmp_path_factory.mktemp("cache")
    cache = Cache(directory)
    fetch(cache)
    path = directory / f"{SHA}.opus"
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)
    assert played(cache) is None
    assert cache.damaged == 1
    assert not cache.has(SHA)
    fetch(cache)
    assert played(cache) == DATA


def test_a_part_that_is_damaged_is_dropped_not_kept(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.append(SHA, 0, bytes(len(DATA)))
    assert not cache.finish(SHA)
    assert cache.partial_bytes(SHA) == 0
    assert os.listdir(tmp_path) == []


def held(cache: Cache, directory: Path, names: dict[str, int]) -> None:
    """Hold files of such sizes, the first used longest ago."""
    for age, (name, size) in enumerate(names.items()):
        path = directory / f"{name}.opus"
        path.write_bytes(bytes(size))
        os.utime(path, (1_000 + age, 1_000 + age))


def test_what_was_used_longest_ago_goes_but_not_what_is_needed(tmp_path: Path) -> None:
    cache = Cache(tmp_path, max_bytes=100)
    held(cache, tmp_path, {"old": 40, "older-but-due": 0, "due": 30, "new": 30})
    cache.make_room(35, {"due", "x"})
    assert sorted(os.listdir(tmp_path)) == [
        "due.opus",
        "new.opus",
        "older-but-due.opus",
    ]
    with pytest.raises(CacheFullError):
        cache.make_room(80, {"due", "x"})
    assert "due.opus" in os.listdir(tmp_path)


def test_a_disk_that_takes_nothing_is_an_error_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match=r"Not a directory|exists"):
        Cache(tmp_path / "file" / "cache").make_room(1, set())


@pytest.mark.parametrize("after", range(6))
def test_a_small_file_is_the_old_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    path = tmp_path / "notebook"
    durable.write(path, b"old")
    with power_cut(after, monkeypatch):
        durable.write(path, b"new")
    assert durable.read(path) in (b"old", b"new")
    durable.write(path, b"newer")
    assert durable.read(path) == b"newer"


def test_a_small_file_with_a_flipped_bit_is_none(tmp_path: Path) -> None:
    path = tmp_path / "notebook"
    assert durable.read(path) is None
    durable.write(path, b"what was played")
    path.write_bytes(path.read_bytes().replace(b"was", b"wos"))
    assert durable.read(path) is None
