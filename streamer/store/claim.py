"""The database for one server at a time.

Two servers on one database would hurt each other: the second takes what the first has
on the air for interrupted, and airs what that one owes. So a server claims its
database before it reads it. PostgreSQL is claimed by an advisory lock of a session
(its documentation, section 13.3.5), which ends with the connection; a SQLite file by a
lock on a file beside it. Commands that look, or add a token, claim nothing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from enum import StrEnum
from pathlib import Path
from typing import Self

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from streamer.store.database import Translated, full_url
from streamer.store.errors import DatabaseInUseError, StoreError
from streamer.store.filelock import FileLock

LOCK_NUMBER = 0x10AC_A58
"Another than that of the migrations, which commands take as well."
LOOK_S = 1.0
"Between two looks whether the connection is still there, or can be made again."
RETRY_S = 0.2

_KEPT_ALIVE = {
    # When this machine loses its power PostgreSQL must notice: Linux keeps a silent
    # connection, and so the lock, for more than two hours.
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "10000",
}

logger = logging.getLogger(__name__)


class ClaimState(StrEnum):
    """Whether the database is ours."""

    HELD = "held"
    LOST = "lost"
    "It cannot be reached, and anybody may claim it."
    TAKEN = "taken"
    "It was lost, and another server has claimed it."


class DatabaseClaim:
    """Claims a database while it is entered.

    What was lost is claimed again as soon as it can be. Until then it is told, and
    nothing else happens: what is on air stays on air.

    Args:
        url: As of `Database`.
        patience_s: How long to wait on entry for one who is just ending, and for each
            answer.
        on_change: Told each new state, also the first; must not wait.
        look_s: Between two looks whether it is still ours.
    """

    def __init__(
        self,
        url: str,
        *,
        patience_s: float = 5.0,
        on_change: Callable[[ClaimState], object] = lambda _: None,
        look_s: float = LOOK_S,
    ) -> None:
        self._url = full_url(url)
        self._patience_s = patience_s
        self._on_change = on_change
        self._look_s = look_s
        self._state: ClaimState | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Claim it.

        Raises:
            DatabaseInUseError: Another server has it.
            StoreUnavailableError: It cannot be reached.
        """
        async with AsyncExitStack() as stack:
            match self._url.get_backend_name():
                case "sqlite":
                    self._claim_file(stack)
                case "postgresql":
                    await self._claim_server(stack)
            self._set(ClaimState.HELD)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def _claim_file(self, stack: AsyncExitStack) -> None:
        path = self._url.database
        if path in (None, "", ":memory:"):
            return  # in memory it is nobody else's
        # Whatever name it goes by; not the file itself, whose locks are SQLite's.
        real = Path(path).resolve()
        lock = FileLock(real.with_name(f"{real.name}.lock"))
        with Translated():
            try:
                stack.enter_context(lock)
            except BlockingIOError:
                raise self._in_use() from None

    async def _claim_server(self, stack: AsyncExitStack) -> None:
        session = _Session(self._url, self._patience_s)
        stack.push_async_callback(session.close)
        # One that was killed a moment ago may not have been missed there yet.
        until_s = time.monotonic() + self._patience_s
        while not await session.claim():
            if time.monotonic() > until_s:
                raise self._in_use()
            await asyncio.sleep(RETRY_S)
        looking = asyncio.create_task(self._look(session), name="database claim")
        stack.push_async_callback(_end, looking)

    def _in_use(self) -> DatabaseInUseError:
        return DatabaseInUseError(
            f"another server uses the database {self._url.database!r}: end that server"
            " first, or give this one a database of its own (database_url)"
        )

    async def _look(self, session: _Session) -> None:
        while True:
            await asyncio.sleep(self._look_s)
            try:
                self._set(await self._state_now(session))
            except Exception as error:
                if not isinstance(error, StoreError):
                    logger.exception("the claim on the database cannot be looked at")
                self._set(ClaimState.LOST, str(error))

    async def _state_now(self, session: _Session) -> ClaimState:
        """Return whether it is ours, and claim it if it is not.

        Raises:
            StoreUnavailableError: It cannot be reached.
        """
        if self._state is ClaimState.HELD:
            try:
                await session.check()
            except StoreError as error:
                self._set(ClaimState.LOST, str(error))
        if self._state is ClaimState.HELD or await session.claim():
            return ClaimState.HELD
        return ClaimState.TAKEN

    def _set(self, state: ClaimState, why: str = "") -> None:
        was, self._state = self._state, state
        if state is was:
            return
        match state:
            case ClaimState.LOST:
                logger.error("THE CLAIM ON THE DATABASE IS LOST: %s", why)
            case ClaimState.TAKEN:
                logger.error(
                    "ANOTHER SERVER HAS CLAIMED THE DATABASE: end one of the two. It"
                    " may also be our own lost connection, for some seconds"
                )
            case ClaimState.HELD if was is not None:
                logger.warning("the database is claimed again")
        self._on_change(state)


class _Session:
    """The connection whose lock is the claim."""

    def __init__(self, url: sa.URL, patience_s: float) -> None:
        self._patience_s = patience_s
        # Without a transaction: one that lasts would keep dead rows from being freed.
        self._engine = create_async_engine(
            url,
            connect_args={"timeout": patience_s, "server_settings": _KEPT_ALIVE},
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            hide_parameters=True,
        )
        self._connection: AsyncConnection | None = None

    async def claim(self) -> bool:
        """Return whether the claim could be made; a failed one leaves none behind.

        Raises:
            StoreUnavailableError: The database cannot be reached.
        """
        return bool(await self._ask(sa.func.pg_try_advisory_lock(LOCK_NUMBER)))

    async def check(self) -> None:
        """Return if the connection, and so the claim, is still there.

        Raises:
            StoreUnavailableError: It is not.
        """
        await self._ask(sa.literal(1))

    async def close(self) -> None:
        """Give the claim up; waits two seconds at most."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(StoreError), Translated():
                await connection.invalidate()
                await connection.close()

    async def _ask(self, what: sa.ColumnElement[object]) -> object:
        try:
            # The driver waits without end for one who says nothing.
            with Translated():
                async with asyncio.timeout(2 * self._patience_s):
                    if self._connection is None:
                        self._connection = await self._engine.connect()
                    return await self._connection.scalar(sa.select(what))
        except BaseException:
            await self.close()
            raise


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
