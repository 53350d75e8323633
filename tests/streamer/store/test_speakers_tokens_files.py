"""Tests of the stores of speakers, tokens and files, on every database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from streamer.air.zones import ZoneLevel
from streamer.store.credentials import CredentialKind, issue, verify
from streamer.store.errors import ConflictError, NotFoundError
from streamer.store.records import AudioFile, Role, Speaker, Token
from streamer.store.speakers import Sighting
from streamer.store.store import Store

NOW_UTC = datetime(2026, 1, 5, 5, 30, 0, 123_456, tzinfo=UTC)
SPEAKER = Speaker(
    id="abcdefghij",
    name="Cụm loa chợ Và",
    zone_id="thon-tay",
    volume_percent=80,
    secret_hash="0" * 64,
    created_utc=NOW_UTC,
)
TOKEN = Token(
    id="bcdefghijk",
    name="Đài tỉnh",
    role=Role.OPERATOR,
    zone_id="thon-tay",
    secret_hash="1" * 64,
    created_utc=NOW_UTC,
    expires_utc=NOW_UTC + timedelta(days=1),
)
FILE = AudioFile(
    id="cdefghijkl",
    name="Bản tin sáng.mp3",
    path="cdefghijkl",
    size_bytes=5_000_000_000,
    duration_ms=7_200_000,
    codec="mp3",
    sample_rate_hz=44_100,
    channels=2,
    created_utc=NOW_UTC,
)


@pytest.fixture(autouse=True)
async def zones(store: Store) -> None:
    for zone_id in ("thon-tay", "thon-dong"):
        await store.zones.create(name=zone_id, level=ZoneLevel.VILLAGE, zone_id=zone_id)


class TestSpeakers:
    """Devices, each in one zone."""

    async def test_come_back_as_they_were(self, store: Store) -> None:
        other = replace(SPEAKER, id="other", last_seen_utc=NOW_UTC)
        await store.speakers.create(other)
        await store.speakers.create(SPEAKER)
        assert await store.speakers.get(SPEAKER.id) == SPEAKER
        assert await store.speakers.all() == [SPEAKER, other]

    async def test_change(self, store: Store) -> None:
        await store.speakers.create(SPEAKER)
        changed = await store.speakers.update(
            SPEAKER.id, name="Loa 2", zone_id="thon-dong", volume_percent=0
        )
        expected = replace(SPEAKER, name="Loa 2", zone_id="thon-dong", volume_percent=0)
        assert changed == expected
        assert await store.speakers.get(SPEAKER.id) == expected

    async def test_get_a_new_secret(self, store: Store) -> None:
        await store.speakers.create(SPEAKER)
        issued = issue(CredentialKind.SPEAKER, id_=SPEAKER.id)
        await store.speakers.update(SPEAKER.id, secret_hash=issued.secret_hash)
        stored = await store.speakers.get(issued.id)
        assert verify(issued.secret, stored.secret_hash)

    async def test_are_seen(self, store: Store) -> None:
        await store.speakers.create(SPEAKER)
        later_utc = NOW_UTC + timedelta(seconds=30)
        await store.speakers.seen(
            {
                SPEAKER.id: Sighting(later_utc, {"cpu_c": 47}),
                "gone": Sighting(later_utc),
            }
        )
        assert (await store.speakers.get(SPEAKER.id)).last_seen_utc == later_utc
        last_utc = later_utc + timedelta(seconds=30)
        await store.speakers.seen({SPEAKER.id: Sighting(last_utc)})
        stored = await store.speakers.get(SPEAKER.id)
        # What it said last is kept when it came again and said nothing.
        assert (stored.last_seen_utc, stored.health) == (last_utc, {"cpu_c": 47})
        await store.speakers.seen({})

    async def test_are_deleted(self, store: Store) -> None:
        await store.speakers.create(SPEAKER)
        await store.speakers.delete(SPEAKER.id)
        with pytest.raises(NotFoundError, match="no speaker 'abcdefghij'"):
            await store.speakers.delete(SPEAKER.id)

    async def test_cannot_stand_nowhere(self, store: Store) -> None:
        lost = replace(SPEAKER, id="lost", zone_id="ha-noi")
        with pytest.raises(NotFoundError, match="no zone 'ha-noi'"):
            await store.speakers.create_many([SPEAKER, lost])
        assert await store.speakers.all() == []
        await store.speakers.create(SPEAKER)
        with pytest.raises(NotFoundError, match="no zone 'ha-noi'"):
            await store.speakers.update(SPEAKER.id, zone_id="ha-noi", name="x")
        assert await store.speakers.get(SPEAKER.id) == SPEAKER

    async def test_have_one_id_each(self, store: Store) -> None:
        await store.speakers.create(SPEAKER)
        with pytest.raises(ConflictError, match="speaker 'abcdefghij' exists already"):
            await store.speakers.create(replace(SPEAKER, name="x"))
        twice = replace(SPEAKER, id="twice")
        with pytest.raises(ConflictError):
            await store.speakers.create_many([twice, twice])
        assert await store.speakers.all() == [SPEAKER]

    async def test_that_are_not_there_are_not_found(self, store: Store) -> None:
        with pytest.raises(NotFoundError) as caught:
            await store.speakers.get("gone")
        assert (caught.value.kind, caught.value.id) == ("speaker", "gone")
        with pytest.raises(NotFoundError):
            await store.speakers.update("gone", volume_percent=1)

    async def test_six_thousand_are_enrolled_at_once(self, store: Store) -> None:
        many = [replace(SPEAKER, id=f"{n:05}") for n in range(6_000)]
        await store.speakers.create_many(many)
        assert await store.speakers.all() == many
        await store.speakers.seen({each.id: Sighting(NOW_UTC) for each in many})
        assert {each.last_seen_utc for each in await store.speakers.all()} == {NOW_UTC}


class TestTokens:
    """The rights of people and systems."""

    async def test_come_back_as_they_were(self, store: Store) -> None:
        admin = replace(TOKEN, id="a", role=Role.ADMIN, zone_id=None, expires_utc=None)
        await store.tokens.create(TOKEN)
        await store.tokens.create(admin)
        assert await store.tokens.all() == [admin, TOKEN]
        assert await store.tokens.get(TOKEN.id) == TOKEN

    async def test_are_deleted(self, store: Store) -> None:
        await store.tokens.create(TOKEN)
        await store.tokens.delete(TOKEN.id)
        with pytest.raises(NotFoundError, match="no token"):
            await store.tokens.get(TOKEN.id)

    async def test_are_bound_to_zones_that_are_there(self, store: Store) -> None:
        with pytest.raises(NotFoundError, match="no zone 'ha-noi'"):
            await store.tokens.create(replace(TOKEN, zone_id="ha-noi"))

    def test_expire_at_their_instant(self) -> None:
        assert TOKEN.expires_utc is not None
        assert TOKEN.valid_at(TOKEN.expires_utc - timedelta(microseconds=1))
        assert not TOKEN.valid_at(TOKEN.expires_utc)
        assert replace(TOKEN, expires_utc=None).valid_at(NOW_UTC)

    def test_do_not_show_their_hash(self) -> None:
        assert TOKEN.secret_hash not in repr(TOKEN)
        assert SPEAKER.secret_hash not in repr(SPEAKER)


class TestFiles:
    """What is known of uploads."""

    async def test_come_back_as_they_were(self, store: Store) -> None:
        await store.files.create(FILE)
        assert await store.files.get(FILE.id) == FILE
        assert await store.files.all() == [FILE]

    async def test_have_one_id_each(self, store: Store) -> None:
        await store.files.create(FILE)
        with pytest.raises(ConflictError, match="file 'cdefghijkl' exists already"):
            await store.files.create(FILE)

    async def test_are_deleted(self, store: Store) -> None:
        await store.files.create(FILE)
        await store.files.delete(FILE.id)
        assert await store.files.all() == []
