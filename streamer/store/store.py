"""The store as the rest of the server sees it."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from streamer.store.asrun import AsRunLog
from streamer.store.broadcasts import Broadcasts
from streamer.store.database import Database
from streamer.store.enrolments import Enrolments
from streamer.store.files import Files
from streamer.store.headfile import HeadFile
from streamer.store.migrate import upgrade
from streamer.store.outcomes import Outcomes
from streamer.store.policies import Policies
from streamer.store.promises import Promises, StoredMessages
from streamer.store.receipts import Receipts
from streamer.store.silences import Silences
from streamer.store.speakers import Speakers
from streamer.store.timetable import Timetables
from streamer.store.tokens import Tokens
from streamer.store.zones import Zones


class Store:
    """All that outlives the process.

    ::

        async with Store(sqlite_url(path)) as store:
            tree = await store.zones.tree()

    Entering it brings the database to the present schema. Any method of its parts
    may raise `StoreUnavailableError`; what is on air does not depend on it.

    Args:
        url: ``sqlite:///path`` or ``postgresql://user:password@host/name``.
        patience_s: How long to wait for a connection and for another writer.
        head_path: File in which the end of the as-run log is noted: see `headfile`.
    """

    def __init__(
        self, url: str, *, patience_s: float = 5.0, head_path: Path | None = None
    ) -> None:
        self._database = Database(url, patience_s=patience_s)
        self.zones = Zones(self._database)
        self.speakers = Speakers(self._database)
        self.tokens = Tokens(self._database)
        self.files = Files(self._database)
        self.broadcasts = Broadcasts(self._database)
        head_file = HeadFile(head_path) if head_path else None
        self.asrun = AsRunLog(self._database, head_file)
        self.receipts = Receipts(self._database)
        self.enrolments = Enrolments(self._database)
        self.silences = Silences(self._database)
        self.policies = Policies(self._database)
        self.timetable = Timetables(self._database)
        self.outcomes = Outcomes(self._database)
        self.promises = Promises(self._database)
        self.messages = StoredMessages(self._database)

    async def __aenter__(self) -> Self:
        """Open the database and migrate it.

        Raises:
            StoreUnavailableError: It cannot be reached, or is no database.
        """
        await self._database.__aenter__()
        try:
            async with self._database.writing() as connection:
                await connection.run_sync(upgrade)
        except BaseException:
            await self._database.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._database.__aexit__()

    async def check(self) -> None:
        """Return when the database answers; raise `StoreUnavailableError` if not."""
        await self._database.check()
