"""A server, a bad link, and speech on air behind it: where speakers are tried.

WebRTC comes through `bench.badlink.Relay`, with the control connection beside it
unimpaired; over the WebSocket everything comes through `bench.badlink.Tunnel`.
"""

from __future__ import annotations

import json
import socket
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bench.badlink import RELAY_HOST, Relay, Tunnel
from bench.lag import Sent
from bench.listening import Listening, SpeakerWatched
from bench.listening_aiortc import AiortcWatched
from bench.load import Load, Target
from bench.processes import cores
from bench.province import PROVINCE
from bench.seed import seed
from bench.server import LOOPBACK, Server
from bench.track import decode
from bench.tunnel import HOST_ADDRESS

READY_TIMEOUT_S = 30.0
SETTLE_S = 6.0
"From the speakers' start until their clocks are known and WebRTC is connected."
RECORDED_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Setting:
    """What is tried."""

    profile: str
    transport: str = "websocket"
    mode: str = "synced"
    playout_delay_ms: int = 1000
    ptime_ms: int | None = None
    "Of messages; None: as the mode has it."
    red_distances: tuple[int, ...] | None = None
    "None: as the server has it by default."
    seed: str = "loacast"
    outage_s: float | None = None
    "When the first outage begins, since the link was opened; None: by the profile."


class Theatre:
    """All of it, as a context manager.

    Args:
        setting: What is tried.
        ppm: One speaker each, whose device's clock is so much too fast.
    """

    def __init__(self, setting: Setting, ppm: tuple[float, ...] = (0.0,)) -> None:
        self.setting = setting
        self.speakers: list[SpeakerWatched] = []
        self.links: list[Relay | Tunnel] = []
        self.server: Server
        self.directory: Path
        self._ppm = ppm
        self._monitor: Load
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            scratch = tempfile.TemporaryDirectory(prefix="loacast-bench-")
            self.directory = Path(stack.enter_context(scratch))
            self._build(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def put_on_air(self, wav: bytes) -> tuple[str, int]:
        """Broadcast a file; return the broadcast, and when its start was captured."""
        api = self.server.api
        file_id = api.upload("track.wav", wav)
        broadcast = api.start_file(file_id, [PROVINCE.id])
        grid = self._monitor.await_programme(broadcast["ssrc"])
        return str(broadcast["id"]), int(grid["first_due_ns"])

    def tone(self, pattern: str, seconds: float) -> int:
        """Broadcast a generated tone; return when its start was captured."""
        broadcast = self.server.api.start_tone(
            pattern, [PROVINCE.id], "normal", duration_s=seconds
        )
        return int(self._monitor.await_programme(broadcast["ssrc"])["first_due_ns"])

    def sent(self, broadcast: str, capture_ns: int) -> Sent:
        """Return what went out, as our recording has it: decoded without a loss."""
        give_up = time.monotonic() + RECORDED_TIMEOUT_S
        while True:
            recordings = self.server.api.get("recordings")
            if any(each["broadcast_id"] == broadcast for each in recordings):
                break
            if time.monotonic() > give_up:
                raise TimeoutError("the recording was not finished")
            time.sleep(0.2)
        return Sent(
            decode(self.server.api.download(f"recordings/{broadcast}")), capture_ns
        )

    def listen_with_aiortc(self) -> AiortcWatched:
        """Let aiortc's receiver join, through the same link."""
        wav = self.directory / "aiortc.wav"
        url = f"{self.server.url}/whep"
        watched = AiortcWatched(url, self.server.credentials[-1], wav)
        return self._stack.enter_context(watched)

    def _build(self, stack: ExitStack) -> None:
        setting = self.setting
        if setting.transport == "websocket":
            for number in range(len(self._ppm)):
                name = f"{setting.seed}/{number}"
                tunnel = Tunnel(
                    setting.profile, name, number, outage_s=setting.outage_s
                )
                self.links.append(stack.enter_context(tunnel))
            self.server = stack.enter_context(self._server(HOST_ADDRESS, ()))
        else:
            port = free_udp_port()
            relay = Relay(
                setting.profile, setting.seed, port, outage_s=setting.outage_s
            )
            options = ("--webrtc-port", str(port), "--public-address", RELAY_HOST)
            self.server = stack.enter_context(self._server(LOOPBACK, options))
            self.links.append(stack.enter_context(relay))
        change = {"playout_delay_ms": setting.playout_delay_ms}
        self.server.api.patch(f"zones/{PROVINCE.id}", change)
        self._start_listeners(stack)

    def _server(self, host: str, options: tuple[str, ...]) -> Server:
        environment: dict[str, str] = {}
        if self.setting.red_distances is not None:
            distances = json.dumps(self.setting.red_distances)
            environment["LOACAST_RED_DISTANCES"] = distances
        seeded = seed(self.directory / "seeded", len(self._ppm) + 2)
        return Server(seeded, host=host, options=options, environment=environment)

    def _start_listeners(self, stack: ExitStack) -> None:
        server, setting = self.server, self.setting
        where = Target(server.port, server.credentials[-2:-1], host=server.host)
        self._monitor = stack.enter_context(Load(where, core=cores()[1], eager=1))
        self._monitor.ask("join", count=1)
        for number, ppm in enumerate(self._ppm):
            link = self.links[min(number, len(self.links) - 1)]
            what = Listening(
                url=f"ws://{server.host}:{server.port}/v1/listen",
                wav=str(self.directory / f"speaker-{number}.wav"),
                transport=setting.transport,
                mode=setting.mode,
                ppm=ppm,
                ptime_ms=setting.ptime_ms,
            )
            inside = link.inside if isinstance(link, Tunnel) else ()
            speaker = SpeakerWatched(what, server.credentials[number], inside=inside)
            self.speakers.append(stack.enter_context(speaker))
        for speaker in self.speakers:
            speaker.recording()


def free_udp_port() -> int:
    """Return a UDP port that nobody has at either end of the relay."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as tried:
        tried.bind(("0.0.0.0", 0))
        return int(tried.getsockname()[1])
