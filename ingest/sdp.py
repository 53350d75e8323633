"""What a WHIP endpoint must know of a session description, on its text (pure).

aiortc negotiates every medium it is offered and would receive video too. So it is
shown the audio alone, and every other medium is rejected in its answer (RFC 9429,
section 5.3.1). What is understood here is what decides; the rest is aiortc's.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import Self

MAX_OFFER_BYTES = 65_536
MAX_CANDIDATES = 32
"Of a peer; each is an address that we send to."

_OPUS = re.compile(r"a=rtpmap:(\d+) opus/48000/2$", re.IGNORECASE)
_TRANSPORT = ("a=ice-", "a=fingerprint:", "a=setup:", "a=candidate:", "a=rtcp-mux")
_WANTED = "minptime=10;useinbandfec=1;stereo=0;maxaveragebitrate=64000"
"Speech in mono, with FEC (RFC 7587, section 6.1); a wish, not a rule."


class OfferError(Exception):
    """The offer is refused; the message says why, for the integrator."""


class BadOfferError(OfferError):
    """It is not a session description of WebRTC."""


class UnacceptableOfferError(OfferError):
    """It is one, but offers no Opus audio to us."""


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer with audio for us."""

    session: tuple[str, ...]
    "Lines before the first medium."
    media: tuple[tuple[str, ...], ...]
    audio: int
    "Index of the medium that we take."

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an offer.

        Raises:
            BadOfferError: *text* is no SDP, or too long.
            UnacceptableOfferError: No medium is Opus audio that is sent.
        """
        if len(text) > MAX_OFFER_BYTES:
            raise BadOfferError(f"the offer is over {MAX_OFFER_BYTES} bytes")
        lines = [line for line in text.splitlines() if line]
        if not lines or lines[0] != "v=0":  # RFC 8866, section 5.1
            raise BadOfferError("the body is not SDP: it does not begin with v=0")
        bad = next((line for line in lines if not re.match("[a-z]=", line)), None)
        if bad is not None:
            raise BadOfferError(f"the body is not SDP: {bad[:40]!r}")
        starts = [k for k, line in enumerate(lines) if line.startswith("m=")]
        bounds = itertools.pairwise([*starts, len(lines)])
        media = tuple(tuple(lines[start:end]) for start, end in bounds)
        audio = _find_audio(media)
        return cls(tuple(lines[: starts[0]]), media, audio)

    def audio_only(self) -> str:
        """Return the offer as if the audio were all there is."""
        audio = list(_without_excess(self.media[self.audio]))
        if not _value(audio, "a=mid:"):
            audio.append(f"a=mid:{self._mid}")
        session = [line for line in self.session if not line.startswith("a=group:")]
        if not _value([*session, *audio], "a=ice-ufrag:"):
            # Bundled media may state the transport once (RFC 8843, section 7.1.3).
            audio += self._bundled_transport()
        return _text([*session, f"a=group:BUNDLE {self._mid}", *audio])

    def complete(self, answer: str) -> str:
        """Return aiortc's *answer* to `audio_only` as one to the whole offer."""
        lines = answer.splitlines()
        start = next(k for k, line in enumerate(lines) if line.startswith("m="))
        audio = [line for line in lines[start:] if not line.startswith("a=msid:")]
        media = [
            _with_wishes(audio) if k == self.audio else _rejected(medium)
            for k, medium in enumerate(self.media)
        ]
        return _text([*lines[:start], *(line for medium in media for line in medium)])

    @property
    def _mid(self) -> str:
        return _value(self.media[self.audio], "a=mid:") or "0"

    def _bundled_transport(self) -> list[str]:
        for medium in self.media:
            if _value(medium, "a=ice-ufrag:"):
                lines = [line for line in medium if line.startswith(_TRANSPORT)]
                return list(_without_excess(tuple(lines)))
        return []


def _find_audio(media: tuple[tuple[str, ...], ...]) -> int:
    reason = "it has no audio"
    for k, medium in enumerate(media):
        if not medium[0].startswith("m=audio "):
            continue
        if not any(_OPUS.match(line) for line in medium):
            reason = "its audio is not Opus (RFC 7587)"
        elif _is_switched_off(medium):
            reason = "its audio is not sent to us"
        else:
            return k
    raise UnacceptableOfferError(f"the offer cannot be accepted: {reason}")


def _is_switched_off(medium: tuple[str, ...]) -> bool:
    if {"a=recvonly", "a=inactive"} & set(medium):
        return True
    # Port zero is a rejected medium, or one that goes by another's (RFC 8843, 6).
    return medium[0].startswith("m=audio 0 ") and "a=bundle-only" not in medium


def _without_excess(medium: tuple[str, ...]) -> list[str]:
    """Leave out candidates of no use: those of mDNS, of TCP, and too many.

    Who hides behind an mDNS name is found when its own checks reach us (RFC 8445,
    section 7.3.1.3).
    """
    kept, candidates = [], 0
    for line in medium:
        if line.startswith("a=candidate:"):
            words = line.lower().split()
            if len(words) < 5 or words[2] != "udp" or words[4].endswith(".local"):
                continue
            candidates += 1
            if candidates > MAX_CANDIDATES:
                continue
        kept.append(line)
    return kept


def _rejected(medium: tuple[str, ...]) -> list[str]:
    """Return a medium's answer that refuses it: port zero (RFC 3264, section 6)."""
    kind, _, rest = medium[0].partition(" ")
    _, _, rest = rest.partition(" ")
    mid = _value(medium, "a=mid:")
    return [
        f"{kind} 0 {rest}",
        "c=IN IP4 0.0.0.0",
        "a=inactive",
        *([f"a=mid:{mid}"] if mid else []),
    ]


def _with_wishes(audio: list[str]) -> list[str]:
    lines = []
    for line in audio:
        lines.append(line)
        if opus := _OPUS.match(line):
            lines.append(f"a=fmtp:{opus[1]} {_WANTED}")
    return lines


def _value(lines: list[str] | tuple[str, ...], prefix: str) -> str:
    found = (line for line in lines if line.startswith(prefix))
    return next(found, prefix).removeprefix(prefix)


def _text(lines: list[str]) -> str:
    return "".join(f"{line}\r\n" for line in lines)
