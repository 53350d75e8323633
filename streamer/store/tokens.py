"""The tokens of people and systems."""

from __future__ import annotations

from streamer.store import schema
from streamer.store.collection import Collection, require_zones
from streamer.store.database import Database
from streamer.store.records import Token


class Tokens(Collection[Token]):
    """The tokens, expired ones too."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, schema.tokens, Token, "token")

    async def create(self, token: Token) -> None:
        """Add a token.

        Raises:
            ConflictError: Its id is taken.
            NotFoundError: The zone it is bound to is not there.
        """
        async with self._database.writing() as connection:
            await require_zones(connection, (token.zone_id,))
            await self._insert(connection, [token])
