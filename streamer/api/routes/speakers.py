"""The speakers that are enrolled."""

from __future__ import annotations

from fastapi import APIRouter, Response

from streamer.api.access import Manager, ServicesHere, SpeakerReader
from streamer.api.answers import EnrolledSpeaker, SpeakerInfo
from streamer.api.problems import Problem
from streamer.api.requests import NewSpeaker, SpeakerChange

router = APIRouter(prefix="/speakers", tags=["speakers"])


@router.get("")
async def list_speakers(
    services: ServicesHere, _: SpeakerReader, zone: str | None = None
) -> list[SpeakerInfo]:
    """List the speakers, those of one zone and below it if asked for."""
    zone_ids = None
    if zone is not None:
        if zone not in services.studio.tree:
            raise Problem(404, "unknown-zone", f"There is no zone {zone!r}.")
        zone_ids = services.studio.tree.covered([zone])
    return [
        services.speakers.describe(speaker)
        for speaker in services.speakers.all()
        if zone_ids is None or speaker.zone_id in zone_ids
    ]


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
