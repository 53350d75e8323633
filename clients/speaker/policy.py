"""Which way audio comes: WebRTC, the WebSocket, or both for a while (pure).

Both may bring the same packets at once, copies cost nothing; so the WebSocket's audio
is switched on as soon as WebRTC is suspect and off only when it is trusted again.
"""

from __future__ import annotations

from enum import Enum, StrEnum

from clients.speaker.backoff import Backoff
from clients.speaker.mishaps import Mishap

CONNECT_LIMIT_NS = 5_000_000_000
"UDP that is blocked is known to be after so long."
DEAD_NS = 2_000_000_000
"Without a packet while a programme is on air."
LEAST_SUSPICION_NS = 100_000_000
"Five packets: a busy machine's hiccup is no loss."
TRUST_NS = 1_000_000_000
"WebRTC must bring packets for so long before the WebSocket stops."
PROVEN_NS = 60_000_000_000
"After so long in service the next attempt is not made to wait for former failures."
LINK_GRACE_NS = 30_000_000_000
"WebRTC outlives the WebSocket that it belongs to by so much."


BLOCKED = Mishap("no WebRTC connection came about within 5 s: UDP may be blocked")
SILENT = Mishap("WebRTC brought nothing for 2 s")


class Transport(StrEnum):
    """What may bring the audio; the values are the command's."""

    WEBSOCKET = "websocket"
    WEBRTC = "webrtc"
    "WebRTC alone, also when it fails."
    AUTO = "auto"
    "WebRTC while it works, else the WebSocket."


class _Phase(Enum):
    RESTING = "resting"
    OPENING = "opening"
    OPEN = "open"


class TransportPolicy:
    """Decides by what happens and by time; its user acts on what it wants.

    After each event, and whenever `due_ns` has come, call :meth:`advance` and look at
    `session_wanted`, `websocket_audio` and `carries`.

    Args:
        transport: What the speaker was told to use.
        backoff: Between attempts at WebRTC.
    """

    def __init__(self, transport: Transport, backoff: Backoff) -> None:
        self._transport = transport
        self._backoff = backoff
        self._phase = _Phase.RESTING
        self._ready = False
        self._retry_ns = 0
        self._since_ns = 0  # of the phase
        self._link_lost_ns = 0
        self._suspicion_ns = DEAD_NS
        self._expecting_ns: int | None = None  # since when a programme is on air
        self._last_ns: int | None = None  # arrival of this session's last packet
        self._steady_ns = 0  # since when they came without a suspicious pause
        self._trusted_ns: int | None = None
        self.last_mishap: Mishap | None = None
        "Why the last attempt failed, or the last session ended."

    # What is wanted.

    @property
    def session_wanted(self) -> bool:
        """Whether there ought to be a WebRTC session; if there is one, keep it."""
        return self._phase is not _Phase.RESTING

    @property
    def carries(self) -> bool:
        """Whether WebRTC is what the speaker plays from."""
        return self._trusted_ns is not None

    @property
    def websocket_audio(self) -> bool:
        """Whether the server should send packets over the WebSocket."""
        if self._transport is Transport.AUTO:
            return not self.carries
        return self._transport is Transport.WEBSOCKET

    @property
    def due_ns(self) -> int | None:
        """When to call :meth:`advance` if nothing happens before."""
        if self._phase is _Phase.RESTING:
            return self._retry_ns if self._may_open else None
        if self._phase is _Phase.OPENING:
            return self._since_ns + CONNECT_LIMIT_NS
        limits = [] if self._ready else [self._link_lost_ns + LINK_GRACE_NS]
        if self._expecting_ns is not None:
            patience = self._suspicion_ns if self.carries else DEAD_NS
            limits.append(self._quiet_since_ns(self._expecting_ns) + patience)
        return min(limits, default=None)

    # What happens.

    def ready(self, ready: bool, *, now_ns: int) -> None:
        """Know whether the WebSocket stands, clock and server's WebRTC being known."""
        if self._ready and not ready:
            self._link_lost_ns = now_ns
        self._ready = ready

    def expecting(self, expecting: bool, *, now_ns: int) -> None:
        """Know whether a programme is on air."""
        if not expecting:
            self._expecting_ns = None
        elif self._expecting_ns is None:
            self._expecting_ns = now_ns

    def delay(self, playout_delay_ms: int) -> None:
        """Know D: half of it is left to bring by WebSocket what is missing."""
        half_ns = playout_delay_ms * 1_000_000 // 2
        self._suspicion_ns = min(max(half_ns, LEAST_SUSPICION_NS), DEAD_NS)

    def connected(self, *, now_ns: int) -> None:
        """The session has ICE and DTLS."""
        if self._phase is _Phase.OPENING:
            self._phase, self._since_ns = _Phase.OPEN, now_ns
            self._last_ns = None
            if self._expecting_ns is None:
                self._trusted_ns = now_ns  # there is nothing it could prove itself by

    def packet(self, *, now_ns: int) -> bool:
        """The session brought a packet; return whether that changed its standing."""
        self.connected(now_ns=now_ns)
        if self._phase is not _Phase.OPEN:
            return False
        if self._last_ns is None or now_ns - self._last_ns >= self._suspicion_ns:
            self._steady_ns = now_ns
        self._last_ns = now_ns
        if self.carries or now_ns - self._steady_ns < TRUST_NS:
            return False
        self._trusted_ns = now_ns
        return True

    def failed(self, mishap: Mishap, *, now_ns: int) -> None:
        """The session ended, or did not come about."""
        if self._phase is _Phase.RESTING:
            return
        self._distrust(now_ns)
        self.last_mishap = mishap
        delay_s = self._backoff.delay_s(
            hint_s=mishap.retry_after_s, refused=mishap.refused
        )
        self._phase = _Phase.RESTING
        self._retry_ns = now_ns + round(delay_s * 1e9)

    def advance(self, *, now_ns: int) -> None:
        """Let time do what it does."""
        if self._phase is _Phase.RESTING:
            if self._may_open and now_ns >= self._retry_ns:
                self._phase, self._since_ns = _Phase.OPENING, now_ns
        elif self._phase is _Phase.OPENING:
            if now_ns - self._since_ns >= CONNECT_LIMIT_NS:
                self.failed(BLOCKED, now_ns=now_ns)
        elif not self._ready and now_ns - self._link_lost_ns >= LINK_GRACE_NS:
            self._distrust(now_ns)
            self._phase, self._retry_ns = _Phase.RESTING, now_ns
        elif self._expecting_ns is not None:
            self._judge(now_ns - self._quiet_since_ns(self._expecting_ns), now_ns)

    @property
    def _may_open(self) -> bool:
        return self._ready and self._transport is not Transport.WEBSOCKET

    def _quiet_since_ns(self, expecting_ns: int) -> int:
        return max(expecting_ns, self._since_ns, self._last_ns or 0)

    def _judge(self, quiet_ns: int, now_ns: int) -> None:
        if quiet_ns >= DEAD_NS:
            self.failed(SILENT, now_ns=now_ns)
        elif quiet_ns >= self._suspicion_ns:
            self._distrust(now_ns)

    def _distrust(self, now_ns: int) -> None:
        if self._trusted_ns is None:
            return
        if now_ns - self._trusted_ns >= PROVEN_NS:
            self._backoff.succeeded()
        self._trusted_ns = None
