"""Tests of the studio: real programmes on real threads, the bus and the log watched."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from streamer.air.difference import AirStep
from streamer.air.priority import Origin
from streamer.air.zones import Zone, ZoneLevel, ZoneTree
from streamer.bus.bus import AirChange
from streamer.bus.in_process import InProcessBus
from streamer.media.frame import Pcm, ProgrammePacket
from streamer.media.source import PcmSource, Source
from streamer.metrics import Metrics
from streamer.programme.programme import ProgrammeSettings
from streamer.studio.admission import EMERGENCY_RESERVE, Admission
from streamer.studio.audience import Audience
from streamer.studio.broadcast import BroadcastRequest, BroadcastStatus, State
from streamer.studio.errors import (
    AlreadyEndedError,
    SourceRefusedError,
    StudioClosedError,
    TooManyProgrammesError,
    UnknownBroadcastError,
    UnknownZoneError,
)
from streamer.studio.live import Live
from streamer.studio.production import Production, recording_name
from streamer.studio.status import status_of
from streamer.studio.studio import Studio
from streamer.wire.control import ProgrammeClass

TREE = ZoneTree(
    [
        Zone("p", None, "p", ZoneLevel.PROVINCE),
        Zone("a", "p", "a", ZoneLevel.COMMUNE),
        Zone("b", "p", "b", ZoneLevel.COMMUNE),
    ]
)
FRAME = 960
LONG = np.zeros(60 * 48_000, np.float32)


def tone(frames: int) -> Pcm:
    samples = np.arange(frames * FRAME)
    pcm: Pcm = (0.3 * np.sin(0.05 * samples)).astype(np.float32)
    return pcm


class Opener:
    """Opens what it is asked for, when the gate is open."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.waiting = asyncio.Event()

    async def open(self, wanted: Any) -> Source:
        self.waiting.set()
        await self.gate.wait()
        if isinstance(wanted, Exception):
            raise wanted
        source: Source = wanted
        return source


class Witness:
    """Keeps everything that bus and log are told, in order."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []

    def on_packet(self, packet: ProgrammePacket) -> None:
        self.told.append(("packet", packet))

    def on_air_change(self, change: AirChange) -> None:
        self.told.append(("air", change))

    def started(self, live: Live) -> None:
        self.told.append(("started", live))

    def stepped(self, step: AirStep) -> None:
        self.told.append(("stepped", step))

    def ended(self, live: Live) -> None:
        assert live.end is not None
        self.told.append(("ended", live))

    def recorded(self, live: Live) -> None:
        self.told.append(("recorded", live))

    def refused(self, request: BroadcastRequest, rule: str, detail: str) -> None:
        self.told.append(("refused", rule))

    def silenced(
        self, zone_ids: Sequence[str], *, by: str, reason: str, at_ns: int
    ) -> None:
        self.told.append(("silenced", tuple(zone_ids)))

    def lifted(self, zone_ids: Sequence[str], *, by: str, at_ns: int) -> None:
        self.told.append(("lifted", tuple(zone_ids)))

    def reordered(self, broadcast_ids: Sequence[str], *, by: str, at_ns: int) -> None:
        self.told.append(("reordered", tuple(broadcast_ids)))

    def of(self, kind: str) -> list[Any]:
        return [each for what, each in self.told if what == kind]


@pytest.fixture
def witness() -> Witness:
    return Witness()


@pytest.fixture
async def opener() -> Opener:
    return Opener()


@asynccontextmanager
async def open_studio(
    witness: Witness, opener: Opener, *, most: int = 3, directory: Path | None = None
) -> AsyncIterator[Studio]:
    bus = InProcessBus()
    bus.subscribe(witness)
    production = Production(
        ProgrammeSettings(), directory, Metrics(CollectorRegistry())
    )
    async with Studio(
        bus=bus,
        opener=opener,
        journal=witness,
        tree=TREE,
        production=production,
        admission=Admission(most),
    ) as studio:
        yield studio


@pytest.fixture
async def studio(witness: Witness, opener: Opener) -> AsyncIterator[Studio]:
    async with open_studio(witness, opener) as studio:
        yield studio


def request(*zone_ids: str, source: Any = None, **changes: Any) -> BroadcastRequest:
    return replace(
        BroadcastRequest(
            source=PcmSource(LONG) if source is None else source,
            source_kind="tone",
            source_detail="",
            zone_ids=zone_ids or ("p",),
            programme_class=ProgrammeClass.NORMAL,
            origin=Origin.PROVINCE,
            title="t",
            chime=False,
            started_by="s",
            token_id="t",
        ),
        **changes,
    )


def status(live: Live, studio: Studio, **listeners: int) -> BroadcastStatus:
    audience = Audience(studio.tree, listeners)
    return status_of(live, studio.air.assignment, audience)


EMERGENCY = {"programme_class": ProgrammeClass.EMERGENCY}


class TestStart:
    """How broadcasts come on the air."""

    async def test_listeners_are_told_before_the_first_packet(
        self, studio: Studio, witness: Witness
    ) -> None:
        live = await studio.start(request(source=PcmSource(tone(5))))
        await live.closed.wait()
        assert [what for what, _ in witness.told] == [
            *("air", "started", "stepped"),
            *["packet"] * 6,
            *("air", "stepped", "air", "ended", "recorded"),
        ]
        first, last, over = witness.of("air")
        assert (over.over, over.ended) == ((live.id,), ())
        packets = witness.of("packet")
        (announced,) = first.started
        assert {packet.ssrc for packet in packets} == {live.ssrc} == {announced.ssrc}
        assert announced.origin_ns == packets[0].capture_ns
        assert announced.accepted_ns == live.accepted_ns
        assert first.switches[0].from_ns == announced.origin_ns
        assert first.switches[0].zone_ids == ("p", "a", "b")
        assert last.ended == (live.ssrc,)
        assert last.switches[0].ssrc is None
        assert last.switches[0].from_ns == packets[-1].capture_ns + 20_000_000

    async def test_every_frame_is_sent_once(
        self, studio: Studio, witness: Witness
    ) -> None:
        live = await studio.start(request(source=PcmSource(tone(20))))
        await live.closed.wait()
        assert [packet.index for packet in witness.of("packet")] == list(range(21))
        assert live.frames == 21

    @pytest.mark.parametrize("zone_ids", [("x",), ("a", "x"), ()])
    async def test_an_unknown_zone_is_refused_before_a_source_is_opened(
        self, studio: Studio, opener: Opener, zone_ids: tuple[str, ...]
    ) -> None:
        with pytest.raises(UnknownZoneError):
            await studio.start(replace(request(), zone_ids=zone_ids))
        assert not opener.waiting.is_set()

    async def test_a_refused_source_leaves_nothing(
        self, studio: Studio, witness: Witness
    ) -> None:
        refusal = SourceRefusedError("unknown-file", "It is not there.")
        for _ in range(5):  # more than may be on air: no place stays taken
            with pytest.raises(SourceRefusedError):
                await studio.start(request(source=refusal))
        assert studio.on_air() == []
        assert witness.told == [("refused", "unknown_file")] * 5
        await studio.start(request())

    async def test_places_are_counted_while_sources_open(
        self, witness: Witness, opener: Opener
    ) -> None:
        async with open_studio(witness, opener, most=1) as studio:
            opener.gate.clear()
            first = asyncio.create_task(studio.start(request()))
            await opener.waiting.wait()
            with pytest.raises(TooManyProgrammesError):
                await studio.start(request())
            opener.gate.set()
            assert (await first) in studio.on_air()

    async def test_an_emergency_is_not_refused_for_music(
        self, witness: Witness, opener: Opener
    ) -> None:
        async with open_studio(witness, opener, most=1) as studio:
            await studio.start(request())
            for _ in range(EMERGENCY_RESERVE):
                await studio.start(request(**EMERGENCY))
            with pytest.raises(TooManyProgrammesError):
                await studio.start(request(**EMERGENCY))

    async def test_a_studio_that_closed_meanwhile_closes_the_source(
        self, witness: Witness, opener: Opener
    ) -> None:
        source = PcmSource(LONG)
        async with open_studio(witness, opener) as studio:
            opener.gate.clear()
            starting = asyncio.create_task(studio.start(request(source=source)))
            await opener.waiting.wait()
        opener.gate.set()
        with pytest.raises(StudioClosedError):
            await starting
        assert source.closed
        assert witness.told == []


class TestPriority:
    """Who is heard where, and who is told so."""

    async def test_the_weaker_comes_back_when_the_stronger_ends(
        self, studio: Studio, witness: Witness
    ) -> None:
        weak = await studio.start(request("p"))
        strong = await studio.start(
            request("a", source=PcmSource(tone(3)), **EMERGENCY)
        )
        await strong.closed.wait()
        switches = [
            (switch.zone_ids, switch.ssrc)
            for change in witness.of("air")
            for switch in change.switches
        ]
        assert switches == [
            (("p", "a", "b"), weak.ssrc),
            (("a",), strong.ssrc),
            (("a",), weak.ssrc),
        ]

    async def test_the_status_tells_who_is_heard(self, studio: Studio) -> None:
        weak = await studio.start(request("a", "b"))
        await studio.start(request("a", **EMERGENCY))
        found = status(weak, studio, **{"a": 5, "b": 3, "p": 1})
        assert found.state is State.ON_AIR
        assert [(z.zone_id, z.heard, z.listeners) for z in found.heard_by.zones] == [
            ("a", False, 0),
            ("b", True, 3),
        ]
        assert found.heard_by.listeners == 3
        await studio.start(request("p", **EMERGENCY))
        found = status(weak, studio, **{"b": 3})
        assert (found.state, found.heard_by.listeners) == (State.WAITING, 0)

    async def test_a_chime_opens(self, studio: Studio) -> None:
        live = await studio.start(request(chime=True))
        assert status(live, studio).state is State.OPENING

    async def test_a_moved_zone_hears_its_new_place(
        self, studio: Studio, witness: Witness
    ) -> None:
        live = await studio.start(request("a"))
        studio.replace_tree(ZoneTree([*TREE, Zone("n", "a", "n", ZoneLevel.VILLAGE)]))
        change = witness.of("air")[-1]
        assert [(s.zone_ids, s.ssrc) for s in change.switches] == [(("n",), live.ssrc)]
        studio.replace_tree(ZoneTree([TREE["p"]]))
        change = witness.of("air")[-1]
        assert {zone for s in change.switches for zone in s.zone_ids} == {"a", "n"}
        assert status(live, studio).state is State.WAITING


class TestEnd:
    """How broadcasts end."""

    async def test_a_stop_ends_it(self, studio: Studio, witness: Witness) -> None:
        live = await studio.start(request())
        studio.stop(live.id)
        await live.ended.wait()
        assert live.end is not None
        assert live.end.reason == "stopped"
        with pytest.raises(AlreadyEndedError):
            studio.stop(live.id)

    async def test_nobody_stops_what_is_not_there(self, studio: Studio) -> None:
        with pytest.raises(UnknownBroadcastError):
            studio.stop("nothing")

    async def test_a_source_that_dies_says_why(self, studio: Studio) -> None:
        source = PcmSource(tone(2), failure="the cable was pulled")
        live = await studio.start(request(source=source))
        await live.closed.wait()
        assert live.end is not None
        assert (live.end.reason, live.end.detail) == ("failed", "the cable was pulled")
        assert source.closed

    async def test_the_end_of_the_server_interrupts(
        self, witness: Witness, opener: Opener, tmp_path: Path
    ) -> None:
        threads = set(threading.enumerate())
        tasks = asyncio.all_tasks()
        async with open_studio(witness, opener, directory=tmp_path) as studio:
            lives = [await studio.start(request("a")), await studio.start(request("b"))]
        assert [live.end and live.end.reason for live in lives] == ["interrupted"] * 2
        assert all(live.recording and live.recording.complete for live in lives)
        assert studio.on_air() == []
        assert asyncio.all_tasks() == tasks
        left = {t for t in threading.enumerate() if not t.name.startswith("asyncio_")}
        assert left <= threads
        with pytest.raises(StudioClosedError):
            await studio.start(request())

    async def test_what_ended_is_remembered_but_holds_no_memory(
        self, studio: Studio
    ) -> None:
        live = await studio.start(request(source=PcmSource(tone(1))))
        await live.closed.wait()
        assert studio.find(live.id) is live
        assert live.airing is None
        found = status(live, studio)
        assert (found.state, found.frames) == (State.ENDED, 2)

    async def test_only_so_many_are_remembered(
        self, studio: Studio, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("streamer.studio.studio.ENDED_KEPT", 1)
        lives = []
        for _ in range(2):
            lives.append(await studio.start(request(source=PcmSource(tone(1)))))
            await lives[-1].closed.wait()
        assert studio.recently_ended() == [lives[1]]


class TestRecording:
    """What is kept."""

    async def test_a_recording_is_made_of_what_was_sent(
        self, witness: Witness, opener: Opener, tmp_path: Path
    ) -> None:
        async with open_studio(witness, opener, directory=tmp_path) as studio:
            live = await studio.start(request(source=PcmSource(tone(5))))
            await live.closed.wait()
        content = (tmp_path / recording_name(live.id)).read_bytes()
        assert all(packet.rtp[12:] in content for packet in witness.of("packet"))
        assert live.recording is not None
        assert live.recording.complete
        assert live.recording.bytes == len(content)

    async def test_a_disk_that_fails_is_counted_and_the_broadcast_goes_on(
        self, witness: Witness, opener: Opener, tmp_path: Path
    ) -> None:
        missing = tmp_path / "missing"
        async with open_studio(witness, opener, directory=missing) as studio:
            live = await studio.start(request(source=PcmSource(tone(5))))
            await live.closed.wait()
            registry = studio._production.metrics.registry
        assert len(witness.of("packet")) == 6
        assert live.recording is not None
        assert not live.recording.available
        labels = {"reason": "No such file or directory"}
        name = "loacast_recorder_alarms_total"
        assert registry.get_sample_value(name, labels) == 1
