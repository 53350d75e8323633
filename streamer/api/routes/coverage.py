"""Who received what: coverage of a broadcast and of a month."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response

from streamer.air.zones import UnknownZoneError
from streamer.api.access import LogReader, ServicesHere
from streamer.api.fields import Id
from streamer.api.logbook import (
    BroadcastCoverage,
    MonthCoverage,
    broadcast_coverage,
    month_coverage,
)
from streamer.api.problems import Problem
from streamer.api.services import Services
from streamer.studio.coverage_report import (
    broadcast_report,
    month_report,
)

router = APIRouter(tags=["coverage"])

LOG_WAIT_S = 1.0
"The log is read when it is up to date, but no later than this."


@router.get("/broadcasts/{broadcast_id}/coverage", response_model=BroadcastCoverage)
async def cover_broadcast(
    broadcast_id: str, services: ServicesHere, _: LogReader
) -> Response:
    """Tell who received a broadcast, and exactly who missed what."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(services.journal.written(), LOG_WAIT_S)
    broadcast = await services.store.broadcasts.get(broadcast_id)
    report = await broadcast_report(
        services.store, broadcast, services.studio.tree, now_utc=datetime.now(UTC)
    )
    names = _speaker_names(services)

    def render() -> bytes:
        return broadcast_coverage(report, names).model_dump_json().encode()

    return _json(await asyncio.to_thread(render))


@router.get("/coverage", response_model=MonthCoverage)
async def cover_month(
    services: ServicesHere,
    _: LogReader,
    month: Annotated[str, Query(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$")],
    zone_id: Id | None = None,
) -> Response:
    """Tell how well the broadcasts of a month were received, here and below."""
    try:
        report = await month_report(
            services.store,
            services.studio.tree,
            month,
            now_utc=datetime.now(UTC),
            zone_id=zone_id,
        )
    except UnknownZoneError as error:
        raise Problem(404, "unknown-zone", f"There is no zone {zone_id!r}.") from error
    except ValueError as error:
        raise Problem(422, "invalid-request", str(error)) from error

    def render() -> bytes:
        found = month_coverage(report, month=month, zone_id=zone_id)
        return found.model_dump_json().encode()

    return _json(await asyncio.to_thread(render))


def _speaker_names(services: Services) -> dict[str, str]:
    return {each.id: each.name for each in services.speakers.all()}


def _json(content: bytes) -> Response:
    return Response(content, media_type="application/json")
