"""The demo's live table: what is said to be on air, and what is heard."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from rich.table import Table

from bench.correlate import find
from bench.recording import Recording
from bench.stage import Loudspeaker, Stage, Tone
from ingest.tone import render
from streamer.media.frame import SAMPLE_RATE_HZ, ns_to_samples

WINDOW_SAMPLES = SAMPLE_RATE_HZ
"Of the newest sound, looked for in what is on air."
SEARCH_SAMPLES = SAMPLE_RATE_HZ // 2
"How far from where it is expected."
FRESH_NS = 1_300_000_000
"How old the start of that window is: files are written in blocks."
MATCH_SCORE = 0.6


@dataclass(frozen=True, slots=True)
class Ear:
    """What a speaker plays now, by its sound."""

    pattern: str
    mouth_to_ear_ms: float


def listen(
    recording: Recording, tones: Iterable[Tone], *, now_ns: int, delay_ms: int
) -> Ear | None:
    """Return which of *tones* sounds at the end of *recording*, if one does.

    Args:
        recording: Of a speaker that plays now.
        tones: On air now or a moment ago.
        now_ns: The monotonic clock's.
        delay_ms: D, near which the latency is looked for.
    """
    start = max(0, recording.sample_at(now_ns - FRESH_NS))
    window = recording.read(start=start, samples=WINDOW_SAMPLES)
    if len(window) < WINDOW_SAMPLES:
        return None
    heard_ns = recording.out_ns(start)
    best: tuple[float, Ear] | None = None
    for tone in tones:
        since_ns = heard_ns - delay_ms * 1_000_000 - tone.capture_ns
        first = max(0, ns_to_samples(since_ns) - SEARCH_SAMPLES)
        around = render(tone.pattern, first, WINDOW_SAMPLES + 2 * SEARCH_SAMPLES)
        match = find(window, around)
        place_s = (first + match.offset_samples) / SAMPLE_RATE_HZ
        latency_ms = (heard_ns - tone.capture_ns) / 1e6 - place_s * 1000
        if match.score >= MATCH_SCORE and (best is None or match.score > best[0]):
            best = match.score, Ear(tone.pattern, latency_ms)
    return best and best[1]


class Watch:
    """Builds the table, and remembers the latencies it saw."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.latencies_ms: dict[str, list[float]] = {}

    def table(self, tones: Iterable[Tone]) -> Table:
        """Return the table of this moment."""
        air = {zone["zone_id"]: zone for zone in self._stage.api.get("air")}
        known = self._stage.enrolled()
        table = Table(
            *("Speaker", "Zone", "Server: on air", "Class", "Linked"),
            *("Lost", "Concealed", "Heard now", "Mouth to ear"),
            title=f"Loacast demo, playout delay {self._stage.playout_delay_ms} ms",
        )
        for speaker in self._stage.speakers:
            zone, api = air[speaker.zone.id], known[speaker.id]
            table.add_row(
                speaker.name,
                speaker.zone.name,
                zone["title"] or "–",
                zone["class"] or "–",
                "yes" if api["connected"] else "no",
                *_reported(api["report"]),
                *self._heard(speaker, list(tones)),
            )
        return table

    def _heard(self, speaker: Loudspeaker, tones: list[Tone]) -> tuple[str, str]:
        ear = listen(
            speaker.recording,
            tones,
            now_ns=time.monotonic_ns(),
            delay_ms=self._stage.playout_delay_ms,
        )
        if ear is None:
            return "–", "–"
        self.latencies_ms.setdefault(speaker.id, []).append(ear.mouth_to_ear_ms)
        return ear.pattern, f"{ear.mouth_to_ear_ms:.1f} ms"


def _reported(report: dict[str, int] | None) -> tuple[str, str]:
    """Return packets lost and milliseconds concealed, as the speaker says."""
    if report is None:
        return "–", "–"
    concealed_ms = report["concealed_samples"] * 1000 // SAMPLE_RATE_HZ
    return str(report["packets_lost"]), f"{concealed_ms} ms"
