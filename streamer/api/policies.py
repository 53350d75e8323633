"""Policies of zones as the API takes and gives them, as JSON."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from streamer.air.policy import MAX_WINDOWS
from streamer.air.walltime import DEFAULT_TIME_ZONE
from streamer.api.answers import Answer
from streamer.api.fields import Role
from streamer.api.requests import Request
from streamer.wire.control import ProgrammeClass

Day = Literal["mo", "tu", "we", "th", "fr", "sa", "su"]
_HOUR = r"([01][0-9]|2[0-3]):[0-5][0-9]"
EVERY_DAY: tuple[Day, ...] = ("mo", "tu", "we", "th", "fr", "sa", "su")


class WeeklyWindow(BaseModel):
    """A stretch of the day, on some days of the week."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    days: Annotated[list[Day], Field(min_length=1, max_length=7)] = list(EVERY_DAY)
    "On which it begins."
    begins: Annotated[str, Field(alias="from", pattern=f"^{_HOUR}$")]
    ends: Annotated[str, Field(alias="to", pattern=f"^({_HOUR}|24:00)$")]
    "When it is not after `from`, the window ends the next day."


Windows = Annotated[list[WeeklyWindow], Field(max_length=MAX_WINDOWS)]


class Policy(Request):
    """What a zone allows; emergencies are exempt from all that speaks of time."""

    time_zone: Annotated[str, Field(max_length=64)] = DEFAULT_TIME_ZONE
    slots: Windows = Field(default_factory=list)
    "Broadcasts are allowed within these only; without any, always."
    quiet_hours: Windows = Field(default_factory=list)
    longest_s: Annotated[int, Field(ge=1, le=31_536_000, strict=True)] | None = None
    roles: dict[ProgrammeClass, list[Role]] = Field(default_factory=dict)
    "Who may use a class; one that is not named is for all who may broadcast."

    def document(self) -> dict[str, Any]:
        """Return it as `streamer.air.policydocument` reads it."""
        return self.model_dump(mode="json", by_alias=True)


class PolicyInfo(Answer):
    """A zone's own policy, and whose else it must keep."""

    zone_id: str
    policy: Policy
    inherited_from: list[str]
    "Zones above that have a policy of their own, the nearest first."
