"""Tests of ingest.playlist: a slot is filled to the sample."""

from __future__ import annotations

import threading
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.file import FileSource
from ingest.items import ItemEvent, ItemEventKind, PlayListItem
from ingest.opening import Opener
from ingest.playlist import LEAD_SAMPLES, OPEN_LIMIT_SAMPLES, PlayListSource
from ingest.slot import Overrun, fade_out, share_of
from ingest.tone import render
from streamer.media.frame import SAMPLE_RATE_HZ, Pcm, silence
from streamer.media.source import PcmSource, Source, SourceFailed

FADE = 100
STARTED, ENDED, CUT, FAILED, SKIPPED = ItemEventKind


def signal(number: int, length: int) -> Pcm:
    """Return something whose every sample tells where it comes from."""
    return (number + 1 + np.arange(length) / 10_000).astype(np.float32)


def opener_of(pcm: Pcm, *, failure: str | None = None) -> Opener:
    return lambda: PcmSource(pcm, failure=failure)


def broken() -> Source:
    raise SourceFailed("it is no audio")


def hear(source: Source, step: int = 960, most: int = 10**7) -> Pcm:
    parts = [silence(0)]
    while most > 0:
        parts.append(source.read(step))
        most -= step
        if len(parts[-1]) < step:
            break
    return np.concatenate(parts)


def kinds(source: PlayListSource) -> list[tuple[ItemEventKind, int]]:
    return [(event.kind, event.index) for event in source.events]


def wanted(
    lengths: list[tuple[int, bool]],
    slot: int | None,
    overrun: Overrun,
    filler: int | None,
) -> Pcm:
    """Return what is to be heard, item after item, without any of the machinery."""
    parts, left = [silence(0)], slot
    for number, (length, known) in enumerate(lengths):
        share = share_of(length if known else None, None, left, overrun)
        if share is None:
            continue
        pcm = signal(number, length)[: share.samples]
        if share.is_cut and share.samples is not None:
            pcm = fade_out(pcm, 0, share.samples, FADE)
        parts.append(pcm)
        left = None if left is None else left - len(pcm)
    if filler and left:
        pcm = np.resize(signal(99, filler), left)
        parts.append(fade_out(pcm, 0, left, FADE))
    return np.concatenate(parts)


@given(
    lengths=st.lists(
        st.tuples(st.integers(0, 1_500), st.booleans()), min_size=1, max_size=5
    ),
    slot=st.integers(0, 4_000) | st.none(),
    overrun=st.sampled_from(Overrun),
    filler=st.integers(200, 700) | st.none(),
    step=st.integers(1, 2_000).filter(lambda step: step > 100),
)
@settings(max_examples=100, deadline=None)
def test_law_items_follow_each_other_exactly_and_fill_the_slot(
    lengths: list[tuple[int, bool]],
    slot: int | None,
    *,
    overrun: Overrun,
    filler: int | None,
    step: int,
) -> None:
    items = [
        PlayListItem(
            f"item {number}",
            opener_of(signal(number, length)),
            length_samples=length if known else None,
        )
        for number, (length, known) in enumerate(lengths)
    ]
    source = PlayListSource(
        items,
        slot_samples=slot,
        overrun=overrun,
        fade_samples=FADE,
        filler=None if filler is None else opener_of(signal(99, filler)),
        patience_s=5.0,
    )
    heard = hear(source, step)
    source.close()
    np.testing.assert_array_equal(heard, wanted(lengths, slot, overrun, filler))
    assert source.position_samples == len(heard)
    if slot is not None and filler is not None:
        assert len(heard) == slot
    told = {event.index for event in source.events if event.kind is not ENDED}
    assert told >= set(range(len(items)))  # each was started, or skipped


class TestItems:
    """What cannot be heard is told, and gives way to the next."""

    def test_what_cannot_be_opened_is_skipped_without_a_gap(self) -> None:
        told: list[ItemEvent] = []
        source = PlayListSource(
            [
                PlayListItem("good", opener_of(signal(0, 1_000))),
                PlayListItem("bad", broken),
                PlayListItem("better", opener_of(signal(2, 500))),
            ],
            on_event=told.append,
            patience_s=5.0,
        )
        heard = hear(source)
        source.close()
        np.testing.assert_array_equal(
            heard, np.concatenate((signal(0, 1_000), signal(2, 500)))
        )
        assert told == list(source.events)
        assert told[2] == ItemEvent(SKIPPED, 1, "bad", 1_000, "it is no audio")
        assert kinds(source) == [
            *((STARTED, 0), (ENDED, 0)),
            (SKIPPED, 1),
            *((STARTED, 2), (ENDED, 2)),
        ]

    def test_what_breaks_off_is_heard_until_there(self) -> None:
        source = PlayListSource(
            [
                PlayListItem("torn", opener_of(signal(0, 960), failure="damaged")),
                PlayListItem("next", opener_of(signal(1, 10))),
            ],
            patience_s=5.0,
        )
        assert len(hear(source)) == 970
        source.close()
        assert source.events[1] == ItemEvent(FAILED, 0, "torn", 960, "damaged")

    def test_a_limit_fades_an_item_out_and_the_next_begins_there(self) -> None:
        relay = PlayListItem("relay", opener_of(signal(0, 9_000)), limit_samples=2_000)
        source = PlayListSource(
            [relay, PlayListItem("next", opener_of(signal(1, 10)))],
            fade_samples=FADE,
            patience_s=5.0,
        )
        heard = hear(source)
        source.close()
        np.testing.assert_array_equal(heard[:1_900], signal(0, 1_900))
        assert 0 < heard[1_999] < 0.01
        np.testing.assert_array_equal(heard[2_000:], signal(1, 10))
        assert source.events[1] == ItemEvent(CUT, 0, "relay", 2_000)

    def test_one_that_never_opens_is_skipped_after_ten_seconds_of_silence(
        self,
    ) -> None:
        never = threading.Event()

        def hangs() -> Source:
            never.wait()
            return PcmSource(silence(5))

        source = PlayListSource(
            [
                PlayListItem("hangs", hangs),
                PlayListItem("next", opener_of(signal(1, 10))),
            ],
            patience_s=0.0,
        )
        heard = hear(source, most=OPEN_LIMIT_SAMPLES)
        source._patience_s = 0.2
        heard = np.concatenate((heard, hear(source)))
        assert not heard[:OPEN_LIMIT_SAMPLES].any()
        np.testing.assert_array_equal(heard[-10:], signal(1, 10))
        assert source.concealed_samples == len(heard) - 10
        never.set()
        source.close()

    def test_nothing_at_all_is_refused(self) -> None:
        with pytest.raises(ValueError, match="need items"):
            PlayListSource([])


class TestLife:
    """What is opened when, and closed."""

    def test_the_next_is_opened_shortly_before_its_turn(self) -> None:
        opened: list[int] = []
        length = LEAD_SAMPLES + 10 * 960

        def opener() -> Source:
            opened.append(1)
            return PcmSource(signal(1, 100))

        first = PlayListItem("a", opener_of(silence(length)), length_samples=length)
        source = PlayListSource([first, PlayListItem("b", opener)], patience_s=5.0)
        hear(source, most=9 * 960)
        assert opened == []
        hear(source, most=960)
        assert source._opening is not None
        source._opening.wait(5.0)
        assert opened == [1]
        source.close()

    def test_it_stands_still_while_it_is_not_read_and_goes_on_where_it_was(
        self, tmp_path: Path
    ) -> None:
        """Two halves of one recording, read with a pause within each."""
        whole = (render("bulletin", 0, 4 * SAMPLE_RATE_HZ) * 32767).astype("<i2")
        path = tmp_path / "whole.raw.wav"
        _write_wav(path, whole)
        half = 2 * SAMPLE_RATE_HZ
        items = [
            PlayListItem("1", lambda: FileSource.open(path, stop_samples=half)),
            PlayListItem("2", lambda: FileSource.open(path, start_samples=half)),
        ]
        source = PlayListSource.open(items)
        source._patience_s = 5.0
        parts = []
        for _ in range(4):
            parts.append(hear(source, most=SAMPLE_RATE_HZ))
        parts.append(hear(source))
        source.close()
        np.testing.assert_array_equal(
            np.concatenate(parts), (whole / 32768).astype(np.float32)
        )

    def test_finish_ends_it_and_close_lets_everything_go(self) -> None:
        before = threading.active_count()
        opened = [PcmSource(silence(5_000)) for _ in range(3)]
        items = [
            PlayListItem("a", lambda: opened[0]),
            PlayListItem("b", lambda: opened[1]),
            PlayListItem("c", lambda: opened[2]),
        ]
        source = PlayListSource.open(items)
        assert len(source.read(960)) == 960
        assert source._opening is not None
        source._opening.wait(5.0)
        source.finish()
        assert len(source.read(960)) == 0
        source.close()
        source.close()
        assert [each.closed for each in opened] == [True, True, False]
        assert threading.active_count() == before


def _write_wav(path: Path, samples: np.ndarray) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(samples.tobytes())
