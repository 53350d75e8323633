"""What `make demo` runs on: a server with the sample province and three speakers.

Everything goes through the public ways: the first admin token as the server prints
it, zones and speakers through the API, speakers by the command.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from bench.api import Api
from bench.load import Load, Target
from bench.processes import Child, cores, port_or_free
from bench.province import AN_THINH, PROVINCE, VILLAGES, ZONES
from bench.recording import Recording
from bench.server import serve_command
from bench.speaker import SpeakerProcess
from streamer.air.zones import Zone

API_PORT, STREAM_PORT = 8080, 8081
TOKEN_LINE = "Admin token (shown once):"
READY_TIMEOUT_S = 20.0
PLACES = (
    ("Cụm loa đình làng", VILLAGES[0]),
    ("Cụm loa chợ phiên", VILLAGES[2]),
    ("Cụm loa trường học", VILLAGES[4]),
)
"Where the three speakers stand: one in each commune."


@dataclass(frozen=True, slots=True)
class Loudspeaker:
    """One of the three."""

    id: str
    name: str
    zone: Zone
    process: SpeakerProcess
    recording: Recording


@dataclass(frozen=True, slots=True)
class Tone:
    """A broadcast as the demo follows it."""

    id: str
    pattern: str
    title: str
    capture_ns: int
    "Monotonic instant at which the pattern's sample 0 was captured."


class Stage:
    """Server, speakers and a monitor, as a context manager.

    Args:
        directory: Made anew; holds the server's data and the speakers' recordings.
        told: Gets a line about each step.
    """

    def __init__(self, directory: Path, told: Callable[[str], None]) -> None:
        self.directory = directory
        self.speakers: list[Loudspeaker] = []
        self.api: Api
        self.url: str
        self.playout_delay_ms: int
        self._told = told
        self._monitor: Load
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            shutil.rmtree(self.directory, ignore_errors=True)
            self.directory.mkdir(parents=True)
            self._start_server(stack)
            for zone in ZONES:
                self.api.post("zones", _new_zone(zone))
            stream_port = self.api.get("server")["stream_url_port"]
            self._start_monitor(stack, stream_port)
            self._start_speakers(stack, stream_port)
            zones = {zone["id"]: zone for zone in self.api.get("zones")}
            delay_ms = zones[PROVINCE.id]["effective_playout_delay_ms"]
            self.playout_delay_ms = int(delay_ms)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def broadcaster_token(self) -> str:
        """Return a new token for the microphone page."""
        wanted = {"name": "Demo", "role": "broadcaster", "zone_id": PROVINCE.id}
        return str(self.api.post("tokens", wanted)["token"])

    def air(
        self,
        pattern: str,
        title: str,
        zone: Zone,
        programme_class: str,
        *,
        duration_s: float | None = None,
    ) -> Tone:
        """Put a tone on air."""
        self._told(f"{title} → {zone.name} ({programme_class})")
        broadcast = self.api.start_tone(
            pattern, [zone.id], programme_class, title=title, duration_s=duration_s
        )
        grid = self._monitor.await_programme(broadcast["ssrc"])
        return Tone(broadcast["id"], pattern, title, grid["first_due_ns"])

    def enrolled(self) -> dict[str, dict[str, Any]]:
        """Return what the API knows of each speaker, by id."""
        return {speaker["id"]: speaker for speaker in self.api.get("speakers")}

    def _start_server(self, stack: ExitStack) -> None:
        port = port_or_free(API_PORT)
        stream_port = port_or_free(STREAM_PORT)
        command = serve_command(
            self.directory / "data", port=port, stream_port=stream_port
        )
        server = stack.enter_context(Child(command))
        token = self.url = ""
        while not (token and self.url):
            line = server.hear()
            if line.startswith(TOKEN_LINE):
                token = line.removeprefix(TOKEN_LINE).strip()
            elif line.startswith("Listening:"):
                self.url = line.split()[1]
        self.api = stack.enter_context(Api(self.url, token))
        self._told(f"server at {self.url}")

    def _start_monitor(self, stack: ExitStack, stream_port: int) -> None:
        """Listen in the commune that hears everything, to learn each grid."""
        enrolled = self._enrol("Giám sát", AN_THINH)
        target = Target(stream_port, [enrolled["credential"]])
        self._monitor = stack.enter_context(Load(target, core=cores()[1], eager=1))
        self._monitor.ask("join", count=1)

    def _start_speakers(self, stack: ExitStack, stream_port: int) -> None:
        processes = []
        for number, (name, zone) in enumerate(PLACES, start=1):
            enrolled = self._enrol(name, zone)
            wav = self.directory / f"speaker-{number}-{zone.id}.wav"
            process = SpeakerProcess(stream_port, enrolled["credential"], wav)
            processes.append((enrolled["id"], stack.enter_context(process)))
        self._await_connected([speaker_id for speaker_id, _ in processes])
        self.speakers = [
            Loudspeaker(speaker_id, name, zone, process, process.recording())
            for (speaker_id, process), (name, zone) in zip(
                processes, PLACES, strict=True
            )
        ]
        self._told(f"{len(self.speakers)} speakers are connected")

    def _enrol(self, name: str, zone: Zone) -> dict[str, Any]:
        return self.api.post("speakers", {"name": name, "zone_id": zone.id})

    def _await_connected(self, speaker_ids: list[str]) -> None:
        give_up = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < give_up:
            known = self.enrolled()
            if all(known[speaker_id]["connected"] for speaker_id in speaker_ids):
                return
            time.sleep(0.1)
        raise TimeoutError("the speakers did not connect")


def _new_zone(zone: Zone) -> dict[str, Any]:
    members = {"id": zone.id, "name": zone.name, "level": str(zone.level)}
    return (
        members if zone.parent_id is None else members | {"parent_id": zone.parent_id}
    )
