"""The audio files that were uploaded; their bytes are not here."""

from __future__ import annotations

from streamer.store import schema
from streamer.store.collection import Collection
from streamer.store.database import Database
from streamer.store.records import AudioFile


class Files(Collection[AudioFile]):
    """The files; deleting one leaves its bytes to whoever wrote them."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, schema.files, AudioFile, "file")

    async def create(self, file: AudioFile) -> None:
        """Add a file.

        Raises:
            ConflictError: Its id is taken.
        """
        async with self._database.writing() as connection:
            await self._insert(connection, [file])
