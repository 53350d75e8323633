"""The server as its users meet it: the real command, and whole servers in-process."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

import aioice.ice
import httpx
import psutil  # type: ignore[import-untyped]
import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from streamer.app.server import LoacastServer
from streamer.config import Config
from streamer.wire.control import SUBPROTOCOL

pytestmark = pytest.mark.end_to_end

START_TIMEOUT_S = 30
MUSIC = {"kind": "tone", "pattern": "music"}


class Process:
    """`loacast serve` in a process of its own."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        command = [
            *(sys.executable, "-m", "streamer", "serve", "--host", "127.0.0.1"),
            *("--data-directory", str(directory), "--port", "0", *arguments),
        ]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.token: str | None = None
        self.api_url = self.stream_url = ""

    def __enter__(self) -> Self:
        """Wait until it listens, or has given up."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("Admin token (shown once): "):
                self.token = line.split()[-1]
            if line.startswith("Listening: "):
                _, self.api_url, stream, *_ = line.split()
                self.stream_url = stream.removeprefix("stream=")
                break
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate(timeout=START_TIMEOUT_S)

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal; return the exit status and what it said on stderr."""
        self._process.send_signal(number)
        return self.ended()

    def ended(self) -> tuple[int, str]:
        """Return the exit status and what it said on stderr."""
        _, errors = self._process.communicate(timeout=START_TIMEOUT_S)
        return self._process.returncode, errors

    def client(self, token: str | None) -> httpx.Client:
        """Return a client of its API."""
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.Client(base_url=self.api_url, headers=headers, trust_env=False)


def order(*zone_ids: str, **members: Any) -> dict[str, Any]:
    base = {"source": MUSIC, "zone_ids": list(zone_ids), "class": "normal"}
    return base | {"title": "Bản tin"} | members


class TestProcess:
    """The command: what it prints, how it ends, what it leaves."""

    def test_the_first_start_shows_a_token_and_the_next_knows_it(
        self, tmp_path: Path
    ) -> None:
        with Process(tmp_path) as first:
            assert first.token is not None
            with first.client(first.token) as client:
                assert client.get("/api/v1/me").json()["role"] == "admin"
            status, errors = first.end()
            assert (status, first.token in errors) == (0, False)
        with Process(tmp_path) as second:
            assert second.token is None
            with second.client(first.token) as client:
                assert client.get("/api/v1/me").json()["role"] == "admin"
            assert second.end(signal.SIGINT)[0] == 0

    def test_a_taken_port_is_one_line(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            for arguments in (["--port", port], ["--stream-port", port]):
                with Process(tmp_path, *arguments) as process:
                    status, errors = process.ended()
                last = errors.splitlines()[-1]
                assert (status, last.startswith("loacast: ")) == (1, True)
                assert "Address already in use" in last
                assert "Traceback" not in errors

    def test_two_servers_never_share_a_directory(self, tmp_path: Path) -> None:
        with Process(tmp_path) as first, Process(tmp_path) as second:
            status, errors = second.ended()
            assert (status, "another server uses" in errors) == (1, True)
            assert first.end()[0] == 0

    def test_a_database_that_is_none_is_one_line(self, tmp_path: Path) -> None:
        (tmp_path / "loacast.db").write_bytes(b"this is no database" * 100)
        with Process(tmp_path) as process:
            status, errors = process.ended()
        assert status == 1
        assert errors.splitlines()[-1].startswith("loacast: ")
        assert "Traceback" not in errors

    def test_what_is_on_air_when_it_ends_is_interrupted_and_whole(
        self, tmp_path: Path
    ) -> None:
        broadcast = self._start_and_end(tmp_path, signal.SIGTERM)
        assert broadcast["end_reason"] == "interrupted"
        assert broadcast["recording"]["complete"]

    def test_what_is_on_air_when_it_is_killed_is_kept_to_the_last_second(
        self, tmp_path: Path
    ) -> None:
        broadcast = self._start_and_end(tmp_path, signal.SIGKILL)
        assert broadcast["end_reason"] == "interrupted"
        assert not broadcast["recording"]["complete"]
        assert broadcast["recording"]["bytes"] > 1000

    def _start_and_end(self, directory: Path, number: signal.Signals) -> Any:
        """Let it end during a broadcast; return what the next one knows of it."""
        with Process(directory) as process:
            token = process.token
            with process.client(token) as client:
                zone = {"id": "p", "name": "p", "level": "province"}
                client.post("/api/v1/zones", json=zone)
                answer = client.post("/api/v1/broadcasts", json=order("p"))
                url = f"/api/v1/broadcasts/{answer.json()['id']}"
                while client.get(url).json()["frames"] < 120:
                    pass
                client.get(f"{url}/intervals")  # answered when the log is written
            process.end(number)
        with Process(directory) as process:
            with process.client(token) as client:
                found = client.get(url).json()
                intervals = client.get(f"{url}/intervals").json()
                recording = client.get(f"/api/v1/recordings/{found['id']}")
            process.end()
        assert recording.content.startswith(b"OggS")
        assert [each["to_utc"] is not None for each in intervals] == [True]
        return found

    def test_a_token_made_by_command_is_known_at_once(self, tmp_path: Path) -> None:
        with Process(tmp_path) as process:
            made = subprocess.run(
                [
                    *(sys.executable, "-m", "streamer", "token", "create"),
                    *("--name", "Lan", "--role", "operator", "--expires-days", "1"),
                    *("--data-directory", str(tmp_path)),
                ],
                capture_output=True,
                text=True,
                timeout=START_TIMEOUT_S,
                check=True,
            )
            with process.client(made.stdout.strip()) as client:
                assert client.get("/api/v1/me").json()["name"] == "Lan"
            process.end()


# In-process.


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config.load(
        data_directory=tmp_path / "data",
        host="127.0.0.1",
        api_port=0,
        stream_port=0,
    )


class World:
    """A server, its admin's client, and a province with two communes."""

    def __init__(self, server: LoacastServer, client: httpx.AsyncClient) -> None:
        self.server = server
        self.client = client

    async def post(self, path: str, **body: Any) -> Any:
        """Post and return the answer's body."""
        answer = await self.client.post(f"/api/v1/{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json()

    async def enrol(self, zone_id: str) -> Any:
        """Enrol a speaker."""
        return await self.post("speakers", name="loa", zone_id=zone_id)

    def listen(self, credential: str) -> connect:
        """Return a speaker's connection, still to be opened."""
        return connect(
            f"{self.server.stream_url}?ptime_ms=20",
            additional_headers={"Authorization": f"Bearer {credential}"},
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            proxy=None,
        )


@contextlib.asynccontextmanager
async def world(config: Config) -> AsyncIterator[World]:
    async with (
        LoacastServer(config) as server,
        httpx.AsyncClient(
            base_url=server.api_url,
            headers={"Authorization": f"Bearer {server.admin_token}"},
            trust_env=False,
            timeout=20,
        ) as client,
    ):
        made = World(server, client)
        await made.post("zones", id="p", name="p", level="province")
        for commune in ("a", "b"):
            zone = {"id": commune, "name": commune, "level": "commune"}
            await made.post("zones", **zone, parent_id="p")
        yield made


async def control(connection: ClientConnection, kind: str) -> dict[str, Any]:
    """Return the next control message of a kind, passing over what comes before."""
    async with asyncio.timeout(10):
        while True:
            message = await connection.recv()
            if isinstance(message, str):
                found: dict[str, Any] = json.loads(message)
                if found["type"] == kind:
                    return found


async def audio(connection: ClientConnection) -> bytes:
    """Return the next binary message."""
    async with asyncio.timeout(10):
        while not isinstance(message := await connection.recv(), bytes):
            pass
        return message


async def test_a_speaker_hears_its_zone_and_the_broadcaster_sees_it(
    config: Config,
) -> None:
    async with world(config) as it:
        speaker = await it.enrol("a")
        async with it.listen(speaker["credential"]) as link:
            welcome = await control(link, "welcome")
            assert (welcome["zone"], welcome["return_spread_ms"]) == ("a", 1000 // 300)
            broadcast = await it.post("broadcasts", **order("p"))
            told = await control(link, "programme")
            assert (told["broadcast"], told["ssrc"]) == (
                broadcast["id"],
                broadcast["ssrc"],
            )
            assert int.from_bytes((await audio(link))[10:14]) == broadcast["ssrc"]
            url = f"/api/v1/broadcasts/{broadcast['id']}"
            heard = (await it.client.get(url)).json()["heard_by"]
            assert heard["zones"] == [
                {"zone_id": "p", "heard": True, "listeners": 1, "speakers": 1}
            ]
            shown = (await it.client.get(f"/api/v1/speakers/{speaker['id']}")).json()
            assert shown["connected"]
            metrics = (await it.client.get("/metrics")).text
            assert 'loacast_listeners{transport="websocket",zone="a"} 1.0' in metrics

            patch = {"volume_percent": 20}
            await it.client.patch(f"/api/v1/speakers/{speaker['id']}", json=patch)
            assert (await control(link, "settings"))["volume_percent"] == 20

            other = await it.post("broadcasts", **order("a", **{"class": "emergency"}))
            assert (await control(link, "programme"))["ssrc"] == other["ssrc"]
            await it.post(f"broadcasts/{other['id']}/stop")
            assert (await control(link, "programme"))["ssrc"] == broadcast["ssrc"]

            await it.client.delete(f"/api/v1/speakers/{speaker['id']}")
            assert (await control(link, "goodbye"))["reason"] == "revoked"
        with pytest.raises(InvalidStatus, match="401"):
            await it.listen(speaker["credential"])


async def test_listeners_are_told_when_the_server_ends(config: Config) -> None:
    async with contextlib.AsyncExitStack() as links:
        async with world(config) as it:
            credential = (await it.enrol("a"))["credential"]
            link = await links.enter_async_context(it.listen(credential))
            await control(link, "welcome")
            await it.post("broadcasts", **order("p"))
            await control(link, "programme")
            hearing = asyncio.create_task(control(link, "goodbye"))
        goodbye = await hearing
        assert goodbye["retry_after_ms"] >= 0
        await link.wait_closed()
        assert link.close_code == 1001


async def test_what_is_on_air_outlives_the_database(config: Config) -> None:
    async with world(config) as it:
        first = await it.post("broadcasts", **order("p"))
        await it.server.services.journal.written()
        blocker = sqlite3.connect(config.database_path, isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        refused = await it.client.post(
            "/api/v1/zones", json={"name": "x", "level": "province"}
        )
        assert refused.status_code == 503
        assert refused.json()["type"] == "urn:loacast:problem:database-unavailable"
        url = f"/api/v1/broadcasts/{first['id']}"
        before = (await it.client.get(url)).json()
        second = await it.post("broadcasts", **order("a", **{"class": "emergency"}))
        assert second["state"] == "on_air"
        await it.post(f"broadcasts/{second['id']}/stop")
        assert (await it.client.get(url)).json()["frames"] > before["frames"]
        blocker.rollback()
        blocker.close()
        await it.server.services.journal.written()
        log = await it.client.get(f"/api/v1/broadcasts/{second['id']}/intervals")
        assert [each["zone_id"] for each in log.json()] == ["a"]


# Microphones.


@pytest.fixture
def loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ICE gather 127.0.0.1, which it leaves out, and nothing else."""
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda **_: ["127.0.0.1"])


@contextlib.asynccontextmanager
async def microphone(it: World, query: str = "") -> AsyncIterator[httpx.Response]:
    """Connect a microphone; yield the answer to its offer."""
    peer = RTCPeerConnection()
    try:
        peer.addTrack(AudioStreamTrack())
        await peer.setLocalDescription(await peer.createOffer())
        answer = await it.client.post(
            f"/whip{query}",
            content=peer.localDescription.sdp,
            headers={"Content-Type": "application/sdp"},
        )
        if answer.status_code == 201:
            await peer.setRemoteDescription(
                RTCSessionDescription(sdp=answer.text, type="answer")
            )
        yield answer
    finally:
        await peer.close()


@pytest.mark.usefixtures("loopback")
async def test_a_microphone_is_on_air_by_one_url_until_it_is_deleted(
    config: Config,
) -> None:
    async with world(config) as it:
        query = "?zone=a&class=priority&title=Ch%C3%A0o"
        async with microphone(it, query) as answer:
            assert answer.status_code == 201
            assert answer.headers["Content-Type"].startswith("application/sdp")
            assert answer.headers["ETag"].startswith('"')
            (broadcast,) = (await it.client.get("/api/v1/broadcasts")).json()
            assert (broadcast["title"], broadcast["class"]) == ("Chào", "priority")
            assert broadcast["source_kind"] == "microphone"
            gone = await it.client.delete(answer.headers["Location"])
            assert gone.status_code == 200
            url = f"/api/v1/broadcasts/{broadcast['id']}"
            found = (await it.client.get(url)).json()
            assert (found["state"], found["end_reason"]) == ("ended", "stopped")
            again = await it.client.delete(answer.headers["Location"])
            assert again.status_code == 404


@pytest.mark.usefixtures("loopback")
async def test_a_microphone_is_its_owners(config: Config) -> None:
    async with world(config) as it, microphone(it) as answer:
        session_id = answer.headers["Location"].rpartition("/")[2]
        source = {"kind": "microphone", "session_id": session_id}
        issued = await it.post("tokens", name="other", role="operator")
        other = {"Authorization": f"Bearer {issued['token']}"}
        body = order("a", source=source)
        refused = await it.client.post("/api/v1/broadcasts", json=body, headers=other)
        assert refused.status_code == 403
        refused = await it.client.delete(f"/whip/{session_id}", headers=other)
        assert refused.status_code == 403
        broadcast = await it.post("broadcasts", **body)
        assert broadcast["state"] == "on_air"


@pytest.mark.usefixtures("loopback")
async def test_a_microphone_that_goes_away_ends_its_broadcast(config: Config) -> None:
    async with world(config) as it:
        async with microphone(it, "?zone=a") as answer:
            assert answer.status_code == 201
            (broadcast,) = (await it.client.get("/api/v1/broadcasts")).json()
            live = it.server.services.studio.find(broadcast["id"])
            assert live is not None
            await asyncio.sleep(1)  # let it be heard
            assert live.end is None
        async with asyncio.timeout(2):
            await live.ended.wait()
        assert live.end is not None
        assert live.end.reason == "failed"


# Leaks.


def belongings() -> dict[str, int]:
    gc.collect()
    process = psutil.Process()
    return {
        "tasks": len(asyncio.all_tasks()),
        "threads": sum(not _is_pooled(each) for each in threading.enumerate()),
        "files": process.num_fds(),
        "connections": len(process.net_connections("all")),
    }


def _is_pooled(thread: threading.Thread) -> bool:
    """The loop's executor keeps its threads until the loop ends."""
    return thread.name.startswith("asyncio_")


@contextlib.asynccontextmanager
async def nothing_left() -> AsyncIterator[None]:
    """Check that nothing is left, once what ends by itself had the time to."""
    before = belongings()
    yield
    for _ in range(50):
        if not more_than(before):
            break
        await asyncio.sleep(0.1)
    assert more_than(before) == {}


def more_than(before: dict[str, int]) -> dict[str, int]:
    return {k: n - before[k] for k, n in belongings().items() if n > before[k]}


@pytest.mark.usefixtures("loopback")
async def test_a_server_leaves_nothing_behind(config: Config) -> None:
    async with world(config) as it:  # what is loaded once stays: let it be loaded
        await _everything(it)
    async with nothing_left():
        directory = config.data_directory.with_name("other")
        other = config.model_copy(update={"data_directory": directory})
        async with world(other) as it:
            await _everything(it)


@pytest.mark.usefixtures("loopback")
async def test_requests_leave_nothing_behind(config: Config) -> None:
    async with world(config) as it:
        await _everything(it)
        await _settled(it)
        # The store's connections are kept: let all of them be made.
        path = "/api/v1/broadcasts?state=ended"
        await asyncio.gather(*(it.client.get(path) for _ in range(20)))
        async with nothing_left():
            await _everything(it)
            await _settled(it)


async def _everything(it: World) -> None:
    """Broadcasts that end in every way, refusals of every kind, links, microphones."""
    short = {"kind": "tone", "pattern": "music", "duration_s": 0.1}
    await it.post("broadcasts", **order("p", source=short, chime=False))
    stopped = await it.post("broadcasts", **order("a", chime=True))
    await it.post(f"broadcasts/{stopped['id']}/stop")
    bad = {"title": "x" * 10_000}
    await it.client.post("/api/v1/broadcasts", json=order("p", **bad))
    await it.client.post("/api/v1/broadcasts", json=order("nowhere"))
    await it.client.post("/api/v1/files?name=x.mp3", content=b"text" * 10_000)
    await it.client.post("/api/v1/zones", content=b" " * 100_000)
    credential = (await it.enrol("a"))["credential"]
    async with it.listen(credential) as link:
        await control(link, "welcome")
        await link.send(b"binary")
        with contextlib.suppress(ConnectionClosed):
            await control(link, "never")
    with pytest.raises(InvalidStatus):
        await it.listen("wrong")
    async with microphone(it, "?zone=b") as answer:
        assert answer.status_code == 201
        await it.client.delete(answer.headers["Location"])
    await it.client.post(
        "/whip", content="v=0\r\n", headers={"Content-Type": "application/sdp"}
    )


async def _settled(it: World) -> None:
    """Wait for what ends by itself."""
    studio = it.server.services.studio
    for live in [*studio.on_air(), *studio.recently_ended()]:
        await live.closed.wait()
    await it.server.services.journal.written()
    await asyncio.sleep(0.5)
    assert os.listdir(it.server.config.files_directory) == []
