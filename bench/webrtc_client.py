"""A light WebRTC listener: full handshake, then counts; sans-I/O.

It is the controlling, full ICE side of one candidate pair, the DTLS client, and keeps
its consent fresh. It decrypts only when asked to, so that thousands fit one core.
"""

from __future__ import annotations

import contextlib
import datetime
import re
from dataclasses import dataclass
from functools import cache
from random import Random

from pylibsrtp import Error, Policy, Session

from streamer.fanout.webrtc.dtls import (
    Certificate,
    DtlsContext,
    DtlsState,
    DtlsTransport,
    Profile,
    SrtpKeys,
)
from streamer.wire import stun
from streamer.wire.errors import RemoteWireError
from streamer.wire.rtp import RtpPacket
from streamer.wire.stun import Address, Attribute, MessageType

CHECK_INTERVAL_NS = 5_000_000_000  # RFC 7675, section 5.1
RETRY_INTERVAL_NS = 250_000_000
_PROFILES = {
    Profile.AEAD_AES_128_GCM: Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    Profile.AES128_CM_SHA1_80: Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
}


@cache
def shared_context() -> DtlsContext:
    """One certificate for all light listeners: only the server's cost is measured."""
    now_utc = datetime.datetime.now(datetime.UTC)
    return DtlsContext(Certificate.generate(now_utc=now_utc))


@dataclass(frozen=True, slots=True)
class Remote:
    """What the answer says of the server."""

    ufrag: str
    password: bytes
    fingerprint: str
    address: Address

    @classmethod
    def parse(cls, answer: str) -> Remote:
        """Read the few lines that matter of *answer*."""

        def value(pattern: str) -> str:
            found = re.search(pattern, answer, re.MULTILINE)
            if found is None:
                raise ValueError(f"the answer lacks {pattern}")
            return found.group(1).strip()

        candidate = value(r"^a=candidate:(.*)$").split()
        return cls(
            ufrag=value(r"^a=ice-ufrag:(.*)$"),
            password=value(r"^a=ice-pwd:(.*)$").encode(),
            fingerprint=value(r"^a=fingerprint:sha-256 (.*)$"),
            address=(candidate[4], int(candidate[5])),
        )


class LightListener:
    """One listener.

    Send what :meth:`outgoing` gives to ``remote.address`` after each call of
    :meth:`receive` and :meth:`poll`.
    """

    def __init__(self, random: Random, *, red: bool = False) -> None:
        self.remote: Remote | None = None
        self.packets = 0
        "SRTP packets received."
        self.session: Session | None = None
        self._red = red
        self._ufrag = f"{random.getrandbits(64):016x}"
        self._password = f"{random.getrandbits(128):032x}"
        self._random = random
        self._dtls: DtlsTransport | None = None
        self._outgoing: list[bytes] = []
        self._check_due_ns = 0
        self._checked = False

    @property
    def connected(self) -> bool:
        """Whether media can be read."""
        return self.session is not None

    @property
    def keys(self) -> SrtpKeys | None:
        """What the handshake agreed on."""
        return self._dtls.keys if self._dtls is not None else None

    def offer(self) -> str:
        """Return the offer."""
        red = "63 " if self._red else ""
        lines = [
            "v=0",
            "o=- 1 1 IN IP4 127.0.0.1",
            "s=-",
            "t=0 0",
            f"m=audio 9 UDP/TLS/RTP/SAVPF {red}111",
            "c=IN IP4 0.0.0.0",
            f"a=ice-ufrag:{self._ufrag}",
            f"a=ice-pwd:{self._password}",
            f"a=fingerprint:sha-256 {shared_context().certificate.fingerprint}",
            "a=setup:active",
            "a=mid:0",
            "a=recvonly",
            "a=rtcp-mux",
            "a=rtpmap:111 opus/48000/2",
            *(["a=rtpmap:63 red/48000/2", "a=fmtp:63 111/111"] if red else []),
        ]
        return "\r\n".join(lines) + "\r\n"

    def accept(self, answer: str) -> None:
        """Take the server's answer."""
        self.remote = Remote.parse(answer)
        self._dtls = DtlsTransport(
            shared_context(),
            client=True,
            fingerprints={"sha-256": self.remote.fingerprint},
        )

    def poll(self, *, now_ns: int) -> None:
        """Check the path, retransmit; call some times a second."""
        assert self.remote is not None
        assert self._dtls is not None
        if now_ns >= self._check_due_ns:
            interval = CHECK_INTERVAL_NS if self._checked else RETRY_INTERVAL_NS
            self._check_due_ns = now_ns + interval
            self._outgoing.append(self.check())
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

    def forget_replays(self) -> None:
        """Let what was decrypted already be decrypted again."""
        self.session = self._new_session()

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
        answer = stun.StunMessage.parse(datagram)
        good = answer.message_type is MessageType.SUCCESS
        if good and answer.has_integrity(self.remote.password) and not self._checked:
            self._checked = True
            self._dtls.start()
            self._outgoing += self._dtls.datagrams()

    def _receive_dtls(self, datagram: bytes) -> None:
        assert self._dtls is not None
        self._dtls.receive(datagram)
        self._outgoing += self._dtls.datagrams()
        if self._dtls.state is DtlsState.FAILED:
            raise ConnectionError(self._dtls.error)
        if self.keys is not None and self.session is None:
            self.session = self._new_session()

    def _new_session(self) -> Session:
        assert self.keys is not None
        policy = Policy(
            key=self.keys.remote,
            ssrc_type=Policy.SSRC_ANY_INBOUND,
            srtp_profile=_PROFILES[self.keys.profile],
        )
        return Session(policy=policy)
