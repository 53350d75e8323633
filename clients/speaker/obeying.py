"""Plays what was ordered: begins it, repeats it in time, and makes way afterwards."""

from __future__ import annotations

import logging
from dataclasses import replace

from clients.speaker.choosing import Choice
from clients.speaker.diskplay import REACT_US, DiskPlay, Host, Playing, Start
from clients.speaker.notebook import Notebook
from clients.speaker.ordering import Orders
from clients.speaker.presence import Presence
from streamer.wire.control import Programme
from streamer.wire.documents import Order

TOGETHER_US = 1_000_000
"An order is played so long after it was given: whoever has it by then is in step."
EARLY_US = 1_500_000
"Before an order's end, what follows is made ready: more than D, less than what is fed."

_log = logging.getLogger(__name__)


class Obeying:
    """Obeys one order after the other.

    Args:
        host: The speaker.
        disk: Plays the messages.
        orders: Which came in.
        notebook: Remembers which was obeyed.
        server: May have an emergency of its own.
    """

    def __init__(
        self,
        host: Host,
        disk: DiskPlay,
        orders: Orders,
        notebook: Notebook,
        server: Presence,
    ) -> None:
        self._host = host
        self._disk = disk
        self._orders = orders
        self._notebook = notebook
        self._server = server

    async def begin(self, utc_us: int, media_us: int) -> None:
        """Begin the order that is next; one that is being obeyed is not cut off."""
        playing = self._disk.playing
        if playing is not None and playing.order is not None:
            return
        found = self._orders.next(self._server.speaker, self._notebook.notes, utc_us)
        if found is None:
            return
        order, item = found
        self._notebook.notes.serial = order.serial
        if self._server.in_emergency:
            _log.warning("order %s yields to a live emergency", order.id)
            return
        at_once_us = media_us - self._host.playout_delay_ms * 1000 + REACT_US
        together_us = media_us + order.issued_utc_us + TOGETHER_US - utc_us
        zero_us = max(at_once_us, together_us)
        self._disk.end_at(zero_us)
        zero_utc_us = utc_us + zero_us - media_us
        choice = Choice(item, 0)
        await self._disk.start(Start(choice, order.id, zero_us, zero_utc_us, order))

    async def go_on(
        self, order: Order, playing: Playing, media_us: int, utc_us: int | None
    ) -> None:
        """Repeat in time what is to be repeated, else make way for the server."""
        end_us = playing.stream.end_us
        if media_us < end_us - EARLY_US:
            return
        is_valid = utc_us is not None and utc_us < order.expires_utc_us
        is_again = is_valid and playing.repetition < order.repeat
        if is_again and await self._disk.repeat(order):
            return
        if media_us >= end_us:
            await self._disk.finish()
        # Early, for its packets are kept from then on.
        self._return_to_server(end_us)

    def _return_to_server(self, at_us: int) -> None:
        """Hear again what the server wants to be heard."""
        said = self._server.said
        if self._server.welcomed and isinstance(said, Programme):
            self._host.hear(replace(said, from_us=max(said.from_us, at_us)))
