"""Tests of streamer.programme.ogg: against the RFC's checksum and FFmpeg's demuxer."""

from __future__ import annotations

import io

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.programme.ogg import OggOpusStream, crc32

CELT_20_MS = b"\xf8"  # TOC byte (RFC 6716, section 3.1): fullband, mono, one frame

payloads = st.builds(
    lambda size, fill: CELT_20_MS + bytes((fill,)) * size,
    st.integers(0, 1_275) | st.sampled_from([253, 254, 255, 509]),
    st.integers(0, 255),
)


def mux(payloads: list[tuple[int, bytes]], samples: int | None = None) -> bytes:
    stream = OggOpusStream(serial=1, pre_skip_samples=552)
    pages = [stream.headers("libopus 1.6", {"TITLE": "Bản tin sáng"})]
    pages += [stream.add(index, payload) for index, payload in payloads]
    return b"".join((*pages, stream.finish(samples)))


def demux(file: bytes) -> list[bytes]:
    with av.open(io.BytesIO(file), "r", format="ogg") as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def granules(file: bytes) -> list[int]:
    starts = [at for at in range(len(file)) if file.startswith(b"OggS\x00", at)]
    return [int.from_bytes(file[at + 6 : at + 14], "little") for at in starts]


def plain_crc32(data: bytes) -> int:
    """RFC 3533, section 6, by the letter."""
    register = 0
    for byte in data:
        register ^= byte << 24
        for _ in range(8):
            carry = register >> 31
            register = (register << 1 & 0xFFFFFFFF) ^ (0x04C11DB7 if carry else 0)
    return register


@given(data=st.binary(max_size=300))
def test_law_the_checksum_is_the_rfcs(data: bytes) -> None:
    assert crc32(data) == plain_crc32(data)


@given(payloads=st.lists(payloads, min_size=1, max_size=120))
def test_law_packets_come_out_bit_by_bit(payloads: list[bytes]) -> None:
    assert demux(mux(list(enumerate(payloads)))) == payloads


def test_pages_of_the_largest_packets_do_not_overflow() -> None:
    payloads = [CELT_20_MS + bytes(1_275)] * 60
    file = mux(list(enumerate(payloads)))
    assert demux(file) == payloads
    assert granules(file) == [0, 0, 42 * 960, 60 * 960]  # 255 // 6 packets a page


def test_a_page_holds_a_second_and_says_when_it_ends() -> None:
    file = mux([(index, CELT_20_MS) for index in range(120)])
    assert granules(file) == [0, 0, 48_000, 96_000, 115_200]


def test_padding_is_trimmed_off_the_last_page() -> None:
    file = mux([(0, CELT_20_MS), (1, CELT_20_MS)], samples=1_000)
    assert granules(file)[-1] == 552 + 1_000


def test_trimming_never_goes_back_in_time() -> None:
    file = mux([(index, CELT_20_MS) for index in range(51)], samples=5)
    assert granules(file)[-2:] == [48_000, 48_000]


def test_lost_packets_leave_empty_ones_in_their_place() -> None:
    payloads = [(1, b"\x7b\x41sound"), (4, b"\x7b\x41more"), (4, b"\x7b\x41twice")]
    assert demux(mux(payloads)) == [
        *(b"\x78", b"\x7b\x41sound"),
        *(b"\x78", b"\x78", b"\x7b\x41more"),
    ]


def test_tags_are_read_back() -> None:
    file = mux([(0, CELT_20_MS)])
    with av.open(io.BytesIO(file), format="ogg") as container:
        stream = container.streams.audio[0]
        assert stream.metadata == {"TITLE": "Bản tin sáng"}
        assert (stream.rate, stream.layout.name) == (48_000, "mono")


def test_tags_that_fit_no_page_are_refused() -> None:
    with pytest.raises(ValueError, match="tags"):
        OggOpusStream(1, 0).headers("v", {"TITLE": "x" * 60_000})
