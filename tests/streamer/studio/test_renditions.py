"""Renditions: to the byte what a live airing sends, made once, found again."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from streamer.media.frame import FRAME_SAMPLES, Pcm
from streamer.media.oggopus import OggOpusFile
from streamer.media.source import PcmSource, Source
from streamer.programme.programme import Programme, ProgrammeSettings
from streamer.studio.errors import SourceRefusedError
from streamer.studio.renditions import Renditions
from streamer.wire.rtp import HEADER_BYTES

PCM: Pcm = np.sin(np.arange(48_000 + 123) / 20).astype(np.float32) * np.float32(0.3)
GONG: Pcm = np.sin(np.arange(9_600) / 9).astype(np.float32) * np.float32(0.2)
SETTINGS = ProgrammeSettings(complexity=0)


async def source() -> Source:
    return PcmSource(PCM)


def live_payloads() -> list[bytes]:
    programme = Programme(
        PcmSource(PCM),
        ProgrammeSettings(complexity=0, chime=GONG),
        ssrc=1,
        first_timestamp=2,
        first_sequence=3,
        start_ns=10**12,
    )
    found = []
    while (packet := programme.step(programme.next_due_ns)) is not None:
        found.append(packet.rtp[HEADER_BYTES:])
    programme.close()
    return found


async def test_it_holds_the_very_packets_of_the_live_airing(tmp_path: Path) -> None:
    renditions = Renditions(tmp_path, SETTINGS)
    made = await renditions.make(renditions.key(["x"]), source, GONG)
    data = renditions.path(made.sha256).read_bytes()
    assert hashlib.sha256(data).hexdigest() == made.sha256
    assert len(data) == made.size_bytes
    assert made.samples == len(GONG) + len(PCM)
    with renditions.path(made.sha256).open("rb") as file:
        ogg = OggOpusFile(file)
        assert list(ogg.packets()) == live_payloads()
        assert ogg.pre_skip_samples == live_lookahead()


def live_lookahead() -> int:
    programme = Programme(
        PcmSource(PCM),
        SETTINGS,
        ssrc=0,
        first_timestamp=0,
        first_sequence=0,
        start_ns=0,
    )
    programme.close()
    return programme.lookahead_samples


async def test_reading_may_begin_at_any_packet(tmp_path: Path) -> None:
    renditions = Renditions(tmp_path, SETTINGS)
    made = await renditions.make("k", source, GONG)
    expected = live_payloads()
    assert len(expected) * FRAME_SAMPLES > made.samples
    for first in (0, 1, 49, 50, 51, len(expected) - 1, len(expected), 10_000):
        with renditions.path(made.sha256).open("rb") as file:
            assert list(OggOpusFile(file).packets(first)) == expected[first:]


async def test_it_is_made_once_and_found_by_the_next_server(tmp_path: Path) -> None:
    opened = 0

    async def counted() -> Source:
        nonlocal opened
        opened += 1
        return await source()

    renditions = Renditions(tmp_path, SETTINGS)
    first = await renditions.make("k", counted, GONG)
    assert await renditions.make("k", counted, GONG) == first
    assert await Renditions(tmp_path, SETTINGS).find("k") == first
    assert opened == 1
    renditions.path(first.sha256).write_bytes(b"cut short")
    assert await renditions.find("k") is None


async def test_a_source_that_breaks_leaves_nothing(tmp_path: Path) -> None:
    async def broken() -> Source:
        return PcmSource(PCM[:48_000], failure="the disk stalls")

    renditions = Renditions(tmp_path, SETTINGS)
    with pytest.raises(SourceRefusedError, match="the disk stalls"):
        await renditions.make("k", broken, GONG)
    assert os.listdir(tmp_path) == []


async def test_what_nothing_needs_goes_after_a_while(tmp_path: Path) -> None:
    renditions = Renditions(tmp_path, SETTINGS)
    made = await renditions.make("k", source, GONG)
    path = renditions.path(made.sha256)
    os.utime(path, (0, 0))
    await renditions.prune({made.sha256})
    assert path.exists()
    os.utime(path, (0, 0))
    await renditions.prune(set())
    assert os.listdir(tmp_path) == []
