"""The orders that came in, by whatever way, and which of them is next."""

from __future__ import annotations

import logging
from pathlib import Path

from clients.speaker.choosing import obeyed
from clients.speaker.notebook import Notes
from clients.speaker.pantry import Pantry
from streamer.wire.documents import Item, Order

MAX_PENDING = 8
MAX_BYTES = 1 << 14

_log = logging.getLogger(__name__)


class Orders:
    """Keeps the genuine ones until they are obeyed or refused.

    At most `MAX_PENDING` wait; the latest stay.

    Args:
        pantry: Knows whom to believe, and has the messages.
        directory: Where files with orders are put, ``*.order``.
    """

    def __init__(self, pantry: Pantry, directory: Path) -> None:
        self._pantry = pantry
        self._directory = directory
        self._pending: list[Order] = []

    def take(self, signed: bytes) -> None:
        """Take an order if it is genuine."""
        order = self._pantry.read_order(signed)
        if order is not None:
            self._consider(order)

    def take_from_manifest(self) -> None:
        """Take what came with the manifest."""
        for order in self._pantry.take_orders():
            self._consider(order)

    def read(self) -> list[bytes]:
        """Return what was put into the directory, and take it out; blocks."""
        found: list[bytes] = []
        if not self._directory.is_dir():
            return found
        for path in sorted(self._directory.glob("*.order"))[:MAX_PENDING]:
            try:
                with path.open("rb") as file:
                    found.append(file.read(MAX_BYTES))
                path.unlink()
            except OSError as error:
                _log.error("an order cannot be read: %s", error)
        return found

    def next(
        self, speaker: str, notes: Notes, utc_us: int
    ) -> tuple[Order, Item] | None:
        """Return the order that is to be obeyed now, and what is to be played.

        One whose file is still being fetched waits for it, and the others for that.

        Args:
            speaker: Our own id; empty: nobody knows.
            notes: What was obeyed before.
            utc_us: Now.
        """
        while self._pending:
            order = self._pending[0]
            manifest = self._pantry.manifest
            why_not = obeyed(order, manifest, speaker, notes.serial, utc_us)
            if why_not is None and order.issued_utc_us < notes.blank_since_utc_us:
                why_not = "it may have been obeyed before the notebook was lost"
            if why_not is None:
                item = self._pantry.message(order)
                if item is None:
                    return None
                del self._pending[0]
                return order, item
            del self._pending[0]
            if order.serial > notes.serial:
                _log.warning("order %s is not obeyed: %s", order.id, why_not)
        return None

    def _consider(self, order: Order) -> None:
        if all(each.serial != order.serial for each in self._pending):
            self._pending.append(order)
            self._pending.sort(key=lambda one: one.serial)
            del self._pending[:-MAX_PENDING]
