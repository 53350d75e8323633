"""The demo's live table: what is said to be on air, and what is heard."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.table import Column, Table

from bench.correlate import find
from bench.recording import Recording
from bench.stage import Loudspeaker, Stage, Tone
from ingest.tone import render
from streamer.media.frame import SAMPLE_RATE_HZ, ns_to_samples

WINDOW_SAMPLES = SAMPLE_RATE_HZ // 2
"Of the newest sound, looked for in what is on air."
SEARCH_SAMPLES = SAMPLE_RATE_HZ // 4
"How far from where it is expected."
FRESH_NS = 800_000_000
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
        tones: On air now or a moment ago, the likeliest first.
        now_ns: The monotonic clock's.
        delay_ms: D, near which the latency is looked for.
    """
    start = max(0, recording.sample_at(now_ns - FRESH_NS))
    window = recording.read(start=start, samples=WINDOW_SAMPLES)
    if len(window) < WINDOW_SAMPLES:
        return None
    heard_ns = recording.out_ns(start)
    for tone in tones:
        since_ns = heard_ns - delay_ms * 1_000_000 - tone.capture_ns
        first = ns_to_samples(since_ns) - SEARCH_SAMPLES
        if first < 0:  # only a part of the window can belong to it as yet
            continue
        around = render(tone.pattern, first, WINDOW_SAMPLES + 2 * SEARCH_SAMPLES)
        match = find(window, around)
        if match.score >= MATCH_SCORE:
            place_s = (first + match.offset_samples) / SAMPLE_RATE_HZ
            latency_ms = (heard_ns - tone.capture_ns) / 1e6 - place_s * 1000
            return Ear(tone.pattern, latency_ms)
    return None


@dataclass(frozen=True, slots=True)
class Sight:
    """One speaker at one moment: a row of the table."""

    speaker: str
    zone: str
    on_air: str
    "What the server says is on air there, and its class."
    heard: bool
    "Whether the server says that this speaker hears it."
    lost: str
    concealed: str
    ear: Ear | None

    def cells(self) -> tuple[str, ...]:
        """Return it for the table."""
        return (
            f"{self.speaker}\n{self.zone}",
            self.on_air,
            "yes" if self.heard else "no",
            f"{self.lost}, {self.concealed}",
            self.ear.pattern if self.ear else "silence",
            f"{self.ear.mouth_to_ear_ms:.1f} ms" if self.ear else "–",
        )

    def line(self) -> str:
        """Return it for a log."""
        first, *rest = (cell.replace("\n", ", ") for cell in self.cells())
        return f"  {first}: " + " | ".join(rest)


class Watch:
    """Looks at every speaker, and remembers the latencies it saw."""

    TITLES = (
        *("Speaker", "On air there", "Heard"),
        *("Lost, con-\ncealed", "Plays, by\nits sound", "Mouth\nto ear"),
    )
    "Heard, lost and concealed: say server and speaker; the rest is measured."

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.latencies_ms: dict[str, list[float]] = {}

    def look(self, tones: Sequence[Tone]) -> list[Sight]:
        """Return how every speaker does at this moment."""
        air = {zone["zone_id"]: zone for zone in self._stage.api.get("air")}
        known = self._stage.enrolled()
        return [
            self._see(speaker, air[speaker.zone.id], known[speaker.id], tones)
            for speaker in self._stage.speakers
        ]

    def table(self, sights: Iterable[Sight]) -> Table:
        """Return *sights* as a table."""
        delay = f"playout delay {self._stage.playout_delay_ms} ms"
        columns = [Column(title, no_wrap=True) for title in self.TITLES]
        table = Table(*columns, title=f"Loacast demo, {delay}", box=box.SIMPLE_HEAD)
        for sight in sights:
            table.add_row(*sight.cells())
        return table

    def _see(
        self,
        speaker: Loudspeaker,
        air: Mapping[str, Any],
        known: Mapping[str, Any],
        tones: Sequence[Tone],
    ) -> Sight:
        on_air = air["broadcast_id"]
        likely = sorted(tones, key=lambda tone: tone.id != on_air)
        lost, concealed = _reported(known["report"])
        return Sight(
            speaker=speaker.name,
            zone=speaker.zone.name,
            on_air=f"{air['title']}\n{air['class']}" if on_air else "–",
            heard=bool(on_air and known["connected"]),
            lost=lost,
            concealed=concealed,
            ear=self._listen(speaker, likely),
        )

    def _listen(self, speaker: Loudspeaker, tones: Sequence[Tone]) -> Ear | None:
        ear = listen(
            speaker.recording,
            tones,
            now_ns=time.monotonic_ns(),
            delay_ms=self._stage.playout_delay_ms,
        )
        if ear is not None:
            seen = self.latencies_ms.setdefault(speaker.id, [])
            seen.append(ear.mouth_to_ear_ms)
        return ear


def _reported(report: Mapping[str, int] | None) -> tuple[str, str]:
    """Return packets lost and milliseconds concealed, as the speaker says."""
    if report is None:
        return "–", "–"
    concealed_ms = report["concealed_samples"] * 1000 // SAMPLE_RATE_HZ
    return str(report["packets_lost"]), f"{concealed_ms} ms"
