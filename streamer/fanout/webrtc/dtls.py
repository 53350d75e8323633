"""DTLS 1.2 over memory BIOs, and the SRTP keys it agrees on (RFC 5763, RFC 5764).

Sans-I/O: datagrams in, datagrams out, the next retransmission as a result. One
certificate and one context serve all peers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from OpenSSL import SSL

from streamer.fanout.webrtc import farewell
from streamer.fanout.webrtc.certificate import Certificate, fingerprint
from streamer.fanout.webrtc.farewell import Farewell
from streamer.fanout.webrtc.records import DTLS_MTU_BYTES, pack, split

__all__ = [
    "DTLS_MTU_BYTES",
    "Certificate",
    "DtlsContext",
    "DtlsState",
    "DtlsTransport",
    "Profile",
    "SrtpKeys",
]

MAX_RESENDS = 10
"Of the last flight: more than a peer's timers ask for within the minute."

_OF_A_HANDSHAKE = (b"\x14", b"\x16")  # ChangeCipherSpec, handshake
_EXPORTER_LABEL = b"EXTRACTOR-dtls_srtp"  # RFC 5764, section 4.2
_DIGESTS: Mapping[str, hashes.HashAlgorithm] = {
    "sha-256": hashes.SHA256(),
    "sha-384": hashes.SHA384(),
    "sha-512": hashes.SHA512(),
}


class Profile(Enum):
    """SRTP protection profiles we speak (RFC 5764, section 4.1.2; RFC 7714)."""

    AEAD_AES_128_GCM = ("SRTP_AEAD_AES_128_GCM", 12)
    AES128_CM_SHA1_80 = ("SRTP_AES128_CM_SHA1_80", 14)

    def __init__(self, openssl_name: str, salt_bytes: int) -> None:
        self.openssl_name = openssl_name
        self.salt_bytes = salt_bytes

    @property
    def key_bytes(self) -> int:
        """Length of the master key."""
        return 16


@dataclass(frozen=True, slots=True)
class SrtpKeys:
    """What the handshake agreed on; each key is master key and salt in one."""

    profile: Profile
    local: bytes
    remote: bytes


class DtlsContext:
    """What all peers share."""

    def __init__(self, certificate: Certificate) -> None:
        self.certificate = certificate
        self.fingerprint = certificate.fingerprint
        self.ssl = SSL.Context(SSL.DTLS_METHOD)
        self.ssl.set_max_proto_version(farewell.DTLS_1_2)
        # Any certificate passes here: the SDP's fingerprint decides (RFC 8827, 5.1).
        self.ssl.set_verify(
            SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True
        )
        # Ours decides, so that almost all agree on the one that `release` can do.
        self.ssl.set_options(SSL.OP_NO_TICKET | SSL.OP_CIPHER_SERVER_PREFERENCE)
        self.ssl.set_mode(SSL.MODE_RELEASE_BUFFERS)
        self.ssl.use_certificate(certificate.x509)
        self.ssl.use_privatekey(certificate.key)
        self.ssl.set_cipher_list(
            b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305"
            b":ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-SHA"
        )
        profiles = ":".join(profile.openssl_name for profile in Profile)
        self.ssl.set_tlsext_use_srtp(profiles.encode())


class DtlsState(Enum):
    """Where a peer's association stands."""

    HANDSHAKING = "handshaking"
    CONNECTED = "connected"
    CLOSED = "closed"
    FAILED = "failed"


class DtlsTransport:
    """One peer's association.

    After each call of :meth:`start`, :meth:`receive`, :meth:`handle_timeout` or
    :meth:`close` send what :meth:`datagrams` gives, and call :meth:`handle_timeout`
    after :meth:`timeout_ns`.

    OpenSSL's object is let go as soon as the handshake is through (see `Farewell`).
    A peer that missed our last flight gets the same bytes again: it has not seen their
    sequence numbers, and who has drops them (RFC 6347, section 4.1.2.6).
    """

    __slots__ = (
        "_client",
        "_context",
        "_farewell",
        "_fingerprints",
        "_last_flight",
        "_outgoing",
        "_resends",
        "_ssl",
        "error",
        "keys",
        "state",
    )

    def __init__(
        self, context: DtlsContext, *, client: bool, fingerprints: Mapping[str, str]
    ) -> None:
        """Prepare an association.

        Args:
            context: Shared by all peers.
            client: Whether we send the ClientHello (``a=setup:active`` of ours).
            fingerprints: Hash name in lower case to the value in the peer's SDP.
        """
        self.state = DtlsState.HANDSHAKING
        self.error: str | None = None
        self.keys: SrtpKeys | None = None
        self._client = client
        self._fingerprints = fingerprints
        self._context = context
        self._ssl: SSL.Connection | None = None
        "None before there is anything to say, and when it was let go."
        self._farewell: Farewell | None = None
        self._last_flight: tuple[bytes, ...] = ()
        self._resends = MAX_RESENDS
        self._outgoing: tuple[bytes, ...] = ()

    def start(self) -> None:
        """Begin; a server waits for the ClientHello."""
        if self._client and self._ssl is None:
            self._shake(self._open())

    def receive(self, datagram: bytes) -> None:
        """Take a datagram that the demultiplexer took for DTLS."""
        if self.state in (DtlsState.CLOSED, DtlsState.FAILED):
            return
        if self._farewell is not None:
            self._receive_late(datagram, self._farewell)
            return
        ssl = self._ssl or self._open()
        try:
            ssl.bio_write(datagram)
        except SSL.Error as error:
            self._fail(f"DTLS: {error}")
            return
        if self.state is DtlsState.HANDSHAKING:
            self._shake(ssl)
        else:
            self._read(ssl)

    def datagrams(self) -> Iterator[bytes]:
        """Yield what is to be sent now, each at most `DTLS_MTU_BYTES` long."""
        outgoing, self._outgoing = self._outgoing, ()
        if self._ssl is not None:
            with contextlib.suppress(SSL.WantReadError):  # it has nothing to say
                outgoing = tuple(pack(split(self._ssl.bio_read(65_536))))
            if self.state is DtlsState.CONNECTED:
                self._let_go(self._ssl, outgoing)
        yield from outgoing

    def timeout_ns(self) -> int | None:
        """Return how long until :meth:`handle_timeout`; None when nothing is due."""
        if self.state is not DtlsState.HANDSHAKING or self._ssl is None:
            return None
        seconds = self._ssl.DTLSv1_get_timeout()
        return None if seconds is None else int(seconds * 1_000_000_000)

    def handle_timeout(self) -> None:
        """Retransmit a lost flight (RFC 6347, section 4.2.4); fails after many."""
        if self._ssl is None:
            return
        try:
            self._ssl.DTLSv1_handle_timeout()
        except SSL.Error:
            self._fail("the handshake was not answered")

    def close(self) -> None:
        """Say goodbye (close_notify)."""
        if self.state is DtlsState.CONNECTED and self._ssl is not None:
            with contextlib.suppress(SSL.Error):  # it is over either way
                self._ssl.shutdown()
        elif self.state is DtlsState.CONNECTED and self._farewell is not None:
            self._outgoing = (self._farewell.serialize(),)
        self.state = DtlsState.CLOSED

    def _let_go(self, ssl: SSL.Connection, last_flight: tuple[bytes, ...]) -> None:
        """Keep what the end takes; nothing where another cipher suite was agreed on."""
        agreed = ssl.get_protocol_version_name(), ssl.get_cipher_name()
        secrets = ssl.master_key(), ssl.client_random(), ssl.server_random()
        if agreed != (farewell.VERSION, farewell.CIPHER) or None in secrets:
            return
        self._farewell = Farewell(*secrets, client=self._client)  # type: ignore[arg-type]
        self._last_flight = () if self._client else last_flight
        self._ssl = None

    def _receive_late(self, datagram: bytes, end: Farewell) -> None:
        """Take what comes after the handshake."""
        if end.is_in(datagram):
            self.state = DtlsState.CLOSED
        elif datagram[:1] in _OF_A_HANDSHAKE and self._resends:
            self._resends -= 1
            self._outgoing = self._last_flight

    def _open(self) -> SSL.Connection:
        """Not before it is needed: an offer that is never followed up costs little."""
        ssl = SSL.Connection(self._context.ssl, None)
        ssl.set_ciphertext_mtu(DTLS_MTU_BYTES)
        if self._client:
            ssl.set_connect_state()
        else:
            ssl.set_accept_state()
        self._ssl = ssl
        return ssl

    def _shake(self, ssl: SSL.Connection) -> None:
        try:
            ssl.do_handshake()
        except SSL.WantReadError:
            return
        except SSL.Error as error:
            self._fail(f"handshake failed: {error}")
            return
        self._connected(ssl)

    def _connected(self, ssl: SSL.Connection) -> None:
        certificate = ssl.get_peer_certificate(as_cryptography=True)
        if certificate is None or not self._is_expected(certificate):
            self._fail("the certificate does not match the fingerprint in the SDP")
            return
        name = ssl.get_selected_srtp_profile().decode()
        profile = next((p for p in Profile if p.openssl_name == name), None)
        if profile is None:
            self._fail("the peer offers no SRTP profile of ours")
            return
        self.keys = self._export(ssl, profile)
        self.state = DtlsState.CONNECTED

    def _is_expected(self, certificate: x509.Certificate) -> bool:
        return any(
            fingerprint(certificate, _DIGESTS[name]) == value.upper()
            for name, value in self._fingerprints.items()
            if name in _DIGESTS
        )

    def _export(self, ssl: SSL.Connection, profile: Profile) -> SrtpKeys:
        """RFC 5764, section 4.2: client key, server key, client salt, server salt."""
        key, salt = profile.key_bytes, profile.salt_bytes
        material = ssl.export_keying_material(_EXPORTER_LABEL, 2 * (key + salt))
        client = material[:key] + material[2 * key : 2 * key + salt]
        server = material[key : 2 * key] + material[2 * key + salt :]
        local, remote = (client, server) if self._client else (server, client)
        return SrtpKeys(profile, local, remote)

    def _read(self, ssl: SSL.Connection) -> None:
        """Take in what follows the handshake: retransmissions, alerts."""
        try:
            ssl.recv(2048)  # application data is not for us: dropped
        except SSL.ZeroReturnError:
            self.state = DtlsState.CLOSED
        except SSL.WantReadError:
            pass
        except SSL.Error as error:
            self._fail(f"DTLS: {error}")

    def _fail(self, why: str) -> None:
        self.error = why
        self.state = DtlsState.FAILED
