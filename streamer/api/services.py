"""What the routes work with, in one object; built by `streamer.app`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from streamer.api.census import Census
from streamer.api.enrolment import SpeakerRegistry
from streamer.api.microphones import Microphones
from streamer.api.publiczones import PublicZones
from streamer.api.tokens import TokenRegistry
from streamer.api.zonekeeper import ZoneKeeper
from streamer.fanout.webrtc.listeners import WebRtcListeners
from streamer.metrics import Metrics
from streamer.store.store import Store
from streamer.studio.emergency import EmergencyDesk
from streamer.studio.files import FileLibrary
from streamer.studio.journal import StoreJournal
from streamer.studio.manifests import Manifests
from streamer.studio.planning import Planning
from streamer.studio.policies import PolicyKeeper
from streamer.studio.renditions import Renditions
from streamer.studio.studio import Studio


@dataclass(frozen=True, slots=True)
class Holding:
    """What speakers hold, to do without the server."""

    manifests: Manifests
    renditions: Renditions
    desk: EmergencyDesk


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that a request may need."""

    name: str
    "Of this server, for people."
    stream_port: int
    recordings_directory: Path
    store: Store
    studio: Studio
    journal: StoreJournal
    census: Census
    tokens: TokenRegistry
    speakers: SpeakerRegistry
    zones: ZoneKeeper
    files: FileLibrary
    microphones: Microphones
    metrics: Metrics
    public_zones: PublicZones
    listeners: WebRtcListeners | None
    "None where there is no WebRTC."
    webrtc_port: int | None
    planning: Planning | None = None
    "None where no schedule is kept."
    policies: PolicyKeeper | None = None
    "None where zones have no policies."
    holding: Holding | None = None
    "None where speakers hold nothing."
