"""Microphones by WHIP (RFC 9725): one POST up, one DELETE down."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from streamer.api.access import Broadcaster, ServicesHere
from streamer.api.fields import Id, Title
from streamer.api.microphones import MicrophoneRefusedError, OpenedSession
from streamer.api.orders import demand_session, demand_zones, order
from streamer.api.principals import Principal
from streamer.api.problems import Problem
from streamer.api.requests import MicrophoneSource, NewBroadcast
from streamer.api.sdp import (
    created,
    endpoint_only_takes_offers,
    no_trickle,
    offer_of,
    preflight,
)
from streamer.api.services import Services
from streamer.wire.control import ProgrammeClass

DRAIN_S = 1.0
"What was said last is still sent when a session is deleted."


class Aim:
    """Where a session shall be on the air at once, if its URL says so."""

    def __init__(
        self,
        zone: Annotated[list[Id] | None, Query(max_length=1000)] = None,
        programme_class: Annotated[
            ProgrammeClass, Query(alias="class")
        ] = ProgrammeClass.NORMAL,
        title: Annotated[Title | None, Query()] = None,
    ) -> None:
        self.zone_ids = zone or []
        self.programme_class = programme_class
        self.title = title

    def order(self, session_id: str, principal: Principal) -> NewBroadcast:
        """Return the broadcast of the session."""
        return NewBroadcast(
            source=MicrophoneSource(kind="microphone", session_id=session_id),
            zone_ids=self.zone_ids,
            programme_class=self.programme_class,
            title=self.title or principal.name,
        )


router = APIRouter(prefix="/whip", tags=["whip"])


@router.options("")
@router.options("/{session_id}")
async def options(session_id: str = "") -> Response:
    """Answer preflights, and say what is taken."""
    return preflight()


@router.api_route("", methods=["GET", "HEAD", "PUT"], include_in_schema=False)
async def refuse_other_methods() -> Response:
    """Refuse what is no offer."""
    raise endpoint_only_takes_offers()


@router.post("", status_code=201)
async def open_session(
    request: Request,
    services: ServicesHere,
    broadcaster: Broadcaster,
    aim: Annotated[Aim, Depends()],
) -> Response:
    """Take a microphone; with zones in the URL, put it on the air at once."""
    offer = await offer_of(request)
    demand_zones(broadcaster, aim.zone_ids, services.studio.tree)
    session = await _open(offer, broadcaster, services)
    if aim.zone_ids:
        await _air(session, aim, broadcaster, services)
    return created(session.answer_sdp, f"/whip/{session.id}", ETag=session.etag)


@router.delete("/{session_id}")
async def close_session(
    session_id: str, services: ServicesHere, broadcaster: Broadcaster
) -> Response:
    """End a session, and what it has on the air."""
    if services.microphones.owner_of(session_id) is None:
        raise Problem(404, "unknown-session", "This microphone is not connected.")
    demand_session(broadcaster, session_id, services)
    await _stop_broadcasts(session_id, services)
    await services.microphones.close(session_id)
    return Response(status_code=200)


@router.patch("/{session_id}")
async def refuse_patch(session_id: str) -> Response:
    """Refuse trickle ICE and restarts."""
    raise no_trickle()


async def _open(offer: str, owner: Principal, services: Services) -> OpenedSession:
    try:
        return await services.microphones.open(offer, owner_id=owner.id)
    except MicrophoneRefusedError as error:
        raise Problem(error.status, error.slug, str(error)) from error


async def _air(
    session: OpenedSession, aim: Aim, broadcaster: Principal, services: Services
) -> None:
    try:
        new = aim.order(session.id, broadcaster)
        await services.studio.start(order(new, broadcaster, services))
    except BaseException:
        await services.microphones.close(session.id)
        raise


async def _stop_broadcasts(session_id: str, services: Services) -> None:
    """Stop what the session has on the air, and wait for its last sound."""
    lives = [
        live
        for live in services.studio.on_air()
        if live.request.source_kind == "microphone"
        and live.request.source_detail == session_id
    ]
    for live in lives:
        services.studio.stop(live.id)
    if lives:
        endings = [asyncio.create_task(live.ended.wait()) for live in lives]
        _, pending = await asyncio.wait(endings, timeout=DRAIN_S)
        for task in pending:
            task.cancel()
