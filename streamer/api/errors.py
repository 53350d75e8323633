"""Which problem each of our own errors is, as a table."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from streamer.air.policy import Refusal
from streamer.air.zones import ZoneError
from streamer.api.fields import zulu
from streamer.api.problems import Problem
from streamer.store.errors import (
    ConflictError,
    InvalidValueError,
    NotFoundError,
    StoreError,
    StoreUnavailableError,
)
from streamer.studio.emergency import NotReadyError, TooManyMessagesError
from streamer.studio.errors import (
    AlreadyEndedError,
    FileRefusedError,
    HeldZonesError,
    NotInQueueError,
    SourceRefusedError,
    StudioClosedError,
    StudioError,
    TooManyProgrammesError,
    UnknownBroadcastError,
    UnknownZoneError,
)
from streamer.studio.planning import ScheduleFullError
from streamer.studio.policies import PolicyRefusedError

_BY_TYPE: dict[type[Exception], tuple[int, str]] = {
    UnknownZoneError: (422, "unknown-zone"),
    UnknownBroadcastError: (404, "unknown-broadcast"),
    AlreadyEndedError: (409, "already-ended"),
    NotInQueueError: (409, "not-in-queue"),
    TooManyProgrammesError: (503, "too-many-programmes"),
    StudioClosedError: (503, "shutting-down"),
    ZoneError: (422, "impossible-zone"),
    ConflictError: (409, "conflict"),
    InvalidValueError: (422, "invalid-request"),
    StoreUnavailableError: (503, "database-unavailable"),
    ScheduleFullError: (409, "schedule-full"),
    NotReadyError: (409, "message-not-ready"),
    TooManyMessagesError: (409, "too-many-messages"),
}
_BY_SLUG = {
    "file-too-large": 413,
    "disk-full": 507,
    "too-many-uploads": 503,
    "too-many-files": 409,
}
_DEFAULT_STATUS = 422
RETRY_AFTER_S = 5


def install(app: FastAPI) -> None:
    """Answer the errors of studio, store and zones with problems."""
    for family in (StudioError, StoreError, ZoneError):
        app.add_exception_handler(family, _answer)


def problem_of(error: Exception) -> Problem:
    """Return the problem that *error* is to a client."""
    if isinstance(error, SourceRefusedError | FileRefusedError):
        return _problem(_BY_SLUG.get(error.slug, _DEFAULT_STATUS), error.slug, error)
    if isinstance(error, PolicyRefusedError):
        return _policy_refused(error.refusal)
    if isinstance(error, HeldZonesError):
        return _zones_held(error)
    if isinstance(error, NotFoundError):
        return _problem(404, f"unknown-{error.kind}", error)
    for base in type(error).__mro__:
        if base in _BY_TYPE:
            return _problem(*_BY_TYPE[base], error)
    raise error


def _problem(status: int, slug: str, error: Exception) -> Problem:
    headers = {"Retry-After": str(RETRY_AFTER_S)} if status == 503 else None
    detail = str(error)
    if isinstance(error, StoreUnavailableError):
        detail = "The database does not answer; what is on air goes on."
    return Problem(status, slug, detail, headers=headers)


def _policy_refused(refusal: Refusal) -> Problem:
    """Return which rule of which zone it is, and when it would be allowed."""
    allowed = refusal.allowed_from_utc
    return Problem(
        403,
        "policy-refused",
        refusal.detail,
        rule=refusal.rule.value,
        zone_id=refusal.zone_id,
        allowed_from_utc=zulu(allowed) if allowed else None,
    )


def _zones_held(error: HeldZonesError) -> Problem:
    """Return who holds which of the zones that somebody wanted for himself."""
    zones: dict[str, list[str]] = {}
    for zone_id, broadcast_id in error.held.items():
        zones.setdefault(broadcast_id, []).append(zone_id)
    holders = [
        {"broadcast_id": each, "title": error.titles.get(each), "zone_ids": found}
        for each, found in zones.items()
    ]
    return Problem(409, "zones-held", str(error), holders=holders)


async def _answer(request: Request, error: Exception) -> JSONResponse:
    return problem_of(error).response()
