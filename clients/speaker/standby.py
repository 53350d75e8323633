"""When a second connection is opened beside the first: make before break (pure).

A mobile link can freeze for a long while without a word: TCP goes on believing in it.
What shows it is audio that ought to come and does not, or a ping without an answer.
The time is an argument, and so is randomness.

Two kinds of silence are told apart. If nothing at all comes, the path is dead, and
another one is tried within a second. If the server still speaks and only has no
audio, so it is most likely for thousands of speakers: they spread over half a minute.
"""

from __future__ import annotations

from collections.abc import Callable

from clients.speaker.backoff import Backoff

AUDIO_LIMIT_NS = 3_000_000_000
"Audio that is expected and older than this: the path is given up."
PONG_LIMIT_NS = 6_000_000_000
"A ping that waits for its answer for longer than this, likewise."
SUSPICION_NS = 1_000_000_000
"From then on the server is asked each second whether it is there."
SPEAKING_NS = 2_000_000_000
"A server that said anything at all since then has a path to us."
DRAIN_NS = 5_000_000_000
"The server sends packets on the older connection for so long (FORMAT.md, The end)."


class Standby:
    """Decides by what came and when; its user opens and closes connections.

    Args:
        uniform: Returns a number between its two arguments, as `random.uniform`.
    """

    def __init__(self, uniform: Callable[[float, float], float]) -> None:
        self._for_dead_path = Backoff(uniform, base_s=1.0, cap_s=30.0)
        self._for_mute_server = Backoff(uniform, base_s=30.0, cap_s=300.0)
        self._expecting = False
        self._audio_ns = 0  # the last packet, or since when there should be some
        self._message_ns = 0
        self._asked_ns: int | None = None  # the oldest ping without an answer
        self._nudged_ns = 0
        self._open_ns: int | None = None  # when to open, once something is wrong

    def began(self, *, now_ns: int) -> None:
        """A connection is new in service: it has not failed us yet."""
        self._audio_ns = self._message_ns = now_ns
        self._asked_ns = self._open_ns = None

    def expecting(self, expecting: bool, *, now_ns: int) -> None:
        """Know whether packets ought to come over the connection in service."""
        if expecting and not self._expecting:
            self._audio_ns = now_ns
        self._expecting = expecting

    def packet(self, *, now_ns: int) -> None:
        """The connection in service brought audio."""
        self._audio_ns = self._message_ns = now_ns
        self._all_is_well()

    def message(self, *, now_ns: int) -> None:
        """The connection in service brought something."""
        self._message_ns = now_ns

    def asked(self, *, now_ns: int) -> None:
        """A ping was sent over it."""
        if self._asked_ns is None:
            self._asked_ns = now_ns

    def answered(self, *, now_ns: int) -> None:
        """A pong came over it."""
        self._asked_ns, self._message_ns = None, now_ns
        if not self._expecting:
            self._all_is_well()

    def told(self, spread_ms: int | None) -> None:
        """Know over which time the server wants its crowd; see `Backoff.told`."""
        self._for_dead_path.told(spread_ms)

    def failed(
        self,
        *,
        now_ns: int,
        hint_s: float = 0.0,
        refused: bool = False,
        path: bool = False,
    ) -> None:
        """An attempt came to nothing; see `Backoff.delay_s`."""
        delay_s = self._for_dead_path.delay_s(hint_s=hint_s, refused=refused, path=path)
        self._open_ns = now_ns + round(delay_s * 1e9)

    def asks(self, *, now_ns: int) -> bool:
        """Return whether to ask the server for a sign of life now; ask once then."""
        suspect = self._waited(now_ns, SUSPICION_NS, SUSPICION_NS)
        if not suspect or now_ns - self._nudged_ns < SUSPICION_NS:
            return False
        self._nudged_ns = now_ns
        return True

    def wants_another(self, *, now_ns: int) -> bool:
        """Return whether to open another connection now, if none is being opened."""
        if not self._waited(now_ns, AUDIO_LIMIT_NS, PONG_LIMIT_NS):
            self._open_ns = None
            return False
        if self._open_ns is None:
            speaks = now_ns - self._message_ns < SPEAKING_NS
            backoff = self._for_mute_server if speaks else self._for_dead_path
            self._open_ns = now_ns + round(backoff.delay_s(path=not speaks) * 1e9)
        return now_ns >= self._open_ns

    def _waited(self, now_ns: int, audio_ns: int, pong_ns: int) -> bool:
        if self._expecting and now_ns - self._audio_ns >= audio_ns:
            return True
        return self._asked_ns is not None and now_ns - self._asked_ns >= pong_ns

    def _all_is_well(self) -> None:
        self._for_dead_path.succeeded()
        self._for_mute_server.succeeded()
