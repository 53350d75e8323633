"""What WHIP and WHEP have in common over HTTP: offers in, answers out.

Sources: RFC 9725 (WHIP), draft-ietf-wish-whep-03.
"""

from __future__ import annotations

from fastapi import Request, Response

from streamer.api.problems import Problem

SDP = "application/sdp"


def preflight() -> Response:
    """Answer OPTIONS, and say what is taken (RFC 9725, section 4.2)."""
    return Response(status_code=204, headers={"Accept-Post": SDP})


async def offer_of(request: Request) -> str:
    """Return the offer in a request's body.

    Raises:
        Problem: 415 where it is something else, 400 where it is no text.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != SDP:
        raise Problem(
            415,
            "unsupported-media-type",
            f"An offer is {SDP}.",
            headers={"Accept-Post": SDP},
        )
    try:
        return (await request.body()).decode()
    except UnicodeDecodeError:
        raise Problem(400, "bad-sdp", "The offer is not UTF-8.") from None


def created(answer: str, location: str, **headers: str) -> Response:
    """Return the 201 of a new session."""
    return Response(
        answer, 201, media_type=SDP, headers={"Location": location, **headers}
    )


def endpoint_only_takes_offers() -> Problem:
    """Return what other methods are answered; they are reserved (RFC 9725, 4.1)."""
    return Problem(
        405,
        "method-not-allowed",
        "Post an offer.",
        headers={"Allow": "POST, OPTIONS"},
    )


def no_trickle() -> Problem:
    """Return what PATCH is answered (RFC 9725, section 4.3.1: 405)."""
    return Problem(
        405,
        "method-not-allowed",
        "Send a whole offer: there is neither trickle ICE nor ICE restart.",
        headers={"Allow": "DELETE, OPTIONS"},
    )
