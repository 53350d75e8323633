"""Keeps the certificate of WebRTC in a file, so that a restart does not change it.

Its key is in there, too: whoever has that can pose as this server.
"""

from __future__ import annotations

import datetime
import logging
from pathlib import Path

from streamer.app import secretfile
from streamer.fanout.webrtc.certificate import Certificate

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
        secretfile.write(path, certificate.serialize())
    return certificate


def _load(path: Path, now_utc: datetime.datetime) -> Certificate | None:
    pem = secretfile.read(path)
    if pem is None:
        return None
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
