"""Takes on real threads: what listeners get across holds, and what is recorded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from streamer.air.difference import AirStep
from streamer.air.priority import Comeback, Conflict, Origin
from streamer.air.silence import EVERYWHERE
from streamer.air.zones import Zone, ZoneLevel, ZoneTree
from streamer.bus.bus import AirChange, OnAir
from streamer.bus.in_process import InProcessBus
from streamer.media.frame import FRAME_NS, Pcm, ProgrammePacket
from streamer.media.opus import OpusDecoder
from streamer.media.source import PcmSource, Source
from streamer.metrics import Metrics
from streamer.programme.programme import ProgrammeSettings
from streamer.store.silences import Silence
from streamer.studio.admission import Admission
from streamer.studio.audience import Audience
from streamer.studio.broadcast import BroadcastRequest, RecordingPart, State
from streamer.studio.errors import (
    HeldZonesError,
    NotInQueueError,
    UnknownBroadcastError,
    UnknownZoneError,
)
from streamer.studio.live import Live
from streamer.studio.production import Production, recording_name
from streamer.studio.status import status_of
from streamer.studio.studio import Studio
from streamer.studio.tape import Tape
from streamer.wire.control import ProgrammeClass

TREE = ZoneTree(
    [
        Zone("p", None, "p", ZoneLevel.PROVINCE, playout_delay_ms=200),
        Zone("a", "p", "a", ZoneLevel.COMMUNE),
        Zone("b", "p", "b", ZoneLevel.COMMUNE),
    ]
)
SECOND = 48_000
# Speech-like noise with a note of its place: every 10 ms differs from every other.
SOUND: Pcm = (
    np.convolve(np.random.default_rng(7).standard_normal(20 * SECOND), np.hanning(24))[
        : 20 * SECOND
    ]
    / 12
).astype(np.float32)
LOOKAHEAD = 552


class Opener:
    """Opens arrays, anew each time; a recording's part by asking the test."""

    def __init__(self) -> None:
        self.opened: list[Any] = []
        self.sources: list[PcmSource] = []

    async def open(self, wanted: Any) -> Source:
        self.opened.append(wanted)
        pcm = SOUND[:SECOND] if isinstance(wanted, RecordingPart) else wanted
        self.sources.append(PcmSource(pcm))
        return self.sources[-1]


class Ears:
    """What a listener of one zone hears, by media time; and what is told to the log."""

    def __init__(self, zone_id: str = "a") -> None:
        self.zone_id = zone_id
        self.programmes: dict[int, OnAir] = {}
        self.packets: dict[int, list[ProgrammePacket]] = {}
        self.heard: list[tuple[int, int | None]] = []
        self.ended: list[int] = []
        self.over: list[str] = []
        self.log: list[str] = []
        self.told = asyncio.Event()

    async def until(self, what: Callable[[], bool]) -> None:
        """Wait until something that is told here makes *what* true."""
        async with asyncio.timeout(5):
            while not what():
                self.told.clear()
                await self.told.wait()

    async def hear(self, seconds: float) -> None:
        """Wait until so much more was made, of whatever programme."""
        enough = self._made() + seconds * 50
        await self.until(lambda: self._made() >= enough)

    def _made(self) -> int:
        return len({p.due_ns // FRAME_NS for e in self.packets.values() for p in e})

    def on_packet(self, packet: ProgrammePacket) -> None:
        assert packet.ssrc in self.programmes, "announced first"
        assert packet.ssrc not in self.ended, "nothing follows the end"
        self.packets[packet.ssrc].append(packet)
        self.told.set()

    def on_air_change(self, change: AirChange) -> None:
        for on_air in change.started:
            self.programmes[on_air.ssrc] = on_air
            self.packets[on_air.ssrc] = []
        for switch in change.switches:
            assert switch.ssrc is None or switch.ssrc in self.programmes
            assert switch.ssrc not in self.ended
            if self.zone_id in switch.zone_ids:
                self.heard.append((switch.from_ns, switch.ssrc))
        self.ended += change.ended
        self.over += change.over
        for on_air in change.started:
            assert on_air.broadcast_id not in self.over

    def takes_of(self, live: Live) -> list[int]:
        return [
            s for s, on_air in self.programmes.items() if on_air.broadcast_id == live.id
        ]

    def sound_of(self, live: Live) -> list[Pcm]:
        """Return what the zone heard of *live*, per stretch, by media time."""
        found = []
        ends = [at for at, _ in self.heard[1:]] + [2**62]
        for (from_ns, ssrc), to_ns in zip(self.heard, ends, strict=True):
            if ssrc is not None and self.programmes[ssrc].broadcast_id == live.id:
                found.append(self._decoded(ssrc, from_ns, to_ns))
        return [each for each in found if len(each)]

    def _decoded(self, ssrc: int, from_ns: int, to_ns: int) -> Pcm:
        decoder = OpusDecoder()
        pcm = np.concatenate(
            [np.zeros(0, np.float32)]
            + [decoder.decode(each.rtp[12:]) for each in self.packets[ssrc]]
        )
        decoder.close()
        origin_ns = self.programmes[ssrc].origin_ns
        first = max(LOOKAHEAD, (from_ns - origin_ns) * 48 // 1_000_000)
        return pcm[first : max(0, (to_ns - origin_ns) * 48 // 1_000_000)]

    def started(self, live: Live) -> None:
        self.log.append("accepted")
        self.told.set()

    def refused(self, request: BroadcastRequest, rule: str, detail: str) -> None:
        self.log.append(f"refused {rule}")

    def stepped(self, step: AirStep) -> None:
        self.told.set()

    def ended_(self, live: Live) -> None:
        assert live.end is not None
        self.log.append(f"ended {live.end.reason}")

    def recorded(self, live: Live) -> None:
        pass

    def silenced(
        self, zone_ids: Sequence[str], *, by: str, reason: str, at_ns: int
    ) -> None:
        self.log.append(f"silenced {' '.join(zone_ids)} by {by}")

    def lifted(self, zone_ids: Sequence[str], *, by: str, at_ns: int) -> None:
        self.log.append(f"lifted {' '.join(zone_ids)} by {by}")

    def reordered(self, broadcast_ids: Sequence[str], *, by: str, at_ns: int) -> None:
        self.log.append(f"reordered {len(broadcast_ids)} by {by}")


class Log:
    """The journal's side of `Ears`, where `ended` is about broadcasts."""

    def __init__(self, ears: Ears) -> None:
        self.started = ears.started
        self.refused = ears.refused
        self.stepped = ears.stepped
        self.ended = ears.ended_
        self.recorded = ears.recorded
        self.silenced = ears.silenced
        self.lifted = ears.lifted
        self.reordered = ears.reordered


@pytest.fixture
def ears() -> Ears:
    return Ears()


@pytest.fixture
def opener() -> Opener:
    return Opener()


@asynccontextmanager
async def open_studio(
    ears: Ears, opener: Opener, directory: Path | None = None, **more: Any
) -> AsyncIterator[Studio]:
    bus = InProcessBus()
    bus.subscribe(ears)
    settings = ProgrammeSettings(bitrate_bps=128_000, complexity=0)
    async with Studio(
        bus=bus,
        opener=opener,
        journal=Log(ears),
        tree=TREE,
        production=Production(settings, directory, Metrics(CollectorRegistry())),
        admission=Admission(9),
        **more,
    ) as studio:
        yield studio


@pytest.fixture
async def studio(ears: Ears, opener: Opener) -> AsyncIterator[Studio]:
    async with open_studio(ears, opener) as studio:
        yield studio


def file(*zone_ids: str, seconds: float = 10, **changes: Any) -> BroadcastRequest:
    return replace(
        BroadcastRequest(
            source=SOUND[: int(seconds * SECOND)],
            source_kind="file",
            source_detail="f",
            zone_ids=zone_ids or ("p",),
            programme_class=ProgrammeClass.NORMAL,
            origin=Origin.PROVINCE,
            title="t",
            chime=False,
            started_by="s",
            token_id="t",
            comeback=Comeback.RESUME,
            can_hold=True,
        ),
        **changes,
    )


def warning(*zone_ids: str, **changes: Any) -> BroadcastRequest:
    emergency = {"programme_class": ProgrammeClass.EMERGENCY, "can_hold": False}
    return file(*zone_ids, **{**emergency, "comeback": Comeback.REJOIN, **changes})


async def stop(studio: Studio, live: Live) -> None:
    studio.stop(live.id)
    await live.ended.wait()


def state(live: Live, studio: Studio) -> State:
    return status_of(live, studio.air.assignment, Audience(studio.tree, {})).state


def place_of(piece: Pcm) -> int:
    """Return where in `SOUND` the middle 30 ms of *piece* are, minus where they are."""
    middle = len(piece) // 2
    probe = piece[middle - 720 : middle + 720]
    scores = np.correlate(SOUND[: 12 * SECOND], probe, mode="valid")
    return int(np.argmax(scores)) - (middle - 720)


async def test_resume_goes_on_with_the_first_sample_that_nobody_heard(
    studio: Studio, ears: Ears
) -> None:
    live = await studio.start(file("a"))
    for _ in range(2):
        await ears.hear(0.3)
        other = await studio.start(warning("p", seconds=5))
        await ears.hear(0.2)
        assert state(live, studio) is State.HELD
        await stop(studio, other)
    await ears.hear(0.3)
    await stop(studio, live)
    pieces = ears.sound_of(live)
    assert len(ears.takes_of(live)) == len(pieces) == 3
    assert sorted(ears.ended) == sorted(ears.programmes), "every take's end is told"
    assert ears.over[-1] == live.id, "and once that no other follows"
    assert ears.over.count(live.id) == 1
    end = 0
    for piece in pieces:
        start = place_of(piece)
        assert start == pytest.approx(end, abs=2), "to the sample, but for rounding"
        end = start + len(piece)


async def test_what_waits_begins_with_its_first_syllable(
    studio: Studio, ears: Ears
) -> None:
    other = await studio.start(file("p", can_hold=False, seconds=5))
    live = await studio.start(file("a"))
    assert live.ssrc is None
    assert state(live, studio) is State.WAITING
    assert len(ears.programmes) == 1, "nothing is announced before its turn"
    await ears.hear(0.2)
    await stop(studio, other)
    await ears.hear(0.3)
    await stop(studio, live)
    (piece,) = ears.sound_of(live)
    assert place_of(piece) == pytest.approx(0, abs=2)
    (ssrc,) = ears.takes_of(live)
    from_ns = ears.heard[-2][0]
    late_ns = ears.programmes[ssrc].origin_ns - from_ns
    assert 0 <= late_ns < 2 * FRAME_NS, "nothing of it is before the switch"


async def test_rejoin_runs_on_unheard(studio: Studio, ears: Ears) -> None:
    live = await studio.start(file("a", comeback=Comeback.REJOIN))
    other = await studio.start(warning("p", seconds=5))
    await ears.hear(0.2)
    assert state(live, studio) is State.WAITING
    await stop(studio, other)
    await ears.hear(0.2)
    assert len(ears.takes_of(live)) == 1
    await stop(studio, live)


async def test_restart_begins_anew_though_it_was_long_ago(
    studio: Studio, ears: Ears, opener: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if it had run for longer than is kept.
    short = partial(Tape, kept_samples=960)
    monkeypatch.setattr("streamer.studio.airing.Tape", short)
    live = await studio.start(file("a", comeback=Comeback.RESTART))
    await ears.hear(0.3)
    other = await studio.start(warning("p", seconds=5))
    await ears.hear(0.2)
    await stop(studio, other)
    await ears.hear(0.3)
    await stop(studio, live)
    await live.closed.wait()
    first, second = ears.sound_of(live)
    assert place_of(first) == pytest.approx(0, abs=2)
    # Silence may come first, if opening took a while; nothing is left out.
    assert -4_800 <= place_of(second) <= 2
    assert len(opener.opened) == 3
    assert all(source.closed for source in opener.sources)


async def test_what_drops_out_is_over(studio: Studio, ears: Ears) -> None:
    live = await studio.start(file("a", comeback=Comeback.DROP))
    other = await studio.start(warning("p", seconds=5))
    assert live.end is not None
    assert live.end.reason == "dropped"
    await live.closed.wait()
    assert ears.log == ["accepted", "accepted", "ended dropped"]
    await stop(studio, other)


async def test_what_is_too_late_is_skipped_by_itself(
    studio: Studio, ears: Ears
) -> None:
    other = await studio.start(file("p", can_hold=False))
    live = await studio.start(file("a", skip_after_s=0))
    async with asyncio.timeout(2):
        await live.closed.wait()
    assert live.end is not None
    assert live.end.reason == "skipped"
    assert live.ssrc is None
    await stop(studio, other)


async def test_a_refused_newcomer_hears_who_holds_what(
    studio: Studio, ears: Ears, opener: Opener
) -> None:
    live = await studio.start(file("a"))
    with pytest.raises(HeldZonesError) as caught:
        await studio.start(file("p", conflict=Conflict.REFUSE))
    assert caught.value.held == {"a": live.id}
    assert opener.sources[-1].closed
    assert studio.on_air() == [live]
    assert ears.log == ["accepted", "refused held"]


async def test_what_stands_still_can_be_stopped(studio: Studio, ears: Ears) -> None:
    held = await studio.start(file("a"))
    other = await studio.start(warning("p", seconds=5))
    waiting = await studio.start(file("b"))
    await ears.hear(0.1)
    for live in (held, waiting):
        studio.stop(live.id)
        assert live.end is not None
        assert live.end.reason == "stopped"
        await live.closed.wait()
    await stop(studio, other)
    assert [ssrc for _, ssrc in ears.heard][-1] is None


async def test_a_stop_that_is_overtaken_by_a_warning_is_still_a_stop(
    studio: Studio, ears: Ears
) -> None:
    live = await studio.start(file("a"))
    await ears.hear(0.1)
    studio.stop(live.id)
    other = await studio.start(warning("p", seconds=5))
    await live.ended.wait()
    assert live.end is not None
    assert live.end.reason == "stopped"
    await stop(studio, other)


async def test_a_file_that_ends_as_it_is_interrupted_is_over(
    studio: Studio, ears: Ears
) -> None:
    live = await studio.start(file("a", seconds=0.1))
    await ears.hear(0.1)
    other = await studio.start(warning("p", seconds=5))
    await stop(studio, other)
    async with asyncio.timeout(2):
        await live.closed.wait()
    assert live.end is not None
    assert live.end.reason == "completed"


class TestSilence:
    """The kill switch."""

    async def test_all_zones_are_told_and_it_goes_on_where_it_was_cut(
        self, studio: Studio, ears: Ears
    ) -> None:
        live = await studio.start(file("a"))
        await ears.hear(0.5)
        studio.desk.silence(["p"], by="admin", reason="hijacked")
        assert state(live, studio) is State.HELD
        (at_ns, ssrc), cut = ears.heard[0], ears.heard[-1]
        assert (ssrc, cut[1]) == (live.ssrc, None)
        assert cut[0] < at_ns, "it reaches back to before anything that is held"
        assert studio.desk.lift(["a", "p"], by="admin") == ["p"]
        await ears.hear(0.3)
        await stop(studio, live)
        # A listener had heard all but the last 200 ms, which is D in these zones.
        first, second = (
            Ears._decoded(ears, ssrc, 0, 2**62) for ssrc in ears.takes_of(live)
        )
        ended, began = place_of(first) + len(first), place_of(second)
        assert (ended - began) / 48 == pytest.approx(200, abs=45)
        assert ears.log[1:3] == ["silenced p by admin", "lifted p by admin"]

    async def test_idle_zones_are_told_too(self, studio: Studio, ears: Ears) -> None:
        studio.desk.silence(["p"], by="admin")
        assert [ssrc for _, ssrc in ears.heard] == [None]

    async def test_it_holds_from_the_start(self, ears: Ears, opener: Opener) -> None:
        since = silence_of("p")
        async with open_studio(ears, opener, silences=[since]) as studio:
            live = await studio.start(warning("a"))
            assert state(live, studio) is State.WAITING
            assert studio.desk.silences == [since]
            assert ears.heard == []
            studio.desk.lift(["p"], by="admin")
            assert state(live, studio) is State.ON_AIR

    async def test_a_root_to_come_is_silent_while_everything_is(
        self, studio: Studio, ears: Ears
    ) -> None:
        studio.desk.silence([EVERYWHERE], by="admin")
        new = Zone("q", None, "Q", ZoneLevel.PROVINCE)
        studio.replace_tree(ZoneTree([*studio.tree, new]))
        live = await studio.start(warning("q"))
        assert state(live, studio) is State.WAITING
        assert studio.desk.lift([EVERYWHERE], by="admin") == [EVERYWHERE]
        assert state(live, studio) is State.ON_AIR

    async def test_only_zones_that_are_there(self, studio: Studio) -> None:
        with pytest.raises(UnknownZoneError):
            studio.desk.silence(["p", "x"], by="admin")
        assert studio.desk.silences == []


def silence_of(zone_id: str) -> Silence:
    return Silence(
        zone_id=zone_id, since_utc=datetime.now(UTC), by="admin", reason="hijacked"
    )


class TestQueue:
    """The operator's order of what waits."""

    async def test_an_operator_says_who_is_next(
        self, studio: Studio, ears: Ears
    ) -> None:
        wanted = file("a", programme_class=ProgrammeClass.PRIORITY)
        first, second, third = [await studio.start(wanted) for _ in range(3)]
        studio.desk.reorder([third.id, second.id], by="operator")
        await stop(studio, first)
        assert state(third, studio) is State.ON_AIR
        assert state(second, studio) is State.WAITING
        with pytest.raises(UnknownBroadcastError):
            studio.desk.reorder(["x"], by="operator")
        music = await studio.start(file("b"))
        with pytest.raises(NotInQueueError):
            studio.desk.reorder([music.id], by="operator")
        assert ears.log.count("reordered 2 by operator") == 1


class TestRecording:
    """All takes in one file."""

    async def test_it_holds_every_take_and_plays(
        self, ears: Ears, opener: Opener, tmp_path: Path
    ) -> None:
        async with open_studio(ears, opener, tmp_path) as studio:
            live = await studio.start(file("a", seconds=1))
            await ears.hear(0.3)
            other = await studio.start(warning("p", seconds=0.2))
            await live.closed.wait()
            await other.closed.wait()
        assert live.recording is not None
        assert live.recording.complete
        path = tmp_path / recording_name(live.id)
        with av.open(path) as container:
            played = np.concatenate(
                [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
            )
        content = path.read_bytes()
        packets = [p for s in ears.takes_of(live) for p in ears.packets[s]]
        assert all(packet.rtp[12:] in content for packet in packets)
        # A joint: up to a frame twice, then the encoder's look-ahead.
        assert SECOND <= len(played) <= SECOND + LOOKAHEAD + 2 * 960
        assert place_of(played[: SECOND // 5]) == pytest.approx(0, abs=2)
        tail = played[-SECOND // 5 :]
        assert place_of(tail) == pytest.approx(SECOND - SECOND // 5, abs=2)

    async def test_what_never_began_leaves_no_file(
        self, ears: Ears, opener: Opener, tmp_path: Path
    ) -> None:
        async with open_studio(ears, opener, tmp_path) as studio:
            other = await studio.start(file("p", can_hold=False))
            live = await studio.start(file("a"))
            await stop(studio, live)
            await live.closed.wait()
            assert not (tmp_path / recording_name(live.id)).exists()
            assert opener.sources[-1].closed
            await stop(studio, other)

    async def test_those_who_missed_a_part_get_it_when_they_are_free(
        self, ears: Ears, opener: Opener, tmp_path: Path
    ) -> None:
        async with open_studio(ears, opener, tmp_path) as studio:
            live = await studio.start(
                file("p", seconds=3.5, comeback=Comeback.REPLAY, title="bulletin")
            )
            await ears.hear(0.6)
            other = await studio.start(warning("a", seconds=1.4))
            await live.closed.wait()
            assert other.end is not None
            await ears.until(lambda: ears.log.count("accepted") == 3)
            (replay,) = studio.on_air()
            part = replay.request.source
            assert replay.request.zone_ids == ("a",)
            assert (replay.request.exact, replay.request.title) == (True, "bulletin")
            assert (replay.request.cause, part.broadcast_id) == ("replay", live.id)
            assert part.start_samples / SECOND == pytest.approx(0.6, abs=0.1)
            length = part.stop_samples - part.start_samples
            assert length / SECOND == pytest.approx(1.4, abs=0.1)
            await stop(studio, replay)
