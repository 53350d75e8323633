"""What speakers hold, tied to the rest of the server."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta

from streamer.api import requests
from streamer.api.services import Holding
from streamer.app.foresight import KnownRules
from streamer.app.opener import Opener
from streamer.app.signingkey import SigningKey
from streamer.config import Config
from streamer.fanout.frames import text_frame
from streamer.fanout.hub import Hub
from streamer.media.frame import Pcm, silence
from streamer.media.source import Source
from streamer.programme.chime import attention_signal, three_tone_gong
from streamer.programme.programme import ProgrammeSettings
from streamer.store.store import Store
from streamer.studio.emergency import EmergencyDesk
from streamer.studio.manifests import Manifests
from streamer.studio.planning import Planning
from streamer.studio.provision import Provision
from streamer.studio.renditions import Renditions
from streamer.studio.scheduled import ScheduledStart
from streamer.studio.studio import Studio
from streamer.wire.control import ManifestChanged, Ordered, serialize


@dataclass(frozen=True, slots=True)
class Parts:
    """Of the server, that are needed here."""

    config: Config
    store: Store
    hub: Hub
    studio: Studio
    planning: Planning
    opener: Opener
    "Patient: it opens what is read as fast as the disk gives it."
    key: SigningKey
    settings: ProgrammeSettings
    rules: KnownRules


class _Opening:
    """Opens for `Provision` what the studio would air."""

    def __init__(self, opener: Opener) -> None:
        self._opener = opener

    async def open_start(self, start: ScheduledStart) -> Source:
        return await self._opener.open(start)

    async def open_file(self, file_id: str) -> Source:
        return await self._opener.open(
            requests.FileSource(kind="file", file_id=file_id)
        )

    def before(self, *, chime: bool, attention_s: int) -> Pcm:
        if attention_s:
            return attention_signal(attention_s)
        return three_tone_gong() if chime else silence(0)


async def hold(stack: AsyncExitStack, parts: Parts) -> Holding:
    """Begin to keep what speakers hold, until *stack* is left."""
    hub, key = parts.hub, parts.key

    def changed(zone_ids: Collection[str], version: int) -> None:
        hub.tell(zone_ids, text_frame(serialize(ManifestChanged(version))))

    def send(zone_ids: Collection[str], signed: str) -> None:
        hub.tell(zone_ids, text_frame(serialize(Ordered(signed))))

    renditions = Renditions(parts.config.renditions_directory, parts.settings)
    manifests = Manifests(key.sign, lambda: parts.studio.air)
    provision = Provision(
        parts.planning,
        parts.store,
        renditions,
        manifests,
        opening=_Opening(parts.opener),
        foresight=parts.rules,
        changed=changed,
        ahead=timedelta(hours=parts.config.speakers_hold_h),
    )
    await stack.enter_async_context(provision)
    desk = EmergencyDesk(parts.store, provision, manifests, sign=key.sign, send=send)
    return Holding(manifests, renditions, desk)
