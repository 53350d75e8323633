"""Plays one file of the disk at a time, and notes what was played.

On the event loop; what blocks is done on threads.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from dataclasses import dataclass
from typing import Protocol

from clients.speaker.choosing import Choice
from clients.speaker.filestream import FileStream, samples_to_us
from clients.speaker.notebook import Notebook, Played
from clients.speaker.pantry import Pantry
from streamer.media.oggopus import OggError
from streamer.wire.control import Idle, Programme, Settings
from streamer.wire.documents import Item, Order
from streamer.wire.rtp import RtpPacket

FEED_AHEAD_US = 2_000_000
REACT_US = 200_000
"What is played at once is heard so soon: reading it takes a moment."
SAVE_PATIENCE_S = 1.0
"A disk that takes longer is not waited for: the bulletin begins."
MAX_ORIGINS = 16

_log = logging.getLogger(__name__)


class Host(Protocol):
    """The speaker, as far as it is needed here."""

    def hear(self, programme: Programme) -> None:
        """Hear a programme from its instant on."""
        ...

    def hear_nothing(self, message: Idle) -> None:
        """Hear nothing from its instant on."""
        ...

    def hold(self, rtp: RtpPacket) -> None:
        """Keep a packet until its time."""
        ...

    def sound(self, settings: Settings) -> None:
        """Sound as told."""
        ...

    def media_us(self) -> int:
        """Return the media clock; some other, until a server tells."""
        ...

    @property
    def knows_the_server(self) -> bool:
        """Whether `media_us` is the server's."""
        ...

    @property
    def playout_delay_ms(self) -> int:
        """D."""
        ...


@dataclass(slots=True)
class Playing:
    """What is played."""

    stream: FileStream
    record: Played
    order: Order | None = None
    repetition: int = 1


@dataclass(frozen=True, slots=True)
class Start:
    """What shall be played."""

    choice: Choice
    broadcast: str
    "As what it is announced and accounted for."
    zero_us: int
    "When its first sample is captured, so to say, on the media clock."
    zero_utc_us: int
    "The same by UTC."
    order: Order | None = None


class DiskPlay:
    """Plays what it is told, through the speaker's own playout.

    Args:
        host: The speaker.
        pantry: Has the files.
        notebook: Remembers what was played.
    """

    def __init__(self, host: Host, pantry: Pantry, notebook: Notebook) -> None:
        self._host = host
        self._pantry = pantry
        self._notebook = notebook
        self._origins: dict[str, int] = {}
        self.playing: Playing | None = None
        "None: nothing is played from the disk."
        self.saved_s = 0.0
        "When the notebook was written last, by the monotonic clock."

    def live_heard(self, live: Programme) -> None:
        """Remember where a live broadcast began, to go on with it to the sample."""
        self._origins[live.broadcast] = live.clock_us
        while len(self._origins) > MAX_ORIGINS:
            del self._origins[next(iter(self._origins))]

    def live_origin_us(self, broadcast: str) -> int | None:
        """Return where a broadcast began that was heard live."""
        return self._origins.get(broadcast)

    async def start(self, start: Start) -> bool:
        """Play a file; return whether it is played."""
        item, first = start.choice.item, start.choice.from_samples
        stream = await self._opened(item, start.broadcast, start.zero_us)
        if stream is None:
            return False
        notes = self._notebook.notes
        record = notes.played.pop(start.broadcast, None)
        if record is None or record.samples == 0:
            first_utc_us = start.zero_utc_us + samples_to_us(first)
            record = Played(first_utc_us, until_samples=first)
        record.owed = True
        notes.played[start.broadcast] = record
        await self.save()  # before the first sample: a power cut repeats nothing
        self.playing = Playing(stream, record, start.order)
        self._announce(stream, first)
        _log.warning("from the disk: %s, %r", item.programme_class, item.title)
        return True

    async def feed(self, media_us: int) -> None:
        """Hand on the packets of the next two seconds, and note what was heard."""
        playing = self.playing
        if playing is None:
            return
        ahead_us = media_us + FEED_AHEAD_US
        for packet in await asyncio.to_thread(playing.stream.take, ahead_us):
            self._host.hold(packet)
        if self.playing is playing:  # the server may have cut in meanwhile
            heard_us = media_us - self._host.playout_delay_ms * 1000
            self._note(playing, playing.stream.sample_at(heard_us + REACT_US))

    async def finish(self) -> None:
        """It was played to its end."""
        playing = self.playing
        if playing is not None:
            self._note(playing, playing.stream.item.samples)
            playing.record.done = True
            self.drop()
            await self.save()

    async def repeat(self, order: Order) -> bool:
        """Play it once more after the order's gap; return whether it is played."""
        playing = self.playing
        assert playing is not None
        former = playing.stream
        self._note(playing, former.item.samples)
        zero_us = former.end_us + order.gap_s * 1_000_000
        stream = await self._opened(former.item, order.id, zero_us)
        if stream is None:
            return False
        former.close()
        playing.stream, playing.repetition = stream, playing.repetition + 1
        self._announce(stream, 0)
        return True

    def end_at(self, media_us: int) -> None:
        """Play no further than an instant: something else is heard from there on."""
        playing = self.playing
        if playing is not None:
            self._note(playing, playing.stream.sample_at(media_us))
            if playing.order is not None:
                playing.record.done = True
            self.drop()

    def drop(self) -> None:
        """Play nothing."""
        if self.playing is not None:
            self.playing.stream.close()
            self.playing = None

    def move(self, by_us: int, media_us: int) -> None:
        """Go on at the same sample: the media clock was found to be another.

        Args:
            by_us: How much later it is than was believed.
            media_us: What it is.
        """
        self._origins.clear()
        if self.playing is not None:
            stream = self.playing.stream
            first = stream.sample_at(media_us - by_us)
            stream.origin_us += by_us
            self._announce(stream, first)

    async def save(self) -> None:
        """Write the notebook; a disk that hangs is not waited for."""
        self.saved_s = time.monotonic()
        saving = asyncio.ensure_future(asyncio.to_thread(self._notebook.save))
        await asyncio.wait([saving], timeout=SAVE_PATIENCE_S)

    def _announce(self, stream: FileStream, from_samples: int) -> None:
        self._host.hear(stream.begin(from_samples))
        self._host.hear_nothing(Idle(stream.end_us))

    async def _opened(
        self, item: Item, broadcast: str, zero_us: int
    ) -> FileStream | None:
        return await asyncio.to_thread(self._open, item, broadcast, zero_us)

    def _open(self, item: Item, broadcast: str, zero_us: int) -> FileStream | None:
        """Return a file's stream; None: there is none. Blocks."""
        file = self._pantry.open(item)
        if file is None:
            return None
        ssrc = random.getrandbits(32)
        try:
            stream = FileStream(file, item, broadcast, zero_us, ssrc)
        except (OggError, OSError) as error:
            file.close()
            _log.error("%r cannot be played: %s", item.title, error)
            return None
        # A live airing that was heard before tells the very sample.
        planned_us = zero_us - (stream.zero_us - zero_us)
        stream.origin_us = self._origins.get(broadcast, planned_us)
        return stream

    def _note(self, playing: Playing, until_samples: int) -> None:
        record = playing.record
        until_samples += (playing.repetition - 1) * playing.stream.item.samples
        more = until_samples - record.until_samples
        if more > 0:
            record.until_samples = until_samples
            record.samples += more
