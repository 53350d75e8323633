"""Listeners by WHEP (draft-ietf-wish-whep): one POST in, one DELETE out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from streamer.api.access import ServicesHere
from streamer.api.fields import Id
from streamer.api.listening import Wanted, caller_of, place
from streamer.api.problems import Problem
from streamer.api.sdp import (
    created,
    endpoint_only_takes_offers,
    no_trickle,
    offer_of,
    preflight,
)
from streamer.api.services import Services
from streamer.fanout.webrtc.endpoint import TooManyPeersError
from streamer.fanout.webrtc.listeners import TooManyJoinsError, WebRtcListeners
from streamer.fanout.webrtc.meter import TRANSPORT
from streamer.fanout.webrtc.peer import Admission, Target
from streamer.fanout.webrtc.sdp import OfferError, UnacceptableOfferError

FULL_RETRY_AFTER_S = 60
JOINING_RETRY_AFTER_S = 5

router = APIRouter(prefix="/whep", tags=["whep"])


@router.options("")
@router.options("/{session_id}")
async def options(session_id: str = "") -> Response:
    """Answer preflights, and say what is taken."""
    return preflight()


@router.api_route("", methods=["GET", "HEAD", "PUT"], include_in_schema=False)
async def refuse_other_methods() -> Response:
    """Refuse what is no offer."""
    raise endpoint_only_takes_offers()


@router.post("", status_code=201, response_class=Response)
async def open_session(
    request: Request,
    services: ServicesHere,
    zone: Annotated[Id | None, Query()] = None,
    broadcast: Annotated[Id | None, Query()] = None,
) -> Response:
    """Let somebody hear a zone or one broadcast.

    With a token whose zone covers it, with a speaker's credential (its own zone), or
    with neither where the zone is public.
    """
    caller = await caller_of(request, services)
    target, admission = place(Wanted(zone, broadcast), caller, request, services)
    offer = await offer_of(request)
    session_id, answer = _open(offer, target, admission, services)
    return created(answer, f"/whep/{session_id}")


@router.delete("/{session_id}")
async def close_session(session_id: str, services: ServicesHere) -> Response:
    """End a session; to know its unguessable URL is the right to do so."""
    if not _listeners(services).close(session_id):
        raise Problem(404, "unknown-session", "This session is over, or never was.")
    return Response(status_code=200)


@router.patch("/{session_id}")
async def refuse_patch(session_id: str) -> Response:
    """Refuse trickle ICE and restarts."""
    raise no_trickle()


def _open(
    offer: str, target: Target, admission: Admission, services: Services
) -> tuple[str, str]:
    try:
        return _listeners(services).open(offer, target, admission)
    except OfferError as error:
        problem = Problem(400, "bad-sdp", _sentence(error))
    except UnacceptableOfferError as error:
        problem = Problem(422, "unacceptable-sdp", _sentence(error))
    except TooManyJoinsError as error:
        problem = _later(429, "too-many-joins", error, JOINING_RETRY_AFTER_S)
    except TooManyPeersError as error:
        problem = _later(503, "too-many-listeners", error, FULL_RETRY_AFTER_S)
    services.metrics.rejections.labels(TRANSPORT, problem.slug).inc()
    raise problem


def _listeners(services: Services) -> WebRtcListeners:
    if services.listeners is None:
        raise Problem(503, "no-webrtc", "This server sends no WebRTC.")
    return services.listeners


def _later(status: int, slug: str, error: Exception, after_s: int) -> Problem:
    headers = {"Retry-After": str(after_s)}  # RFC 9110, section 10.2.3
    return Problem(status, slug, _sentence(error), headers=headers)


def _sentence(error: Exception) -> str:
    text = str(error)
    return text[:1].upper() + text[1:].rstrip(".") + "."
