"""Ingest as studio and API want it: sources, looks into files, microphones."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

from ingest.file import (
    AudioFileError,
    FileSource,
    FileTooLongError,
    probe,
)
from ingest.microphone import MicrophoneSource
from ingest.tone import ToneSource
from ingest.whip import (
    BadOfferError,
    TooManySessionsError,
    UnacceptableOfferError,
    UnknownSessionError,
    WhipServer,
)
from streamer.api import requests
from streamer.api.microphones import MicrophoneRefusedError, OpenedSession
from streamer.media.source import Source
from streamer.studio.errors import FileRefusedError, SourceRefusedError
from streamer.studio.files import AudioFacts, FileLibrary


class Prober:
    """Looks into uploaded files; see `streamer.studio.files.Probe`."""

    def __init__(self, max_duration_s: int) -> None:
        self._max_duration_s = max_duration_s

    def __call__(self, path: Path) -> AudioFacts:
        """Return the facts; reads the file through."""
        try:
            info = probe(path, self._max_duration_s)
        except FileTooLongError as error:
            raise FileRefusedError("file-too-long", _sentence(error)) from error
        except AudioFileError as error:
            raise FileRefusedError("unsupported-audio", _sentence(error)) from error
        return AudioFacts(
            info.duration_s, info.codec, info.sample_rate_hz, info.channels
        )


class Opener:
    """Opens what the API's clients ask for; see `SourceOpener`."""

    def __init__(self, files: FileLibrary, whip: WhipServer) -> None:
        self._files = files
        self._whip = whip

    async def open(self, wanted: Any) -> Source:
        """Return the source, ready to be read."""
        match wanted:
            case requests.FileSource():
                return await self._open_file(wanted.file_id)
            case requests.ToneSource():
                return ToneSource(wanted.pattern, wanted.duration_s)
            case requests.MicrophoneSource():
                return self._open_microphone(wanted.session_id)
        raise SourceRefusedError("unknown-source", "Nothing opens such a source.")

    def _open_microphone(self, session_id: str) -> Source:
        try:
            return MicrophoneSource(self._whip.session(session_id))
        except UnknownSessionError as error:
            raise SourceRefusedError(
                "unknown-session", "This microphone is not connected."
            ) from error

    async def _open_file(self, file_id: str) -> Source:
        path = self._files.path(file_id)
        if path is None:
            raise SourceRefusedError("unknown-file", f"There is no file {file_id!r}.")
        opening = asyncio.ensure_future(asyncio.to_thread(FileSource.open, path))
        try:
            return await asyncio.shield(opening)
        except AudioFileError as error:
            raise SourceRefusedError("unsupported-audio", _sentence(error)) from error
        except asyncio.CancelledError:
            # The thread goes on; what it opens is nobody's.
            opening.add_done_callback(_close_unwanted)
            raise


class WhipMicrophones:
    """Microphones for the API; see `streamer.api.microphones.Microphones`."""

    def __init__(self, whip: WhipServer) -> None:
        self._whip = whip
        self._owners: dict[str, str] = {}

    async def open(self, offer_sdp: str, *, owner_id: str) -> OpenedSession:
        """Answer an offer."""
        try:
            session = await self._whip.accept(offer_sdp)
        except BadOfferError as error:
            raise MicrophoneRefusedError(400, "bad-sdp", _sentence(error)) from error
        except UnacceptableOfferError as error:
            raise MicrophoneRefusedError(
                422, "unacceptable-sdp", _sentence(error)
            ) from error
        except TooManySessionsError as error:
            raise MicrophoneRefusedError(
                503, "too-many-microphones", _sentence(error)
            ) from error
        # Sessions end by themselves: forget the owners of those that did.
        alive = {each.id for each in self._whip.sessions}
        self._owners = {k: v for k, v in self._owners.items() if k in alive}
        self._owners[session.id] = owner_id
        return OpenedSession(session.id, session.answer_sdp, session.etag)

    async def close(self, session_id: str) -> None:
        """End a session; one that is over is no error."""
        with contextlib.suppress(UnknownSessionError):
            await self._whip.delete(session_id)

    def owner_of(self, session_id: str) -> str | None:
        """Return the token that opened a session, or None when it is over."""
        try:
            self._whip.session(session_id)
        except UnknownSessionError:
            return None
        return self._owners.get(session_id)


def _close_unwanted(opening: asyncio.Future[FileSource]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


def _sentence(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text[:1].upper() + text[1:].rstrip(".") + "."
