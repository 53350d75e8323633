"""Tests of streamer.store.zones, on every database."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest

from streamer.air.zones import Zone, ZoneLevel, ZoneTree
from streamer.store.errors import ConflictError, NotFoundError
from streamer.store.records import Role, Speaker, Token
from streamer.store.store import Store

NOW_UTC = datetime(2026, 1, 5, 5, 30, tzinfo=UTC)
BAC_NINH = Zone("bac-ninh", None, "Bắc Ninh", ZoneLevel.PROVINCE, 1000)
DAI_DONG = Zone("xa-dai-dong", "bac-ninh", "Xã Đại Đồng", ZoneLevel.COMMUNE)
THON_TAY = Zone("thon-tay", "xa-dai-dong", "Thôn Tây", ZoneLevel.VILLAGE, 150)
ZONES = (BAC_NINH, DAI_DONG, THON_TAY)


async def test_a_tree_comes_back_as_it_was_whatever_the_order(store: Store) -> None:
    await store.zones.create_many([THON_TAY, BAC_NINH, DAI_DONG])
    assert await store.zones.tree() == ZoneTree(ZONES)
    assert await store.zones.get("xa-dai-dong") == DAI_DONG
    assert await store.zones.all() == sorted(ZONES, key=lambda zone: zone.id)


async def test_a_zone_is_named_after_its_name(store: Store) -> None:
    await store.zones.create_many([BAC_NINH])
    for expected in ("xa-dai-dong", "xa-dai-dong-2", "xa-dai-dong-3"):
        zone = await store.zones.create(
            name="Xã Đại Đồng", level=ZoneLevel.COMMUNE, parent_id="bac-ninh"
        )
        assert zone.id == expected
        assert await store.zones.get(expected) == zone


async def test_an_id_of_ones_own_is_kept(store: Store) -> None:
    zone = await store.zones.create(
        name="Bắc Ninh", level=ZoneLevel.PROVINCE, zone_id="p1", playout_delay_ms=150
    )
    assert zone == Zone("p1", None, "Bắc Ninh", ZoneLevel.PROVINCE, 150)


async def test_the_floor_of_emergencies_is_kept_and_taken_away(store: Store) -> None:
    zone = await store.zones.create(
        name="Bắc Ninh", level=ZoneLevel.PROVINCE, emergency_volume_percent=70
    )
    assert (await store.zones.get(zone.id)).emergency_volume_percent == 70
    changed = await store.zones.update(zone.id, emergency_volume_percent=None)
    assert changed.emergency_volume_percent is None


async def test_zones_can_stand_in_zones_that_are_there(store: Store) -> None:
    await store.zones.create_many([BAC_NINH])
    await store.zones.create_many([THON_TAY, DAI_DONG])
    assert await store.zones.tree() == ZoneTree(ZONES)


class TestUpdate:
    """What is left out stays; None is a value."""

    async def test_some_members(self, store: Store) -> None:
        await store.zones.create_many(ZONES)
        changed = await store.zones.update("thon-tay", playout_delay_ms=None)
        assert changed == Zone(
            "thon-tay", "xa-dai-dong", "Thôn Tây", ZoneLevel.VILLAGE, None
        )
        changed = await store.zones.update("thon-tay", name="Tây", parent_id="bac-ninh")
        assert (changed.name, changed.parent_id) == ("Tây", "bac-ninh")
        assert await store.zones.get("thon-tay") == changed

    async def test_nothing(self, store: Store) -> None:
        await store.zones.create_many(ZONES)
        assert await store.zones.update("thon-tay") == THON_TAY

    @pytest.mark.parametrize("parent_id", ["bac-ninh", "xa-dai-dong", "thon-tay"])
    async def test_a_zone_cannot_stand_below_itself(
        self, store: Store, parent_id: str
    ) -> None:
        await store.zones.create_many(ZONES)
        with pytest.raises(ConflictError, match="'bac-ninh' cannot stand in"):
            await store.zones.update("bac-ninh", parent_id=parent_id, name="x")
        assert await store.zones.tree() == ZoneTree(ZONES)

    async def test_of_what_is_not_there(self, store: Store) -> None:
        await store.zones.create_many(ZONES)
        with pytest.raises(NotFoundError, match="no zone 'ha-noi'"):
            await store.zones.update("ha-noi", name="Hà Nội")
        with pytest.raises(NotFoundError, match="no zone 'ha-noi'"):
            await store.zones.update("thon-tay", parent_id="ha-noi")


class TestDelete:
    """A zone goes when nothing needs it any more."""

    async def test_from_the_leaves_up(self, store: Store) -> None:
        await store.zones.create_many(ZONES)
        for zone_id in ("thon-tay", "xa-dai-dong", "bac-ninh"):
            await store.zones.delete(zone_id)
        assert await store.zones.all() == []

    async def test_not_while_zones_stand_in_it(self, store: Store) -> None:
        await store.zones.create_many(ZONES)
        with pytest.raises(ConflictError, match="'bac-ninh' still has zones: 1"):
            await store.zones.delete("bac-ninh")

    async def test_not_while_speakers_stand_in_it(self, store: Store) -> None:
        await store.zones.create_many(ZONES)
        for name in "ab":
            speaker = Speaker(
                id=name,
                name=name,
                zone_id="thon-tay",
                secret_hash="",
                created_utc=NOW_UTC,
            )
            await store.speakers.create(speaker)
        with pytest.raises(ConflictError, match="'thon-tay' still has speakers: 2"):
            await store.zones.delete("thon-tay")

    async def test_not_while_a_token_is_bound_to_it(self, store: Store) -> None:
        """Without its zone the token would be bound to nothing: allowed everything."""
        await store.zones.create_many(ZONES)
        token = Token(
            id="t",
            name="Trưởng thôn",
            role=Role.BROADCASTER,
            zone_id="thon-tay",
            secret_hash="",
            created_utc=NOW_UTC,
        )
        await store.tokens.create(token)
        with pytest.raises(ConflictError, match="'thon-tay' still has tokens: 1"):
            await store.zones.delete("thon-tay")

    async def test_of_what_is_not_there(self, store: Store) -> None:
        with pytest.raises(NotFoundError, match="no zone 'ha-noi'"):
            await store.zones.delete("ha-noi")


class TestRefusesAllOrNothing:
    """Zones that would make no tree; none of them is added."""

    async def test_an_id_that_is_taken(self, store: Store) -> None:
        await store.zones.create_many([BAC_NINH])
        with pytest.raises(ConflictError, match="zone 'bac-ninh' exists already"):
            await store.zones.create_many([DAI_DONG, BAC_NINH])
        assert await store.zones.all() == [BAC_NINH]

    async def test_an_id_that_is_given_twice(self, store: Store) -> None:
        with pytest.raises(ConflictError, match="'bac-ninh' is there twice"):
            await store.zones.create_many([BAC_NINH, BAC_NINH])

    async def test_an_orphan(self, store: Store) -> None:
        with pytest.raises(NotFoundError, match="no zone 'bac-ninh'"):
            await store.zones.create_many([DAI_DONG, THON_TAY])
        assert await store.zones.all() == []

    async def test_a_cycle(self, store: Store) -> None:
        zones = [
            Zone("a", "b", "a", ZoneLevel.VILLAGE),
            Zone("b", "a", "b", ZoneLevel.VILLAGE),
        ]
        with pytest.raises(ConflictError, match="is its own ancestor"):
            await store.zones.create_many([BAC_NINH, *zones])
        assert await store.zones.all() == []


async def test_a_province_of_ten_thousand_zones(store: Store) -> None:
    rng = random.Random(7)
    zones = [BAC_NINH]
    zones += [
        Zone(f"z{n}", rng.choice(zones[:100]).id, f"Cụm {n}", ZoneLevel.CLUSTER)
        for n in range(9_999)
    ]
    rng.shuffle(zones)
    await store.zones.create_many(zones)
    assert await store.zones.tree() == ZoneTree(zones)
