"""What a route is handed: the services, and who asks, once the role allows it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from streamer.api.principals import Principal, Right
from streamer.api.services import Services


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


def _anybody(request: Request) -> Principal:
    """Return who asks; the gate has let nobody else through."""
    principal: Principal = request.state.principal
    return principal


class _With:
    """A dependency: the principal, or a 403 problem without *right*."""

    def __init__(self, right: Right) -> None:
        self._right = right

    def __call__(self, request: Request) -> Principal:
        principal = _anybody(request)
        principal.demand(self._right)
        return principal


ServicesHere = Annotated[Services, Depends(_services)]
Anybody = Annotated[Principal, Depends(_anybody)]
AirReader = Annotated[Principal, Depends(_With(Right.READ_AIR))]
SpeakerReader = Annotated[Principal, Depends(_With(Right.READ_SPEAKERS))]
RecordingReader = Annotated[Principal, Depends(_With(Right.READ_RECORDINGS))]
LogReader = Annotated[Principal, Depends(_With(Right.READ_LOG))]
Broadcaster = Annotated[Principal, Depends(_With(Right.BROADCAST))]
Orderer = Annotated[Principal, Depends(_With(Right.ORDER))]
Silencer = Annotated[Principal, Depends(_With(Right.SILENCE))]
Manager = Annotated[Principal, Depends(_With(Right.MANAGE))]
