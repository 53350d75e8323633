"""The speakers that were enrolled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypedDict, Unpack

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from streamer.store import enrolments, schema
from streamer.store.collection import Collection, require_zones
from streamer.store.database import Database, chunks
from streamer.store.enrolments import Enrolment
from streamer.store.records import Speaker


@dataclass(frozen=True, slots=True)
class Sighting:
    """When a speaker was heard of, and what it said of itself."""

    seen_utc: datetime
    health: Mapping[str, Any] | None = None
    "None: nothing new; what is stored stays."


class SpeakerChanges(TypedDict, total=False):
    """What `Speakers.update` can change; what is left out stays."""

    name: str
    zone_id: str
    volume_percent: int
    secret_hash: str
    extra_delay_ms: int


class Speakers(Collection[Speaker]):
    """The speakers, each in exactly one zone; where each stood is kept.

    Args:
        database: Open by the time of the first call.
        now_utc: The wall clock.
    """

    def __init__(
        self,
        database: Database,
        now_utc: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__(database, schema.speakers, Speaker, "speaker")
        self._now_utc = now_utc

    async def create(self, speaker: Speaker) -> None:
        """Enrol a speaker.

        Raises:
            ConflictError: Its id is taken.
            NotFoundError: Its zone is not there.
        """
        await self.create_many([speaker])

    async def create_many(self, speakers: Sequence[Speaker]) -> None:
        """Enrol speakers, all of them or none; raises like `create`."""
        async with self._database.writing() as connection:
            await require_zones(connection, (each.zone_id for each in speakers))
            await self._insert(connection, speakers)
            await enrolments.begin(connection, [_standing(each) for each in speakers])

    async def update(
        self, speaker_id: str, **changes: Unpack[SpeakerChanges]
    ) -> Speaker:
        """Change a speaker and return it.

        Raises:
            NotFoundError: It, or the zone it is to stand in, is not there.
        """
        async with self._database.writing() as connection:
            await require_zones(connection, (changes.get("zone_id"),))
            former = await self._get(connection, speaker_id)
            speaker = await self._change(connection, speaker_id, changes)
            if speaker.zone_id != former.zone_id:
                await self._move(connection, speaker)
            return speaker

    async def delete(self, id_: str) -> None:
        """Delete a speaker; where it stood until now is kept.

        Raises:
            NotFoundError: It is not there.
        """
        async with self._database.writing() as connection:
            await self._delete(connection, id_)
            await enrolments.end(connection, id_, self._now_utc())

    async def _move(self, connection: AsyncConnection, speaker: Speaker) -> None:
        now_utc = self._now_utc()
        await enrolments.end(connection, speaker.id, now_utc)
        moved = Enrolment(
            speaker_id=speaker.id, zone_id=speaker.zone_id, from_utc=now_utc
        )
        await enrolments.begin(connection, [moved])

    async def seen(self, news: Mapping[str, Sighting]) -> None:
        """Write when speakers were last seen; those that are gone are passed over."""
        columns = schema.speakers.c
        statement = (
            sa.update(schema.speakers)
            .where(columns.id == sa.bindparam("speaker_id"))
            .values(
                last_seen_utc=sa.bindparam("seen_utc"),
                health=sa.func.coalesce(
                    sa.bindparam("said", type_=sa.JSON(none_as_null=True)),
                    columns.health,
                ),
            )
        )
        rows = [
            {"speaker_id": speaker_id, "seen_utc": each.seen_utc, "said": each.health}
            for speaker_id, each in sorted(news.items())
        ]
        async with self._database.writing() as connection:
            for chunk in chunks(rows):
                await connection.execute(statement, chunk)


def _standing(speaker: Speaker) -> Enrolment:
    return Enrolment(
        speaker_id=speaker.id, zone_id=speaker.zone_id, from_utc=speaker.created_utc
    )
