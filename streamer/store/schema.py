"""The tables. A change here needs a migration; a test compares the two.

Ids are short and chosen by us; names and titles are free text of any length.
Secrets are never stored, only their SHA-256 (`credentials`).
"""

from __future__ import annotations

import sqlalchemy as sa

from streamer.air.priority import Origin
from streamer.air.zones import ZoneLevel
from streamer.store.columns import Ids, Utc, Word
from streamer.store.records import EndReason, Role, SourceKind
from streamer.wire.control import ProgrammeClass

ID = sa.String(64)
HASH = sa.String(64)
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"SQLite numbers rows by itself only in a column of exactly this type."

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _zone_reference(name: str, *, nullable: bool = False) -> sa.Column[str]:
    """Return a reference that keeps a zone from being deleted while it is used."""
    key = sa.ForeignKey("zones.id", ondelete="RESTRICT")
    return sa.Column(name, ID, key, nullable=nullable, index=True)


zones = sa.Table(
    "zones",
    metadata,
    sa.Column("id", ID, primary_key=True),
    _zone_reference("parent_id", nullable=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("level", Word(ZoneLevel), nullable=False),
    sa.Column("playout_delay_ms", sa.Integer),
    sa.Column("public", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("emergency_volume_percent", sa.Integer),
)

speakers = sa.Table(
    "speakers",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    _zone_reference("zone_id"),
    sa.Column("volume_percent", sa.Integer, nullable=False),
    sa.Column("secret_hash", HASH, nullable=False),
    sa.Column("created_utc", Utc, nullable=False),
    sa.Column("last_seen_utc", Utc),
    sa.Column("extra_delay_ms", sa.Integer, nullable=False, server_default="0"),
    sa.Column("health", sa.JSON),
)

tokens = sa.Table(
    "tokens",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("role", Word(Role), nullable=False),
    _zone_reference("zone_id", nullable=True),
    sa.Column("secret_hash", HASH, nullable=False),
    sa.Column("created_utc", Utc, nullable=False),
    sa.Column("expires_utc", Utc),
)

files = sa.Table(
    "files",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("duration_ms", sa.BigInteger, nullable=False),
    sa.Column("codec", sa.Text, nullable=False),
    sa.Column("sample_rate_hz", sa.Integer, nullable=False),
    sa.Column("channels", sa.Integer, nullable=False),
    sa.Column("created_utc", Utc, nullable=False),
)

broadcasts = sa.Table(
    "broadcasts",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("programme_class", Word(ProgrammeClass), nullable=False),
    sa.Column("origin", Word(Origin), nullable=False),
    sa.Column("source_kind", Word(SourceKind), nullable=False),
    sa.Column("source_detail", sa.Text, nullable=False),
    sa.Column("zone_ids", Ids, nullable=False),
    # No reference: a token may be deleted, what was done with it stays written.
    sa.Column("started_by", ID, nullable=False),
    sa.Column("accepted_utc", Utc, nullable=False, index=True),
    sa.Column("started_utc", Utc),
    sa.Column("ended_utc", Utc, index=True),
    sa.Column("end_reason", Word(EndReason)),
    sa.Column("end_detail", sa.Text, nullable=False),
    sa.Column("frames", sa.BigInteger, nullable=False),
    sa.Column("recording_path", sa.Text),
    sa.Column("recording_bytes", sa.BigInteger, nullable=False),
    sa.Column("recording_complete", sa.Boolean, nullable=False),
)

broadcast_intervals = sa.Table(
    "broadcast_intervals",
    metadata,
    sa.Column("serial", SERIAL, primary_key=True),
    sa.Column(
        "broadcast_id",
        ID,
        sa.ForeignKey("broadcasts.id", ondelete="CASCADE"),
        nullable=False,
    ),
    # No reference: the log outlives the zone.
    sa.Column("zone_id", ID, nullable=False),
    sa.Column("from_utc", Utc, nullable=False),
    sa.Column("to_utc", Utc),
    sa.Index(None, "broadcast_id", "zone_id"),
)

heartbeat = sa.Table(
    "heartbeat",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at_utc", Utc, nullable=False),
    sa.CheckConstraint("id = 1", name="single_row"),
)

asrun_events = sa.Table(
    "asrun_events",
    metadata,
    # Given by the log, without gaps: a number that is missing is a finding.
    sa.Column("serial", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at_utc", Utc, nullable=False, index=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("broadcast_id", ID, index=True),
    # Text, not JSON: what is stored is to the byte what was hashed.
    sa.Column("zone_ids", sa.Text, nullable=False),
    sa.Column("actor", sa.Text),
    sa.Column("cause", sa.Text),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("previous_hash", HASH, nullable=False),
    sa.Column("hash", HASH, nullable=False),
)

receipts = sa.Table(
    "receipts",
    metadata,
    # No references: a receipt may come before its broadcast is written, and it
    # outlives the speaker and the zone.
    sa.Column("broadcast_id", ID, primary_key=True),
    sa.Column("speaker_id", ID, primary_key=True),
    sa.Column("run_us", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("zone_id", ID, nullable=False),
    sa.Column("packets_received", sa.BigInteger, nullable=False),
    sa.Column("total_samples_received", sa.BigInteger, nullable=False),
    sa.Column("played_samples", sa.BigInteger, nullable=False),
    sa.Column("concealed_samples", sa.BigInteger, nullable=False),
    sa.Column("first_played_utc", Utc),
    sa.Column("last_played_utc", Utc),
    sa.Column("complete", sa.Boolean, nullable=False),
)

enrolments = sa.Table(
    "enrolments",
    metadata,
    sa.Column("serial", SERIAL, primary_key=True),
    # No references: who should have heard a broadcast stays known.
    sa.Column("speaker_id", ID, nullable=False, index=True),
    sa.Column("zone_id", ID, nullable=False),
    sa.Column("from_utc", Utc, nullable=False),
    sa.Column("to_utc", Utc),
)

silences = sa.Table(
    "silences",
    metadata,
    # No reference: a silence holds until it is lifted, whatever becomes of the zone.
    sa.Column("zone_id", ID, primary_key=True),
    sa.Column("since_utc", Utc, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
)
