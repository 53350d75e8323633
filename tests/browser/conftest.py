"""A real server, real speakers and Debian's Chromium with a WAV for a microphone."""

from __future__ import annotations

import shutil
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    ViewportSize,
    sync_playwright,
)

from bench.heard import Stretch, stretches
from bench.recording import Recording
from bench.seed import seed
from bench.server import Server
from bench.speaker import SpeakerProcess
from ingest.tone import render
from streamer.media.frame import SAMPLE_RATE_HZ, Pcm

CHROMIUM = shutil.which("chromium")
PATTERN = "bulletin"
SPOKEN_S = 20
"How long the fake microphone speaks before it begins again."
PHONE = ViewportSize(width=390, height=844)
DESKTOP = ViewportSize(width=1280, height=800)


@dataclass
class Station:
    """A server with the sample province and the speakers that are switched on."""

    server: Server
    token: str
    speakers: dict[str, SpeakerProcess]
    "By the village in which they stand."

    @property
    def url(self) -> str:
        return self.server.url

    def now(self, village: str) -> int:
        """Return the number of the sample that the village hears now."""
        recording = self.speakers[village].recording()
        return recording.sample_at(time.monotonic_ns())

    def played(self, village: str, since: int) -> Pcm:
        """Return what the village heard from sample *since* to now."""
        return Recording.open(self.speakers[village].wav).read(start=since)

    def spoken(self, village: str, since: int) -> list[Stretch]:
        """Return what the village heard of the microphone's words."""
        # Twice, for the fake microphone may begin again while it is on air.
        once = render(PATTERN, 0, SPOKEN_S * SAMPLE_RATE_HZ)
        words = np.concatenate([once, once])
        return stretches(self.played(village, since), {PATTERN: words})

    def air(self, zone: str) -> dict[str, Any]:
        """Return what a zone hears by the API."""
        (found,) = (x for x in self.server.api.get("air") if x["zone_id"] == zone)
        return dict(found)

    def on_air(self) -> list[dict[str, Any]]:
        """Return the broadcasts on air by the API."""
        return list(self.server.api.get("broadcasts?state=on_air"))


@dataclass
class Desk:
    """The microphone page as somebody uses it."""

    page: Page

    def sign_in(self, token: str) -> None:
        self.page.fill("#token", token)
        self.page.click("#sign-in [type=submit]")

    def ready(self, *zones: str, chime: bool = False, music: bool = True) -> None:
        """Choose *zones*; wait until the microphone is open as wanted."""
        self.page.wait_for_selector("#microphone-on:visible")
        if music:
            # Processing for voices would change the words beyond recognition.
            self.page.check("#music")
        for zone in zones:
            self.unfold(zone)
            self.page.check(f"#zones input[value={zone}]")
        self.page.set_checked("#chime", chime)

    def unfold(self, zone: str) -> None:
        """Open the branches of the tree until *zone* is seen."""
        row = self.page.locator(f".zone-row[data-zone={zone}]")
        closed = self.page.locator(".zone-twist[aria-expanded=false]")
        while not row.count():
            closed.first.click()

    def wait_for(self, phase: str, timeout_s: float = 10) -> None:
        """Wait until the page claims *phase*, by its text as by its colour."""
        self.page.wait_for_selector(
            f"body[data-phase={phase}]", timeout=timeout_s * 1000
        )

    @property
    def phase(self) -> str | None:
        return self.page.get_attribute("body", "data-phase")

    def talk(self) -> None:
        self.page.click("#talk")


@pytest.fixture(scope="session")
def microphone_wav(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the fake microphone hears: a generated bulletin."""
    path = tmp_path_factory.mktemp("microphone") / "bulletin.wav"
    pcm = render(PATTERN, 0, SPOKEN_S * SAMPLE_RATE_HZ)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes((pcm * 32_767).astype("<i2").tobytes())
    return path


@pytest.fixture(scope="module")
def chromium(microphone_wav: Path, station: Station) -> Iterator[Browser]:
    """Chromium that gives the microphone away without asking, and calls nobody.

    Playwright's loop stays the thread's running one until it ends: the station, which
    needs a loop of its own, comes before it, and no other module's tests within.
    """
    arguments = [
        "--no-sandbox",
        "--disable-quic",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--allow-loopback-in-peer-connection",
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={microphone_wav}",
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    """One server for all tests of a module; each leaves the air empty."""
    directory = tmp_path_factory.mktemp("station")
    seeded = seed(directory / "data", speakers=3)
    with ExitStack() as stack:
        server = stack.enter_context(Server(seeded))
        speakers = {
            village: stack.enter_context(
                SpeakerProcess(
                    server.port, seeded.credentials[place], directory / f"{village}.wav"
                )
            )
            # One in the commune An Thịnh, one in Phù Lãng.
            for place, village in ((0, "thon-dong"), (2, "thon-thu-cong"))
        }
        for speaker in speakers.values():
            speaker.recording()
        yield Station(server, seeded.token, speakers)


@dataclass
class Tab:
    """A page in a profile of its own, and what went wrong in it."""

    page: Page
    faults: list[str] = field(default_factory=list)

    def note(self, kind: str, text: str) -> None:
        """Keep what is our fault: refused requests are part of some tests."""
        if kind == "error" and "Failed to load resource" not in text:
            self.faults.append(text)


OpenTab = Callable[..., Tab]
OpenDesk = Callable[..., Desk]


@pytest.fixture
def open_tab(chromium: Browser) -> Iterator[OpenTab]:
    """Open a page in a fresh profile; at the end it must have had no fault."""
    tabs: list[Tab] = []
    contexts: list[BrowserContext] = []

    def open_one(
        url: str,
        viewport: ViewportSize = PHONE,
        *,
        scale: float = 1,
        script: str | None = None,
        **options: Any,
    ) -> Tab:
        context = chromium.new_context(
            viewport=viewport, device_scale_factor=scale, **options
        )
        contexts.append(context)
        if script is not None:
            context.add_init_script(script)
        tab = Tab(context.new_page())
        tabs.append(tab)
        tab.page.on("pageerror", lambda error: tab.faults.append(str(error)))
        tab.page.on("console", lambda message: tab.note(message.type, message.text))
        tab.page.goto(url)
        return tab

    yield open_one
    for context in contexts:
        context.close()
    assert [tab.faults for tab in tabs] == [[]] * len(tabs)


@pytest.fixture
def open_desk(open_tab: OpenTab, station: Station) -> Iterator[OpenDesk]:
    """Open the microphone page; at the end nothing may be left on air."""
    tabs: list[Tab] = []

    def open_one(viewport: ViewportSize = PHONE, **options: Any) -> Desk:
        tabs.append(open_tab(f"{station.url}/microphone", viewport, **options))
        return Desk(tabs[-1].page)

    yield open_one
    for tab in tabs:
        tab.page.context.close()
    with _patience() as still:
        while station.on_air():
            still("something is left on air")


@contextmanager
def _patience(timeout_s: float = 10) -> Iterator[Callable[[str], None]]:
    give_up = time.monotonic() + timeout_s

    def still(what: str) -> None:
        assert time.monotonic() < give_up, what
        time.sleep(0.1)

    yield still
