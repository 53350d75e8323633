"""Whether there is a server, since when, and what it said last (pure).

Instants are seconds of the local monotonic clock, unless their names say otherwise.
"""

from __future__ import annotations

from streamer.wire.control import Idle, Programme, ProgrammeClass, Welcome

GRACE_S = 1.0
"The link is down for so long before the disk plays; what it plays, live continues."
FIRST_GRACE_S = 5.0
"After the start, there may be a server in a moment."
SILENT_S = 14.0
"A server that answered no ping for so long is not there; pings go out every 10 s."
CLOCK_PONGS = 10
SILENCE_US = 8_000_000
"An idle from longer ago is a kill switch: the server sends it as of 10 s ago."


class Presence:
    """Keeps what is known of the server.

    Args:
        now_s: The process began then.
    """

    def __init__(self, now_s: float) -> None:
        self.speaker = ""
        "Our own id; empty: nobody knows."
        self.clock_utc_us: int | None = None
        "UTC at which the server's media clock was at 0."
        self.welcomed = False
        "There is a link."
        self.said: Programme | Idle | None = None
        "What the zone hears; None: the server has not said yet."
        self.since_s = now_s
        "The server is there since; a link that is taken over goes on."
        self.heard_s = now_s + FIRST_GRACE_S - GRACE_S
        "It was there then."
        self._pongs = 0

    def on_welcome(self, welcome: Welcome, now_s: float) -> None:
        """There is a server."""
        if not self.welcomed:
            self.since_s = now_s
        self.speaker, self.clock_utc_us = welcome.speaker, welcome.clock_utc_us
        self.welcomed, self.said, self._pongs = True, None, 0
        self.heard_s = now_s

    def on_pong(self, now_s: float) -> bool:
        """It answers; return whether its clock's error is known from now on."""
        self.heard_s = now_s
        self._pongs += 1
        return self._pongs == CLOCK_PONGS

    def on_link_lost(self, now_s: float) -> None:
        """There is no link any more."""
        if self.welcomed:
            self.heard_s = now_s
        self.welcomed = False

    def reachable(self, now_s: float) -> bool:
        """Say whether the server may be there; else the disk stands in."""
        return now_s - self.heard_s < (SILENT_S if self.welcomed else GRACE_S)

    @property
    def clock_known(self) -> bool:
        """Whether the server's time is to be gone by."""
        return self.welcomed and self._pongs >= CLOCK_PONGS

    @property
    def in_emergency(self) -> bool:
        """Whether the server is there, and has an emergency on the air here."""
        said = self.said if self.welcomed else None
        return isinstance(said, Programme) and is_emergency(said)

    def is_silence(self, message: Idle, media_us: int) -> bool:
        """Say whether *message* is a kill switch (FORMAT.md, "Switching").

        The first word of a connection, and one that is said again, may be as old.
        """
        is_news = self.said is not None and message != self.said
        return is_news and message.from_us <= media_us - SILENCE_US

    def idle_span(self, now_s: float, utc_us: int) -> tuple[int, int] | None:
        """Return from when to when, by UTC, it was there and has nothing on the air.

        None: it has, or is not there.
        """
        if not self.welcomed or not isinstance(self.said, Idle):
            return None
        since, heard = (
            utc_us - int((now_s - each) * 1e6) for each in (self.since_s, self.heard_s)
        )
        return since, heard


def is_emergency(live: Programme) -> bool:
    """Say whether nothing else is to be heard."""
    return live.programme_class is ProgrammeClass.EMERGENCY
