"""Why something cannot be broadcast; the messages are for the operator."""

from __future__ import annotations

from streamer.media.source import SourceFailed


class AudioFileError(SourceFailed):
    """The file cannot be broadcast; the message says why, for the operator."""


class UnsupportedAudioError(AudioFileError):
    """It holds no audio that can be decoded."""


class FileTooLongError(AudioFileError):
    """It lasts longer than allowed."""
