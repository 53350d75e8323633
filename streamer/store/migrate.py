"""Bring a database to the present schema; part of every start."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

_MIGRATIONS = Path(__file__).with_name("migrations")
_LOCK_NUMBER = 0x10AC_A57


def upgrade(connection: sa.Connection) -> None:
    """Apply the migrations that *connection*'s database has not seen.

    Call it within a transaction that may write; several servers may do so at once.
    """
    if connection.dialect.name == "postgresql":
        # SQLite's writing transaction is such a lock by itself.
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK_NUMBER)))
    command.upgrade(configured(connection), "head")


def configured(connection: sa.Connection) -> Config:
    """Return what Alembic's commands need to work on *connection*."""
    config = Config()
    # Alembic's options are interpolated: a percent sign in a path must be doubled.
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
