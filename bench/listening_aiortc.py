"""aiortc's own receiver, with its jitter buffer and decoder, as a listener.

It joins our server as any WebRTC client and plays what `track.recv()` gives into a WAV
file as a sound card without a buffer of its own would: a frame is heard when it comes,
or when the one before it has ended; in between there is silence. The files are those
of `bench.listening`, so both are measured alike.

Run by `AiortcWatched`; its standard input says when to end.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame

from bench.concealment import BLOCK
from bench.listening import Watched
from bench.speaker import CREDENTIAL_VARIABLE
from clients.speaker.device import BLOCK_SAMPLES, WavSink
from clients.speaker.whep import WhepAddress, post_offer
from streamer.media.frame import SAMPLE_RATE_HZ, Pcm, ns_to_samples, silence


class BarePlayer:
    """Plays frames as they come; time is an argument.

    Args:
        wav: Where to.
        start_ns: Of the WAV file, on the monotonic clock.
    """

    def __init__(self, wav: Path, start_ns: int) -> None:
        self._wav, self._sink = wav, WavSink(wav)
        self._start_ns = start_ns
        self._position = 0
        self._silent: list[tuple[int, int]] = []
        self._sink.open(start_ns, 0.0)

    def play(self, pcm: Pcm, now_ns: int) -> None:
        """Hear *pcm* now, or after what is still heard."""
        self._be_silent_until(ns_to_samples(now_ns - self._start_ns))
        self._sink.write(pcm)
        self._position += len(pcm)

    def end(self, now_ns: int) -> None:
        """Close the file, and write the records of its blocks beside it."""
        self._be_silent_until(ns_to_samples(now_ns - self._start_ns))
        self._sink.close()
        concealed = np.zeros(self._position + 1, np.int64)
        for begin, end in self._silent:
            concealed[begin + 1 : end + 1] = 1
        ends = np.arange(BLOCK_SAMPLES, self._position + 1, BLOCK_SAMPLES)
        blocks = np.zeros(len(ends), BLOCK)
        begins = (ends - BLOCK_SAMPLES) * 1_000_000_000 // SAMPLE_RATE_HZ
        blocks["out_ns"] = self._start_ns + begins
        blocks["total_samples"] = ends
        blocks["concealed_samples"] = np.cumsum(concealed)[ends]
        Path(f"{self._wav}.blocks").write_bytes(blocks.tobytes())

    def _be_silent_until(self, position: int) -> None:
        if position > self._position:
            self._silent.append((self._position, position))
            self._sink.write(silence(position - self._position))
            self._position = position


class AiortcWatched(Watched):
    """The process, as a context manager.

    Args:
        whep_url: Where to post the offer.
        credential: A speaker's.
        wav: What it plays into.
        cores: Where it may run.
    """

    def __init__(
        self, whep_url: str, credential: str, wav: Path, *, cores: tuple[int, ...] = ()
    ) -> None:
        command = ("python", "-m", "bench.listening_aiortc", whep_url, str(wav))
        super().__init__(command, credential, wav, cores=cores)


async def listen(address: WhepAddress, wav: Path) -> dict[str, Any]:
    """Receive until standard input ends; return what came."""
    peer = RTCPeerConnection(
        RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
    )
    receiver = peer.addTransceiver("audio", direction="recvonly").receiver
    await peer.setLocalDescription(await peer.createOffer())
    resource = await asyncio.to_thread(post_offer, address, peer.localDescription.sdp)
    await peer.setRemoteDescription(RTCSessionDescription(resource.answer, "answer"))
    player = BarePlayer(wav, time.monotonic_ns())
    playing = asyncio.create_task(_play(receiver.track, player))
    await asyncio.to_thread(sys.stdin.read)
    await peer.close()  # which ends the track
    frames = await playing
    player.end(time.monotonic_ns())
    return {"frames": frames}


async def _play(track: MediaStreamTrack, player: BarePlayer) -> int:
    frames = 0
    try:
        while True:
            frame = await track.recv()
            assert isinstance(frame, AudioFrame)
            player.play(_mono(frame), time.monotonic_ns())
            frames += 1
    except MediaStreamError:
        return frames


def _mono(frame: AudioFrame) -> Pcm:
    samples = frame.to_ndarray().reshape(-1, len(frame.layout.channels))
    mono: Pcm = (samples.mean(axis=1) / 32_768).astype(np.float32)
    return mono


if __name__ == "__main__":
    where = WhepAddress(sys.argv[1], os.environ[CREDENTIAL_VARIABLE])
    print(json.dumps(asyncio.run(listen(where, Path(sys.argv[2])))))
