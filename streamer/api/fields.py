"""Kinds of members that the API's bodies have in common; names bear their units."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PlainSerializer, StringConstraints

MAX_TITLE_CHARS = 200
MAX_NAME_CHARS = 100

Role = Literal["admin", "operator", "broadcaster", "monitor"]
Level = Literal["province", "commune", "village", "cluster"]
Flag = Annotated[bool, Field(strict=True)]
Seconds = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]
Volume = Annotated[int, Field(ge=0, le=100, strict=True)]
PlayoutDelay = Annotated[int, Field(ge=20, le=10_000, strict=True)]


def _printable(text: str) -> str:
    """Refuse control characters: they go into logs, tags and other people's pages."""
    # Cc, line and paragraph separators, lone surrogates (Unicode, table 4-4).
    if any(unicodedata.category(each) in {"Cc", "Zl", "Zp", "Cs"} for each in text):
        raise ValueError("has control characters")
    return text


def zulu(instant: datetime) -> str:
    """Return ISO 8601 in UTC with a Z, whole milliseconds."""
    text = instant.isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"


Title = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TITLE_CHARS),
    AfterValidator(_printable),
]
Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_NAME_CHARS),
    AfterValidator(_printable),
]
FileName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TITLE_CHARS),
    AfterValidator(_printable),
]
Id = Annotated[str, StringConstraints(min_length=1, max_length=64)]
NewZoneId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Utc = Annotated[datetime, PlainSerializer(zulu, return_type=str)]
