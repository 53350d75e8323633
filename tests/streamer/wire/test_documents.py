"""Signed documents: both ways, and nothing else is believed."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from dataclasses import replace

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.wire.control import ProgrammeClass
from streamer.wire.documents import (
    MAX_ORDER_BYTES,
    Item,
    Manifest,
    Order,
    UntrustedError,
    parse_manifest,
    parse_order,
    serialize,
)
from streamer.wire.errors import LocalWireError, RemoteWireError

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
SHA = "ab" * 32
ORDER = Order(
    id="b-1",
    serial=7,
    title="Lũ về",
    programme_class=ProgrammeClass.EMERGENCY,
    sha256=SHA,
    issued_utc_us=1,
    expires_utc_us=2,
    repeat=3,
    gap_s=30,
    zone_ids=("p",),
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
counts = st.integers(0, 2**53 - 1)
items = st.builds(
    Item,
    id=st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True),
    title=texts,
    programme_class=st.sampled_from(ProgrammeClass),
    sha256=st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
    size_bytes=counts,
    samples=counts,
    start_utc_us=st.none() | counts,
)
manifests = st.builds(
    Manifest,
    zone=texts,
    version=counts,
    issued_utc_us=counts,
    playout_delay_ms=counts,
    silenced=st.booleans(),
    emergency_volume_percent=st.none() | st.integers(0, 100),
    zone_ids=st.lists(texts, max_size=3).map(tuple),
    items=st.lists(items, max_size=3).map(tuple),
    orders=st.lists(texts, max_size=3).map(tuple),
)


def verify(signature: bytes, document: bytes) -> bool:
    try:
        KEY.public_key().verify(signature, document)
    except InvalidSignature:
        return False
    return True


def signed(members: dict[str, object]) -> bytes:
    body = json.dumps(members).encode()
    return base64.b64encode(KEY.sign(body)) + b"\n" + body


@settings(max_examples=50)
@given(manifests)
def test_law_a_manifest_comes_back_as_it_was(manifest: Manifest) -> None:
    assert parse_manifest(serialize(manifest, KEY.sign), verify) == manifest


@settings(max_examples=100)
@given(st.data())
def test_law_one_flipped_bit_is_not_believed(data: st.DataObject) -> None:
    genuine = serialize(ORDER, KEY.sign)
    assert parse_order(genuine, verify) == ORDER
    bit = data.draw(st.integers(0, len(genuine) * 8 - 1))
    forged = bytearray(genuine)
    forged[bit // 8] ^= 1 << bit % 8
    if genuine.partition(b"\n")[0].strip() == bytes(forged).partition(b"\n")[0].strip():
        with pytest.raises(UntrustedError):
            parse_order(bytes(forged), verify)
        return
    # In the signature: base64 leaves bits of its last digit open, else it is another.
    with suppress(UntrustedError):
        assert parse_order(bytes(forged), verify) == ORDER


@settings(max_examples=100)
@given(st.binary(max_size=200))
def test_law_garbage_is_an_error_of_the_peer(data: bytes) -> None:
    with pytest.raises(RemoteWireError):
        parse_manifest(data, lambda *_: True)


@pytest.mark.parametrize(
    "members",
    [
        {"id": "../../etc/passwd"},
        {"sha256": "../" + "a" * 61},
        {"sha256": "AB" * 32},
        {"repeat": 0},
        {"repeat": 101},
        {"gap_s": 31},
        {"zone_ids": "p"},
        {"zone_ids": ["p"] * 65},
        {"zone_ids": [1]},
        {"serial": 1.5},
        {"type": "manifest"},
        {"programme_class": "loud"},
    ],
)
def test_what_is_signed_may_still_be_wrong(members: dict[str, object]) -> None:
    good = json.loads(serialize(ORDER, KEY.sign).partition(b"\n")[2])
    assert parse_order(signed(good), verify) == ORDER
    assert parse_order(signed({**good, "later": 1}), verify) == ORDER
    with pytest.raises(RemoteWireError):
        parse_order(signed(good | members), verify)


def test_an_order_that_would_not_fit_its_message_is_not_made() -> None:
    with pytest.raises(LocalWireError, match="over"):
        serialize(replace(ORDER, title="x" * MAX_ORDER_BYTES), KEY.sign)


def test_an_order_is_no_manifest() -> None:
    with pytest.raises(RemoteWireError, match="no manifest"):
        parse_manifest(serialize(ORDER, KEY.sign), verify)
