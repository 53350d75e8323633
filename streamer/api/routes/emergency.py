"""Stored emergency messages and the orders to play them."""

from __future__ import annotations

from fastapi import APIRouter, Response

from streamer.api.access import AirReader, Manager, ServicesHere
from streamer.api.emergency import MessageInfo, NewMessage, NewOrder, OrderInfo
from streamer.api.problems import Problem
from streamer.api.services import Services
from streamer.store.columns import utc_of_us
from streamer.store.promises import StoredMessage
from streamer.studio.emergency import Call, EmergencyDesk

router = APIRouter(tags=["emergency"])


@router.get("/messages")
async def list_messages(services: ServicesHere, _: AirReader) -> list[MessageInfo]:
    """List the messages that speakers keep."""
    desk = _desk(services)
    return [_info(each, desk) for each in await desk.messages()]


@router.post("/messages", status_code=201)
async def keep_message(
    new: NewMessage, services: ServicesHere, manager: Manager
) -> MessageInfo:
    """Have speakers keep an uploaded file, to play it when it is ordered."""
    desk = _desk(services)
    message = await desk.keep(
        new.title,
        new.file_id,
        tuple(new.zone_ids),
        attention_s=new.attention_s,
        token_id=manager.id,
    )
    return _info(message, desk)


@router.delete("/messages/{message_id}", status_code=204)
async def drop_message(message_id: str, services: ServicesHere, _: Manager) -> Response:
    """Have speakers keep a message no longer."""
    await _desk(services).drop(message_id)
    return Response(status_code=204)


@router.post("/orders", status_code=201)
async def give_order(
    new: NewOrder, services: ServicesHere, manager: Manager
) -> OrderInfo:
    """Order a stored message to be played, now, by whatever way reaches a speaker."""
    given = await _desk(services).give(
        Call(
            message_id=new.message_id,
            zone_ids=tuple(new.zone_ids),
            repeat=new.repeat,
            gap_s=new.gap_s,
            valid_s=new.valid_s,
            token_id=manager.id,
        )
    )
    order = given.order
    return OrderInfo(
        id=order.id,
        serial=order.serial,
        zone_ids=list(order.zone_ids),
        issued_utc=utc_of_us(order.issued_utc_us),
        expires_utc=utc_of_us(order.expires_utc_us),
        signed=given.signed,
    )


def _desk(services: Services) -> EmergencyDesk:
    if services.holding is None:
        raise Problem(503, "no-manifests", "Speakers of this server hold nothing.")
    return services.holding.desk


def _info(message: StoredMessage, desk: EmergencyDesk) -> MessageInfo:
    return MessageInfo(
        id=message.id,
        title=message.title,
        file_id=message.file_id,
        zone_ids=list(message.zone_ids),
        attention_s=message.attention_s,
        ready=desk.is_ready(message),
        created_utc=message.created_utc,
    )
