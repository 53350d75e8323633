"""What is measured over WebRTC: our server over WHEP, and the peers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

from bench.load import Load, WebRtcLoad
from bench.processes import Child, cores
from bench.province import VILLAGES
from bench.rtp_account import ONE_STREAM
from bench.server import Seeded, Server
from bench.webrtc_settings import Settings
from streamer.fanout.webrtc.port import own_addresses

GCM, SHA1 = "AEAD_AES_128_GCM", "AES128_CM_SHA1_80"
PROFILES = (GCM, SHA1)
"Of SRTP; every contender of a run speaks the same."


@dataclass(frozen=True, slots=True)
class Kind:
    """A module of `bench.peers` and how listeners reach it."""

    module: str
    signalling: Literal["whep", "plain", "janus"] = "whep"


PEERS = {
    "floor": Kind("webrtc_floor", "plain"),
    "engine": Kind("webrtc_engine"),
    "aiortc": Kind("webrtc_aiortc"),
    "janus": Kind("webrtc_janus", "janus"),
}
"""What `--against` takes.

Janus may be followed by its EVENT_LOOPS and THREADS: ``janus:1:0``.
"""


class WebRtcServer(Server):
    """Our server with listeners over WHEP, each in its village, with one token.

    Args:
        seeded: What it starts from.
        listeners: How many will join.
        profile: Of SRTP.
        core: The CPU it is pinned to.
    """

    transport = "webrtc"

    def __init__(
        self, seeded: Seeded, *, listeners: int, profile: str, core: int
    ) -> None:
        super().__init__(seeded, core=core)
        self._listeners = listeners
        self._profile = profile
        self.configured = f"as it comes, {profile}"

    def load(self, *, eager: int, ptime_ms: int) -> Load:
        """Return a generator of listeners."""
        settings = Settings(
            address=self.url,
            listeners=self._listeners,
            token=self._seeded.token,
            zones=[village.id for village in VILLAGES],
            profile=self._profile,
            eager=eager,
        )
        return WebRtcLoad(settings, core=cores()[1])

    def start(self) -> int:
        """Put background tones on air; return what listeners know them by."""
        super().start()
        return ONE_STREAM


class WebRtcPeer:
    """A module of `bench.peers`, which all speak alike (see `webrtc_peer`).

    Args:
        name: What the row says; behind colons what Janus takes (see `PEERS`).
        listeners: How many will join.
        profile: Of SRTP.
        core: The CPU it is pinned to.
    """

    def __init__(self, name: str, *, listeners: int, profile: str, core: int) -> None:
        self.name = name
        self.configured = ""
        kind, *given = name.split(":")
        self._kind = PEERS[kind]
        self._listeners = listeners
        self._profile = profile
        arguments = [profile] if kind == "floor" else given
        command = ("python", "-m", f"bench.peers.{self._kind.module}", *arguments)
        self._child = Child(command, cores={core})
        self._load: Load
        self._address = ""
        self.pid = 0

    def __enter__(self) -> Self:
        self._child.__enter__()
        try:
            self.configured = self._child.hear_until("Configured:")
            self.configured += f", {self._profile}"
            self.pid = int(self._child.hear_until("Process:"))
            self._address = self._child.hear_until("Listening:")
        except BaseException:
            self._child.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._child.__exit__(*exception)

    def load(self, *, eager: int, ptime_ms: int) -> Load:
        """Return a generator of listeners."""
        speaks_http = self._kind.signalling != "janus"
        address = f"http://127.0.0.1:{self._address}" if speaks_http else self._address
        settings = Settings(
            address=address,
            listeners=self._listeners,
            signalling=self._kind.signalling,
            host="127.0.0.1" if speaks_http else own_addresses("0.0.0.0")[0],
            known_loop=True,
            profile=self._profile,
            eager=eager,
        )
        self._load = WebRtcLoad(settings, core=cores()[1])
        return self._load

    def start(self) -> int:
        """Let it send, after telling the generator its grid."""
        self._child.say("start")
        first_due_ns = int(self._child.hear_until("Grid:"))
        self._load.ask("grid", first_due_ns=first_due_ns)
        return ONE_STREAM

    def encodes(self) -> None:
        """Peers send what was encoded before."""
