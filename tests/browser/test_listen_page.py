"""The Listen page in a real browser, over WebRTC from a real server.

What was heard is what the browser decoded, taken from the very stream that the page
plays (`ear.js`), and recognised by its sound.
"""

from __future__ import annotations

import base64
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from playwright.sync_api import Page, Response, ViewportSize

from bench.api import Api
from bench.heard import Stretch, stretches
from bench.processes import Child
from bench.seed import seed
from bench.server import serve_command
from ingest.tone import render
from streamer.media.frame import SAMPLE_RATE_HZ, Pcm

pytestmark = pytest.mark.browser
if shutil.which("chromium") is None:
    pytest.skip(
        "no chromium here; get it with: sudo apt-get install chromium",
        allow_module_level=True,
    )

EAR = (Path(__file__).parent / "ear.js").read_text()
PHONE = ViewportSize(width=390, height=844)
SMALL_PHONE = ViewportSize(width=360, height=740)
DESKTOP = ViewportSize(width=1280, height=800)
COMMUNE, HERE = "an-thinh", "thon-dong"
"Public in these tests, the commune with all that is below it."
PRIVATE_COMMUNE, PRIVATE = "phu-lang", "thon-thu-cong"
BULLETIN, SIREN = "bulletin", "siren"
REFERENCE_S = 60
MAX_WANDER_MS = 300
"A browser's jitter buffer stretches and squeezes."

# Fixtures of conftest.py; importlib mode lets no test import it for their types.
OpenTab = Callable[..., Any]


class Station:
    """A server that can be stopped and started again on the same ports."""

    def __init__(self, directory: Path, token: str) -> None:
        self.token = token
        self._directory = directory
        self._ports = (0, 0, 0)
        self._stack = ExitStack()
        self._child: Child
        self.url = ""
        self.api: Api

    def start(self) -> None:
        port, stream_port, webrtc_port = self._ports
        command = serve_command(self._directory, port=port, stream_port=stream_port)
        child = Child([*command, "--webrtc-port", str(webrtc_port)])
        self._child = self._stack.enter_context(child)
        self.url = child.hear_until("Listening:").split()[0]
        self.api = self._stack.enter_context(Api(self.url, self.token))
        told = self.api.get("server")
        bound = httpx.URL(self.url).port
        assert bound is not None
        self._ports = (bound, told["stream_url_port"], told["webrtc_port"])

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> None:
        self._child.end(sign)
        self._stack.close()

    def change(self, zone: str, **changes: Any) -> None:
        """Change a zone by the API."""
        httpx.patch(
            f"{self.url}/api/v1/zones/{zone}",
            json=changes,
            headers={"Authorization": f"Bearer {self.token}"},
            trust_env=False,
        ).raise_for_status()

    def listeners(self) -> int:
        """Return how many listen by WebRTC; no speaker is switched on here."""
        return int(self.api.metric("loacast_listeners"))

    def start_tone(
        self, pattern: str, zone: str, programme_class: str, title: str = "Bản tin"
    ) -> str:
        """Put a tone on air; return the broadcast's id."""
        order = self.api.start_tone(pattern, [zone], programme_class, title=title)
        return str(order["id"])

    def stop_tone(self, broadcast: str) -> None:
        self.api.post(f"broadcasts/{broadcast}/stop")

    def hush(self) -> None:
        """Stop everything that is on air."""
        for broadcast in self.api.get("broadcasts?state=on_air"):
            self.stop_tone(broadcast["id"])
        _until(lambda: not self.api.get("broadcasts?state=on_air"))


class Citizen:
    """The Listen page as somebody uses it."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def choose(self, zone: str) -> None:
        """Press a zone in the list: that is all it takes."""
        row = self.page.locator(f".zone-row[data-zone={zone}]")
        self.page.wait_for_selector("#zones .zone-row")
        closed = self.page.locator(".zone-twist[aria-expanded=false]")
        while not row.count():
            closed.first.click()
        row.locator(".zone-label").click()

    def wait_for(self, phase: str, class_: str = "", timeout_s: float = 10) -> None:
        """Wait until the page claims *phase* and, if given, a class."""
        wanted = f"body[data-phase={phase}]"
        if class_:
            wanted += f"[data-class={class_}]"
        self.page.wait_for_selector(wanted, timeout=timeout_s * 1000)

    @property
    def phase(self) -> str | None:
        return self.page.get_attribute("body", "data-phase")

    def text(self, selector: str) -> str:
        return str(self.page.inner_text(selector))

    def plays(self) -> bool:
        """Return whether the page lets the loudspeaker sound, not only the ear."""
        return bool(
            self.page.evaluate(
                """async () => {
                  const audio = document.querySelector("audio");
                  const start = audio.currentTime;
                  await new Promise((resolve) => setTimeout(resolve, 500));
                  return !audio.paused && !audio.muted && audio.volume === 1
                    && audio.currentTime > start;
                }"""
            )
        )

    def heard(self) -> Pcm:
        """Return everything that the browser decoded so far."""
        raw = base64.b64decode(self.page.evaluate("window.heard()"))
        return np.frombuffer(raw, "<i2").astype(np.float32) / np.float32(32_767)

    def recognised(self, *patterns: str) -> list[Stretch]:
        """Return which patterns were heard, when, and where in them."""
        samples = REFERENCE_S * SAMPLE_RATE_HZ
        references = {pattern: render(pattern, 0, samples) for pattern in patterns}
        return stretches(self.heard(), references)


def _until(reached: Callable[[], bool], timeout_s: float = 10) -> None:
    give_up = time.monotonic() + timeout_s
    while not reached():
        assert time.monotonic() < give_up
        time.sleep(0.1)


def _pieces(heard: list[Stretch]) -> list[list[Stretch]]:
    """Return the stretches, put together where one pattern follows itself."""
    groups = groupby(heard, key=lambda each: each.airing.pattern)
    return [list(group) for _, group in groups]


def _seconds(heard: list[Stretch]) -> float:
    return sum(each.seconds for each in heard)


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    """One server for all tests of this module; each leaves the air empty."""
    directory = tmp_path_factory.mktemp("station") / "data"
    station = Station(directory, seed(directory, speakers=1).token)
    station.start()
    station.change(COMMUNE, public=True)
    yield station
    station.stop()


OpenPage = Callable[..., Citizen]


@pytest.fixture
def open_page(open_tab: OpenTab, station: Station) -> Iterator[OpenPage]:
    """Open the page in a fresh profile; at the end nothing is left on air."""

    def open_one(
        path: str = "/listen", viewport: ViewportSize = PHONE, **options: Any
    ) -> Citizen:
        tab = open_tab(f"{station.url}{path}", viewport, script=EAR, **options)
        return Citizen(tab.page)

    yield open_one
    station.hush()


@pytest.fixture
def citizen(open_page: OpenPage) -> Citizen:
    return open_page()


# --- what is heard --------------------------------------------------------------


def test_a_zone_is_heard_across_an_emergency_and_back(
    citizen: Citizen, station: Station
) -> None:
    station.start_tone(BULLETIN, COMMUNE, "normal", "Bản tin sáng")
    citizen.choose(HERE)
    citizen.wait_for("listening", "normal")
    assert citizen.text("#phase-title") == "Bản tin sáng"
    assert citizen.text("#class") == "Thông thường"
    time.sleep(4)
    siren = station.start_tone(SIREN, HERE, "emergency", "Lũ lên nhanh")
    citizen.wait_for("listening", "emergency", timeout_s=8)
    assert citizen.text("#phase") == "KHẨN CẤP"
    assert citizen.text("#phase-title") == "Lũ lên nhanh"
    assert "KHẨN CẤP" in citizen.page.title()
    assert "Lũ lên nhanh" in citizen.page.inner_text("#alarm")
    time.sleep(3)
    station.stop_tone(siren)
    citizen.wait_for("listening", "normal", timeout_s=8)
    assert citizen.plays()
    time.sleep(4)
    heard = citizen.recognised(BULLETIN, SIREN)
    pieces = _pieces(heard)
    patterns = [piece[0].airing.pattern for piece in pieces]
    assert patterns == [BULLETIN, SIREN, BULLETIN], heard
    assert all(_seconds(piece) > 3 for piece in pieces), heard
    # The bulletin ran on while the emergency was heard.
    before, after = pieces[0][-1].airing, pieces[2][0].airing
    wander = abs(after.shift_samples - before.shift_samples)
    assert wander < 48 * MAX_WANDER_MS, heard


def test_one_press_lasts_through_silence(citizen: Citizen, station: Station) -> None:
    citizen.choose(HERE)
    citizen.wait_for("silent")
    assert citizen.text("#phase") == "Im lặng"
    time.sleep(8)
    assert citizen.phase == "silent"
    assert np.max(np.abs(citizen.heard())) < 1e-3
    station.start_tone(BULLETIN, COMMUNE, "normal")
    citizen.wait_for("listening", "normal")
    assert citizen.plays()
    time.sleep(4)
    assert _seconds(citizen.recognised(BULLETIN)) > 3


def test_another_zone_is_heard_at_a_press_and_the_first_is_left(
    citizen: Citizen, station: Station
) -> None:
    station.start_tone(BULLETIN, HERE, "normal", "Thôn Đông họp")
    station.start_tone(SIREN, "thon-doai", "priority", "Thôn Đoài diễn tập")
    citizen.choose(HERE)
    citizen.wait_for("listening", "normal")
    time.sleep(3)  # long enough to be recognised
    citizen.choose("thon-doai")
    citizen.wait_for("listening", "priority")
    assert "Thôn Đoài" in citizen.text("#where")
    _until(lambda: station.listeners() == 1)
    time.sleep(3)
    heard = citizen.recognised(BULLETIN, SIREN)
    pieces = _pieces(heard)
    assert [piece[0].airing.pattern for piece in pieces] == [BULLETIN, SIREN], heard
    assert _seconds(pieces[-1]) > 2, heard


def test_it_tells_how_well_it_is_received(citizen: Citizen, station: Station) -> None:
    station.start_tone(BULLETIN, COMMUNE, "normal")
    citizen.choose(HERE)
    citizen.wait_for("listening", "normal")
    citizen.page.wait_for_selector("#quality:visible")
    latency_ms = int(citizen.text("#latency").removesuffix(" ms"))
    assert 5 < latency_ms < 1000
    assert citizen.text("#loss").endswith("%")
    assert citizen.text("#concealed").endswith("%")


# --- coming and going -----------------------------------------------------------


@pytest.mark.parametrize("leave", ["press", "close"])
def test_who_leaves_is_gone_from_the_server(
    citizen: Citizen, station: Station, leave: str
) -> None:
    citizen.choose(HERE)
    citizen.wait_for("silent")
    _until(lambda: station.listeners() == 1)
    if leave == "press":
        citizen.page.click("#listen")
        citizen.wait_for("off")
    else:
        citizen.page.goto("about:blank")
    _until(lambda: station.listeners() == 0, timeout_s=3)


@pytest.mark.parametrize(
    "sign", [signal.SIGTERM, signal.SIGKILL], ids=["ended", "killed"]
)
def test_it_comes_back_after_the_server_was_restarted(
    citizen: Citizen, station: Station, sign: signal.Signals
) -> None:
    station.start_tone(BULLETIN, COMMUNE, "normal")
    citizen.choose(HERE)
    citizen.wait_for("listening", "normal")
    station.stop(sign)
    citizen.wait_for("reconnecting", timeout_s=20)
    assert citizen.text("#phase") == "Mất kết nối"
    assert citizen.page.is_visible("#retry")
    # What shows it must not itself come from the server that is gone.
    icon = "document.querySelector('.hero-icon use').getBBox().width"
    assert citizen.page.evaluate(icon) > 0
    station.start()
    citizen.wait_for("silent", timeout_s=40)
    since = len(citizen.heard())
    station.start_tone(BULLETIN, COMMUNE, "normal", "Bản tin mới")
    citizen.wait_for("listening", "normal")
    assert citizen.plays()
    time.sleep(4)
    reference = {BULLETIN: render(BULLETIN, 0, REFERENCE_S * SAMPLE_RATE_HZ)}
    assert _seconds(stretches(citizen.heard()[since:], reference)) > 3
    assert citizen.text("#phase-title") == "Bản tin mới"


def test_a_session_that_the_server_ended_is_opened_anew(
    open_page: OpenPage, station: Station
) -> None:
    citizen = open_page()
    sessions: list[str] = []

    def note(response: Response) -> None:
        if response.request.method == "POST" and "/whep" in response.url:
            sessions.append(response.headers["location"])

    citizen.page.on("response", note)
    citizen.choose(HERE)
    citizen.wait_for("silent")
    httpx.delete(f"{station.url}{sessions[0]}", trust_env=False).raise_for_status()
    citizen.wait_for("reconnecting", timeout_s=20)
    citizen.wait_for("silent", timeout_s=20)
    assert len(sessions) == 2
    _until(lambda: station.listeners() == 1)


def test_a_device_that_pauses_the_sound_is_told_and_a_press_goes_on(
    citizen: Citizen, station: Station
) -> None:
    station.start_tone(BULLETIN, COMMUNE, "normal")
    citizen.choose(HERE)
    citizen.wait_for("listening")
    citizen.page.evaluate("document.querySelector('audio').pause()")
    citizen.wait_for("blocked")
    assert citizen.text("#listen-label") == "Bấm để nghe tiếp"
    citizen.page.click("#listen")
    citizen.wait_for("listening")
    assert citizen.plays()


def test_a_zone_that_is_not_public_any_more_falls_silent_and_says_why(
    citizen: Citizen, station: Station
) -> None:
    citizen.choose(HERE)
    citizen.wait_for("silent")
    try:
        station.change(COMMUNE, public=False)
        citizen.wait_for("off", timeout_s=15)
        assert "Hãy đăng nhập" in citizen.text("#notice")
    finally:
        station.change(COMMUNE, public=True)


# --- choosing -------------------------------------------------------------------


def test_a_link_leads_to_its_zone_and_sounds_at_one_press(
    open_page: OpenPage, station: Station
) -> None:
    station.start_tone(BULLETIN, COMMUNE, "normal")
    citizen = open_page(f"/listen?zone={HERE}")
    citizen.page.wait_for_selector("#phase-title:not(:empty)")
    assert citizen.text("#where") == "Thôn Đông · Xã An Thịnh"
    assert citizen.phase == "off"
    citizen.page.click("#listen")
    citizen.wait_for("listening", "normal")
    assert citizen.plays()


def test_the_last_zone_is_remembered(citizen: Citizen, station: Station) -> None:
    citizen.choose(HERE)
    citizen.wait_for("silent")
    citizen.page.goto(f"{station.url}/listen")
    citizen.page.locator("#where", has_text="Thôn Đông").wait_for()
    assert citizen.phase == "off"


def test_anybody_sees_public_zones_only(open_page: OpenPage) -> None:
    citizen = open_page(f"/listen?zone={PRIVATE}")
    citizen.page.wait_for_selector(f".zone-row[data-zone={COMMUNE}]")
    assert citizen.page.locator(f".zone-row[data-zone={PRIVATE}]").count() == 0
    assert "không mở cho mọi người" in citizen.text("#phase-detail")
    assert citizen.page.is_hidden("#listen")
    citizen.page.fill("#search", "thu cong")
    assert "Không tìm thấy" in citizen.text("#zones")
    citizen.page.fill("#search", "DOAI")
    assert citizen.page.locator("#zones .zone-row").count() == 1


def test_who_is_signed_in_hears_other_zones_and_single_programmes(
    citizen: Citizen, station: Station
) -> None:
    station.start_tone(BULLETIN, PRIVATE_COMMUNE, "normal", "Họp nội bộ")
    citizen.page.click("#sign-in-open")
    citizen.page.fill("#token", station.token)
    citizen.page.click("#sign-in [type=submit]")
    citizen.page.wait_for_selector("#sign-out:visible")
    citizen.page.wait_for_selector("#programmes:visible")
    citizen.choose(PRIVATE)
    citizen.wait_for("listening", "normal")
    station.start_tone(SIREN, PRIVATE_COMMUNE, "priority", "Diễn tập")
    citizen.wait_for("listening", "priority")
    # The programme that waits in every zone can be listened to by itself.
    citizen.page.click("#programme-list button:has-text('Họp nội bộ')")
    citizen.wait_for("listening", "normal")
    since = len(citizen.heard())
    time.sleep(4)
    reference = {BULLETIN: render(BULLETIN, 0, REFERENCE_S * SAMPLE_RATE_HZ)}
    assert _seconds(stretches(citizen.heard()[since:], reference)) > 3
    station.hush()
    citizen.wait_for("off", timeout_s=20)
    assert "đã kết thúc" in citizen.text("#notice")
    citizen.page.click("#sign-out")
    citizen.page.wait_for_selector(f".zone-row[data-zone={COMMUNE}]")
    assert citizen.page.locator(f".zone-row[data-zone={PRIVATE}]").count() == 0


def test_a_withdrawn_token_leaves_a_citizen(
    open_page: OpenPage, station: Station
) -> None:
    issued = station.api.post("tokens", {"name": "Hoa", "role": "monitor"})
    citizen = open_page()
    citizen.page.evaluate(
        "token => sessionStorage.setItem('loacast.token', token)", issued["token"]
    )
    citizen.page.reload()
    citizen.page.wait_for_selector("#sign-out:visible")
    citizen.choose(PRIVATE)
    citizen.wait_for("silent")
    httpx.delete(
        f"{station.url}/api/v1/tokens/{issued['id']}",
        headers={"Authorization": f"Bearer {station.token}"},
        trust_env=False,
    ).raise_for_status()
    citizen.wait_for("off", timeout_s=15)
    citizen.page.wait_for_selector("#sign-in-open:visible")
    assert "Mã truy cập sai" in citizen.text("#notice")
    citizen.choose(HERE)
    citizen.wait_for("silent")


# --- looks ----------------------------------------------------------------------


def test_the_language_is_vietnamese_first_and_remembered(open_page: OpenPage) -> None:
    citizen = open_page(locale="en-US")
    assert citizen.text("h1") == "Nghe truyền thanh"
    citizen.page.click("button[value=en]")
    assert citizen.text("#phase") == "Choose a place"
    citizen.page.reload()
    assert citizen.text("h1") == "Listen"


@pytest.mark.parametrize("viewport", [SMALL_PHONE, PHONE], ids=["360", "390"])
def test_it_fits_a_phone_and_a_thumb(
    open_page: OpenPage, station: Station, viewport: ViewportSize
) -> None:
    station.start_tone(BULLETIN, COMMUNE, "emergency", "Sơ tán khẩn cấp " * 8)
    citizen = open_page(viewport=viewport)
    citizen.choose(HERE)
    citizen.wait_for("listening", "emergency")
    width = citizen.page.evaluate("document.documentElement.scrollWidth")
    assert width == viewport["width"]
    small = citizen.page.evaluate(
        """() => [...document.querySelectorAll("button, input")]
          .filter((element) => element.checkVisibility())
          .filter((element) => element.getBoundingClientRect().height < 48)
          .map((element) => element.outerHTML)"""
    )
    assert small == []


@pytest.mark.parametrize("language", ["vi", "en"])
@pytest.mark.parametrize(
    ("name", "viewport", "scale"), [("phone", PHONE, 2), ("desktop", DESKTOP, 1)]
)
def test_an_emergency_looks_like_one(
    open_page: OpenPage,
    *,
    station: Station,
    tmp_path: Path,
    language: str,
    name: str,
    viewport: ViewportSize,
    scale: float,
) -> None:
    directory = Path(os.environ.get("LOACAST_SCREENSHOTS", tmp_path))
    directory.mkdir(parents=True, exist_ok=True)
    citizen = open_page(viewport=viewport, scale=scale)

    def picture(state: str) -> None:
        file = f"listen-{state}-{name}-{language}.png"
        citizen.page.screenshot(path=directory / file)

    citizen.page.click(f"button[value={language}]")
    citizen.page.wait_for_selector("#zones .zone-row")
    picture("choose")
    station.start_tone(BULLETIN, COMMUNE, "normal", "Bản tin sáng: lịch tiêm phòng")
    citizen.choose(HERE)
    citizen.wait_for("listening", "normal")
    citizen.page.wait_for_timeout(2500)
    picture("normal")
    station.start_tone(SIREN, HERE, "emergency", "Lũ lên nhanh, sơ tán lên đê ngay")
    citizen.wait_for("listening", "emergency")
    citizen.page.wait_for_timeout(1500)
    picture("emergency")
    red, green, blue = citizen.page.evaluate(
        "getComputedStyle(document.querySelector('#hero')).backgroundColor"
        ".match(/\\d+/g).map(Number)"
    )
    assert red > 150 > 60 > max(green, blue)
    words = {"vi": "KHẨN CẤP", "en": "EMERGENCY"}[language]
    assert citizen.text("#phase") == words
    assert citizen.page.locator(".hero-icon use").get_attribute("href") == (
        "#icon-emergency"
    )
