"""The tables of the schedule and of what zones allow; part of `schema.metadata`.

What a row means is in its document; columns are only what is asked for in SQL.
"""

from __future__ import annotations

import sqlalchemy as sa

from streamer.air.timetable import OutcomeKind
from streamer.store.columns import Ids, Utc, Word
from streamer.store.schema import ID, metadata

zone_policies = sa.Table(
    "zone_policies",
    metadata,
    # No reference: were the zone deleted and to come back, its rules would hold.
    sa.Column("zone_id", ID, primary_key=True),
    sa.Column("document", sa.JSON, nullable=False),
    sa.Column("changed_utc", Utc, nullable=False),
    sa.Column("changed_by", ID, nullable=False),
)

schedule_entries = sa.Table(
    "schedule_entries",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("uid", sa.Text, nullable=False),
    sa.Column("document", sa.JSON, nullable=False),
    sa.Column("owner", sa.JSON, nullable=False),
    sa.Column("armed_utc", Utc, nullable=False),
    sa.Column("settled_utc", Utc, nullable=False),
    sa.Index(None, "uid", unique=True),
)

schedule_outcomes = sa.Table(
    "schedule_outcomes",
    metadata,
    # Its key is what makes a start happen once, whoever tries. No reference: the
    # log outlives the entry.
    sa.Column("entry_id", ID, primary_key=True),
    sa.Column("start_utc", Utc, primary_key=True, autoincrement=False),
    sa.Column("kind", Word(OutcomeKind), nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("zone_ids", Ids, nullable=False),
    sa.Column("late_s", sa.BigInteger, nullable=False),
    sa.Column("broadcast_id", ID),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("decided_utc", Utc, nullable=False),
    sa.Index(None, "start_utc"),
)
