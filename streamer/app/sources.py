"""Ingest as studio and API want it: looks into files, microphones."""

from __future__ import annotations

import contextlib
from pathlib import Path

from ingest.file import AudioFileError, FileTooLongError, probe
from ingest.whip import (
    BadOfferError,
    TooManySessionsError,
    UnacceptableOfferError,
    UnknownSessionError,
    WhipServer,
)
from streamer.api.microphones import MicrophoneRefusedError, OpenedSession
from streamer.studio.errors import FileRefusedError
from streamer.studio.files import AudioFacts


class Prober:
    """Looks into uploaded files; see `streamer.studio.files.Probe`."""

    def __init__(self, max_duration_s: int) -> None:
        self._max_duration_s = max_duration_s

    def __call__(self, path: Path) -> AudioFacts:
        """Return the facts; reads the file through."""
        try:
            info = probe(path, self._max_duration_s)
        except FileTooLongError as error:
            raise FileRefusedError("file-too-long", sentence(error)) from error
        except AudioFileError as error:
            raise FileRefusedError("unsupported-audio", sentence(error)) from error
        return AudioFacts(
            info.duration_s, info.codec, info.sample_rate_hz, info.channels
        )


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
            raise MicrophoneRefusedError(400, "bad-sdp", sentence(error)) from error
        except UnacceptableOfferError as error:
            raise MicrophoneRefusedError(
                422, "unacceptable-sdp", sentence(error)
            ) from error
        except TooManySessionsError as error:
            raise MicrophoneRefusedError(
                503, "too-many-microphones", sentence(error)
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


def sentence(error: Exception) -> str:
    """Return what went wrong, as a sentence for a person."""
    text = str(error) or type(error).__name__
    return text[:1].upper() + text[1:].rstrip(".") + "."
