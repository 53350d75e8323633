"""How a speaker is, small enough to be sent every ten seconds over a SIM card.

FORMAT.md, "From the listener": names are short because they are sent as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

MAX_HEALTH_BYTES = 300
"As sent: the text, and 8 bytes of a masked frame's header (RFC 6455, section 5.2)."
MAX_VERSION_BYTES = 16
MAX_OPERATOR_BYTES = 20


@dataclass(frozen=True, slots=True)
class Health:
    """A speaker's own state; ratios are those since the message before."""

    type: ClassVar[str] = "health"
    ver: str
    "Version of its program."
    up_s: int
    "Since its process began."
    buf_ms: int
    "What it holds of what is heard, beyond what left the device."
    lost: int
    "Packets lost, in a million."
    conc: int
    "Samples concealed, in a million."
    rtt_ms: int
    off_us: int
    "Clock: the server's minus its own."
    ppm: int
    "How much faster than the server's clock its sound card runs."
    dbfs: int
    "Level of what it plays; -127 for silence."
    sound: bool
    "Whether its sound card, or what stands for it, takes samples."
    load: int
    "Load of the last minute: 100 is one core busy."
    age_ms: int | None = None
    "Since the last packet of audio came; None: none ever did."
    cpu_c: int | None = None
    "Degrees Celsius of the hottest sensor."
    op: str | None = None
    "Mobile network that it is registered with."
    sig: int | None = None
    used_kib: int | None = None
    "Received and sent through the modem since it counts."
