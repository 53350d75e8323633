"""The microphone page in a real browser, a real server and real speakers around it."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from playwright.sync_api import Route, ViewportSize, expect

pytestmark = pytest.mark.browser
if shutil.which("chromium") is None:
    pytest.skip(
        "no chromium here; get it with: sudo apt-get install chromium",
        allow_module_level=True,
    )

PHONE = ViewportSize(width=390, height=844)
SMALL_PHONE = ViewportSize(width=360, height=740)
DESKTOP = ViewportSize(width=1280, height=800)
HERE, THERE = "thon-dong", "thon-thu-cong"
COMMUNE, OTHER_COMMUNE = "an-thinh", "phu-lang"
MAX_DROPPED_MS = 50
POLLS = re.compile(r"/api/v1/broadcasts/[^/?]+$")

# Fixtures of conftest.py; importlib mode lets no test import it for their types.
OpenDesk = Callable[..., Any]
Station = Any


@pytest.fixture
def desk(open_desk: OpenDesk, station: Station) -> Any:
    """A page where an admin is signed in and the microphone is open."""
    desk = open_desk()
    desk.sign_in(station.token)
    desk.page.wait_for_selector("#desk:visible")
    return desk


def text(desk: Any, selector: str) -> str:
    return str(desk.page.inner_text(selector))


def leave_unanswered(route: Route) -> None:
    """A network that swallows what is sent."""


# --- signing in -----------------------------------------------------------------


def test_a_wrong_token_is_refused_in_words_of_the_chosen_language(
    open_desk: OpenDesk,
) -> None:
    desk = open_desk()
    desk.sign_in("loat_0000_wrong")
    desk.page.wait_for_selector("#sign-in-error:not(:empty)")
    assert text(desk, "#sign-in-error").startswith("Mã truy cập sai")
    desk.page.click("button[value=en]")
    assert text(desk, "#sign-in-error").startswith("The access token is wrong")
    assert desk.page.locator("#desk").is_hidden()
    assert desk.page.evaluate("sessionStorage.length") == 0


def test_an_expired_token_is_called_expired(
    open_desk: OpenDesk, station: Station
) -> None:
    expires_utc = datetime.now(UTC) + timedelta(seconds=1)
    order = {
        "name": "Hoa",
        "role": "operator",
        "expires_utc": expires_utc.isoformat(),
    }
    issued = station.server.api.post("tokens", order)
    time.sleep(1.1)
    desk = open_desk()
    desk.sign_in(issued["token"])
    desk.page.wait_for_selector("#sign-in-error:not(:empty)")
    assert "đã hết hạn" in text(desk, "#sign-in-error")


def test_the_token_lives_as_long_as_the_tab_unless_asked(
    open_desk: OpenDesk, station: Station
) -> None:
    desk = open_desk()
    desk.sign_in(station.token)
    desk.page.wait_for_selector("#desk:visible")
    desk.page.reload()
    desk.page.wait_for_selector("#desk:visible")
    other_tab = desk.page.context.new_page()
    other_tab.goto(f"{station.url}/microphone")
    other_tab.wait_for_selector("#sign-in:visible")
    desk.page.click("#sign-out")
    desk.page.check("#stay")
    desk.sign_in(station.token)
    desk.page.wait_for_selector("#desk:visible")
    other_tab.reload()
    other_tab.wait_for_selector("#desk:visible")
    other_tab.click("#sign-out")
    other_tab.reload()
    other_tab.wait_for_selector("#sign-in:visible")


def test_the_language_is_vietnamese_first_and_remembered(open_desk: OpenDesk) -> None:
    desk = open_desk(locale="en-US")
    assert desk.page.get_attribute("html", "lang") == "vi"
    assert text(desk, "h2") == "Đăng nhập"
    desk.page.click("button[value=en]")
    desk.page.reload()
    assert desk.page.get_attribute("html", "lang") == "en"
    assert text(desk, "h2") == "Sign in"


def test_a_bound_token_sees_its_zone_only_and_a_monitor_cannot_speak(
    open_desk: OpenDesk, station: Station
) -> None:
    order = {"name": "Lan", "role": "broadcaster", "zone_id": COMMUNE}
    desk = open_desk()
    desk.sign_in(station.server.api.post("tokens", order)["token"])
    desk.page.wait_for_selector("#zones input")
    assert desk.page.locator(f"#zones input[value={COMMUNE}]").count() == 1
    assert desk.page.locator(f"#zones input[value={OTHER_COMMUNE}]").count() == 0
    order = {"name": "Xem", "role": "monitor"}
    desk = open_desk()
    desk.sign_in(station.server.api.post("tokens", order)["token"])
    desk.ready(COMMUNE)
    assert desk.page.locator("#talk").is_disabled()
    assert "chỉ được xem" in text(desk, "#talk-hint")


# --- speaking -------------------------------------------------------------------


def test_what_is_said_is_heard_there_and_nowhere_else(
    desk: Any, station: Station
) -> None:
    desk.ready(COMMUNE)
    since = {village: station.now(village) for village in (HERE, THERE)}
    desk.talk()
    desk.wait_for("on_air")
    assert text(desk, "#phase") == "ĐANG PHÁT"
    (broadcast,) = station.on_air()
    assert station.air(HERE)["broadcast_id"] == broadcast["id"]
    time.sleep(6)
    assert desk.phase == "on_air"
    assert text(desk, "#listeners") == "1"
    assert "Xã An Thịnh" in text(desk, "#audience-list")
    desk.talk()
    desk.wait_for("off")
    assert station.on_air() == []
    time.sleep(1.5)  # what was said last is heard D later
    quiet = station.now(HERE)
    time.sleep(2)
    heard = station.spoken(HERE, since[HERE])
    assert sum(each.seconds for each in heard) > 5.5, heard
    # In one piece, but for buffers of 10 ms that a busy browser's capture may drop.
    shifts = [each.airing.shift_samples for each in heard]
    assert max(shifts) - min(shifts) < 48 * MAX_DROPPED_MS, heard
    for village, start in ((THERE, since[THERE]), (HERE, quiet)):
        played = station.played(village, start)
        assert len(played) > 48_000
        assert np.max(np.abs(played)) < 1e-3, f"{village} is not silent"


def test_on_air_is_claimed_only_while_the_server_confirms_it(desk: Any) -> None:
    desk.ready(COMMUNE)
    desk.page.route(POLLS, leave_unanswered)
    desk.talk()
    desk.wait_for("connecting")
    desk.page.wait_for_timeout(1000)
    assert desk.phase == "connecting"  # accepted, but nothing is confirmed
    desk.page.unroute(POLLS)
    desk.wait_for("on_air")
    desk.page.route(POLLS, lambda route: route.abort())
    lost = time.monotonic()
    desk.wait_for("unknown", timeout_s=4)
    assert time.monotonic() - lost < 3
    assert text(desk, "#phase") == "KHÔNG RÕ"
    assert text(desk, "#listeners") == "?"
    desk.page.unroute(POLLS)
    desk.wait_for("on_air")
    desk.talk()
    desk.wait_for("off")


def test_the_chime_is_waited_for(desk: Any) -> None:
    desk.ready(COMMUNE, chime=True)
    desk.talk()
    desk.wait_for("opening")
    assert "Chưa nói vội" in text(desk, "#phase-detail")
    desk.wait_for("on_air")
    desk.talk()
    desk.wait_for("off")


def test_who_is_displaced_waits_and_is_told_by_whom(
    desk: Any, station: Station
) -> None:
    desk.page.click("button[value=en]")
    stronger = station.server.api.start_tone(
        "siren", [COMMUNE], "priority", title="Flood warning"
    )
    desk.ready(COMMUNE)
    desk.page.wait_for_selector("#outlook[data-kind=wait]")
    assert "Flood warning" in text(desk, "#outlook")
    desk.talk()
    desk.wait_for("waiting")
    detail = desk.page.locator("#phase-detail", has_text="Flood warning")
    detail.wait_for()
    assert text(desk, "#phase-detail").startswith("Nobody hears you now")
    assert text(desk, "#listeners") == "0"
    station.server.api.post(f"broadcasts/{stronger['id']}/stop")
    desk.wait_for("on_air")
    desk.talk()
    desk.wait_for("off")


def test_a_hold_lasts_as_long_as_the_finger_and_keeps_the_session(desk: Any) -> None:
    offers: list[str] = []
    desk.page.on(
        "request",
        lambda sent: offers.append(sent.url) if sent.method == "POST" else None,
    )
    desk.ready(COMMUNE)
    desk.page.check("input[value=hold]", force=True)
    box = desk.page.locator("#talk").bounding_box()
    desk.page.mouse.move(box["x"] + 40, box["y"] + 20)
    for _ in range(2):
        desk.page.mouse.down()
        desk.wait_for("on_air")
        assert desk.page.locator("#talk").bounding_box() == box  # it did not jump
        desk.page.mouse.up()
        desk.wait_for("off")
    assert sum(url.endswith("/whip") for url in offers) == 1
    assert sum(url.endswith("/broadcasts") for url in offers) == 2


@pytest.mark.parametrize("doubt", ["keyup", "blur", "hidden"])
def test_a_hold_by_the_space_bar_ends_when_in_doubt(desk: Any, doubt: str) -> None:
    desk.ready(COMMUNE)
    desk.page.check("input[value=hold]", force=True)
    desk.page.locator("#talk").focus()
    desk.page.keyboard.down(" ")
    desk.wait_for("on_air")
    if doubt == "keyup":
        desk.page.keyboard.up(" ")
    elif doubt == "blur":
        desk.page.locator("#talk").evaluate("button => button.blur()")
    else:
        desk.page.evaluate(
            "Object.defineProperty(document, 'hidden', { get: () => true });"
            "document.dispatchEvent(new Event('visibilitychange'))"
        )
    desk.wait_for("off")


@pytest.mark.parametrize("end", ["touchEnd", "touchCancel"])
def test_a_finger_holds_too_until_it_is_lifted_or_taken_away(
    open_desk: OpenDesk, station: Station, end: str
) -> None:
    desk = open_desk(has_touch=True, is_mobile=True)
    desk.sign_in(station.token)
    desk.ready(COMMUNE)
    desk.page.check("input[value=hold]", force=True)
    box = desk.page.locator("#talk").bounding_box()
    finger = desk.page.context.new_cdp_session(desk.page)
    point = {"x": box["x"] + 40, "y": box["y"] + 20}
    touch = "Input.dispatchTouchEvent"
    finger.send(touch, {"type": "touchStart", "touchPoints": [point]})
    desk.wait_for("on_air")
    point["y"] -= 60  # a thumb slips
    finger.send(touch, {"type": "touchMove", "touchPoints": [point]})
    desk.page.wait_for_timeout(700)
    assert desk.phase == "on_air"
    finger.send(touch, {"type": end, "touchPoints": []})
    desk.wait_for("off")


def test_a_stop_that_cannot_be_sent_still_ends_the_broadcast(
    desk: Any, station: Station
) -> None:
    desk.ready(COMMUNE)
    desk.talk()
    desk.wait_for("on_air")
    desk.page.route("**/stop", lambda route: route.abort())
    desk.talk()
    desk.wait_for("stopping")
    assert text(desk, "#phase") == "Đang dừng…"
    assert len(station.on_air()) == 1  # so it must not be called off
    desk.wait_for("off")
    assert station.on_air() == []


def test_a_hold_let_go_before_it_was_accepted_leaves_nothing_on_air(
    desk: Any, station: Station
) -> None:
    desk.ready(COMMUNE)
    desk.page.check("input[value=hold]", force=True)
    desk.page.locator("#talk").focus()
    desk.page.keyboard.press(" ")
    desk.wait_for("off")
    time.sleep(1)
    assert station.on_air() == []
    assert desk.phase == "off"


def test_an_emergency_takes_a_deliberate_step(desk: Any, station: Station) -> None:
    desk.ready(COMMUNE)
    desk.page.check("input[value=emergency]", force=True)
    assert text(desk, "#talk-label") == "Xác nhận khẩn cấp"
    desk.talk()
    assert "Xã An Thịnh" in text(desk, "#emergency-zones")
    assert desk.page.locator("#emergency-go").is_disabled()
    desk.page.keyboard.press("Escape")
    assert station.on_air() == []
    desk.talk()
    desk.page.check("#understood")
    desk.page.click("#emergency-go")
    desk.wait_for("on_air")
    assert station.air(HERE)["class"] == "emergency"
    desk.talk()
    desk.wait_for("off")
    assert text(desk, "#talk-label") == "Xác nhận khẩn cấp"


def test_a_microphone_that_goes_away_ends_the_broadcast_and_says_so(
    open_desk: OpenDesk, station: Station
) -> None:
    desk = open_desk(permissions=["microphone"])
    desk.sign_in(station.token)
    desk.ready(COMMUNE)
    desk.talk()
    desk.wait_for("on_air")
    # Nothing can be unplugged here; a permission withdrawn ends the track as well.
    desk.page.context.clear_permissions()
    desk.page.context.grant_permissions(["geolocation"])
    desk.wait_for("off")
    assert "Micrô đã bị rút" in text(desk, "#notice")
    assert station.on_air() == []


def test_a_page_that_goes_away_takes_its_broadcast_with_it(
    desk: Any, station: Station
) -> None:
    desk.ready(COMMUNE)
    desk.talk()
    desk.wait_for("on_air")
    desk.page.goto("about:blank")
    give_up = time.monotonic() + 3
    while station.on_air() and time.monotonic() < give_up:
        time.sleep(0.1)
    assert station.on_air() == []


def test_a_broadcast_ended_by_somebody_else_is_off_the_air_here(
    desk: Any, station: Station
) -> None:
    desk.ready(COMMUNE)
    desk.talk()
    desk.wait_for("on_air")
    (broadcast,) = station.on_air()
    station.server.api.post(f"broadcasts/{broadcast['id']}/stop")
    desk.wait_for("off")


def test_a_token_withdrawn_on_air_signs_out_and_falls_silent(
    open_desk: OpenDesk, station: Station
) -> None:
    order = {"name": "Hoa", "role": "operator"}
    issued = station.server.api.post("tokens", order)
    desk = open_desk()
    desk.sign_in(issued["token"])
    desk.ready(COMMUNE)
    desk.talk()
    desk.wait_for("on_air")
    httpx.delete(
        f"{station.url}/api/v1/tokens/{issued['id']}",
        headers={"Authorization": f"Bearer {station.token}"},
        trust_env=False,
    ).raise_for_status()
    desk.page.wait_for_selector("#sign-in:visible")
    assert text(desk, "#sign-in-error").startswith("Mã truy cập sai")


# --- looks ----------------------------------------------------------------------


@pytest.mark.parametrize("viewport", [SMALL_PHONE, PHONE], ids=["360", "390"])
def test_it_fits_a_phone_and_a_thumb(
    open_desk: OpenDesk, station: Station, viewport: ViewportSize
) -> None:
    desk = open_desk(viewport)
    desk.sign_in(station.token)
    desk.ready(COMMUNE)
    assert (
        desk.page.evaluate("document.documentElement.scrollWidth")
        == (viewport["width"])
    )
    small = desk.page.evaluate(
        """() => [...document.querySelectorAll("button, select, input, label.tick")]
          .filter((element) => element.checkVisibility())
          .map((element) => element.closest("label") ?? element)
          .filter((element) => element.getBoundingClientRect().height < 48)
          .map((element) => element.outerHTML)"""
    )
    assert small == []


@pytest.mark.parametrize("language", ["vi", "en"])
@pytest.mark.parametrize(
    ("name", "viewport", "scale"), [("phone", PHONE, 2), ("desktop", DESKTOP, 1)]
)
def test_on_air_looks_like_it(
    open_desk: OpenDesk,
    *,
    station: Station,
    tmp_path: Path,
    language: str,
    name: str,
    viewport: ViewportSize,
    scale: float,
) -> None:
    desk = open_desk(viewport, scale=scale)
    desk.page.click(f"button[value={language}]")
    desk.sign_in(station.token)
    desk.ready(COMMUNE, OTHER_COMMUNE)
    desk.talk()
    desk.wait_for("on_air")
    desk.page.wait_for_timeout(2500)
    # Wherever the page was scrolled to when it went on air.
    expect(desk.page.locator("#hero")).to_be_in_viewport(ratio=1)
    directory = Path(os.environ.get("LOACAST_SCREENSHOTS", tmp_path))
    directory.mkdir(parents=True, exist_ok=True)
    desk.page.screenshot(path=directory / f"microphone-{name}-{language}.png")
    red, green, blue = desk.page.evaluate(
        "getComputedStyle(document.querySelector('#hero')).backgroundColor"
        ".match(/\\d+/g).map(Number)"
    )
    assert red > 150 > 60 > max(green, blue)
    assert text(desk, "#phase") == {"vi": "ĐANG PHÁT", "en": "ON AIR"}[language]
    assert text(desk, "#listeners") == "2"
    desk.talk()
    desk.wait_for("off")
