"""Column types that give Python values as the records hold them, on any database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

import sqlalchemy as sa

_EPOCH_UTC = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

E = TypeVar("E", bound=StrEnum)


def us_of_utc(instant: datetime) -> int:
    """Return microseconds since 1970; an instant without a time zone is a bug of ours.

    Raises:
        ValueError: It has none.
    """
    if instant.tzinfo is None:
        raise ValueError(f"{instant!r} has no time zone")
    return (instant - _EPOCH_UTC) // _MICROSECOND


def utc_of_us(since_1970_us: int) -> datetime:
    """Return the instant in UTC; raises `OverflowError` beyond the year 9999."""
    return _EPOCH_UTC + since_1970_us * _MICROSECOND


class Utc(sa.TypeDecorator[datetime]):
    """An aware datetime as microseconds since 1970: exact, ordered and portable.

    SQLite has no type for times, and drivers differ on time zones.
    """

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> int | None:
        """Return microseconds; a datetime without a time zone is a bug of ours."""
        if value is None:
            return None
        return us_of_utc(value)

    def process_result_value(self, value: int | None, dialect: Any) -> datetime | None:
        """Return the instant in UTC."""
        return None if value is None else utc_of_us(value)


class Word(sa.TypeDecorator[E]):
    """A member of a StrEnum as its value.

    Not a database enum: a new member must not need a migration.
    """

    impl = sa.String(16)
    cache_ok = True

    def __init__(self, words: type[E]) -> None:
        super().__init__()
        self.words = words

    def process_bind_param(self, value: E | None, dialect: Any) -> str | None:
        """Return the member's value."""
        return None if value is None else self.words(value).value

    def process_result_value(self, value: str | None, dialect: Any) -> E | None:
        """Return the member."""
        return None if value is None else self.words(value)


class Ids(sa.TypeDecorator[tuple[str, ...]]):
    """A tuple of ids as a JSON array."""

    impl = sa.JSON
    cache_ok = True

    def process_bind_param(
        self, value: tuple[str, ...] | None, dialect: Any
    ) -> list[str] | None:
        """Return a list, which JSON knows."""
        return None if value is None else list(value)

    def process_result_value(
        self, value: list[str] | None, dialect: Any
    ) -> tuple[str, ...] | None:
        """Return a tuple, which cannot be changed by accident."""
        return None if value is None else tuple(value)
