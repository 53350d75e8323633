"""Tests of streamer.api.census: fresh when somebody came, cheap when nobody did."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from streamer.api.census import KEPT_S, Census
from streamer.app.server import LoacastServer
from streamer.fanout.hub import Hub
from streamer.fanout.listener import FakeListener, ListenerIdentity

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_counts_are_made_when_they_may_have_changed(
    server: LoacastServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[Mapping[str, int]] = []
    count = Hub.listeners_by_zone

    def listeners_by_zone(hub: Hub) -> Mapping[str, int]:
        counted.append(count(hub))
        return counted[-1]

    monkeypatch.setattr(Hub, "listeners_by_zone", listeners_by_zone)
    now_s = 0.0
    studio, hub = server.services.studio, server.hub
    census = Census(hub, studio, monotonic_s=lambda: now_s)
    assert census.take() is census.take()
    assert len(counted) == 1
    listener = FakeListener(ListenerIdentity("s", "a", 100, 400))
    hub.add(listener)
    assert census.take().in_zone("a") == 1
    assert census.listeners_by_zone() == {"a": 1}
    hub.remove(listener)
    assert census.take().in_zone("a") == 0
    now_s = KEPT_S
    census.take()
    assert len(counted) == 4


async def test_another_tree_is_counted_anew(server: LoacastServer) -> None:
    studio = server.services.studio
    census = Census(server.hub, studio, monotonic_s=lambda: 0.0)
    former = census.take()
    studio.replace_tree(type(studio.tree)(list(studio.tree)))
    assert census.take() is not former
    assert census.take().tree is studio.tree
