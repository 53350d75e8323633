"""A real WebRTC sender (aiortc) speaks to `ingest.whip` over the loopback."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from fractions import Fraction
from typing import Any

import aioice.ice
import numpy as np
import psutil  # type: ignore[import-untyped]
import pytest
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)
from av.audio.frame import AudioFrame
from scipy.signal import correlate

from ingest.microphone import MicrophoneSource
from ingest.packets import Arrival
from ingest.tone import render
from ingest.whip import (
    BadOfferError,
    TooManySessionsError,
    UnacceptableOfferError,
    UnknownSessionError,
    WhipServer,
    WhipSession,
)
from streamer.media.frame import FRAME_NS, FRAME_SAMPLES, SAMPLE_RATE_HZ, Pcm, silence
from streamer.media.source import SourceFailed

pytestmark = pytest.mark.end_to_end

OPUS_LOOKAHEAD_NS = 6_500_000


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ICE gather 127.0.0.1, which it leaves out, and nothing else."""
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda **_: ["127.0.0.1"])


class Bulletin(MediaStreamTrack):
    """A microphone that hears `render("bulletin")`."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self.start_ns = 0
        "When sample 0 was captured."
        self.position = 0
        self.muted = asyncio.Event()

    async def recv(self) -> AudioFrame:
        self.start_ns = self.start_ns or time.monotonic_ns()
        end_ns = self.start_ns + (self.position // FRAME_SAMPLES + 1) * FRAME_NS
        await asyncio.sleep(max(0, end_ns - time.monotonic_ns()) / 1e9)
        if self.muted.is_set():
            await asyncio.Event().wait()
        pcm = render("bulletin", self.position, FRAME_SAMPLES)
        frame = AudioFrame.from_ndarray(
            (pcm * 32767).astype(np.int16)[None, :], format="s16", layout="mono"
        )
        frame.sample_rate, frame.pts = SAMPLE_RATE_HZ, self.position
        frame.time_base = Fraction(1, SAMPLE_RATE_HZ)
        self.position += FRAME_SAMPLES
        return frame


class Sender:
    """A page with a microphone, as far as the network sees it."""

    def __init__(self) -> None:
        self.track = Bulletin()
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))

    async def offer(self, *, with_video: bool = False) -> str:
        if with_video:
            self.peer.addTransceiver("video", direction="sendonly")
        self.peer.addTrack(self.track)
        await self.peer.setLocalDescription(await self.peer.createOffer())
        return str(self.peer.localDescription.sdp)

    async def connect(self, session: WhipSession) -> None:
        answer = RTCSessionDescription(session.answer_sdp, "answer")
        await self.peer.setRemoteDescription(answer)
        await until(lambda: session.has_sound)


async def until(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 (what is awaited has no event)
            await asyncio.sleep(0.01)


@asynccontextmanager
async def speaking(whip: WhipServer) -> AsyncIterator[tuple[Sender, WhipSession]]:
    sender = Sender()
    try:
        session = await whip.accept(await sender.offer())
        await sender.connect(session)
        await asyncio.sleep(0.3)
        yield sender, session
    finally:
        await sender.peer.close()


def play(source: MicrophoneSource, seconds: float) -> tuple[Pcm, int]:
    """Read on the grid as a programme's thread does; return also when it began."""
    start_ns = time.monotonic_ns()
    parts = [silence(0)]
    for k in range(round(seconds * 50)):
        ahead_ns = start_ns + k * FRAME_NS - time.monotonic_ns()
        time.sleep(max(0, ahead_ns) / 1e9)
        parts.append(source.read(FRAME_SAMPLES))
    return np.concatenate(parts), start_ns


def delays_ms(heard: Pcm, start_ns: int, track: Bulletin) -> list[float]:
    """Return, for each half second, how long ago what is heard was captured."""
    delays = []
    for first in range(0, len(heard) - 24_000 + 1, 24_000):
        # Capture position if there were no delay; what is heard is before that.
        now = round((start_ns - track.start_ns) * 48e-6) + first
        base = max(0, now - SAMPLE_RATE_HZ)
        sent = render("bulletin", base, now - base + 24_000)
        piece = heard[first : first + 24_000]
        products = correlate(sent, piece, mode="valid", method="fft")
        found = int(np.argmax(products))
        norms = np.linalg.norm(piece) * np.linalg.norm(sent[found:][:24_000])
        assert products[found] / norms > 0.7
        delays.append((now - base - found) / 48)
    return delays


async def test_a_microphone_is_heard_whole_and_with_the_promised_delay() -> None:
    async with WhipServer() as whip, speaking(whip) as (sender, session):
        source = MicrophoneSource(session)
        heard, start_ns = await asyncio.to_thread(play, source, 4.0)
        counters = source.stream.counters
        source.close()
        promised_ms = (source.delay_ns + OPUS_LOOKAHEAD_NS) / 1e6
        for delay_ms in delays_ms(heard, start_ns, sender.track):
            assert promised_ms - 1 < delay_ms < promised_ms + 25
        assert counters.concealed_samples + counters.recovered_samples <= 2 * 960
        # The browser learns how much is lost, and so how much FEC to send.
        reports = (await sender.peer.getStats()).values()
        kinds = {report.type for report in reports}
        assert "remote-inbound-rtp" in kinds


@pytest.mark.parametrize("loss", [0.02, 0.05])
async def test_what_is_lost_is_concealed_and_no_more(loss: float) -> None:
    rng = random.Random(3)
    lost = 0
    async with WhipServer() as whip, speaking(whip) as (sender, session):
        put = session.feed.put

        def lossy(arrival: Arrival) -> None:
            nonlocal lost
            if rng.random() < loss:
                lost += 1
            else:
                put(arrival)

        source = MicrophoneSource(session)
        session.feed.put = lossy  # type: ignore[method-assign]
        heard, start_ns = await asyncio.to_thread(play, source, 4.0)
        counters = source.stream.counters
        source.close()
        repaired = counters.concealed_samples + counters.recovered_samples
        assert 0 < repaired <= (lost + 2) * FRAME_SAMPLES
        assert len(delays_ms(heard, start_ns, sender.track)) == 8


@pytest.mark.parametrize("death", ["close", "mute", "delete"])
async def test_death_of_the_session_fails_the_source_within_two_seconds(
    death: str,
) -> None:
    async with WhipServer() as whip, speaking(whip) as (sender, session):
        source = MicrophoneSource(session)
        await asyncio.to_thread(play, source, 0.5)
        if death == "close":
            await sender.peer.close()
        elif death == "mute":
            sender.track.muted.set()
        else:
            await whip.delete(session.id)
        died_ns = time.monotonic_ns()
        with pytest.raises(SourceFailed):
            await asyncio.to_thread(play, source, 3.0)
        assert time.monotonic_ns() - died_ns < 2_000_000_000
        source.close()
        if death != "mute":
            await until(lambda: not whip.sessions)
            assert session.end_reason


async def test_other_media_are_rejected_and_the_audio_connects() -> None:
    async with WhipServer() as whip:
        sender = Sender()
        session = await whip.accept(await sender.offer(with_video=True))
        media = [x for x in session.answer_sdp.splitlines() if x.startswith("m=")]
        assert media[0].startswith("m=video 0 ")
        assert media[1].startswith("m=audio ")
        # aiortc as a client cannot read a rejected medium (it wants ICE for it); the
        # answer as browsers read it is checked in tests/ingest/test_sdp.py.
        await sender.peer.close()


async def test_a_sender_that_names_no_candidates_is_found_by_its_checks() -> None:
    async with WhipServer() as whip:
        sender = Sender()
        offer = await sender.offer()
        hidden = [
            line
            for line in offer.splitlines()
            if "candidate" not in line  # as with trickle ICE or mDNS names
        ]
        session = await whip.accept("\r\n".join(hidden) + "\r\n")
        await sender.connect(session)
        await sender.peer.close()


async def test_a_session_that_does_not_connect_is_ended() -> None:
    async with WhipServer(connect_timeout_s=0.2) as whip:
        sender = Sender()
        session = await whip.accept(await sender.offer())
        source = MicrophoneSource(session)
        assert not source.read(FRAME_SAMPLES).any()
        await until(lambda: not whip.sessions, timeout_s=2)
        with pytest.raises(UnknownSessionError):
            whip.session(session.id)
        with pytest.raises(SourceFailed, match="in time"):
            source.read(FRAME_SAMPLES)
        await sender.peer.close()


async def test_a_session_that_falls_silent_gives_its_place_away() -> None:
    whip = WhipServer(silence_timeout_s=0.5)
    async with whip, speaking(whip) as (sender, session):
        sender.track.muted.set()
        await until(lambda: session.end_reason)
        assert "silent" in str(session.end_reason)


async def test_places_are_bounded_and_given_back() -> None:
    async with WhipServer(max_sessions=2) as whip:
        senders = [Sender() for _ in range(4)]
        offers = [await sender.offer() for sender in senders]
        answers: list[Any] = await asyncio.gather(
            *map(whip.accept, offers[:3]), return_exceptions=True
        )
        assert [type(answer) for answer in answers] == [
            WhipSession,
            WhipSession,
            TooManySessionsError,
        ]
        await whip.delete(answers[0].id)
        await whip.accept(offers[3])
        for sender in senders:
            await sender.peer.close()


async def test_bad_offers_are_refused_and_take_no_place() -> None:
    async with WhipServer(max_sessions=1) as whip:
        sender = Sender()
        good = await sender.offer()
        without = "".join
        for bad in (
            "not SDP at all",
            without(x for x in good.splitlines(True) if "fingerprint" not in x),
            without(x for x in good.splitlines(True) if "ice-pwd" not in x),
            good.replace("a=setup:actpass", "a=setup:sideways"),
            good.replace("UDP/TLS/RTP/SAVPF", "udp"),
            good.replace("typ host", "typ"),
        ):
            with pytest.raises(BadOfferError):
                await whip.accept(bad)
        with pytest.raises(UnacceptableOfferError):
            await whip.accept(good.replace("opus/48000/2", "PCMU/8000"))
        session = await whip.accept(good)
        assert session.etag.startswith('"')
        assert len(session.id) >= 16
        await sender.peer.close()


async def test_sessions_leave_nothing_behind() -> None:
    async def once(whip: WhipServer) -> None:
        async with speaking(whip) as (_, session):
            source = MicrophoneSource(session)
            await asyncio.to_thread(play, source, 0.1)
            source.close()
            await whip.delete(session.id)

    def held() -> tuple[set[str], int, int]:
        tasks = {task.get_name() for task in asyncio.all_tasks()}
        threads = [t for t in threading.enumerate() if not t.name.startswith("asyncio")]
        return tasks, len(threads), len(process.net_connections("all"))

    process = psutil.Process()
    async with WhipServer() as whip:
        await once(whip)
        before = held()
        for _ in range(5):
            await once(whip)
        with pytest.raises(BadOfferError):
            await whip.accept("v=0\r\nnonsense")
        await until(lambda: held() == before, timeout_s=3)


async def test_no_decoder_of_aiortc_runs() -> None:
    async with WhipServer() as whip, speaking(whip):
        names = [thread.name for thread in threading.enumerate()]
        assert not [name for name in names if "decoder" in name]
