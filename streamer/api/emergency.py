"""Stored messages and the orders to play them, as JSON."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from streamer.api.answers import Answer
from streamer.api.fields import Id, Title, Utc
from streamer.api.requests import Request
from streamer.wire.documents import MAX_GAP_S, MAX_REPEATS

MAX_VALID_S = 86_400

Zones = Annotated[list[Id], Field(min_length=1, max_length=20)]


class NewMessage(Request):
    """An uploaded file that speakers shall keep."""

    title: Title
    file_id: Id
    zone_ids: Zones
    attention_s: Literal[0, 3, 10] = 0
    "The attention signal's length; it is part of the message then."


class MessageInfo(Answer):
    """A stored message."""

    id: str
    title: str
    file_id: str
    zone_ids: list[str]
    attention_s: int
    ready: bool
    "Whether its file is made; speakers fetch it then."
    created_utc: Utc


class NewOrder(Request):
    """Play a stored message, now."""

    message_id: Id
    zone_ids: list[Id] = Field(default_factory=list, max_length=20)
    "Empty: wherever the message is kept."
    repeat: Annotated[int, Field(ge=1, le=MAX_REPEATS, strict=True)] = 1
    gap_s: Annotated[int, Field(ge=0, le=MAX_GAP_S, strict=True)] = 0
    valid_s: Annotated[int, Field(ge=10, le=MAX_VALID_S, strict=True)] = 600
    "It is not begun later than this."


class OrderInfo(Answer):
    """An order that was given."""

    id: str
    "Of the broadcast that it becomes where it is played."
    serial: int
    zone_ids: list[str]
    issued_utc: Utc
    expires_utc: Utc
    signed: str
    "What speakers obey; it may be carried to them by any means."
