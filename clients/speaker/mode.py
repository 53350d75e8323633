"""What a speaker plays for: neighbours that sound together, or an ear in a hurry."""

from __future__ import annotations

from enum import StrEnum

from streamer.media.frame import SAMPLE_RATE_HZ


class Mode(StrEnum):
    """When a sample is heard."""

    SYNCED = "synced"
    "At capture + D on the server's clock, together with every neighbour."

    LOW_LATENCY = "low-latency"
    "As soon as the network's jitter allows: a monitor, alone in its room."

    @property
    def ptime_ms(self) -> int:
        """Audio per WebSocket message to ask for.

        A bundle of three costs a third of the messages and half the SIM card's bytes
        (research/speaker.md, section 3); whoever waits for D anyway does not hear it.
        """
        return 60 if self is Mode.SYNCED else 20

    @property
    def block_samples(self) -> int:
        """How much a device asks for at a time.

        Caches are cold when a thread wakes: 40 ms at a time cost two thirds of 20.
        """
        return (40 if self is Mode.SYNCED else 20) * SAMPLE_RATE_HZ // 1000
