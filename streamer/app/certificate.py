"""Keeps the certificate of WebRTC in a file, so that a restart does not change it."""

from __future__ import annotations

import datetime
import logging
import os
from pathlib import Path

from streamer.fanout.webrtc.certificate import Certificate

MODE = 0o600
"It holds the key: whoever has that can pose as this server."
RENEWED_BEFORE = datetime.timedelta(days=90)

logger = logging.getLogger(__name__)


def load_or_create(path: Path, *, now_utc: datetime.datetime) -> Certificate:
    """Return the certificate in *path*; where there is no usable one, a new one.

    Raises:
        OSError: It can be neither read nor written.
    """
    certificate = _load(path, now_utc)
    if certificate is None:
        certificate = Certificate.generate(now_utc=now_utc)
        _write(path, certificate.serialize())
    return certificate


def _load(path: Path, now_utc: datetime.datetime) -> Certificate | None:
    try:
        pem = path.read_bytes()
    except FileNotFoundError:
        return None
    path.chmod(MODE)
    try:
        certificate = Certificate.parse(pem)
    except ValueError as error:
        logger.error(
            "the WebRTC certificate in %s is damaged (%s): making a new one;"
            " who listens now has to ask again",
            path,
            error,
        )
        return None
    if certificate.x509.not_valid_after_utc - now_utc < RENEWED_BEFORE:
        logger.warning("the WebRTC certificate in %s expires: making a new one", path)
        return None
    return certificate


def _write(path: Path, pem: bytes) -> None:
    """Replace the file as a whole: after a power cut it is the old or the new one."""
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
