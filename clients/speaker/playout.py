"""Plays media at capture + D: from the server's instants to a device's samples.

The one place where the network's thread and the device's thread meet; a lock guards
it. Time is an argument: a device asks for the samples of an instant, a test for those
of any.
"""

from __future__ import annotations

import math
from dataclasses import replace
from threading import Lock

from clients.speaker.head import Head
from clients.speaker.mode import Mode
from clients.speaker.output import Output
from clients.speaker.pacer import Pacer
from clients.speaker.placing import Placed
from clients.speaker.receipts import Receipts
from clients.speaker.stream import Counters
from clients.speaker.timeline import Timeline
from streamer.media.drift import VariableResampler
from streamer.media.frame import SAMPLE_RATE_HZ, Pcm, ns_to_samples
from streamer.media.pace import PaceCounters
from streamer.wire.control import Idle, Programme, Receipt, Settings
from streamer.wire.rtp import RtpPacket

_DEFAULTS = Settings(volume_percent=100, playout_delay_ms=400)
_MAX_DELAY_MS = 20_000


class Playout:
    """Holds what was received and renders it for the device's clock.

    Until settings arrive the volume is full and D is 400 ms.

    Args:
        mode: Whether D is obeyed, or the shortest delay that the network allows.
    """

    def __init__(self, mode: Mode = Mode.SYNCED) -> None:
        self._lock = Lock()
        self._pacer = Pacer() if mode is Mode.LOW_LATENCY else None
        self._counters = Counters()
        self._receipts = Receipts()
        self._settings = _DEFAULTS
        self._timeline = Timeline(self._counters, self._receipts, self._settings)
        self._head = Head(self._read, lead_samples=Output.latency_samples)
        self._output = Output()

    def on_settings(self, settings: Settings) -> None:
        """Sound as told from now on; a new D takes a step, with fades."""
        with self._lock:
            delay_ms = min(max(settings.playout_delay_ms, 0), _MAX_DELAY_MS)
            floor = settings.emergency_volume_percent
            if delay_ms != self._settings.playout_delay_ms:
                self._head.step_due = True
            self._settings = Settings(
                _percent(settings.volume_percent),
                delay_ms,
                None if floor is None else _percent(floor),
            )
            self._timeline.sound(self._settings)

    def on_programme(self, programme: Programme) -> None:
        """Hear *programme* from its instant on."""
        with self._lock:
            self._timeline.announce(programme)

    def on_idle(self, message: Idle) -> None:
        """Hear nothing from its instant on."""
        with self._lock:
            self._timeline.idle(message)

    def on_packet(self, rtp: RtpPacket, arrived_ns: int | None = None) -> None:
        """Keep a packet until its time.

        Args:
            rtp: What came.
            arrived_ns: When, on the server's clock; None while that is unknown.
        """
        with self._lock:
            position = self._timeline.insert(rtp)
            if position is not None:
                self._learn(position, arrived_ns)

    def on_placed(self, placed: Placed, arrived_ns: int | None = None) -> bool:
        """Keep a packet by its place; return whether it is of what is on air."""
        with self._lock:
            if not placed.repeated:
                self._learn(placed.position, arrived_ns)
            return self._timeline.insert_at(placed)

    def on_link_lost(self) -> None:
        """Play what is held, then be silent until told otherwise."""
        with self._lock:
            self._timeline.end_with_what_is_held()

    def owe_receipt(self) -> None:
        """Let the server be told what was heard of what is on air."""
        with self._lock:
            self._receipts.owe_heard()

    def next_receipt(self, now_us: int) -> Receipt | None:
        """Return an account that the server lacks, to be sent at *now_us* (ours)."""
        with self._lock:
            return self._receipts.next(now_us)

    def on_receipts_arrived(self, before_us: int) -> None:
        """The server has what was sent before *before_us*."""
        with self._lock:
            self._receipts.confirm(before_us)

    def on_receipts_lost(self) -> None:
        """The server may lack what was sent last."""
        with self._lock:
            self._receipts.link_lost()

    def on_other_clock(self) -> None:
        """The server's clock jumped: instants noted so far are worthless."""
        with self._lock:
            self._receipts.other_clock()
            if self._pacer is not None:
                self._pacer.reset()

    @property
    def receipts_dropped(self) -> int:
        """Accounts given up, since the server could not be told for too long."""
        return self._receipts.dropped

    @property
    def settings(self) -> Settings:
        """What holds now."""
        return self._settings

    @property
    def expects_packets(self) -> bool:
        """Whether a programme is on air, as far as the server said."""
        with self._lock:
            return self._timeline.expects_packets

    @property
    def drift_ppm(self) -> float:
        """How much faster than the server's clock the device's runs, as learnt."""
        return self._head.drift_ppm

    @property
    def steps(self) -> int:
        """How often the position was stepped, the first time included."""
        return self._head.steps

    @property
    def delay_ms(self) -> int:
        """How long after its capture a sample is heard: D, or what is kept instead."""
        if self._pacer is None:
            return self._settings.playout_delay_ms
        return self._pacer.delay * 1000 // SAMPLE_RATE_HZ

    def pace_counters(self) -> PaceCounters | None:
        """Return a copy of what low-latency mode counted; None in the other."""
        with self._lock:
            return None if self._pacer is None else replace(self._pacer.counters)

    @property
    def playing(self) -> Programme | None:
        """What the last samples rendered belong to."""
        with self._lock:
            position = self._head.position
            if position is None:
                return None
            return self._timeline.programme_at(math.floor(position))

    def coming(self, within_ms: int) -> Programme | None:
        """Return what sounds now, or will within so many milliseconds."""
        with self._lock:
            position = self._head.position
            if position is None:
                return None
            samples = within_ms * SAMPLE_RATE_HZ // 1000
            return self._timeline.next_heard(math.floor(position), samples)

    @property
    def held_ms(self) -> int:
        """How much of what is heard was received and not yet asked for."""
        with self._lock:
            position = self._head.position
            if position is None:
                return 0
            held_samples = self._timeline.held_after(math.floor(position))
            return held_samples * 1000 // SAMPLE_RATE_HZ

    def counters(self) -> Counters:
        """Return a copy of what was counted."""
        with self._lock:
            return replace(self._counters)

    def take_level(self) -> float:
        """Return the mean power of what left since the last call; 1 is full scale."""
        with self._lock:
            return self._output.take_level()

    def render(self, samples: int, server_ns: int, lead_ns: int = 0) -> Pcm:
        """Return the next *samples* of the device, no louder than -1 dBFS.

        Args:
            samples: How many; calls follow each other without a gap in the output.
            server_ns: When the first of them leaves the device, on the server's
                clock. Errors up to 50 ms are worked off without being heard.
            lead_ns: How long before that instant it is asked for.
        """
        with self._lock:
            return self._render(samples, server_ns, ns_to_samples(lead_ns))

    def _render(self, samples: int, server_ns: int, lead: int) -> Pcm:
        look = samples + 2 * VariableResampler.LOOKAHEAD_SAMPLES
        self._pace(samples, lead + look + Output.latency_samples)
        wanted = self._wanted(server_ns)
        self._head.steer(wanted, samples, unheard=self._timeline.silent)
        if self._timeline.quiet(self._head.next_read, look):
            # The pacer's delay may be any other here, and nobody hears a jump to it.
            paced = self._pacer is not None
            passed = self._head.coast(samples, wanted, at_wanted=paced)
            self._timeline.pass_by(passed)
            return self._output.silence(samples)
        if (lead_in := self._head.prime()) is not None:
            self._output.prime(lead_in)
        return self._output.sound(self._head.sound(samples))

    def _wanted(self, server_ns: int) -> float:
        """Return the position of what enters the limiter for that instant."""
        delay_ns = self._settings.playout_delay_ms * 1_000_000
        if self._pacer is not None:
            delay_ns = self._pacer.delay * 1_000_000_000 // SAMPLE_RATE_HZ
        due = (server_ns - delay_ns) * SAMPLE_RATE_HZ / 1e9
        return due + Output.latency_samples

    def _learn(self, position: int, arrived_ns: int | None) -> None:
        if self._pacer is not None and arrived_ns is not None:
            self._pacer.arrived(position, arrived_ns)

    def _pace(self, samples: int, reach: int) -> None:
        if self._pacer is not None and not self._head.step_due:
            self._pacer.decide(samples, reach, self._timeline)

    def _read(self, start: int, count: int) -> tuple[Pcm, int]:
        if self._pacer is None:
            return self._timeline.read(start, count), 0
        return self._pacer.read(self._timeline, start, count)


def _percent(value: int) -> int:
    return min(max(value, 0), 100)
