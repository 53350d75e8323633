"""Fetching from a real server that cuts off, forgets, refuses, or says nothing."""

from __future__ import annotations

import asyncio
import hashlib
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from clients.speaker import fetch, pantry
from clients.speaker.cache import Cache
from clients.speaker.fetch import FetchError, Store, get_file, get_manifest
from clients.speaker.pantry import Diet, Pantry
from clients.speaker.trust import Trust
from streamer.wire.control import ProgrammeClass
from streamer.wire.documents import Item, Manifest, serialize

KEY = Ed25519PrivateKey.generate()
DATA = random.Random(1).randbytes(50_000)
FAST = 1e9


def item_of(data: bytes, start_utc_us: int | None = None) -> Item:
    sha256 = hashlib.sha256(data).hexdigest()
    kind = ProgrammeClass.NORMAL
    return Item(sha256[:8], "t", kind, sha256, len(data), 48_000, start_utc_us)


ITEM = item_of(DATA)


class Server(ThreadingHTTPServer):
    """Serves `files` by hash, and `manifest`; misbehaves as it is told."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {ITEM.sha256: DATA}
        self.manifest = b""
        self.status: int | None = None
        self.cut_after: int | None = None
        self.ignores_ranges = False
        self.released = threading.Event()
        self.hangs = False
        self.asked: list[tuple[str, str | None]] = []
        "Hash or `manifest`, and the Range."

    @property
    def store(self) -> Store:
        return Store(f"http://127.0.0.1:{self.server_port}", "loas_1_x")


class Handler(BaseHTTPRequestHandler):
    """Answers as the server says."""

    server: Server

    def do_GET(self) -> None:
        server, name = self.server, self.path.rsplit("/", 1)[-1]
        server.asked.append((name, self.headers["Range"]))
        assert self.headers["Authorization"] == "Bearer loas_1_x"
        if server.hangs:
            server.released.wait(5)
            return
        if server.status is not None:
            self.send_error(server.status)
            return
        data = server.manifest if name == "manifest" else server.files.get(name)
        if data is None:
            self.send_error(404)
            return
        first = 0
        if self.headers["Range"] and not server.ignores_ranges:
            assert self.headers["If-Range"] == f'"{name}"'
            first = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(data) - first))
        self.send_header("ETag", f'"{len(data)}"')
        self.end_headers()
        end = len(data) if server.cut_after is None else first + server.cut_after
        with suppress(ConnectionError):
            self.wfile.write(data[first:end])

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as found:
        thread = threading.Thread(target=found.serve_forever, args=(0.01,))
        thread.start()
        yield found
        found.released.set()
        found.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    found = Cache(tmp_path / "cache")
    found.make_room(0, ())
    return found


def get(server: Server, cache: Cache, **options: object) -> bool:
    stop: Callable[[], bool] = options.get("stop", lambda: False)  # type: ignore[assignment]
    return get_file(server.store, ITEM, cache, bytes_per_s=FAST, stop=stop)


def test_what_was_cut_off_goes_on_where_it_was(server: Server, cache: Cache) -> None:
    server.cut_after = 20_000
    for _ in range(2):
        with pytest.raises(FetchError):
            get(server, cache)
    assert get(server, cache)
    ranges = [range_ for _, range_ in server.asked]
    assert ranges == ["bytes=0-", "bytes=20000-", "bytes=40000-"]
    file = cache.open(ITEM.sha256)
    assert file is not None
    with file:
        assert file.read() == DATA


def test_a_server_that_gives_all_again_is_taken_from_the_start(
    server: Server, cache: Cache
) -> None:
    """So it answers when If-Range does not hold (RFC 9110, section 13.1.5)."""
    cache.append(ITEM.sha256, 0, b"something else")
    server.ignores_ranges = True
    assert get(server, cache)


def test_a_part_of_another_file_is_found_out_and_fetched_anew(
    server: Server, cache: Cache
) -> None:
    cache.append(ITEM.sha256, 0, bytes(10_000))
    assert not get(server, cache)
    assert (cache.damaged, cache.partial_bytes(ITEM.sha256)) == (1, 0)
    assert get(server, cache)


def test_it_is_no_faster_than_it_may_be(server: Server, cache: Cache) -> None:
    waits: list[float] = []
    get_file(
        server.store,
        ITEM,
        cache,
        bytes_per_s=10_000,
        stop=lambda: False,
        sleep=waits.append,
    )
    assert sum(waits) == pytest.approx(len(DATA) / 10_000)
    assert max(waits) <= fetch.CHUNK_BYTES / 10_000


@pytest.mark.parametrize("status", [401, 404, 416, 500, 503])
def test_a_refusal_is_said_and_costs_nothing_that_was_there(
    server: Server, cache: Cache, status: int
) -> None:
    server.cut_after = 20_000
    with pytest.raises(FetchError):
        get(server, cache)
    server.status = status
    with pytest.raises(FetchError, match=str(status)):
        get(server, cache)
    with pytest.raises(FetchError, match=str(status)):
        get_manifest(server.store, "")
    assert cache.partial_bytes(ITEM.sha256) == 20_000


def test_a_server_that_says_nothing_is_given_up(
    server: Server, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "TIMEOUT_S", 0.1)
    server.hangs = True
    with pytest.raises(FetchError, match="timed out"):
        get(server, cache)


def test_it_ends_between_two_chunks(server: Server, cache: Cache) -> None:
    answers = iter([False, False, True])
    assert not get(server, cache, stop=lambda: next(answers))
    assert 0 < cache.partial_bytes(ITEM.sha256) <= 2 * fetch.CHUNK_BYTES


# -- the pantry ---------------------------------------------------------------------


def manifest_of(version: int, *items: Item) -> bytes:
    return serialize(Manifest("v", version, 1, 300, False, items=items), KEY.sign)


def pantry_of(directory: Path, cache_bytes: int = 1 << 20) -> Pantry:
    class Anyone(Trust):
        """Trusts one key without its base64."""

        def verify(self, signature: bytes, document: bytes) -> bool:
            KEY.public_key().verify(signature, document)
            return True

    diet = Diet(cache_bytes=cache_bytes, bytes_per_s=FAST, spread=0.0)
    return Pantry(directory, Anyone(), diet)


@contextmanager
def hasty(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("TURN_S", "RETRY_S", "ASK_AGAIN_S"):
        monkeypatch.setattr(pantry, name, 0.01)
    yield


async def run_until(keeping: Pantry, true: Callable[[], bool]) -> None:
    task = asyncio.create_task(keeping.run())
    try:
        async with asyncio.timeout(5):
            while not true():
                assert not task.done()
                await asyncio.sleep(0.01)
    finally:
        task.cancel()
        await asyncio.wait([task])


def has(keeping: Pantry, names: list[str]) -> bool:
    return sorted(each.id for each in keeping.items()) == names


async def test_a_full_cache_never_gives_up_what_is_planned(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three files fit: the first, the oldest, is planned all the while."""
    rng = random.Random(2)
    keeping = pantry_of(tmp_path, cache_bytes=35_000)
    keeping.on_server(server.store, hurry=True)
    with hasty(monkeypatch):
        planned: list[Item] = []
        for version in range(1, 8):
            data = rng.randbytes(10_000)
            new = item_of(data, start_utc_us=version)
            server.files[new.sha256] = data
            planned = [*planned[:1], *planned[1:][-1:], new]
            server.manifest = manifest_of(version, *planned)
            keeping.ask_again(hurry=True)
            names = sorted(each.id for each in planned)
            await run_until(keeping, partial(has, keeping, names))
    held = sorted(each.stat().st_size for each in (tmp_path / "cache").iterdir())
    assert held == [10_000] * 3
    assert len([name for name, _ in server.asked if name != "manifest"]) == 7, "once"


async def test_a_disk_that_keeps_nothing_is_counted_and_tried_again(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeping = pantry_of(tmp_path / "state")
    (tmp_path / "state").write_bytes(b"where a directory should be")
    server.manifest = manifest_of(1, ITEM)
    keeping.on_server(server.store, hurry=True)
    with hasty(monkeypatch):
        await run_until(keeping, lambda: keeping.failures >= 3)
        assert keeping.manifest is not None, "known, if not kept"
        assert keeping.items() == []
        (tmp_path / "state").unlink()
        await run_until(keeping, lambda: keeping.items() == [ITEM])


async def test_an_older_or_foreign_manifest_changes_nothing(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeping = pantry_of(tmp_path)
    server.manifest = manifest_of(5, ITEM)
    keeping.on_server(server.store, hurry=True)
    with hasty(monkeypatch):
        await run_until(keeping, lambda: keeping.is_fresh)
        server.manifest = manifest_of(4)
        asked = len(server.asked)
        keeping.ask_again(hurry=True)
        await run_until(keeping, lambda: len(server.asked) > asked + 1)
    assert keeping.manifest is not None
    assert keeping.manifest.version == 5
