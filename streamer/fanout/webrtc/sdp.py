"""Offer in, answer out (RFC 8866, RFC 8829), for one audio stream that we send.

We read the few lines that matter and refuse what we cannot serve; every m-line of the
offer gets its answer, the first audio one with Opus ours, all others rejected.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from streamer.wire.rtp import OPUS_PAYLOAD_TYPE
from streamer.wire.stun import Address

MAX_OFFER_BYTES = 64 * 1024
MAX_MEDIA = 32
_PROFILES = ("UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP")
_RECEIVES = ("recvonly", "sendrecv")
_SETUP_ANSWERS = {"actpass": "passive", "active": "passive", "passive": "active"}


class OfferError(Exception):
    """The offer is not SDP."""


class UnacceptableOfferError(Exception):
    """The offer is SDP, but nothing in it can be served."""


@dataclass(frozen=True, slots=True)
class Media:
    """One m-line with its attributes."""

    kind: str
    profile: str
    formats: tuple[str, ...]
    attributes: tuple[tuple[str, str], ...]

    def get(self, name: str) -> str | None:
        """Return the first value of attribute *name*."""
        return next((value for key, value in self.attributes if key == name), None)

    def all(self, name: str) -> Iterator[str]:
        """Yield every value of attribute *name*."""
        return (value for key, value in self.attributes if key == name)

    @property
    def direction(self) -> str:
        """One of the four directions; sendrecv when none is said (RFC 8866, 6.7)."""
        names = {"sendrecv", "sendonly", "recvonly", "inactive"}
        return next((key for key, _ in self.attributes if key in names), "sendrecv")


@dataclass(frozen=True, slots=True)
class Offer:
    """What we need of an offer."""

    media: tuple[Media, ...]
    index: int
    "Which of `media` is ours."
    mid: str
    ufrag: str
    password: str
    fingerprints: Mapping[str, str]
    setup: str
    "Our role in the answer: active (we are the DTLS client) or passive."
    opus_payload_type: int
    red_payload_type: int | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an offer.

        Raises:
            OfferError: It is not SDP, or too long.
            UnacceptableOfferError: It has no audio to receive with Opus over
                DTLS-SRTP, or lacks ICE credentials or a fingerprint.
        """
        session, media = _parse(text)
        index, opus = _first_servable(media)
        candidate = media[index]
        both = Media("", "", (), (*candidate.attributes, *session))
        return cls(
            media=media,
            index=index,
            mid=candidate.get("mid") or str(index),
            ufrag=_required(both, "ice-ufrag", 4, 256),
            password=_required(both, "ice-pwd", 22, 256),
            fingerprints=_fingerprints(both),
            setup=_setup(both),
            opus_payload_type=opus,
            red_payload_type=_red(candidate, opus),
        )


@dataclass(frozen=True, slots=True)
class Local:
    """What the answer says about us."""

    ufrag: str
    password: str
    fingerprint: str
    candidates: Sequence[Address]
    ssrc: int
    cname: str
    session_id: int


def answer(offer: Offer, local: Local) -> str:
    """Return the answer: send Opus to the peer's m-line, reject the others."""
    lines = [
        "v=0",
        f"o=- {local.session_id} 1 IN IP4 0.0.0.0",
        "s=-",
        "t=0 0",
        "a=ice-lite",  # RFC 8839, section 5.3
        f"a=group:BUNDLE {offer.mid}",
        f"a=msid-semantic: WMS {local.cname}",
    ]
    for index, media in enumerate(offer.media):
        if index == offer.index:
            lines += _our_media(offer, local)
        else:
            lines += _rejected(media, index)
    return "\r\n".join(lines) + "\r\n"


def _our_media(offer: Offer, local: Local) -> Iterator[str]:
    opus, red = offer.opus_payload_type, offer.red_payload_type
    formats = f"{opus}" if red is None else f"{red} {opus}"
    host, port = local.candidates[0] if local.candidates else ("0.0.0.0", 9)
    family = "IP6" if ":" in host else "IP4"
    yield f"m=audio {port} UDP/TLS/RTP/SAVPF {formats}"
    yield f"c=IN {family} {host}"
    yield "a=rtcp-mux"
    yield f"a=mid:{offer.mid}"
    yield "a=sendonly"
    yield f"a=ice-ufrag:{local.ufrag}"
    yield f"a=ice-pwd:{local.password}"
    yield f"a=fingerprint:sha-256 {local.fingerprint}"
    yield f"a=setup:{offer.setup}"
    if red is not None:
        yield f"a=rtpmap:{red} red/48000/2"
        yield f"a=fmtp:{red} {opus}/{opus}"
    yield f"a=rtpmap:{opus} opus/48000/2"
    # RFC 7587, section 7: mono is what we send; in-band FEC may be read if present.
    yield f"a=fmtp:{opus} stereo=0;sprop-stereo=0;minptime=20;useinbandfec=1"
    yield f"a=rtcp-fb:{opus} nack"
    yield "a=ptime:20"
    yield f"a=msid:{local.cname} audio"
    yield f"a=ssrc:{local.ssrc} cname:{local.cname}"
    for number, (host, port) in enumerate(local.candidates):
        # RFC 8445, section 5.1.2.1: type preference 126, component 1.
        priority = 126 << 24 | (65_535 - number) << 8 | 255
        yield f"a=candidate:{number} 1 udp {priority} {host} {port} typ host"
    yield "a=end-of-candidates"


def _rejected(media: Media, index: int) -> Iterator[str]:
    """RFC 3264, section 6: port zero."""
    yield f"m={media.kind} 0 {media.profile} {' '.join(media.formats)}"
    yield "c=IN IP4 0.0.0.0"
    yield "a=inactive"
    yield f"a=mid:{media.get('mid') or index}"


def _parse(text: str) -> tuple[tuple[tuple[str, str], ...], tuple[Media, ...]]:
    """Return the session's attributes and the media descriptions."""
    if len(text) > MAX_OFFER_BYTES:
        raise OfferError(f"the offer is over {MAX_OFFER_BYTES} bytes")
    lines = [line for line in text.replace("\r\n", "\n").split("\n") if line]
    if not lines or lines[0] != "v=0":
        raise OfferError("the body is not SDP: its first line is not v=0")
    sections: list[list[str]] = [[]]
    for line in lines:
        if len(line) < 2 or line[1] != "=":
            raise OfferError(f"not an SDP line: {line[:40]!r}")
        if line[0] == "m":
            sections.append([])
        sections[-1].append(line)
    if len(sections) - 1 > MAX_MEDIA:
        raise UnacceptableOfferError(f"the offer has more than {MAX_MEDIA} m-lines")
    return _attributes(sections[0]), tuple(map(_media, sections[1:]))


def _media(lines: list[str]) -> Media:
    fields = lines[0][2:].split()
    if len(fields) < 4:
        raise OfferError(f"m-line is incomplete: {lines[0][:60]!r}")
    kind, _port, profile, *formats = fields
    return Media(kind, profile, tuple(formats), _attributes(lines[1:]))


def _attributes(lines: list[str]) -> tuple[tuple[str, str], ...]:
    found = (line[2:].partition(":") for line in lines if line.startswith("a="))
    return tuple((name, value.strip()) for name, _, value in found)


def _first_servable(media: Sequence[Media]) -> tuple[int, int]:
    """Return which m-line is ours, and its payload type for Opus."""
    for index, candidate in enumerate(media):
        opus = _payload_type(candidate, "opus/48000/2")
        if _is_servable(candidate) and opus is not None:
            return index, opus
    raise UnacceptableOfferError("no audio m-line that receives Opus")


def _is_servable(media: Media) -> bool:
    return (
        media.kind == "audio"
        and media.profile in _PROFILES
        and media.direction in _RECEIVES
    )


def _payload_type(media: Media, encoding: str) -> int | None:
    for value in media.all("rtpmap"):
        number, _, name = value.partition(" ")
        named = name.lower() == encoding and number in media.formats
        if named and number.isascii() and number.isdigit() and int(number) < 128:
            return int(number)
    return None


def _red(media: Media, opus: int) -> int | None:
    """RED is of use only where it carries our Opus (RFC 2198, section 5).

    Its blocks name their payload type, and they are built once for all peers.
    """
    red = _payload_type(media, "red/48000/2")
    if red is None or opus != OPUS_PAYLOAD_TYPE:
        return None
    parameters = [
        v.partition(" ")[2] for v in media.all("fmtp") if v.startswith(f"{red} ")
    ]
    return red if parameters and set(parameters[0].split("/")) == {str(opus)} else None


def _required(media: Media, name: str, shortest: int, longest: int) -> str:
    """RFC 8839, section 5.4: ice-char, with bounds on the length."""
    value = media.get(name)
    if value is None:
        raise UnacceptableOfferError(f"a={name} is missing")
    plain = value.isascii() and value.replace("+", "").replace("/", "").isalnum()
    if not (plain and shortest <= len(value) <= longest):
        raise UnacceptableOfferError(f"a={name} is not {shortest} or more ice-chars")
    return value


def _fingerprints(media: Media) -> dict[str, str]:
    found: dict[str, str] = {}
    for value in media.all("fingerprint"):
        name, _, digest = value.partition(" ")
        octets = digest.strip().split(":")
        if all(len(octet) == 2 and _is_hex(octet) for octet in octets):
            found[name.lower()] = digest.strip().upper()
    if not found:
        raise UnacceptableOfferError("a=fingerprint is missing or not hexadecimal")
    return found


def _is_hex(text: str) -> bool:
    return all(c in "0123456789abcdefABCDEF" for c in text)


def _setup(media: Media) -> str:
    value = media.get("setup") or "actpass"
    if value not in _SETUP_ANSWERS:
        raise UnacceptableOfferError(f"a=setup:{value[:20]} cannot be answered")
    return _SETUP_ANSWERS[value]
