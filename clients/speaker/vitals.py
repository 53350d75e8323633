"""How the box is: temperature, load, modem; looked at off the loop, each 10 s."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clients.speaker.modem import ModemReader, ModemReading
from clients.speaker.state import StateFile

_log = logging.getLogger(__name__)

LOOK_PERIOD_S = 10.0
LOOKS_PER_MODEM = 6
"A modem is asked once a minute: each question wakes it."
SAVE_EVERY_BYTES = 1 << 20
"Data use is written down by the megabyte: flash memory wears out."
THERMAL = Path("/sys/class/thermal")


@dataclass(frozen=True, slots=True)
class Vitals:
    """The box, as last looked at."""

    load_percent: int = 0
    cpu_celsius: int | None = None
    modem: ModemReading | None = None
    used_bytes: int | None = None
    "Through the modem since the state directory was new, or since the start."


class DataMeter:
    """Adds up a counter that begins at 0 whenever the modem does (pure).

    Args:
        saved: What :meth:`document` returned before the restart.
    """

    def __init__(self, saved: Mapping[str, Any]) -> None:
        used, counter = saved.get("used_bytes"), saved.get("counter_bytes")
        self._used = used if type(used) is int and used >= 0 else 0
        self._counter = counter if type(counter) is int and counter >= 0 else 0
        self._saved_bytes = self._used

    def add(self, counter_bytes: int) -> int:
        """Take in what the counter says; return all that was used."""
        begun_anew = counter_bytes < self._counter
        self._used += counter_bytes - (0 if begun_anew else self._counter)
        self._counter = counter_bytes
        return self._used

    def worth_saving(self) -> bool:
        """Return whether much was used since this was true last."""
        if self._used - self._saved_bytes < SAVE_EVERY_BYTES:
            return False
        self._saved_bytes = self._used
        return True

    def document(self) -> dict[str, int]:
        """Return what goes on after a restart."""
        return {"used_bytes": self._used, "counter_bytes": self._counter}


class VitalsWatch:
    """Looks at the box while :meth:`run` runs; `latest` is what it saw.

    Args:
        modem: Is asked about the link; None: there is none.
        state: Where data use is kept; None: it begins at 0 with the process.
        thermal: Where the kernel shows its sensors.
    """

    def __init__(
        self,
        modem: ModemReader | None,
        state: StateFile | None = None,
        *,
        thermal: Path = THERMAL,
    ) -> None:
        self._modem = modem
        self._state = state
        self._thermal = thermal
        self._meter: DataMeter | None = None
        self.latest = Vitals()

    async def run(self) -> None:
        """Look each 10 s, until cancelled."""
        looks, modem = 0, None
        while True:
            if self._modem is not None and looks % LOOKS_PER_MODEM == 0:
                modem = await self._modem.read()
            self.latest = await asyncio.to_thread(self._look, modem)
            looks += 1
            await asyncio.sleep(LOOK_PERIOD_S)

    def _look(self, modem: ModemReading | None) -> Vitals:
        """Blocks: a sensor may be slow, and so may a disk."""
        used_bytes = None
        if modem is not None and modem.data_bytes is not None:
            used_bytes = self._measure(modem.data_bytes)
        return Vitals(
            load_percent=_load_percent(),
            cpu_celsius=hottest_celsius(self._thermal),
            modem=modem,
            used_bytes=used_bytes,
        )

    def _measure(self, counter_bytes: int) -> int:
        if self._meter is None:
            self._meter = DataMeter({} if self._state is None else self._state.load())
        used_bytes = self._meter.add(counter_bytes)
        if self._state is not None and self._meter.worth_saving():
            try:
                self._state.save(self._meter.document())
            except OSError as error:
                _log.warning("data use cannot be written down: %s", error)
        return used_bytes


def hottest_celsius(thermal: Path) -> int | None:
    """Return what the hottest of the kernel's sensors shows; None: there is none.

    Source: kernel documentation, sysfs-class-thermal: millidegrees Celsius.
    """
    hottest: int | None = None
    for sensor in thermal.glob("thermal_zone*/temp"):
        with contextlib.suppress(OSError, ValueError):  # some are there and asleep
            celsius = round(int(sensor.read_text()) / 1000)
            hottest = celsius if hottest is None else max(hottest, celsius)
    return hottest


def _load_percent() -> int:
    try:
        return round(os.getloadavg()[0] * 100)
    except OSError:
        return 0
