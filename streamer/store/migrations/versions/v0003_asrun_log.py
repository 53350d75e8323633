"""The as-run log, receipts, who stood where when, silences, the emergency floor.

Speakers that exist are taken to have stood where they stand since their enrolment:
where they stood before a move was not kept until now.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

# A migration spells its types out: what the code calls them today may change.
ID = sa.String(64)
HASH = sa.String(64)
UTC_MICROSECONDS = sa.BigInteger
WORD = sa.String(16)


def upgrade() -> None:
    op.add_column("zones", sa.Column("emergency_volume_percent", sa.Integer))
    _create_asrun_events()
    _create_receipts()
    _create_enrolments()
    _create_silences()
    op.execute(
        "INSERT INTO enrolments (speaker_id, zone_id, from_utc) "
        "SELECT id, zone_id, created_utc FROM speakers ORDER BY id"
    )


def downgrade() -> None:
    for table in ("silences", "enrolments", "receipts", "asrun_events"):
        op.drop_table(table)
    op.drop_column("zones", "emergency_volume_percent")


def _create_asrun_events() -> None:
    op.create_table(
        "asrun_events",
        sa.Column("serial", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("at_utc", UTC_MICROSECONDS, nullable=False),
        sa.Column("kind", WORD, nullable=False),
        sa.Column("broadcast_id", ID),
        sa.Column("zone_ids", sa.Text, nullable=False),
        sa.Column("actor", sa.Text),
        sa.Column("cause", sa.Text),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("previous_hash", HASH, nullable=False),
        sa.Column("hash", HASH, nullable=False),
        sa.PrimaryKeyConstraint("serial", name="pk_asrun_events"),
    )
    op.create_index("ix_asrun_events_at_utc", "asrun_events", ["at_utc"])
    op.create_index("ix_asrun_events_broadcast_id", "asrun_events", ["broadcast_id"])


def _create_receipts() -> None:
    key = ("broadcast_id", "speaker_id", "run_us")
    op.create_table(
        "receipts",
        sa.Column("broadcast_id", ID, nullable=False),
        sa.Column("speaker_id", ID, nullable=False),
        sa.Column("run_us", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("zone_id", ID, nullable=False),
        sa.Column("packets_received", sa.BigInteger, nullable=False),
        sa.Column("total_samples_received", sa.BigInteger, nullable=False),
        sa.Column("played_samples", sa.BigInteger, nullable=False),
        sa.Column("concealed_samples", sa.BigInteger, nullable=False),
        sa.Column("first_played_utc", UTC_MICROSECONDS),
        sa.Column("last_played_utc", UTC_MICROSECONDS),
        sa.Column("complete", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint(*key, name="pk_receipts"),
    )


def _create_enrolments() -> None:
    serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "enrolments",
        sa.Column("serial", serial, nullable=False),
        sa.Column("speaker_id", ID, nullable=False),
        sa.Column("zone_id", ID, nullable=False),
        sa.Column("from_utc", UTC_MICROSECONDS, nullable=False),
        sa.Column("to_utc", UTC_MICROSECONDS),
        sa.PrimaryKeyConstraint("serial", name="pk_enrolments"),
    )
    op.create_index("ix_enrolments_speaker_id", "enrolments", ["speaker_id"])


def _create_silences() -> None:
    op.create_table(
        "silences",
        sa.Column("zone_id", ID, nullable=False),
        sa.Column("since_utc", UTC_MICROSECONDS, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("zone_id", name="pk_silences"),
    )
