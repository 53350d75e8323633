"""Opens whatever may be broadcast; see `streamer.studio.broadcast.SourceOpener`."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ingest.errors import AudioFileError
from ingest.file import FileSource
from ingest.items import PlayListItem
from ingest.microphone import MicrophoneSource
from ingest.opening import Opener as Open
from ingest.playlist import PlayListSource
from ingest.relay import RelaySource
from ingest.relayurl import Reach, RelayUrlError
from ingest.relayvalues import RelaySettings
from ingest.repeat import RepeatingSource
from ingest.slot import Overrun
from ingest.tone import ToneSource
from ingest.whip import UnknownSessionError, WhipServer
from streamer.air.schedule import (
    FileItem,
    Fill,
    Item,
    RecordingItem,
    RelayItem,
    ToneItem,
    joined_late,
    played,
)
from streamer.api import requests
from streamer.app.sources import sentence
from streamer.media.frame import SAMPLE_RATE_HZ
from streamer.media.source import Source, SourceFailed
from streamer.programme.chime import attention_signal
from streamer.studio.broadcast import RecordingPart, Repeated
from streamer.studio.errors import SourceRefusedError
from streamer.studio.files import FileLibrary
from streamer.studio.production import recording_name
from streamer.studio.scheduled import ScheduledStart

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
"What a broadcast's id looks like; it becomes the name of a file."


class Opener:
    """Opens what clients and the schedule ask for.

    What blocks is done on threads: a disk, a decoder.

    Args:
        files: What was uploaded.
        recordings_directory: Where recordings are.
        whip: The microphones.
        reach: Where stations may be that are relayed.
        patience_s: How long reading from a disk may wait; more where nothing is live.
    """

    def __init__(
        self,
        files: FileLibrary,
        recordings_directory: Path,
        whip: WhipServer,
        *,
        reach: Reach = Reach.PUBLIC,
        patience_s: float = 0.005,
    ) -> None:
        self._files = files
        self._recordings = recordings_directory
        self._whip = whip
        self._relaying = RelaySettings(reach=reach)
        self._patience_s = patience_s
        self._open_file = partial(FileSource.open, patience_s=patience_s)

    async def open(self, wanted: Any) -> Source:
        """Return the source, ready to be read."""
        match wanted:
            case requests.ToneSource():
                return ToneSource(wanted.pattern, wanted.duration_s)
            case requests.MicrophoneSource():
                return self._microphone(wanted.session_id)
            case requests.RelaySource():
                return self._relay(wanted.url, wanted.fallback_file_id)
            case Repeated():
                return await _opened(self._repeating(wanted))
            case ScheduledStart():
                return await _opened(self._play_list(wanted))
        return await _opened(self._blocking(wanted))

    def _blocking(self, wanted: Any) -> Open:
        """Return what opens a source that comes from this machine's disk."""
        match wanted:
            case requests.FileSource():
                return partial(self._open_file, self._file(wanted.file_id))
            case RecordingPart():
                return partial(
                    self._open_file,
                    self._recording(wanted.broadcast_id),
                    start_samples=wanted.start_samples,
                    stop_samples=wanted.stop_samples,
                )
        raise SourceRefusedError("unknown-source", "Nothing opens such a source.")

    def _repeating(self, wanted: Repeated) -> Open:
        return partial(
            RepeatingSource.open,
            self._blocking(wanted.source),
            gap_samples=wanted.gap_samples,
            attention=attention_signal(wanted.attention_s),
        )

    def _play_list(self, start: ScheduledStart) -> Open:
        items, refusals = [], []
        wanted, offset_s = self._left(start)
        if not wanted and start.entry.filler_file_id is not None:
            filler_item = FileItem(start.entry.filler_file_id)
            wanted = (filler_item,)  # the slot's filler goes on after it
        for number, item in enumerate(wanted):
            try:
                items.append(self._item(item, 0.0 if number else offset_s))
            except SourceRefusedError as error:  # the others are better than nothing
                refusals.append(error)
        if not items:
            raise (
                refusals[0]
                if refusals
                else SourceRefusedError("nothing-left", "Its relays are over already.")
            )
        filler_id = start.entry.filler_file_id
        filler = filler_id and self._files.path(filler_id)
        is_skipping = start.entry.fill is Fill.SKIP
        return partial(
            PlayListSource.open,
            items,
            slot_samples=None if start.slot_s is None else _samples(start.slot_s),
            overrun=Overrun.SKIP if is_skipping else Overrun.FADE,
            filler=partial(self._open_file, filler) if filler else None,
            patience_s=self._patience_s,
        )

    def _left(self, start: ScheduledStart) -> tuple[tuple[Item, ...], float]:
        """Return what is left to play, and where the first of it begins."""
        if start.goes_on is None:
            return start.items, 0.0
        lengths = [self._length_s(each) for each in start.items]
        left, offset_s = played(start.items, lengths, start.played_s)
        if left and isinstance(left[0], RelayItem):
            share_s = max(1, left[0].duration_s - int(offset_s))
            left, offset_s = (replace(left[0], duration_s=share_s), *left[1:]), 0.0
        lost_s = start.late_s - start.first_late_s - start.played_s
        joined = joined_late(left, max(0, lost_s))
        return joined, offset_s if joined[:1] == left[:1] else 0.0

    def _length_s(self, item: Item) -> float | None:
        match item:
            case FileItem():
                return self._files.duration_s(item.file_id)
            case RecordingItem():
                return None
        return item.duration_s

    def _item(self, item: Item, offset_s: float = 0.0) -> PlayListItem:
        match item:
            case FileItem():
                seconds = self._files.duration_s(item.file_id)
                length = None if seconds is None else _samples(seconds - offset_s)
                opener: Open = partial(
                    self._open_file,
                    self._file(item.file_id),
                    start_samples=_samples(offset_s),
                )
                return PlayListItem(item.file_id, opener, length)
            case RecordingItem():
                path = self._recording(item.broadcast_id)
                return PlayListItem(item.broadcast_id, partial(self._open_file, path))
            case ToneItem():
                left_s = item.duration_s - offset_s
                tone = partial(ToneSource, item.pattern, left_s)
                return PlayListItem(item.pattern, tone, _samples(left_s))
            case RelayItem():
                relay = partial(self._relay, item.url, item.fallback_file_id)
                most = _samples(item.duration_s)
                return PlayListItem("relay", relay, limit_samples=most)

    def _file(self, file_id: str) -> Path:
        path = self._files.path(file_id)
        if path is None:
            raise SourceRefusedError("unknown-file", f"There is no file {file_id!r}.")
        return path

    def _recording(self, broadcast_id: str) -> Path:
        path = self._recordings / recording_name(broadcast_id)
        if _ID.fullmatch(broadcast_id) is None or not path.is_file():
            raise SourceRefusedError(
                "no-recording", f"There is no recording of {broadcast_id!r}."
            )
        return path

    def _microphone(self, session_id: str) -> Source:
        try:
            return MicrophoneSource(self._whip.session(session_id))
        except UnknownSessionError as error:
            raise SourceRefusedError(
                "unknown-session", "This microphone is not connected."
            ) from error

    def _relay(self, url: str, fallback_file_id: str | None) -> Source:
        fallback: Open | None = None
        if fallback_file_id is not None:
            fallback = partial(FileSource.open, self._file(fallback_file_id))
        try:
            return RelaySource.open(url, settings=self._relaying, fallback=fallback)
        except RelayUrlError as error:
            raise SourceRefusedError("unacceptable-relay", sentence(error)) from error


async def _opened(blocking: Callable[[], Source]) -> Source:
    """Open on a thread; what nobody waits for any more is closed."""
    opening = asyncio.ensure_future(asyncio.to_thread(blocking))
    try:
        return await asyncio.shield(opening)
    except AudioFileError as error:
        raise SourceRefusedError("unsupported-audio", sentence(error)) from error
    except SourceFailed as error:
        raise SourceRefusedError("unopened-source", sentence(error)) from error
    except asyncio.CancelledError:
        # The thread goes on; what it opens is nobody's.
        opening.add_done_callback(_close_unwanted)
        raise


def _close_unwanted(opening: asyncio.Future[Source]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


def _samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE_HZ)
