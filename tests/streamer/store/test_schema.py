"""The migrations lead to the schema, and the schema holds the records."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext

from streamer.air.zones import Zone
from streamer.store import migrate, schema, schema_offline, schema_timetable
from streamer.store.asrunevents import AsRunEntry
from streamer.store.database import Database
from streamer.store.enrolments import Enrolment
from streamer.store.outcomes import Outcome
from streamer.store.promises import Promise, StoredMessage
from streamer.store.receipts import StoredReceipt
from streamer.store.records import AudioFile, Broadcast, Interval, Speaker, Token
from streamer.store.silences import Silence


def differences(connection: sa.Connection) -> list[Any]:
    options = {"compare_type": True, "compare_server_default": True}
    context = MigrationContext.configure(connection, opts=options)
    return list(compare_metadata(context, schema.metadata))


async def test_migrations_lead_to_the_schema(url: str) -> None:
    async with Database(url) as database, database.writing() as connection:
        assert await connection.run_sync(differences) != []
        await connection.run_sync(migrate.upgrade)
        assert await connection.run_sync(differences) == []


async def test_migrating_twice_changes_nothing(url: str) -> None:
    async with Database(url) as database:
        for _ in range(2):
            async with database.writing() as connection:
                await connection.run_sync(migrate.upgrade)
        async with database.reading() as connection:
            versions = await connection.scalars(
                sa.text("SELECT version_num FROM alembic_version")
            )
            assert versions.all() == ["0006"]


async def test_zones_of_the_first_version_are_kept_and_not_public(url: str) -> None:
    async with Database(url) as database:
        async with database.writing() as connection:
            await connection.run_sync(
                lambda c: command.upgrade(migrate.configured(c), "0001")
            )
            await connection.execute(
                sa.text("INSERT INTO zones (id, name, level) VALUES ('a', 'A', 'x')")
            )
            await connection.run_sync(migrate.upgrade)
        async with database.reading() as connection:
            kept = await connection.execute(
                sa.select(schema.zones.c.id, schema.zones.c.public)
            )
            assert kept.all() == [("a", False)]


async def test_speakers_of_the_second_version_stood_where_they_stand(url: str) -> None:
    async with Database(url) as database:
        async with database.writing() as connection:
            await connection.run_sync(
                lambda c: command.upgrade(migrate.configured(c), "0002")
            )
            for statement in (
                "INSERT INTO zones (id, name, level) VALUES ('z', 'Z', 'village')",
                "INSERT INTO speakers (id, name, zone_id, volume_percent, secret_hash,"
                " created_utc) VALUES ('s', 'S', 'z', 100, '', 7000000)",
            ):
                await connection.execute(sa.text(statement))
            await connection.run_sync(migrate.upgrade)
        async with database.reading() as connection:
            kept = await connection.execute(
                sa.text("SELECT speaker_id, zone_id, from_utc, to_utc FROM enrolments")
            )
            assert kept.all() == [("s", "z", 7000000, None)]


async def test_migrations_can_be_taken_back(url: str) -> None:
    def downgrade(connection: sa.Connection) -> list[str]:
        config: Config = migrate.configured(connection)
        command.downgrade(config, "base")
        return sa.inspect(connection).get_table_names()

    async with Database(url) as database, database.writing() as connection:
        await connection.run_sync(migrate.upgrade)
        assert await connection.run_sync(downgrade) == ["alembic_version"]


@pytest.mark.parametrize(
    ("table", "value_type", "hidden"),
    [
        (schema.zones, Zone, set()),
        (schema.speakers, Speaker, set()),
        (schema.tokens, Token, set()),
        (schema.files, AudioFile, set()),
        (schema.broadcasts, Broadcast, set()),
        (schema.broadcast_intervals, Interval, {"serial"}),
        (schema.asrun_events, AsRunEntry, set()),
        (schema.receipts, StoredReceipt, set()),
        (schema.enrolments, Enrolment, {"serial"}),
        (schema.silences, Silence, set()),
        (schema_timetable.schedule_outcomes, Outcome, set()),
        (schema_offline.promises, Promise, set()),
        (schema_offline.stored_messages, StoredMessage, set()),
    ],
)
def test_each_field_is_a_column(
    table: sa.Table, value_type: type[Any], hidden: set[str]
) -> None:
    assert {each.name for each in fields(value_type)} | hidden == set(table.c.keys())
