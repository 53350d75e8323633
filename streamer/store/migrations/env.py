"""Run by Alembic: apply migrations on the connection that `migrate` handed over."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context

from streamer.store.schema import metadata

connection: sa.Connection = context.config.attributes["connection"]
# The caller's transaction holds all migrations: a start that fails half-way leaves
# the database as it was, with SQLite too, whose DDL is transactional.
context.configure(
    connection=connection, target_metadata=metadata, transactional_ddl=True
)
with context.begin_transaction():
    context.run_migrations()
