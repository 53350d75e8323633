"""The tables of what speakers may play by themselves; part of `schema.metadata`."""

from __future__ import annotations

import sqlalchemy as sa

from streamer.air.priority import Origin
from streamer.store.columns import Ids, Utc, Word
from streamer.store.records import SourceKind
from streamer.store.schema import HASH, ID, metadata
from streamer.wire.control import ProgrammeClass

promises = sa.Table(
    "promises",
    metadata,
    # The id of the broadcast that it becomes. No references: it outlives the entry.
    sa.Column("id", ID, primary_key=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("programme_class", Word(ProgrammeClass), nullable=False),
    sa.Column("origin", Word(Origin), nullable=False),
    sa.Column("source_kind", Word(SourceKind), nullable=False),
    sa.Column("source_detail", sa.Text, nullable=False),
    sa.Column("zone_ids", Ids, nullable=False),
    sa.Column("started_by", ID, nullable=False),
    sa.Column("start_utc", Utc, nullable=False, index=True),
    sa.Column("samples", sa.BigInteger, nullable=False),
    sa.Column("sha256", HASH, nullable=False),
    sa.Column("entry_id", ID),
    # Of an order: what was signed, as it was sent, and the order of orders.
    sa.Column("signed", sa.Text, nullable=False),
    sa.Column("serial", sa.BigInteger, nullable=False),
    sa.Column("expires_utc", Utc, index=True),
)

stored_messages = sa.Table(
    "stored_messages",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("title", sa.Text, nullable=False),
    # No reference: a message whose file is gone says so, it does not vanish.
    sa.Column("file_id", ID, nullable=False),
    sa.Column("zone_ids", Ids, nullable=False),
    sa.Column("attention_s", sa.Integer, nullable=False),
    sa.Column("created_utc", Utc, nullable=False),
    sa.Column("created_by", ID, nullable=False),
)
