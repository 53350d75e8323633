"""A speaker's own delay, and how it said it was when it was last heard of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column(
        "speakers",
        sa.Column("extra_delay_ms", sa.Integer, nullable=False, server_default="0"),
    )
    op.add_column("speakers", sa.Column("health", sa.JSON))


def downgrade() -> None:
    op.drop_column("speakers", "health")
    op.drop_column("speakers", "extra_delay_ms")
