"""Tests of streamer.fanout.webrtc.dtls: two of our own transports, no network."""

from __future__ import annotations

import datetime
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.fanout.webrtc.dtls import (
    DTLS_MTU_BYTES,
    MAX_RESENDS,
    Certificate,
    DtlsContext,
    DtlsState,
    DtlsTransport,
    Profile,
)
from streamer.fanout.webrtc.farewell import Farewell

NOW = datetime.datetime(2026, 11, 22, 5, 30, tzinfo=datetime.UTC)


@pytest.fixture(scope="module")
def contexts() -> tuple[DtlsContext, DtlsContext]:
    certificates = (Certificate.generate(now_utc=NOW) for _ in range(2))
    ours, theirs = map(DtlsContext, certificates)
    return ours, theirs


class Keeping(DtlsTransport):
    """One that leaves its end to OpenSSL."""

    def _let_go(self, *_: object) -> None:
        pass


def pair(
    contexts: tuple[DtlsContext, DtlsContext],
    *,
    expected: str | None = None,
    client_type: type[DtlsTransport] = DtlsTransport,
) -> tuple[DtlsTransport, DtlsTransport]:
    ours, theirs = contexts
    their_print = expected or theirs.certificate.fingerprint
    server = DtlsTransport(ours, client=False, fingerprints={"sha-256": their_print})
    client = client_type(
        theirs,
        client=True,
        fingerprints={"sha-256": ours.certificate.fingerprint},
    )
    client.start()
    return server, client


def exchange(server: DtlsTransport, client: DtlsTransport) -> None:
    for _ in range(8):
        for datagram in client.datagrams():
            server.receive(datagram)
        for datagram in server.datagrams():
            assert len(datagram) <= DTLS_MTU_BYTES
            client.receive(datagram)


def test_both_sides_agree_on_keys(contexts: tuple[DtlsContext, DtlsContext]) -> None:
    server, client = pair(contexts)
    exchange(server, client)
    assert server.state is client.state is DtlsState.CONNECTED
    assert server.keys is not None
    assert client.keys is not None
    assert server.keys.profile is Profile.AEAD_AES_128_GCM
    assert server.keys.local == client.keys.remote != server.keys.remote
    assert server.timeout_ns() is None


def test_another_certificate_than_the_sdp_named_is_refused(
    contexts: tuple[DtlsContext, DtlsContext],
) -> None:
    server, client = pair(contexts, expected=":".join(["AB"] * 32))
    exchange(server, client)
    assert server.state is DtlsState.FAILED
    assert server.keys is None
    assert "fingerprint" in str(server.error)


def test_a_close_is_seen_by_the_other_side(
    contexts: tuple[DtlsContext, DtlsContext],
) -> None:
    server, client = pair(contexts)
    exchange(server, client)
    client.close()
    exchange(server, client)
    assert server.state is DtlsState.CLOSED


@pytest.mark.parametrize("closing", ["server", "client"])
def test_the_end_is_said_and_understood_without_openssls_object(
    contexts: tuple[DtlsContext, DtlsContext], closing: str
) -> None:
    sides = dict(zip(("server", "client"), pair(contexts), strict=True))
    exchange(sides["server"], sides["client"])
    assert [side._ssl for side in sides.values()] == [None, None]
    sides[closing].close()
    exchange(sides["server"], sides["client"])
    assert {side.state for side in sides.values()} == {DtlsState.CLOSED}


@pytest.mark.parametrize("closing", ["server", "openssl"])
def test_openssl_understands_our_end_and_we_its(
    contexts: tuple[DtlsContext, DtlsContext], closing: str
) -> None:
    server, client = pair(contexts, client_type=Keeping)
    exchange(server, client)
    assert client._ssl is not None
    (server if closing == "server" else client).close()
    exchange(server, client)
    assert server.state is client.state is DtlsState.CLOSED


def test_the_last_flight_comes_again_while_it_is_asked_for(
    contexts: tuple[DtlsContext, DtlsContext],
) -> None:
    server, client = pair(contexts)
    flight: list[bytes] = []
    while server.state is DtlsState.HANDSHAKING:
        for datagram in client.datagrams():
            server.receive(datagram)
        lost = list(server.datagrams())
        if server.state is DtlsState.HANDSHAKING:
            for datagram in lost:
                client.receive(datagram)
    assert client.state is DtlsState.HANDSHAKING
    for _ in range(MAX_RESENDS):
        server.receive(b"\x16\xfe\xfd again")
        flight = list(server.datagrams())
        assert flight == lost
    server.receive(b"\x16\xfe\xfd and again")
    assert list(server.datagrams()) == []
    for datagram in flight:
        client.receive(datagram)
    assert client.keys is not None
    assert client.keys.local == server.keys.remote  # type: ignore[union-attr]


@given(data=st.data())
def test_law_only_the_authentic_end_is_understood(data: st.DataObject) -> None:
    secrets = b"master" * 8, b"c" * 32, b"s" * 32
    server, client = Farewell(*secrets), Farewell(*secrets, client=True)
    real = client.serialize()
    assert server.is_in(real)
    assert not client.is_in(real)
    forged = bytearray(real)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(forged)))
        forged[at : at + data.draw(st.integers(0, 2))] = data.draw(
            st.binary(max_size=2)
        )
    if forged.startswith(real):
        assert server.is_in(bytes(forged))
    if real not in bytes(forged):
        assert not server.is_in(bytes(forged))


def test_garbage_is_no_end_either_after_the_handshake(
    contexts: tuple[DtlsContext, DtlsContext],
) -> None:
    server, client = pair(contexts)
    exchange(server, client)
    rng = random.Random(8)
    for kind in (20, 21, 22, 23) * 50:
        server.receive(bytes([kind]) + rng.randbytes(rng.randrange(100)))
    assert server.state is DtlsState.CONNECTED


def test_with_another_cipher_suite_openssls_object_stays() -> None:
    ours, theirs = (DtlsContext(Certificate.generate(now_utc=NOW)) for _ in range(2))
    theirs.ssl.set_cipher_list(b"ECDHE-ECDSA-CHACHA20-POLY1305")
    server, client = pair((ours, theirs))
    exchange(server, client)
    assert server._ssl is not None
    client.close()
    exchange(server, client)
    assert server.state is DtlsState.CLOSED


def test_a_lost_flight_has_a_deadline(
    contexts: tuple[DtlsContext, DtlsContext],
) -> None:
    _, client = pair(contexts)
    lost = list(client.datagrams())
    assert lost
    timeout_ns = client.timeout_ns()
    assert timeout_ns is not None
    assert 0 < timeout_ns <= 1_000_000_000  # RFC 6347, section 4.2.4.1


def test_garbage_is_no_end(contexts: tuple[DtlsContext, DtlsContext]) -> None:
    server, client = pair(contexts)
    rng = random.Random(7)
    for _ in range(200):
        server.receive(bytes([22]) + rng.randbytes(rng.randrange(100)))
    exchange(server, client)
    assert server.state is DtlsState.CONNECTED


def test_a_certificate_outlives_a_restart(
    contexts: tuple[DtlsContext, DtlsContext],
) -> None:
    certificate = contexts[0].certificate
    again = Certificate.parse(certificate.serialize())
    assert again.fingerprint == certificate.fingerprint


def test_a_damaged_certificate_file_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\S"):
        Certificate.parse(b"-----BEGIN PRIVATE KEY-----\nabc\n")
