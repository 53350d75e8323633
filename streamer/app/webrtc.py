"""The WebRTC port, its listeners, and what they have to do with the other parts."""

from __future__ import annotations

import asyncio
import datetime
import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial

from streamer.api.enrolment import SpeakerRegistry
from streamer.api.listening import is_still_allowed
from streamer.api.services import Services
from streamer.app.certificate import load_or_create
from streamer.bus.bus import Bus
from streamer.config import Config
from streamer.fanout.presence import Presence
from streamer.fanout.webrtc.dtls import DtlsContext
from streamer.fanout.webrtc.listeners import Limits, WebRtcListeners
from streamer.fanout.webrtc.meter import TRANSPORT, Meter
from streamer.fanout.webrtc.port import WebRtcServer, own_addresses
from streamer.metrics import Metrics

REVIEW_INTERVAL_S = 5
"Tokens expire by themselves."
RESERVED_PERCENT = 10
"Of the places, for tokens and speakers: the public cannot take them all."

logger = logging.getLogger(__name__)


async def open_port(
    stack: AsyncExitStack,
    config: Config,
    bus: Bus,
    speakers: SpeakerRegistry,
    *,
    presence: Presence,
    metrics: Metrics,
) -> tuple[WebRtcServer, WebRtcListeners]:
    """Enter the port in *stack*; what happens to speakers and on the bus reaches it."""
    now_utc = datetime.datetime.now(datetime.UTC)
    certificate = await asyncio.to_thread(
        load_or_create, config.certificate_path, now_utc=now_utc
    )
    meter = Meter(metrics)
    host = str(config.webrtc_host)
    given = [str(address) for address in config.public_addresses]
    port = WebRtcServer(
        DtlsContext(certificate),
        counters=meter,
        host=host,
        port=config.effective_webrtc_port,
        addresses=given or own_addresses(host),
        max_peers=config.max_webrtc_listeners,
        red_distances=config.red_distances,
    )
    public = config.max_webrtc_listeners * (100 - RESERVED_PERCENT) // 100
    listeners = WebRtcListeners(port, presence=presence, limits=Limits(max(1, public)))
    port.watch(meter)
    port.watch(listeners)
    port.fanout.watch_cut_ins(meter.cut_in)
    await stack.enter_async_context(port)
    metrics.watch_listeners(TRANSPORT, port.fanout.listeners)
    metrics.watch_datagrams(lambda: dict(port.endpoint.outcomes))
    bus.subscribe(port.fanout)
    bus.subscribe(listeners)
    speakers.tell(listeners)
    return port, listeners


async def keep_rights(stack: AsyncExitStack, services: Services) -> None:
    """End sessions when the right to them ends: at once, or when a token expires."""
    listeners = services.listeners
    if listeners is None:
        return
    allowed = partial(is_still_allowed, services=services)
    review = partial(listeners.review, allowed)
    services.tokens.watch(listeners.token_deleted)
    services.zones.watch(review)
    await stack.enter_async_context(_Every(REVIEW_INTERVAL_S, review))


class _Every:
    """Awaits *action* every *interval_s*, while it is entered."""

    def __init__(
        self, interval_s: float, action: Callable[[], Awaitable[None]]
    ) -> None:
        self._interval_s = interval_s
        self._action = action
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._run(), name="review of rights")

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s)
            try:
                await self._action()
            except Exception:
                logger.exception("the rights of listeners were not reviewed")
