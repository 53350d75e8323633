"""How a speaker sounds through a bad link, and aiortc's own receiver beside it.

Speech goes on air; the speaker plays it into a WAV file. What it concealed comes from
its own account of each block, how late it was and how good from the sound: each half
second is found again in what was sent, and ViSQOL scores pieces of eight seconds
against the track, less the score of the same pieces decoded without a loss.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from bench import quality, tunnel
from bench.concealment import Blocks, missed
from bench.lag import Lag, Sent, lags
from bench.listening import Watched
from bench.recording import Recording
from bench.report import Row, rounded
from bench.theatre import SETTLE_S, Setting, Theatre
from bench.track import Track, speech
from streamer.media.frame import SAMPLE_RATE_HZ, Pcm, silence

JOINED_S = 2.0
"Left out at the beginning, after D: the programme's first packets have no copies."
LEFT_S = 0.5
MAX_PIECES = 8


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked."""

    setting: Setting
    seconds: float = 120
    with_aiortc: bool = True


@dataclass(frozen=True, slots=True)
class Trace:
    """One run as it went, for the plot."""

    name: str
    start_ns: int
    blocks: Blocks
    lags: Sequence[Lag]


def run(plan: Plan, told: Callable[[str], None]) -> tuple[list[Row], list[Trace]]:
    """Measure one run; return a row for each receiver, and how it went."""
    setting = plan.setting
    if setting.transport == "websocket" and (why := tunnel.unfit()) is not None:
        told(f"skipped: {why}")
        return [_named("loacast", plan) | {"status": "skipped", "why": why}], []
    track = speech(plan.seconds)
    with Theatre(setting) as theatre:
        watched: dict[str, Watched] = {"loacast": theatre.speakers[0]}
        if plan.with_aiortc and setting.transport == "webrtc":
            watched["aiortc"] = theatre.listen_with_aiortc()
        time.sleep(SETTLE_S)
        broadcast, capture_ns = theatre.put_on_air(track.wav())
        time.sleep(plan.seconds + setting.playout_delay_ms / 1000 + 1)
        sent = theatre.sent(broadcast, capture_ns)
        ended = {name: each.finish() for name, each in watched.items()}
        account = theatre.links[0].finish()
        rows, traces = [], []
        judge = Judge(plan, track, sent)
        for name, each in watched.items():
            row, trace = judge.judge(name, each)
            told(f"{name}: {row['concealed_ratio']:.2%} concealed, {row['gaps']} gaps")
            rows.append(row | {"link": dict(account), "ended": ended[name]})
            traces.append(trace)
    return rows, traces


class Judge:
    """Judges receivers of the same broadcast.

    Args:
        plan: What was asked.
        track: What was put on air.
        sent: What went out.
    """

    def __init__(self, plan: Plan, track: Track, sent: Sent) -> None:
        self._plan, self._track, self._sent = plan, track, sent
        delay_s = plan.setting.playout_delay_ms / 1000
        self._from_ns = sent.capture_ns + round((delay_s + JOINED_S) * 1e9)
        self._to_ns = sent.capture_ns + round((plan.seconds - LEFT_S) * 1e9)

    def judge(self, name: str, watched: Watched) -> tuple[Row, Trace]:
        """Return what *watched* heard, as a row and as it went."""
        recording, blocks = Recording.open(watched.wav), watched.blocks()
        found = lags(self._sent, recording, self._from_ns, self._to_ns)
        lost = missed(blocks, self._from_ns, self._to_ns)
        row = _named(name, self._plan) | {
            "status": "ok" if found else "failed",
            "speech": self._track.spoken_by,
            **{key: rounded(value) for key, value in asdict(lost).items()},
            **_delays(found),
            **self._quality(recording, found),
        }
        return row, Trace(name, self._sent.capture_ns, blocks, found)

    def _quality(self, recording: Recording, found: Sequence[Lag]) -> Row:
        why = quality.unfit() if found else "nothing was recognised"
        if why is not None:
            return {"visqol": f"skipped: {why}"}
        starts = self._pieces()
        track = [_cut(self._track.pcm, start) for start in starts]
        clean = quality.scores(track, [_cut(self._sent.pcm, start) for start in starts])
        heard = quality.scores(
            track, [self._heard(recording, found, s) for s in starts]
        )
        deltas = [a - b for a, b in zip(heard, clean, strict=True)]
        return {
            "visqol_mode": "speech, 16 kHz",
            "visqol_delta": rounded(statistics.mean(deltas)),
            "visqol_worst_delta": rounded(min(deltas)),
            "visqol_zero_loss": rounded(statistics.mean(clean)),
            "visqol_pieces": len(deltas),
        }

    def _pieces(self) -> list[int]:
        """Return where in the track the pieces begin that are scored."""
        first = round(JOINED_S * SAMPLE_RATE_HZ)
        last = len(self._track.pcm) - quality.PIECE_SAMPLES - SAMPLE_RATE_HZ
        starts = range(first, last, quality.PIECE_SAMPLES)
        places = np.linspace(0, len(starts) - 1, min(MAX_PIECES, len(starts)))
        return [starts[round(place)] for place in places]

    def _heard(self, recording: Recording, found: Sequence[Lag], start: int) -> Pcm:
        """Return what was heard of a piece, which begins as late as it was then."""
        captured_ns = self._sent.capture_ns + start * 1_000_000_000 // SAMPLE_RATE_HZ
        end_ns = captured_ns + quality.PIECE_SAMPLES * 1_000_000_000 // SAMPLE_RATE_HZ
        within = [
            lag.lag_ns
            for lag in found
            if captured_ns <= lag.out_ns - lag.lag_ns < end_ns
        ] or [lag.lag_ns for lag in found]
        at = recording.sample_at(captured_ns + round(statistics.median(within)))
        return _cut(recording.read(start=at, samples=quality.PIECE_SAMPLES), 0)


def _cut(pcm: Pcm, start: int) -> Pcm:
    """Return the piece from *start* on; silence follows what ends too early."""
    piece = pcm[start : start + quality.PIECE_SAMPLES]
    return np.concatenate((piece, silence(quality.PIECE_SAMPLES - len(piece))))


def _delays(found: Sequence[Lag]) -> Row:
    if not found:
        return {}
    ordered = sorted(lag.lag_ns / 1e6 for lag in found)
    return {
        "delay_mean_ms": rounded(statistics.mean(ordered)),
        "delay_p95_ms": rounded(ordered[round(0.95 * (len(ordered) - 1))]),
        "delay_max_ms": rounded(ordered[-1]),
    }


def _named(name: str, plan: Plan) -> Row:
    setting = plan.setting
    distances, outage_s = setting.red_distances, setting.outage_s
    own = {"mode": setting.mode, "playout_delay_ms": setting.playout_delay_ms}
    return {
        "server": name,
        "profile": setting.profile,
        "transport": setting.transport,
        "seconds": plan.seconds,
        "seed": setting.seed,
        **({} if distances is None else {"red_distances": distances}),
        **({} if outage_s is None else {"outage_after_s": outage_s}),
        **(own if name == "loacast" else {"mode": "aiortc's jitter buffer"}),
    }


def compare(
    plan: Plan, distances: Sequence[tuple[int, ...]], told: Callable[[str], None]
) -> list[Row]:
    """Measure the same link with each number and distance of redundant copies."""
    rows = []
    for each in distances:
        told(f"copies at distances {each}")
        setting = replace(plan.setting, red_distances=each)
        rows += run(replace(plan, setting=setting, with_aiortc=False), told)[0]
    return rows
