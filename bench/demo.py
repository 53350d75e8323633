"""`make demo`: the whole way for real, on one machine, and a judgement by ear."""

from __future__ import annotations

import signal
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table

from bench.heard import Stretch, stretches
from bench.processes import sleep_until
from bench.province import AN_THINH, PROVINCE
from bench.stage import Loudspeaker, Stage, Tone
from bench.verdict import Part, complaints
from bench.watch import Watch
from ingest.tone import Pattern, render
from streamer.media.frame import SAMPLE_RATE_HZ, Pcm

BULLETIN_S, SIREN_S = 8.0, 5.0
MUSIC_FIRST_S, MUSIC_BETWEEN_S, MUSIC_LAST_S = 6.0, 5.0, 4.0
TAIL_S = 1.5
"After the last packet, until it has been heard and written."
REFRESH_S = 0.5
MAX_OVER_DELAY_MS = 40
"NUMBERS.md row 7."
MAX_APART_MS = 40
"Between two speakers playing the same second; they stand on one machine here."


@dataclass(slots=True)
class Show:
    """What was put on air, and what each speaker should so have heard."""

    tones: list[Tone] = field(default_factory=list)

    def expected(self, speaker: Loudspeaker) -> list[Part]:
        """Return the parts in their order."""
        bulletin = [Part(Pattern.BULLETIN, BULLETIN_S), Part(Pattern.MUSIC)]
        hears_bulletin = speaker.zone.parent_id == AN_THINH.id
        return [
            Part(Pattern.MUSIC),
            *(bulletin if hears_bulletin else []),
            Part(Pattern.SIREN, SIREN_S),
            Part(Pattern.MUSIC),
        ]


def demo(directory: Path, *, once: bool) -> int:
    """Run the demo in *directory*; return the exit status.

    Args:
        directory: Made anew.
        once: End after the judgement: 0 when every speaker heard what it should.
            Otherwise keep serving until Ctrl-C.
    """
    console = Console(highlight=False)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        with Stage(directory, console.print) as stage:
            watch = Watch(stage)
            show = _perform(stage, watch, console)
            good = _judge(stage, show, watch, console)
            _invite(stage, console)
            if not once:
                signal.pause()
    except KeyboardInterrupt:
        console.print("Ended.")
        return 0 if not once else 130
    return 0 if good else 1


def _perform(stage: Stage, watch: Watch, console: Console) -> Show:
    """Music for all, news for one commune, an emergency for all, and back."""
    show = Show()
    screen = Screen(watch, console)
    with screen:
        music = stage.air(Pattern.MUSIC, "Nhạc nền", PROVINCE, "background")
        show.tones.append(music)
        screen.watch(show.tones, MUSIC_FIRST_S)
        show.tones.append(
            stage.air(
                *(Pattern.BULLETIN, "Bản tin xã An Thịnh", AN_THINH, "normal"),
                duration_s=BULLETIN_S,
            )
        )
        screen.watch(show.tones, BULLETIN_S + MUSIC_BETWEEN_S)
        show.tones.append(
            stage.air(
                *(Pattern.SIREN, "Báo lũ khẩn cấp", PROVINCE, "emergency"),
                duration_s=SIREN_S,
            )
        )
        screen.watch(show.tones, SIREN_S + MUSIC_LAST_S)
        stage.api.post(f"broadcasts/{music.id}/stop")
        screen.watch(show.tones, stage.playout_delay_ms / 1000 + TAIL_S)
    return show


class Screen:
    """Shows the table: alive on a terminal, now and then in a log."""

    LOG_PERIOD_S = 3.0

    def __init__(self, watch: Watch, console: Console) -> None:
        self._watch = watch
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> None:
        if self._console.is_terminal:
            self._live.start()

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def watch(self, tones: Sequence[Tone], seconds: float) -> None:
        """Show what happens for *seconds*."""
        period_s = REFRESH_S if self._console.is_terminal else self.LOG_PERIOD_S
        end_ns = time.monotonic_ns() + round(seconds * 1e9)
        while (left_s := (end_ns - time.monotonic_ns()) / 1e9) > 0:
            sleep_until(time.monotonic_ns() + round(min(left_s, period_s) * 1e9))
            sights = self._watch.look(tones)
            if self._console.is_terminal:
                self._live.update(self._watch.table(sights), refresh=True)
            else:
                for sight in sights:
                    self._console.print(sight.line(), soft_wrap=True)


def _judge(stage: Stage, show: Show, watch: Watch, console: Console) -> bool:
    """Say what each recording holds; return whether it is what it should be."""
    console.print("Listening to what the speakers played …")
    started_ns = show.tones[0].capture_ns
    longest_s = (time.monotonic_ns() - started_ns) / 1e9 + 1
    references: dict[str, Pcm] = {
        tone.pattern: render(tone.pattern, 0, round(longest_s * SAMPLE_RATE_HZ))
        for tone in show.tones
    }
    table = Table(
        *("Speaker", "Heard (seconds after the start)", "Mouth to ear", "Verdict"),
        title="By correlation with each speaker's own recording",
    )
    sirens_ns, good = [], True
    for speaker in stage.speakers:
        heard = stretches(speaker.recording.read(), references)
        wrong = complaints(heard, show.expected(speaker))
        latency_ms = statistics.median(watch.latencies_ms.get(speaker.id, [0.0]))
        if abs(latency_ms - stage.playout_delay_ms) > MAX_OVER_DELAY_MS:
            wrong.append(f"latency is not within {MAX_OVER_DELAY_MS} ms of the delay")
        sirens_ns += _starts_ns(speaker, heard, Pattern.SIREN)
        table.add_row(
            f"{speaker.name}\n{speaker.zone.name}",
            "\n".join(_told(speaker, stretch, started_ns) for stretch in heard),
            f"{latency_ms:.1f} ms",
            "\n".join(wrong) or "as it should",
        )
        good = good and not wrong
    console.print(table)
    return _together(sirens_ns, console) and good


def _together(sirens_ns: list[int], console: Console) -> bool:
    """Say how far apart the speakers sounded the alarm."""
    apart_ms = (max(sirens_ns) - min(sirens_ns)) / 1e6 if sirens_ns else float("inf")
    console.print(f"The alarm began on all speakers within {apart_ms:.1f} ms.")
    return apart_ms <= MAX_APART_MS


def _starts_ns(
    speaker: Loudspeaker, heard: Sequence[Stretch], pattern: str
) -> list[int]:
    """Return when the pattern's sample 0 was heard."""
    return [
        speaker.recording.out_ns(stretch.airing.shift_samples)
        for stretch in heard
        if stretch.airing.pattern == pattern
    ]


def _told(speaker: Loudspeaker, stretch: Stretch, started_ns: int) -> str:
    from_s, to_s = (
        (speaker.recording.out_ns(sample) - started_ns) / 1e9
        for sample in (stretch.start_sample, stretch.end_sample)
    )
    return f"{from_s:5.1f} to {to_s:5.1f}  {stretch.airing.pattern}"


def _invite(stage: Stage, console: Console) -> None:
    """Say where to go on."""
    console.print(f"Microphone page: {stage.url}/microphone")
    console.print(f"Broadcaster's token: {stage.broadcaster_token()}")
    console.print(f"API: {stage.url}/api/v1/openapi.json (with a token)")
    console.print(f"Metrics: {stage.url}/metrics")
    for speaker in stage.speakers:
        console.print(f"{speaker.name} plays into {speaker.recording.path}")
