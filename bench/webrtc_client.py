"""A light WebRTC listener: full handshake, then counts; sans-I/O.

It is the controlling, full ICE side of one candidate pair, the DTLS client, and keeps
its consent fresh. It decrypts only when asked to, so that thousands fit one core.
"""

from __future__ import annotations

import contextlib
import datetime
import struct
from functools import cache
from random import Random

from pylibsrtp import Error, Policy, Session

from bench import webrtc_sdp
from bench.webrtc_sdp import Local, Remote
from streamer.fanout.webrtc.dtls import (
    Certificate,
    DtlsContext,
    DtlsState,
    DtlsTransport,
    Profile,
    SrtpKeys,
)
from streamer.wire import rtcp, stun
from streamer.wire.errors import RemoteWireError
from streamer.wire.rtp import RtpPacket
from streamer.wire.stun import Address, Attribute, MessageType

CHECK_INTERVAL_NS = 5_000_000_000  # RFC 7675, section 5.1
RETRY_INTERVAL_NS = 250_000_000
HELLO_INTERVAL_NS = 100_000_000
"""Until the first flight is sent again.

OpenSSL waits a second, browsers do not; some servers lose what comes right behind the
first check.
"""
_PROFILES = {
    Profile.AEAD_AES_128_GCM: Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    Profile.AES128_CM_SHA1_80: Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
}


@cache
def shared_context(profile: Profile | None = None) -> DtlsContext:
    """One certificate for all light listeners: only the server's cost is measured.

    Args:
        profile: The only one to be agreed on; any when None.
    """
    now_utc = datetime.datetime.now(datetime.UTC)
    context = DtlsContext(Certificate.generate(now_utc=now_utc))
    if profile is not None:
        context.ssl.set_tlsext_use_srtp(profile.openssl_name.encode())
    return context


class LightListener:
    """One listener.

    Send what :meth:`outgoing` gives to ``remote.address`` after each call of
    :meth:`receive` and :meth:`poll`.
    """

    def __init__(
        self, random: Random, *, red: bool = False, profile: Profile | None = None
    ) -> None:
        self.remote: Remote | None = None
        self.packets = 0
        "SRTP packets received."
        self.session: Session | None = None
        self._context = shared_context(profile)
        self._red = red
        self._outbound: Session | None = None
        self._ufrag = f"{random.getrandbits(64):016x}"
        self._password = f"{random.getrandbits(128):032x}"
        self._random = random
        self._dtls: DtlsTransport | None = None
        self._outgoing: list[bytes] = []
        self._check_due_ns = 0
        self._checked = False
        self._hello: list[bytes] = []
        self._hello_due_ns = 0

    @property
    def connected(self) -> bool:
        """Whether media can be read."""
        return self.session is not None

    @property
    def keys(self) -> SrtpKeys | None:
        """What the handshake agreed on."""
        return self._dtls.keys if self._dtls is not None else None

    @property
    def server(self) -> Address:
        """Where to send to."""
        assert self.remote is not None, "there is no answer yet"
        return self.remote.address

    @property
    def closed(self) -> bool:
        """Whether the server said goodbye."""
        return self._dtls is not None and self._dtls.state is DtlsState.CLOSED

    def offer(self, address: Address | None = None) -> str:
        """Return the offer.

        Args:
            address: Our candidate, for servers that do not learn it from our checks.
        """
        return webrtc_sdp.offer(self._local(address))

    def answer(self, offer: str, address: Address | None = None) -> str:
        """Take the server's *offer*; return the answer (see :meth:`offer`)."""
        self.accept(offer)
        return webrtc_sdp.answer(offer, self._local(address))

    def accept(self, answer: str) -> None:
        """Take the server's answer."""
        self.remote = Remote.parse(answer)
        self._dtls = DtlsTransport(
            self._context,
            client=True,
            fingerprints={"sha-256": self.remote.fingerprint},
        )

    def _local(self, address: Address | None) -> Local:
        fingerprint = self._context.certificate.fingerprint
        return Local(self._ufrag, self._password, fingerprint, address, self._red)

    def poll(self, *, now_ns: int) -> None:
        """Check the path, retransmit; call some times a second."""
        assert self.remote is not None
        assert self._dtls is not None
        if now_ns >= self._check_due_ns:
            # RFC 7675, section 5.1: randomised by a fifth, so that thousands spread.
            interval = CHECK_INTERVAL_NS if self._checked else RETRY_INTERVAL_NS
            self._check_due_ns = now_ns + int(interval * self._random.uniform(0.8, 1.2))
            self._outgoing.append(self.check())
        if self._hello and now_ns >= self._hello_due_ns:
            if self._hello_due_ns:
                self._outgoing += self._hello
            self._hello_due_ns = now_ns + HELLO_INTERVAL_NS
        if self._checked and not self.connected:
            self._dtls.handle_timeout()
            self._outgoing += self._dtls.datagrams()

    def check(self) -> bytes:
        """Return a binding request (RFC 8445, section 7.2.2)."""
        assert self.remote is not None
        attributes = [
            (int(Attribute.USERNAME), f"{self.remote.ufrag}:{self._ufrag}".encode()),
            (int(Attribute.PRIORITY), bytes(4)),
            (int(Attribute.ICE_CONTROLLING), self._random.randbytes(8)),
            (int(Attribute.USE_CANDIDATE), b""),
        ]
        return stun.serialize(
            MessageType.REQUEST,
            self._random.randbytes(12),
            attributes,
            password=self.remote.password,
        )

    def receive(self, datagram: bytes) -> None:
        """Take a datagram; media is counted."""
        first = datagram[0]
        if first >= 128:
            self.packets += not 192 <= datagram[1] < 224
        elif first < 4:
            self._receive_stun(datagram)
        else:
            self._receive_dtls(datagram)

    def decrypt(self, datagram: bytes) -> RtpPacket | None:
        """Return the RTP packet in *datagram*; None when it cannot be trusted."""
        assert self.session is not None
        with contextlib.suppress(Error, RemoteWireError):
            return RtpPacket.parse(self.session.unprotect(datagram))
        return None

    def decrypt_rtcp(self, datagram: bytes) -> bytes:
        """Return the RTCP compound packet in *datagram*."""
        assert self.session is not None
        return self.session.unprotect_rtcp(datagram)

    def report(self, ssrc: int, highest_sequence: int) -> None:
        """Send a receiver report of a stream without loss (RFC 3550, section 6.4.2).

        Args:
            ssrc: The stream's.
            highest_sequence: The latest, 16 bits of it.
        """
        if self._outbound is None:
            assert self.keys is not None
            self._outbound = self._new_session(
                self.keys.local, Policy.SSRC_ANY_OUTBOUND
            )
        block = struct.pack("!IIIIII", ssrc, 0, highest_sequence, 0, 0, 0)
        head = struct.pack("!BBHI", 2 << 6 | 1, rtcp.RECEIVER_REPORT, 7, ssrc ^ 1)
        self._outgoing.append(self._outbound.protect_rtcp(head + block))

    def forget_replays(self) -> None:
        """Let what was decrypted already be decrypted again."""
        assert self.keys is not None
        self.session = self._new_session(self.keys.remote, Policy.SSRC_ANY_INBOUND)

    def leave(self) -> None:
        """Say goodbye."""
        if self._dtls is not None:
            self._dtls.close()
            self._outgoing += self._dtls.datagrams()

    def outgoing(self) -> list[bytes]:
        """Return, and forget, what is to be sent now."""
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    def _receive_stun(self, datagram: bytes) -> None:
        assert self.remote is not None
        assert self._dtls is not None
        message = stun.StunMessage.parse(datagram)
        if message.message_type is MessageType.REQUEST:
            self._answer(message)
        elif self._checked or message.message_type is not MessageType.SUCCESS:
            pass  # consent goes on: its end is the server's to notice
        elif message.has_integrity(self.remote.password):
            self._checked = True
            self._dtls.start()
            self._hello = list(self._dtls.datagrams())
            self._outgoing += self._hello

    def _answer(self, request: stun.StunMessage) -> None:
        """A server that is no ICE-lite one checks us too (RFC 8445, section 7.3)."""
        assert self.remote is not None
        password = self._password.encode()
        if not request.has_integrity(password):
            return
        tid = request.transaction_id
        mapped = stun.xor_mapped_address(self.remote.address, tid)
        attributes = [(int(Attribute.XOR_MAPPED_ADDRESS), mapped)]
        self._outgoing.append(
            stun.serialize(MessageType.SUCCESS, tid, attributes, password=password)
        )

    def _receive_dtls(self, datagram: bytes) -> None:
        assert self._dtls is not None
        self._hello = []
        self._dtls.receive(datagram)
        self._outgoing += self._dtls.datagrams()
        if self._dtls.state is DtlsState.FAILED:
            raise ConnectionError(self._dtls.error)
        if self.keys is not None and self.session is None:
            self.forget_replays()

    def _new_session(self, key: bytes, ssrc_type: int) -> Session:
        assert self.keys is not None
        policy = Policy(
            key=key, ssrc_type=ssrc_type, srtp_profile=_PROFILES[self.keys.profile]
        )
        return Session(policy=policy)
