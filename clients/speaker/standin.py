"""What a speaker with a state directory is more: it can do without its server.

Puts `offline`, `pantry` and `notebook` together and ties them to playout and clock.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from time import monotonic_ns

from clients.speaker.fetch import Store, api_url
from clients.speaker.handshake import Address
from clients.speaker.notebook import Notebook
from clients.speaker.offline import Offline
from clients.speaker.pantry import Diet, Pantry
from clients.speaker.playout import Playout
from clients.speaker.trust import Trust
from streamer.media.clocksync import ClockSync
from streamer.wire.control import (
    Idle,
    Ordered,
    Programme,
    Receipt,
    Settings,
    Welcome,
)
from streamer.wire.rtp import RtpPacket

_log = logging.getLogger(__name__)


class StandIn:
    """Plays from the disk, through the speaker's own playout.

    Args:
        directory: Of the state; made when it is not there.
        playout: The speaker's.
        clock: The server's, as far as it is known.
        address: Of the server, and who we are to it.
        api_url: Of the server's API, where it is not where the stream is.
        signing_key: Whose documents are believed; None: of the first server met.
        diet: How much is kept, and how fast it is fetched.
    """

    def __init__(
        self,
        directory: Path,
        playout: Playout,
        clock: ClockSync,
        address: Address,
        *,
        api_url: str | None = None,
        signing_key: str | None = None,
        diet: Diet | None = None,
    ) -> None:
        self._directory = directory
        self._playout = playout
        self._clock = clock
        self._address = address
        self._api_url = api_url
        self._signing_key = signing_key
        self._notebook = Notebook(directory / "notebook")
        self._trust = Trust(signing_key)
        self._pantry = Pantry(directory, self._trust, diet or Diet())
        self.offline = Offline(self, self._pantry, self._notebook, directory)
        "What is played from the disk, and by what time."

    async def run(self) -> None:
        """Stand by until cancelled."""
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            _log.error("the state directory cannot be used: %s", error)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.offline.run(), name="offline")
            tasks.create_task(self._pantry.run(), name="pantry")

    # What the speaker hears of its server.

    def on_welcome(self, welcome: Welcome) -> None:
        """There is a server: ask it for the manifest."""
        self.offline.on_welcome(welcome)
        url = api_url(self._address.url, welcome, self._api_url)
        store = None if url is None else Store(url, self._address.credential)
        self._pantry.on_server(store, hurry=self.offline.playing is not None)

    def on_link_lost(self) -> None:
        """There is no server."""
        self.offline.on_link_lost()
        self._pantry.on_server_lost()

    def on_settings(self, settings: Settings) -> None:
        """Remember how loud to be."""
        self.offline.on_settings(settings)

    def on_programme(self, programme: Programme) -> Programme | None:
        """Return what is to be heard of a live programme."""
        return self.offline.on_programme(programme)

    def on_idle(self, message: Idle) -> Idle | None:
        """Return *message* if it is to be obeyed."""
        return self.offline.on_idle(message)

    def on_manifest_changed(self) -> None:
        """Ask for the manifest some time soon."""
        self._pantry.ask_again(hurry=self.offline.playing is not None)

    def on_order(self, message: Ordered) -> None:
        """Obey an order, if it is genuine and new."""
        self.offline.on_order(message.signed.encode())

    def on_pong(self, sent_us: int) -> None:
        """The server is there."""
        self.offline.on_pong(sent_us)

    def next_receipt(self, now_us: int) -> Receipt | None:
        """Account for what was played from the disk."""
        return self.offline.next_receipt(now_us)

    # What the offline part needs of the speaker.

    def media_ns(self, local_ns: int) -> int:
        """Return the media clock: the server's, or ours until it tells its own."""
        known = self._clock.synchronised
        return self._clock.to_server_ns(local_ns) if known else local_ns

    def hear(self, programme: Programme) -> None:
        """Hear a programme from its instant on."""
        self._playout.on_programme(programme)

    def hear_nothing(self, message: Idle) -> None:
        """Hear nothing from its instant on."""
        self._playout.on_idle(message)

    def hold(self, rtp: RtpPacket) -> None:
        """Keep a packet until its time."""
        self._playout.on_packet(rtp)

    def sound(self, settings: Settings) -> None:
        """Sound as told."""
        self._playout.on_settings(settings)

    def media_us(self) -> int:
        """Return the media clock."""
        return self.media_ns(monotonic_ns()) // 1000

    @property
    def knows_the_server(self) -> bool:
        """Whether the media clock is the server's."""
        return self._clock.synchronised

    @property
    def playout_delay_ms(self) -> int:
        """D."""
        return self._playout.delay_ms
