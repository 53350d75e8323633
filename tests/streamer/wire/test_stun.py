"""Tests of streamer.wire.stun: RFC 5769's vectors, and laws."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.wire.errors import RemoteWireError
from streamer.wire.stun import (
    Attribute,
    MessageType,
    StunMessage,
    error_code,
    serialize,
    xor_mapped_address,
)

# RFC 5769, section 2.1: sample request, short-term credentials.
REQUEST = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae"
    "802200105354554e207465737420636c69656e74"
    "002400046e0001ff"
    "80290008932ff9b151263b36"
    "000600096576746a3a68367659202020"
    "000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2"
    "80280004e57a3bcf"
)
# RFC 5769, section 2.2: sample IPv4 response.
RESPONSE = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae"
    "8022000b7465737420766563746f7220"
    "002000080001a147e112a643"
    "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7"
    "80280004c07d4c96"
)
PASSWORD = b"VOkJxbRl1RmTxUk/WvJxBt"
TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")


def test_the_sample_request_of_rfc_5769_is_read() -> None:
    request = StunMessage.parse(REQUEST)
    assert request.message_type is MessageType.REQUEST
    assert request.transaction_id == TRANSACTION
    assert request.get(Attribute.USERNAME) == b"evtj:h6vY"
    assert request.get(Attribute.PRIORITY) == bytes.fromhex("6e0001ff")
    assert request.has_integrity(PASSWORD)
    assert not request.has_integrity(b"another password")


def test_the_sample_response_of_rfc_5769_is_read() -> None:
    response = StunMessage.parse(RESPONSE)
    assert response.message_type is MessageType.SUCCESS
    assert response.has_integrity(PASSWORD)
    mapped = xor_mapped_address(("192.0.2.1", 32853), TRANSACTION)
    assert response.get(Attribute.XOR_MAPPED_ADDRESS) == mapped


def test_an_ipv6_address_is_masked_with_the_transaction_too() -> None:
    # RFC 5769, section 2.3.
    mapped = xor_mapped_address(
        ("2001:db8:1234:5678:11:2233:4455:6677", 32853), TRANSACTION
    )
    assert mapped == bytes.fromhex("0002a1470113a9faa5d3f179bc25f4b5bed2b9d9")


def test_an_error_code_is_class_and_number() -> None:
    assert error_code(487, "Role Conflict")[:4] == b"\0\0\x04\x57"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (REQUEST[:19], "truncated"),
        (REQUEST[:4] + bytes(4) + REQUEST[8:], "cookie"),
        (REQUEST[:-4], "length"),
        (REQUEST[:-1] + b"\0", "fingerprint"),
        (b"\0\x03" + REQUEST[2:], "not binding"),
        (serialize(MessageType.REQUEST, TRANSACTION, [(0x6, bytes(1300))]), "too long"),
        (REQUEST[:20] + b"\0\x06\xff\xff" + REQUEST[24:], "past the message"),
    ],
)
def test_what_is_damaged_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(RemoteWireError, match=why):
        StunMessage.parse(data)


ATTRIBUTES = st.lists(
    st.tuples(st.sampled_from([0x6, 0x24, 0x25, 0x8022]), st.binary(max_size=40))
)


@given(ATTRIBUTES, st.binary(min_size=12, max_size=12), st.binary(min_size=1))
def test_law_what_is_written_is_read(
    attributes: list[tuple[int, bytes]], transaction_id: bytes, password: bytes
) -> None:
    data = serialize(MessageType.REQUEST, transaction_id, attributes, password=password)
    message = StunMessage.parse(data)
    assert message.attributes == tuple(attributes)
    assert message.transaction_id == transaction_id
    assert message.has_integrity(password)


@given(st.integers(0, len(REQUEST) * 8 - 1))
def test_law_no_flipped_bit_passes(bit: int) -> None:
    damaged = bytearray(REQUEST)
    damaged[bit // 8] ^= 1 << bit % 8
    try:
        message = StunMessage.parse(bytes(damaged))
    except RemoteWireError:
        return
    # It gets this far only by hiding its FINGERPRINT: by that attribute's own type, or
    # by a length that swallows it, and then MESSAGE-INTEGRITY with it.
    in_fingerprint_type = len(REQUEST) - 8 <= bit // 8 < len(REQUEST) - 6
    assert message.has_integrity(PASSWORD) == in_fingerprint_type


def test_what_follows_the_integrity_is_ignored() -> None:
    data = serialize(MessageType.REQUEST, TRANSACTION, [], password=b"secret")
    forged = data[:-8] + bytes.fromhex("00250000")  # USE-CANDIDATE behind it
    forged = forged[:2] + (len(forged) - 20).to_bytes(2) + forged[4:]
    message = StunMessage.parse(forged)
    assert message.get(Attribute.USE_CANDIDATE) is None
