"""The as-run log: what was on air, where, when, by whom and why."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime

from streamer.api.access import LogReader, ServicesHere
from streamer.api.fields import Id
from streamer.api.logbook import LogHead, LogPage, log_event
from streamer.api.services import Services
from streamer.store.asrunevents import AsRunEntry, AsRunFilter
from streamer.store.asrunexport import csv_header, csv_lines, json_lines
from streamer.store.chain import Link

router = APIRouter(prefix="/log", tags=["log"])
exports = APIRouter(tags=["log"])

LOG_WAIT_S = 1.0
"The log is read when it is up to date, but no later than this."


def _filter(  # noqa: PLR0917 - one for each parameter of the query
    broadcast_id: Id | None = None,
    zone_id: Id | None = None,
    kind: Annotated[list[Id] | None, Query(max_length=20)] = None,
    actor: Id | None = None,
    from_utc: AwareDatetime | None = None,
    until_utc: AwareDatetime | None = None,
) -> AsRunFilter:
    return AsRunFilter(
        broadcast_id=broadcast_id,
        zone_id=zone_id,
        kinds=None if kind is None else frozenset(kind),
        actor=actor,
        from_utc=from_utc,
        until_utc=until_utc,
    )


Wanted = Annotated[AsRunFilter, Depends(_filter)]
Serial = Annotated[int, Query(ge=0, le=2**53)]


@router.get("", response_model=LogPage)
async def read_log(  # noqa: PLR0917 - one for each parameter of the query
    services: ServicesHere,
    _: LogReader,
    wanted: Wanted,
    after: Serial = 0,
    before: Serial | None = None,
    order: Literal["latest", "first"] = "latest",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """List events; `next` asks for the page that follows."""
    await _up_to_date(services)
    which = _paged(wanted, after, before)
    entries = await services.store.asrun.read(
        which, limit=limit, latest_first=order == "latest"
    )
    head = await services.store.asrun.head()
    names = {each.id: each.name for each in services.tokens.all()}

    def render() -> bytes:
        page = LogPage(
            events=[log_event(each, names) for each in entries],
            head=LogHead(count=head.count, hash=head.hash),
            next=_next(entries, limit),
        )
        return page.model_dump_json().encode()

    content = await asyncio.to_thread(render)
    return Response(content, media_type="application/json")


@exports.get("/log.jsonl", response_class=StreamingResponse)
async def export_json_lines(
    services: ServicesHere, _: LogReader, wanted: Wanted
) -> StreamingResponse:
    """Return the log as JSON lines, each with its hash; the last one is the head."""
    return await _export(services, wanted, json_lines, "jsonl", "application/x-ndjson")


@exports.get("/log.csv", response_class=StreamingResponse)
async def export_csv(
    services: ServicesHere, _: LogReader, wanted: Wanted
) -> StreamingResponse:
    """Return the log as CSV, each line with its hash; the last one is the head."""
    return await _export(services, wanted, csv_lines, "csv", "text/csv")


async def _export(
    services: Services,
    wanted: AsRunFilter,
    render: Callable[[Sequence[Link]], str],
    kind: str,
    media_type: str,
) -> StreamingResponse:
    await _up_to_date(services)

    async def pages() -> AsyncIterator[bytes]:
        # A byte order mark tells spreadsheets that the accents are UTF-8.
        yield f"\ufeff{csv_header()}".encode() if kind == "csv" else b""
        async for links in services.store.asrun.stream(wanted):
            yield (await asyncio.to_thread(render, links)).encode("utf-8", "replace")

    # Asked before the first byte is sent: a database that is away is a 503.
    await services.store.check()
    return StreamingResponse(
        pages(),
        media_type=media_type,
        headers={"Content-Disposition": f'attachment; filename="asrun-log.{kind}"'},
    )


async def _up_to_date(services: Services) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(services.journal.written(), LOG_WAIT_S)


def _paged(wanted: AsRunFilter, after: int, before: int | None) -> AsRunFilter:
    return replace(wanted, after_serial=after, before_serial=before)


def _next(entries: Sequence[AsRunEntry], limit: int) -> int | None:
    return entries[-1].serial if len(entries) == limit else None
