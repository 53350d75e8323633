"""What the modem tells: the `ModemReader` seam, its fake, and ModemManager.

``mmcli -J`` prints strings only, and "--" for what it does not know (mmcli(1)).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

READ_TIMEOUT_S = 5.0
MMCLI = ("mmcli", "-m", "any", "-J")
INTERFACES = Path("/sys/class/net")
_UNKNOWN = ("", "--")


@dataclass(frozen=True, slots=True)
class ModemReading:
    """What is known of the modem now; None: it does not say."""

    operator: str | None = None
    signal_percent: int | None = None
    data_bytes: int | None = None
    "Received and sent since the interface came up; a restart begins at 0."


class ModemReader(Protocol):
    """Asks a modem; called every minute."""

    async def read(self) -> ModemReading | None:
        """Return a reading, or None where there is no modem; never raises or hangs."""
        ...


class FakeModem:
    """The shipped fake: tells what it is given."""

    def __init__(self, reading: ModemReading | None = None) -> None:
        self.reading = reading

    async def read(self) -> ModemReading | None:
        """Return what was given."""
        return self.reading


class ModemManager:
    """Asks ModemManager by its command.

    Args:
        command: Prints a modem as JSON.
        interfaces: Where the kernel counts what passes network interfaces.
        timeout_s: After it the command is killed: a hung modem hangs it, too.
    """

    def __init__(
        self,
        command: Sequence[str] = MMCLI,
        *,
        interfaces: Path = INTERFACES,
        timeout_s: float = READ_TIMEOUT_S,
    ) -> None:
        self._command = command
        self._interfaces = interfaces
        self._timeout_s = timeout_s

    async def read(self) -> ModemReading | None:
        """Return a reading; None without ModemManager, modem or answer."""
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
        except OSError:
            return None  # not installed
        try:
            async with asyncio.timeout(self._timeout_s):
                output, _ = await process.communicate()
        except TimeoutError:
            return None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode != 0:
            return None
        return parse_mmcli(output, data_bytes=self._data_bytes)

    def _data_bytes(self, interface: str) -> int | None:
        counters = self._interfaces / interface / "statistics"
        try:
            return sum(
                int((counters / name).read_text()) for name in ("rx_bytes", "tx_bytes")
            )
        except (OSError, ValueError):
            return None


class _Counter(Protocol):
    def __call__(self, interface: str, /) -> int | None: ...


def parse_mmcli(output: bytes, *, data_bytes: _Counter) -> ModemReading | None:
    """Return what ``mmcli -J`` printed; None: nothing that could be read."""
    try:
        modem = json.loads(output)["modem"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return None
    ports = _at(modem, "generic", "ports")
    interface = next(
        (
            found[1]
            for port in (ports if isinstance(ports, list) else ())
            if (found := re.fullmatch(r"([\w.-]+) \(net\)", str(port)))
            and not found[1].startswith(".")
        ),
        None,
    )
    operator = _at(modem, "3gpp", "operator-name")
    quality = str(_at(modem, "generic", "signal-quality", "value"))
    return ModemReading(
        operator=None if operator in (None, *_UNKNOWN) else str(operator),
        signal_percent=int(quality) if re.fullmatch(r"[0-9]{1,3}", quality) else None,
        data_bytes=None if interface is None else data_bytes(interface),
    )


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
