"""Orders to play a stored message: for the hour when nothing else gets through.

An order is a signed document that finds its speakers by whatever way there is: the
control channel, the next manifest, or a memory stick carried to the pole.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta

from streamer.air.priority import Origin
from streamer.store.columns import us_of_utc
from streamer.store.identifiers import new_id
from streamer.store.promises import Promise, StoredMessage
from streamer.store.records import SourceKind
from streamer.store.store import Store
from streamer.studio.desk import check_zones
from streamer.studio.errors import StudioError
from streamer.studio.manifests import Manifests
from streamer.studio.provision import Provision
from streamer.wire.control import ProgrammeClass
from streamer.wire.documents import Order, Sign, serialize

MAX_MESSAGES = 50


class NotReadyError(StudioError):
    """The message's file is not made yet, or cannot be: its source may be gone."""


class TooManyMessagesError(StudioError):
    """Speakers keep as many messages as they are to keep."""


@dataclass(frozen=True, slots=True)
class Call:
    """What somebody orders."""

    message_id: str
    zone_ids: tuple[str, ...]
    "Empty: all that the message is for."
    repeat: int
    gap_s: int
    valid_s: int
    "It is not begun later."
    token_id: str


@dataclass(frozen=True, slots=True)
class Given:
    """An order as it goes out."""

    order: Order
    signed: str


class EmergencyDesk:
    """Keeps the stored messages and gives orders.

    Args:
        store: Where both are written.
        provision: Makes the messages' files.
        manifests: Knows the zones and the time.
        sign: With the server's key.
        send: Sends a signed order to the speakers that listen in these very zones.
    """

    def __init__(
        self,
        store: Store,
        provision: Provision,
        manifests: Manifests,
        *,
        sign: Sign,
        send: Callable[[Collection[str], str], None],
    ) -> None:
        self._store = store
        self._provision = provision
        self._manifests = manifests
        self._sign = sign
        self._send = send
        self._giving = asyncio.Lock()

    async def messages(self) -> list[StoredMessage]:
        """Return the stored messages, in order of their ids."""
        return await self._store.messages.all()

    def is_ready(self, message: StoredMessage) -> bool:
        """Say whether speakers can fetch a message, and so play it."""
        return self._provision.file_of(message) is not None

    async def keep(
        self,
        title: str,
        file_id: str,
        zone_ids: tuple[str, ...],
        *,
        attention_s: int,
        token_id: str,
    ) -> StoredMessage:
        """Have speakers keep an uploaded file.

        Raises:
            NotFoundError: There is no such file.
            UnknownZoneError: There is no such zone.
            TooManyMessagesError: There are too many.
        """
        check_zones(zone_ids, self._manifests.air().tree)
        await self._store.files.get(file_id)
        if len(await self.messages()) >= MAX_MESSAGES:
            raise TooManyMessagesError(f"Speakers keep {MAX_MESSAGES} messages.")
        message = StoredMessage(
            id=new_id(secrets.token_bytes),
            title=title,
            file_id=file_id,
            zone_ids=zone_ids,
            attention_s=attention_s,
            created_utc=self._manifests.clock(),
            created_by=token_id,
        )
        await self._store.messages.create(message)
        self._provision.look_again()
        return message

    async def drop(self, message_id: str) -> None:
        """Have speakers keep a message no longer; raises `NotFoundError`."""
        await self._store.messages.delete(message_id)
        self._provision.look_again()

    async def give(self, call: Call) -> Given:
        """Order a stored message to be played, now.

        It is written before it is sent: a serial is never given twice.

        Raises:
            NotFoundError: There is no such message.
            NotReadyError: Its file is not made.
            UnknownZoneError: There is no such zone.
        """
        message = await self._store.messages.get(call.message_id)
        file = self._provision.file_of(message)
        if file is None:
            raise NotReadyError("Its file is not made yet, or cannot be made.")
        zone_ids = call.zone_ids or message.zone_ids
        tree = self._manifests.air().tree
        check_zones(zone_ids, tree)
        async with self._giving:
            now_utc = self._manifests.clock()
            # Above all before, also after the database was lost.
            last = await self._store.promises.last_serial()
            order = Order(
                id=new_id(secrets.token_bytes),
                serial=max(last + 1, us_of_utc(now_utc)),
                title=message.title,
                programme_class=ProgrammeClass.EMERGENCY,
                sha256=file.sha256,
                issued_utc_us=us_of_utc(now_utc),
                expires_utc_us=us_of_utc(now_utc) + call.valid_s * 1_000_000,
                repeat=call.repeat,
                gap_s=call.gap_s,
                zone_ids=zone_ids,
            )
            signed = serialize(order, self._sign).decode()
            promise = Promise(
                id=order.id,
                title=order.title,
                programme_class=order.programme_class,
                origin=Origin.PROVINCE,
                source_kind=SourceKind.FILE,
                source_detail=message.file_id,
                zone_ids=zone_ids,
                started_by=call.token_id,
                start_utc=now_utc,
                samples=_length(order, file.samples),
                sha256=file.sha256,
                signed=signed,
                serial=order.serial,
                expires_utc=now_utc + timedelta(seconds=call.valid_s),
            )
            await self._store.promises.give([promise])
        self._provision.look_again()
        self._send(tree.covered(zone_ids), signed)
        return Given(order, signed)


def _length(order: Order, samples: int) -> int:
    return order.repeat * samples + (order.repeat - 1) * order.gap_s * 48_000
