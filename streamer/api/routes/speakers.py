"""The speakers that are enrolled."""

from __future__ import annotations

from fastapi import APIRouter, Response
from pydantic import TypeAdapter

from streamer.api.access import Manager, ServicesHere, SpeakerReader
from streamer.api.answers import EnrolledSpeaker, SpeakerInfo
from streamer.api.bulk import bulk
from streamer.api.problems import Problem
from streamer.api.requests import NewSpeaker, SpeakerChange
from streamer.store.records import Speaker

router = APIRouter(prefix="/speakers", tags=["speakers"])

_SPEAKERS = TypeAdapter(list[SpeakerInfo])


@router.get("", response_model=list[SpeakerInfo])
async def list_speakers(
    services: ServicesHere, _: SpeakerReader, zone: str | None = None
) -> Response:
    """List the speakers, those of one zone and below it if asked for."""
    tree, registry = services.studio.tree, services.speakers
    if zone is not None and zone not in tree:
        raise Problem(404, "unknown-zone", f"There is no zone {zone!r}.")
    speakers = registry.all()

    def build() -> list[SpeakerInfo]:
        within = None if zone is None else tree.covered([zone])
        chosen = [each for each in speakers if within is None or each.zone_id in within]
        return [registry.describe(each) for each in sorted(chosen, key=_by_name)]

    return await bulk(_SPEAKERS, build)


@router.get("/{speaker_id}")
async def get_speaker(
    speaker_id: str, services: ServicesHere, _: SpeakerReader
) -> SpeakerInfo:
    """Return one speaker."""
    return services.speakers.describe(services.speakers.get(speaker_id))


@router.post("", status_code=201)
async def enrol_speaker(
    new: NewSpeaker, services: ServicesHere, _: Manager
) -> EnrolledSpeaker:
    """Enrol a speaker; its credential is in this answer and nowhere else."""
    speaker, credential = await services.speakers.enrol(
        name=new.name, zone_id=new.zone_id, volume_percent=new.volume_percent
    )
    info = services.speakers.describe(speaker)
    return EnrolledSpeaker(**info.model_dump(), credential=credential)


@router.patch("/{speaker_id}")
async def change_speaker(
    speaker_id: str, change: SpeakerChange, services: ServicesHere, _: Manager
) -> SpeakerInfo:
    """Change a speaker; it hears of it at once."""
    speaker = await services.speakers.change(
        speaker_id, change.model_dump(exclude_none=True)
    )
    return services.speakers.describe(speaker)


@router.delete("/{speaker_id}", status_code=204)
async def remove_speaker(
    speaker_id: str, services: ServicesHere, _: Manager
) -> Response:
    """Forget a speaker and close its connection."""
    await services.speakers.remove(speaker_id)
    return Response(status_code=204)


@router.post("/{speaker_id}/credential")
async def renew_credential(
    speaker_id: str, services: ServicesHere, _: Manager
) -> EnrolledSpeaker:
    """Give a speaker a new credential; the former is refused from now on."""
    speaker, credential = await services.speakers.renew_credential(speaker_id)
    info = services.speakers.describe(speaker)
    return EnrolledSpeaker(**info.model_dump(), credential=credential)


def _by_name(speaker: Speaker) -> tuple[str, str]:
    return speaker.name, speaker.id
