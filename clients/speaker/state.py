"""One small JSON document that survives power cuts (blocks: call it off the loop)."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clients.speaker import durable

_log = logging.getLogger(__name__)


class StateFile:
    """Reads and replaces one document.

    Args:
        path: Of the file; its directory is made when it is first written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> dict[str, Any]:
        """Return what was saved last; empty, and said so, if it cannot be read."""
        try:
            content = durable.read(self._path)
            document = {} if content is None else json.loads(content)
        except (OSError, ValueError, RecursionError) as error:
            _log.warning("%s is unreadable, beginning anew: %s", self._path, error)
            return {}
        if content is None and self._path.exists():
            _log.warning("%s is damaged, beginning anew", self._path)
        return document if isinstance(document, dict) else {}

    def save(self, document: Mapping[str, Any]) -> None:
        """Replace the document; when this returns it outlives a power cut.

        Raises:
            OSError: The disk is full or read-only; the former document is untouched.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        durable.write(self._path, json.dumps(document, ensure_ascii=False).encode())
