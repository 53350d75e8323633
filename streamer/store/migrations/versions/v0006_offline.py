"""What speakers may play by themselves: promises, and messages that they keep."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

# A migration spells its types out: what the code calls them today may change.
ID = sa.String(64)
UTC_MICROSECONDS = sa.BigInteger
WORD = sa.String(16)


def upgrade() -> None:
    _create_promises()
    _create_stored_messages()


def downgrade() -> None:
    for table in ("stored_messages", "promises"):
        op.drop_table(table)


def _create_promises() -> None:
    op.create_table(
        "promises",
        sa.Column("id", ID, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("programme_class", WORD, nullable=False),
        sa.Column("origin", WORD, nullable=False),
        sa.Column("source_kind", WORD, nullable=False),
        sa.Column("source_detail", sa.Text, nullable=False),
        sa.Column("zone_ids", sa.JSON, nullable=False),
        sa.Column("started_by", ID, nullable=False),
        sa.Column("start_utc", UTC_MICROSECONDS, nullable=False),
        sa.Column("samples", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("entry_id", ID),
        sa.Column("signed", sa.Text, nullable=False),
        sa.Column("serial", sa.BigInteger, nullable=False),
        sa.Column("expires_utc", UTC_MICROSECONDS),
        sa.PrimaryKeyConstraint("id", name="pk_promises"),
    )
    op.create_index("ix_promises_start_utc", "promises", ["start_utc"])
    op.create_index("ix_promises_expires_utc", "promises", ["expires_utc"])


def _create_stored_messages() -> None:
    op.create_table(
        "stored_messages",
        sa.Column("id", ID, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("file_id", ID, nullable=False),
        sa.Column("zone_ids", sa.JSON, nullable=False),
        sa.Column("attention_s", sa.Integer, nullable=False),
        sa.Column("created_utc", UTC_MICROSECONDS, nullable=False),
        sa.Column("created_by", ID, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_stored_messages"),
    )
