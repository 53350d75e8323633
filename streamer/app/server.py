"""Every part of the server, built and nested.

What is entered later ends earlier: requests first, then the broadcasts, then the
listeners are told to come back, then the log is written, then the store closes.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

from prometheus_client import CollectorRegistry

import streamer
from ingest.relayurl import Reach
from ingest.whip import WhipServer
from streamer.api import server as api
from streamer.api.census import Census
from streamer.api.enrolment import SpeakerRegistry
from streamer.api.publiczones import PublicZones
from streamer.api.services import Services
from streamer.api.tokens import TokenRegistry
from streamer.api.zonekeeper import ZoneKeeper
from streamer.app.directory import DataDirectory
from streamer.app.foresight import KnownRules
from streamer.app.holding import Parts, hold
from streamer.app.http import HttpServer, listening_socket
from streamer.app.lastseen import LastSeen
from streamer.app.logbook import head_path
from streamer.app.opener import Opener
from streamer.app.replays import take_up_replays
from streamer.app.schedule import keep_schedule
from streamer.app.signingkey import SigningKey, load_or_create
from streamer.app.sources import Prober, WhipMicrophones
from streamer.app.webrtc import keep_rights, open_port
from streamer.bus.in_process import InProcessBus
from streamer.config import Config
from streamer.fanout.announce import Host
from streamer.fanout.endings import return_spread_ms
from streamer.fanout.hub import Hub
from streamer.fanout.presence import Presence
from streamer.fanout.uring import SendRing
from streamer.fanout.webrtc.port import WebRtcServer
from streamer.fanout.websocket import Endpoint, WebSocketServer
from streamer.metrics import LoopLateness, Metrics
from streamer.programme.programme import ProgrammeSettings
from streamer.store.claim import DatabaseClaim
from streamer.store.columns import us_of_utc
from streamer.store.database import sqlite_url
from streamer.store.records import Role
from streamer.store.store import Store
from streamer.studio.admission import Admission
from streamer.studio.adoption import Adopting
from streamer.studio.files import FileLibrary, FileLimits
from streamer.studio.journal import StoreJournal, utc_of
from streamer.studio.policies import PolicyKeeper
from streamer.studio.production import Production
from streamer.studio.receiptwriter import ReceiptWriter
from streamer.studio.studio import Studio

ADMIN_NAME = "admin"
READ_PATIENCE_S = 5.0
"Where a file is read as fast as the disk gives it, and nobody listens."
PAGES_DIRECTORY = Path(streamer.__file__).parents[1] / "clients" / "web"

logger = logging.getLogger(__name__)


class LoacastServer:
    """A whole server while it is entered; several fit into one process."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._stack = AsyncExitStack()
        self.bus = InProcessBus()
        self.hub: Hub
        self._key: SigningKey
        self.services: Services
        self.admin_token: str | None = None
        "Set when this was the first start; shown once, stored nowhere."
        self.api_port = 0
        "The bound port, once entered."
        self.stream_port = 0
        "The bound port, once entered."
        self.webrtc: WebRtcServer | None = None
        "Unless it is switched off."

    async def __aenter__(self) -> Self:
        """Start everything.

        Raises:
            DirectoryInUseError: Another server has the data directory.
            DatabaseInUseError: Another server has the database.
            OSError: A port is taken, or the disk cannot be used.
            StoreUnavailableError: The database cannot be reached.
        """
        async with AsyncExitStack() as stack:
            await self._enter(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()
        logger.info("ended")

    @property
    def api_url(self) -> str:
        """Where the API and the pages are, as seen from this machine."""
        return f"http://{_reachable(self.config.host)}:{self.api_port}"

    @property
    def stream_url(self) -> str:
        """Where speakers connect, as seen from this machine."""
        return f"ws://{_reachable(self.config.host)}:{self.stream_port}/v1/listen"

    @property
    def webrtc_url(self) -> str | None:
        """Where WebRTC media come from, as seen from this machine."""
        if self.webrtc is None:
            return None
        return f"udp://{_reachable(str(self.config.webrtc_host))}:{self.webrtc.port}"

    async def _enter(self, stack: AsyncExitStack) -> None:
        config = self.config
        stack.enter_context(DataDirectory(config.data_directory))
        sock = stack.enter_context(listening_socket(config.host, config.api_port))
        self.api_port = sock.getsockname()[1]
        self._key = await asyncio.to_thread(load_or_create, config.signing_key_path)
        metrics = Metrics(CollectorRegistry())
        url = database_url(config)
        claim = DatabaseClaim(url, on_change=metrics.database_claim.state)
        await stack.enter_async_context(claim)
        store = Store(url, head_path=head_path(config))
        await stack.enter_async_context(store)
        self.services = await self._build(stack, store, metrics)
        await stack.enter_async_context(LastSeen(self.services.speakers))
        await keep_rights(stack, self.services)
        app = api.build(self.services, pages_directory=PAGES_DIRECTORY)
        await stack.enter_async_context(HttpServer(app, sock))

    async def _build(
        self, stack: AsyncExitStack, store: Store, metrics: Metrics
    ) -> Services:
        """Return the services, entered in *stack* from the air upwards."""
        config = self.config
        recordings = config.effective_recordings_directory
        await asyncio.to_thread(recordings.mkdir, parents=True, exist_ok=True)
        await stack.enter_async_context(LoopLateness(metrics.loop_lateness.observe))
        tree = await store.zones.tree()
        tokens = await self._tokens(store)
        hub = self.hub = self._fan_out(stack, metrics, lambda: len(speakers.all()))
        speakers = SpeakerRegistry(store.speakers, hub, tree)
        await speakers.load()
        journal = StoreJournal(
            store,
            recordings_directory=recordings if config.record else None,
            heartbeat_s=config.heartbeat_s,
        )
        alive_utc = await store.broadcasts.last_beat()
        await stack.enter_async_context(journal)
        adopting = Adopting(store, lambda: studio.tree, journal.note)
        receipts = ReceiptWriter(adopting.put, utc_of=utc_of)
        await stack.enter_async_context(receipts)
        presence = await self._open_stream_port(stack, hub, speakers, metrics, receipts)
        listeners = None
        if config.webrtc:
            self.webrtc, listeners = await open_port(
                stack, config, self.bus, speakers, presence=presence, metrics=metrics
            )
        files = await stack.enter_async_context(self._files(store))
        whip = await stack.enter_async_context(WhipServer())
        policies = PolicyKeeper(store.policies, lambda: studio.tree)
        await policies.load()
        studio = Studio(
            bus=self.bus,
            opener=Opener(files, recordings, whip, reach=Reach(config.relay_reach)),
            journal=journal,
            tree=tree,
            production=self._production(metrics),
            admission=Admission(config.max_programmes, policies),
            silences=await store.silences.all(),
        )
        await stack.enter_async_context(studio)
        await take_up_replays(stack, store.asrun, studio, journal, alive_utc=alive_utc)
        planning = await keep_schedule(stack, store, studio, journal, tokens)
        return Services(
            name=config.name,
            stream_port=self.stream_port,
            recordings_directory=recordings,
            store=store,
            studio=studio,
            journal=journal,
            census=_counted(Census(hub, studio, webrtc=listeners), metrics),
            tokens=tokens,
            speakers=speakers,
            zones=ZoneKeeper(store.zones, studio, speakers),
            files=files,
            microphones=WhipMicrophones(whip),
            metrics=metrics,
            public_zones=PublicZones(studio),
            listeners=listeners,
            webrtc_port=self.webrtc.port if self.webrtc else None,
            planning=planning,
            policies=policies,
            holding=await hold(
                stack,
                Parts(
                    config=config,
                    store=store,
                    hub=hub,
                    studio=studio,
                    planning=planning,
                    opener=Opener(files, recordings, whip, patience_s=READ_PATIENCE_S),
                    key=self._key,
                    settings=self._settings(),
                    rules=KnownRules(lambda: studio.tree, tokens, policies),
                ),
            ),
        )

    async def _tokens(self, store: Store) -> TokenRegistry:
        """Return the tokens; without any admin nobody could make one, so make one."""
        tokens = TokenRegistry(store.tokens)
        await tokens.load()
        if not any(token.role is Role.ADMIN for token in tokens.all()):
            _, self.admin_token = await tokens.create(name=ADMIN_NAME, role=Role.ADMIN)
        return tokens

    def _fan_out(
        self, stack: AsyncExitStack, metrics: Metrics, enrolled: Callable[[], int]
    ) -> Hub:
        loop = asyncio.get_running_loop()
        ring = open_ring() if self.config.io_uring else None
        if ring is not None:
            stack.callback(ring.close)
        hub = Hub(
            clock_ns=time.monotonic_ns,
            defer=loop.call_soon,
            metrics=metrics,
            host=Host(
                whep_port=self.api_port if self.config.webrtc else None,
                api_port=self.api_port,
                clock_utc_us=lambda: us_of_utc(utc_of(0)),
                signing_key=self._key.public,
                # Not of those who are here: the first to return meet an empty hub.
                return_spread_ms=lambda: return_spread_ms(enrolled()),
            ),
            ring=ring,
        )
        self.bus.subscribe(hub)
        return hub

    async def _open_stream_port(
        self,
        stack: AsyncExitStack,
        hub: Hub,
        speakers: SpeakerRegistry,
        metrics: Metrics,
        receipts: ReceiptWriter,
    ) -> Presence:
        port = self.config.effective_stream_port
        server = WebSocketServer(
            hub,
            speakers,
            Endpoint(self.config.host, port),
            metrics=metrics,
            on_receipt=lambda who, receipt: receipts.take(
                who.speaker_id, who.zone_id, receipt
            ),
        )
        speakers.watch(server.presence)
        await stack.enter_async_context(server)
        self.stream_port = server.port
        return server.presence

    def _files(self, store: Store) -> FileLibrary:
        config = self.config
        return FileLibrary(
            config.files_directory,
            store.files,
            probe=Prober(config.max_file_duration_s),
            limits=FileLimits(config.max_file_bytes, config.max_files),
        )

    def _settings(self) -> ProgrammeSettings:
        config = self.config
        return ProgrammeSettings(
            bitrate_bps=config.bitrate_bps,
            complexity=config.complexity,
            in_band_fec=config.in_band_fec,
            expected_loss_percent=config.expected_loss_percent,
        )

    def _production(self, metrics: Metrics) -> Production:
        config = self.config
        directory = config.effective_recordings_directory if config.record else None
        return Production(self._settings(), directory, metrics)


def _counted(census: Census, metrics: Metrics) -> Census:
    """Let *metrics* show *census*; return it."""
    metrics.watch_listeners("websocket", census.listeners_by_zone)
    metrics.watch_programmes(census.programmes_by_class)
    return census


def open_ring() -> SendRing | None:
    """Return a ring to send with, or None where this machine has no io_uring."""
    try:
        return SendRing.open()
    except OSError as error:
        logger.info("speakers are sent to one by one: %s", error)
        return None


def database_url(config: Config) -> str:
    """Return the URL of the database that *config* means."""
    return config.database_url or sqlite_url(config.database_path)


def _reachable(host: str) -> str:
    """Return an address of *host* that one can connect to."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)
    return f"[{host}]" if ":" in host else host
