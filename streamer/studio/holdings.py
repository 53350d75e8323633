"""What speakers shall hold: the schedule and the stored messages, as files (pure)."""

from __future__ import annotations

import heapq
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Protocol

from streamer.air.entrydocument import what_document
from streamer.air.schedule import (
    Fill,
    Occurrence,
    Planned,
    RelayItem,
    ScheduleEntry,
    occurrences,
)
from streamer.media.frame import SAMPLE_RATE_HZ, Pcm
from streamer.media.source import Source
from streamer.store.columns import us_of_utc
from streamer.store.identifiers import planned_id
from streamer.store.promises import Promise, StoredMessage
from streamer.store.records import SourceKind
from streamer.studio.renditions import Rendition
from streamer.studio.scheduled import ScheduledStart
from streamer.wire.control import ProgrammeClass
from streamer.wire.documents import Item

MAX_STARTS = 2_000
"Within the time that is looked ahead, over all zones; the first ones."


class Opening(Protocol):
    """Opens what shall be made into files."""

    async def open_start(self, start: ScheduledStart) -> Source:
        """Return what the schedule would air; raises `SourceRefusedError`."""
        ...

    async def open_file(self, file_id: str) -> Source:
        """Return an uploaded file; raises `SourceRefusedError`."""
        ...

    def before(self, *, chime: bool, attention_s: int) -> Pcm:
        """Return what sounds first; it may be nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Holding:
    """Something that speakers shall hold."""

    content: list[object]
    "Names what it sounds like, as JSON."
    open: Callable[[], Awaitable[Source]]
    before: Pcm
    what: tuple[Occurrence, Planned] | StoredMessage
    limit_s: int | None = None
    "A zone's policy ends it then; None: it lasts as long as it is."

    @property
    def title(self) -> str:
        """For people."""
        what = self.what
        return what.title if isinstance(what, StoredMessage) else what[1].entry.title


@dataclass(frozen=True, slots=True)
class Offer:
    """An item of the manifests of some zones, and of all below them."""

    zone_ids: tuple[str, ...]
    item: Item


def can_be_held(entry: ScheduleEntry) -> bool:
    """Say whether all of *entry* comes from a disk: no other station."""
    return not any(isinstance(each, RelayItem) for each in entry.items)


def starts(
    entries: Iterable[ScheduleEntry], from_utc: datetime, to_utc: datetime
) -> list[Occurrence]:
    """Return the starts of *entries*, upwards; long, so call it on a thread."""
    each_ones = (occurrences(entry, from_utc, to_utc) for entry in entries)
    return list(islice(heapq.merge(*each_ones), MAX_STARTS))


def of_start(
    start: Occurrence, planned: Planned, limit_s: int | None, opening: Opening
) -> Holding:
    """Return what a start of the schedule needs, which lasts so long at most."""
    entry = planned.entry
    slot_s = None if entry.fill is Fill.NONE else entry.duration_s
    wanted = ScheduledStart(
        entry=entry,
        owner=planned.owner,
        start_utc=start.start_utc,
        late_s=0,
        items=entry.items,
        slot_s=slot_s,
    )
    document = what_document(entry)
    members = ("items", "fill", "filler_file_id", "chime")
    return Holding(
        content=[slot_s, *(document[each] for each in members)],
        open=lambda: opening.open_start(wanted),
        before=opening.before(chime=entry.chime, attention_s=0),
        what=(start, planned),
        limit_s=limit_s,
    )


def of_message(message: StoredMessage, opening: Opening) -> Holding:
    """Return what a stored message needs."""
    return Holding(
        content=["message", message.file_id, message.attention_s],
        open=lambda: opening.open_file(message.file_id),
        before=opening.before(chime=False, attention_s=message.attention_s),
        what=message,
    )


def offer_of(holding: Holding, file: Rendition) -> Offer:
    """Return what is offered of *holding*, now that its file is there."""
    what = holding.what
    if isinstance(what, StoredMessage):
        return Offer(
            what.zone_ids,
            _item(what.id, what.title, ProgrammeClass.EMERGENCY, file),
        )
    start, planned = what
    entry, start_us = planned.entry, us_of_utc(start.start_utc)
    id_ = planned_id(entry.id, start_us)
    item = _item(id_, entry.title, entry.programme_class, file, start_us)
    if holding.limit_s is not None:  # all of the file is fetched; its end is not heard
        most = holding.limit_s * SAMPLE_RATE_HZ
        item = replace(item, samples=min(item.samples, most))
    return Offer(entry.zone_ids, item)


def promise_of(holding: Holding, offer: Offer) -> Promise | None:
    """Return what is promised; nothing of a message until somebody orders it."""
    if isinstance(holding.what, StoredMessage):
        return None
    start, planned = holding.what
    return Promise(
        id=offer.item.id,
        title=planned.entry.title,
        programme_class=planned.entry.programme_class,
        origin=planned.owner.origin,
        source_kind=SourceKind.PLAYLIST,
        source_detail=planned.entry.id,
        zone_ids=planned.entry.zone_ids,
        started_by=planned.owner.token_id,
        start_utc=start.start_utc,
        samples=offer.item.samples,
        sha256=offer.item.sha256,
        entry_id=planned.entry.id,
    )


def _item(
    id_: str,
    title: str,
    programme_class: ProgrammeClass,
    file: Rendition,
    start_us: int | None = None,
) -> Item:
    return Item(
        id=id_,
        title=title,
        programme_class=programme_class,
        sha256=file.sha256,
        size_bytes=file.size_bytes,
        samples=file.samples,
        start_utc_us=start_us,
    )
