"""The first tables: zones, speakers, tokens, files, broadcasts and their intervals."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# A migration spells its types out: what the code calls them today may change.
ID = sa.String(64)
UTC_MICROSECONDS = sa.BigInteger
WORD = sa.String(16)


def upgrade() -> None:
    _create_zones()
    _create_speakers()
    _create_tokens()
    _create_files()
    _create_broadcasts()
    _create_broadcast_intervals()
    _create_heartbeat()


def downgrade() -> None:
    for table in (
        "heartbeat",
        "broadcast_intervals",
        "broadcasts",
        "files",
        "tokens",
        "speakers",
        "zones",
    ):
        op.drop_table(table)


def _create_zones() -> None:
    op.create_table(
        "zones",
        sa.Column("id", ID, nullable=False),
        sa.Column("parent_id", ID),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("level", WORD, nullable=False),
        sa.Column("playout_delay_ms", sa.Integer),
        _zone_reference("zones", "parent_id"),
        sa.PrimaryKeyConstraint("id", name="pk_zones"),
    )
    op.create_index("ix_zones_parent_id", "zones", ["parent_id"])


def _create_speakers() -> None:
    op.create_table(
        "speakers",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("zone_id", ID, nullable=False),
        sa.Column("volume_percent", sa.Integer, nullable=False),
        sa.Column("secret_hash", sa.String(64), nullable=False),
        sa.Column("created_utc", UTC_MICROSECONDS, nullable=False),
        sa.Column("last_seen_utc", UTC_MICROSECONDS),
        _zone_reference("speakers", "zone_id"),
        sa.PrimaryKeyConstraint("id", name="pk_speakers"),
    )
    op.create_index("ix_speakers_zone_id", "speakers", ["zone_id"])


def _create_tokens() -> None:
    op.create_table(
        "tokens",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", WORD, nullable=False),
        sa.Column("zone_id", ID),
        sa.Column("secret_hash", sa.String(64), nullable=False),
        sa.Column("created_utc", UTC_MICROSECONDS, nullable=False),
        sa.Column("expires_utc", UTC_MICROSECONDS),
        _zone_reference("tokens", "zone_id"),
        sa.PrimaryKeyConstraint("id", name="pk_tokens"),
    )
    op.create_index("ix_tokens_zone_id", "tokens", ["zone_id"])


def _create_files() -> None:
    op.create_table(
        "files",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("duration_ms", sa.BigInteger, nullable=False),
        sa.Column("codec", sa.Text, nullable=False),
        sa.Column("sample_rate_hz", sa.Integer, nullable=False),
        sa.Column("channels", sa.Integer, nullable=False),
        sa.Column("created_utc", UTC_MICROSECONDS, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_files"),
    )


def _create_broadcasts() -> None:
    op.create_table(
        "broadcasts",
        sa.Column("id", ID, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("programme_class", WORD, nullable=False),
        sa.Column("origin", WORD, nullable=False),
        sa.Column("source_kind", WORD, nullable=False),
        sa.Column("source_detail", sa.Text, nullable=False),
        sa.Column("zone_ids", sa.JSON, nullable=False),
        sa.Column("started_by", ID, nullable=False),
        sa.Column("accepted_utc", UTC_MICROSECONDS, nullable=False),
        sa.Column("started_utc", UTC_MICROSECONDS),
        sa.Column("ended_utc", UTC_MICROSECONDS),
        sa.Column("end_reason", WORD),
        sa.Column("end_detail", sa.Text, nullable=False),
        sa.Column("frames", sa.BigInteger, nullable=False),
        sa.Column("recording_path", sa.Text),
        sa.Column("recording_bytes", sa.BigInteger, nullable=False),
        sa.Column("recording_complete", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_broadcasts"),
    )
    op.create_index("ix_broadcasts_accepted_utc", "broadcasts", ["accepted_utc"])
    op.create_index("ix_broadcasts_ended_utc", "broadcasts", ["ended_utc"])


def _create_broadcast_intervals() -> None:
    serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "broadcast_intervals",
        sa.Column("serial", serial, nullable=False),
        sa.Column("broadcast_id", ID, nullable=False),
        sa.Column("zone_id", ID, nullable=False),
        sa.Column("from_utc", UTC_MICROSECONDS, nullable=False),
        sa.Column("to_utc", UTC_MICROSECONDS),
        sa.ForeignKeyConstraint(
            ["broadcast_id"],
            ["broadcasts.id"],
            name="fk_broadcast_intervals_broadcast_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("serial", name="pk_broadcast_intervals"),
    )
    op.create_index(
        "ix_broadcast_intervals_broadcast_id_zone_id",
        "broadcast_intervals",
        ["broadcast_id", "zone_id"],
    )


def _create_heartbeat() -> None:
    op.create_table(
        "heartbeat",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("at_utc", UTC_MICROSECONDS, nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_heartbeat_single_row")),
        sa.PrimaryKeyConstraint("id", name="pk_heartbeat"),
    )


def _zone_reference(table: str, column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column], ["zones.id"], name=f"fk_{table}_{column}", ondelete="RESTRICT"
    )
