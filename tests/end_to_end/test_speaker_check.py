"""``loacast speaker --check`` against real sockets that fail in their ways."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from clients.speaker.app import SpeakerConfig
from clients.speaker.check import look, udp_answers
from clients.speaker.findings import Finding
from clients.speaker.policy import Transport
from streamer.air.zones import ZoneLevel
from streamer.app.server import LoacastServer
from streamer.config import Config
from tests.end_to_end.test_speaker import CREDENTIAL, TinyServer, running

pytestmark = pytest.mark.end_to_end


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clients.speaker.check.UDP_WAIT_S", 0.1)


def at(url: str, **options: Any) -> SpeakerConfig:
    return replace(SpeakerConfig(url, CREDENTIAL, output="null"), **options)


async def failures(config: SpeakerConfig, **options: Any) -> list[Finding]:
    found = await look(config, **options)
    return [each for each in found if each.counts and not each.ok]


@asynccontextmanager
async def serving(directory: Path) -> AsyncIterator[tuple[LoacastServer, str]]:
    """Run a whole server with one speaker; yield it and the credential."""
    config = Config(  # type: ignore[call-arg]
        data_directory=directory,
        host="127.0.0.1",
        api_port=0,
        webrtc_host=IPv4Address("127.0.0.1"),
        webrtc_port=0,
        public_addresses=(IPv4Address("127.0.0.1"),),
    )
    async with LoacastServer(config) as server:
        await server.services.zones.create(
            zone_id="a",
            parent_id=None,
            name="Thôn",
            level=ZoneLevel.VILLAGE,
            playout_delay_ms=None,
        )
        _, credential = await server.services.speakers.enrol(
            name="Loa", zone_id="a", volume_percent=100
        )
        yield server, credential


async def test_a_name_that_is_none() -> None:
    (finding,) = await failures(at("ws://loa.invalid:8081/v1/listen"))
    assert finding.name == "name"
    assert "'loa.invalid' has no address" in finding.english


async def test_a_port_at_which_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        port = taken.getsockname()[1]
        (finding,) = await failures(at(f"ws://127.0.0.1:{port}/v1/listen"))
    assert f"nobody listens at 127.0.0.1, TCP port {port}" in finding.english
    assert f"cổng TCP {port}" in finding.vietnamese


async def test_a_port_that_is_blocked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clients.speaker.check.ANSWER_TIMEOUT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, never answers
        port = silent.getsockname()[1]
        (finding,) = await failures(at(f"ws://127.0.0.1:{port}/v1/listen"))
    assert "a firewall" in finding.english


async def test_encryption_where_there_is_none() -> None:
    async with running(TinyServer()) as server:
        url = server.url.replace("ws://", "wss://")
        (finding,) = await failures(at(url))
    assert finding.name == "encryption"


async def test_a_certificate_that_nobody_trusts(tmp_path: Path) -> None:
    async with encrypted(tmp_path) as port:
        (finding,) = await failures(at(f"wss://127.0.0.1:{port}/v1/listen"))
    assert "certificate is not trusted" in finding.english


@asynccontextmanager
async def encrypted(directory: Path) -> AsyncIterator[int]:
    """Listen with a certificate that signed itself."""
    pem = directory / "pem"
    process = await asyncio.create_subprocess_exec(
        *("openssl", "req", "-x509", "-newkey", "ec", "-nodes"),
        *("-pkeyopt", "ec_paramgen_curve:P-256"),
        *f"-days 1 -subj /CN=x -keyout {pem}.key -out {pem}".split(),
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert await process.wait() == 0
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem, f"{pem}.key")

    def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(
        hang_up, "127.0.0.1", 0, ssl=context
    ) as listening:
        yield listening.sockets[0].getsockname()[1]


async def test_a_credential_that_is_refused() -> None:
    async with running(TinyServer(refuses=True)) as server:
        (finding,) = await failures(at(server.url))
    assert finding.name == "credential"
    assert "Issue a new one" in finding.english


async def test_a_port_of_something_else() -> None:
    async with serving_nonsense(b"SSH-2.0-OpenSSH\r\n") as port:
        (finding,) = await failures(at(f"ws://127.0.0.1:{port}/v1/listen"))
    assert "no Loacast server" in finding.english


@asynccontextmanager
async def serving_nonsense(data: bytes) -> AsyncIterator[int]:
    def say(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        writer.close()

    async with await asyncio.start_server(say, "127.0.0.1", 0) as listening:
        yield listening.sockets[0].getsockname()[1]


async def test_a_whole_server_and_a_clock_that_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path / "server") as (server, credential):
        config = at(
            f"ws://127.0.0.1:{server.stream_port}/v1/listen",
            credential=credential,
            state_directory=tmp_path / "state",
        )
        found = await look(config)
        assert [each.name for each in found if each.counts and not each.ok] == []
        names = {each.name for each in found}
        assert names > {"codec", "state directory", "stream port", "credential"}
        monkeypatch.setattr(
            "clients.speaker.check.time_ns", lambda: time.time_ns() - 7_200 * 10**9
        )
        (finding,) = await failures(config)
        assert finding.english.startswith("7200 s slow")
        assert server.webrtc is not None
        assert await udp_answers("127.0.0.1", server.webrtc.port)
    assert list((tmp_path / "state").iterdir()) == []  # nothing is left behind


async def test_udp_that_is_blocked_counts_only_where_it_is_needed() -> None:
    async with running(TinyServer()) as server:
        config = at(server.url)
        found = await look(config)
        (note,) = [each for each in found if not each.ok]
        assert not note.counts
        assert note.lines()[0].startswith("note  WebRTC port: no answer from UDP")
        (finding,) = await failures(replace(config, transport=Transport.WEBRTC))
        assert finding.name == "WebRTC port"


async def test_a_sound_card_and_a_disk_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")

    class NoCard:
        def check_output_settings(self, **_: object) -> None:
            raise ValueError("No output device matching 'USB'")

    async with running(TinyServer()) as server:
        config = at(
            server.url,
            output="soundcard",
            device_name="USB",
            state_directory=tmp_path / "file" / "state",
        )
        sound, disk = await failures(config, load=NoCard)
    assert "no sound on USB: No output device" in sound.english
    assert "cannot be written to" in disk.english
    assert "group audio" in sound.english


async def test_the_command_says_it_and_fails() -> None:
    async with running(TinyServer(refuses=True)) as server:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "streamer", "speaker", "--check"),
            *("--url", server.url, "--output", "null"),
            env=os.environ | {"LOACAST_CREDENTIAL": CREDENTIAL},
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await asyncio.wait_for(process.communicate(), 10)
    assert process.returncode == 1
    assert "FAIL  credential: the server refused it (HTTP 401)" in output.decode()
    assert "Máy chủ từ chối" in output.decode()
