"""A play list on air: items one after the other, without a gap, filling a slot."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from ingest.items import ItemEvent, ItemEventKind, PlayListItem
from ingest.opening import Opener, Opening
from ingest.repeat import RepeatingSource
from ingest.slot import Overrun, Share, fade_out, share_of
from streamer.media.frame import SAMPLE_RATE_HZ, Pcm, silence
from streamer.media.source import Source, SourceFailed

FADE_SAMPLES = 3 * SAMPLE_RATE_HZ
LEAD_SAMPLES = 15 * SAMPLE_RATE_HZ
"How long before its turn an item is opened, where that is known; else at once."
OPEN_LIMIT_SAMPLES = 10 * SAMPLE_RATE_HZ
"Silence for an item that does not open, until it is skipped."
FILLER = "filler"
"What the filler is called in events."
_OPEN_TIMEOUT_S = 5.0


@dataclass(slots=True)
class _Playing:
    index: int
    item: PlayListItem
    source: Source
    share: Share
    position: int = 0

    def left(self) -> int | None:
        return _minus(self.share.samples, self.position)

    def expected(self) -> int | None:
        return _minus(self.share.expected_samples, self.position)


class PlayListSource:
    """A `streamer.media.source.Source` of several, each opened ahead of its turn.

    With a slot it lasts exactly as long: what does not fit is faded out or skipped,
    and a filler, repeated as often as needed, plays where the list is too short;
    without one it ends early. An item that cannot be opened, or breaks off, gives
    way to the next, and is told.

    It stands still while it is not read, and goes on with the next sample: nothing
    in it runs by the clock (but a relay among its items, which is heard live).

    Args:
        items: At least one.
        slot_samples: How long the whole lasts; None: as long as the items do.
        overrun: What happens to an item longer than what is left.
        fade_samples: How long a cut item takes to fade.
        filler: Opens what fills the rest of a slot.
        on_event: Told each event; on the reading thread, so it must neither wait
            nor call this source.
        patience_s: How long `read` may wait for an opening.

    Raises:
        ValueError: There are no items, or the slot or the fade is negative.
    """

    def __init__(
        self,
        items: Sequence[PlayListItem],
        *,
        slot_samples: int | None = None,
        overrun: Overrun = Overrun.FADE,
        fade_samples: int = FADE_SAMPLES,
        filler: Opener | None = None,
        on_event: Callable[[ItemEvent], None] | None = None,
        patience_s: float = 0.005,
    ) -> None:
        if not items or fade_samples < 0 or (slot_samples or 0) < 0:
            raise ValueError(f"need items, and {slot_samples=}, {fade_samples=} >= 0")
        self._line = deque(enumerate(items))
        if filler is not None and slot_samples is not None:
            self._line.append((len(items), _endless(filler)))
        self._filler_index = len(items)
        self._slot = slot_samples
        self._overrun = overrun
        self._fade = fade_samples
        self._on_event = on_event
        self._patience_s = patience_s
        self._lock = threading.Lock()  # of what read and close both use
        self._playing: _Playing | None = None
        self._opening: Opening | None = None  # of the line's head
        self._waited = 0  # samples of silence, for the line's head
        self._finished = False
        self._events: list[ItemEvent] = []
        self.position_samples = 0
        "How much has been read."
        self.concealed_samples = 0
        "Silence that was read because an item did not open in time."

    @classmethod
    def open(
        cls,
        items: Sequence[PlayListItem],
        *,
        slot_samples: int | None = None,
        overrun: Overrun = Overrun.FADE,
        filler: Opener | None = None,
        on_event: Callable[[ItemEvent], None] | None = None,
        patience_s: float = 0.005,
    ) -> Self:
        """Return it with its first item open; blocks, call it off the loop.

        Raises:
            ValueError: As the class does.
        """
        source = cls(
            items,
            slot_samples=slot_samples,
            overrun=overrun,
            filler=filler,
            on_event=on_event,
            patience_s=patience_s,
        )
        source._open_head().wait(_OPEN_TIMEOUT_S)
        return source

    @property
    def delay_ns(self) -> int:
        """A sample is captured when it is read."""
        return 0

    @property
    def events(self) -> tuple[ItemEvent, ...]:
        """All that has happened, at most two for each item."""
        return tuple(self._events)

    def read(self, samples: int) -> Pcm:
        """Return the next *samples*; fewer only at the end."""
        with self._lock:
            parts, missing = [silence(0)], samples
            while missing and not self._is_over():
                parts.append(self._piece(missing))
                missing -= len(parts[-1])
                self.position_samples += len(parts[-1])
            self._look_ahead()
            return np.concatenate(parts)

    def finish(self) -> None:
        """End before the next sample."""
        self._finished = True

    def close(self) -> None:
        """Close what is open; idempotent."""
        self._finished = True
        with self._lock:
            if self._playing is not None:
                self._playing.source.close()
            if self._opening is not None:
                self._opening.abandon()
            self._playing = self._opening = None

    # --- the line ---------------------------------------------------------------

    def _left(self) -> int | None:
        return _minus(self._slot, self.position_samples)

    def _is_over(self) -> bool:
        if self._finished:
            return True
        if self._left() == 0:
            while self._line:
                self._skip("the slot is over")
        return self._playing is None and not self._line

    def _piece(self, samples: int) -> Pcm:
        """Return up to *samples* of whatever is next; none where an item ends."""
        if self._playing is not None:
            return self._read_item(self._playing, samples)
        if self._begin():
            return silence(0)
        self._waited += samples
        if self._waited > OPEN_LIMIT_SAMPLES:
            self._skip("it does not open")
            return silence(0)
        left = self._left()
        concealed = samples if left is None else min(samples, left)
        self.concealed_samples += concealed
        return silence(concealed)

    def _begin(self) -> bool:
        """Begin the line's head, or skip it; return False when it is not open yet."""
        index, item = self._line[0]
        share = self._share_of(index, item, self._left())
        if share is None:
            self._skip("it is longer than what is left of the slot")
            return True
        try:
            source = self._open_head().take(self._patience_s)
        except SourceFailed as failure:
            self._skip(str(failure))
            return True
        if source is None:
            return False
        self._forget_head()
        self._playing = _Playing(index, item, source, share)
        self._tell(ItemEventKind.STARTED, index, item)
        return True

    def _share_of(
        self, index: int, item: PlayListItem, left: int | None
    ) -> Share | None:
        overrun = Overrun.FADE if index == self._filler_index else self._overrun
        return share_of(item.length_samples, item.limit_samples, left, overrun)

    def _look_ahead(self) -> None:
        """Open the next item when its turn is near, or when nobody knows."""
        if self._playing is None or self._opening is not None or self._finished:
            return
        until = self._playing.expected()
        if until is not None and until > LEAD_SAMPLES:
            return
        left = self._left()
        then = None if left is None or until is None else left - until
        if then is None or then > 0:
            self._skip_what_does_not_fit(then)
            if self._line:
                self._open_head()

    def _skip_what_does_not_fit(self, left: int | None) -> None:
        while self._line and self._share_of(*self._line[0], left) is None:
            self._skip("it is longer than what is left of the slot")

    def _open_head(self) -> Opening:
        if self._opening is None:
            _, item = self._line[0]
            self._opening = Opening.begin(item.opener, item.name)
        return self._opening

    def _skip(self, why: str) -> None:
        index, item = self._line[0]
        if self._opening is not None:
            self._opening.abandon()
        self._forget_head()
        self._tell(ItemEventKind.SKIPPED, index, item, why)

    def _forget_head(self) -> None:
        self._line.popleft()
        self._opening, self._waited = None, 0

    # --- the item that plays ----------------------------------------------------

    def _read_item(self, playing: _Playing, samples: int) -> Pcm:
        left = playing.left()
        wanted = samples if left is None else min(samples, left)
        try:
            pcm = playing.source.read(wanted)
        except SourceFailed as failure:
            self._end(playing, ItemEventKind.FAILED, 0, str(failure))
            return silence(0)
        if playing.share.is_cut and playing.share.samples is not None:
            pcm = fade_out(pcm, playing.position, playing.share.samples, self._fade)
        playing.position += len(pcm)
        if len(pcm) < wanted:
            self._end(playing, ItemEventKind.ENDED, len(pcm))
        elif playing.left() == 0:
            kind = ItemEventKind.CUT if playing.share.is_cut else ItemEventKind.ENDED
            self._end(playing, kind, len(pcm))
        return pcm

    def _end(
        self, playing: _Playing, kind: ItemEventKind, ahead: int, why: str = ""
    ) -> None:
        playing.source.close()
        self._playing = None
        self._tell(kind, playing.index, playing.item, why, ahead)

    def _tell(
        self,
        kind: ItemEventKind,
        index: int,
        item: PlayListItem,
        why: str = "",
        ahead: int = 0,
    ) -> None:
        at = self.position_samples + ahead
        event = ItemEvent(kind, index, item.name, at, why)
        self._events.append(event)
        if self._on_event is not None:
            self._on_event(event)


def _minus(samples: int | None, done: int) -> int | None:
    return None if samples is None else samples - done


def _endless(filler: Opener) -> PlayListItem:
    return PlayListItem(FILLER, lambda: RepeatingSource.open(filler))
