"""The tokens, in memory: a request never waits for the database to be let in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from streamer.api.gate import unauthorized
from streamer.api.principals import Principal
from streamer.store.credentials import (
    CredentialError,
    CredentialKind,
    issue,
    parse,
    verify,
)
from streamer.store.errors import StoreError
from streamer.store.records import Role, Token
from streamer.store.tokens import Tokens

LOOKUPS_PER_SECOND = 10
"Unknown tokens that are looked for in the database; more are refused unasked."
_NOBODY = "0" * 64


class TokenRegistry:
    """Every token of the store, by id.

    `loacast token create` writes to the store while a server runs, so a token that
    is not in memory is looked for there.
    """

    def __init__(
        self, records: Tokens, *, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._records = records
        self._monotonic_s = monotonic_s
        self._tokens: dict[str, Token] = {}
        self._deleted: Callable[[str], None] = lambda _: None
        self._second = 0.0
        self._lookups = 0
        # A token must not come back from a read that began before it was deleted.
        self._changing = asyncio.Lock()

    async def load(self) -> None:
        """Read all tokens."""
        async with self._changing:
            self._tokens = {token.id: token for token in await self._records.all()}

    def watch(self, deleted: Callable[[str], None]) -> None:
        """Call *deleted* with the id of each token that is deleted."""
        self._deleted = deleted

    def holder(self, token_id: str, at_utc: datetime | None = None) -> Principal | None:
        """Return whose token it is, if it is valid, now or at a later instant."""
        token = self._tokens.get(token_id)
        if token is None or not token.valid_at(at_utc or datetime.now(UTC)):
            return None
        return Principal(token.id, token.name, token.role, token.zone_id)

    async def present_holder(
        self, token_id: str, at_utc: datetime | None = None
    ) -> Principal | None:
        """Return what `holder` does, also of a token that was made elsewhere.

        Not for ids that strangers send: each that is not known is looked for.
        """
        if token_id not in self._tokens:
            async with self._changing:
                with suppress(StoreError):  # not there, or not to be asked
                    self._tokens[token_id] = await self._records.get(token_id)
        return self.holder(token_id, at_utc)

    def all(self) -> list[Token]:
        """Return every token, the oldest first."""
        return sorted(self._tokens.values(), key=lambda each: each.created_utc)

    def name_of(self, token_id: str) -> str:
        """Return whose token it is; the id when it is gone."""
        token = self._tokens.get(token_id)
        return token.name if token else token_id

    async def create(
        self,
        *,
        name: str,
        role: str,
        zone_id: str | None = None,
        expires_utc: datetime | None = None,
    ) -> tuple[Token, str]:
        """Store a new token; return it and the text that its holder shows.

        Raises:
            NotFoundError: There is no such zone.
        """
        credential = issue(CredentialKind.TOKEN)
        token = Token(
            id=credential.id,
            name=name,
            role=Role(role),
            zone_id=zone_id,
            secret_hash=credential.secret_hash,
            created_utc=datetime.now(UTC),
            expires_utc=expires_utc,
        )
        async with self._changing:
            await self._records.create(token)
            self._tokens[token.id] = token
        return token, str(credential)

    async def delete(self, token_id: str) -> None:
        """Delete a token; it is refused from now on.

        Raises:
            NotFoundError: There is none with this id.
        """
        async with self._changing:
            await self._records.delete(token_id)
            self._tokens.pop(token_id, None)
        self._deleted(token_id)

    async def authenticate(self, text: str) -> Principal:
        """Return who holds the token; see `Authenticator`."""
        try:
            credential = parse(text)
        except CredentialError:
            raise unauthorized("invalid-token", "This is no token.") from None
        if credential.kind is not CredentialKind.TOKEN:
            raise unauthorized("invalid-token", "This is a speaker's credential.")
        token = await self._find(credential.id)
        # Compared even when there is none, so that time does not tell which it was.
        matches = verify(credential.secret, token.secret_hash if token else _NOBODY)
        if token is None or not matches:
            raise unauthorized("invalid-token", "Nobody has this token.")
        if not token.valid_at(datetime.now(UTC)):
            raise unauthorized("expired-token", "This token has expired.")
        return Principal(token.id, token.name, token.role, token.zone_id)

    async def _find(self, token_id: str) -> Token | None:
        if token_id not in self._tokens and self._may_look_up():
            async with self._changing:
                try:
                    self._tokens[token_id] = await self._records.get(token_id)
                except StoreError:  # not there, or not to be asked
                    return None
        return self._tokens.get(token_id)

    def _may_look_up(self) -> bool:
        now_s = self._monotonic_s()
        if now_s - self._second >= 1:
            self._second, self._lookups = now_s, 0
        self._lookups += 1
        return self._lookups <= LOOKUPS_PER_SECOND
