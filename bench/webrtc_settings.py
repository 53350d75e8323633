"""What a generator of WebRTC listeners loads, as its parent writes it down."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Self


@dataclass(frozen=True, slots=True)
class Settings:
    """One server and the listeners it shall have."""

    address: str
    "Of the WHEP server, as a URL; for Janus the path of its Unix socket."
    listeners: int
    signalling: Literal["whep", "plain", "janus"] = "whep"
    "Plain is WHEP without WebRTC: bare RTP."
    host: str = "127.0.0.1"
    "What listeners bind to."
    token: str = ""
    zones: Sequence[str] = ("all",)
    "Listener k hears zone k, all in turn."
    known_loop: bool = False
    "Whether it sends `bench.peers.material` in a loop; else our media clock's."
    profile: str = "AEAD_AES_128_GCM"
    "The only one of SRTP that is offered: a `Profile` by name."
    eager: int = 400
    "How many listeners are read at once and timed."

    @classmethod
    def read(cls, file: Path) -> Self:
        """Return what :meth:`write` wrote."""
        return cls(**json.loads(file.read_text()))

    def write(self, file: Path) -> None:
        """Write to *file*, which a generator will read; it holds the token."""
        file.touch(mode=0o600)
        file.write_text(json.dumps(asdict(self)))
