"""The enrolled speakers, in memory: a handshake never waits for the database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from streamer.air.zones import DEFAULT_PLAYOUT_DELAY_MS, ZoneTree
from streamer.api.answers import SpeakerInfo
from streamer.fanout.hub import Hub
from streamer.fanout.listener import ListenerIdentity
from streamer.fanout.presence import Attendance, Presence
from streamer.store.credentials import (
    Credential,
    CredentialError,
    CredentialKind,
    issue,
    parse,
    verify,
)
from streamer.store.errors import NotFoundError
from streamer.store.records import Speaker
from streamer.store.speakers import Sighting, Speakers

_NOBODY = "0" * 64


class Fanout(Protocol):
    """What sends to speakers, and so must know what becomes of them."""

    def update(self, identity: ListenerIdentity) -> None:
        """Apply a speaker's new zone, volume or delay."""
        ...

    def revoke(self, speaker_id: str) -> None:
        """End what a speaker may no longer hear."""
        ...


class SpeakerRegistry:
    """Every speaker of the store, by id; the fan-out's `Directory`.

    A change is stored first, then told to the hub, so what is heard is what is
    stored.
    """

    def __init__(self, records: Speakers, hub: Hub, tree: ZoneTree) -> None:
        self._records = records
        self._fanouts: list[Fanout] = [hub]
        self._speakers: dict[str, Speaker] = {}
        self._tuning = tunings(tree)
        self._presence = Presence()
        self._seen_ns: dict[str, int] = {}
        # Changes of one speaker are told in the order in which they are stored.
        self._changing = asyncio.Lock()

    async def load(self) -> None:
        """Read all speakers."""
        self._speakers = {each.id: each for each in await self._records.all()}

    def watch(self, presence: Presence) -> None:
        """Ask *presence* who is connected."""
        self._presence = presence

    def tell(self, fanout: Fanout) -> None:
        """Tell *fanout*, too, what becomes of speakers."""
        self._fanouts.append(fanout)

    def authenticate(self, credential: str) -> ListenerIdentity | None:
        """Return whose *credential* it is; see `Directory`."""
        try:
            shown = parse(credential)
        except CredentialError:
            return None
        speaker = self._speakers.get(shown.id)
        # Compared even when there is none, so that time does not tell which it was.
        matches = verify(shown.secret, speaker.secret_hash if speaker else _NOBODY)
        if speaker is None or not matches or shown.kind is not CredentialKind.SPEAKER:
            return None
        return self._identity(speaker)

    def all(self) -> list[Speaker]:
        """Return every speaker, in no order."""
        return list(self._speakers.values())

    def get(self, speaker_id: str) -> Speaker:
        """Return one speaker.

        Raises:
            NotFoundError: There is none with this id.
        """
        if (speaker := self._speakers.get(speaker_id)) is None:
            raise NotFoundError("speaker", speaker_id)
        return speaker

    def describe(self, speaker: Speaker) -> SpeakerInfo:
        """Return *speaker* and how it is now; from any thread."""
        attendance = self._presence.of(speaker.id) or Attendance()
        seen_utc = speaker.last_seen_utc
        if attendance.heard_ns:
            seen_utc = _utc_of(attendance.heard_ns)
        return SpeakerInfo(
            id=speaker.id,
            name=speaker.name,
            zone_id=speaker.zone_id,
            volume_percent=speaker.volume_percent,
            connected=attendance.connections > 0,
            last_seen_utc=seen_utc,
            report=asdict(attendance.report) if attendance.report else None,
            extra_delay_ms=speaker.extra_delay_ms,
            health=_health_of(attendance) or _stored(speaker.health),
        )

    async def enrol(
        self, *, name: str, zone_id: str, volume_percent: int
    ) -> tuple[Speaker, str]:
        """Add a speaker; return it and its credential.

        Raises:
            NotFoundError: There is no such zone.
        """
        credential = issue(CredentialKind.SPEAKER)
        speaker = Speaker(
            id=credential.id,
            name=name,
            zone_id=zone_id,
            volume_percent=volume_percent,
            secret_hash=credential.secret_hash,
            created_utc=datetime.now(UTC),
        )
        async with self._changing:
            await self._records.create(speaker)
            self._speakers[speaker.id] = speaker
        return speaker, str(credential)

    async def change(self, speaker_id: str, changes: Mapping[str, Any]) -> Speaker:
        """Change name, zone, volume or delay of a speaker, at once.

        Raises:
            NotFoundError: There is no such speaker or zone.
        """
        async with self._changing:
            speaker = await self._records.update(speaker_id, **changes)
            self._speakers[speaker_id] = speaker
            self._update(speaker)
        return speaker

    async def renew_credential(self, speaker_id: str) -> tuple[Speaker, str]:
        """Replace a speaker's credential; connections made with the former end.

        Raises:
            NotFoundError: There is no such speaker.
        """
        credential: Credential = issue(CredentialKind.SPEAKER, id_=speaker_id)
        async with self._changing:
            speaker = await self._records.update(
                speaker_id, secret_hash=credential.secret_hash
            )
            self._speakers[speaker_id] = speaker
            self._revoke(speaker_id)
        return speaker, str(credential)

    async def remove(self, speaker_id: str) -> None:
        """Forget a speaker and end its connections.

        Raises:
            NotFoundError: There is no such speaker.
        """
        async with self._changing:
            await self._records.delete(speaker_id)
            self._speakers.pop(speaker_id, None)
            self._revoke(speaker_id)
            self._presence.forget(speaker_id)
            self._seen_ns.pop(speaker_id, None)

    async def replace_tree(self, tree: ZoneTree) -> None:
        """Tell speakers whose playout delay or floor is another in *tree*."""
        before = self._tuning
        # Ten thousand zones take a while: not on the loop.
        self._tuning = await asyncio.to_thread(tunings, tree)
        for speaker in self._speakers.values():
            zone_id = speaker.zone_id
            if before.get(zone_id) != self._tuning.get(zone_id):
                self._update(speaker)

    async def write_last_seen(self) -> None:
        """Store when speakers were last heard of; all that changed, at once."""
        heard_ns = {
            speaker_id: attendance.heard_ns
            for speaker_id in self._speakers
            if (attendance := self._presence.of(speaker_id)) is not None
        }
        news = heard_ns.items() - self._seen_ns.items()
        if news:
            await self._records.seen(
                {each: self._sighting(each, ns) for each, ns in news}
            )
            self._seen_ns = heard_ns

    def _sighting(self, speaker_id: str, heard_ns: int) -> Sighting:
        attendance = self._presence.of(speaker_id) or Attendance()
        return Sighting(_utc_of(heard_ns), _health_of(attendance))

    def _update(self, speaker: Speaker) -> None:
        for fanout in self._fanouts:
            fanout.update(self._identity(speaker))

    def _revoke(self, speaker_id: str) -> None:
        for fanout in self._fanouts:
            fanout.revoke(speaker_id)

    def _identity(self, speaker: Speaker) -> ListenerIdentity:
        # A zone that was stored a moment ago may not be in memory yet.
        tuning = self._tuning.get(speaker.zone_id, UNTUNED)
        return ListenerIdentity(
            speaker_id=speaker.id,
            zone_id=speaker.zone_id,
            volume_percent=speaker.volume_percent,
            playout_delay_ms=tuning.playout_delay_ms,
            emergency_volume_percent=tuning.emergency_volume_percent,
            extra_delay_ms=speaker.extra_delay_ms,
        )


@dataclass(frozen=True, slots=True)
class ZoneTuning:
    """What holds of all speakers in a zone."""

    playout_delay_ms: int
    emergency_volume_percent: int | None


UNTUNED = ZoneTuning(DEFAULT_PLAYOUT_DELAY_MS, None)


def tunings(tree: ZoneTree) -> dict[str, ZoneTuning]:
    """Return what holds of the speakers of every zone."""
    return {
        zone.id: ZoneTuning(
            tree.effective_playout_delay_ms(zone.id),
            tree.effective_emergency_volume_percent(zone.id),
        )
        for zone in tree
    }


def _health_of(attendance: Attendance) -> dict[str, Any] | None:
    """Return what a speaker said last of itself, and when."""
    if attendance.health is None:
        return None
    seen_utc = _utc_of(attendance.health_ns).isoformat(timespec="milliseconds")
    return {"seen_utc": seen_utc, **asdict(attendance.health)}


def _stored(health: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if health is None else dict(health)


def _utc_of(instant_ns: int) -> datetime:
    ago_us = (time.monotonic_ns() - instant_ns) // 1000
    return datetime.now(UTC) - timedelta(microseconds=ago_us)
