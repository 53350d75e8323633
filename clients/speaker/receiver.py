"""The seam between the link and what plays."""

from __future__ import annotations

from typing import Protocol

from streamer.wire.control import (
    Idle,
    ManifestChanged,
    Ordered,
    Programme,
    Receipt,
    Report,
    Settings,
    Welcome,
)
from streamer.wire.health import Health
from streamer.wire.rtp import RtpPacket


class Receiver(Protocol):
    """Takes what the link brings; called on the event loop."""

    def on_welcome(self, welcome: Welcome) -> None:
        """The server knows us; also when it moved us."""
        ...

    def on_settings(self, settings: Settings) -> None:
        """Sound as told."""
        ...

    def on_programme(self, programme: Programme) -> None:
        """Hear a programme from its instant on."""
        ...

    def on_idle(self, message: Idle) -> None:
        """Hear nothing from its instant on."""
        ...

    def on_manifest_changed(self, message: ManifestChanged) -> None:
        """There is another manifest."""
        ...

    def on_order(self, message: Ordered) -> None:
        """A stored message is to be played."""
        ...

    def on_packet(self, rtp: RtpPacket) -> None:
        """Keep a packet until its time."""
        ...

    def on_link_lost(self) -> None:
        """Nothing will come until the link is back."""
        ...

    def on_link_changed(self) -> None:
        """Another connection took over: the server may lack what was sent last."""
        ...

    @property
    def expects_packets(self) -> bool:
        """Whether a programme is on air."""
        ...

    def on_pong(self, sent_us: int) -> None:
        """The server has what was sent before its ping, which was sent then (ours)."""
        ...

    def report(self) -> Report:
        """Say what was received and played; asked every 10 s."""
        ...

    def health(self) -> Health:
        """Say how the box is; asked after each report."""
        ...

    def next_receipt(self, now_us: int) -> Receipt | None:
        """Account for a broadcast, in a message that is sent at *now_us* (ours)."""
        ...
