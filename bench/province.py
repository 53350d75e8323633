"""The sample province: three communes with two villages each.

The names are of the kind one meets in the Red River delta; the province is not a
real one.
"""

from __future__ import annotations

from streamer.air.zones import Zone, ZoneLevel


def _commune(zone_id: str, name: str) -> Zone:
    return Zone(zone_id, PROVINCE.id, name, ZoneLevel.COMMUNE)


def _village(zone_id: str, name: str, commune: Zone) -> Zone:
    return Zone(zone_id, commune.id, name, ZoneLevel.VILLAGE)


PROVINCE = Zone("song-cau", None, "Tỉnh Sông Cầu", ZoneLevel.PROVINCE)
AN_THINH = _commune("an-thinh", "Xã An Thịnh")
PHU_LANG = _commune("phu-lang", "Xã Phù Lãng")
YEN_TRUNG = _commune("yen-trung", "Xã Yên Trung")
VILLAGES = (
    _village("thon-dong", "Thôn Đông", AN_THINH),
    _village("thon-doai", "Thôn Đoài", AN_THINH),
    _village("thon-thu-cong", "Thôn Thủ Công", PHU_LANG),
    _village("thon-doan-ket", "Thôn Đoàn Kết", PHU_LANG),
    _village("thon-chinh-trung", "Thôn Chính Trung", YEN_TRUNG),
    _village("thon-vong-dong", "Thôn Vọng Đông", YEN_TRUNG),
)
ZONES = (PROVINCE, AN_THINH, PHU_LANG, YEN_TRUNG, *VILLAGES)
"Parents first."


def village_of(place: int) -> Zone:
    """Return where the listener with this number stands: all villages in turn."""
    return VILLAGES[place % len(VILLAGES)]
