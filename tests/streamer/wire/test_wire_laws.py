"""Laws of streamer.wire: what is written is read again as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.wire import control, framing
from streamer.wire.control import (
    MAX_CONTROL_BYTES,
    Audio,
    Goodbye,
    Idle,
    Message,
    Ping,
    Pong,
    Programme,
    ProgrammeClass,
    Report,
    Settings,
    Welcome,
)
from streamer.wire.errors import LocalWireError, RemoteWireError
from streamer.wire.health import Health
from streamer.wire.rtp import RtpPacket
from streamer.wire.sequence import unwrap

integers = st.integers(-(2**53) + 1, 2**53 - 1)
texts = st.text(st.characters(codec="utf-8"), max_size=60)
messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(
        Welcome,
        texts,
        texts,
        integers,
        st.none() | integers,
        return_spread_ms=st.none() | integers,
    ),
    st.builds(Settings, integers, integers, *[st.none() | integers] * 2),
    st.builds(
        Programme,
        broadcast=texts,
        programme_class=st.sampled_from(ProgrammeClass),
        title=texts,
        ssrc=integers,
        payload_type=integers,
        timestamp=integers,
        clock_us=integers,
        from_us=integers,
    ),
    st.builds(Idle, integers),
    st.builds(Goodbye, texts, integers),
    st.builds(Ping, integers),
    st.builds(Pong, integers, integers, integers),
    st.builds(Report, st.none() | texts, *[integers] * 12, st.none() | texts),
    st.builds(
        Health,
        texts,
        *[integers] * 8,
        st.booleans(),
        integers,
        *[st.none() | integers] * 2,
        st.none() | texts,
        *[st.none() | integers] * 2,
    ),
    st.builds(Audio, st.booleans()),
)
packets = st.builds(
    RtpPacket,
    payload_type=st.integers(0, 127),
    sequence=st.integers(0, 2**16 - 1),
    timestamp=st.integers(0, 2**32 - 1),
    ssrc=st.integers(0, 2**32 - 1),
    payload=st.binary(max_size=1500),
    marker=st.booleans(),
)


@given(messages)
def test_law_control_round_trip(message: Message) -> None:
    text = control.serialize(message)
    parse = (
        control.parse_from_listener
        if isinstance(message, Ping | Report | Health | Audio)
        else control.parse_from_server
    )
    assert parse(text) == message


@given(packets)
def test_law_rtp_round_trip(packet: RtpPacket) -> None:
    assert RtpPacket.parse(packet.serialize()) == packet


@given(st.lists(st.binary(min_size=1, max_size=300)))
def test_law_framing_round_trip(bodies: list[bytes]) -> None:
    assert framing.split(framing.join(bodies)) == bodies


@given(st.integers(), st.integers(-(2**15), 2**15 - 1), st.sampled_from([16, 32]))
def test_law_unwrap_finds_the_nearest(reference: int, step: int, bits: int) -> None:
    value = (reference + step) % 2**bits
    assert unwrap(value, reference, bits=bits) == reference + step


class TestOurOwnMistakes:
    """What the format cannot carry is refused before it is sent."""

    @pytest.mark.parametrize("title", ["x" * MAX_CONTROL_BYTES, "\ud800"])
    def test_a_title_that_does_not_fit(self, title: str) -> None:
        programme = Programme("b", ProgrammeClass.NORMAL, title, 1, 111, 0, 0, 0)
        with pytest.raises(LocalWireError, match="programme"):
            control.serialize(programme)

    @pytest.mark.parametrize("body", [b"", bytes(65_536)])
    def test_a_packet_that_cannot_be_framed(self, body: bytes) -> None:
        with pytest.raises(LocalWireError, match="cannot frame"):
            framing.frame(body)

    @pytest.mark.parametrize(
        "fields", [{"payload_type": 128}, {"sequence": 65_536}, {"timestamp": -1}]
    )
    def test_a_header_field_out_of_range(self, fields: dict[str, int]) -> None:
        good = {"payload_type": 111, "sequence": 0, "timestamp": 0, "ssrc": 0}
        with pytest.raises(LocalWireError):
            RtpPacket(payload=b"", marker=False, **good | fields).serialize()


def test_length_is_counted_in_bytes_not_in_letters() -> None:
    title = "ề" * (MAX_CONTROL_BYTES // 3)
    text = '{"type":"goodbye","retry_after_ms":1,"reason":"' + title + '"}'
    assert len(text) < MAX_CONTROL_BYTES
    with pytest.raises(RemoteWireError, match="over 4096 bytes"):
        control.parse_from_server(text)
