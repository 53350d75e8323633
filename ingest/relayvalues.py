"""How a relay is to be done, and how it does (values)."""

from __future__ import annotations

from dataclasses import dataclass, field

from ingest.relaypace import PREFILL_SAMPLES
from ingest.relayurl import Reach
from ingest.relaywatch import RelayState, WatchSettings


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """How a station is relayed."""

    reach: Reach = Reach.PUBLIC
    connect_timeout_s: float = 8.0
    read_timeout_s: float = 8.0
    first_retry_s: float = 0.5
    most_retry_s: float = 15.0
    prefill_samples: int = PREFILL_SAMPLES
    "Waited for before sound begins; grows where the network asks for it."
    give_up_after_samples: int | None = None
    "Down for so long without a fallback: `SourceFailed`. None: silent, until stopped."
    watch: WatchSettings = field(default_factory=WatchSettings)


@dataclass(frozen=True, slots=True)
class RelayStatus:
    """How a relay does, for pages and metrics."""

    url: str
    "As it may be shown: without credentials."
    state: RelayState
    is_connected: bool
    codec: str
    connections: int
    "That brought sound."
    failures: int
    last_failure: str
    "For the operator; empty when there was none."
    received_bytes: int
    held_samples: int
    waits: int
    concealed_samples: int
    "Silence, because nothing had come."
    fallback_samples: int
    "Heard of the fallback."
    drift_ppm: float
