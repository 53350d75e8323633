"""Decides when the disk plays instead of the server, and what it plays.

The one place where the parts meet: `choosing` says what is due, `diskplay` plays it,
`ordering` has the orders, `notebook` remembers. All on the event loop; what blocks is
done on threads. A disk that is full, read-only or gone costs what it would have held,
never the audio that comes from the server.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from clients.speaker.accounts import Accounts
from clients.speaker.choosing import SAME_US, Choice, choose, join_live
from clients.speaker.diskplay import REACT_US, DiskPlay, Host, Playing, Start
from clients.speaker.notebook import Notebook
from clients.speaker.obeying import Obeying
from clients.speaker.ordering import Orders
from clients.speaker.pantry import Pantry
from clients.speaker.presence import Presence, is_emergency
from clients.speaker.restraint import Restraint
from clients.speaker.timekeeping import Timekeeper
from streamer.wire.control import (
    Idle,
    Programme,
    Receipt,
    Settings,
    Welcome,
)
from streamer.wire.documents import Item

TURN_S = 0.1
SAVE_S, IDLE_SAVE_S = 10.0, 600.0
"While something is played, and else: flash memory wears out."
CUT_US = 10_000_000
"A switch to nothing so long ago cuts what is held, too."

_log = logging.getLogger(__name__)


class Offline:
    """Stands in for the server.

    Args:
        host: The speaker.
        pantry: What is there to be played.
        notebook: What was.
        directory: Of the state; orders are looked for in its ``orders``.
        wall_us: The wall clock, microseconds since 1970.
    """

    def __init__(
        self,
        host: Host,
        pantry: Pantry,
        notebook: Notebook,
        directory: Path,
        *,
        wall_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self._host = host
        self._pantry = pantry
        self._notebook = notebook
        self._orders = Orders(pantry, directory / "orders")
        self._disk = DiskPlay(host, pantry, notebook)
        self._server = Presence(time.monotonic())
        self._obeying = Obeying(host, self._disk, self._orders, notebook, self._server)
        self._time = Timekeeper(host, self._server, wall_us)
        self._restraint = Restraint(pantry, notebook)
        self._accounts = Accounts(notebook)

    async def run(self) -> None:
        """Look at the clock ten times a second, until cancelled."""
        await self.begin()
        try:
            while True:
                await self._turn_safely()
                await asyncio.sleep(TURN_S)
        finally:
            self.end()

    async def _turn_safely(self) -> None:
        try:
            await self.turn()
        except OSError as error:
            _log.error("nothing can be played from the disk: %s", error)
            self._disk.drop()
        except Exception:
            _log.exception("playing from the disk failed")
            self._disk.drop()

    def end(self) -> None:
        """Play nothing more; after the last turn."""
        self._disk.drop()

    @property
    def playing(self) -> str | None:
        """The broadcast that is played from the disk."""
        playing = self._disk.playing
        return None if playing is None else playing.stream.broadcast

    # -- what the server says -----------------------------------------------------

    def on_welcome(self, welcome: Welcome) -> None:
        """There is a server."""
        self._server.on_welcome(welcome, time.monotonic())
        self._pantry.trust.meet(welcome.signing_key)
        self._notebook.notes.key = self._pantry.trust.key
        self._disk.saved_s = 0.0  # soon: a power cut must not lose the key

    def on_settings(self, settings: Settings) -> None:
        """Remember how loud to be."""
        self._notebook.notes.volume_percent = settings.volume_percent

    def on_pong(self, sent_us: int) -> None:
        """The server is there, and has the receipts that were sent before."""
        knows_clock = self._server.on_pong(time.monotonic())
        if self._accounts.arrived(sent_us) or knows_clock:
            self._disk.saved_s = 0.0  # soon: neither is to be told again

    def on_link_lost(self) -> None:
        """There is no server."""
        self._server.on_link_lost(time.monotonic())
        self._accounts.lost()

    def on_programme(self, live: Programme) -> Programme | None:
        """Return *live* as it is to be heard; None: it is not."""
        self._server.said = live
        self._restraint.take_up(live.broadcast)
        playing = self._disk.playing
        if playing is not None and playing.order is not None:
            if not is_emergency(live):
                return None  # it is heard when the order was obeyed
            self._disk.end_at(live.from_us)
            return live
        at = None
        if playing is not None:
            at = playing.stream.broadcast, playing.stream.origin_us
        joining = join_live(
            live, at, self._notebook.notes.played, self._host.media_us()
        )
        if joining.programme is None:
            if playing is None:
                self._host.hear_nothing(Idle(live.from_us))
            return None
        self._disk.live_heard(live)
        if joining.ends_file:
            self._disk.end_at(joining.programme.from_us)
        return joining.programme

    def on_idle(self, message: Idle) -> Idle | None:
        """Return *message* if it is to be obeyed."""
        is_first = self._server.said is None
        media_us = self._host.media_us()
        is_silence = self._server.is_silence(message, media_us)
        self._server.said = message
        if is_silence and self._host.knows_the_server:
            self._restraint.hush()
            self._disk.end_at(media_us - self._host.playout_delay_ms * 1000)
            self._disk.saved_s = 0.0  # soon: a reboot must not play either
            return message
        playing = self._disk.playing
        if playing is None:
            return message
        if playing.order is not None or is_first:
            # It knows of nothing: its schedule may not have begun, and silences are
            # in the manifest, which is asked for at once.
            return None
        self._disk.end_at(message.from_us)
        return message

    def on_order(self, signed: bytes) -> None:
        """Take an order from wherever it comes; obey it if it is genuine and new."""
        self._orders.take(signed)

    def next_receipt(self, now_us: int) -> Receipt | None:
        """Return an account that a server lacks, to be sent at *now_us* (ours)."""
        clock_utc_us = self._server.clock_utc_us
        if clock_utc_us is None or not self._host.knows_the_server:
            return None
        return self._accounts.next(now_us, clock_utc_us, playing=self.playing)

    # -- the turns ------------------------------------------------------------------

    async def begin(self) -> None:
        """Go on from what was known when the process ended; before the first turn."""
        await asyncio.to_thread(self._notebook.load)
        self._pantry.trust.meet(self._notebook.notes.key)
        await asyncio.to_thread(self._pantry.load)
        notes = self._notebook.notes
        self._time.begin(notes, forgotten=self._notebook.forgotten)
        manifest = self._pantry.manifest
        if manifest is not None and not self._server.welcomed:
            volume = 100 if notes.volume_percent is None else notes.volume_percent
            floor = manifest.emergency_volume_percent
            self._host.sound(Settings(volume, manifest.playout_delay_ms, floor))

    async def turn(self) -> None:
        """Look at the clock once.

        Raises:
            OSError: The disk gives nothing.
        """
        media_us, utc_us = self._host.media_us(), self._time.look()
        if by_us := self._time.moved_us(media_us):
            self._disk.move(by_us, media_us)
        self._orders.take_from_manifest()
        for signed in await asyncio.to_thread(self._orders.read):
            self._orders.take(signed)
        if self._restraint.is_silenced:
            self._fall_silent(media_us)
        if utc_us is not None and not self._restraint.is_hushed:
            self._give_up(utc_us)
            await self._obeying.begin(utc_us, media_us)
        if self._disk.playing is not None:
            await self._go_on(self._disk.playing, media_us, utc_us)
        elif utc_us is not None and not self._server.reachable(time.monotonic()):
            await self._stand_in(utc_us, media_us)
        await self._save_now_and_then(utc_us)

    def _fall_silent(self, media_us: int) -> None:
        """End what is played, wherever the speaker is in it; an order, too."""
        if self._disk.playing is not None:
            self._disk.end_at(media_us - self._host.playout_delay_ms * 1000)
            self._host.hear_nothing(Idle(media_us - CUT_US))

    def _give_up(self, utc_us: int) -> None:
        """Remember what the server, being there, did not play at its time."""
        span = self._server.idle_span(time.monotonic(), utc_us)
        if span is None or self._disk.playing is not None:
            return
        if self._restraint.give_up(span, utc_us):
            self._disk.saved_s = 0.0

    async def _stand_in(self, utc_us: int, media_us: int) -> None:
        """Begin what the plan says, if it is there."""
        if self._restraint.is_silenced:
            return
        notes, ahead_us = self._notebook.notes, media_us - utc_us
        items = [each for each in self._pantry.items() if self._agrees(each, ahead_us)]
        blank_us = notes.blank_since_utc_us
        choice = choose(items, notes.played, utc_us, blank_since_utc_us=blank_us)
        if choice is None or (start_us := choice.item.start_utc_us) is None:
            return
        choice = self._sooner(choice)
        start = Start(choice, choice.item.id, start_us + ahead_us, start_us)
        await self._disk.start(start)

    def _sooner(self, choice: Choice) -> Choice:
        """Begin with what is heard at once, not with what is captured now."""
        if choice.from_samples == 0:
            return choice
        back_us = self._host.playout_delay_ms * 1000 - REACT_US
        before = self._notebook.notes.played.get(choice.item.id)
        least = before.until_samples if before else 0
        first = max(least, choice.from_samples - max(0, back_us) * 48 // 1000)
        return replace(choice, from_samples=first)

    def _agrees(self, item: Item, ahead_us: int) -> bool:
        """Leave out what was heard live from another beginning than the planned one."""
        origin_us = self._disk.live_origin_us(item.id)
        if origin_us is None or item.start_utc_us is None:
            return True
        return abs(origin_us - item.start_utc_us - ahead_us) <= SAME_US

    async def _go_on(self, playing: Playing, media_us: int, utc_us: int | None) -> None:
        await self._disk.feed(media_us)
        if self._disk.playing is not playing:
            return
        item, end_us, order = playing.stream.item, playing.stream.end_us, playing.order
        if order is not None:
            await self._obeying.go_on(order, playing, media_us, utc_us)
        elif media_us >= end_us:
            await self._disk.finish()
        elif self._server.welcomed and self._restraint.is_called_off(item):
            self._disk.end_at(media_us)
            self._host.hear_nothing(Idle(media_us))

    # -- the notebook ---------------------------------------------------------------

    async def _save_now_and_then(self, utc_us: int | None) -> None:
        period_s = IDLE_SAVE_S if self._disk.playing is None else SAVE_S
        if time.monotonic() - self._disk.saved_s < period_s and self._disk.saved_s:
            return
        self._time.note(self._notebook.notes, utc_us)
        await self._disk.save()
