"""How loud a programme is to be (pure)."""

from __future__ import annotations

from streamer.wire.control import Programme, ProgrammeClass, Settings


def percent_of(settings: Settings, programme: Programme | None) -> int:
    """Return the volume at which *programme* is played under *settings*.

    An emergency has a floor, also where the speaker is muted (FORMAT.md).
    """
    floor = settings.emergency_volume_percent
    if programme is None or floor is None:
        return settings.volume_percent
    if programme.programme_class is not ProgrammeClass.EMERGENCY:
        return settings.volume_percent
    return max(settings.volume_percent, floor)


def gain_of(percent: int) -> float:
    """Return the square, which ears find more even than a straight line."""
    return (percent / 100) ** 2
