"""The few lines of SDP in which we differ from aiortc (pure).

aiortc gives Opus a payload type of its own and knows no redundancy (RFC 2198). The
server sends RED only around Opus of payload type 111, which is what browsers offer. As
packets are taken from aiortc before it decodes them, it need not know: to the server we
offer what browsers offer, to aiortc we show RED as Opus. Of an answer it receives the
first format alone; where RED is granted that is RED, and all packets are.
"""

from __future__ import annotations

import re

from clients.speaker.placing import RED_PAYLOAD_TYPE
from streamer.wire.rtp import OPUS_PAYLOAD_TYPE

_OPUS_LINE = re.compile(r"^a=rtpmap:(\d+) opus/48000/2\r?$", re.M | re.I)
_RED, _OPUS = RED_PAYLOAD_TYPE, OPUS_PAYLOAD_TYPE
# RFC 7587, section 7: we play mono, and read in-band FEC if it is there.
_OURS = f"""\
a=rtpmap:{_RED} red/48000/2\r
a=fmtp:{_RED} {_OPUS}/{_OPUS}\r
a=rtpmap:{_OPUS} opus/48000/2\r
a=fmtp:{_OPUS} stereo=0;minptime=20;useinbandfec=1\r
a=rtcp-fb:{_OPUS} nack\r"""


def offer_for_server(sdp: str) -> str:
    """Return aiortc's offer of Opus alone as an offer of Opus and RED.

    Raises:
        ValueError: It is not an offer of Opus alone.
    """
    found = _OPUS_LINE.findall(sdp)
    if len(found) != 1:
        raise ValueError(f"aiortc offers {len(found)} Opus formats, not one")
    theirs = re.escape(found[0])
    sdp = re.sub(rf"^a=(fmtp|rtcp-fb):{theirs} .*\n", "", sdp, flags=re.M)
    sdp = _OPUS_LINE.sub(lambda _: _OURS, sdp)
    media = re.compile(rf"^(m=audio \d+ \S+) {theirs}(\r?)$", re.M)
    return media.sub(rf"\1 {_RED} {_OPUS}\2", sdp)


def answer_for_aiortc(sdp: str) -> str:
    """Return the server's answer with RED, if it is there, as Opus."""
    sdp = re.sub(rf"^a=fmtp:{_RED} .*\n", "", sdp, flags=re.M)
    return re.sub(
        rf"^a=rtpmap:{_RED} red/48000/2",
        f"a=rtpmap:{_RED} opus/48000/2",
        sdp,
        flags=re.M | re.I,
    )
