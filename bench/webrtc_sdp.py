"""The SDP of a light listener: what it says, and the few lines it reads (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from streamer.wire.stun import Address


@dataclass(frozen=True, slots=True)
class Remote:
    """What an offer or answer says of the server."""

    ufrag: str
    password: bytes
    fingerprint: str
    address: Address

    @classmethod
    def parse(cls, sdp: str) -> Self:
        """Read the few lines that matter of *sdp*.

        Raises:
            ValueError: It lacks one of them.
        """
        candidate = _value(sdp, "a=candidate:").split()
        return cls(
            ufrag=_value(sdp, "a=ice-ufrag:"),
            password=_value(sdp, "a=ice-pwd:").encode(),
            fingerprint=_value(sdp, "a=fingerprint:sha-256 "),
            address=(candidate[4], int(candidate[5])),
        )


@dataclass(frozen=True, slots=True)
class Local:
    """What a listener says of itself."""

    ufrag: str
    password: str
    fingerprint: str
    address: Address | None = None
    "Its candidate; servers that are ICE-lite need none."
    red: bool = False


def offer(local: Local) -> str:
    """Return an offer to receive one Opus stream."""
    formats = "63 111" if local.red else "111"
    lines = [
        *_head(f"m=audio 9 UDP/TLS/RTP/SAVPF {formats}", "0", local),
        "a=rtpmap:111 opus/48000/2",
    ]
    if local.red:
        lines += ["a=rtpmap:63 red/48000/2", "a=fmtp:63 111/111"]
    return "\r\n".join(lines) + "\r\n"


def answer(offered: str, local: Local) -> str:
    """Return the answer to an offer of one m-line with one Opus stream.

    Raises:
        ValueError: *offered* holds none.
    """
    payload_type = re.search(r"^a=rtpmap:(\d+) opus/48000", offered, re.M)
    if payload_type is None:
        raise ValueError("no Opus is offered")
    number = payload_type.group(1)
    lines = [
        *_head(
            f"m=audio 9 UDP/TLS/RTP/SAVPF {number}", _value(offered, "a=mid:"), local
        ),
        f"a=rtpmap:{number} opus/48000/2",
    ]
    return "\r\n".join(lines) + "\r\n"


def plain_offer(address: Address) -> str:
    """Return an offer to receive Opus over RTP without ICE and DTLS (RFC 3551)."""
    host, port = address
    lines = [
        *("v=0", f"o=- 1 1 IN IP4 {host}", "s=-", f"c=IN IP4 {host}", "t=0 0"),
        *(f"m=audio {port} RTP/AVP 111", "a=recvonly", "a=rtpmap:111 opus/48000/2"),
    ]
    return "\r\n".join(lines) + "\r\n"


def plain_address(sdp: str) -> Address:
    """Return where *sdp* wants RTP to be sent.

    Raises:
        ValueError: It does not say.
    """
    return _value(sdp, "c=IN IP4 "), int(_value(sdp, "m=audio ").split()[0])


def _head(media: str, mid: str, local: Local) -> Iterator[str]:
    yield from ("v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0")
    yield f"a=group:BUNDLE {mid}"
    yield from (media, "c=IN IP4 0.0.0.0", f"a=mid:{mid}", "a=recvonly")
    yield from ("a=rtcp-mux", "a=setup:active")
    yield f"a=ice-ufrag:{local.ufrag}"
    yield f"a=ice-pwd:{local.password}"
    yield f"a=fingerprint:sha-256 {local.fingerprint}"
    if local.address is not None:
        host, port = local.address
        # RFC 8445, section 5.1.2.1: type preference 126, the only one, component 1.
        priority = 126 << 24 | 65_535 << 8 | 255
        yield f"a=candidate:1 1 udp {priority} {host} {port} typ host"
        yield "a=end-of-candidates"


def _value(sdp: str, start: str) -> str:
    found = re.search(f"^{re.escape(start)}(.*)$", sdp, re.M)
    if found is None:
        raise ValueError(f"the SDP lacks {start}")
    return found.group(1).strip()
