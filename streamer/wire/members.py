"""The members of a control message: from JSON to checked Python values.

What a member may be is said by the annotation of the message's field: ``bool``,
``int``, `Count`, ``str``, an enumeration of strings, or one of these ``| None``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from enum import StrEnum
from typing import Annotated, Any, TypeAlias, get_type_hints

from streamer.wire.errors import RemoteWireError

Count: TypeAlias = Annotated[int, "0 or more"]
"An integer that is never negative."

Kinds: TypeAlias = Mapping[str, Any]
"What each member may be, by name."

_MAX_INTEGER = 2**53 - 1  # what every JSON reader keeps exact (RFC 8259, section 6)


def kinds_of(message_type: type[Any]) -> Kinds:
    """Return what the members of a dataclass may be."""
    hints = get_type_hints(message_type, include_extras=True)
    return {field.name: hints[field.name] for field in fields(message_type)}


def load_object(text: str) -> dict[str, Any]:
    """Return the JSON object in *text*.

    Raises:
        RemoteWireError: There is none.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RemoteWireError(f"control message is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise RemoteWireError("control message is not a JSON object")
    return value


def convert(members: Mapping[str, Any], kinds: Kinds, *, message: str) -> Kinds:
    """Return those of *members* that *kinds* names, as what it says they are.

    Args:
        members: As they came; those not named are left out.
        kinds: From :func:`kinds_of`.
        message: The message's type, for what is said of an error.

    Raises:
        RemoteWireError: One is missing or something else.
    """
    return {
        name: _convert(f"{message}.{name}", members.get(name), kind)
        for name, kind in kinds.items()
    }


def is_text(value: str) -> bool:
    r"""Whether *value* has a UTF-8 form; JSON lets "\ud800" through, which has none."""
    return value.isascii() or not any("\ud800" <= c <= "\udfff" for c in value)


def _convert(name: str, value: Any, kind: Any) -> Any:
    plain = _OPTIONAL.get(kind, kind)
    if value is None and plain is not kind:
        return None
    if isinstance(plain, type) and issubclass(plain, StrEnum):
        accepts: Callable[[Any], bool] = tuple(plain).__contains__
        description = "one of " + ", ".join(plain)
    else:
        accepts, description = _ACCEPTED[plain]
    if not accepts(value):
        raise RemoteWireError(f"{name} is missing or not {description}")
    return plain(value) if isinstance(plain, type) else value


def _is_integer(value: Any) -> bool:
    """JSON's true is not a number here."""
    return type(value) is int and abs(value) <= _MAX_INTEGER


def _is_count(value: Any) -> bool:
    return _is_integer(value) and value >= 0


def _is_string(value: Any) -> bool:
    return isinstance(value, str) and is_text(value)


_OPTIONAL: dict[Any, Any] = {int | None: int, str | None: str}
_ACCEPTED: dict[Any, tuple[Callable[[Any], bool], str]] = {
    bool: (lambda value: isinstance(value, bool), "true or false"),
    int: (_is_integer, "an integer of at most 53 bits"),
    Count: (_is_count, "an integer of at most 53 bits, 0 or more"),
    str: (_is_string, "a string"),
}
