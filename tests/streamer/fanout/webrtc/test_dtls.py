"""Tests of streamer.fanout.webrtc.dtls: two of our own transports, no network."""

from __future__ import annotations

import datetime
import random

import pytest

from streamer.fanout.webrtc.dtls import (
    DTLS_MTU_BYTES,
    Certificate,
    DtlsContext,
    DtlsState,
    DtlsTransport,
    Profile,
)

NOW = datetime.datetime(2026, 11, 22, 5, 30, tzinfo=datetime.UTC)


@pytest.fixture(scope="module")
def contexts() -> tuple[DtlsContext, DtlsContext]:
    certificates = (Certificate.generate(now_utc=NOW) for _ in range(2))
    ours, theirs = map(DtlsContext, certificates)
    return ours, theirs


def pair(
    contexts: tuple[DtlsContext, DtlsContext], *, expected: str | None = None
) -> tuple[DtlsTransport, DtlsTransport]:
    ours, theirs = contexts
    their_print = expected or theirs.certificate.fingerprint
    server = DtlsTransport(ours, client=False, fingerprints={"sha-256": their_print})
    client = DtlsTransport(
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
