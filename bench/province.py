"""The sample province: three communes with two villages each.

The names are of the kind one meets in the Red River delta; the province is not a
real one.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SampleZone:
    """A zone to be made, its parent before it."""

    id: str
    name: str
    level: str
    parent_id: str | None = None

    @property
    def members(self) -> dict[str, str]:
        """As the API's `POST /zones` takes it."""
        given = {"id": self.id, "name": self.name, "level": self.level}
        return (
            given if self.parent_id is None else given | {"parent_id": self.parent_id}
        )


PROVINCE = SampleZone("song-cau", "Tỉnh Sông Cầu", "province")
COMMUNES = (
    SampleZone("an-thinh", "Xã An Thịnh", "commune", PROVINCE.id),
    SampleZone("phu-lang", "Xã Phù Lãng", "commune", PROVINCE.id),
    SampleZone("yen-trung", "Xã Yên Trung", "commune", PROVINCE.id),
)
VILLAGES = (
    SampleZone("thon-dong", "Thôn Đông", "village", COMMUNES[0].id),
    SampleZone("thon-doai", "Thôn Đoài", "village", COMMUNES[0].id),
    SampleZone("thon-thu-cong", "Thôn Thủ Công", "village", COMMUNES[1].id),
    SampleZone("thon-doan-ket", "Thôn Đoàn Kết", "village", COMMUNES[1].id),
    SampleZone("thon-chinh-trung", "Thôn Chính Trung", "village", COMMUNES[2].id),
    SampleZone("thon-vong-dong", "Thôn Vọng Đông", "village", COMMUNES[2].id),
)
ZONES = (PROVINCE, *COMMUNES, *VILLAGES)
"Parents first."


def village_of(place: int) -> SampleZone:
    """Return where the listener with this number stands: all villages in turn."""
    return VILLAGES[place % len(VILLAGES)]


def within(zone_id: str, ancestor_id: str) -> bool:
    """Return whether a zone is *ancestor_id* or lies below it."""
    parents = {zone.id: zone.parent_id for zone in ZONES}
    at: str | None = zone_id
    while at is not None and at != ancestor_id:
        at = parents[at]
    return at is not None
