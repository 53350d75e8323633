"""Plays media at capture + D: from the server's instants to a device's samples.

The one place where the network's thread and the device's thread meet; a lock guards
it. Time is an argument: a device asks for the samples of an instant, a test for those
of any.
"""

from __future__ import annotations

import math
from dataclasses import replace
from threading import Lock

import numpy as np

from clients.speaker.decode import FADE_IN_SAMPLES
from clients.speaker.fade import Fader
from clients.speaker.mode import Mode
from clients.speaker.output import Output
from clients.speaker.pacer import Pacer
from clients.speaker.placing import Placed
from clients.speaker.receipts import Receipts
from clients.speaker.stream import Counters
from clients.speaker.timeline import SWITCH_OUT_SAMPLES, Timeline
from streamer.media.drift import DriftServo, VariableResampler
from streamer.media.frame import SAMPLE_RATE_HZ, Pcm, ns_to_samples, silence
from streamer.media.pace import PaceCounters
from streamer.wire.control import Idle, Programme, Receipt, Settings
from streamer.wire.rtp import RtpPacket

STEP_SAMPLES = 2_400
"An error of 50 ms is stepped over with fades; a smaller one is drift."
OTHER_CLOCK_SAMPLES = 20 * SAMPLE_RATE_HZ
"Beyond it the server is another one: what was placed on its clock is not faded."
SERVO_TIME_CONSTANT_S = 10.0
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
        self._servo = DriftServo(time_constant_s=SERVO_TIME_CONSTANT_S)
        self._resampler = VariableResampler()
        self._origin: float | None = None  # position of the resampler's input 0
        self._fed_samples = 0  # since the origin
        self._ready = silence(0)  # resampled, not yet asked for
        self._gate = Fader(1.0)  # closed around a step
        self._output = Output()
        self._primed = True  # it holds what comes before the next position
        self._step_due = False
        self.steps = 0
        "How often the position was stepped, the first time included."

    def on_settings(self, settings: Settings) -> None:
        """Sound as told from now on; a new D takes a step, with fades."""
        with self._lock:
            delay_ms = min(max(settings.playout_delay_ms, 0), _MAX_DELAY_MS)
            floor = settings.emergency_volume_percent
            if delay_ms != self._settings.playout_delay_ms:
                self._step_due = True
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
        return self._servo.drift_ppm

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
            position = self._position()
            if position is None:
                return None
            return self._timeline.programme_at(math.floor(position))

    def coming(self, within_ms: int) -> Programme | None:
        """Return what sounds now, or will within so many milliseconds."""
        with self._lock:
            position = self._position()
            if position is None:
                return None
            samples = within_ms * SAMPLE_RATE_HZ // 1000
            return self._timeline.next_heard(math.floor(position), samples)

    @property
    def held_ms(self) -> int:
        """How much of what is heard was received and not yet asked for."""
        with self._lock:
            position = self._position()
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
        self._steer(wanted, samples)
        assert self._origin is not None  # _steer has set it
        ahead = math.ceil(self._origin) + self._fed_samples
        if self._timeline.quiet(ahead, look):
            self._coast(samples, wanted)
            return self._output.silence(samples)
        if not self._primed:
            self._primed = True
            self._output.prime(self._sound(Output.latency_samples))
        return self._output.sound(self._sound(samples))

    def _sound(self, samples: int) -> Pcm:
        return self._produce(samples) * self._gate.take(samples)

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
        if self._pacer is not None and not self._step_due:
            self._pacer.decide(samples, reach, self._timeline)

    def _position(self) -> float | None:
        """Return where in the media the next output sample lies."""
        if self._origin is None:
            return None
        held = len(self._ready) / self._servo.ratio
        return self._origin + self._resampler.input_position - held

    def _steer(self, wanted: float, samples: int) -> None:
        """Bring the position to *wanted*: by a hair of pitch, or by a step."""
        position = self._position()
        if position is None:
            self._jump(wanted)
            return
        ahead = position - wanted
        if not self._step_due and abs(ahead) <= STEP_SAMPLES:
            self._servo.update(ahead, samples / SAMPLE_RATE_HZ)
            return
        self._step_due = True
        other_clock = abs(ahead) > OTHER_CLOCK_SAMPLES
        if self._gate.silent or self._timeline.silent or other_clock:
            self._jump(wanted)
        else:
            self._gate.to(0.0, SWITCH_OUT_SAMPLES)

    def _jump(self, wanted: float) -> None:
        self._rest_at(wanted - Output.latency_samples)
        self._primed = False
        self._gate.to(1.0, FADE_IN_SAMPLES)
        self._step_due = False
        self.steps += 1

    def _rest_at(self, position: float) -> None:
        """Hold nothing, and go on from *position*."""
        self._resampler.reset()
        self._origin, self._fed_samples = position, 0
        self._ready = silence(0)

    def _coast(self, samples: int, wanted: float) -> None:
        """Move on through media in which nothing is heard."""
        # The pacer's delay may be any other here, and nobody hears a jump to it.
        position = self._position() if self._pacer is None else wanted
        assert position is not None  # only called after _steer
        if not self._primed:
            self._primed = True
            position = max(position, wanted)
        self._rest_at(position + samples / self._servo.ratio)
        self._timeline.pass_by(math.ceil(position))

    def _produce(self, samples: int) -> Pcm:
        assert self._origin is not None  # only called after _steer
        if self._fed_samples == 0:
            self._origin = float(math.ceil(self._origin))
        while len(self._ready) < samples:
            missing = samples - len(self._ready)
            count = math.ceil(missing / self._servo.ratio) + 1
            if self._fed_samples == 0:
                count += VariableResampler.LOOKAHEAD_SAMPLES
            start = int(self._origin) + self._fed_samples
            pcm = self._read(start, count)
            self._fed_samples += len(pcm)
            output = self._resampler.process(pcm, self._servo.ratio)
            self._ready = np.concatenate((self._ready, output))
        pcm, self._ready = self._ready[:samples], self._ready[samples:]
        return pcm

    def _read(self, start: int, count: int) -> Pcm:
        if self._pacer is None:
            return self._timeline.read(start, count)
        pcm, surplus = self._pacer.read(self._timeline, start, count)
        assert self._origin is not None  # only called after _steer
        self._origin += surplus
        return pcm


def _percent(value: int) -> int:
    return min(max(value, 0), 100)
