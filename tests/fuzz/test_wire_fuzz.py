"""Whatever a peer sends is parsed or refused with `RemoteWireError`; never more."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from streamer.wire import control, framing
from streamer.wire.errors import RemoteWireError
from streamer.wire.rtp import RtpPacket

VECTORS = json.loads(
    (Path(__file__).parents[1] / "streamer" / "wire" / "vectors.json").read_text()
)
TEXTS = [
    vector["text"]
    for sender in ("control_from_server", "control_from_listener")
    for vector in VECTORS[sender]
]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@st.composite
def mutated(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """Draw a valid message with a few bytes changed, cut out or put in."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(data)


def read_control(text: str) -> None:
    for parse in (control.parse_from_server, control.parse_from_listener):
        with suppress(RemoteWireError):
            message = parse(text)
            assert parse(control.serialize(message)) == message


@given(st.text() | json_values.map(json.dumps))
@example("[" * 4096)
@example('{"a":' * 800)
@example("9" * 4096)
@example('{"type":"ping","sent_us":' + "9" * 4000 + "}")
@example('{"type":"ping","sent_us":NaN}')
@settings(max_examples=200, deadline=None)
def test_any_text(text: str) -> None:
    read_control(text)


@given(mutated([text.encode() for text in TEXTS]))
@settings(max_examples=200, deadline=None)
def test_nearly_right_text(data: bytes) -> None:
    read_control(data.decode(errors="surrogateescape"))


@given(st.sampled_from(TEXTS), st.data())
@settings(max_examples=200, deadline=None)
def test_right_members_with_wrong_values(text: str, data: st.DataObject) -> None:
    members = json.loads(text)
    members[data.draw(st.sampled_from(sorted(members)))] = data.draw(json_values)
    read_control(json.dumps(members))


@given(
    st.binary(max_size=200)
    | mutated([bytes.fromhex(v["hex"]) for v in VECTORS["rtp_read_only"]])
)
@settings(max_examples=400, deadline=None)
def test_any_rtp(data: bytes) -> None:
    with suppress(RemoteWireError):
        assert len(RtpPacket.parse(data).payload) <= len(data) - 12


@given(
    st.binary(max_size=200)
    | mutated([bytes.fromhex(v["hex"]) for v in VECTORS["framing"]])
)
@settings(max_examples=400, deadline=None)
def test_any_framing(data: bytes) -> None:
    with suppress(RemoteWireError):
        assert framing.join(framing.split(data)) == data
