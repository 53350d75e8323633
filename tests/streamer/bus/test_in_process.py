"""Tests of streamer.bus.in_process."""

from __future__ import annotations

from streamer.bus.bus import AirChange, Bus, OnAir, Subscriber, Switch
from streamer.bus.in_process import InProcessBus
from streamer.media.frame import ProgrammePacket
from streamer.wire.control import ProgrammeClass

ON_AIR = OnAir(1, "b", ProgrammeClass.NORMAL, "", 0, 0)
CHANGES = [
    AirChange((ON_AIR,), (Switch(("a",), 1, 0),)),
    AirChange(switches=(Switch(("a",), None, 40),), ended=(1,)),
]
PACKETS = [ProgrammePacket(1, k, b"rtp", k * 20, k * 20) for k in range(2)]


class Notebook:
    """A subscriber that writes down what it is told."""

    def __init__(self) -> None:
        self.heard: list[AirChange | ProgrammePacket] = []

    def on_packet(self, packet: ProgrammePacket) -> None:
        self.heard.append(packet)

    def on_air_change(self, change: AirChange) -> None:
        self.heard.append(change)


def test_every_subscriber_hears_everything_in_the_order_of_publication() -> None:
    bus: Bus = InProcessBus()
    books = [Notebook(), Notebook()]
    for book in books:
        subscriber: Subscriber = book
        bus.subscribe(subscriber)
    bus.publish_air_change(CHANGES[0])
    for packet in PACKETS:
        bus.publish_packet(packet)
    bus.publish_air_change(CHANGES[1])
    for book in books:
        assert book.heard == [CHANGES[0], *PACKETS, CHANGES[1]]


def test_packets_are_handed_on_uncopied() -> None:
    bus, book = InProcessBus(), Notebook()
    bus.subscribe(book)
    bus.publish_packet(PACKETS[0])
    assert book.heard[0] is PACKETS[0]
