"""The schedule, what became of each start, and what zones allow."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

# A migration spells its types out: what the code calls them today may change.
ID = sa.String(64)
UTC_MICROSECONDS = sa.BigInteger
WORD = sa.String(16)


def upgrade() -> None:
    _create_zone_policies()
    _create_schedule_entries()
    _create_schedule_outcomes()


def downgrade() -> None:
    for table in ("schedule_outcomes", "schedule_entries", "zone_policies"):
        op.drop_table(table)


def _create_zone_policies() -> None:
    op.create_table(
        "zone_policies",
        sa.Column("zone_id", ID, nullable=False),
        sa.Column("document", sa.JSON, nullable=False),
        sa.Column("changed_utc", UTC_MICROSECONDS, nullable=False),
        sa.Column("changed_by", ID, nullable=False),
        sa.PrimaryKeyConstraint("zone_id", name="pk_zone_policies"),
    )


def _create_schedule_entries() -> None:
    op.create_table(
        "schedule_entries",
        sa.Column("id", ID, nullable=False),
        sa.Column("uid", sa.Text, nullable=False),
        sa.Column("document", sa.JSON, nullable=False),
        sa.Column("owner", sa.JSON, nullable=False),
        sa.Column("armed_utc", UTC_MICROSECONDS, nullable=False),
        sa.Column("settled_utc", UTC_MICROSECONDS, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_schedule_entries"),
    )
    op.create_index("ix_schedule_entries_uid", "schedule_entries", ["uid"], unique=True)


def _create_schedule_outcomes() -> None:
    op.create_table(
        "schedule_outcomes",
        sa.Column("entry_id", ID, nullable=False),
        sa.Column("start_utc", UTC_MICROSECONDS, autoincrement=False, nullable=False),
        sa.Column("kind", WORD, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("zone_ids", sa.JSON, nullable=False),
        sa.Column("late_s", sa.BigInteger, nullable=False),
        sa.Column("broadcast_id", ID),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("decided_utc", UTC_MICROSECONDS, nullable=False),
        sa.PrimaryKeyConstraint("entry_id", "start_utc", name="pk_schedule_outcomes"),
    )
    op.create_index(
        "ix_schedule_outcomes_start_utc", "schedule_outcomes", ["start_utc"]
    )
